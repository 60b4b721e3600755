"""What keeps requests from one provider: its breaker, budget, blocks and limits, and what each call teaches them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime

import attrs

from purveyor.engine.guards import GuardBook, later
from purveyor.engine.limiter import Limiter
from purveyor.engine.observing import Observers
from purveyor.model.errors import Outcome, ProviderUnavailableError, PurveyorError
from purveyor.model.guards import BlockReport, BreakerPhase, BreakerReport, GuardReport
from purveyor.model.views import Health, ProviderHealth
from purveyor.policy import budget, health
from purveyor.policy.blocklist import Block, block_of, with_block
from purveyor.policy.breaker import OPENS_AFTER, Breaker, BreakerEvent, claimed, step
from purveyor.policy.limits import LimiterState
from purveyor.spi.call import Call, Clock, CommonSettings
from purveyor.spi.events import BreakerChanged
from purveyor.spi.hookspecs import Rate
from purveyor.state.guards import GuardState

__all__ = ["Guarded"]

_OF_PROBES = {
    BreakerEvent.SUCCEEDED: BreakerEvent.PROBE_SUCCEEDED,
    BreakerEvent.ANSWERED: BreakerEvent.PROBE_SUCCEEDED,
    BreakerEvent.FAILED: BreakerEvent.PROBE_FAILED,
    None: BreakerEvent.PROBE_ABANDONED,
}
"""What a call shows that is the breaker's probe; any answer shows that the provider is back."""

_PROBE_SECONDS = 1.0
"""After which it is worth asking again what a probe under way has found out."""
_PATIENCE_SECONDS = 5.0
"""How long a call waits for what another one's probe finds out; a provider that works has answered by then."""
_WAITING = 1 / 3
"""How much of its time it waits at most: what is left must do for the call itself."""


class Guarded:
    """The guards of one provider, and its health as it was last seen.

    Attributes:
        health: From probes and live traffic.
        book: What all guards remember.
    """

    def __init__(
        self,
        provider: str,
        settings: CommonSettings,
        clock: Clock,
        chance: random.Random,
        *,
        observers: Observers | None,
        book: GuardBook | None,
        key: str,
        rates: Mapping[str, Rate] | None,
    ) -> None:
        """Guard a provider; the arguments are those of :class:`~purveyor.engine.gate.Gate`."""
        self._observers = Observers() if observers is None else observers
        self.health = ProviderHealth(provider=provider)
        self._provider = provider
        self._clock = clock
        self._chance = chance
        self.book = book or GuardBook(None, clock)
        self._key = key or provider
        self._heard = self.book.version
        self._limiter = Limiter(settings.max_concurrency, rates or {}, clock)

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

    # For the calls.

    async def _admit(self, operation: str, deadline: float) -> bool:
        """Whether this call is the breaker's probe; while another one is, it waits a little for what that finds out.

        Raises:
            ProviderUnavailableError: The breaker lets no call through.
        """
        await self.hear()
        began = self._clock.monotonic()
        patient_until = began + min(_PATIENCE_SECONDS, (deadline - began) * _WAITING)
        while True:
            now, breaker = self._clock.monotonic(), self.book.state(self._key).breaker
            if breaker.phase(now) is BreakerPhase.HALF_OPEN:
                won, breaker = await self._claim(now, deadline - now)
                if won:
                    return True
            if breaker.phase(now) is BreakerPhase.CLOSED:
                return False
            if breaker.phase(now) is BreakerPhase.OPEN or now >= patient_until:
                raise self._shut(breaker, operation, now)
            await self._clock.sleep(min(_PROBE_SECONDS, patient_until - now))
            await self.hear()

    def _shut(self, breaker: Breaker, operation: str, now: float) -> ProviderUnavailableError:
        self.health = attrs.evolve(self.health, health=Health.OFFLINE)
        wait = breaker.open_until - now
        moment = later(self._clock, wait)
        return ProviderUnavailableError(
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

    async def _conclude(self, event: BreakerEvent | None, *, probing: bool = False) -> None:
        """Keep what a call has shown; a success is worth writing down only if it changes something."""
        if probing:
            event = _OF_PROBES[event]
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
