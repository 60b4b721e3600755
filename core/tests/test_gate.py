"""One call through the gate: retries, deadlines, limits, health. All in virtual time."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from purveyor import (
    Action,
    CallTimeoutError,
    CredentialsError,
    Health,
    MissingCredentialsError,
    PermissionDeniedError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    UncertainOutcomeError,
    ValidationError,
)
from purveyor.spi.call import Call, Effect, Exchange

from ._cloud import BUG, HANG, LOST_AFTER, LOST_BEFORE, NOT_SENT, SPEC, Fault, refused, virtual


def now() -> float:
    return asyncio.get_running_loop().time()


class TestRetries:
    @virtual
    async def test_a_read_is_tried_again_after_growing_waits(self, world):
        cloud = world.add("a")
        cloud.fail("get_balance", LOST_BEFORE, NOT_SENT, LOST_AFTER)
        async with world.client() as client:
            view = await client.get_balances().collect()
        assert view.complete
        waits = [later - sooner for sooner, later in zip(cloud.times, cloud.times[1:], strict=False)]
        for wait, most in zip(waits, (0.25, 0.5, 1.0), strict=True):
            assert most / 2 <= wait <= most

    @virtual
    async def test_four_tries_and_no_more(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = NOT_SENT
        async with world.client() as client:
            view = await client.get_balances().collect()
        assert isinstance(view.failures["a"], ProviderUnavailableError)
        assert cloud.count("get_balance") == 4

    @virtual
    async def test_what_would_fail_again_is_not_repeated(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = refused(PermissionDeniedError)
        async with world.client() as client:
            await client.get_balances().collect()
        assert cloud.count("get_balance") == 1

    @virtual
    async def test_the_deadline_covers_all_tries_and_waits(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = Fault(kind="lost_before", seconds=4)
        async with world.client() as client:
            view = await client.get_balances(deadline=10).collect()
        assert now() == 10
        assert isinstance(view.failures["a"], CallTimeoutError)
        assert cloud.count("get_balance") == 3

    @virtual
    async def test_no_wait_is_begun_that_the_deadline_would_cut(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = Fault(kind="lost_before", seconds=9.95)
        async with world.client() as client:
            view = await client.get_balances(deadline=10).collect()
        assert now() == pytest.approx(9.95)
        assert isinstance(view.failures["a"], ProviderUnavailableError)

    @virtual
    async def test_deleting_is_repeated_until_it_is_gone(self, world):
        cloud = world.add("a")
        cloud.hold(1)
        cloud.fail("delete_instance", LOST_AFTER, LOST_BEFORE)
        async with world.client() as client:
            await client.delete_instance("a/a0")
        assert (cloud.machines, cloud.count("delete_instance")) == ({}, 3)

    @virtual
    async def test_an_action_that_converges_is_repeated_and_one_that_does_not_is_not(self, world):
        cloud = world.add("a")
        cloud.hold(1)
        async with world.client() as client:
            cloud.fail("perform_action", LOST_AFTER)
            await client.perform_action("a/a0", Action.STOP)
            assert cloud.count("perform_action") == 2
            cloud.fail("perform_action", LOST_AFTER)
            with pytest.raises(UncertainOutcomeError) as caught:
                await client.perform_action("a/a0", Action.REBOOT)
            assert cloud.count("perform_action") == 3
        assert caught.value.outcome.value == "unknown"

    @virtual
    async def test_a_reboot_is_over_only_once_it_was_seen_or_surely_would_have_been(self, world):
        world.add("a").hold(1)
        async with world.client() as client:
            began = now()
            await client.perform_action("a/a0", Action.REBOOT, wait=True)
            assert now() - began >= 5

    @virtual
    async def test_an_action_that_was_surely_not_done_is_repeated(self, world):
        cloud = world.add("a")
        cloud.hold(1)
        cloud.fail("perform_action", NOT_SENT, refused(RateLimitError))
        async with world.client() as client:
            await client.perform_action("a/a0", Action.REBOOT)
        assert cloud.count("perform_action") == 3

    @virtual
    async def test_cancelling_ends_a_wait_between_two_tries_at_once(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = refused(lambda: RateLimitError("slow down", retry_after=50))
        async with world.client() as client:
            task = asyncio.create_task(client.get_balances().collect())
            await asyncio.sleep(5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert now() == 5


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("1", 1), ("17.5", 17.5), ("Thu, 01 Jan 2026 00:00:20 GMT", 20)],
    )
    def test_what_fits_into_the_deadline_is_waited_for(self, world, header, seconds):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.fail("get_balance", refused(RateLimitError, status=429, headers={"retry-after": header}))
            async with world.client() as client:
                assert (await client.get_balances().collect()).complete
            assert cloud.times[1] == pytest.approx(seconds)

        story()

    @pytest.mark.parametrize("header", ["61", "3600", "Thu, 01 Jan 2026 01:00:00 GMT"])
    def test_what_does_not_is_told_and_nobody_waits(self, world, header):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.fail("get_balance", refused(RateLimitError, status=429, headers={"retry-after": header}))
            async with world.client() as client:
                view = await client.get_balances().collect()
            assert view.failures["a"].retry_after >= 60
            assert now() < 1
            assert cloud.count("get_balance") == 1

        story()

    @pytest.mark.parametrize("header", ["-5", "soon", "nan", "inf", "Thu, 99 Foo 2026", "1e400"])
    def test_nonsense_is_no_reason_to_wait(self, world, header):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.fail("get_balance", refused(RateLimitError, status=429, headers={"retry-after": header}))
            async with world.client() as client:
                assert (await client.get_balances().collect()).complete
            assert cloud.times[1] < 1

        story()

    @virtual
    async def test_what_an_error_asks_for_is_never_cut_short(self, world):
        cloud = world.add("a")
        cloud.fail("get_balance", refused(lambda: RateLimitError("slow down", retry_after=30)))
        async with world.client() as client:
            await client.get_balances().collect()
        assert cloud.times[1] == 30

    @virtual
    async def test_a_server_cannot_park_us_for_good(self, world):
        cloud = world.add("a")
        cloud.fail("get_balance", refused(RateLimitError, status=429, headers={"retry-after": "9" * 9}))
        async with world.client() as client:
            assert not (await client.get_balances().collect()).complete
            await asyncio.sleep(24 * 3600)
            assert (await client.get_balances().collect()).complete


class TestLimits:
    @virtual
    async def test_an_exhausted_limit_is_waited_out_and_not_run_into(self, world):
        cloud = world.add("a")
        cloud.headers = {"ratelimit-remaining": "0", "ratelimit-reset": "20"}
        async with world.client() as client:
            await client.get_balances().collect()
            assert (await client.get_balances().collect()).complete
        assert cloud.times == [0, 20]

    @virtual
    async def test_groups_do_not_stand_in_each_others_way(self, world):
        cloud = world.add("a")
        cloud.fail("get_balance", Fault(headers={"ratelimit-remaining": "0", "ratelimit-reset": "50"}))
        async with world.client() as client:
            await client.get_balances().collect()
            assert (await client.list_plans().collect()).complete
        assert now() == 0

    @virtual
    async def test_the_last_tokens_are_shared_by_those_who_ask_at_once(self, world):
        cloud = world.add("a")
        cloud.headers = {"x-ratelimit-remaining": "2", "x-ratelimit-reset": "20"}
        async with world.client() as client:
            await client.get_balances().collect()
            cloud.headers = {}
            views = [client.get_balances().collect() for _ in range(5)]
            assert all(view.complete for view in await asyncio.gather(*views))
        assert sorted(cloud.times)[:3] == [0, 0, 0]
        assert min(sorted(cloud.times)[3:]) == 20

    @virtual
    async def test_a_limit_that_outlasts_the_deadline_is_an_error_at_once_that_says_when(self, world):
        cloud = world.add("a")
        cloud.headers = {"ratelimit-remaining": "0", "ratelimit-reset": "500"}
        async with world.client() as client:
            await client.get_balances().collect()
            view = await client.get_balances().collect()
        error = view.failures["a"]
        assert isinstance(error, RateLimitError)
        assert (error.retry_after, now(), cloud.count("get_balance")) == (500, 0, 1)

    @pytest.mark.parametrize(
        "reset", ["1767225600", "-100", "0"]
    )  # the time of day, and what is past already
    def test_a_reset_in_the_past_is_a_second_away(self, world, reset):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.headers = {"ratelimit-remaining": "0", "ratelimit-reset": reset}
            async with world.client() as client:
                await client.get_balances().collect()
                assert (await client.get_balances().collect()).complete
            assert cloud.times == [0, 1]

        story()

    @virtual
    async def test_a_clock_that_is_wrong_cannot_ask_for_more_than_an_hour(self, world):
        cloud = world.add("a")
        cloud.headers = {"ratelimit-remaining": "0", "ratelimit-reset": "99999999999"}
        async with world.client() as client:
            await client.get_balances().collect()
            assert (await client.get_balances(deadline=4000).collect()).complete
        assert cloud.times == [0, 3600]

    @pytest.mark.parametrize("word", ["nan", "inf", "-inf", "many", ""])
    def test_headers_that_make_no_sense_do_no_harm(self, world, word):
        @virtual
        async def story():
            cloud = world.add("a")
            cloud.headers = {"ratelimit-remaining": word, "ratelimit-reset": word}
            async with world.client() as client:
                assert (await client.get_balances().collect()).complete
                assert (await client.get_balances().collect()).complete
            assert now() == 0

        story()

    @virtual
    async def test_no_more_exchanges_at_a_time_than_configured(self, world):
        cloud = world.add("a", config={"max_concurrency": 3})
        cloud.always["get_balance"] = Fault(seconds=1)
        async with world.client() as client:
            await asyncio.gather(*(client.get_balances().collect() for _ in range(10)))
        assert (cloud.most_under_way, now()) == (3, 4)


class TestErrors:
    @virtual
    async def test_a_bug_in_a_plugin_is_an_error_that_names_it(self, world):
        world.add("a").fail("get_balance", BUG)
        async with world.client() as client:
            view = await client.get_balances().collect()
        error = view.failures["a"]
        assert (type(error), error.provider, error.operation) == (PurveyorError, "a", "get_balance")
        assert isinstance(error.__cause__, TypeError)
        assert "canary" not in str(error)

    @virtual
    async def test_every_error_says_who_and_what(self, world):
        world.add("a").fail("get_instance", refused(ValidationError))
        async with world.client() as client:
            with pytest.raises(ValidationError) as caught:
                await client.get_instance("a/1")
        assert (caught.value.provider, caught.value.operation) == ("a", "get_instance")
        assert str(caught.value).startswith("a: ")

    @virtual
    async def test_a_hanging_provider_ends_at_the_deadline(self, world):
        world.add("a").fail("get_instance", Fault(seconds=HANG))
        async with world.client() as client:
            with pytest.raises(CallTimeoutError) as caught:
                await client.get_instance("a/1", deadline=7)
        assert (now(), caught.value.operation) == (7, "get_instance")

    @virtual
    async def test_a_plugin_that_hangs_while_it_is_built_ends_at_the_deadline_in_every_view(self, world):
        world.add("a").build_fault = lambda: asyncio.sleep(HANG)
        async with world.client() as client:
            views = [
                client.list_instances(deadline=5),
                client.list_invoices(deadline=5),
                client.list_plans(deadline=5),
                client.get_balances(deadline=5),
            ]
            seen = await asyncio.gather(*(view.collect() for view in views))
        assert now() == 5
        assert all(isinstance(view.failures["a"], CallTimeoutError) for view in seen)

    @virtual
    async def test_a_provider_that_could_not_be_built_is_tried_again_next_time(self, world):
        cloud = world.add("a", config={"token": "env:LATER"})
        async with world.client() as client:
            first = await client.get_balances().collect()
            world.environ["LATER"] = "there"
            second = await client.get_balances().collect()
        assert isinstance(first.failures["a"], MissingCredentialsError)
        assert second.complete
        assert cloud.built == 1

    @virtual
    async def test_a_provider_is_built_once_for_all_who_ask_at_the_same_time(self, world):
        cloud = world.add("a")
        cloud.build_fault = lambda: asyncio.sleep(1)
        async with world.client() as client:
            await asyncio.gather(*(client.get_balances().collect() for _ in range(5)))
        assert cloud.built == 1


class TestTheRecordOfAnExchange:
    """What a plugin that talks by hand can rely on."""

    @virtual
    async def test_it_is_bounded_by_the_timeout_and_by_what_is_left(self, world):
        cloud = world.add("a", config={"timeout": 10})
        async with world.client() as client:
            await client.get_balances().collect()
            exchange = cloud.contexts[0].exchange
            async with exchange(Call(deadline=now() + 100), "g", Effect.READ) as long:
                assert long.timeout == 10
            async with exchange(Call(deadline=now() + 3), "g", Effect.READ) as short:
                assert short.timeout == 3
            with pytest.raises(CallTimeoutError):
                async with exchange(Call(deadline=now()), "g", Effect.READ):
                    raise AssertionError

    def test_of_several_outcomes_the_most_doubtful_counts(self):
        call = Call(deadline=0)
        assert call.outcome.value == "not_sent"
        first = Exchange("g", Effect.ONCE, 1)
        call.exchanges.append(first)
        assert call.outcome.value == "not_sent"
        first.sending()
        assert call.outcome.value == "unknown"
        first.refused()
        call.exchanges.append(Exchange("g", Effect.READ, 1))
        call.exchanges[-1].sending()
        assert call.outcome.value == "refused"


class TestHealth:
    @virtual
    async def test_unknown_until_something_was_heard(self, world):
        world.add("a")
        async with world.client() as client:
            assert client.provider("a").health is Health.UNKNOWN
            await client.get_balances().collect()
            assert client.provider("a").health is Health.ONLINE

    @virtual
    async def test_traffic_takes_it_down_step_by_step_one_result_a_call_and_one_answer_brings_it_back(
        self, world
    ):
        cloud = world.add("a")
        cloud.always["get_balance"] = NOT_SENT
        states = []
        async with world.client() as client:
            for _ in range(5):
                await client.get_balances().collect()
                states.append(client.provider("a").health)
            cloud.always.clear()
            await asyncio.sleep(75)  # until the breaker lets one through
            await client.get_balances().collect()
            states.append(client.provider("a").health)
        assert states == [Health.DEGRADED] * 4 + [Health.OFFLINE, Health.ONLINE]

    @virtual
    async def test_a_probe_in_the_background_notices_the_fall_and_the_return(self, world):
        cloud = world.add("a")
        cloud.always["check_health"] = NOT_SENT
        async with world.client(health_interval=60) as client:
            await asyncio.sleep(6 * 70)
            assert client.provider("a").health is Health.OFFLINE
            cloud.always.clear()
            await asyncio.sleep(130)
            assert client.provider("a").health is Health.ONLINE

    @virtual
    async def test_its_limits_and_our_mistakes_say_nothing_about_it(self, world):
        cloud = world.add("a")
        async with world.client() as client:
            await client.get_balances().collect()
            cloud.always["get_balance"] = refused(RateLimitError)
            await client.get_balances().collect()
            cloud.always["get_balance"] = refused(ValidationError)
            await client.get_balances().collect()
            assert client.provider("a").health is Health.ONLINE

    @virtual
    async def test_bad_credentials_degrade_but_never_take_it_offline(self, world):
        cloud = world.add("a")
        cloud.always["get_balance"] = refused(CredentialsError)
        async with world.client() as client:
            for _ in range(20):
                await client.get_balances().collect()
            assert client.provider("a").health is Health.DEGRADED

    @virtual
    async def test_a_check_shows_everybody_and_what_is_wrong(self, world):
        world.add("well").always["check_health"] = Fault(seconds=2)
        world.add("ill").always["check_health"] = NOT_SENT
        world.add("poor", config={"token": "env:NOT_THERE"})
        world.environ["PURVEYOR_DISABLE_PLUGINS"] = "plain"
        world.add("broken", type="plain")
        world.add("off", enabled=False)
        async with world.client() as client:
            view = await client.check_health().collect()
        assert view.complete
        seen = {one.provider: one for one in view.items}
        assert set(seen) == {"well", "ill", "poor", "broken"}
        assert (seen["well"].health, seen["well"].latency, seen["well"].error) == (Health.ONLINE, 2, None)
        assert seen["ill"].error.code == "PROVIDER_UNAVAILABLE"
        assert (seen["poor"].health, seen["poor"].error.code) == (Health.DEGRADED, "MISSING_CREDENTIALS")
        assert seen["broken"].error.code == "PLUGIN_ERROR"

    @virtual
    async def test_the_time_of_day_may_jump(self, world):
        cloud = world.add("a")
        client = world.client()
        clock = world.clouds["a"].contexts
        async with client:
            await client.get_balances().collect()
            clock[0].clock.skew = timedelta(days=-400)
            cloud.fail("get_balance", NOT_SENT)
            assert (await client.get_balances().collect()).complete


class TestClosing:
    @virtual
    async def test_twice_is_once(self, world):
        cloud = world.add("a")
        async with world.client(health_interval=60) as client:
            await client.get_balances().collect()
        await client.aclose()
        assert cloud.closed == 1

    @virtual
    async def test_what_is_still_being_built_is_closed_as_well(self, world):
        """A secret can take a while to be had."""
        cloud = world.add("a")
        cloud.build_fault = partial(asyncio.sleep, 5)
        async with world.client(health_interval=60) as client:
            reading = asyncio.create_task(client.get_balances().collect())
            await asyncio.sleep(1)
        failure = (await reading).failures["a"]
        assert (failure.code, cloud.closed) == ("PROVIDER_UNAVAILABLE", 1)

    @virtual
    async def test_nothing_is_built_afterwards(self, world):
        cloud = world.add("a")
        async with world.client(health_interval=60) as client:
            pass
        failure = (await client.get_balances().collect()).failures["a"]
        assert "the client is closed" in failure.message
        assert (cloud.built, cloud.closed) == (0, 0)

    @virtual
    async def test_whoever_loses_patience_with_it_leaves_no_provider_open(self, world):
        cloud = world.add("a")
        cloud.always["create_instance"] = Fault(seconds=1000)
        client = world.client(health_interval=60)
        making = asyncio.create_task(client.provision(SPEC))
        await asyncio.sleep(1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(1)
        closing.cancel()
        await asyncio.gather(closing, making, return_exceptions=True)
        assert cloud.closed == 1

    @virtual
    async def test_what_was_never_used_is_never_built(self, world):
        cloud = world.add("a")
        async with world.client():
            pass
        assert (cloud.built, cloud.closed) == (0, 0)

    @virtual
    async def test_a_provider_that_cannot_let_go_does_not_keep_the_others(self, world, caplog):
        stuck, bad, good = world.add("stuck"), world.add("bad"), world.add("good")
        stuck.close_fault = lambda: asyncio.sleep(HANG)
        bad.close_fault = lambda: 1 / 0
        async with world.client() as client:
            await client.get_balances().collect()
        assert good.closed == 1
        assert now() == 10
        assert {word for one in caplog.records for word in ("stuck", "bad") if word in one.getMessage()} == {
            "stuck",
            "bad",
        }
