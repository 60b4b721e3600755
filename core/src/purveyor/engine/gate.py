"""One provider's gate: every call goes through it and leaves what it learned.

A call: deadline → retry loop → the provider's method → any number of exchanges. An exchange: a slot, the limiter's
token of its operation group, what is left of the deadline.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from purveyor.engine.observing import CallStory, Observers
from purveyor.engine.retry import retrying
from purveyor.model.errors import CallTimeoutError, Outcome, PurveyorError, RateLimitError
from purveyor.model.views import ProviderHealth
from purveyor.policy import health
from purveyor.policy.limits import LimiterState
from purveyor.policy.retry import RetryPolicy, next_wait
from purveyor.spi.call import Call, Clock, CommonSettings, Effect, Exchange, Mark

__all__ = ["Gate"]

T = TypeVar("T")

_log = logging.getLogger("purveyor")


class Gate:
    """Admission, deadline and retry for one provider, and its health and limits as they were last seen.

    Attributes:
        health: From probes and live traffic.
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
    ) -> None:
        self._observers = Observers() if observers is None else observers
        self.health = ProviderHealth(provider=provider)
        self.inflight = 0
        self._provider = provider
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._policy = policy
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._limits: dict[str, LimiterState] = defaultdict(LimiterState)

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

        async def attempt(number: int) -> T:
            return await self._attempt(
                operation, effect, work, Call(deadline=deadline, mark=mark, attempt=number)
            )

        def wait(error: Exception, number: int) -> float | None:
            if not isinstance(error, PurveyorError):
                return None
            return next_wait(tries, error, effect, number, deadline - self._clock.monotonic(), self._chance)

        self.inflight += 1
        try:
            return await retrying(attempt, wait)
        except PurveyorError as error:
            self.health = health.failed(self.health, self._clock.now(), error)
            raise
        finally:
            self.inflight -= 1

    async def _attempt(
        self, operation: str, effect: Effect, work: Callable[[Call], Awaitable[T]], call: Call
    ) -> T:
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout_at(call.deadline):
                result = await work(call)
        except asyncio.CancelledError:
            if effect is Effect.ONCE and _outcome(call, None) is Outcome.UNKNOWN:
                _log.warning(
                    "%s: %s was cancelled and may have been carried out; %s",
                    self._provider,
                    operation,
                    f"look for the mark {call.mark.text}" if call.mark else "it carries no mark",
                )
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
        self.health = health.succeeded(self.health, self._clock.now(), self._clock.monotonic() - started)
        return result

    @asynccontextmanager
    async def exchange(self, call: Call, group: str, effect: Effect) -> AsyncIterator[Exchange]:
        """Open one exchange; see ``Context.exchange``.

        Raises:
            RateLimitError: The limiter's wait does not fit into the deadline.
            CallTimeoutError: Nothing is left of the deadline.
        """
        exchange = Exchange(group, effect, timeout=self._settings.timeout)
        call.exchanges.append(exchange)  # from here on it is on record that nothing was sent yet
        await self._token(call, group)
        async with self._slots:
            left = call.deadline - self._clock.monotonic()
            if left <= 0:
                raise CallTimeoutError(
                    "the deadline passed before the request was sent", outcome=Outcome.NOT_SENT
                )
            exchange.timeout = min(left, exchange.timeout)
            try:
                yield exchange
            finally:
                if exchange.status is not None:
                    self._limits[group] = self._limits[group].learned(
                        exchange.status, exchange.headers, self._clock.monotonic(), self._clock.now()
                    )

    async def _token(self, call: Call, group: str) -> None:
        while wait := self._limits[group].wait(now := self._clock.monotonic()):
            if wait >= call.deadline - now:
                raise RateLimitError(
                    f"the provider's rate limit is used up for another {wait:.0f} s, longer than the deadline allows",
                    retry_after=wait,
                    outcome=Outcome.NOT_SENT,
                )
            await self._clock.sleep(wait)
        self._limits[group] = self._limits[group].taken(self._clock.monotonic())


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
