"""What a lost answer costs: 100 machines are wanted, and one answer in five to a create is lost after its effect.

Run it alone: ``python benchmarks/lost_answers.py``. Everybody asks for one machine after the other at a server of their
own that loses the same answers by the same seed, and is used as its documentation shows: ``create``, and nothing else;
or with the loop that is usually put around such calls, which tries again up to five times after any error. What truly
was made is in the cloud's own log. Nobody knows of a machine that was made and was returned to no caller.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import attrs
import pydo
from _servers import playing
from clients import PlainToken
from libcloud.common import base as libcloud_base
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider
from linode_api4 import LinodeClient

from purveyor import InstanceSpec, MultiProviderClient
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_linode.sandbox import LinodeSandbox

WANTED, LOST, TRIES = 100, 0.2, 5
MANY = 1_000_000

Create = Callable[[str], str]
"""Makes one machine of that name and gives its id."""


@attrs.frozen
class Contender:
    """Somebody who makes machines.

    Attributes:
        name: What it is called in the table.
        cloud: ``digitalocean`` or ``linode``.
        opened: Given where the cloud is; closes what it opened.
        tries: How often its user calls it for one machine.
    """

    name: str
    cloud: str
    opened: Callable[[Mapping[str, str]], Any]
    tries: int = 1


@contextmanager
def by_libcloud(cloud: Mapping[str, str], *, retry: bool) -> Iterator[Create]:
    """Libcloud's driver, pointed at the server; ``retry`` is its own switch, with a shorter pause than usual."""
    with mock.patch.object(libcloud_base, "RETRY_FAILED_HTTP_REQUESTS", retry):
        driver: Any = get_driver(Provider.DIGITAL_OCEAN)(cloud["token"])
        connection, where = driver.connection, urlsplit(cloud["base_url"])
        connection.host, connection.port, connection.secure = where.hostname, where.port, 0
        connection.retry_delay = 0.01
        connection.connect()
        size = next(one for one in driver.list_sizes() if one.name == "s-1vcpu-1gb")
        image = next(one for one in driver.list_images() if one.extra["slug"] == "debian-12-x64")
        location = next(one for one in driver.list_locations() if one.id == "ams3")
        yield lambda name: str(driver.create_node(name, size, image, location).id)


@contextmanager
def by_pydo(cloud: Mapping[str, str]) -> Iterator[Create]:
    """Pydo, with its own retries as they are."""
    token, endpoint = cloud["token"], cloud["base_url"]
    client = pydo.Client(token=token, endpoint=endpoint, authentication_policy=PlainToken(token))
    body = {"size": "s-1vcpu-1gb", "image": "debian-12-x64", "region": "ams3"}
    yield lambda name: str(client.droplets.create(body={**body, "name": name})["droplet"]["id"])


@contextmanager
def by_linode_api4(cloud: Mapping[str, str], *, labels: bool) -> Iterator[Create]:
    """linode_api4, with its own retries and shorter pauses; its documentation's example gives no label, which is unique."""
    client = LinodeClient(cloud["token"], base_url=cloud["base_url"], retry_rate_limit_interval=0.01)

    def create(name: str) -> str:
        label = {"label": name} if labels else {}
        made = client.linode.instance_create(
            "g6-nanode-1", "nl-ams", image="linode/debian12", root_pass="aComplex@Password123", **label
        )
        return str(made.id)

    yield create


@contextmanager
def by_us(cloud: Mapping[str, str], *, kind: str, plan: str, region: str) -> Iterator[Create]:
    """One client with one account."""
    account = {"token": cloud["token"], "base_url": cloud["base_url"]}
    config = {"state": "memory", "providers": [{"name": "it", "type": kind, "config": account}]}
    with asyncio.Runner() as runner:
        client = MultiProviderClient.from_config(config)

        async def create(name: str) -> str:
            spec = InstanceSpec(name=name, plan=plan, image="debian-12", region=region)
            return (await client.provision(spec, key=name)).instance.id

        yield lambda name: runner.run(create(name))
        runner.run(client.aclose())


OCEAN = partial(by_us, kind="digitalocean", plan="s-1vcpu-1gb", region="ams3")
AKAMAI = partial(by_us, kind="linode", plan="g6-nanode-1", region="nl-ams")
CONTENDERS = (
    Contender("libcloud, retry off", "digitalocean", partial(by_libcloud, retry=False)),
    Contender("libcloud, retry on", "digitalocean", partial(by_libcloud, retry=True)),
    Contender("libcloud, retry off, in a loop", "digitalocean", partial(by_libcloud, retry=False), TRIES),
    Contender("pydo", "digitalocean", by_pydo),
    Contender("pydo, in a loop", "digitalocean", by_pydo, TRIES),
    Contender("purveyor", "digitalocean", OCEAN),
    Contender("linode_api4", "linode", partial(by_linode_api4, labels=False)),
    Contender("linode_api4, in a loop", "linode", partial(by_linode_api4, labels=False), TRIES),
    Contender("linode_api4, in a loop, with labels", "linode", partial(by_linode_api4, labels=True), TRIES),
    Contender("purveyor", "linode", AKAMAI),
)
CLOUDS: Mapping[str, Callable[..., Any]] = {
    "digitalocean": partial(DigitalOceanSandbox, speed="fast", droplet_limit=MANY),
    "linode": partial(LinodeSandbox, speed="fast", account_limit=MANY, create_limit=MANY),
}


@attrs.frozen
class Outcome:
    """What came of the requests: how many were answered with a machine, and what was made."""

    returned: set[str]
    made: set[str]


def asked(create: Create, name: str, tries: int) -> str | None:
    """One request, as its user makes it; nothing if every try failed."""
    for _ in range(tries):
        try:
            return create(name)
        except Exception:  # noqa: BLE001 - whatever a client raises, the user tries again or gives up
            continue
    return None


def made(cloud: Mapping[str, str]) -> set[str]:
    """The machines that truly were made."""
    with urllib.request.urlopen(f"{cloud['control_url']}/log") as answer:
        log = json.load(answer)
    effects = [effect for entry in log for effect in entry["effects"]]
    return {one["id"] for one in effects if one["kind"] == "created" and one["type"] in {"droplet", "linode"}}


def measure(contender: Contender, seed: int) -> Outcome:
    """All requests, one after the other."""
    with (
        playing(partial(CLOUDS[contender.cloud], seed=seed), LOST) as cloud,
        contender.opened(cloud) as create,
    ):
        got = [asked(create, f"web-{number}", contender.tries) for number in range(WANTED)]
        assert any(got), f"{contender.name} could make nothing at all"
        return Outcome({one for one in got if one is not None}, made(cloud))


def main() -> None:
    """Measure and print; fails unless ours makes one machine for each request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which answers are lost")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # ours tells of every answer that was lost
    print(f"{WANTED} machines wanted, {LOST:.0%} of the answers to creates lost after their effect")
    print(f"  {'':14}{'':38}{'made per request':>18}{'without a machine':>20}{'nobody knows of':>18}")
    failed = False
    for contender in CONTENDERS:
        outcome = measure(contender, options.seed)
        unknown = len(outcome.made - outcome.returned)
        without = WANTED - len(outcome.returned)
        rate = len(outcome.made) / WANTED
        print(f"  {contender.cloud:14}{contender.name:38}{rate:18.2f}{without:20}{unknown:18}", flush=True)
        failed |= contender.name == "purveyor" and (rate, without, unknown) != (1, 0, 0)
    sys.exit(failed)


if __name__ == "__main__":
    main()
