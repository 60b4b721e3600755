"""Retry, limits, health and the rules for requests, as pure functions of what is passed in."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from purveyor import (
    CallTimeoutError,
    CredentialsError,
    Health,
    InstanceSpec,
    Needs,
    Outcome,
    ProviderHealth,
    ProviderUnavailableError,
    RateLimitError,
    ValidationError,
)
from purveyor.policy import health
from purveyor.policy.limits import LimiterState, retry_after
from purveyor.policy.retry import RetryPolicy, next_wait
from purveyor.policy.validation import instance_names, validate_spec
from purveyor.spi.call import Effect

TODAY = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = st.floats(0, 10_000)


class TestRetry:
    @given(
        attempt=st.integers(1, 10),
        left=SECONDS,
        asked=st.none() | st.floats(-100, 10_000),
        effect=st.sampled_from(Effect),
        outcome=st.sampled_from([None, *Outcome]),
        kind=st.sampled_from([RateLimitError, ProviderUnavailableError, ValidationError]),
        seed=st.integers(0, 99),
    )
    def test_no_wait_breaks_a_promise(self, attempt, left, asked, effect, outcome, kind, seed):
        error = kind("no", outcome=outcome, retry_after=asked)
        policy = RetryPolicy(attempts=5)
        wait = next_wait(policy, error, effect, attempt, left, random.Random(seed))
        if wait is None:
            return
        assert attempt < 5
        assert error.retryable
        assert effect is not Effect.ONCE or outcome in {Outcome.NOT_SENT, Outcome.REFUSED}
        assert 0 < wait < left
        assert wait >= (asked or 0)
        assert wait <= max(asked or 0, policy.cap)

    def test_backoff_doubles_up_to_the_cap_and_is_jittered_downwards(self):
        error, chance = ProviderUnavailableError("no"), random.Random(1)
        for attempt in range(1, 9):
            waits = [
                next_wait(RetryPolicy(attempts=10), error, Effect.READ, attempt, 1e9, chance)
                for _ in range(200)
            ]
            top = min(8.0, 0.25 * 2 ** (attempt - 1))
            assert top / 2 <= min(waits) < 0.55 * top
            assert 0.95 * top < max(waits) <= top


class TestRetryAfter:
    @given(text=st.text() | st.from_regex(r"-?[0-9]{1,20}(\.[0-9]+)?") | st.dates().map(str))
    def test_whatever_it_says_it_is_seconds_or_nothing(self, text):
        got = retry_after({"retry-after": text}, TODAY)
        assert got is None or 0 <= got < float("inf")

    @given(seconds=st.integers(0, 10**6))
    def test_a_date_is_as_good_as_seconds(self, seconds):
        date = (TODAY + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        assert retry_after({"retry-after": date}, TODAY) == seconds
        assert retry_after({"retry-after": str(seconds)}, TODAY) == seconds

    def test_nothing_is_nothing(self):
        assert retry_after({}, TODAY) is None


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "ratelimit-remaining",
            "x-ratelimit-remaining",
            "ratelimit-reset",
            "x-ratelimit-reset",
            "retry-after",
        ]
    ),
    st.integers(-10, 10**11).map(str) | st.sampled_from(["nan", "inf", "-inf", "", "soon", "1e308", "1.5"]),
)


class Limiter(RuleBasedStateMachine):
    """Whatever a server says, we neither stand still for ever nor go on where it said stop."""

    def __init__(self):
        super().__init__()
        self.state, self.now = LimiterState(), 0.0

    @rule(status=st.sampled_from([200, 429, 500]), headers=HEADERS)
    def answer(self, status, headers):
        self.state = self.state.learned(status, headers, self.now, TODAY + timedelta(seconds=self.now))

    @rule()
    def take(self):
        if not self.state.wait(self.now):
            self.state = self.state.taken(self.now)

    @rule(seconds=st.floats(0, 4000))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def wait_as_told(self):
        wait = self.state.wait(self.now)
        if wait:
            assert self.state.wait(self.now + wait * 0.5) > 0
            self.now += wait * (1 + 1e-9)
            assert self.state.wait(self.now) == 0

    @rule(seconds=st.integers(1, 3000))
    def asked_to_stay_away(self, seconds):
        self.state = self.state.learned(429, {"retry-after": str(seconds)}, self.now, TODAY)
        assert self.state.wait(self.now) >= seconds * (1 - 1e-9)

    @rule(seconds=st.integers(1, 3000))
    def used_up(self, seconds):
        headers = {"ratelimit-remaining": "0", "ratelimit-reset": str(seconds)}
        self.state = self.state.learned(200, headers, self.now, TODAY)
        assert self.state.wait(self.now) >= seconds * (1 - 1e-9)

    @invariant()
    def the_wait_is_bounded(self):
        assert 0 <= self.state.wait(self.now) <= 24 * 3600 * (1 + 1e-9)


TestLimiter = Limiter.TestCase


class TestHealth:
    @given(events=st.lists(st.sampled_from(["ok", "down", "late", "limit", "ours", "key"])))
    def test_five_in_a_row_and_one_answer(self, events):
        errors = {
            "down": ProviderUnavailableError("no"),
            "late": CallTimeoutError("no"),
            "limit": RateLimitError("no"),
            "ours": ValidationError("no"),
            "key": CredentialsError("no"),
        }
        state, row, heard = ProviderHealth(provider="a"), 0, False
        for event in events:
            if event == "ok":
                state, row = health.succeeded(state, TODAY, 0.1), 0
            else:
                state = health.failed(state, TODAY, errors[event])
                row += event in {"down", "late"}
            heard |= event in {"ok", "down", "late", "key"}
            assert state.failures == row
            assert (state.health is Health.UNKNOWN) == (not heard)
            if event in {"down", "late"}:
                assert state.health is (Health.OFFLINE if row >= 5 else Health.DEGRADED)
            if event == "ok":
                assert (state.health, state.error) == (Health.ONLINE, None)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx me@here"


class TestRequests:
    @given(name=st.from_regex(r"[A-Za-z](?:-?[A-Za-z0-9]){2,30}", fullmatch=True), count=st.integers(1, 99))
    def test_good_names_make_good_names(self, name, count):
        names = instance_names(name, count)
        assert len(set(names)) == count
        for one in names:
            validate_spec(InstanceSpec(name=one, plan="s", image="u"))

    @pytest.mark.parametrize(
        "name", ["", "ab", "1ab", "a--b", "-ab", "ab-", "a_b", "a.b", "äbc", "a b", "a" * 64, "abc\n"]
    )
    def test_bad_names_are_refused(self, name):
        with pytest.raises(ValidationError, match="not portable"):
            validate_spec(InstanceSpec(name=name, plan="s", image="u"))

    def test_keys_and_tags(self):
        validate_spec(
            InstanceSpec(name="web", plan="s", image="u", ssh_keys=[KEY], tags=["env:prod", "a-b_c"])
        )
        for wrong in (
            {"ssh_keys": ["/home/me/.ssh/id_ed25519"]},
            {"ssh_keys": KEY},
            {"tags": ["x"]},
            {"tags": ["a\nb"]},
        ):
            with pytest.raises(ValidationError) as caught:
                validate_spec(InstanceSpec(name="web", plan="s", image="u", **wrong))
            assert caught.value.field in wrong

    @pytest.mark.parametrize("field", ["cpus", "memory", "disk", "gpu"])
    def test_needs_cannot_be_negative(self, field):
        with pytest.raises(ValidationError) as caught:
            validate_spec(InstanceSpec(name="web", plan=Needs(**{field: -1}), image="u"))
        assert caught.value.field == field
