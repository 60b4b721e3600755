"""The guards' memory: in this process, and in the state folder for all processes.

Nothing is written while all is well. What is read is at most a second old; without a usable state folder everything goes
on in memory alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import attrs

from purveyor.model.errors import StateUnavailableError
from purveyor.policy.budget import Budget
from purveyor.spi.call import Clock
from purveyor.state.guards import NOTHING, GuardState, decoded, encoded
from purveyor.state.store import Row, Store

__all__ = ["GuardBook", "later"]

_SPACE = "guard"
_FRESH_SECONDS = 1.0
"""How old what is known of other processes may be when a call begins."""
_PATIENCE_SECONDS = 60.0
"""Between two tries to use a state folder that cannot be used."""

_log = logging.getLogger("purveyor")


def later(clock: Clock, seconds: float) -> datetime:
    """The time of day in so many seconds."""
    return clock.now() + timedelta(seconds=seconds)


class GuardBook:
    """The guards' states of all providers, each under a key of its own."""

    def __init__(self, store: Store | None, clock: Clock) -> None:
        """Share them through ``store``; one that nobody shares, or None, keeps them here."""
        self.version = 0
        """Goes up whenever something was heard from another process."""
        self._store = store if store is not None and store.is_shared else None
        self._clock = clock
        self._states: dict[str, GuardState] = {}
        self._written: dict[str, bytes] = {}  # what was last read, or written by this process itself
        self._unwritten: dict[
            str, float
        ] = {}  # tokens of the retry budget, taken and given since the last write
        self._old_at = float("-inf")
        self._usable_at = float("-inf")
        self._read: asyncio.Event | None = None  # set when the reading that is under way is over

    def state(self, key: str) -> GuardState:
        """What is known at present."""
        return self._states.get(key, NOTHING)

    def troubled(self) -> dict[str, GuardState]:
        """Those in whose way something may stand, by the provider's name."""
        return {key.partition("|")[0]: state for key, state in self._states.items()}

    def is_quiet(self, key: str) -> bool:
        """Whether nothing at all stands in a provider's way."""
        return key not in self._states and key not in self._unwritten

    def budget(self, key: str) -> Budget:
        """The retry budget at present."""
        return self.state(key).budget.moved(self._unwritten.get(key, 0.0))

    def move_budget(self, key: str, tokens: float) -> float:
        """Give tokens to a retry budget, or take some; returns how many were given and are not written yet."""
        unwritten = self.budget(key).moved(tokens).tokens - self.state(key).budget.tokens
        if unwritten:
            self._unwritten[key] = unwritten
        else:
            self._unwritten.pop(key, None)
        return unwritten

    async def refresh(self) -> None:
        """Hear what other processes know, unless that was done a moment ago; one reads for all who ask at once."""
        while self._clock.monotonic() >= self._old_at:
            if self._read is not None:
                await self._read.wait()
                continue
            self._read = asyncio.Event()
            try:
                await self._hear()
            finally:
                self._read.set()
                self._read = None

    async def _hear(self) -> None:
        rows: Mapping[str, Row] = {}
        if self._store is not None and self._usable:
            try:
                rows = await self._store.items(_SPACE)
            except StateUnavailableError as error:
                self._give_up(error)
        now, today = self._times()
        self._old_at = now + _FRESH_SECONDS
        for key, row in rows.items():
            if row.value != self._written.get(key):
                self._written[key] = row.value
                self._keep(key, decoded(row.value, now, today))
                self.version += 1

    async def change(self, key: str, step: Callable[[GuardState], GuardState]) -> GuardState:
        """Change what is known of one provider, with nobody in between; what would change nothing is not written.

        ``step`` may be called more than once.
        """
        tokens, (now, today) = self._unwritten.pop(key, 0.0), self._times()
        known = after = self.state(key)

        def whole(state: GuardState) -> GuardState:
            return step(attrs.evolve(state, budget=state.budget.moved(tokens)) if tokens else state).tidied(
                now
            )

        def work(before: bytes | None) -> bytes:  # in the store's thread, where no clock can be read
            nonlocal after
            after = whole(decoded(before, now, today))
            return encoded(after, now, today)

        after = whole(known)
        if after == known:
            return known
        if self._store is not None and self._usable:
            try:
                self._written[key] = await self._store.update(_SPACE, key, work, today)
            except StateUnavailableError as error:
                self._give_up(error)
                after = whole(self.state(key))
        return self._keep(key, after)

    async def flush(self, key: str) -> None:
        """Write what successes have given back to a retry budget."""
        if key in self._unwritten:
            await self.change(key, lambda state: state)

    def _keep(self, key: str, state: GuardState) -> GuardState:
        if state == NOTHING:
            self._states.pop(key, None)
        else:
            self._states[key] = state
        return state

    def _times(self) -> tuple[float, float]:
        return self._clock.monotonic(), self._clock.now().timestamp()

    @property
    def _usable(self) -> bool:
        return self._clock.monotonic() >= self._usable_at

    def _give_up(self, error: StateUnavailableError) -> None:
        _log.debug("what keeps requests back is not shared with other processes: %s", error)
        self._usable_at = self._clock.monotonic() + _PATIENCE_SECONDS
