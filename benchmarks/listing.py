"""Listing machines: 200 accounts at once beside plain aiohttp, and 10,000 droplets of one account beside libcloud.

Run it alone: ``python benchmarks/listing.py``. The server is a process of its own; contenders take turns in every
round, and medians are shown. DigitalOcean's list leaves GPU droplets out, so that a whole list takes two requests;
plain aiohttp is shown with the same number of them.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import aiohttp
from _servers import account, droplet_pages, linode_pages, serving
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

from purveyor import MultiProviderClient

ACCOUNTS, ACCOUNT_SECONDS = 200, 0.050
DROPLETS, PAGE_SECONDS = 10_000, 0.020
ROUNDS = 9


async def plain(port: int, targets: Sequence[str]) -> float:
    """Seconds of plain aiohttp for these requests of each account, all at once in one session."""
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def get(target: str) -> None:
            async with session.get(f"http://127.0.0.1:{port}{target}") as answer:
                await answer.read()

        await asyncio.gather(*(get(target) for target in targets for _ in range(ACCOUNTS)))
    return time.perf_counter() - began


async def ours(port: int, kind: str) -> float:
    """Seconds of ``list_instances`` over all accounts; nobody is connected yet, as nobody is above."""
    accounts = [account(kind, port, f"{kind}-{number}") for number in range(ACCOUNTS)]
    async with MultiProviderClient.from_config({"state": "memory", "providers": accounts}) as client:
        began = time.perf_counter()
        view = await client.list_instances().collect()
        seconds = time.perf_counter() - began
        assert view.complete, view.failures
    return seconds


async def medians(*measures: Callable[[], Awaitable[float]]) -> list[float]:
    """Medians of interleaved rounds, after one to warm up."""
    rounds: list[list[float]] = []
    for _ in range(ROUNDS + 1):
        rounds.append([])
        for measure in measures:
            gc.collect()
            rounds[-1].append(await measure())
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


async def many_accounts() -> None:
    """200 accounts of 50 ms each."""
    lists = {
        "digitalocean": ["/v2/droplets?page=1&per_page=200", "/v2/droplets?type=gpus&page=1&per_page=200"],
        "linode": ["/v4/linode/instances?page=1&page_size=500"],
    }
    print(f"{ACCOUNTS} accounts, {ACCOUNT_SECONDS * 1000:.0f} ms a request, cold; median of {ROUNDS} rounds")
    with serving({**droplet_pages(1), **linode_pages(0)}, ACCOUNT_SECONDS) as port:
        for kind, targets in lists.items():
            peer, listed = await medians(partial(plain, port, targets), partial(ours, port, kind))
            requests = f"{len(targets)} request{'s' if len(targets) > 1 else ''} an account"
            print(f"  plain aiohttp, {requests:24} {peer * 1000:7.1f} ms")
            _show(f"list_instances, {kind}", listed, listed / peer, "of the same requests", 2.0)


def libcloud_driver(port: int) -> Any:
    """The driver, pointed at the server before its first call."""
    driver: Any = get_driver(Provider.DIGITAL_OCEAN)("benchmark")
    connection = driver.connection
    connection.host, connection.port, connection.secure = "127.0.0.1", port, 0
    connection.connect()
    return driver


async def one_account() -> None:
    """10,000 droplets, 20 ms a page."""
    theirs, firsts, alls = [], [], []
    with serving(droplet_pages(DROPLETS), PAGE_SECONDS) as port:
        for number in range(ROUNDS // 2 + 2):
            gc.collect()
            began = time.perf_counter()
            assert len(libcloud_driver(port).list_nodes()) == DROPLETS
            peer = time.perf_counter() - began
            gc.collect()
            first, everything = await stream(port)
            if number:
                theirs.append(peer)
                firsts.append(first)
                alls.append(everything)
    peer, first, everything = map(statistics.median, (theirs, firsts, alls))
    print(
        f"{DROPLETS} droplets of one account, {PAGE_SECONDS * 1000:.0f} ms a page; median of {len(theirs)} rounds"
    )
    print(f"  {'libcloud list_nodes':39} {peer * 1000:7.1f} ms")
    _show("list_instances, first item", first, first / PAGE_SECONDS, "pages' time", 2.0)
    _show("list_instances, all items", everything, everything / peer, "of libcloud", 0.2)


async def stream(port: int) -> tuple[float, float]:
    """Seconds until the first and until the last item; the client has been used before, as libcloud's has."""
    config = {"state": "memory", "providers": [account("digitalocean", port)]}
    async with MultiProviderClient.from_config(config) as client:
        await client.check_health().collect()
        began, first, count = time.perf_counter(), 0.0, 0
        async for _ in client.list_instances():
            first = first or time.perf_counter() - began
            count += 1
        assert count == DROPLETS
        return first, time.perf_counter() - began


def _show(name: str, seconds: float, ratio: float, unit: str, most: float) -> None:
    verdict = "met" if ratio <= most else "MISSED"
    print(f"  {name:39} {seconds * 1000:7.1f} ms  {ratio:6.3f} {unit}; target at most {most}: {verdict}")


if __name__ == "__main__":
    asyncio.run(many_accounts())
    asyncio.run(one_account())
