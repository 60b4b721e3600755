"""Between the plugins and the clouds lies a network that loses, delays and cuts; every request still gets one machine."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from purveyor import InstanceSpec, IntentState, MultiProviderClient, PurveyorError
from purveyor.policy import breaker
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_linode.sandbox import LinodeSandbox
from purveyor_testing.proxy import MISHAPS, FaultyProxy

from ._calm import without_rates

REQUESTS = 200
BOUNDS = {"timeout": 1.0, "late_commit_bound": 0.3, "visibility_grace": 0.2}
"""Seconds. Nothing takes effect later than the proxy holds it up, and nothing is listed later than the lag."""
HELD_UP, LAG = 0.1, 0.1

CLOUDS: dict[str, Any] = {
    "digitalocean": lambda: DigitalOceanSandbox(
        seed=1, speed="fast", droplet_limit=10 * REQUESTS, list_lag=100 * LAG
    ),
    "linode": lambda: LinodeSandbox(
        seed=1, speed="fast", account_limit=10 * REQUESTS, create_limit=1_000_000, page_limit=1_000_000
    ),
}
PLANS = {"digitalocean": ("s-1vcpu-1gb", "ams3"), "linode": ("g6-nanode-1", "nl-ams")}


def made(cloud: Any) -> dict[str, str]:
    """The machines that the cloud truly made, by id, with the mark of each."""
    effects = [effect for entry in cloud.log for effect in entry.effects if effect.kind == "created"]
    machines = [effect for effect in effects if effect.type in {"droplet", "linode"}]
    return {one.id: next(tag for tag in one.tags if tag.startswith("pv-")) for one in machines}


@pytest.mark.parametrize("kind", CLOUDS)
async def test_through_a_broken_network_each_request_gets_exactly_one_machine(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small, as the bounds are: a network as bad as this keeps the breaker open most of the time.
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.1)
    monkeypatch.setattr(breaker, "OPEN_CAP", 0.2)
    monkeypatch.setattr(*without_rates(kind))
    async with (
        CLOUDS[kind]() as cloud,
        FaultyProxy(cloud.origin, random.Random(8), share=0.35, reads=0.05, seconds=HELD_UP) as proxy,
    ):
        account = {"token": cloud.token, "base_url": proxy.origin + cloud.base_path, "max_concurrency": 64}
        config = {
            "state_dir": str(tmp_path),
            "providers": [{"name": "it", "type": kind, "config": {**account, **BOUNDS}}],
        }
        plan, region = PLANS[kind]

        async def asked_until_it_is_there(client: MultiProviderClient, number: int) -> str:
            spec = InstanceSpec(name=f"web-{number}", plan=plan, image="debian-12", region=region)
            while True:
                try:
                    return (await client.provision(spec, key=f"web-{number}", deadline=60)).instance.id
                except PurveyorError as error:
                    await asyncio.sleep(min(error.retry_after or 0.0, 0.2))

        async with (
            asyncio.timeout(120),
            MultiProviderClient.from_config(config, health_interval=None) as client,
        ):
            ids = await asyncio.gather(
                *(asked_until_it_is_there(client, number) for number in range(REQUESTS))
            )
            intents = await client.list_intents()

        assert len(made(cloud)) == REQUESTS, "the cloud's own log"
        assert {one.instance_id: f"pv-{one.owner}-{one.id}" for one in intents} == made(cloud)
        assert sorted(ids) == sorted(made(cloud)), "each told is real, each real is told"
        assert {one.state for one in intents} == {IntentState.CONFIRMED, IntentState.ADOPTED}
        assert set(proxy.met) > set(MISHAPS), "everything has happened"
