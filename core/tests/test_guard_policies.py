"""Breaker, retry budget, blocklist and limits, as pure functions of what is passed in."""

import random
from collections import deque

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from purveyor import (
    BreakerPhase,
    InsufficientResourcesError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    ResourceBusyError,
    ValidationError,
)
from purveyor.policy.blocklist import Block, block_of, blocking, with_block
from purveyor.policy.breaker import OPEN_CAP, OPENS_AFTER, Breaker, BreakerEvent, claimed, step
from purveyor.policy.budget import MOST, PER_SUCCESS, Budget, costs
from purveyor.policy.limits import LimiterState
from purveyor.state.guards import NOTHING, GuardState, decoded, encoded

SECONDS = st.floats(0, 10_000)


class Breakers(RuleBasedStateMachine):
    """Calls of all kinds, at all times, whose results arrive in any order."""

    def __init__(self):
        super().__init__()
        self.breaker, self.now, self.chance = Breaker(), 0.0, random.Random(1)
        self.under_way = deque()  # those that went out while it was closed
        self.probe_until = None
        self.row = 0

    @property
    def phase(self):
        return self.breaker.phase(self.now)

    def happens(self, event):
        self.breaker = step(self.breaker, event, self.now, self.chance)

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.phase is BreakerPhase.CLOSED)
    @rule()
    def a_call_goes_out(self):
        self.under_way.append("call")

    @precondition(lambda self: self.under_way)
    @rule(event=st.sampled_from([BreakerEvent.SUCCEEDED, BreakerEvent.FAILED, BreakerEvent.ANSWERED]))
    def it_ends(self, event):
        self.under_way.popleft()
        before = self.breaker
        self.happens(event)
        if before.opened:
            assert self.breaker == before  # whatever went out before is of yesterday
        elif event is BreakerEvent.FAILED:
            self.row += 1
            assert (self.breaker.opened > 0) == (self.row >= OPENS_AFTER)
        elif event is BreakerEvent.SUCCEEDED:
            self.row = 0

    @rule(seconds=st.floats(0.1, 1000))
    def somebody_wants_to_probe(self, seconds):
        won = claimed(self.breaker, self.now, seconds)
        free = self.probe_until is None or self.now >= self.probe_until
        assert (won is not None) == (self.phase is BreakerPhase.HALF_OPEN and free)
        if won is not None:
            self.breaker, self.probe_until = won, self.now + min(seconds, OPEN_CAP)

    @precondition(lambda self: self.probe_until is not None and self.now < self.probe_until)
    @rule(
        event=st.sampled_from(
            [BreakerEvent.PROBE_SUCCEEDED, BreakerEvent.PROBE_FAILED, BreakerEvent.PROBE_ABANDONED]
        )
    )
    def the_probe_ends(self, event):
        self.probe_until = None
        self.happens(event)
        expected = {
            BreakerEvent.PROBE_SUCCEEDED: BreakerPhase.CLOSED,
            BreakerEvent.PROBE_FAILED: BreakerPhase.OPEN,
            BreakerEvent.PROBE_ABANDONED: BreakerPhase.HALF_OPEN,
        }
        assert self.phase is expected[event]
        if event is BreakerEvent.PROBE_SUCCEEDED:
            self.row = 0

    @rule()
    def the_last_one_is_let_through(self):
        closed = self.phase is BreakerPhase.CLOSED
        self.happens(BreakerEvent.LET_THROUGH)
        assert self.phase is (BreakerPhase.CLOSED if closed else BreakerPhase.HALF_OPEN)

    @invariant()
    def nobody_is_shut_out_for_longer_than_the_cap(self):
        assert self.breaker.shut_for(self.now) <= OPEN_CAP
        assert self.breaker.shut_for(self.now + OPEN_CAP) == 0

    @invariant()
    def it_is_the_same_by_any_clock(self):
        moved = self.breaker.shifted(1000.0)
        assert moved.phase(self.now + 1000.0 + 1e-6) in {self.phase, BreakerPhase.HALF_OPEN}


TestBreakers = Breakers.TestCase


@given(opened=st.integers(0, 60), seed=st.integers(0, 999))
def test_it_opens_for_a_minute_and_longer_each_time_with_jitter_up_to_the_cap(opened, seed):
    after = step(Breaker(opened=opened), BreakerEvent.PROBE_FAILED, 0.0, random.Random(seed))
    top = min(300.0, 72.0 * 2 ** min(opened, 9))
    assert top / 1.2 - 1e-6 <= after.open_until <= top


class Budgets(RuleBasedStateMachine):
    """Against whole tenths, which no rounding can move."""

    def __init__(self):
        super().__init__()
        self.budget, self.tenths = Budget(), 100

    @rule()
    def a_call_succeeds(self):
        self.budget, self.tenths = self.budget.moved(PER_SUCCESS), min(100, self.tenths + 1)

    @rule()
    def a_try_fails(self):
        self.budget, self.tenths = self.budget.moved(-1.0), max(0, self.tenths - 10)

    @invariant()
    def more_is_sent_only_above_half(self):
        assert self.budget.tokens == self.tenths / 10
        assert self.budget.allows == (self.tenths > 50)


TestBudgets = Budgets.TestCase


@given(failures=st.integers(0, 500), successes=st.integers(0, 500), seed=st.integers(0, 99))
def test_retries_stay_a_tenth_of_the_successes_and_what_is_saved_up(failures, successes, seed):
    events = ["ok"] * successes + ["bad"] * failures
    random.Random(seed).shuffle(events)
    budget, retries = Budget(), 0
    for event in events:
        budget = budget.moved(PER_SUCCESS if event == "ok" else -1.0)
        retries += event == "bad" and budget.allows
    assert retries <= MOST / 2 + successes * PER_SUCCESS


def test_what_costs_a_token():
    assert costs(ProviderUnavailableError("down"))
    assert costs(RateLimitError("slow down"))
    assert not costs(RateLimitError("slow down", retry_after=5))
    assert not costs(ResourceBusyError("wait"))
    assert not costs(ValidationError("no"))


PLANS, REGIONS = st.sampled_from("pq"), st.sampled_from(["ams", "nyc", None])


@given(
    kind=st.sampled_from([InsufficientResourcesError, QuotaExceededError, ValidationError]),
    field=st.sampled_from([None, "plan", "region"]),
    plan=PLANS,
    region=REGIONS,
    other_plan=PLANS,
    other_region=REGIONS,
    later=st.floats(0, 2000),
)
def test_a_refusal_keeps_away_what_it_speaks_of_and_nothing_else(
    kind, field, plan, region, other_plan, other_region, later
):
    block = block_of(kind("no", field=field), plan, region, 0.0)
    found = blocking([block] if block else [], other_plan, other_region, later)
    same_region = other_region == region
    expected = {
        QuotaExceededError: later < 900,
        InsufficientResourcesError: later < 600
        and same_region
        and (other_plan == plan or (field == "region" and region is not None)),
        ValidationError: False,
    }
    assert (found is not None) == expected[kind]


@given(
    wanted=st.lists(st.tuples(PLANS | st.none(), REGIONS, st.floats(1, 900)), max_size=30),
    gap=st.floats(0, 100),
)
def test_the_list_holds_one_entry_for_each_and_none_that_is_over(wanted, gap):
    blocks, now = (), 0.0
    for plan, region, seconds in wanted:
        now += gap
        blocks = with_block(
            blocks, Block(plan=plan, region=region, until=now + seconds, code="X", reason="no"), now
        )
        assert len({(one.plan, one.region) for one in blocks}) == len(blocks)
        assert all(one.until > now for one in blocks)


LIMITS = st.builds(
    LimiterState,
    remaining=st.none() | st.integers(-5, 100),
    resets_at=SECONDS,
    blocked_until=SECONDS,
    asking=st.booleans(),
)
STATES = st.builds(
    GuardState,
    breaker=st.just(Breaker())
    | st.builds(Breaker, failures=st.just(5), opened=st.integers(1, 9), open_until=SECONDS),
    budget=st.builds(Budget, st.integers(0, 100).map(lambda tenths: tenths / 10)),
    blocks=st.lists(
        st.builds(
            Block, plan=PLANS | st.none(), region=REGIONS, until=SECONDS, code=st.just("X"), reason=st.text()
        ),
        max_size=3,
    ).map(tuple),
    limits=st.dictionaries(st.text(), LIMITS, max_size=3),
)


@given(mine=LIMITS, theirs=LIMITS, now=SECONDS)
def test_of_two_who_know_of_a_limit_the_one_who_must_wait_longer_is_believed(mine, theirs, now):
    assert mine.joined(theirs, now).wait(now) >= max(mine.wait(now), theirs.wait(now)) - 1e-9


@settings(max_examples=50)
@given(state=STATES, there=SECONDS, later=st.floats(0, 3000), here=SECONDS)
def test_another_process_later_waits_as_long_as_is_left(state, there, later, here):
    """Its clock began at another time; what is written down goes by the time of day."""
    read = decoded(encoded(state, there, 1e9), here, 1e9 + later)
    assert attrs.evolve(read, limits={}, blocks=(), breaker=Breaker()) == GuardState(budget=state.budget)
    left = max(0.0, state.breaker.shut_for(there) - later)
    assert abs(read.breaker.shut_for(here) - left) < 1e-4
    for group, limit in state.limits.items():
        assert abs(read.limits[group].wait(here) - max(0.0, limit.wait(there) - later)) < 1e-4


@given(junk=st.binary() | st.sampled_from([b"[]", b"{}", b'{"at": 1}', b'{"at": "x"}', b"null", b"7"]))
def test_what_is_damaged_is_nothing(junk):
    assert decoded(junk, 0.0, 0.0) == NOTHING


def test_what_is_over_is_forgotten():
    old = GuardState(
        blocks=(Block(until=5.0, code="X", reason="no"),), limits={"get": LimiterState(blocked_until=5.0)}
    )
    assert old.tidied(4.0) == old
    assert old.tidied(6.0) == NOTHING
