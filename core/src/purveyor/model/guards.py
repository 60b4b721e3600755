"""What stands between us and a provider at present: breaker, retry budget, limits, blocklist."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import attrs

__all__ = [
    "BlockReport",
    "BlockScope",
    "BreakerPhase",
    "BreakerReport",
    "GuardReport",
    "LimitReport",
]


class BreakerPhase(Enum):
    """Whether a circuit breaker lets calls through."""

    CLOSED = "closed"
    """All of them."""
    OPEN = "open"
    """None."""
    HALF_OPEN = "half_open"
    """One at a time, to find out."""


class BlockScope(Enum):
    """How much of a provider an entry of the blocklist keeps away."""

    ACCOUNT = "account"
    ZONE = "zone"
    PLAN = "plan"


@attrs.frozen(kw_only=True)
class BreakerReport:
    """A circuit breaker.

    Attributes:
        failures: Calls that failed in a row.
        open_until: When a call is let through again; None unless it is open.
    """

    phase: BreakerPhase = BreakerPhase.CLOSED
    failures: int = 0
    open_until: datetime | None = None


@attrs.frozen(kw_only=True)
class LimitReport:
    """A rate limit of one operation group, as far as it is known.

    Attributes:
        group: The operation group; ``*`` stands for all of them together.
        remaining: Requests left; None if that is not known.
        used_up_until: Until when no request goes out; None if one may.
    """

    group: str
    remaining: int | None = None
    used_up_until: datetime | None = None


@attrs.frozen(kw_only=True)
class BlockReport:
    """An entry of the blocklist.

    Attributes:
        plan: Slug of the plan that is kept away; None for all.
        region: Slug of the region that is kept away; None for all.
        until: When it is tried again.
        code: Code of the error that brought it here.
        reason: That error's message.
    """

    scope: BlockScope
    plan: str | None = None
    region: str | None = None
    until: datetime
    code: str
    reason: str


@attrs.frozen(kw_only=True)
class GuardReport:
    """Everything that keeps requests from a provider, shared by all processes with one state folder.

    Attributes:
        budget: Tokens of the retry budget, of ten; what fails is tried again only above five.
    """

    breaker: BreakerReport = attrs.field(factory=BreakerReport)
    budget: float = 10.0
    limits: tuple[LimitReport, ...] = ()
    blocks: tuple[BlockReport, ...] = ()
