"""The pace of blocks, measured where nodes forget, lie or have only just begun."""

import pytest

from purveyor.plugin import ProtocolMismatchError, ProviderUnavailableError
from purveyor_virtengine import _blocks
from purveyor_virtengine.sandbox import _chain

from ._build import call, world

LATEST = "/cosmos/base/tendermint/v1beta1/blocks/latest"
OTHERS = "/cosmos/base/tendermint/v1beta1/blocks/[0-9]*"


@pytest.fixture
async def here():
    async with world(furnished=False) as made:
        made.cloud.chain.block_seconds = 7.0
        yield made


def stopwatch(here):
    return here.chain._home.stopwatch


def asked(here):
    return [entry.path for entry in here.cloud.log]


async def test_the_pace_is_measured_over_many_blocks_and_remembered(here):
    pace = await stopwatch(here).pace(call())
    assert pace.seconds == pytest.approx(7.0, rel=0.01)
    assert (await stopwatch(here).pace(call())).seconds == pace.seconds
    assert [path == LATEST for path in asked(here)] == [True, False, True]


async def test_a_node_that_forgets_old_blocks_is_asked_for_younger_ones(here):
    here.cloud.fault("error_before", times=1, status=404, path=OTHERS)
    pace = await stopwatch(here).pace(call())
    assert pace.seconds == pytest.approx(7.0, rel=0.05)
    latest = pace.height
    assert asked(here)[-1].endswith(f"/{latest - 50}")


async def test_without_any_older_block_there_is_no_pace(here):
    here.cloud.fault("error_before", times=None, status=503, path=OTHERS)
    with pytest.raises(ProviderUnavailableError):
        await stopwatch(here).pace(call())


async def test_times_that_stand_still_or_run_backwards_are_no_pace(here, monkeypatch):
    monkeypatch.setattr(_chain.Chain, "block_time", lambda *_: 1_767_225_600.0)
    with pytest.raises(ProtocolMismatchError, match="make no sense"):
        await stopwatch(here).pace(call())


async def test_a_chain_of_one_block_has_no_pace(here, monkeypatch):
    monkeypatch.setattr(_chain.Chain, "height", lambda *_: 1)
    with pytest.raises(ProtocolMismatchError):
        await stopwatch(here).pace(call())


async def test_the_pace_is_measured_anew_after_a_while(here, monkeypatch):
    monkeypatch.setattr(_blocks, "TTL", -1.0)
    await stopwatch(here).pace(call())
    await stopwatch(here).pace(call())
    assert [path == LATEST for path in asked(here)] == [True, False, True, False]
