"""One provider's gate: every call goes through it and leaves what it learned.

A call: breaker → deadline → retry loop, within the budget → the provider's method → any number of exchanges. An exchange: a
slot, the limiter's tokens of its operation group, what is left of the deadline. The breaker hears of each call once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from enum import Enum
from typing import TypeVar

import attrs

from purveyor.engine.guards import GuardBook, later
from purveyor.engine.limiter import Limiter
from purveyor.engine.observing import CallStory, Observers
from purveyor.engine.retry import retrying
from purveyor.model.errors import CallTimeoutError, Outcome, ProviderUnavailableError, PurveyorError
from purveyor.model.guards import BlockReport, BreakerPhase, BreakerReport, GuardReport
from purveyor.model.views import Health, ProviderHealth
from purveyor.policy import budget, health
from purveyor.policy.blocklist import Block, block_of, with_block
from purveyor.policy.breaker import OPENS_AFTER, Breaker, BreakerEvent, claimed, step
from purveyor.policy.limits import LimiterState
from purveyor.policy.retry import RetryPolicy, next_wait
from purveyor.spi.call import Call, Clock, CommonSettings, Effect, Exchange, Mark
from purveyor.spi.events import BreakerChanged
from purveyor.spi.hookspecs import Rate
from purveyor.state.guards import GuardState

__all__ = ["Gate", "closable"]

_OF_PROBES = {
    BreakerEvent.SUCCEEDED: BreakerEvent.PROBE_SUCCEEDED,
    BreakerEvent.ANSWERED: BreakerEvent.PROBE_SUCCEEDED,
    BreakerEvent.FAILED: BreakerEvent.PROBE_FAILED,
    None: BreakerEvent.PROBE_ABANDONED,
}
"""What a call shows that is the breaker's probe; any answer shows that the provider is back."""

_PROBE_SECONDS = 1.0
"""After which it is worth asking again what a probe under way has found out."""

T = TypeVar("T")

_log = logging.getLogger("purveyor")


class _End(Enum):
    """What comes after the last item of a stream."""

    HERE = 0


async def closable(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The same items, with an ``aclose`` that reaches the provider's own generator."""
    try:
        async for item in items:
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


class Gate:
    """Admission, deadline and retry for one provider, and its health and limits as they were last seen.

    Attributes:
        health: From probes and live traffic.
        inflight: Calls under way.
        book: What all guards remember.
    """

    def __init__(
        self,
        provider: str,
        settings: CommonSettings,
        clock: Clock,
        chance: random.Random,
        policy: RetryPolicy,
        *,
        observers: Observers | None = None,
        book: GuardBook | None = None,
        key: str = "",
        rates: Mapping[str, Rate] | None = None,
    ) -> None:
        """Stand before a provider.

        Args:
            provider: Its name.
            settings: What every type takes.
            clock: Time.
            chance: Chance.
            policy: How hard to try.
            observers: Who is told what happens; None for nobody.
            book: Remembers what keeps requests back; None for a memory of its own.
            key: Under which it does.
            rates: Limits that the vendor states, by operation group.
        """
        self._observers = Observers() if observers is None else observers
        self.health = ProviderHealth(provider=provider)
        self.inflight = 0
        self._users = 0
        self._idle: asyncio.Event | None = None
        self._provider = provider
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._policy = policy
        self.book = book or GuardBook(None, clock)
        self._key = key or provider
        self._heard = self.book.version
        self._limiter = Limiter(settings.max_concurrency, rates or {}, clock)

    async def call(
        self,
        operation: str,
        effect: Effect,
        work: Callable[[Call], Awaitable[T]],
        *,
        deadline: float,
        mark: Mark | None = None,
        policy: RetryPolicy | None = None,
    ) -> T:
        """Carry out one facet method.

        Args:
            operation: Its name, for errors and logs.
            effect: What repeating it would do; decides what is tried again.
            work: The method, given the call.
            deadline: When it must be over, in the clock's seconds; covers all tries and waits.
            mark: For creating calls.
            policy: How hard to try; None for the gate's own.

        Raises:
            ProviderUnavailableError: The breaker is open: nothing was sent, and ``retry_after`` says when it will be.
            PurveyorError: Of any kind, with provider, operation and outcome filled in.
        """
        if not self._observers:
            return await self._carry_out(operation, effect, work, deadline, mark, policy)
        with CallStory(self._observers, self._clock, self._provider, operation) as story:
            return await self._carry_out(operation, effect, story.heard(work), deadline, mark, policy)

    async def _carry_out(
        self,
        operation: str,
        effect: Effect,
        work: Callable[[Call], Awaitable[T]],
        deadline: float,
        mark: Mark | None,
        policy: RetryPolicy | None,
    ) -> T:
        tries = policy or self._policy
        last: Call | None = None

        async def attempt(number: int) -> T:
            nonlocal last
            last = Call(deadline=deadline, mark=mark, attempt=number)
            return await self._attempt(operation, effect, work, last)

        def wait(error: Exception, number: int) -> float | None:
            if not isinstance(error, PurveyorError):
                return None
            seconds = next_wait(
                tries, error, effect, number, deadline - self._clock.monotonic(), self._chance
            )
            return seconds if self._affords(error, extra=seconds is not None) else None

        probing = await self._admit(operation, deadline)
        event: BreakerEvent | None = None
        self.inflight += 1
        try:
            with self.used():
                result = await retrying(attempt, wait)
            event = BreakerEvent.SUCCEEDED
            return result
        except PurveyorError as error:
            event = self._fell(error, last)
            raise
        finally:
            self.inflight -= 1
            if probing or event is BreakerEvent.FAILED or not self.book.is_quiet(self._key):
                await self._conclude(_OF_PROBES[event] if probing else event)

    async def aclose(self) -> None:
        """Write down what is not yet."""
        await self.book.flush(self._key)

    # What the guards say, for those who choose and those who look.

    def report(self) -> ProviderHealth:
        """Health, and everything that keeps requests back."""
        now, state = self._clock.monotonic(), self.book.state(self._key)
        phase = state.breaker.phase(now)
        is_open = phase is BreakerPhase.OPEN
        guards = GuardReport(
            breaker=BreakerReport(
                phase=phase,
                failures=state.breaker.failures,
                open_until=later(self._clock, state.breaker.open_until - now) if is_open else None,
            ),
            budget=self.book.budget(self._key).tokens,
            limits=self._limiter.report(),
            blocks=tuple(self._block_report(block, now) for block in state.blocks if block.until > now),
        )
        return attrs.evolve(
            self.health, health=Health.OFFLINE if is_open else self.health.health, guards=guards
        )

    @property
    def now(self) -> float:
        """The clock's seconds."""
        return self._clock.monotonic()

    @property
    def affords_more(self) -> bool:
        """Whether the budget allows to send what was not asked for here."""
        return self.book.budget(self._key).allows

    def moment(self, at: float) -> datetime:
        """The time of day at a moment of the clock."""
        return later(self._clock, at - self._clock.monotonic())

    async def hear(self) -> None:
        """Take over what other processes know of this provider."""
        await self.book.refresh()
        if self._heard != self.book.version:
            self._heard = self.book.version
            self._limiter.learn(self.book.state(self._key).limits)

    async def let_through(self) -> None:
        """Let the breaker find out now, not only when its time is over: there is nobody else who could serve."""
        await self._conclude(BreakerEvent.LET_THROUGH)

    async def refused(self, error: PurveyorError, plan: str, region: str | None) -> None:
        """A machine of this plan in this region was refused; what that tells about the next one is kept."""
        now = self._clock.monotonic()
        block = block_of(error, plan, region, now)
        if block is not None:
            await self.book.change(
                self._key, lambda state: attrs.evolve(state, blocks=with_block(state.blocks, block, now))
            )

    # How.

    async def _admit(self, operation: str, deadline: float) -> bool:
        """Whether this call is the breaker's probe.

        Raises:
            ProviderUnavailableError: The breaker lets no call through.
        """
        await self.hear()
        breaker = self.book.state(self._key).breaker
        now = self._clock.monotonic()
        if breaker.phase(now) is BreakerPhase.HALF_OPEN:
            won, breaker = await self._claim(now, deadline - now)
            if won:
                return True
        if breaker.phase(now) is BreakerPhase.CLOSED:
            return False
        self.health = attrs.evolve(self.health, health=Health.OFFLINE)
        wait = breaker.open_until - now
        moment = later(self._clock, wait)
        raise ProviderUnavailableError(
            f"the circuit breaker is open after {OPENS_AFTER} failed calls in a row; nothing is sent until "
            f"{moment:%H:%M:%S} UTC"
            if wait > 0
            else "the circuit breaker is half open; one call is finding out whether the provider works again",
            provider=self._provider,
            operation=operation,
            details={"breaker": breaker.phase(now).value},
            outcome=Outcome.NOT_SENT,
            retry_after=wait if wait > 0 else _PROBE_SECONDS,
        )

    async def _claim(self, now: float, seconds: float) -> tuple[bool, Breaker]:
        """Whether this call may be the probe; nobody else's is then. And the breaker as it is now."""
        won = False

        def claim(state: GuardState) -> GuardState:
            nonlocal won
            breaker = claimed(state.breaker, now, seconds)
            won = breaker is not None
            return attrs.evolve(state, breaker=breaker or state.breaker)

        state = await self.book.change(self._key, claim)
        return won, state.breaker

    def _affords(self, error: PurveyorError, *, extra: bool) -> bool:
        """Take what a failure costs from the budget; whether it is left for the ``extra`` request that is due."""
        if budget.costs(error):
            self.book.move_budget(self._key, -1.0)
        if extra and not self.affords_more:
            error.details["retry_suppressed"] = True
        return extra and self.affords_more

    def _fell(self, error: PurveyorError, call: Call | None) -> BreakerEvent | None:
        """What a failed call says about the provider; None for nothing."""
        waiting = [exchange for exchange in call.exchanges if exchange.status is None] if call else []
        if waiting and not any(exchange.admitted for exchange in waiting):
            return None  # the time went by in our own queues
        self.health = health.failed(self.health, self._clock.now(), error)
        if health.its_fault(error):
            return BreakerEvent.FAILED
        answered = call is not None and any(exchange.status is not None for exchange in call.exchanges)
        return BreakerEvent.ANSWERED if answered else None

    async def _conclude(self, event: BreakerEvent | None) -> None:
        """Keep what a call has shown; a success is worth writing down only if it changes something."""
        if event is None:
            return
        if event in {BreakerEvent.SUCCEEDED, BreakerEvent.PROBE_SUCCEEDED}:
            unwritten = self.book.move_budget(self._key, budget.PER_SUCCESS)
            recovered = self.book.state(self._key).breaker.failures
            if event is BreakerEvent.SUCCEEDED and abs(unwritten) < 1.0 and not recovered:
                return
        now = self._clock.monotonic()
        before = self.book.state(self._key).breaker.phase(now)
        state = await self.book.change(
            self._key,
            lambda state: attrs.evolve(state, breaker=step(state.breaker, event, now, self._chance)),
        )
        after = state.breaker.phase(now)
        if after is not before and self._observers:
            change = BreakerChanged(provider=self._provider, before=before.value, after=after.value)
            self._observers.tell(change)

    async def _tell(self, limits: Mapping[str, LimiterState]) -> None:
        """Tell other processes of limits that are nearly used up."""
        now = self._clock.monotonic()

        def join(state: GuardState) -> GuardState:
            known = state.limits
            joined = {name: known.get(name, LimiterState()).joined(one, now) for name, one in limits.items()}
            return attrs.evolve(state, limits={**known, **joined})

        await self.book.change(self._key, join)

    def _block_report(self, block: Block, now: float) -> BlockReport:
        return BlockReport(
            scope=block.scope,
            plan=block.plan,
            region=block.region,
            until=later(self._clock, block.until - now),
            code=block.code,
            reason=block.reason,
        )

    async def stream(
        self,
        operation: str,
        begin: Callable[[Call], Awaitable[AsyncIterator[T]]],
        *,
        deadline: float,
    ) -> AsyncGenerator[T, None]:
        """Carry out one facet method that streams. Until the first item it is a call like any other, with all its tries.

        Args:
            operation: Its name.
            begin: The method, given the call.
            deadline: When all of it must be over, in the clock's seconds; infinite for what has no end.

        Raises:
            PurveyorError: Of any kind, also in the middle.
        """
        begun = Call(deadline=deadline)

        async def first(call: Call) -> tuple[AsyncGenerator[T, None], T | _End]:
            items = closable(await begin(call))
            try:
                return items, await anext(items, _End.HERE)
            except BaseException:
                await items.aclose()
                raise

        with self.used():
            items, item = await self.call(operation, Effect.READ, first, deadline=deadline)
            async with aclosing(items):
                while not isinstance(item, _End):
                    yield item
                    try:
                        item = await self._told(
                            operation, Effect.READ, lambda _: anext(items, _End.HERE), begun
                        )
                    except PurveyorError as error:
                        self.health = health.failed(self.health, self._clock.now(), error)
                        raise

    @contextmanager
    def used(self) -> Iterator[None]:
        """Something goes on with the provider, and it must not be closed."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._idle is not None:
                self._idle.set()

    async def unused(self) -> None:
        """Wait until nothing goes on any more."""
        while self._users:
            self._idle = asyncio.Event()
            await self._idle.wait()

    async def _attempt(
        self, operation: str, effect: Effect, work: Callable[[Call], Awaitable[T]], call: Call
    ) -> T:
        started = self._clock.monotonic()
        result = await self._told(operation, effect, work, call)
        self.health = health.succeeded(self.health, self._clock.now(), self._clock.monotonic() - started)
        return result

    async def _told(
        self, operation: str, effect: Effect, work: Callable[[Call], Awaitable[T]], call: Call
    ) -> T:
        """What the work gives within the deadline, or an error that says all that is known here."""
        try:
            async with asyncio.timeout_at(None if math.isinf(call.deadline) else call.deadline):
                return await work(call)
        except asyncio.CancelledError:
            if effect is Effect.ONCE and _outcome(call, None) is Outcome.UNKNOWN:
                _log.warning("%s: %s was cancelled and may have been carried out", self._provider, operation)
            raise
        except PurveyorError as error:
            _complete(error, self._provider, operation, effect, call)
            raise
        except TimeoutError:
            late = CallTimeoutError("the deadline passed before the provider answered")
            raise _complete(late, self._provider, operation, effect, call) from None
        except Exception as exc:
            bug = PurveyorError(f"the plugin failed with {type(exc).__name__}; this is a bug in it")
            raise _complete(bug, self._provider, operation, effect, call) from exc

    @asynccontextmanager
    async def exchange(self, call: Call, group: str, effect: Effect) -> AsyncIterator[Exchange]:
        """Open one exchange; see ``Context.exchange``.

        Raises:
            RateLimitError: The limiter's wait does not fit into the deadline.
            CallTimeoutError: Nothing is left of the deadline.
        """
        exchange = Exchange(group, effect, timeout=self._settings.timeout)
        call.exchanges.append(exchange)  # from here on it is on record that nothing was sent yet
        await self._limiter.enter(group, call.deadline, self.hear)
        try:
            left = call.deadline - self._clock.monotonic()
            if left <= 0:
                raise CallTimeoutError(
                    "the deadline passed before the request was sent", outcome=Outcome.NOT_SENT
                )
            exchange.timeout = min(left, exchange.timeout)
            exchange.admitted = True
            yield exchange
        finally:
            pressing = self._limiter.leave(group, exchange)
            if pressing:
                await self._tell(pressing)


def _complete(
    error: PurveyorError, provider: str, operation: str, effect: Effect, call: Call
) -> PurveyorError:
    """Fill in what only the gate knows. What was really sent decides the outcome of a ``once`` call."""
    error.provider = error.provider or provider
    error.operation = operation
    if effect is Effect.ONCE:
        error.outcome = _outcome(call, error.outcome)
    return error


def _outcome(call: Call, told: Outcome | None) -> Outcome:
    """A plugin that recorded no exchange at all leaves doubt, unless its error says better."""
    return call.outcome if call.exchanges else told or Outcome.UNKNOWN
