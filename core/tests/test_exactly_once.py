"""Keys, intents and doubts: one machine a wish, whatever is lost on the way."""

import asyncio
import contextlib
import functools
import math
import os
import sqlite3
from datetime import timedelta

import attrs
import pytest

from purveyor import (
    CallTimeoutError,
    ConflictError,
    FindingKind,
    InstanceSpec,
    InstanceStatus,
    IntentNotFoundError,
    IntentState,
    NoCompatibleProvidersError,
    Outcome,
    PermissionDeniedError,
    ProviderUnavailableError,
    QuotaExceededError,
    StateUnavailableError,
    UncertainOutcomeError,
    ValidationError,
)
from purveyor.state import identity, table
from purveyor.state import journal as journal_module
from purveyor.state.place import network_file_system
from purveyor.state.store import Store
from purveyor_testing.virtual import InlineThread

from ._cloud import HANG, LOST_AFTER, LOST_BEFORE, NOT_SENT, SPEC, Cloud, Fault, refused, virtual

BLIND = Fault(kind="refused", error=lambda: PermissionDeniedError("no scope"))


def now():
    return asyncio.get_running_loop().time()


async def only(client):
    (intent,) = await client.list_intents()
    return intent


@pytest.fixture
def disk(tmp_path):
    """Makes stores over one folder, as several processes would have."""
    return lambda: Store(tmp_path, InlineThread())


class TestKeys:
    @virtual
    async def test_the_same_key_gives_the_same_machine(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as client:
            first = await client.provision(SPEC, key="k")
        async with world.client(store=disk()) as client:
            again = await client.provision(SPEC, key="k")
        assert (again.instance.id, again.key) == (first.instance.id, "k")
        assert again.attempts == ()
        assert again.explanation is None
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_without_a_key_each_call_is_a_request_of_its_own(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            first, second = await client.provision(SPEC), await client.provision(SPEC)
        assert first.key != second.key
        assert len(cloud.machines) == 2

    @virtual
    async def test_without_a_key_it_is_written_down_when_it_is_sent_and_when_it_is_made(
        self, world, tmp_path
    ):
        class Counting(Store):
            writes = 0

            async def transact(self, work, *, durable=False, reading=False):
                self.writes += not reading
                return await super().transact(work, durable=durable, reading=reading)

        world.add("a")
        async with world.client(store=Counting(tmp_path, InlineThread())) as client:
            await client.provision(SPEC)
            counting, before = client._store, client._store.writes
            made = await client.provision(attrs.evolve(SPEC, name="two"))
            assert counting.writes == before + 2
            with pytest.raises(NoCompatibleProvidersError):
                await client.provision(attrs.evolve(SPEC, plan="none-such"))
            assert counting.writes == before + 2
            intent = (await client.list_intents())[-1]
            assert (intent.key, intent.state) == (made.key, IntentState.CONFIRMED)

    @virtual
    async def test_what_is_being_sent_without_a_key_is_left_alone_by_everybody_else(self, world, tmp_path):
        world.add("a").always["create_instance"] = Fault(seconds=30)
        async with (
            world.client(store=Store(tmp_path, InlineThread())) as one,
            world.client(store=Store(tmp_path, InlineThread())) as other,
        ):
            making = asyncio.create_task(one.provision(SPEC))
            await asyncio.sleep(1)
            intent = await only(other)
            for client in (one, other):
                with pytest.raises(ConflictError, match="works on intent"):
                    await client.resolve_intent(intent.id, deadline=5)
            assert (await making).warnings == ()

    @virtual
    async def test_the_same_key_for_another_request_names_what_differs(self, world):
        world.add("a")
        async with world.client() as client:
            await client.provision(SPEC, key="k")
            other = attrs.evolve(SPEC, name="other", user_data="secret canary", tags=("x-1",))
            with pytest.raises(ConflictError) as caught:
                await client.provision(other, key="k", count=2)
        assert caught.value.field == "key"
        assert caught.value.details["fields"] == ["count", "name", "tags", "user_data"]
        assert world.bought == ["web"]

    @virtual
    async def test_keys_outlive_an_upgrade_that_lets_one_ask_for_more(self, world):
        @attrs.frozen(kw_only=True)
        class Later(InstanceSpec):
            placement: str | None = None

        as_ever = Later(name=SPEC.name, plan=SPEC.plan, image=SPEC.image)
        world.add("a")
        async with world.client() as client:
            made = await client.provision(SPEC, key="k")
            assert (await client.provision(as_ever, key="k")).instances == made.instances
            with pytest.raises(ConflictError) as caught:
                await client.provision(attrs.evolve(as_ever, placement="spread"), key="k")
        assert caught.value.details["fields"] == ["placement"]

    @virtual
    async def test_what_is_asked_for_is_not_in_the_journal(self, world, tmp_path, disk):
        world.add("a")
        async with world.client(store=disk()) as client:
            await client.provision(attrs.evolve(SPEC, user_data="password: canary"), key="k")
        for file in tmp_path.iterdir():
            if file.is_file():
                assert b"canary" not in file.read_bytes()

    @pytest.mark.parametrize("key", ["", " k", "k ", "a\nb", "ü", "x" * 201])
    def test_a_key_that_could_not_be_typed_again_is_refused(self, world, key):
        @virtual
        async def story():
            world.add("a")
            async with world.client() as client:
                with pytest.raises(ValidationError, match="key"):
                    await client.provision(SPEC, key=key)
            assert world.bought == []

        story()

    @virtual
    async def test_many_under_one_key_are_each_made_once(self, world, disk):
        cloud = world.add("a")
        cloud.fail("create_instance", None or Fault(), LOST_BEFORE)
        async with world.client(store=disk()) as client:
            made = await client.provision(SPEC, count=3, key="k", deadline=20)
            assert len(made.instances) == 2
        async with world.client(store=disk()) as client:
            again = await client.provision(SPEC, count=3, key="k")
        assert [one.name for one in again.instances] == ["web-1", "web-2", "web-3"]
        assert len(cloud.machines) == 3

    @virtual
    async def test_two_processes_with_one_key_make_one_machine(self, world, disk):
        cloud = world.add("a")
        cloud.always["create_instance"] = Fault(seconds=20)
        async with world.client(store=disk()) as one, world.client(store=disk()) as other:
            first, second = await asyncio.gather(one.provision(SPEC, key="k"), other.provision(SPEC, key="k"))
        assert first.instance.id == second.instance.id
        assert cloud.count("create_instance") == 1
        assert (second.attempts, second.warnings, second.explanation) == ((), (), None)

    @virtual
    async def test_two_tasks_with_one_key_make_one_machine(self, world):
        cloud = world.add("a")
        cloud.always["create_instance"] = Fault(seconds=20)
        async with world.client() as client:
            await asyncio.gather(*(client.provision(SPEC, key="k") for _ in range(5)))
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_of_two_requests_with_one_key_at_once_only_the_first_buys(self, world, disk):
        cloud = world.add("a")
        cloud.always["create_instance"] = Fault(seconds=20)
        async with world.client(store=disk()) as one, world.client(store=disk()) as other:
            first, second = await asyncio.gather(
                one.provision(SPEC, key="k"),
                other.provision(attrs.evolve(SPEC, name="other"), key="k"),
                return_exceptions=True,
            )
            assert (await only(other)).name == "web"
        assert first.instance.name == "web"
        assert isinstance(second, ConflictError)
        assert second.details["fields"] == ["name"]
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_whoever_waited_for_one_that_was_refused_asks_for_it_itself(self, world, disk):
        cloud = world.add("a")
        cloud.fail("create_instance", refused(QuotaExceededError, seconds=20))
        async with world.client(store=disk()) as one, world.client(store=disk()) as other:
            first, second = await asyncio.gather(
                one.provision(SPEC, key="k"), other.provision(SPEC, key="k"), return_exceptions=True
            )
        assert isinstance(first, QuotaExceededError)
        assert second.instance.name == "web"
        assert cloud.count("create_instance") == 2

    @virtual
    async def test_of_two_in_one_process_one_works_on_an_intent(self, world):
        world.add("a").fail("create_instance", refused(ValidationError))
        async with world.client() as client:
            with pytest.raises(ValidationError):
                await client.provision(SPEC, key="k")
            intent = await only(client)
            holds = await asyncio.gather(*(client._journal.take(intent) for _ in range(3)))
            (hold,) = filter(None, holds)
            await hold.release()

    @virtual
    async def test_whoever_fails_while_another_is_being_served_is_given_that_machine(self, world, disk):
        cloud = world.add("a")
        cloud.always["create_instance"] = Fault(seconds=20)
        cloud.fail("find_by_mark", Fault(), refused(PermissionDeniedError, seconds=5))
        async with world.client(store=disk()) as one, world.client(store=disk()) as other:
            first, second = await asyncio.gather(one.provision(SPEC, key="k"), other.provision(SPEC, key="k"))
        assert first.instance.id == second.instance.id
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_what_somebody_has_dropped_again_is_made_by_who_waited(self, world, disk, monkeypatch):
        world.add("a").fail("find_by_mark", refused(PermissionDeniedError, seconds=5))
        async with world.client(store=disk()) as one, world.client(store=disk()) as other:
            first = asyncio.create_task(one.provision(SPEC, key="k", count=2))
            await asyncio.sleep(1)
            taking = other._journal.take

            async def late(intent):
                await asyncio.sleep(6)
                return await taking(intent)

            monkeypatch.setattr(other._journal, "take", late)
            second = await other.provision(SPEC, key="k", count=2)
            await asyncio.gather(first, return_exceptions=True)
        assert len(second.instances) == 2

    @virtual
    async def test_a_key_is_one_requests_even_where_nothing_was_sent_for_its_first_machine(self, world):
        cloud = world.add("a")
        cloud.fail("find_by_mark", refused(PermissionDeniedError))
        async with world.client() as client:
            made = await client.provision(SPEC, key="k", count=2)
            assert len(made.instances) == 1
            with pytest.raises(ConflictError) as caught:
                await client.provision(attrs.evolve(SPEC, name="other"), key="k")
        assert caught.value.details["fields"] == ["count", "name"]
        assert len(cloud.machines) == 1

    @virtual
    async def test_one_that_another_process_does_not_finish_is_uncertain(self, world, disk):
        world.add("a").always["create_instance"] = Fault(seconds=HANG)
        async with world.client(store=disk()) as one, world.client(store=disk()) as other:
            task = asyncio.create_task(one.provision(SPEC, key="k", deadline=1000))
            await asyncio.sleep(1)
            with pytest.raises(UncertainOutcomeError) as caught:
                await other.provision(SPEC, key="k", deadline=10)
            assert "another process" in str(caught.value)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @virtual
    async def test_a_key_whose_machine_was_deleted_makes_no_other(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            made = await client.provision(SPEC, key="k")
            await client.delete_instance(f"a/{made.instance.id}")
            with pytest.raises(ConflictError, match="gone"):
                await client.provision(SPEC, key="k")
            intent = await only(client)
        assert intent.state is IntentState.DELETED
        assert cloud.unmarked == [f"pv-{intent.owner}-{intent.id}"]
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_a_machine_that_cannot_be_looked_at_is_told_as_it_is_remembered(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            first = await client.provision(SPEC, key="k")
            cloud.always["get_instance"] = BLIND
            again = await client.provision(SPEC, key="k")
        assert (again.instance.provider, again.instance.id) == ("a", first.instance.id)
        assert "cannot be looked at" in again.warnings[0]

    @virtual
    async def test_a_request_that_everybody_refused_may_be_asked_again(self, world):
        world.add("a").fail("create_instance", refused(QuotaExceededError))
        async with world.client() as client:
            with pytest.raises(QuotaExceededError):
                await client.provision(SPEC, key="k")
            assert (await only(client)).state is IntentState.REFUSED
            await asyncio.sleep(1000)  # so long the account counts as full
            assert (await client.provision(SPEC, key="k")).complete

    @virtual
    async def test_a_request_that_nobody_could_serve_leaves_nothing_behind(self, world):
        world.add("a", enabled=False)
        world.add("b").plans = ()
        async with world.client() as client:
            with pytest.raises(Exception, match="no provider can serve"):
                await client.provision(SPEC, key="k")
            assert await client.list_intents() == []


class TestDoubt:
    @virtual
    async def test_it_is_believed_to_be_absent_only_after_everything_may_have_shown(self, world):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_BEFORE)
        async with world.client() as client:
            made = await client.provision(SPEC)
        assert made.complete
        assert cloud.count("create_instance") == 2
        first, second = [
            time for what, time in zip(cloud.asked, cloud.times, strict=True) if "create" in what
        ]
        assert second - first >= 90  # 60 to come into effect, 30 to come into view

    @virtual
    async def test_a_row_that_cannot_be_read_could_be_the_machine(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.provision(attrs.evolve(SPEC, name="first"))
            cloud.fail("create_instance", LOST_BEFORE)
            cloud.unreadable = 1
            with pytest.raises(UncertainOutcomeError):
                await client.provision(SPEC)
        assert cloud.count("create_instance") == 2

    @virtual
    async def test_a_machine_with_another_mark_is_not_taken_for_ours(self, world):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_BEFORE)
        async with world.client() as client:
            task = asyncio.create_task(client.provision(SPEC))
            await asyncio.sleep(5)
            intent = await only(client)
            strange = cloud.machine("x", "web", tags=(f"pv-somebody00-{intent.id}",))
            cloud.machines["x"] = strange
            made = await task
        assert made.instance.id != "x"
        assert "x" in cloud.machines

    @virtual
    async def test_a_cancelled_call_leaves_a_doubt_that_the_key_settles(self, world, disk):
        cloud = world.add("a")
        cloud.fail("create_instance", Fault(kind="lost_after", seconds=5))
        async with world.client(store=disk()) as client:
            task = asyncio.create_task(client.provision(SPEC, key="k"))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert now() < 2
        async with world.client(store=disk()) as client:
            assert (await only(client)).state is IntentState.UNKNOWN
            cloud.machines["late"] = cloud.machine(
                "late", "web", tags=(f"pv-{(await only(client)).owner}-{(await only(client)).id}",)
            )
            made = await client.provision(SPEC, key="k")
        assert made.instance.id == "late"
        assert cloud.count("create_instance") == 1

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_call_that_is_cancelled_at_any_step_leaves_its_key_to_the_next(self, world, tmp_path, count):
        def cancelled_after(steps):
            @virtual
            async def story():
                nonlocal through
                cloud = world.add("a", type="named")
                stores = [Store(tmp_path / str(steps), InlineThread()) for _ in range(2)]
                async with world.client(store=stores[0]) as client, world.client(store=stores[1]) as other:
                    task = asyncio.create_task(client.provision(SPEC, key="k", count=count, wait=True))
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    through = task.done()
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    await other.provision(SPEC, key="k", count=count, wait=True)
                assert len(cloud.created) == count, steps

            story()

        through, steps = False, 0
        while not through:
            cancelled_after(steps)
            steps += 1
        assert steps > 20

    @virtual
    async def test_a_long_lived_client_settles_what_is_open_by_itself(self, world, disk):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_AFTER)
        cloud.hides_new = True
        async with world.client(store=disk(), health_interval=3600) as client:
            with pytest.raises(UncertainOutcomeError):
                await client.provision(SPEC, deadline=20)
            ((_, mark),) = cloud.created
            cloud.machines["found"] = cloud.machine("found", "web", tags=(mark,))
            await asyncio.sleep(60)
            intent = await only(client)
        assert (intent.state, intent.instance_id) == (IntentState.ADOPTED, "found")

    @virtual
    async def test_a_long_lived_client_keeps_no_doubt_from_those_who_ask(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as client:
            await client.provision(attrs.evolve(SPEC, name="first"))
            cloud.fail("create_instance", LOST_BEFORE, LOST_BEFORE)
            for key in ("k", "other"):
                with pytest.raises(UncertainOutcomeError):
                    await client.provision(SPEC, key=key, deadline=5)
            one, other = [found.id for found in await client.list_intents() if found.state.doubtful]
        async with world.client(store=disk(), health_interval=3600) as client:
            await asyncio.sleep(5)
            assert (await client.resolve_intent(one, tombstone=True)).state is IntentState.TOMBSTONED
            (found,) = (await client.reconcile(apply=True)).findings
            assert (found.intent, found.action) == (other, "settled: nothing was made")

    @virtual
    async def test_of_two_machines_with_one_mark_the_older_is_kept(self, world):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_AFTER)
        cloud.hides_new = True
        async with world.client() as client:
            task = asyncio.create_task(client.provision(SPEC))
            await asyncio.sleep(5)
            ((_, mark),) = cloud.created
            for bare in ("10", "9"):
                cloud.machines[bare] = cloud.machine(bare, "web", tags=(mark,))
            made = await task
        assert made.instance.id == "9"
        assert list(cloud.machines) == ["9"]

    @virtual
    async def test_what_arrives_after_the_doubt_was_over_is_deleted(self, world, disk):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_BEFORE)
        async with world.client(store=disk()) as client:
            made = await client.provision(SPEC, key="k")
            intent = await only(client)
            (doubt,) = intent.doubts
            cloud.machines["late"] = cloud.machine("late", "web", tags=(f"pv-{intent.owner}-{intent.id}",))
            await asyncio.sleep(300)
            assert doubt.due < client._around.clock.now()
            await client.provision(attrs.evolve(SPEC, name="other"))
        assert "late" not in cloud.machines
        assert made.instance.id in cloud.machines

    @virtual
    async def test_a_late_arrival_does_not_end_the_search_for_what_was_sent_again(self, world, disk):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_BEFORE, refused(ValidationError), LOST_AFTER)
        cloud.hides_new = True
        async with world.client(store=disk()) as client:
            with pytest.raises(ValidationError):
                await client.provision(SPEC, key="k")
        await asyncio.sleep(300)
        cloud.always["find_by_mark"] = NOT_SENT  # nobody has looked again when it is sent again
        async with world.client(store=disk()) as client:
            again = asyncio.create_task(client.provision(SPEC, key="k"))
            await asyncio.sleep(10)
            cloud.always.clear()
            ((_, mark),) = cloud.created
            cloud.machines["late"] = cloud.machine("late", "web", tags=(mark,))
            assert (await again).instance.id == "late"
            cloud.hides_new = False
            await client.provision(attrs.evolve(SPEC, name="other"))
            cloud.machines["a-0"] = cloud.machine("a-0", "web", tags=(mark,))
            await asyncio.sleep(300)
            await client.provision(attrs.evolve(SPEC, name="third"))
        assert list(cloud.machines) == ["late", "a-1", "a-2"]

    @virtual
    async def test_a_late_arrival_that_was_deleted_is_not_told_as_made_when_a_token_gives_it_again(
        self, world, disk
    ):
        cloud = world.add("a", type="token")
        cloud.fail("create_instance", LOST_BEFORE)
        cloud.always["create_instance"] = refused(ValidationError)
        async with world.client(store=disk()) as client:
            with pytest.raises(ValidationError):
                await client.provision(SPEC, key="k")
            cloud.always.clear()
            intent = await only(client)
            mark = f"pv-{intent.owner}-{intent.id}"
            cloud.machines["late"] = cloud.machine("late", "web", tags=(mark,))
            await asyncio.sleep(300)
            await client.provision(attrs.evolve(SPEC, name="other"))
            await asyncio.sleep(1)  # it is looked for beside
            assert "late" not in cloud.machines
            cloud.machines["late"] = cloud.machine("late", "web", status=InstanceStatus.DELETED, tags=(mark,))
            with pytest.raises(ProviderUnavailableError, match="gives late again"):
                await client.provision(SPEC, key="k")

    @virtual
    async def test_who_hears_late_that_a_machine_was_deleted_has_nothing_to_note(
        self, world, disk, monkeypatch
    ):
        world.add("a")
        first, second = (world.client(store=disk()) for _ in range(2))
        made = await first.provision(SPEC, key="k")
        look = journal_module.Journal.with_instance

        async def overtaken(self, *about):
            found = await look(self, *about)
            if self is first._journal:
                await second.delete_instance(f"a/{made.instance.id}")
            return found

        monkeypatch.setattr(journal_module.Journal, "with_instance", overtaken)
        await first.delete_instance(f"a/{made.instance.id}")
        assert (await only(first)).state is IntentState.DELETED
        await first.aclose()
        await second.aclose()

    @virtual
    async def test_a_late_arrival_is_deleted_although_another_provider_was_taken_away(self, world, disk):
        for name in ("a", "b", "c"):
            world.add(name)
        for name in ("a", "b"):
            world.clouds[name].fail("create_instance", LOST_BEFORE)
        async with world.client(store=disk(), selection_policy="priority") as client:
            await client.provision(SPEC, deadline=1000)
            intent = await only(client)
        assert [doubt.provider for doubt in intent.doubts] == ["a", "b"]
        cloud = world.clouds["b"]
        cloud.machines["late"] = cloud.machine("late", "web", tags=(f"pv-{intent.owner}-{intent.id}",))
        del world.clouds["a"]
        await asyncio.sleep(600)
        async with world.client(store=disk()) as client:
            await client.provision(attrs.evolve(SPEC, name="other"), provider="c")
            intent = next(one for one in await client.list_intents() if one.name == "web")
        assert "late" not in cloud.machines
        assert [doubt.provider for doubt in intent.doubts] == ["a"]

    @virtual
    async def test_marks_that_cannot_be_looked_for_are_no_place_to_buy(self, world):
        blind, other = world.add("a", priority=1), world.add("b", priority=2)
        blind.always["find_by_mark"] = BLIND
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC)
        assert made.instance.provider == "b"
        assert blind.count("create_instance") == 0
        assert other.count("find_by_mark") == 1

    @virtual
    async def test_with_unique_names_the_request_is_sent_again_at_once(self, world):
        cloud = world.add("a", type="named")
        cloud.fail("create_instance", LOST_BEFORE)
        async with world.client() as client:
            made = await client.provision(SPEC)
        assert (made.instance.id, cloud.count("create_instance")) == ("a-0", 2)
        assert now() < 5

    @virtual
    async def test_with_unique_names_a_refused_second_request_finds_the_first(self, world):
        cloud = world.add("a", type="named")
        cloud.fail("create_instance", LOST_AFTER)
        async with world.client() as client:
            made = await client.provision(SPEC)
        assert (made.instance.id, world.bought) == ("a-0", ["web"])

    @virtual
    async def test_a_name_that_is_taken_is_the_callers_conflict(self, world):
        cloud = world.add("a", type="named")
        cloud.machines["x"] = cloud.machine("x", "web")
        async with world.client() as client:
            with pytest.raises(ConflictError):
                await client.provision(SPEC)
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_with_tokens_the_same_request_gives_the_same_machine(self, world):
        cloud = world.add("a", type="token")
        cloud.fail("create_instance", LOST_AFTER)
        async with world.client() as client:
            made = await client.provision(SPEC)
        assert (made.instance.id, world.bought) == ("a-0", ["web"])
        assert now() < 5


class TestAnotherProviderUnderTheSameName:
    """What is not there says nothing about what was asked for elsewhere."""

    @pytest.mark.parametrize("change", [{"type": "plain"}, {"config": {"base_url": "http://127.0.0.1:9"}}])
    def test_does_not_settle_what_was_sent_to_the_first(self, world, disk, change):
        @virtual
        async def story():
            cloud = world.add("a")
            async with world.client(store=disk()) as client:
                await client.provision(attrs.evolve(SPEC, name="first"))
                cloud.fail("create_instance", LOST_AFTER)
                cloud.always["find_by_mark"] = NOT_SENT
                with pytest.raises(UncertainOutcomeError):
                    await client.provision(SPEC, key="k", deadline=5)
            cloud.always.clear()
            there, cloud.machines = cloud.machines, {}
            before = {**cloud.entry}
            cloud.entry.update(change)
            async with world.client(store=disk()) as client:
                with pytest.raises(UncertainOutcomeError, match="another provider 'a'"):
                    await client.provision(SPEC, key="k", deadline=1000)
            cloud.entry, cloud.machines = before, there
            async with world.client(store=disk()) as client:
                assert (await client.provision(SPEC, key="k")).instance.id == "a-1"
            assert world.bought == ["first", "web"]

        story()

    @virtual
    async def test_has_no_machine_taken_for_the_firsts_and_none_deleted(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as client:
            await client.provision(SPEC, key="k")
            cloud.fail("create_instance", Fault())
            cloud.always["delete_instance"] = NOT_SENT
            cloud.born = {"status": InstanceStatus.ERROR}
            with pytest.raises(ProviderUnavailableError):
                await client.provision(
                    attrs.evolve(SPEC, name="broken"), key="broken", wait=True, deadline=60
                )
        cloud.always.clear()
        cloud.entry["type"] = "plain"
        cloud.machines = {bare: cloud.machine(bare, "strange") for bare in ("a-0", "a-1")}
        async with world.client(store=disk(), health_interval=3600) as client:
            again = await client.provision(SPEC, key="k")
            assert (again.instance.name, again.instance.status) == ("web", InstanceStatus.UNKNOWN)
            assert "another provider" in again.warnings[0]
            await asyncio.sleep(600)
            result = await client.reconcile(apply=True)
            states = {one.state for one in await client.list_intents()}
        assert list(cloud.machines) == ["a-0", "a-1"]
        assert states == {IntentState.CONFIRMED, IntentState.DISCARDING}, result


class TestByHand:
    @virtual
    async def test_a_doubt_is_resolved_when_the_provider_answers_again(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.provision(attrs.evolve(SPEC, name="first"))
            cloud.fail("create_instance", LOST_AFTER)
            cloud.always["find_by_mark"] = NOT_SENT
            with pytest.raises(UncertainOutcomeError) as caught:
                await client.provision(SPEC)
            cloud.always.clear()
            found = await client.resolve_intent(caught.value.details["intent"])
        assert (found.state, found.instance_id) == (IntentState.ADOPTED, "a-1")

    @virtual
    async def test_what_was_given_up_frees_its_key_and_is_deleted_when_it_comes(self, world):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_AFTER)
        cloud.hides_new = True
        async with world.client() as client:
            with pytest.raises(UncertainOutcomeError) as caught:
                await client.provision(SPEC, key="k", deadline=20)
            first = caught.value.details["intent"]
            given_up = await client.resolve_intent(first, tombstone=True)
            assert given_up.state is IntentState.TOMBSTONED
            cloud.hides_new = False
            made = await client.provision(SPEC, key="k")
            late_mark = cloud.created[0][1]
            cloud.machines["late"] = cloud.machine("late", "web", tags=(late_mark,))
            await asyncio.sleep(600)
            assert (await client.resolve_intent(first)).state is IntentState.REAPED
        assert list(cloud.machines) == [made.instance.id]
        assert cloud.unmarked == [late_mark]

    @virtual
    async def test_what_is_not_in_doubt_cannot_be_given_up(self, world):
        world.add("a")
        async with world.client() as client:
            await client.provision(SPEC)
            with pytest.raises(ConflictError, match="not in doubt"):
                await client.resolve_intent((await only(client)).id, tombstone=True)
            with pytest.raises(IntentNotFoundError):
                await client.resolve_intent("nosuchintent")


class TestReconciling:
    @virtual
    async def test_machines_that_no_intent_knows_are_orphans_with_their_price(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.provision(SPEC)
            owner = (await only(client)).owner
            cloud.machines["x"] = cloud.machine("x", "lost", plan="s-1", tags=(f"pv-{owner}-{'z' * 16}",))
            cloud.machines["y"] = cloud.machine("y", "not-ours", tags=(f"pv-somebody00-{'z' * 16}",))
            cloud.machines["z"] = cloud.machine("z", "by-hand")
            result = await client.reconcile()
            (found,) = result.findings
            assert (found.kind, found.instance.id, found.action) == (FindingKind.ORPHAN, "x", "")
            assert found.instance.price_per_hour is not None
            assert result.complete
            await client.reconcile(apply=True)
            assert (await client.reconcile()).findings == ()
        assert cloud.machines.keys() >= {"x", "y", "z"}

    @virtual
    async def test_only_listed_old_orphans_of_ours_are_deleted(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.provision(SPEC)
            owner, today = (await only(client)).owner, client._around.clock.now()
            for bare, age, whose in (("old", 2, owner), ("new", 0, owner), ("other", 2, "somebody00")):
                cloud.machines[bare] = cloud.machine(
                    bare,
                    bare,
                    tags=(f"pv-{whose}-{bare:z<16}",),
                    created_at=today - timedelta(hours=age),
                )
            for wrong in ("a/new", "a/other", "a/nothing", "a/a-0"):
                with pytest.raises(ValidationError) as caught:
                    await client.reconcile(delete_orphans=["a/old", wrong])
                assert caught.value.field == "delete_orphans"
            assert "old" in cloud.machines
            result = await client.reconcile(delete_orphans=["a/old"])
        assert [one.action for one in result.findings if one.id == "old"] == ["deleted"]
        assert cloud.machines.keys() == {"a-0", "new", "other"}

    @virtual
    async def test_the_machine_of_an_intent_in_doubt_is_not_deleted_under_its_key(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as client:
            await client.provision(attrs.evolve(SPEC, name="first"))
            cloud.fail("create_instance", LOST_AFTER)
            cloud.always["find_by_mark"] = NOT_SENT
            with pytest.raises(UncertainOutcomeError):
                await client.provision(SPEC, key="k", deadline=5)
            long_ago = client._around.clock.now() - timedelta(hours=2)
            cloud.machines["a-1"] = attrs.evolve(cloud.machines["a-1"], created_at=long_ago)
            result = await client.reconcile(delete_orphans=["a/a-1"])
            (found,) = [one for one in result.findings if one.id == "a-1"]
            assert f"intents resolve {found.intent}" in found.action
            cloud.always.clear()
            assert (await client.provision(SPEC, key="k")).instance.id == "a-1"

    @virtual
    async def test_a_machine_that_is_bought_during_the_look_is_no_orphan(self, world, disk):
        cloud = world.add("a")
        cloud.hold(3)  # more than a page
        cloud.fail("list_instances", Fault(seconds=20))
        async with world.client(store=disk()) as caller, world.client(store=disk()) as other:
            reconciling = asyncio.create_task(other.reconcile(apply=True))
            await asyncio.sleep(5)
            await caller.provision(SPEC)
            result = await reconciling
        assert (result.findings, result.complete) == ((), True)

    @virtual
    async def test_a_found_machine_that_a_caller_was_told_of_meanwhile_is_not_deleted(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as caller, world.client(store=disk()) as other:
            await caller.provision(attrs.evolve(SPEC, name="first"))
            cloud.fail("create_instance", LOST_AFTER)
            cloud.always["find_by_mark"] = NOT_SENT
            with pytest.raises(UncertainOutcomeError):
                await caller.provision(SPEC, key="k", deadline=5)
            long_ago = caller._around.clock.now() - timedelta(hours=2)
            cloud.machines["a-1"] = attrs.evolve(cloud.machines["a-1"], created_at=long_ago)
            cloud.fail("list_instances", Fault(seconds=20))
            reconciling = asyncio.create_task(other.reconcile(delete_orphans=["a/a-1"]))
            await asyncio.sleep(15)
            cloud.always.clear()
            made = await caller.provision(SPEC, key="k")
            (found,) = (await reconciling).findings
        assert (made.instance.id, found.kind, found.action) == ("a-1", FindingKind.LATE, "")
        assert "a-1" in cloud.machines

    @virtual
    async def test_a_machine_that_vanished_is_noted(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.provision(SPEC, key="k")
            cloud.machines.clear()
            assert (await client.reconcile()).findings == ()  # it may not be listed yet
            await asyncio.sleep(60)
            (found,) = (await client.reconcile(apply=True)).findings
            assert (found.kind, found.action) == (FindingKind.VANISHED, "noted as deleted")
            assert (await only(client)).state is IntentState.DELETED

    @virtual
    @pytest.mark.parametrize("boot", ["first", "second", ""])
    async def test_a_clock_that_is_set_forward_makes_no_new_machine_vanish(self, world, disk, boot):
        cloud = world.add("a")
        async with world.client(store=disk()) as client:
            await client.provision(SPEC, key="k")
        unlisted = dict(cloud.machines)
        cloud.machines.clear()
        async with world.client(store=disk(), boot=boot) as client:
            client._around.clock.skew = timedelta(minutes=5)
            assert (await client.reconcile(apply=True)).findings == ()
            (warning,) = (await client.provision(SPEC, key="k")).warnings
            assert "was made before and cannot be looked at now" in warning
            cloud.machines.update(unlisted)
            assert (await client.provision(SPEC, key="k")).instance.id == "a-0"

    @virtual
    async def test_a_machine_that_took_the_place_of_a_vanished_one_is_not_noted_as_gone(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as client, world.client(store=disk()) as other:
            await client.provision(SPEC)
            cloud.machines.clear()
            await asyncio.sleep(60)
            cloud.fail("list_instances", Fault(seconds=20))
            reconciling = asyncio.create_task(client.reconcile(apply=True))
            await asyncio.sleep(1)
            hold = await other._journal.take(await only(other))  # as one does whose machine came up broken
            for state in (IntentState.DISCARDING, IntentState.DISCARDED, IntentState.SENT):
                await hold.move(state)
            await hold.move(IntentState.CONFIRMED, instance_id="new", **other._journal.quiet())
            await hold.release()
            (found,) = (await reconciling).findings
            assert (found.kind, found.action) == (FindingKind.VANISHED, "")
            assert (await only(client)).state is IntentState.CONFIRMED

    @virtual
    async def test_a_machine_that_was_found_again_is_new_from_then_on(self, world, disk):
        cloud = world.add("a")
        cloud.hides_new = True
        cloud.fail("create_instance", LOST_AFTER)
        async with world.client(store=disk()) as client:
            asking = asyncio.create_task(client.provision(SPEC, key="k"))
            await asyncio.sleep(100)
            intent = await only(client)
            late = cloud.machine("late", "web", tags=(f"pv-{intent.owner}-{intent.id}",))
            cloud.machines["late"] = late
            assert (await asking).instance.id == "late"
            del cloud.machines[
                "late"
            ]  # another of the provider's servers answers, which has not heard of it yet
            assert (await client.reconcile(apply=True)).findings == ()
            cloud.machines["late"] = late
            assert (await client.provision(SPEC, key="k")).instance.id == "late"

    @virtual
    async def test_a_provider_that_does_not_answer_makes_nothing_vanish(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.provision(SPEC)
            await client.list_instances().collect()
            cloud.always["list_instances"] = NOT_SENT
            await asyncio.sleep(3600)
            result = await client.reconcile(apply=True)
        assert (result.findings, list(result.failures), result.complete) == ((), ["a"], False)

    @virtual
    async def test_two_names_for_one_account_see_each_machine_once(self, world):
        one, other = world.add("a", priority=1), world.add("b", priority=2)
        other.machines = one.machines
        async with world.client(selection_policy="priority") as client:
            await client.provision(SPEC)
            await asyncio.sleep(60)
            assert (await client.reconcile()).findings == ()


class TestJournals:
    @virtual
    async def test_one_from_another_host_is_refused_until_it_is_claimed(self, world, disk):
        cloud = world.add("a")
        async with world.client(store=disk()) as client:
            await client.provision(SPEC, key="k")
            before = (await only(client)).owner
        async with world.client(store=disk(), host="elsewhere") as client:
            with pytest.raises(StateUnavailableError, match="intents claim"):
                await client.provision(SPEC, key="k")
            assert cloud.count("create_instance") == 1
            assert await client.list_intents()
            after = await client.claim_journal()
            assert after != before
            (found,) = (await client.reconcile(owner=before, adopt=True)).findings
            assert (found.kind, found.action) == (FindingKind.FOREIGN, "adopted")
            again = await client.reconcile(owner=before, adopt=True)
            assert ([one.action for one in again.findings], again.complete) == (["adopted before"], True)
            await asyncio.sleep(60)
            assert (await client.reconcile()).findings == ()
            await client.provision(attrs.evolve(SPEC, name="other"), key="k")

    @virtual
    async def test_what_is_open_in_one_from_another_host_is_left_alone_before_and_after_the_claim(
        self, world, disk
    ):
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_AFTER)
        cloud.hides_new = True
        async with world.client(store=disk()) as client:
            with pytest.raises(UncertainOutcomeError):
                await client.provision(SPEC, key="k", deadline=20)
            before = await only(client)
        cloud.asked.clear()
        async with world.client(store=disk(), host="elsewhere", health_interval=3600) as client:
            await asyncio.sleep(60)  # nor does the background touch it
            with pytest.raises(StateUnavailableError, match="intents claim"):
                await client.resolve_intent(before.id, tombstone=True)
            await client.claim_journal()
            await asyncio.sleep(60)
            with pytest.raises(ConflictError, match=before.owner):
                await client.resolve_intent(before.id)
            assert await only(client) == before
        assert cloud.asked == []

    @virtual
    async def test_a_client_that_only_looks_mints_no_journal(self, world, disk):
        world.add("a").hold(1)
        async with world.client(store=disk(), health_interval=3600) as client:
            await client.list_instances().collect()
            await asyncio.sleep(60)
        store = disk()
        assert await store.items("identity") == {}
        await store.aclose()

    @virtual
    async def test_after_a_reboot_the_waiting_begins_anew(self, world, disk):
        """Seconds of one run say nothing in the next, and the time of day may have been set."""
        cloud = world.add("a")
        cloud.fail("create_instance", LOST_BEFORE)
        async with world.client(store=disk(), boot="one") as client:
            with pytest.raises(UncertainOutcomeError):
                await client.provision(SPEC, key="k", deadline=20)
        await asyncio.sleep(1000)
        again = now()
        async with world.client(store=disk(), boot="two") as client:
            await client.provision(SPEC, key="k")
        assert now() - again >= 90
        assert len(cloud.machines) == 1

    @virtual
    async def test_without_a_reboot_what_has_passed_counts(self, world, disk):
        world.add("a").fail("create_instance", LOST_BEFORE)
        async with world.client(store=disk(), boot="one") as client:
            with pytest.raises(UncertainOutcomeError):
                await client.provision(SPEC, key="k", deadline=20)
        await asyncio.sleep(1000)
        again = now()
        async with world.client(store=disk(), boot="one") as client:
            await client.provision(SPEC, key="k")
        assert now() - again < 5

    @virtual
    async def test_one_that_cannot_be_written_buys_nothing_and_reading_goes_on(self, world, tmp_path):
        cloud = world.add("a")
        cloud.hold(1)
        (tmp_path / "state.sqlite3").mkdir()  # in the way
        async with world.client(store=Store(tmp_path, InlineThread())) as client:
            with pytest.raises(StateUnavailableError, match="state_dir"):
                await client.provision(SPEC)
            assert len((await client.list_instances().collect()).items) == 1
        assert cloud.count("create_instance") == 0

    @virtual
    async def test_a_machine_that_could_not_be_noted_is_returned_with_a_warning(
        self, world, disk, monkeypatch
    ):
        cloud = world.add("a")
        write = table.write

        def full(db, intent, before):
            if intent.state is not IntentState.SENT:
                raise sqlite3.OperationalError("database or disk is full")
            write(db, intent, before)

        monkeypatch.setattr(table, "write", full)
        async with world.client(store=disk()) as client:
            made = await client.provision(SPEC, key="k")
            assert "could not be written" in made.warnings[0]
        monkeypatch.undo()
        async with world.client(store=disk()) as client:
            again = await client.provision(SPEC, key="k")
        assert again.instance.id == made.instance.id
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_what_a_provider_tells_in_broken_text_is_written_down(self, world, disk):
        says = functools.partial(QuotaExceededError, "no \ud800")
        cloud = world.add("a", priority=1)
        cloud.fail("create_instance", refused(says))
        world.add("b", priority=2)
        async with world.client(store=disk(), selection_policy="priority") as client:
            made = await client.provision(SPEC, key="k")
            assert made.instance.provider == "b"
            world.clouds["b"].fail(
                "create_instance", refused(functools.partial(ValidationError, "no \ud800"))
            )
            with pytest.raises(ValidationError):
                await client.provision(SPEC, key="other", provider="b")
        async with world.client(store=disk()) as client:
            errors = {intent.key: intent.error for intent in await client.list_intents()}
        assert errors == {"k": None, "other": "no ?"}

    @virtual
    async def test_an_id_that_is_broken_text_is_kept(self, world, disk, monkeypatch):
        cloud, makes = world.add("a"), Cloud.machine
        monkeypatch.setattr(
            Cloud, "machine", lambda self, _, name, **traits: makes(self, "vm-\ud800", name, **traits)
        )
        async with world.client(store=disk()) as client:
            made = await client.provision(SPEC, key="k")
            cloud.machines = {"vm-\ud800": made.instance}
            assert (await client.provision(SPEC, key="k")).instance.id == made.instance.id
            assert (await client.reconcile(apply=True)).complete
            await client.delete_instance("a/vm-\ud800")
            assert (await only(client)).state is IntentState.DELETED

    @virtual
    async def test_what_cannot_be_read_any_more_hides_no_other_error(self, world, tmp_path):
        class Failing(Store):
            fails = False

            async def transact(self, work, *, durable=False, reading=False):
                if reading and self.fails:
                    raise StateUnavailableError("disk I/O error")
                return await super().transact(work, durable=durable, reading=reading)

        world.add("a")
        async with world.client(store=Failing(tmp_path, InlineThread())) as client:
            await client.provision(SPEC)
            Failing.fails = True
            with pytest.raises(NoCompatibleProvidersError):
                await client.provision(attrs.evolve(SPEC, plan="none"))

    @virtual
    async def test_a_request_without_a_deadline_can_be_looked_at_by_all(self, world, disk):
        world.add("a").always["create_instance"] = Fault(seconds=20)
        async with world.client(store=disk()) as client, world.client(store=disk()) as other:
            making = asyncio.create_task(client.provision(SPEC, key="k", deadline=math.inf))
            await asyncio.sleep(5)
            assert (await only(other)).quiet_after == math.inf
            assert (await other.provision(SPEC, key="k")).instance.id == (await making).instance.id

    @pytest.mark.parametrize("body", ["{", "{}", '{"state": "lost"}', "[]"])
    def test_a_row_that_cannot_be_read_is_said_with_a_way_out(self, world, disk, body):
        @virtual
        async def story():
            world.add("a")
            async with world.client(store=disk()) as client:
                await client.provision(SPEC, key="k")
                await client._store.transact(lambda db: db.execute("UPDATE intent SET body = ?", (body,)))
                with pytest.raises(StateUnavailableError, match="an intent that cannot be read") as caught:
                    await client.list_intents()
            assert caught.value.field == "state_dir"

        story()

    @virtual
    async def test_a_write_that_hangs_past_the_deadline_and_fails_has_sent_nothing(self, world, tmp_path):
        class Hanging(Store):
            async def transact(self, work, *, durable=False, reading=False):
                if durable:
                    await asyncio.sleep(100)
                    raise StateUnavailableError("disk I/O error")
                return await super().transact(work, reading=reading)

        world.add("a")
        async with world.client(store=Hanging(tmp_path, InlineThread())) as client:
            with pytest.raises(CallTimeoutError) as caught:
                await client.provision(SPEC, key="k", deadline=20)
            assert caught.value.outcome is Outcome.NOT_SENT
            assert await client.list_intents() == []
        assert world.bought == []

    @virtual
    async def test_who_finds_the_intent_changed_by_another_sends_nothing_more(self, world, disk, monkeypatch):
        world.add("a").fail("create_instance", LOST_BEFORE)
        write, sent = table.write, []

        def taken(db, intent, before):
            if intent.state is IntentState.SENT:
                sent.append(intent)
                before = 0 if len(sent) > 1 else before
            write(db, intent, before)

        monkeypatch.setattr(table, "write", taken)
        async with world.client(store=disk()) as client:
            with pytest.raises(ConflictError, match="changed by another process"):
                await client.provision(SPEC, key="k")
        assert len(sent) == 2
        assert world.bought == []

    @virtual
    async def test_whoever_was_overtaken_does_not_tell_of_a_machine_that_the_other_may_not_keep(
        self, world, disk, monkeypatch
    ):
        """A process that stands still for long loses its lock; another one settles its intent."""
        _, other = world.add("a"), world.add("b")
        write = table.write

        def overtaken(db, intent, before):
            if intent.state is IntentState.CONFIRMED and intent.instance_id in {"a-0", "a-1"}:
                write(db, attrs.evolve(intent, instance_id="another"), before)
            write(db, intent, before)

        def unreadable(db, intent_id):
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(table, "write", overtaken)
        async with world.client(store=disk(), selection_policy="priority") as client:
            with pytest.raises(UncertainOutcomeError, match="the same request with the key k"):
                await client.provision(SPEC, key="k")
            monkeypatch.setattr(table, "read", unreadable)
            with pytest.raises(UncertainOutcomeError, match="the same request with the key l"):
                await client.provision(SPEC, key="l")
        assert other.count("create_instance") == 0

    @virtual
    async def test_a_discarded_machine_that_a_token_gives_again_is_not_told_as_made(self, world, disk):
        cloud, other = world.add("a", type="token"), world.add("b", type="token", enabled=False)
        cloud.born = {"status": InstanceStatus.ERROR}
        async with world.client(store=disk()) as client:
            with pytest.raises(ProviderUnavailableError, match="failed to come up"):
                await client.provision(SPEC, key="k", wait=True)
            (mark,) = [mark for _, mark in cloud.created]
            gone = cloud.machine("a-0", "web", status=InstanceStatus.DELETED, tags=(mark,))
            cloud.machines["a-0"] = gone
            with pytest.raises(ProviderUnavailableError, match="was deleted; use another key") as caught:
                await client.provision(SPEC, key="k")
            assert caught.value.outcome is Outcome.REFUSED
            assert (await only(client)).state is IntentState.REFUSED
        other.entry["enabled"] = True
        async with world.client(store=disk()) as client:
            made = await client.provision(SPEC, key="k", strategy="priority")
        assert made.instance.provider == "b"

    @virtual
    async def test_a_broken_machine_that_could_not_be_noted_is_told_and_stays_in_doubt(
        self, world, disk, monkeypatch
    ):
        cloud = world.add("a")
        cloud.born = {"status": InstanceStatus.ERROR}
        write = table.write

        def full(db, intent, before):
            if intent.state is IntentState.CONFIRMED:
                raise sqlite3.OperationalError("database or disk is full")
            write(db, intent, before)

        monkeypatch.setattr(table, "write", full)
        async with world.client(store=disk()) as client:
            with pytest.raises(ProviderUnavailableError, match="could not be written down") as caught:
                await client.provision(SPEC, key="k", wait=True)
            assert caught.value.outcome is Outcome.MADE
            assert (await only(client)).state is IntentState.UNKNOWN
        assert list(cloud.machines) == ["a-0"]

    def test_network_file_systems_are_known_by_their_mounts(self, tmp_path):
        mounts = tmp_path / "mounts"
        mounts.write_text(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
            "30 22 0:40 / /home rw - nfs4 server:/home rw\n"
            "31 30 0:41 / /home/local\\040disk rw - xfs /dev/sdb rw\n"
            "32 22 0:42 / /remote rw - fuse.sshfs me@there:/ rw\n"
        )
        kinds = {
            "/var/lib": None,
            "/home/me/state": "nfs4",
            "/home/local disk/state": None,
            "/remote/x": "fuse.sshfs",
        }
        for folder, kind in kinds.items():
            assert network_file_system(type(tmp_path)(folder), mounts) == kind
        assert network_file_system(tmp_path, tmp_path / "none") is None

    @virtual
    async def test_one_on_a_network_file_system_is_refused_with_the_way_out(self, world, disk, monkeypatch):
        world.add("a")
        monkeypatch.setattr(identity, "network_file_system", lambda _: "nfs4")
        async with world.client(store=disk()) as client:
            with pytest.raises(StateUnavailableError, match=r"nfs4.*local disk"):
                await client.provision(SPEC)
        assert world.bought == []

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_read_only_folder(self, world, tmp_path):
        @virtual
        async def story():
            world.add("a")
            tmp_path.chmod(0o500)
            async with world.client(store=Store(tmp_path, InlineThread())) as client:
                with pytest.raises(StateUnavailableError):
                    await client.provision(SPEC)
            assert world.bought == []

        story()


class TestClosing:
    @virtual
    async def test_a_task_that_has_bought_and_does_something_else_now_is_left_alone(self, world):
        world.add("a").always["create_instance"] = Fault(seconds=2)
        client = world.client()

        async def work():
            made = await client.provision(SPEC)
            await asyncio.sleep(1000)
            return made

        task = asyncio.create_task(work())
        await asyncio.sleep(1)
        await client.aclose()
        assert now() < 5
        assert (await task).complete

    @virtual
    async def test_a_task_that_goes_on_after_it_was_cancelled_is_not_waited_for(self, world):
        world.add("a").always["create_instance"] = Fault(seconds=HANG)
        client = world.client()

        async def work():
            with contextlib.suppress(asyncio.CancelledError):
                await client.provision(SPEC, deadline=1000)
            await asyncio.sleep(1000)

        task = asyncio.create_task(work())
        await asyncio.sleep(1)
        await client.aclose()
        assert now() < 15
        await task

    @virtual
    async def test_what_is_under_way_gets_a_grace_and_is_noted_then(self, world, disk):
        world.add("a").always["create_instance"] = Fault(seconds=HANG)
        client = world.client(store=disk())
        task = asyncio.create_task(client.provision(SPEC, key="k"))
        await asyncio.sleep(1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(1)
        with pytest.raises(StateUnavailableError, match="closed"):
            await client.provision(SPEC)
        await closing
        assert task.cancelled()
        async with world.client(store=disk()) as client:
            assert (await only(client)).state is IntentState.UNKNOWN
