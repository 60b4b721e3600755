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
from enum import Enum
from typing import TypeVar

from purveyor.engine.guarded import Guarded
from purveyor.engine.guards import GuardBook
from purveyor.engine.observing import CallStory, Observers
from purveyor.engine.retry import retrying
from purveyor.model.errors import CallTimeoutError, Outcome, PurveyorError
from purveyor.policy import health
from purveyor.policy.breaker import BreakerEvent
from purveyor.policy.retry import RetryPolicy, next_wait
from purveyor.spi.call import Call, Clock, CommonSettings, Effect, Exchange, Mark
from purveyor.spi.hookspecs import Rate

__all__ = ["Gate", "closable"]

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


class Gate(Guarded):
    """Admission, deadline and retry for one provider; what its guards say and learn is in its base.

    Attributes:
        inflight: Calls under way.
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
        super().__init__(
            provider, settings, clock, chance, observers=observers, book=book, key=key, rates=rates
        )
        self.inflight = 0
        self._users = 0
        self._idle: asyncio.Event | None = None
        self._settings = settings
        self._policy = policy

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
                await self._conclude(event, probing=probing)

    async def aclose(self) -> None:
        """Write down what is not yet."""
        await self.book.flush(self._key)

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
