"""Buying machines: moving on only when nothing was bought, and saying what is not known."""

import asyncio
import logging

import attrs
import pytest

from purveyor import (
    AllProvidersFailedError,
    CapacityError,
    CredentialsError,
    InstanceSpec,
    InstanceStatus,
    IntentState,
    MissingCredentialsError,
    Needs,
    NoCompatibleProvidersError,
    NoEnabledProvidersError,
    Outcome,
    PermissionDeniedError,
    PluginError,
    ProviderInactiveError,
    ProviderNotFoundError,
    ProviderUnavailableError,
    PurveyorError,
    QuotaExceededError,
    RateLimitError,
    StateUnavailableError,
    UncertainOutcomeError,
    ValidationError,
)
from purveyor.model import errors
from purveyor.state.store import Store
from purveyor_testing.virtual import InlineThread

from ._cloud import (
    BUG,
    HANG,
    JUNK,
    LOST_AFTER,
    LOST_BEFORE,
    NOT_SENT,
    SPEC,
    FakeProvider,
    Fault,
    refused,
    virtual,
)

LEAVES = [getattr(errors, name) for name in errors.__all__ if name != "Outcome"]
ELSEWHERE = [one for one in LEAVES if one.elsewhere]
FINAL = [one for one in LEAVES if not one.elsewhere and one is not UncertainOutcomeError]


@pytest.fixture
def two(world):
    """Two providers, of which ``a`` is tried first."""
    return world.add("a", priority=1), world.add("b", priority=2)


@virtual
async def test_one_request_is_one_machine_with_the_mark_on_it(world, two):
    async with world.client(selection_policy="priority") as client:
        made = await client.provision(SPEC)
    assert made.complete
    assert (made.instance.provider, made.instance.name) == ("a", "web")
    ((_, mark),) = two[0].created
    assert made.instance.tags == (mark,)
    assert mark.startswith("pv-")
    assert len(mark) <= 40
    assert [attempt.provider for attempt in made.attempts] == ["a"]


@virtual
async def test_the_create_call_gets_slugs_and_the_fields_for_that_provider_and_its_type(world, two):
    spec = attrs.evolve(
        SPEC,
        region="nl",
        user_data="#cloud-config",
        tags=("blue",),
        per_provider={"fake": {"vpc": 1, "size": 1}, "a": {"size": 2}, "b": {"size": 3}},
    )
    async with world.client(selection_policy="priority") as client:
        await client.provision(spec)
    (request,) = two[0].requests
    assert (request.plan, request.image, request.region) == ("s-1", "u24", "ams")
    assert (request.user_data, request.tags) == ("#cloud-config", ("blue",))
    assert request.extra == {"vpc": 1, "size": 2}


@pytest.mark.parametrize("error", ELSEWHERE, ids=lambda one: one.__name__)
def test_a_refusal_that_another_provider_might_not_make_moves_on(world, two, error):
    @virtual
    async def story():
        two[0].fail("create_instance", refused(error))
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC)
        assert made.instance.provider == "b"
        assert [type(attempt.error) for attempt in made.attempts] == [error, type(None)]
        assert made.attempts[0].error.outcome is Outcome.REFUSED
        assert world.bought == ["web"]

    story()


@pytest.mark.parametrize("error", FINAL, ids=lambda one: one.__name__)
def test_a_refusal_that_every_provider_would_make_ends_the_search(world, two, error):
    @virtual
    async def story():
        two[0].always["create_instance"] = refused(error)
        async with world.client(selection_policy="priority") as client:
            with pytest.raises(error) as caught:
                await client.provision(SPEC)
        assert caught.value.provider == "a"
        assert caught.value.operation == "create_instance"
        assert [attempt.provider for attempt in caught.value.attempts] == ["a"]
        assert world.bought == []

    story()


@virtual
async def test_what_was_never_sent_moves_on(world, two):
    two[0].fail("create_instance", NOT_SENT)
    async with world.client(selection_policy="priority") as client:
        made = await client.provision(SPEC)
    assert (made.instance.provider, world.bought) == ("b", ["web"])


DOUBTS = {
    "lost before it acted": LOST_BEFORE,
    "lost after it acted": LOST_AFTER,
    "no answer at all": Fault(seconds=HANG),
    "a bug after the request was sent": BUG,
    "an answer that is no instance": JUNK,
}


@pytest.mark.parametrize("fault", DOUBTS.values(), ids=DOUBTS)
def test_a_doubt_that_lasts_is_told_with_its_intent_and_nobody_else_is_asked(world, two, fault):
    @virtual
    async def story():
        two[0].fail("create_instance", fault)
        two[0].hides_new = True
        async with world.client(selection_policy="priority") as client:
            with pytest.raises(UncertainOutcomeError) as caught:
                await client.provision(SPEC, deadline=60)
        error = caught.value
        assert (error.provider, error.outcome) == ("a", Outcome.UNKNOWN)
        assert [attempt.provider for attempt in error.attempts] == ["a"]
        assert isinstance(error.__cause__, PurveyorError)
        assert "canary" not in str(error)
        assert error.details["intent"] in str(error)
        assert error.details["key"] in str(error)
        assert all(mark == error.details["mark"] for _, mark in two[0].created)
        assert two[0].count("create_instance") == 1
        assert two[1].count("create_instance") == 0

    story()


@pytest.mark.parametrize("fault", [LOST_AFTER, JUNK], ids=["lost", "no instance"])
def test_a_machine_whose_answer_is_lost_is_found_and_kept(world, two, fault):
    @virtual
    async def story():
        two[0].fail("create_instance", fault)
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC)
        assert (made.instance.provider, made.instance.id) == ("a", "a-0")
        assert world.bought == ["web"]

    story()


@virtual
async def test_a_doubt_that_comes_to_nothing_moves_on(world, two):
    two[0].fail("create_instance", LOST_BEFORE)
    async with world.client(selection_policy="priority") as client:
        made = await client.provision(SPEC)
    assert made.instance.provider == "b"
    assert world.bought == ["web"]
    assert asyncio.get_running_loop().time() >= 90


@virtual
async def test_the_last_candidate_is_tried_again_only_while_nothing_was_bought(world, two):
    two[0].fail("create_instance", refused(RateLimitError))
    two[1].fail("create_instance", NOT_SENT, refused(RateLimitError), LOST_AFTER)
    async with world.client(selection_policy="priority") as client:
        made = await client.provision(SPEC)
    assert (two[0].count("create_instance"), two[1].count("create_instance")) == (1, 3)
    assert made.instance.provider == "b"
    assert world.bought == ["web"]


@virtual
async def test_when_everybody_refuses_every_story_is_told(world, two):
    for cloud in two:
        cloud.always["create_instance"] = refused(CapacityError)
    async with world.client(selection_policy="priority") as client:
        with pytest.raises(AllProvidersFailedError) as caught:
            await client.provision(SPEC)
    assert set(caught.value.details["failures"]) == {"a", "b"}
    assert [attempt.provider for attempt in caught.value.attempts] == ["a", "b"]
    assert caught.value.outcome is Outcome.REFUSED


@virtual
async def test_the_only_refusal_is_told_as_it_is(world):
    world.add("a").always["create_instance"] = refused(QuotaExceededError)
    async with world.client() as client:
        with pytest.raises(QuotaExceededError) as caught:
            await client.provision(SPEC)
    assert len(caught.value.attempts) == 1


@virtual
async def test_what_goes_wrong_before_a_provider_is_even_built_is_no_doubt(world, two):
    """The catalogue is remembered, so that a secret that is gone shows only when buying."""
    store = Store(None, InlineThread())
    async with world.client(store=store, selection_policy="priority") as client:
        await client.explain(SPEC)
        await client.clear_cache(provider="nobody")
        two[0].entry["config"] = {"token": "env:GONE"}
        later = world.client(store=store, selection_policy="priority")
        made = await later.provision(SPEC)
    assert isinstance(made.attempts[0].error, MissingCredentialsError)
    assert made.attempts[0].error.outcome is Outcome.NOT_SENT
    assert (made.instance.provider, world.bought) == ("b", ["web"])


@virtual
async def test_a_provider_that_cannot_be_built_in_time_is_no_doubt(world, two):
    store = Store(None, InlineThread())
    async with world.client(store=store) as client:
        await client.explain(SPEC)
        two[0].build_fault = lambda: asyncio.sleep(HANG)
        later = world.client(store=store, selection_policy="priority")
        with pytest.raises(AllProvidersFailedError) as caught:
            await later.provision(SPEC, deadline=20)
    assert caught.value.attempts[0].error.outcome is Outcome.NOT_SENT
    assert world.bought == []


@virtual
async def test_waiting_for_a_free_slot_until_the_deadline_is_no_doubt(world):
    cloud = world.add("a", config={"max_concurrency": 1})
    async with world.client() as client:
        await client.explain(SPEC)
        cloud.fail("create_instance", Fault(seconds=HANG))
        first = asyncio.create_task(client.provision(SPEC, deadline=100))
        await asyncio.sleep(1)
        with pytest.raises(PurveyorError) as caught:
            await client.provision(attrs.evolve(SPEC, name="other"), deadline=10)
        assert caught.value.code == "TIMEOUT"
        assert caught.value.outcome is Outcome.NOT_SENT
        with pytest.raises(UncertainOutcomeError):
            await first


@virtual
async def test_cancelling_reaches_the_call_at_once_and_is_logged_if_in_doubt(world, two, caplog):
    two[0].fail("create_instance", Fault(kind="lost_after", seconds=50))
    async with world.client(selection_policy="priority") as client:
        task = asyncio.create_task(client.provision(SPEC))
        await asyncio.sleep(5)
        began = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() == began
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "may have been carried out" in record.getMessage()
    assert world.clouds["b"].count("create_instance") == 0


@virtual
async def test_many_are_numbered_and_come_back_in_the_order_of_their_names(world, two):
    async with world.client(selection_policy="round_robin") as client:
        made = await client.provision(SPEC, count=5)
    assert [one.name for one in made.instances] == [f"web-{number}" for number in range(1, 6)]
    assert sorted(len(cloud.created) for cloud in two) == [2, 3]
    assert len({mark for cloud in two for _, mark in cloud.created}) == 5


@virtual
async def test_of_many_some_may_fail_and_the_others_are_kept(world):
    world.add("a").fail("create_instance", LOST_BEFORE, refused(ValidationError))
    async with world.client() as client:
        made = await client.provision(SPEC, count=4, deadline=60)
    assert [one.name for one in made.instances] == ["web-3", "web-4"]
    assert sorted(error.code for error in made.failures) == ["UNCERTAIN_OUTCOME", "VALIDATION_ERROR"]
    assert not made.complete


@virtual
async def test_if_nothing_is_made_a_doubt_is_told_before_a_refusal(world):
    world.add("a").fail("create_instance", refused(ValidationError), LOST_BEFORE)
    async with world.client() as client:
        with pytest.raises(UncertainOutcomeError):
            await client.provision(SPEC, count=2, deadline=60)


@virtual
async def test_a_request_that_breaks_in_an_unforeseen_way_waits_for_the_others(world, two):
    """What is bought beside it must not be lost."""
    two[1].always["create_instance"] = Fault(seconds=30)
    spec = attrs.evolve(SPEC, per_provider={"a": 5})
    async with world.client(selection_policy="round_robin") as client:
        made = await client.provision(spec, count=2)
    assert [one.provider for one in made.instances] == ["b"]
    (failure,) = made.failures
    assert isinstance(failure.__cause__, TypeError)


@virtual
async def test_a_state_that_cannot_be_written_buys_nothing(world, tmp_path):
    world.add("a")
    (tmp_path / "file").write_text("in the way")
    async with world.client(store=Store(tmp_path / "file" / "state", InlineThread())) as client:
        with pytest.raises(StateUnavailableError) as caught:
            await client.provision(SPEC, count=3)
        assert [one.id for one in (await client.list_plans().collect()).items] == ["s-1", "s-2", "g-1"]
    assert "state: memory" in str(caught.value)
    assert world.bought == []


@virtual
async def test_one_provider_whose_catalogue_hangs_leaves_time_to_buy_elsewhere(world, two):
    two[0].always["list_plans"] = Fault(seconds=HANG)
    async with world.client(selection_policy="priority") as client:
        made = await client.provision(SPEC, deadline=100)
    assert made.instance.provider == "b"
    (out,) = made.explanation.rejected
    assert (out.provider, out.code) == ("a", "timeout")


class TestWhoIsAsked:
    @virtual
    async def test_a_named_provider_is_the_only_one(self, world, two):
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC, provider="b")
        assert made.instance.provider == "b"
        assert two[0].asked == []
        assert made.explanation.strategy == "explicit"

    @virtual
    async def test_an_unknown_one_is_named_with_those_that_there_are(self, world, two):
        async with world.client() as client:
            with pytest.raises(ProviderNotFoundError) as caught:
                await client.provision(SPEC, provider="c")
        assert caught.value.details["requested_provider"] == "c"
        assert caught.value.details["available_providers"] == ["a", "b"]

    @virtual
    async def test_a_disabled_one_is_refused_by_name_and_told_about_otherwise(self, world):
        world.add("a", enabled=False)
        world.add("b")
        async with world.client() as client:
            with pytest.raises(ProviderInactiveError):
                await client.provision(SPEC, provider="a")
            why = await client.explain(SPEC)
        assert [(one.provider, one.code) for one in why.rejected] == [("a", "disabled")]

    @virtual
    async def test_none_enabled_is_an_error_of_its_own(self, world):
        world.add("a", enabled=False)
        async with world.client() as client:
            with pytest.raises(NoEnabledProvidersError):
                await client.provision(SPEC)

    @virtual
    async def test_nobody_compatible_is_told_with_every_reason(self, world):
        world.add("a", capabilities=["gpu"])
        world.add("b", type="plain")
        world.add("c").plans = ()
        spec = attrs.evolve(SPEC, capabilities={"machines"})
        async with world.client() as client:
            with pytest.raises(NoCompatibleProvidersError) as caught:
                await client.provision(spec, type="fake")
        rejected = caught.value.details["rejected"]
        assert "machines" in rejected["a"]
        assert "plain" in rejected["b"]
        assert "no plan" in rejected["c"]

    @virtual
    async def test_a_broken_plugin_is_a_rejection_and_the_others_serve(self, world):
        world.add("b")
        world.environ["PURVEYOR_DISABLE_PLUGINS"] = "plain"
        world.add("a", type="plain")
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC)
            with pytest.raises(NoCompatibleProvidersError, match="refused"):
                await client.provision(SPEC, provider="a")
        assert [(one.provider, one.code) for one in made.explanation.rejected] == [("a", "plugin")]

    @virtual
    async def test_bad_credentials_are_a_rejection_and_the_others_serve(self, world, two):
        two[0].always["list_plans"] = refused(CredentialsError)
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC)
        assert made.instance.provider == "b"


@pytest.mark.parametrize(
    ("spec", "count", "field"),
    [
        (attrs.evolve(SPEC, name="x"), 1, "name"),
        (attrs.evolve(SPEC, name="a--b"), 1, "name"),
        (attrs.evolve(SPEC, name="n" * 62), 2, "name"),
        (attrs.evolve(SPEC, ssh_keys=("-----BEGIN PRIVATE KEY-----canary",)), 1, "ssh_keys"),
        (attrs.evolve(SPEC, tags=("sp ace",)), 1, "tags"),
        (attrs.evolve(SPEC, plan=Needs(cpus=-1)), 1, "cpus"),
        (attrs.evolve(SPEC, plan=Needs(max_price=0)), 1, "max_price"),
        (attrs.evolve(SPEC, plan=Needs(max_price="nan")), 1, "max_price"),
        (SPEC, 0, "count"),
    ],
)
def test_what_no_provider_would_take_is_refused_before_anybody_is_asked(world, spec, count, field):
    cloud = world.add("a")

    @virtual
    async def story():
        async with world.client() as client:
            with pytest.raises(ValidationError) as caught:
                await client.provision(spec, count=count)
        assert caught.value.field == field
        assert "canary" not in str(caught.value)
        assert cloud.asked == []

    story()


class TestTheGuardOnSpending:
    @virtual
    async def test_as_many_as_the_limit_allows(self, world):
        cloud = world.add("a")
        cloud.hold(3)
        async with world.client(limits={"max_instances": 5}) as client:
            with pytest.raises(QuotaExceededError) as caught:
                await client.provision(SPEC, count=3)
            assert caught.value.field == "limits.max_instances"
            assert cloud.created == []
            assert (await client.provision(SPEC, count=2)).complete

    @virtual
    async def test_the_price_of_what_runs_and_of_what_is_to_come(self, world):
        cloud = world.add("a")
        cloud.machines["x"] = cloud.machine("x", "old", price_per_hour=cloud.plans[1].price_per_hour)
        async with world.client(limits={"max_price_per_hour": 0.04}) as client:
            assert (await client.provision(SPEC)).complete
        async with world.client(limits={"max_price_per_hour": 0.04}) as client:
            with pytest.raises(QuotaExceededError) as caught:
                await client.provision(SPEC, count=2)
        assert caught.value.field == "limits.max_price_per_hour"
        assert len(cloud.created) == 1

    @virtual
    async def test_of_two_at_once_the_second_sees_the_first(self, world):
        cloud = world.add("a")
        cloud.always["create_instance"] = Fault(seconds=5)
        async with world.client(limits={"max_instances": 5}) as client:
            results = await asyncio.gather(
                client.provision(SPEC, count=3), client.provision(SPEC, count=3), return_exceptions=True
            )
        assert sorted(type(one).__name__ for one in results) == ["Provisioned", "QuotaExceededError"]
        assert len(cloud.machines) == 3

    @virtual
    async def test_what_a_key_has_made_already_counts_once(self, world):
        cloud = world.add("a")
        async with world.client(limits={"max_instances": 3}) as client:
            await client.provision(SPEC, count=3, key="k")
            assert len((await client.provision(SPEC, count=3, key="k")).instances) == 3
        assert len(cloud.machines) == 3

    @virtual
    async def test_what_a_key_still_wants_is_counted_when_it_is_asked_for_again(self, world):
        cloud = world.add("a")
        cloud.fail("create_instance", refused(ValidationError))
        async with world.client(limits={"max_instances": 1}) as client:
            with pytest.raises(ValidationError):
                await client.provision(SPEC, key="k")
            await client.provision(SPEC)  # what was refused takes up nothing
            with pytest.raises(QuotaExceededError):
                await client.provision(SPEC, key="k")
        assert len(cloud.machines) == 1

    @virtual
    async def test_of_what_wants_a_machine_at_once_only_so_many_get_one(self, world, tmp_path):
        cloud = world.add("a")
        stores = [Store(tmp_path, InlineThread()) for _ in range(2)]
        one, other = (world.client(store=store, limits={"max_instances": 1}) for store in stores)
        async with one, other:
            for key in "ab":
                cloud.fail("create_instance", refused(ValidationError))
                with pytest.raises(ValidationError):
                    await one.provision(SPEC, key=key)
            cloud.always["create_instance"] = Fault(seconds=5)
            results = await asyncio.gather(
                one.provision(SPEC, key="a"),
                one.provision(SPEC, key="b"),
                one.provision(SPEC),
                other.provision(SPEC, key="a"),
                other.provision(SPEC, key="b"),
                return_exceptions=True,
            )
            assert one._journal._active == other._journal._active == {}
        assert len(cloud.machines) == 1
        told = [result.instance.id for result in results if not isinstance(result, Exception)]
        assert set(told) == {"a-0"}
        assert {type(result) for result in results if isinstance(result, Exception)} == {QuotaExceededError}

    @virtual
    async def test_what_is_made_anew_for_a_broken_one_is_counted(self, world):
        cloud = world.add("a")
        cloud.born = {"status": InstanceStatus.ERROR}
        cloud.always["delete_instance"] = refused(PermissionDeniedError)
        async with world.client(limits={"max_instances": 1}) as client:
            with pytest.raises(ProviderUnavailableError):
                await client.provision(SPEC, key="k", wait=True)
            cloud.machines.clear()  # by hand
            cloud.born = {}
            await client.provision(attrs.evolve(SPEC, name="other"))
            cloud.always.clear()
            with pytest.raises(QuotaExceededError):
                await client.provision(SPEC, key="k")
        assert len(cloud.machines) == 1

    @virtual
    async def test_what_was_never_sent_leaves_nothing_behind(self, world):
        world.add("a").always["find_by_mark"] = refused(PermissionDeniedError)
        async with world.client(limits={"max_instances": 5}) as client:
            for key in (None, None, "k"):
                with pytest.raises(PermissionDeniedError):
                    await client.provision(SPEC, key=key, count=2)
            assert await client.list_intents() == []

    @virtual
    async def test_what_a_dead_process_had_planned_takes_up_nothing(self, world, tmp_path):
        cloud = world.add("a")
        cloud.always["find_by_mark"] = Fault(seconds=HANG)
        client = world.client(store=Store(tmp_path, InlineThread()), limits={"max_instances": 1})
        dying = asyncio.create_task(client.provision(SPEC, key="k"))
        await asyncio.sleep(5)
        client._journal._holders._forget()  # as the operating system does when a process dies
        cloud.always.clear()
        async with world.client(store=Store(tmp_path, InlineThread()), limits={"max_instances": 1}) as other:
            assert (await other.provision(SPEC)).complete
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await client.aclose()

    @virtual
    async def test_a_price_that_nobody_tells_cannot_be_guarded(self, world):
        cloud = world.add("a")
        cloud.plans = (attrs.evolve(cloud.plans[0], price_per_hour=None),)
        async with world.client(limits={"max_price_per_hour": 100}) as client:
            with pytest.raises(QuotaExceededError, match="no price"):
                await client.provision(SPEC)

    @virtual
    async def test_what_cannot_be_seen_cannot_be_guarded(self, world, two):
        two[1].always["list_instances"] = refused(CredentialsError)
        async with world.client(limits={"max_instances": 50}) as client:
            with pytest.raises(QuotaExceededError, match="b did not tell"):
                await client.provision(SPEC)
        assert world.bought == []


class TestWaiting:
    @virtual
    async def test_until_it_runs_and_has_an_address(self, world):
        cloud = world.add("a")
        cloud.born = {"public_ipv4": ()}
        async with world.client() as client:
            task = asyncio.create_task(client.provision(SPEC, wait=True))
            await asyncio.sleep(20)
            assert not task.done()
            cloud.machines["a-0"] = cloud.machine("a-0", "web")
            made = await task
        assert made.instance.ready

    @virtual
    async def test_one_that_is_late_is_among_the_instances_and_told(self, world):
        world.add("a").born = {"public_ipv4": ()}
        async with world.client() as client:
            made = await client.provision(SPEC, wait=True, deadline=60)
        assert made.instance.id == "a-0"
        assert [error.code for error in made.failures] == ["TIMEOUT"]
        assert not made.complete

    @virtual
    async def test_one_that_failed_to_come_up_is_deleted_and_made_elsewhere(self, world):
        broken = world.add("a", priority=1)
        broken.born = {"status": InstanceStatus.ERROR}
        world.add("b", priority=2)
        async with world.client(selection_policy="priority") as client:
            made = await client.provision(SPEC, wait=True)
        assert made.complete
        assert made.instance.provider == "b"
        assert [attempt.provider for attempt in made.attempts] == ["a", "b"]
        assert broken.machines == {}

    @virtual
    async def test_one_that_failed_everywhere_is_told_and_nothing_is_left(self, world):
        cloud = world.add("a")
        cloud.born = {"status": InstanceStatus.ERROR}
        async with world.client() as client:
            with pytest.raises(ProviderUnavailableError, match="failed to come up"):
                await client.provision(SPEC, wait=True)
        assert cloud.machines == {}

    @virtual
    async def test_one_that_failed_and_cannot_be_deleted_is_told_and_nobody_else_is_asked(self, world):
        cloud, other = world.add("a", priority=1), world.add("b", priority=2)
        cloud.born = {"status": InstanceStatus.ERROR}
        cloud.always["delete_instance"] = NOT_SENT
        async with world.client(selection_policy="priority") as client:
            with pytest.raises(ProviderUnavailableError, match="deleting it failed"):
                await client.provision(SPEC, wait=True)
            (intent,) = await client.list_intents()
            assert intent.state is IntentState.DISCARDING
            cloud.always.clear()
            assert (await client.resolve_intent(intent.id)).state is IntentState.DISCARDED
        assert (cloud.machines, other.created) == ({}, [])

    @virtual
    async def test_one_that_an_earlier_call_has_made_is_waited_for_too(self, world):
        cloud = world.add("a")
        cloud.born = {"public_ipv4": ()}
        async with world.client() as client:
            await client.provision(SPEC, key="k")
            late = await client.provision(SPEC, key="k", wait=True, deadline=10)
            assert [error.code for error in late.failures] == ["TIMEOUT"]
            cloud.machines["a-0"] = cloud.machine("a-0", "web", status=InstanceStatus.ERROR)
            broken = await client.provision(SPEC, key="k", wait=True)
            assert [error.code for error in broken.failures] == ["PROVIDER_UNAVAILABLE"]
            cloud.machines["a-0"] = cloud.machine("a-0", "web")
            assert (await client.provision(SPEC, key="k", wait=True)).complete
        assert list(cloud.machines) == ["a-0"]

    @virtual
    async def test_one_that_is_not_listed_yet_is_given_its_grace(self, world):
        cloud = world.add("a")
        cloud.hides_new = True
        async with world.client() as client:
            task = asyncio.create_task(client.provision(SPEC, wait=True))
            await asyncio.sleep(20)
            cloud.machines["a-0"] = cloud.machine("a-0", "web")
            assert (await task).complete

    @virtual
    async def test_one_that_never_shows_is_not_found_after_its_grace(self, world):
        world.add("a").hides_new = True
        async with world.client() as client:
            made = await client.provision(SPEC, wait=True)
        assert [error.code for error in made.failures] == ["INSTANCE_NOT_FOUND"]
        assert 30 <= asyncio.get_running_loop().time() < 40


@virtual
async def test_two_providers_of_one_broken_type_are_told_apart(world):
    """One failed plugin is behind both; each error names its own provider."""
    world.environ["PURVEYOR_DISABLE_PLUGINS"] = "plain"
    world.add("a", type="plain")
    world.add("b", type="plain")
    async with world.client() as client:
        view = await client.list_instances().collect()
        again = await client.list_instances().collect()
    assert {name: error.provider for name, error in view.failures.items()} == {"a": "a", "b": "b"}
    assert all(isinstance(error, PluginError) for error in view.failures.values())
    assert view.failures["a"] is not again.failures["a"]


def test_the_spec_shows_no_user_data():
    spec = InstanceSpec(name="web", plan="s-1", image="u24", user_data="password: canary")
    assert "canary" not in repr(spec)


@virtual
async def test_a_cancelled_request_waits_for_all_that_it_has_sent(world, monkeypatch):
    cloud, ended = world.add("a"), []
    make = FakeProvider.create_instance

    async def create(self, request, call):
        sending = asyncio.ensure_future(make(self, request, call))
        if request.name == "web-1":
            return await sending
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:  # as a plugin that sees through what it has sent
            await sending
            ended.append(request.name)
            raise

    monkeypatch.setattr(FakeProvider, "create_instance", create)
    cloud.always["create_instance"] = Fault(seconds=10)
    async with world.client() as client:
        asking = asyncio.create_task(client.provision(SPEC, count=2))
        await asyncio.sleep(1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert ended == ["web-2"]


@virtual
async def test_one_search_that_ends_in_an_odd_way_does_not_end_the_others(world, monkeypatch):
    cloud = world.add("a")
    make = FakeProvider.create_instance

    async def create(self, request, call):
        if request.name == "web-1":
            raise asyncio.CancelledError  # nobody has cancelled it
        return await make(self, request, call)

    monkeypatch.setattr(FakeProvider, "create_instance", create)
    cloud.always["create_instance"] = Fault(seconds=10)
    async with world.client() as client:
        with pytest.raises(asyncio.CancelledError):
            await client.provision(SPEC, count=2)
        states = {intent.name: intent.state for intent in await client.list_intents()}
    assert states["web-2"] is IntentState.CONFIRMED
