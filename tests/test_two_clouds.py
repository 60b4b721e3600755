"""One request, one view, two clouds that speak different languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from purveyor import GiB, InstanceSpec, MultiProviderClient, Needs, QuotaExceededError
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_linode.sandbox import LinodeSandbox

SPEC = InstanceSpec(name="web", plan=Needs(cpus=2, memory=4 * GiB), image="debian-12", region="eu")


@asynccontextmanager
async def two_clouds(**top: Any) -> AsyncIterator[tuple[MultiProviderClient, Any, Any]]:
    async with DigitalOceanSandbox(speed="fast") as ocean, LinodeSandbox(speed="fast") as akamai:
        clouds = (("ocean", "digitalocean", ocean), ("akamai", "linode", akamai))
        providers = [
            {"name": name, "type": kind, "config": {"token": cloud.token, "base_url": cloud.base_url}}
            for name, kind, cloud in clouds
        ]
        config = {"state": "memory", "providers": providers, **top}
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            yield client, ocean, akamai


async def test_the_same_request_lands_on_either_cloud_in_its_own_words() -> None:
    async with two_clouds(selection_policy="round_robin") as (client, _, _):
        made = await client.provision(SPEC, count=2, wait=True)
        assert {one.provider: (one.plan, one.image) for one in made.instances} == {
            "ocean": ("s-2vcpu-4gb", "debian-12-x64"),
            "akamai": ("g6-standard-2", "linode/debian12"),
        }
        assert all(one.ready and one.memory == 4 * GiB for one in made.instances)


async def test_the_merged_view_has_prices_even_where_a_cloud_tells_none_with_the_machine() -> None:
    async with two_clouds(selection_policy="round_robin") as (client, _, akamai):
        await client.provision(SPEC, count=2, wait=True)
        akamai.seed_linodes(1, type="g6-nanode-1", region="br-gru")
        view = await client.list_instances().collect()
        prices = {(one.provider, one.plan, one.region): one.price_per_hour for one in view.items}
        assert all(price is not None for price in prices.values())
        plans = {plan.id: plan for plan in (await client.list_plans(["akamai"]).collect()).items}
        nanode = plans["g6-nanode-1"]
        assert prices["akamai", "g6-nanode-1", "br-gru"] == dict(nanode.region_prices)["br-gru"]
        assert prices["akamai", "g6-nanode-1", "br-gru"] != nanode.price_per_hour


async def test_machines_are_listed_without_prices_when_the_plans_cannot_be_had() -> None:
    async with two_clouds() as (client, _, akamai):
        akamai.seed_linodes(1)
        akamai.fault("hang", method="GET", path="/v4/linode/types", times=None)
        view = await client.list_instances(["akamai"], deadline=1).collect()
        assert view.complete
        assert [one.price_per_hour for one in view.items] == [None]


async def test_the_spending_guard_counts_both_clouds() -> None:
    async with two_clouds(limits={"max_price_per_hour": 0.10}, selection_policy="round_robin") as (
        client,
        *_,
    ):
        await client.provision(SPEC, count=2, wait=True)
        with pytest.raises(QuotaExceededError, match="configured limit of 0"):
            await client.provision(SPEC)


@pytest.mark.parametrize(("broken", "other"), [("ocean", "akamai"), ("akamai", "ocean")])
async def test_when_one_cloud_has_no_capacity_the_other_takes_the_request(broken: str, other: str) -> None:
    async with two_clouds(selection_policy="default", default_provider_instance=broken) as (
        client,
        ocean,
        akamai,
    ):
        cloud, path = (ocean, "/v2/droplets") if broken == "ocean" else (akamai, "/v4/linode/instances")
        cloud.fault("no_capacity", method="POST", path=path, times=None)
        made = await client.provision(SPEC)
        assert made.instance.provider == other
        assert [attempt.provider for attempt in made.attempts] == [broken, other]


async def test_the_cheapest_cloud_is_asked_first() -> None:
    async with two_clouds() as (client, *_):
        why = await client.explain(SPEC, strategy="lowest_price")
        prices = [one.price_per_hour.amount for one in why.candidates if one.price_per_hour]
        assert prices == sorted(prices)
        assert len(prices) == 2
