"""Processes are killed at any instant; whoever goes on with the same key ends with exactly one machine."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import attrs
import pytest

from purveyor import CallTimeoutError, InstanceSpec, MultiProviderClient, UncertainOutcomeError
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_linode.sandbox import LinodeSandbox
from purveyor_testing.proxy import Fate, FaultyProxy

from ._calm import without_breaker, without_rates

TRIALS, FOLDERS = 200, 8
EACH = TRIALS // FOLDERS
BOUNDS = {"timeout": 1.0, "late_commit_bound": 0.3, "visibility_grace": 0.1}
"""Seconds; nothing takes effect later than the proxy holds it up."""
HELD_UP = 0.08
VICTIMS = Path(__file__).with_name("_victims.py")
SPECS = {
    "digitalocean": {"plan": "s-1vcpu-1gb", "image": "debian-12", "region": "ams3"},
    "linode": {"plan": "g6-nanode-1", "image": "debian-12", "region": "nl-ams"},
}


@attrs.frozen
class Account:
    """One account with a state folder of its own, and the machines to be bought."""

    kind: str
    config: dict[str, Any]
    names: list[str]

    def step(self, job: str, names: list[str], *kills: float) -> dict[str, Any]:
        spec = SPECS[self.kind]
        return {"job": job, "config": self.config, "names": names, "spec": spec, "kills": kills}


class World:
    """Both clouds, a network before each, and eight state folders."""

    def __init__(self, clouds: dict[str, Any], networks: dict[str, FaultyProxy], folder: Path) -> None:
        self.chance = random.Random(1)
        self.clouds, self.networks = clouds, networks
        self.accounts = [
            self._account(kind, folder / str(at), [f"web-{at}-{one}" for one in range(EACH)])
            for at, kind in zip(range(FOLDERS), cycle(clouds), strict=False)
        ]

    def _account(self, kind: str, folder: Path, names: list[str]) -> Account:
        cloud, network = self.clouds[kind], self.networks[kind]
        config = {"token": cloud.token, "base_url": network.origin + cloud.base_path, **BOUNDS}
        providers = [{"name": "it", "type": kind, "config": config}]
        return Account(kind, {"state_dir": str(folder), "providers": providers}, names)

    def network(self, *mishaps: Fate, share: float = 1, reads: float = 1, seconds: float = 0) -> None:
        """From now on the networks do this."""
        for proxy in self.networks.values():
            proxy.mishaps, proxy.share, proxy.reads, proxy.seconds = mishaps, share, reads, seconds

    def effects(self, kind: str) -> list[str]:
        """What the clouds truly did to machines."""
        log = [entry for cloud in self.clouds.values() for entry in cloud.log]
        every = [effect for entry in log for effect in entry.effects]
        return sorted(one.id for one in every if one.kind == kind and one.type in {"droplet", "linode"})


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    many = 1_000_000
    for what in (without_breaker(), without_rates("digitalocean"), without_rates("linode")):
        monkeypatch.setattr(*what)
    async with (
        DigitalOceanSandbox(seed=1, speed="fast", droplet_limit=many) as ocean,
        LinodeSandbox(speed="fast", account_limit=many, create_limit=many, page_limit=many) as akamai,
        FaultyProxy(ocean.origin, random.Random(1), share=0) as to_ocean,
        FaultyProxy(akamai.origin, random.Random(2), share=0) as to_akamai,
    ):
        networks = {"digitalocean": to_ocean, "linode": to_akamai}
        yield World({"digitalocean": ocean, "linode": akamai}, networks, tmp_path)


async def carried_out(orders: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What came of each step of all orders, which go on side by side."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(VICTIMS), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(orders).encode())
    results = [json.loads(line) for line in out.splitlines()]
    assert len(results) == sum(map(len, orders))
    return results


async def test_a_request_that_is_killed_and_made_again_gets_exactly_one_machine(world: World) -> None:
    world.network(Fate.SLOW, reads=0, seconds=HELD_UP)

    def kills() -> list[float]:
        """One or two, from the call to its usual end."""
        return [world.chance.uniform(0, 2.5 * HELD_UP) for _ in range(world.chance.choice((1, 1, 2)))]

    results = await carried_out(
        [[one.step("buy", [name], *kills()) for name in one.names] for one in world.accounts]
    )
    ids = sorted(one for each in results for one in each["result"])
    assert len(ids) == TRIALS
    assert ids == world.effects("created"), "the clouds' own logs"
    found = {state for each in results for states in each["found"] for state in states}
    assert found > {"sent"}, "killed while it matters, and at other times"


async def lose(account: Account) -> None:
    """Lose the answers to an account's requests, and be unable to look."""
    async with MultiProviderClient.from_config(account.config, health_interval=None) as client:

        async def lost(name: str) -> None:
            spec = InstanceSpec(name=name, **SPECS[account.kind])
            for _ in range(20):  # there may have been no time to send it
                with suppress(CallTimeoutError):
                    with pytest.raises(UncertainOutcomeError):
                        await client.provision(spec, key=name, deadline=2.5)
                    return

        await asyncio.gather(*map(lost, account.names))


async def first(account: Account) -> str:
    """Learn what is sold, and that marks can be found, by a machine beside."""
    spec = InstanceSpec(name=f"{account.names[0]}-first", **SPECS[account.kind])
    async with MultiProviderClient.from_config(account.config, health_interval=None) as client:
        return (await client.provision(spec)).instance.id


@pytest.mark.parametrize("job", ["reconcile", "settle"])
async def test_whoever_clears_up_may_be_killed_again_and_again(job: str, world: World) -> None:
    firsts = await asyncio.gather(*map(first, world.accounts))
    world.network(Fate.LOST, Fate.UNANSWERED)
    await asyncio.gather(*map(lose, world.accounts))
    assert FOLDERS < len(world.effects("created")) < FOLDERS + TRIALS

    world.network(Fate.SLOW, seconds=HELD_UP / 2)
    orders = []
    for one in world.accounts:
        kills = [world.chance.uniform(0, 0.2) for _ in one.names]
        orders.append([one.step(job, one.names, *kills), one.step("buy", one.names)])
    results = await carried_out(orders)
    ids = [one for each in results if each["job"] == "buy" for one in each["result"]]
    assert len(ids) == TRIALS
    assert sorted(ids + firsts) == world.effects("created"), "the clouds' own logs"
    assert not world.effects("deleted")
    assert any(len(set(states)) > 1 for each in results for states in each["found"]), "killed halfway, too"
