"""What keeps requests from a provider, as clients meet it: breaker, budget, blocklist, limits. All in virtual time."""

import asyncio
import subprocess
import sys
from collections import deque
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from purveyor import (
    AllProvidersFailedError,
    BlockScope,
    BreakerPhase,
    CallTimeoutError,
    Health,
    InstanceNotFoundError,
    InsufficientResourcesError,
    NoCompatibleProvidersError,
    Outcome,
    PermissionDeniedError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    ValidationError,
)
from purveyor.plugin import Rate
from purveyor.state.store import Store
from purveyor_testing.virtual import InlineThread

from ._cloud import HANG, LOST_BEFORE, NOT_SENT, SPEC, Fault, refused, virtual


def now() -> float:
    return asyncio.get_running_loop().time()


async def fail(client, times=5, provider="a"):
    """So many calls that fail, one after the other."""
    for _ in range(times):
        await client.get_balances([provider]).collect()


async def guards(client, provider="a"):
    """What is shown of a provider, whether or not it answers."""
    (found,) = (await client.check_health([provider]).collect()).items
    return found.guards


@pytest.fixture
def down(world):
    """A provider that cannot be reached."""
    cloud = world.add("a")
    cloud.always["get_balance"] = cloud.always["check_health"] = NOT_SENT
    return cloud


def share(tmp_path):
    """A store in a folder that several clients use."""
    return Store(tmp_path, InlineThread())


class TestBreaker:
    @virtual
    async def test_while_it_is_open_nothing_reaches_the_provider_and_the_error_says_until_when(
        self, world, down
    ):
        async with world.client() as client:
            await fail(client)
            asked, began = len(down.asked), now()
            for ask in (client.get_balances, client.list_instances, client.list_plans, client.check_health):
                await ask().collect()
            with pytest.raises(ProviderUnavailableError) as caught:
                await client.get_instance("a/1")
            assert len(down.asked) == asked
            assert now() == began
        error = caught.value
        assert (error.provider, error.operation, error.outcome) == ("a", "get_instance", Outcome.NOT_SENT)
        assert 55 < error.retry_after <= 72
        assert "00:01:" in str(error)

    @virtual
    async def test_five_calls_in_a_row_open_it_however_often_each_was_tried(self, world, down):
        async with world.client() as client:
            await fail(client, 4)
            assert (await guards(client)).breaker.phase is not BreakerPhase.CLOSED  # the check was the fifth
            assert down.count("get_balance") > 4

    @virtual
    async def test_a_success_in_between_starts_the_count_again(self, world, down):
        async with world.client() as client:
            for _ in range(3):
                await fail(client, 4)
                down.fail("get_balance", Fault())
                await client.get_balances().collect()
            down.always.clear()
            assert (await guards(client)).breaker.phase is BreakerPhase.CLOSED

    @pytest.mark.parametrize("kind", [RateLimitError, PermissionDeniedError, ValidationError])
    def test_limits_credentials_and_our_mistakes_do_not_count(self, world, kind):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.always["get_balance"] = refused(kind)
            async with world.client() as client:
                await fail(client, 20)
                assert (await guards(client)).breaker.failures == 0

        story()

    @virtual
    async def test_time_that_went_by_in_our_own_queue_is_not_the_providers_fault(self, world):
        cloud = world.add("a", config={"max_concurrency": 1})
        cloud.always["get_balance"] = Fault(seconds=100)
        async with world.client() as client:
            slow = asyncio.create_task(client.get_balances(deadline=200).collect())
            await asyncio.sleep(1)
            views = await asyncio.gather(*(client.get_balances(deadline=5).collect() for _ in range(9)))
            assert all(isinstance(view.failures["a"], CallTimeoutError) for view in views)
            assert (await slow).complete
            assert (await guards(client)).breaker.failures == 0

    @virtual
    async def test_after_a_minute_one_call_finds_out_and_an_answer_closes_it(self, world, down):
        async with world.client() as client:
            await fail(client)
            await asyncio.sleep(75)
            down.always.clear()
            assert (await client.get_balances().collect()).complete
            found = await guards(client)
        assert (found.breaker.phase, found.breaker.failures) == (BreakerPhase.CLOSED, 0)

    @virtual
    async def test_a_refusal_is_an_answer_too(self, world, down):
        async with world.client() as client:
            await fail(client)
            await asyncio.sleep(75)
            down.always.clear()
            with pytest.raises(InstanceNotFoundError):
                await client.get_instance("a/1")
            assert (await guards(client)).breaker.phase is BreakerPhase.CLOSED

    @virtual
    async def test_a_probe_that_fails_opens_it_for_longer_up_to_five_minutes(self, world, down):
        waits = []
        async with world.client() as client:
            await fail(client)
            for _ in range(7):
                with pytest.raises(ProviderUnavailableError) as caught:
                    await client.get_instance("a/1")
                waits.append(caught.value.retry_after)
                await asyncio.sleep(waits[-1] + 0.001)
                await fail(client, 1)
        assert all(
            low <= wait <= high
            for wait, (low, high) in zip(
                waits, [(50, 72), (110, 144), (230, 288), *[(240, 300)] * 4], strict=True
            )
        )

    @virtual
    async def test_one_probe_at_a_time_goes_out_even_from_two_clients_with_one_state_folder(
        self, world, down, tmp_path
    ):
        async with world.client(store=share(tmp_path)) as one, world.client(store=share(tmp_path)) as two:
            await fail(one)
            await asyncio.sleep(75)
            down.always["get_balance"] = Fault(kind="lost_before", seconds=10)
            asked = len(down.asked)
            views = await asyncio.gather(
                *(client.get_balances(deadline=8).collect() for client in (one, two) * 10)
            )
            assert len(down.asked) == asked + 1
            refusals = [view.failures["a"] for view in views if "half open" in str(view.failures["a"])]
            assert len(refusals) == 19
            assert {error.outcome for error in refusals} == {Outcome.NOT_SENT}

    @virtual
    async def test_who_comes_while_a_probe_is_under_way_waits_a_moment_for_what_it_finds(
        self, world, down, tmp_path
    ):
        async with world.client(store=share(tmp_path)) as one, world.client(store=share(tmp_path)) as two:
            await fail(one)
            await asyncio.sleep(75)
            down.always.clear()
            down.fail("get_balance", Fault(seconds=2))
            views = await asyncio.gather(*(client.get_balances().collect() for client in (one, two) * 5))
            assert all(view.complete for view in views)
            assert (await guards(two)).breaker.phase is BreakerPhase.CLOSED

    @virtual
    async def test_waiting_for_a_probe_leaves_time_for_the_call_itself(self, world, down):
        async with world.client() as client:
            await fail(client)
            await asyncio.sleep(75)
            down.always["get_balance"] = Fault(seconds=2)
            down.fail("get_balance", Fault(seconds=4.5))
            probe = asyncio.create_task(client.get_balances().collect())
            await asyncio.sleep(0)
            await asyncio.gather(*(client.get_balances(deadline=6).collect() for _ in range(8)))
            assert (await probe).complete
            assert (await guards(client)).breaker.phase is BreakerPhase.CLOSED

    @virtual
    async def test_a_probe_that_is_cancelled_leaves_the_way_to_the_next(self, world, down):
        async with world.client() as client:
            await fail(client)
            await asyncio.sleep(75)
            down.always["get_balance"] = Fault(seconds=HANG)
            probe = asyncio.create_task(client.get_balances().collect())
            await asyncio.sleep(1)
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
            down.always.clear()
            assert (await client.get_balances().collect()).complete

    @virtual
    async def test_the_health_check_in_the_background_probes_and_closes_it(self, world, down):
        async with world.client(health_interval=60) as client:
            await fail(client)
            down.always.clear()
            await asyncio.sleep(130)
            assert client.provider("a").health is Health.ONLINE
            assert set(down.asked) == {"get_balance", "check_health"}

    @virtual
    async def test_another_process_does_not_run_into_it(self, world, down, tmp_path):
        async with world.client(store=share(tmp_path)) as client:
            await fail(client)
        asked = len(down.asked)
        async with world.client(store=share(tmp_path)) as later:
            (found,) = (await later.check_health().collect()).items
        assert len(down.asked) == asked
        assert (found.health, found.guards.breaker.phase) == (Health.OFFLINE, BreakerPhase.OPEN)
        assert found.error.code == "PROVIDER_UNAVAILABLE"

    @virtual
    async def test_five_commands_in_a_row_that_fail_open_it(self, world, down, tmp_path):
        for _ in range(5):
            async with world.client(store=share(tmp_path)) as client:
                await fail(client, 1)
        asked = len(down.asked)
        async with world.client(store=share(tmp_path)) as client:
            await fail(client, 1)
        assert len(down.asked) == asked

    @virtual
    async def test_without_a_usable_state_folder_it_works_in_memory(self, world, down, tmp_path):
        (tmp_path / "file").write_text("in the way")
        async with world.client(store=share(tmp_path / "file" / "state")) as client:
            await fail(client)
            asked = len(down.asked)
            await fail(client)
            assert len(down.asked) == asked
            await asyncio.sleep(75)
            down.always.clear()
            assert (await client.get_balances().collect()).complete

    @virtual
    async def test_a_clock_that_is_set_back_keeps_nobody_out_for_longer(self, world, down, tmp_path):
        async with world.client(store=share(tmp_path)) as client:
            await fail(client)
        client = world.client(store=share(tmp_path))
        client._around.clock.skew = -timedelta(days=400)
        async with client:
            with pytest.raises(ProviderUnavailableError) as caught:
                await client.get_instance("a/1")
            assert caught.value.retry_after <= 72


class TestChoosing:
    @virtual
    async def test_whose_breaker_is_open_is_passed_over_with_the_reason(self, world, down):
        world.add("b", priority=9)
        async with world.client(selection_policy="priority") as client:
            await client.explain(SPEC)
            await fail(client)
            why = await client.explain(SPEC)
            made = await client.provision(SPEC)
        assert [one.provider for one in why.candidates] == ["b"]
        ((code, reason),) = [(one.code, one.reason) for one in why.rejected]
        assert code == "breaker"
        assert "open until 00:01:" in reason
        assert [one.provider for one in made.attempts] == ["b"]

    @virtual
    async def test_the_last_one_is_never_taken_away_but_finds_out_at_once(self, world, down):
        other = world.add("b", priority=9)
        other.always["get_balance"] = NOT_SENT
        async with world.client(selection_policy="priority") as client:
            await client.explain(SPEC)
            await fail(client)
            await asyncio.sleep(20)
            await fail(client, provider="b")
            why = await client.explain(SPEC)
            assert [one.provider for one in why.candidates] == ["a"]  # it was to be asked first anyway
            assert (down.created, other.created) == ([], [])
            made = await client.provision(SPEC)
            assert made.instance.provider == "a"
            assert (await guards(client)).breaker.phase is BreakerPhase.CLOSED
            assert (await guards(client, "b")).breaker.phase is BreakerPhase.OPEN

    @virtual
    async def test_explaining_lets_nothing_through(self, world, down):
        async with world.client() as client:
            await client.explain(SPEC)
            await fail(client)
            await client.explain(SPEC)
            assert (await guards(client)).breaker.phase is BreakerPhase.OPEN

    @virtual
    async def test_of_many_machines_one_finds_out_for_the_last_one(self, world, down):
        async with world.client() as client:
            await client.provision(SPEC)
            await fail(client)
            down.always["create_instance"] = NOT_SENT
            with pytest.raises(ProviderUnavailableError):
                await client.provision(SPEC, count=5)
            assert down.count("create_instance") == 2

    @virtual
    async def test_who_is_named_is_not_asked_and_the_error_says_when_it_will_be(self, world, down):
        world.add("b")
        async with world.client() as client:
            await client.explain(SPEC)
            await fail(client)
            with pytest.raises(ProviderUnavailableError) as caught:
                await client.provision(SPEC, provider="a")
            assert down.count("create_instance") == 0
        assert caught.value.outcome is Outcome.NOT_SENT
        assert caught.value.retry_after > 50


class TestBudget:
    @virtual
    async def test_when_half_is_spent_failures_stand_and_say_that_they_were_not_tried_again(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = LOST_BEFORE
        async with world.client() as client:
            await fail(client, 1)
            assert cloud.count("get_balance") == 4
            view = await client.get_balances().collect()
            assert cloud.count("get_balance") == 5
        assert view.failures["a"].details["retry_suppressed"] is True

    @virtual
    async def test_ten_successes_give_a_token_back(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            cloud.fail("get_balance", LOST_BEFORE, LOST_BEFORE)
            await client.get_balances().collect()
            for _ in range(8):
                await client.get_balances().collect()
            assert (await guards(client)).budget == 9
            await fail(client, 20)
            assert (await guards(client)).budget == 10

    @virtual
    async def test_what_the_provider_itself_asks_to_have_repeated_is_free(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = refused(lambda: RateLimitError("slow down", retry_after=1))
        async with world.client() as client:
            await fail(client, 5)
            assert (await guards(client)).budget == 10

    @virtual
    async def test_it_is_shared_by_short_commands(self, world, tmp_path):
        cloud = world.add("a")
        cloud.always["get_balance"] = LOST_BEFORE
        for number in (4, 5, 6):
            async with world.client(store=share(tmp_path)) as client:
                await fail(client, 1)
            assert cloud.count("get_balance") == number

    @virtual
    async def test_nobody_fails_over_to_one_whose_budget_is_spent(self, world):
        first, second = world.add("a", priority=1), world.add("b", priority=2)
        async with world.client(selection_policy="priority") as client:
            await client.explain(SPEC)
            second.fail("get_balance", *[LOST_BEFORE] * 5)
            await fail(client, 2, provider="b")
            first.fail("create_instance", NOT_SENT)
            with pytest.raises(ProviderUnavailableError) as caught:
                await client.provision(SPEC)
            assert caught.value.details["retry_suppressed"] is True
            assert second.count("create_instance") == 0
            for _ in range(20):
                await client.get_balances(["b"]).collect()
            first.fail("create_instance", NOT_SENT)
            assert (await client.provision(SPEC)).instance.provider == "b"

    @virtual
    async def test_an_hour_later_it_is_full_for_the_next_process(self, world, tmp_path):
        cloud = world.add("a")
        async with world.client(store=share(tmp_path)) as client:
            cloud.fail("get_balance", *[LOST_BEFORE] * 4)
            await fail(client, 1)
        await asyncio.sleep(3601)
        async with world.client(store=share(tmp_path)) as client:
            assert (await guards(client)).budget == 10


NO_ROOM = refused(InsufficientResourcesError)
NO_ZONE = refused(lambda: InsufficientResourcesError("ams is full", field="region"))
FULL = refused(QuotaExceededError)


class TestBlocklist:
    @virtual
    async def test_a_plan_that_is_sold_out_is_not_asked_for_again_in_that_region_for_ten_minutes(self, world):
        cloud, other = world.add("a", priority=1), world.add("b", priority=2)
        cloud.fail("create_instance", NO_ROOM)
        here = attrs.evolve(SPEC, region="ams")
        async with world.client(selection_policy="priority") as client:
            for number in range(3):
                made = await client.provision(here)
                assert made.instance.provider == "b"
                assert len(made.attempts) == (2 if number == 0 else 1)
            why = await client.explain(here)
            (rejection,) = why.rejected
            assert rejection.code == "blocked"
            assert rejection.reason == "plan s-1 in ams is blocked until 00:10:00 UTC: no, says the cloud"
            assert (await client.provision(attrs.evolve(SPEC, region="nyc"))).instance.provider == "a"
            assert (await client.provision(attrs.evolve(here, plan="s-2"))).instance.provider == "a"
            await asyncio.sleep(601)
            assert (await client.provision(here)).instance.provider == "a"
        assert len(other.created) == 3

    @virtual
    async def test_an_error_that_blames_the_region_closes_it_for_all_plans(self, world):
        world.add("a", priority=1).fail("create_instance", NO_ZONE)
        world.add("b", priority=2)
        async with world.client(selection_policy="priority") as client:
            await client.provision(attrs.evolve(SPEC, region="ams"))
            other_plan = attrs.evolve(SPEC, plan="s-2", region="ams")
            assert (await client.provision(other_plan)).instance.provider == "b"
            assert (await guards(client)).blocks[0].scope is BlockScope.ZONE

    @virtual
    async def test_a_quota_closes_the_account_for_a_quarter_of_an_hour(self, world):
        world.add("a", priority=1).fail("create_instance", FULL)
        world.add("b", priority=2)
        async with world.client(selection_policy="priority") as client:
            await client.provision(SPEC)
            elsewhere = attrs.evolve(SPEC, plan="s-2", region="nyc")
            assert (await client.provision(elsewhere)).instance.provider == "b"
            (block,) = (await guards(client)).blocks
            assert (block.scope, block.code) == (BlockScope.ACCOUNT, "QUOTA_EXCEEDED")
            await asyncio.sleep(901)
            assert (await guards(client)).blocks == ()
            assert (await client.provision(elsewhere)).instance.provider == "a"

    @virtual
    async def test_who_is_named_is_passed_over_too_and_it_is_said_clearly(self, world):
        cloud = world.add("a")
        world.add("b")
        cloud.fail("create_instance", FULL)
        async with world.client() as client:
            with pytest.raises(QuotaExceededError):
                await client.provision(SPEC, provider="a")
            with pytest.raises(NoCompatibleProvidersError, match="account is blocked until 00:15:00 UTC"):
                await client.provision(SPEC, provider="a")
        assert cloud.count("create_instance") == 1

    @virtual
    async def test_when_all_are_blocked_every_reason_is_told(self, world):
        for name in "ab":
            world.add(name).fail("create_instance", FULL)
        async with world.client() as client:
            with pytest.raises(AllProvidersFailedError):
                await client.provision(SPEC)
            with pytest.raises(NoCompatibleProvidersError) as caught:
                await client.provision(SPEC)
        assert set(caught.value.details["rejected"]) == {"a", "b"}

    @virtual
    async def test_another_client_sees_it(self, world, tmp_path):
        cloud = world.add("a", priority=1)
        world.add("b", priority=2)
        cloud.fail("create_instance", FULL)
        async with world.client(store=share(tmp_path), selection_policy="priority") as client:
            await client.provision(SPEC)
        async with world.client(store=share(tmp_path), selection_policy="priority") as later:
            assert (await later.provision(SPEC)).instance.provider == "b"
        assert cloud.count("create_instance") == 1


class LimitedServer(dict):
    """Takes so many requests in so many seconds, by a fixed or a sliding window, and tells in headers or not at all."""

    def __init__(self, most: int, seconds: float, *, sliding: bool, tells: bool, pause: float | None = None):
        self.most, self.seconds, self.sliding, self.tells, self.pause = most, seconds, sliding, tells, pause
        self.times: deque[float] = deque()
        self.refused = 0

    def get(self, _operation, _default=None):
        """What becomes of the request that arrives now."""
        start = now() - self.seconds if self.sliding else now() // self.seconds * self.seconds
        while self.times and (self.times[0] <= start if self.sliding else self.times[0] < start):
            self.times.popleft()
        fits = len(self.times) < self.most
        if fits:
            self.times.append(now())
        end = self.times[0] + self.seconds if self.sliding else start + self.seconds
        headers = {}
        if self.tells:
            headers = {
                "ratelimit-remaining": str(self.most - len(self.times)),
                "ratelimit-reset": str(end - now()),
            }
        if fits:
            return Fault(headers=headers, seconds=0.3)
        self.refused += 1
        wait = self.pause or end - now()
        return refused(RateLimitError, status=429, headers={**headers, "retry-after": f"{wait:.3f}"})


class TestLimits:
    @pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
    @pytest.mark.parametrize("tells", [True, False], ids=["in headers", "as declared"])
    def test_ten_thousand_calls_against_a_hundred_a_minute_meet_no_refusal(self, world, sliding, tells):
        @virtual
        async def story():
            cloud = world.add("a")
            if not tells:
                world.plugins["fake"] = attrs.evolve(world.plugins["fake"], rates={"get": Rate(100, 60)})
            cloud.always = LimitedServer(100, 60, sliding=sliding, tells=tells)
            async with world.client() as client:
                views = [client.get_balances(deadline=20_000).collect() for _ in range(10_000)]
                failures = [view.failures for view in await asyncio.gather(*views) if view.failures]
                assert failures == []
            assert (cloud.always.refused, len(cloud.times)) == (0, 10_000)
            assert now() < 1.25 * 100 * 60

        story()

    @virtual
    async def test_what_the_headers_tell_goes_before_what_was_declared(self, world):
        cloud = world.add("a")
        world.plugins["fake"] = attrs.evolve(
            world.plugins["fake"], rates={"get": Rate(10, 60, in_headers=True)}
        )
        cloud.always = LimitedServer(100, 60, sliding=True, tells=True)
        async with world.client() as client:
            for _ in range(99):
                await client.get_balances().collect()
        assert now() < 60

    @virtual
    async def test_a_limit_of_all_groups_counts_them_together(self, world):
        cloud = world.add("a")
        world.plugins["fake"] = attrs.evolve(world.plugins["fake"], rates={"*": Rate(10, 60)})
        async with world.client() as client:
            for _ in range(5):
                await client.get_balances().collect()
                await client.list_instances().collect()
            await client.get_balances(deadline=100).collect()
        assert cloud.times[9:] == [0, 60]

    @virtual
    async def test_who_waits_for_a_limit_holds_no_slot(self, world):
        cloud = world.add("a", config={"max_concurrency": 1})
        cloud.fail("get_balance", Fault(headers={"ratelimit-remaining": "0", "ratelimit-reset": "50"}))
        async with world.client() as client:
            await client.get_balances().collect()
            waiting = asyncio.create_task(client.get_balances().collect())
            await asyncio.sleep(1)
            assert (await client.list_plans().collect()).complete
            assert now() == 1
            assert (await waiting).complete
            assert now() == 50

    @virtual
    async def test_a_token_is_taken_only_when_the_request_goes_out(self, world):
        """Otherwise a request that waits for its slot goes out in a window that it has no token for."""
        cloud = world.add("a", config={"max_concurrency": 2})
        cloud.headers = {"ratelimit-remaining": "5", "ratelimit-reset": "10"}
        async with world.client() as client:
            await client.get_balances().collect()
            cloud.headers = {}
            cloud.always["get_balance"] = Fault(seconds=4)
            await asyncio.gather(*(client.get_balances().collect() for _ in range(7)))
        assert cloud.times == [0, 0, 0, 4, 4, 8, 10, 12]

    @pytest.mark.parametrize("pause", [61, 3600])
    def test_a_pause_that_is_asked_for_is_kept_by_everybody_or_the_error_says_when(
        self, world, pause, tmp_path
    ):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.fail(
                "get_balance", refused(RateLimitError, status=429, headers={"retry-after": str(pause)})
            )
            async with world.client(store=share(tmp_path)) as one, world.client(store=share(tmp_path)) as two:
                patient = asyncio.create_task(one.get_balances(deadline=2 * pause).collect())
                await asyncio.sleep(2)
                view = await two.get_balances(deadline=30).collect()
                assert view.failures["a"].retry_after == pytest.approx(pause - 2, abs=1)
                assert cloud.count("get_balance") == 1
                assert (await patient).complete
            assert cloud.times == [0, pytest.approx(pause)]

        story()

    @virtual
    async def test_whose_limit_is_used_up_for_too_long_is_passed_over_and_the_last_one_is_not(self, world):
        cloud = world.add("a", priority=1)
        other = world.add("b", priority=2)
        pause = refused(RateLimitError, status=429, headers={"retry-after": "3600"})
        cloud.fail("create_instance", pause)
        async with world.client(selection_policy="priority") as client:
            await client.provision(SPEC)
            why = await client.explain(SPEC)
            assert [(one.provider, one.code) for one in why.rejected] == [("a", "rate_limit")]
            assert [one.used_up_until is not None for one in (await guards(client)).limits] == [True]
            other.fail("create_instance", pause)
            with pytest.raises(RateLimitError):
                await client.provision(SPEC)
            with pytest.raises(RateLimitError) as caught:
                await client.provision(SPEC)
        assert caught.value.retry_after > 3500

    @virtual
    async def test_nothing_is_written_while_all_is_well(self, world, monkeypatch):
        world.add("a").headers = {"ratelimit-remaining": "4900", "ratelimit-reset": "3000"}
        store = Store(None, InlineThread())
        written = []
        monkeypatch.setattr(store, "update", lambda *args: written.append(args))
        async with world.client(store=store) as client:
            for _ in range(50):
                await client.get_balances().collect()
        assert written == []


ANOTHER = """
import asyncio, sys
from pathlib import Path
from purveyor.engine.guards import GuardBook
from purveyor.spi.call import LoopClock
from purveyor.state.store import Store

async def main():
    store = Store(Path(sys.argv[1]))
    book = GuardBook(store, LoopClock())
    await book.refresh()
    print([block.code for key in ("a|fake ",) for block in book.state(key).blocks])
    await store.aclose()

asyncio.run(main())
"""


def test_another_process_reads_what_this_one_wrote(world, tmp_path):
    @virtual
    async def story():
        world.add("a").fail("create_instance", FULL)
        async with world.client(store=share(tmp_path)) as client:
            # By the clock of the wall, as the other process will read it.
            client._around.clock.skew = datetime.now(UTC) - client._around.clock.now()
            with pytest.raises(QuotaExceededError):
                await client.provision(SPEC)

    story()
    told = subprocess.run(
        [sys.executable, "-c", ANOTHER, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "['QUOTA_EXCEEDED']"
