"""Whoever asks while others do shares an answer that is no older than the question."""

import asyncio
import functools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purveyor_digitalocean._sharing import Shared
from purveyor_testing.virtual import run_virtual

from ._build import H100
from .test_provider import listed, sent


def virtual(test):
    return functools.wraps(test)(lambda *args, **how: run_virtual(test(*args, **how)))


def now():
    return asyncio.get_running_loop().time()


class Source:
    """Tells when it was asked, after a while."""

    def __init__(self, seconds=0.1):
        self.seconds = seconds
        self.asked = []

    async def ask(self):
        at = now()
        self.asked.append(at)
        await asyncio.sleep(self.seconds)
        return at


async def test_lists_at_once_walk_over_gpu_droplets_together(cloud, do):
    cloud.seed_droplets(3, tags=["many"])
    cloud.seed_droplets(2, **H100, tags=["many"])
    cloud.seed_droplets(1, **H100)
    lists = await asyncio.gather(*(listed(do, tag) for tag in (None, "many") * 8))
    assert [len({one.id for one in items}) for items in lists] == [6, 5] * 8
    assert len([one for one in sent(cloud) if one.query.get("type") == "gpus"]) == 2
    cloud.seed_droplets(1, **H100)
    assert len(await listed(do)) == 7


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=20), st.integers())
@virtual
async def test_no_answer_is_older_than_its_question(waits, seed):
    source, shared = Source(), Shared()
    chance = random.Random(seed)

    async def one(wait):
        await asyncio.sleep(wait)
        begun = now()
        asking = asyncio.ensure_future(shared.get(source.ask))
        if chance.random() < 0.2:
            await asyncio.sleep(chance.uniform(0, 0.2))
            asking.cancel()
        (answer,) = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(answer, asyncio.CancelledError) or begun <= answer <= now()

    await asyncio.gather(*map(one, waits))
    assert len(source.asked) <= len(waits)


@virtual
async def test_many_at_once_are_two_questions():
    source, shared = Source(), Shared()
    answers = await asyncio.gather(*(shared.get(source.ask) for _ in range(64)))
    assert (len(source.asked), len(set(answers))) == (2, 2)


@virtual
async def test_what_goes_wrong_is_told_to_whoever_asked_and_the_next_one_asks_again():
    source, shared = Source(), Shared()

    async def broken():
        await asyncio.sleep(0.1)
        raise OSError

    first, *others = await asyncio.gather(
        shared.get(broken), *(shared.get(source.ask) for _ in range(3)), return_exceptions=True
    )
    assert isinstance(first, OSError)
    assert (others, source.asked) == ([0.1] * 3, [0.1])


@virtual
async def test_a_question_that_hangs_holds_up_nobody_for_long():
    shared = Shared()
    hanging = asyncio.create_task(shared.get(Source(seconds=3600).ask))
    await asyncio.sleep(0)
    source = Source()
    await asyncio.gather(*(shared.get(source.ask) for _ in range(5)))
    assert now() == pytest.approx(1.1)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await shared.get(source.ask)
    assert now() == pytest.approx(1.2)
