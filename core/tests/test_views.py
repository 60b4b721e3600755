"""Seeing everything everywhere: what arrives is shown, what does not is said, nobody is in another's way."""

import asyncio
from contextlib import aclosing

import attrs
import pytest

from purveyor import (
    Action,
    CallTimeoutError,
    CatalogKind,
    InstanceNotFoundError,
    InstanceStatus,
    NoEnabledProvidersError,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderInactiveError,
    ProviderNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    UnsupportedOperationError,
    ValidationError,
)
from purveyor.engine.views import ViewStream

from ._cloud import BUG, HANG, JANUARY, JUNK, LOST_BEFORE, NOT_SENT, Fault, refused, virtual


def now() -> float:
    return asyncio.get_running_loop().time()


def ids(view) -> list[str]:
    return [f"{one.provider}/{one.id}" for one in view.items]


class TestAcrossProviders:
    @virtual
    async def test_everything_from_everywhere_is_complete(self, world):
        for name in "ab":
            world.add(name).hold(3)
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert sorted(ids(view)) == ["a/a0", "a/a1", "a/a2", "b/b0", "b/b1", "b/b2"]
        assert view.complete
        assert (view.failures, view.stale) == ({}, {})

    @virtual
    async def test_one_that_fails_is_named_and_hides_nobody(self, world):
        world.add("a").hold(2)
        world.add("b").always["list_instances"] = refused(PermissionDeniedError)
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert ids(view) == ["a/a0", "a/a1"]
        assert isinstance(view.failures["b"], PermissionDeniedError)
        assert not view.complete

    @virtual
    async def test_items_come_as_they_arrive_and_a_hanging_provider_delays_only_the_end(self, world):
        world.add("slow").hold(2)
        world.clouds["slow"].always["list_instances"] = Fault(seconds=3)
        world.add("quick").hold(3)
        world.clouds["quick"].always["list_instances"] = Fault(seconds=1)
        world.add("dead").always["list_instances"] = Fault(seconds=HANG)
        async with world.client() as client:
            stream = client.list_instances(deadline=20)
            seen = [(now(), one.id) async for one in stream]
        assert seen == [(1, "quick0"), (1, "quick1"), (2, "quick2"), (3, "slow0"), (3, "slow1")]
        assert now() == 20
        assert isinstance(stream.failures["dead"], CallTimeoutError)

    @virtual
    async def test_the_deadline_is_each_providers_own(self, world):
        for name in "abc":
            world.add(name).always["get_balance"] = Fault(seconds=HANG)
        async with world.client() as client:
            view = await client.get_balances(deadline=5).collect()
        assert now() == 5
        assert sorted(view.failures) == ["a", "b", "c"]

    @virtual
    async def test_named_ones_only(self, world):
        for name in "abc":
            world.add(name).hold(1)
        async with world.client() as client:
            assert ids(await client.list_instances(["c", "a", "c"]).collect()) == ["c/c0", "a/a0"]
            assert ids(await client.list_instances("b").collect()) == ["b/b0"]
            assert ids(await client.list_instances([]).collect()) == []

    @virtual
    async def test_unknown_disabled_and_none(self, world):
        world.add("off", enabled=False)
        async with world.client() as client:
            with pytest.raises(ProviderNotFoundError):
                await client.list_instances(["x"]).collect()
            with pytest.raises(ProviderInactiveError):
                await client.list_instances(["off"]).collect()
            with pytest.raises(NoEnabledProvidersError):
                await client.list_instances().collect()

    @virtual
    async def test_what_nobody_offers_says_who_would(self, world):
        world.add("plain", type="plain")
        world.add("whole")
        async with world.client() as client:
            with pytest.raises(UnsupportedOperationError) as caught:
                await client.get_balances(["plain"]).collect()
        assert caught.value.details["available_providers"] == ["whole"]

    @virtual
    async def test_what_some_do_not_offer_is_asked_of_the_others(self, world):
        world.add("plain", type="plain")
        world.add("whole")
        async with world.client() as client:
            view = await client.get_balances().collect()
        assert [one.provider for one in view.items] == ["whole"]
        assert view.complete

    @virtual
    async def test_two_hundred_providers_take_as_long_as_one(self, world):
        for number in range(200):
            world.add(f"p{number}").always["list_instances"] = Fault(seconds=1)
            world.clouds[f"p{number}"].hold(1)
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert (len(view.items), now()) == (200, 1)

    @virtual
    async def test_a_plugin_that_answers_junk_is_a_failure_and_never_a_whole_answer(self, world):
        world.add("a").always["list_plans"] = JUNK
        world.add("b").always["list_instances"] = BUG
        async with world.client() as client:
            plans = await client.list_plans().collect()
            machines = await client.list_instances().collect()
        assert list(plans.failures) == ["a"]
        assert list(machines.failures) == ["b"]

    @virtual
    async def test_a_source_that_breaks_is_a_failure_too(self, world):
        world.add("a")
        client = world.client()
        asked = client._registry.asked("compute", seconds=1)

        async def source(member, show):
            raise ZeroDivisionError

        view = await ViewStream(lambda: asked, source, client._around.clock.now).collect()
        assert isinstance(view.failures["a"].__cause__, ZeroDivisionError)
        assert not view.complete

    @virtual
    async def test_every_other_view(self, world):
        world.add("a")
        async with world.client() as client:
            assert [one.owed.amount for one in (await client.get_balances().collect()).items] == [1.5]
            assert [one.id for one in (await client.list_invoices().collect()).items] == ["0", "1"]
            assert [one.start for one in (await client.get_costs(*JANUARY).collect()).items] == [JANUARY[0]]
            assert [one.provider for one in (await client.validate_credentials().collect()).items] == ["a"]
            for view in (
                client.list_plans(),
                client.list_images(),
                client.list_regions(),
                client.list_apps(),
            ):
                assert (await view.collect()).complete

    @virtual
    async def test_a_period_must_have_zones_and_go_forward(self, world):
        world.add("a")
        async with world.client() as client:
            for start, end in (
                JANUARY[::-1],
                (JANUARY[0], JANUARY[0]),
                (JANUARY[0].replace(tzinfo=None), JANUARY[1]),
            ):
                with pytest.raises(ValidationError):
                    client.get_costs(start, end)


class TestListings:
    @virtual
    async def test_a_try_that_breaks_off_in_the_middle_shows_each_item_once(self, world):
        cloud = world.add("a")
        cloud.hold(7)
        cloud.fail("list_instances", Fault(kind="lost_before", page=2), Fault(kind="lost_before", page=1))
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert ids(view) == [f"a/a{number}" for number in range(7)]
        assert view.complete

    @virtual
    async def test_what_breaks_off_for_good_keeps_what_was_shown(self, world):
        cloud = world.add("a")
        cloud.hold(5)
        cloud.fail("list_instances", *[Fault(kind="lost_before", page=1)] * 4)
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert ids(view) == ["a/a0", "a/a1"]
        assert isinstance(view.failures["a"], ProviderUnavailableError)

    @virtual
    async def test_rows_that_cannot_be_read_are_reported_and_the_page_survives(self, world):
        cloud = world.add("a")
        cloud.hold(3)
        cloud.unreadable = 2
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert len(view.items) == 3
        assert isinstance(view.failures["a"], ProtocolMismatchError)
        assert len(view.failures["a"].details["rows"]) == 2

    @virtual
    async def test_only_those_with_a_tag(self, world):
        cloud = world.add("a")
        cloud.hold(2)
        cloud.machines["x"] = cloud.machine("x", "x", tags=("blue",))
        async with world.client() as client:
            assert ids(await client.list_instances(tag="blue").collect()) == ["a/x"]

    @virtual
    async def test_a_consumer_that_stops_early_leaves_nothing_running(self, world):
        for name in "ab":
            world.add(name).hold(50)
            world.clouds[name].always["list_instances"] = Fault(seconds=1)
        async with world.client() as client:
            async for _ in client.list_instances():
                break
            await asyncio.sleep(2)
            asked = sum(cloud.count("list_instances") for cloud in world.clouds.values())
            await asyncio.sleep(100)
            assert sum(cloud.count("list_instances") for cloud in world.clouds.values()) == asked
            assert all(cloud.open_listings == 0 for cloud in world.clouds.values())

    @virtual
    async def test_closing_the_iteration_ends_it_at_once(self, world):
        world.add("a").hold(50)
        world.clouds["a"].always["list_instances"] = Fault(seconds=1)
        async with world.client() as client:
            async with aclosing(client.list_instances().__aiter__()) as items:
                await anext(items)
            assert world.clouds["a"].open_listings == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}


class TestStaleAnswers:
    @virtual
    async def test_the_last_whole_answer_stands_in_and_is_named_as_old(self, world):
        world.add("a").hold(2)
        world.add("b").hold(1)
        async with world.client() as client:
            await client.list_instances().collect()
            await asyncio.sleep(100)
            world.clouds["a"].always["list_instances"] = refused(PermissionDeniedError)
            view = await client.list_instances().collect()
        assert sorted(ids(view)) == ["a/a0", "a/a1", "b/b0"]
        assert {name: (at - JANUARY[0]).total_seconds() for name, at in view.stale.items()} == {"a": 0}
        assert not view.complete

    @virtual
    async def test_what_came_in_part_is_not_mixed_with_what_is_old(self, world):
        cloud = world.add("a")
        cloud.hold(4)
        async with world.client() as client:
            await client.list_instances().collect()
            cloud.fail("list_instances", *[Fault(kind="lost_before", page=1)] * 4)
            view = await client.list_instances().collect()
        assert ids(view) == ["a/a0", "a/a1"]
        assert view.stale == {}

    @virtual
    async def test_a_filtered_answer_is_never_remembered_as_a_whole_one(self, world):
        cloud = world.add("a")
        cloud.hold(1)
        async with world.client() as client:
            await client.list_instances(tag="blue").collect()
            cloud.always["list_instances"] = refused(PermissionDeniedError)
            view = await client.list_instances().collect()
        assert (view.items, view.stale) == ((), {})


class TestOneMachine:
    @virtual
    async def test_by_its_whole_id_only_its_provider_is_asked(self, world):
        a, b = world.add("a"), world.add("b")
        a.hold(1)
        async with world.client() as client:
            assert (await client.get_instance("a/a0")).name == "old-0"
            with pytest.raises(InstanceNotFoundError):
                await client.get_instance("a/zzz")
            with pytest.raises(ProviderNotFoundError):
                await client.get_instance("zzz/a0")
        assert b.asked == []

    @virtual
    async def test_by_its_bare_id_where_only_one_has_it(self, world):
        world.add("a").hold(1)
        world.add("b").hold(1)
        async with world.client() as client:
            assert (await client.get_instance("b0")).provider == "b"
            with pytest.raises(InstanceNotFoundError):
                await client.get_instance("zzz")

    @virtual
    async def test_a_bare_id_that_two_have_is_refused_with_both(self, world):
        for name in "ab":
            cloud = world.add(name)
            cloud.machines["7"] = cloud.machine("7", "twin")
        async with world.client() as client:
            with pytest.raises(ValidationError, match=r"a/7, b/7"):
                await client.delete_instance("7")
        assert all(cloud.machines for cloud in world.clouds.values())

    @virtual
    async def test_nothing_is_deleted_by_bare_id_while_somebody_cannot_be_asked(self, world):
        """The silent one may be the one that was meant."""
        cloud = world.add("a")
        cloud.machines["7"] = cloud.machine("7", "twin?")
        world.add("b").always["get_instance"] = NOT_SENT
        async with world.client() as client:
            with pytest.raises(ValidationError, match="b could not be asked"):
                await client.delete_instance("7")
            with pytest.raises(ValidationError):
                await client.perform_action("7", Action.STOP)
            assert (await client.get_instance("7")).provider == "a"
            await client.delete_instance("a/7")
        assert cloud.machines == {}

    @virtual
    async def test_not_found_says_who_could_not_be_asked(self, world):
        world.add("a")
        world.add("b").always["get_instance"] = NOT_SENT
        async with world.client() as client:
            with pytest.raises(InstanceNotFoundError, match="b could not be asked"):
                await client.get_instance("7")

    @virtual
    async def test_what_is_gone_is_deleted(self, world):
        world.add("a")
        async with world.client() as client:
            await client.delete_instance("a/never")

    @virtual
    async def test_an_action_gives_the_machine_as_it_is_then(self, world):
        world.add("a").hold(1)
        async with world.client() as client:
            made = await client.perform_action("a/a0", Action.STOP)
        assert made.status is InstanceStatus.STOPPED

    @virtual
    async def test_an_action_can_be_waited_for_until_it_has_really_happened(self, world):
        cloud = world.add("a")
        cloud.hold(1)
        async with world.client() as client:
            task = asyncio.create_task(client.perform_action("a/a0", Action.STOP, wait=True))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cloud.machines["a0"] = attrs.evolve(cloud.machines["a0"], busy=True)
            await asyncio.sleep(30)
            assert not task.done()
            cloud.machines["a0"] = cloud.machine("a0", "old-0", status=InstanceStatus.STOPPED)
            assert (await task).status is InstanceStatus.STOPPED

    @virtual
    async def test_waiting_ends_at_the_deadline_and_says_that_it_is_billed(self, world):
        cloud = world.add("a")
        cloud.hold(1)
        machine = attrs.evolve(cloud.machines["a0"], status=InstanceStatus.PROVISIONING)
        cloud.machines["a0"] = machine
        async with world.client() as client:
            with pytest.raises(CallTimeoutError, match="billed"):
                await client.wait_until_ready(machine, deadline=30)
        assert 24 <= now() <= 30


class TestCatalogues:
    @virtual
    async def test_they_are_remembered_for_an_hour_and_apps_for_six(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            for hours in (0, 0.99, 1.01, 5.9, 6.1):
                await asyncio.sleep(hours * 3600 - now())
                await client.list_plans().collect()
                await client.list_apps().collect()
        assert cloud.count("list_plans") == 3
        assert cloud.count("list_apps") == 2

    @virtual
    async def test_what_is_remembered_is_what_was_told(self, world):
        world.add("a")
        async with world.client() as client:
            for view in (client.list_plans, client.list_images, client.list_regions):
                assert await view().collect() == await view().collect()

    @virtual
    async def test_all_who_ask_at_once_share_one_fetch(self, world):
        cloud = world.add("a")
        cloud.always["list_plans"] = Fault(seconds=5)
        async with world.client() as client:
            views = await asyncio.gather(*(client.list_plans().collect() for _ in range(20)))
        assert all(len(view.items) == 3 for view in views)
        assert cloud.count("list_plans") == 1

    @virtual
    async def test_one_that_gives_up_does_not_take_the_answer_from_the_others(self, world):
        cloud = world.add("a")
        cloud.always["list_plans"] = Fault(seconds=5)
        async with world.client() as client:
            first = asyncio.create_task(client.list_plans().collect())
            await asyncio.sleep(1)
            second = asyncio.create_task(client.list_plans().collect())
            await asyncio.sleep(1)
            first.cancel()
            assert len((await second).items) == 3
        assert cloud.count("list_plans") == 1

    @virtual
    async def test_each_keeps_its_own_deadline_whoever_began(self, world):
        cloud = world.add("a")
        cloud.always["list_plans"] = Fault(seconds=50)
        async with world.client() as client:
            patient = asyncio.create_task(client.list_plans(deadline=55).collect())
            await asyncio.sleep(1)
            hasty = await client.list_plans(deadline=3).collect()
            assert now() == 4
            assert isinstance(hasty.failures["a"], CallTimeoutError)
            assert (await patient).complete

    @virtual
    async def test_one_with_more_time_goes_on_where_one_with_less_gave_up(self, world):
        cloud = world.add("a")
        cloud.fail("list_plans", Fault(seconds=HANG))
        async with world.client() as client:
            hasty = asyncio.create_task(client.list_plans(deadline=3).collect())
            await asyncio.sleep(1)
            assert (await client.list_plans(deadline=30).collect()).complete
            assert not (await hasty).complete
        assert now() == 3

    @virtual
    async def test_a_failure_is_not_remembered(self, world):
        cloud = world.add("a")
        cloud.fail("list_plans", refused(PermissionDeniedError))
        async with world.client() as client:
            assert not (await client.list_plans().collect()).complete
            assert (await client.list_plans().collect()).complete

    @virtual
    async def test_they_are_cleared_by_kind_by_provider_by_both_or_all(self, world):
        for name in "ab":
            world.add(name)

        async def fill():
            await client.list_plans().collect()
            await client.list_images().collect()

        async with world.client() as client:
            for kind, provider, number in (
                (None, None, 4),
                (CatalogKind.PLANS, None, 2),
                (None, "b", 2),
                (CatalogKind.IMAGES, "a", 1),
                (CatalogKind.APPS, None, 0),
                (None, "nobody", 0),
            ):
                await fill()
                assert await client.clear_cache(kind, provider) == number
                assert len(await client.cached_catalogues()) == 4 - number

    @virtual
    async def test_what_is_remembered_can_be_looked_at(self, world):
        world.add("a")
        async with world.client() as client:
            await client.list_plans().collect()
            await asyncio.sleep(100)
            (one,) = await client.cached_catalogues()
        assert (one.provider, one.kind, one.age, one.rows) == ("a", CatalogKind.PLANS, 100, 3)

    @pytest.mark.parametrize("damage", [b"\xff", b"{", b"[5]", b'[{"id": 1}]', b"null", b"7"])
    def test_a_damaged_row_is_fetched_again(self, world, damage):
        @virtual
        async def story():
            cloud = world.add("a")
            async with world.client() as client:
                await client.list_plans().collect()
                (key,) = await client._store.items("catalogue")
                at = client._around.clock.now().timestamp()
                await client._store.put("catalogue", key, damage, at)
                await client._store.put("catalogue", "moons|a|fake", b"[]", at)
                other = world.client(store=client._store)  # what it has not read itself, it reads there
                await other.cached_catalogues()
                assert len((await other.list_plans().collect()).items) == 3
                assert cloud.count("list_plans") == 2
                assert await other.clear_cache() == 2

        story()

    @virtual
    async def test_clearing_forgets_what_is_in_memory_though_another_process_cleared_the_state_before(
        self, world
    ):
        cloud = world.add("a")
        async with world.client() as client:
            await client.list_plans().collect()
            await client.list_plans().collect()
            assert cloud.count("list_plans") == 1
            await client._store.delete("catalogue", tuple(await client._store.items("catalogue")))
            assert await client.clear_cache() == 1
            await client.list_plans().collect()
            assert cloud.count("list_plans") == 2

    @virtual
    async def test_another_endpoint_under_the_same_name_is_another_catalogue(self, world):
        cloud = world.add("a")
        first = world.client()
        await first.list_plans().collect()
        cloud.entry["config"] = {"base_url": "https://elsewhere.example"}
        second = world.client(store=first._store)
        await second.list_plans().collect()
        assert cloud.count("list_plans") == 2
        await first.aclose()

    @virtual
    async def test_a_rate_limit_of_the_first_is_no_answer_for_one_with_more_time(self, world):
        cloud = world.add("a")
        cloud.fail(
            "list_plans", refused(lambda: RateLimitError("slow", retry_after=20), seconds=2), LOST_BEFORE
        )
        async with world.client() as client:
            hasty = asyncio.create_task(client.list_plans(deadline=10).collect())
            await asyncio.sleep(1)
            assert (await client.list_plans(deadline=60).collect()).complete
            assert (await hasty).failures["a"].retry_after == 20
