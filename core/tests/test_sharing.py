"""Lists that are asked for at once share a walk, and nobody is shown an answer that is older than the question."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purveyor import PermissionDeniedError

from ._cloud import HANG, Fault, World, refused, virtual


def now():
    return asyncio.get_running_loop().time()


def walks(cloud):
    return cloud.count("list_instances")


@pytest.fixture
def cloud(world):
    return slow(world)


def slow(world):
    cloud = world.add("a")
    cloud.page_size = 100
    cloud.always["list_instances"] = Fault(seconds=0.1)
    cloud.hold(3)
    return cloud


async def ids(client, **how):
    view = await client.list_instances(**how).collect()
    assert view.complete, view.failures
    return [one.id for one in view.items]


@virtual
async def test_many_lists_at_once_are_three_walks(world, cloud):
    async with world.client() as client:
        assert await asyncio.gather(*(ids(client) for _ in range(64))) == [["a0", "a1", "a2"]] * 64
        assert (walks(cloud), now()) == (3, pytest.approx(0.2))
        await ids(client)
        assert walks(cloud) == 4


@virtual
async def test_other_providers_and_tags_have_walks_of_their_own(world, cloud):
    other = world.add("b")
    other.hold(1)
    async with world.client() as client:
        await asyncio.gather(ids(client), ids(client, tag="web"), ids(client, tag="db"))
    assert (walks(cloud), walks(other)) == (3, 3)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=12), st.integers(0, 2**32))
@virtual
async def test_everybody_sees_what_was_made_before_they_asked(waits, seed):
    chance, world = random.Random(seed), World(f"purveyor_fake_sharing_{seed}")
    cloud = slow(world)

    async def one(number, client):
        await asyncio.sleep(waits[number])
        cloud.machines[f"new-{number}"] = cloud.machine(f"new-{number}", "new")
        there = {*cloud.machines}
        asking = asyncio.ensure_future(ids(client))
        if chance.random() < 0.2:
            await asyncio.sleep(chance.uniform(0, 0.2))
            asking.cancel()
        (found,) = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(found, asyncio.CancelledError) or there <= {*found}

    async with world.client() as client:
        await asyncio.gather(*(one(number, client) for number in range(len(waits))))
    assert walks(cloud) <= len(waits)


@virtual
async def test_what_goes_wrong_is_told_to_whoever_asked_and_the_next_one_asks_again(world, cloud):
    async with world.client() as client:
        await ids(client)
        cloud.fail("list_instances", Fault(seconds=0.1), refused(PermissionDeniedError, seconds=0.1))
        views = await asyncio.gather(*(client.list_instances().collect() for _ in range(5)))
    assert [view.complete for view in views] == [True, False, True, True, True]
    assert isinstance(views[1].failures["a"], PermissionDeniedError)


@virtual
async def test_a_list_that_breaks_shows_everybody_what_it_had(world, cloud):
    cloud.page_size = 1
    async with world.client() as client:
        cloud.fail("list_instances", *[refused(PermissionDeniedError, page=2)] * 3)
        views = await asyncio.gather(*(client.list_instances().collect() for _ in range(3)))
    assert [[one.id for one in view.items] for view in views] == [["a0", "a1"]] * 3


@virtual
async def test_a_walk_that_hangs_holds_up_the_others_for_a_tenth_of_their_time(world, cloud):
    async with world.client() as client:
        cloud.fail("list_instances", Fault(seconds=HANG), Fault(seconds=HANG))
        hanging = [asyncio.create_task(ids(client, deadline=1000)) for _ in range(2)]
        await asyncio.sleep(1)
        await asyncio.gather(*(ids(client, deadline=9) for _ in range(5)))
        assert now() == pytest.approx(1 + 0.9 + 0.1)
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await ids(client)
        assert now() == pytest.approx(1 + 0.9 + 0.2)


@virtual
async def test_a_list_that_takes_most_of_the_time_is_shown_to_all_who_ask_at_once(world, cloud):
    cloud.always["list_instances"] = Fault(seconds=4.8)
    async with world.client() as client:
        await asyncio.gather(*(ids(client, deadline=6) for _ in range(4)))


@virtual
async def test_when_whoever_reads_gives_up_the_next_one_reads(world, cloud):
    cloud.always["list_instances"] = Fault(seconds=1)
    async with world.client() as client:
        asking = [asyncio.create_task(ids(client)) for _ in range(50)]
        await asyncio.sleep(1.5)
        asking[2].cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert walks(cloud) == 4
        began, cloud.page_size = now(), 1
        async for (
            one
        ) in client.list_instances():  # nobody else is there any more: pages are shown as they come
            assert now() - began == pytest.approx(["a0", "a1", "a2"].index(one.id) + 1)
