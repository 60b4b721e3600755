"""The proxy does to requests and answers what their fates say, and to nothing else."""

import asyncio
import random
from contextlib import suppress

import aiohttp
import pytest

from purveyor_testing.proxy import MISHAPS, Fate, FaultyProxy


async def make(proxy, cloud):
    """What a client sees of one create through the proxy."""
    headers = {"Authorization": f"Bearer {cloud.token}"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
        http.post(proxy.origin + "/things", json={"name": "x"}, headers=headers) as answer,
    ):
        return await answer.json()


def through(cloud, fate, **how):
    return FaultyProxy(cloud.origin, random.Random(1), share=1, seconds=0.01, mishaps=(fate,), **how)


@pytest.mark.parametrize("fate", [Fate.PASS, Fate.SLOW])
async def test_what_passes_comes_back_whole(cloud, fate):
    async with through(cloud, fate) as proxy:
        assert (await make(proxy, cloud))["thing"]["name"] == "x"
        assert proxy.met == {fate: 1}


@pytest.mark.parametrize(("fate", "things"), [(Fate.LOST, 0), (Fate.UNANSWERED, 1), (Fate.CUT, 1)])
async def test_a_mishap_costs_the_answer_and_the_cloud_knows_what_became_of_the_request(cloud, fate, things):
    async with through(cloud, fate) as proxy:
        with pytest.raises(aiohttp.ClientError):
            await make(proxy, cloud)
        assert len(cloud.things) == things


async def test_a_late_request_arrives_after_its_sender_was_cut_off(cloud):
    async with through(cloud, Fate.LATE) as proxy:
        with pytest.raises(aiohttp.ClientError):
            await make(proxy, cloud)
        assert cloud.things == []
        while not cloud.things:  # noqa: ASYNC110 - the cloud's list is no event
            await asyncio.sleep(0)


async def test_reads_can_be_spared(cloud):
    headers = {"Authorization": f"Bearer {cloud.token}"}
    async with (
        through(cloud, Fate.LOST, reads=0) as proxy,
        aiohttp.ClientSession(proxy.origin, headers=headers) as http,
    ):
        for _ in range(5):
            async with http.get("/things") as answer:
                assert await answer.json() == {"things": []}
        with pytest.raises(aiohttp.ClientError):
            await make(proxy, cloud)


async def test_the_same_seed_gives_the_same_fates(cloud):
    async def fates():
        async with FaultyProxy(cloud.origin, random.Random(3), share=0.7, seconds=0.01) as proxy:
            for _ in range(30):
                with suppress(aiohttp.ClientError):
                    await make(proxy, cloud)
            return dict(proxy.met)

    first = await fates()
    assert first == await fates()
    assert set(first) == {Fate.PASS, *MISHAPS}
