"""Providers that are found: they come, go and move, and whoever is speaking to one of them is not disturbed."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.engine.registry import Registry
from purveyor.model.errors import (
    CallTimeoutError,
    ProviderNotFoundError,
    ProviderUnavailableError,
    UnsupportedOperationError,
)
from purveyor.model.views import Health
from purveyor.plugin import Discovered

from ._chain import HANG, Settings, down
from ._cloud import virtual

THREE = {"one": "https://one.example", "two": "https://two.example", "three": "https://three.example"}


def names(client) -> list[str]:
    return [one.name for one in client.providers()]


@virtual
async def test_nobody_is_looked_for_before_somebody_asks(chains):
    chain = chains.add()
    async with chains.client() as client:
        assert names(client) == ["ve"]
    assert chain.asked == []


@virtual
async def test_who_is_found_is_a_provider_of_the_same_type_below_its_finder(chains):
    chain = chains.add(timeout=7.0, max_concurrency=3, base_url="https://chain.example")
    chain.providers = THREE
    async with chains.client() as client:
        view = await client.discover().collect()
        assert [one.name for one in view.items] == ["ve/one", "ve/two", "ve/three"]
        assert names(client) == ["ve", "ve/one", "ve/two", "ve/three"]
        one = client.provider("ve/one")
        assert (one.type, one.parent, one.endpoint) == ("chain", "ve", "https://one.example")
        assert one.attributes == (("region", "eu"), ("region", "nl"))
        assert one.facets == ("metrics", "deployments")
        await client.check_health(["ve/one"]).collect()
    settings = chain.contexts["ve/one"].settings
    assert (settings.timeout, settings.max_concurrency, settings.base_url) == (7.0, 3, None)
    assert ("ve/one", "https://one.example") in chain.built


@virtual
async def test_only_who_is_named_is_allowed_to_be_at_home(chains):
    chain = chains.add(allow_private=["two"])
    chain.providers = THREE
    async with chains.client() as client:
        await client.check_health().collect()
    guarded = {name: ctx.guarded for name, ctx in chain.contexts.items()}
    assert guarded == {"ve": False, "ve/one": True, "ve/two": False, "ve/three": True}


@virtual
async def test_each_has_a_health_of_its_own(chains):
    chain = chains.add()
    chain.providers = THREE
    chain.wrong["ve/two", "check_health"] = down()
    async with chains.client() as client:
        view = await client.check_health(deadline=5).collect()
        found = {one.provider: one.health for one in view.items}
        assert found.pop("ve/two") is not Health.ONLINE
        assert set(found.values()) == {Health.ONLINE}
        assert len(found) == 3


@virtual
async def test_fifty_of_whom_ten_are_dead_and_five_hang_are_told_within_the_deadline(chains):
    chain = chains.add()
    chain.providers = {f"p{number:02d}": "https://x.example" for number in range(50)}
    for number in range(15):
        chain.wrong[f"ve/p{number:02d}", "list_metrics"] = down() if number < 10 else HANG
    async with chains.client() as client:
        started = asyncio.get_running_loop().time()
        view = await client.list_metrics(deadline=10).collect()
        assert asyncio.get_running_loop().time() - started <= 10.5
        assert {one.provider for one in view.items} == {f"ve/p{number:02d}" for number in range(15, 50)}
        assert set(view.failures) == {f"ve/p{number:02d}" for number in range(15)}
        assert not view.complete


@virtual
async def test_a_snapshot_is_replaced_whole_and_who_has_not_changed_stays_the_same(chains):
    chain = chains.add()
    chain.providers = dict(THREE)
    async with chains.client() as client:
        await client.discover().collect()
        before = list(client._registry)
        chain.providers = {
            "one": THREE["one"],
            "two": "https://moved.example",
            "four": "https://four.example",
        }
        await client.discover().collect()
        after = list(client._registry)
        assert [one.name for one in before] == ["ve", "ve/one", "ve/two", "ve/three"]
        assert [one.name for one in after] == ["ve", "ve/one", "ve/two", "ve/four"]
        assert [one is other for one, other in zip(before, after, strict=True)] == [True, True, False, False]
        assert client.provider("ve/two").endpoint == "https://moved.example"


@virtual
async def test_a_call_under_way_keeps_a_provider_that_has_gone_until_it_is_through(chains):
    chain = chains.add()
    chain.providers = {"one": THREE["one"]}
    chain.leases = [("one", "7")]
    async with chains.client() as client:
        logs = client.stream_logs("ve/one/7", follow=True)
        assert (await anext(logs)).message == "one"
        chain.providers = {}
        await client.discover().collect()
        assert names(client) == ["ve"]
        assert chain.closed == []
        assert [(await anext(logs)).message for _ in range(2)] == ["two", "three"]
        await logs.aclose()
        await asyncio.sleep(0.1)
        assert chain.closed == [("ve/one", THREE["one"])]


@virtual
async def test_who_moved_is_spoken_to_at_the_new_place_and_let_go_at_the_old(chains):
    chain = chains.add()
    chain.providers = {"one": THREE["one"]}
    async with chains.client() as client:
        await client.check_health().collect()
        chain.providers = {"one": "https://moved.example"}
        await client.discover().collect()
        await client.check_health(["ve/one"]).collect()
        await asyncio.sleep(0.1)
        assert chain.closed == [("ve/one", THREE["one"])]
        assert chain.built[-1] == ("ve/one", "https://moved.example")
    assert sorted(chain.closed) == sorted(chain.built)


@virtual
async def test_a_provider_that_was_let_go_does_not_come_to_life_again(chains):
    chain = chains.add()
    chain.providers = {"one": THREE["one"]}
    async with chains.client() as client:
        await client.discover().collect()
        gone = client._registry.get("ve/one")
        chain.providers = {}
        await client.discover().collect()
        await asyncio.sleep(0.1)
        with pytest.raises(ProviderUnavailableError, match="gone, or has moved"):
            await gone.provider()
    assert chain.built == [("ve", "")]


@virtual
async def test_the_client_closes_those_too_that_were_gone_and_still_in_use(chains):
    chain = chains.add()
    chain.providers = {"one": THREE["one"]}
    chain.leases = [("one", "7")]
    async with chains.client() as client:
        logs = client.stream_logs("ve/one/7", follow=True)
        await anext(logs)
        chain.providers = {}
        await client.discover().collect()
    assert ("ve/one", THREE["one"]) in chain.closed
    await logs.aclose()


@virtual
async def test_who_ask_at_the_same_time_share_one_search(chains):
    chain = chains.add()
    chain.providers = THREE
    async with chains.client() as client:
        await asyncio.gather(*(client.list_metrics().collect() for _ in range(5)))
    assert chain.count("discover") == 2  # the pages of one search
    assert chain.count("list_metrics") == 15


@virtual
async def test_what_was_found_is_used_until_it_is_old(chains):
    chain = chains.add()
    chain.providers = {"one": THREE["one"]}
    client = chains.client(discovery_interval=300)
    await client.list_metrics().collect()
    chain.providers = dict(THREE)
    await asyncio.sleep(200)
    assert len((await client.list_metrics().collect()).items) == 1
    await asyncio.sleep(200)
    assert len((await client.list_metrics().collect()).items) == 3
    await client.aclose()


@virtual
async def test_an_open_client_looks_again_in_the_background_once_somebody_has_asked(chains):
    chain = chains.add()
    chain.providers = {"one": THREE["one"]}
    async with chains.client(discovery_interval=300) as client:
        await asyncio.sleep(1000)
        assert chain.asked == []
        await client.discover().collect()
        chain.providers = dict(THREE)
        await asyncio.sleep(301)
        assert len(names(client)) == 4


@virtual
async def test_a_chain_that_fails_does_not_make_those_disappear_who_were_found(chains):
    chain = chains.add()
    chain.providers = THREE
    async with chains.client(discovery_interval=300) as client:
        await client.list_metrics().collect()
        chain.wrong["ve", "discover"] = down("the chain is down")
        await asyncio.sleep(400)
        view = await client.list_metrics(deadline=20).collect()
        assert len(view.items) == 3
        assert "the chain is down" in view.failures["ve"].message
        assert len(names(client)) == 4


@virtual
async def test_a_chain_that_hangs_holds_up_nobody_else_and_no_longer_than_the_deadline(chains):
    hanging, fine = chains.add("ve"), chains.add("other")
    hanging.wrong["ve", "discover"] = HANG
    fine.providers = THREE
    async with chains.client() as client:
        first = asyncio.get_running_loop().create_future()

        async def items():
            stream = client.list_metrics(deadline=10)
            async for one in stream:
                if not first.done():
                    first.set_result(asyncio.get_running_loop().time())
                assert one.provider.startswith("other/")
            return stream.failures

        failures = await items()
        assert await first < 1
        assert isinstance(failures["ve"], CallTimeoutError)
        assert asyncio.get_running_loop().time() < 11


@virtual
async def test_rows_that_cannot_be_read_are_told_and_the_others_are_found(chains):
    chain = chains.add()
    chain.providers, chain.unreadable = THREE, 1
    async with chains.client() as client:
        view = await client.discover().collect()
        assert len(view.items) == 3
        assert "cannot be read" in view.failures["ve"].message


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "x\n", "é", "-a", "x" * 129])
def test_a_name_that_could_be_mistaken_for_something_else_is_not_taken(chains, name):
    @virtual
    async def story():
        chain = chains.add()
        chain.rows = tuple(
            Discovered(name=one, endpoint="e", settings=Settings()) for one in (name, "good", "good")
        )
        async with chains.client() as client:
            view = await client.discover().collect()
            assert [one.name for one in view.items] == ["ve/good"]
            assert not view.complete

    story()


@virtual
async def test_a_chain_that_tells_of_providers_without_end_is_not_believed(chains, monkeypatch):
    monkeypatch.setattr("purveyor.engine.discovery.MOST", 2)
    chains.add().providers = THREE
    async with chains.client() as client:
        view = await client.discover().collect()
        assert "more than 2" in view.failures["ve"].message
        assert names(client) == ["ve"]


@virtual
async def test_one_that_is_named_is_found_and_alone_is_asked(chains):
    chain = chains.add()
    chain.providers = THREE
    async with chains.client() as client:
        view = await client.list_metrics(["ve/two"]).collect()
        assert [one.provider for one in view.items] == ["ve/two"]
        assert (await client.check_health("ve/three").collect()).items[0].provider == "ve/three"
    assert chain.count("check_health") == 1


@virtual
async def test_a_finder_that_is_named_stands_for_those_whom_it_finds(chains):
    chains.add().providers = THREE
    chains.add("other").providers = THREE
    async with chains.client() as client:
        for _ in range(2):
            view = await client.list_metrics(["other"]).collect()
            assert {one.provider for one in view.items} == {"other/one", "other/two", "other/three"}
        assert [one.provider for one in (await client.check_health(["other"]).collect()).items] == ["other"]


@virtual
async def test_a_name_that_nobody_has_is_told_apart(chains):
    chains.add().providers = THREE
    async with chains.client() as client:
        view = await client.list_metrics(["ve/nobody", "ve/one"]).collect()
        assert isinstance(view.failures["ve/nobody"], ProviderNotFoundError)
        assert [one.provider for one in view.items] == ["ve/one"]
        with pytest.raises(ProviderNotFoundError, match="configured are ve"):
            await client.list_metrics(["elsewhere/one"]).collect()


@virtual
async def test_what_neither_a_finder_nor_anybody_below_can_do_is_unsupported(chains):
    chains.add().providers = THREE
    async with chains.client() as client:
        for wanted in (None, ["ve"]):
            with pytest.raises(UnsupportedOperationError):
                await client.list_instances(wanted).collect()


@virtual
async def test_wherever_a_view_is_cancelled_nothing_is_left(chains):
    chain = chains.add()
    chain.providers = THREE
    for steps in range(40):
        async with chains.client() as client:
            task = asyncio.create_task(client.list_metrics().collect())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert sorted(chain.built) == sorted(chain.closed)


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


WORDS = st.text("ab", min_size=1, max_size=2)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map("/".join)


@given(st.sets(NAMES, min_size=1, max_size=6), NAMES)
def test_an_id_belongs_to_the_longest_name_that_it_begins_with(names, bare):
    registry = Registry(Named(name) for name in names)
    for name in names:
        text = f"{name}/{bare}"
        found, rest = registry.split(text)
        assert f"{found}/{rest}" == text
        assert rest
        assert found in names
        assert not [one for one in names if text.startswith(f"{one}/") and len(one) > len(found)]


@given(WORDS)
def test_an_id_without_a_slash_names_no_provider(bare):
    assert Registry([Named("a")]).split(bare) is None


def test_an_id_of_a_provider_that_nobody_knows_keeps_its_first_word_for_the_error():
    assert Registry([Named("a")]).split("b/c/d") == ("b", "c/d")
