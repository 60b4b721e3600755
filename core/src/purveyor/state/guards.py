"""What the guards of one provider remember, and how it is written down.

In memory, moments are seconds of this process's own clock. Written down they are seconds from the moment of writing, so
that another process, whose clock began elsewhere, understands them, and a time of day that is set back holds nobody up for
longer than was meant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from purveyor.policy.blocklist import Block
from purveyor.policy.breaker import Breaker
from purveyor.policy.budget import Budget
from purveyor.policy.limits import LimiterState

__all__ = ["NOTHING", "GuardState", "decoded", "encoded"]

_FORGIVEN = 3600.0
"""Seconds after which failures no longer weigh on the retry budget."""


@attrs.frozen(kw_only=True)
class GuardState:
    """Breaker, budget, blocklist and what is known of limits that are nearly used up, by operation group."""

    breaker: Breaker = attrs.field(factory=Breaker)
    budget: Budget = attrs.field(factory=Budget)
    blocks: tuple[Block, ...] = ()
    limits: Mapping[str, LimiterState] = attrs.field(factory=dict)

    def shifted(self, by: float) -> GuardState:
        """The same by a clock that is ahead by that many seconds."""
        return attrs.evolve(
            self,
            breaker=self.breaker.shifted(by),
            blocks=tuple(block.shifted(by) for block in self.blocks),
            limits={group: limit.shifted(by) for group, limit in self.limits.items()},
        )

    def tidied(self, now: float) -> GuardState:
        """Without what is over."""
        return attrs.evolve(
            self,
            blocks=tuple(block for block in self.blocks if block.until > now),
            limits={
                group: limit
                for group, limit in self.limits.items()
                if limit.knows(now) or limit.blocked_until > now
            },
        )


NOTHING = GuardState()
"""Nothing stands in the way."""


def encoded(state: GuardState, now: float, today: float) -> bytes:
    """For the store.

    Args:
        state: Its moments are of the clock that says ``now``.
        now: That clock's seconds.
        today: The time of day, in seconds since 1970.
    """
    return json.dumps({"at": today, **attrs.asdict(state.shifted(-now))}).encode()


def decoded(value: bytes | None, now: float, today: float) -> GuardState:
    """From the store; what is damaged, or of another version, is nothing. See ``encoded``."""
    try:
        row = json.loads(value or b"{}")
        return _state(row, max(0.0, today - row["at"]), now) if row else NOTHING
    except (ValueError, TypeError, KeyError, AttributeError):
        return NOTHING


def _state(row: Mapping[str, Any], age: float, now: float) -> GuardState:
    found = GuardState(
        breaker=Breaker(**row["breaker"]),
        budget=Budget(**row["budget"]) if age < _FORGIVEN else Budget(),
        blocks=tuple(Block(**block) for block in row["blocks"]),
        limits={group: LimiterState(**limit) for group, limit in row["limits"].items()},
    )
    return found.shifted(now - age)
