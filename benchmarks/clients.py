"""Listing the 100 servers of one account, beside what people use today: pydo, linode_api4, libcloud.

Run it alone: ``python benchmarks/clients.py``. One server, a process of its own, answers everybody with the same rows
from rendered pages, so that what is measured is the clients. They are used as their documentation shows, and keep
their connections. Contenders take turns in every round; medians are shown. ``cpu`` is this process's alone.

DigitalOcean's list leaves GPU droplets out. ``list_instances`` asks for them as well, with a second request that its
peers do not send. At once, libcloud is therefore shown twice: as it is, and with that request. So is ``list_instances``:
calls at once through one client share walks through an account's list; with an account for each call, none is shared.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import attrs
import pydo
from _servers import account, droplet_pages, linode_pages, serving, unlimited
from azure.core.pipeline.policies import SansIOHTTPPolicy
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider
from linode_api4 import LinodeClient

from purveyor import MultiProviderClient

SERVERS = 100
AT_ONCE = 64
FASTER, LESS_CPU = 3.0, 0.2


class PlainToken(SansIOHTTPPolicy[Any, Any]):
    """pydo's own way of sending its token refuses loopback without TLS."""

    def __init__(self, token: str) -> None:
        self._token = token

    def on_request(self, request: Any) -> None:
        """Add the header."""
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


def pydo_list(port: int) -> Callable[[], int]:
    """Pydo, with the largest page."""
    client = pydo.Client(
        token="benchmark",
        endpoint=f"http://127.0.0.1:{port}",
        authentication_policy=PlainToken("benchmark"),
        retry_total=0,
    )
    return lambda: len(client.droplets.list(per_page=200)["droplets"])


def linode_api4_list(port: int) -> Callable[[], int]:
    """linode_api4, with its usual page, which holds all."""
    client = LinodeClient("benchmark", base_url=f"http://127.0.0.1:{port}/v4", retry=False)
    return lambda: len(list(client.linode.instances()))


def libcloud_droplets(port: int) -> Callable[[], int]:
    """Libcloud's driver, as it is: without GPU droplets."""
    driver = _digitalocean(port)
    return lambda: len(driver.list_nodes())


def libcloud_all_droplets(port: int) -> Callable[[], int]:
    """Libcloud's driver, made to list what ``list_instances`` does: with the request for GPU droplets."""
    driver = _digitalocean(port)

    def everything() -> int:
        answer = driver.connection.request("/v2/droplets", params={"type": "gpus"})
        return len([*driver.list_nodes(), *map(driver._to_node, answer.object["droplets"])])  # noqa: SLF001

    return everything


def _digitalocean(port: int) -> Any:
    """A driver that is pointed at the server before its first call."""
    driver: Any = get_driver(Provider.DIGITAL_OCEAN)("benchmark")
    connection = driver.connection
    connection.host, connection.port, connection.secure = "127.0.0.1", port, 0
    connection.connect()
    return driver


def libcloud_linodes(port: int) -> Callable[[], int]:
    """Libcloud's driver; it asks for 25 rows at a time and cannot be told otherwise."""
    driver: Any = get_driver(Provider.LINODE)("benchmark", host="127.0.0.1", port=port, secure=False)
    return lambda: len(driver.list_nodes())


class Ours:
    """One client with one account, and the loop that it lives on."""

    def __init__(self, kind: str, port: int) -> None:
        unlimited(kind)
        self._runner = asyncio.Runner()
        self._names = [f"bench-{number}" for number in range(AT_ONCE)]
        accounts = [account(kind, port, name) for name in self._names]
        self._client = MultiProviderClient.from_config({"state": "memory", "providers": accounts})

    async def _list(self, name: str = "bench-0") -> int:
        view = await self._client.list_instances([name]).collect()
        assert view.complete, view.failures
        return len(view.items)

    def one(self, times: int) -> None:
        """One after the other."""

        async def all_of_them() -> None:
            for _ in range(times):
                assert await self._list() == SERVERS

        self._runner.run(all_of_them())

    def many(self) -> None:
        """Many at once, of one account."""
        self._at_once([self._names[0]] * AT_ONCE)

    def many_by_themselves(self) -> None:
        """Many at once, each of an account of its own."""
        self._at_once(self._names)

    def _at_once(self, names: Sequence[str]) -> None:
        async def all_of_them() -> None:
            assert await asyncio.gather(*map(self._list, names)) == [SERVERS] * len(names)

        self._runner.run(all_of_them())

    def close(self) -> None:
        """Close the client and the loop."""
        self._runner.run(self._client.aclose())
        self._runner.close()


class Threads:
    """As many libcloud drivers as threads: one must not be shared."""

    def __init__(self, make: Callable[[int], Callable[[], int]], port: int) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._lists = [make(port) for _ in range(AT_ONCE)]

    def many(self) -> None:
        """Many at once."""
        assert list(self._pool.map(lambda each: each(), self._lists)) == [SERVERS] * AT_ONCE

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def repeated(one: Callable[[], int]) -> Callable[[int], None]:
    """One after the other."""

    def run(times: int) -> None:
        for _ in range(times):
            assert one() == SERVERS

    return run


@attrs.frozen
class Took:
    """What one call took, in milliseconds."""

    wall: float
    cpu: float


def measure(contenders: Mapping[str, Callable[[], None]], calls: int, rounds: int) -> dict[str, Took]:
    """Medians for one call; a round beforehand does not count (imports, connections)."""
    found: dict[str, list[Took]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            took = Took(
                (time.perf_counter() - wall) * 1000 / calls, (time.process_time() - cpu) * 1000 / calls
            )
            if number:
                found[name].append(took)
    return {
        name: Took(statistics.median(one.wall for one in all_), statistics.median(one.cpu for one in all_))
        for name, all_ in found.items()
    }


def one_at_a_time(lists: Mapping[str, Callable[[int], None]], ours: str, calls: int, rounds: int) -> None:
    """Calls in a row; ours must take less time than each of the others."""
    found = measure({name: partial(run, calls) for name, run in lists.items()}, calls, rounds)
    for name, took in found.items():
        ratio = found[ours].wall / took.wall
        verdict = "" if name == ours else f"ours takes {ratio:.2f} of it; target below 1: {_met(ratio < 1)}"
        print(f"  {name:34} {took.wall:6.2f} ms a call  {took.cpu:6.2f} ms cpu  {verdict}")


def many_at_once(
    ours: Mapping[str, Callable[[], None]], threads: Mapping[str, Callable[[], None]], rounds: int
) -> None:
    """Many calls at once beside threads."""
    found = measure({**ours, **threads}, AT_ONCE, rounds)
    for name, took in found.items():
        print(f"  {name:34} {took.wall:6.2f} ms a call  {took.cpu:6.2f} ms cpu")
    for name in ours:
        for peer in threads:
            speed, cpu = found[peer].wall / found[name].wall, found[name].cpu / found[peer].cpu
            print(
                f"  {name:34} {speed:4.1f} x as fast as {peer}; target {FASTER}: {_met(speed >= FASTER)};"
                f" {cpu:.2f} of its cpu; target {LESS_CPU}: {_met(cpu <= LESS_CPU)}"
            )


def _met(good: bool) -> str:  # noqa: FBT001 - a verdict is a verdict
    return "met" if good else "MISSED"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls in a row")
    parser.add_argument("--rounds", type=int, default=11, help="rounds; medians are shown")
    options = parser.parse_args()
    clouds: Sequence[tuple[str, Mapping[str, Callable[[int], Callable[[], int]]]]] = (
        ("digitalocean", {"pydo": pydo_list, "libcloud": libcloud_droplets}),
        ("linode", {"linode_api4": linode_api4_list, "libcloud": libcloud_linodes}),
    )
    with serving({**droplet_pages(SERVERS), **linode_pages(SERVERS)}) as port, ExitStack() as stack:
        for kind, peers in clouds:
            ours = Ours(kind, port)
            stack.callback(ours.close)
            threads = {f"libcloud, {AT_ONCE} threads": Threads(peers["libcloud"], port)}
            if kind == "digitalocean":
                threads["the same, with GPU droplets"] = Threads(libcloud_all_droplets, port)
            for each in threads.values():
                stack.callback(each.close)
            print(f"{kind}: {SERVERS} servers, one call after the other; median of {options.rounds} rounds")
            in_a_row = {name: repeated(make(port)) for name, make in peers.items()}
            one_at_a_time({"purveyor": ours.one, **in_a_row}, "purveyor", options.calls, options.rounds)
            print(f"{kind}: {SERVERS} servers, {AT_ONCE} calls at once; median of {options.rounds} rounds")
            at_once = {name: each.many for name, each in threads.items()}
            both = {"purveyor": ours.many, "purveyor, no walk shared": ours.many_by_themselves}
            many_at_once(both, at_once, options.rounds)


if __name__ == "__main__":
    main()
