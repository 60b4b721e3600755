"""What is known to be sold out or forbidden for a while, so that nobody runs into it again."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from purveyor.model.errors import InsufficientResourcesError, PurveyorError, QuotaExceededError
from purveyor.model.guards import BlockScope

__all__ = ["Block", "block_of", "blocking", "with_block"]

CAPACITY_SECONDS = 600.0
"""How long a plan, or a region, counts as sold out."""
ACCOUNT_SECONDS = 900.0
"""How long an account counts as full or locked."""


@attrs.frozen(kw_only=True)
class Block:
    """One entry. Moments are seconds of the clock that ``now`` is read from.

    Attributes:
        plan: Slug of the plan that cannot be had; None for all.
        region: Slug of the region where it cannot be had; None for all, or for where the provider chooses.
        until: When it is tried again.
        code: The error's.
        reason: The error's message.
    """

    plan: str | None = None
    region: str | None = None
    until: float
    code: str
    reason: str

    @property
    def scope(self) -> BlockScope:
        """How much of the provider is meant."""
        if self.plan is not None:
            return BlockScope.PLAN
        return BlockScope.ACCOUNT if self.region is None else BlockScope.ZONE

    def covers(self, plan: str, region: str | None) -> bool:
        """Whether this plan in this region is meant."""
        if self.region != region and (self.region is not None or self.plan is not None):
            return False
        return self.plan is None or self.plan == plan

    def shifted(self, by: float) -> Block:
        """The same by a clock that is ahead by that many seconds."""
        return attrs.evolve(self, until=self.until + by)


def block_of(error: PurveyorError, plan: str, region: str | None, now: float) -> Block | None:
    """What a refusal to make a machine of this plan in this region tells about the next one, if anything.

    An error about capacity that names the region as the field at fault closes the region, any other the plan there.
    One about a quota or a lock closes the account.
    """
    if isinstance(error, QuotaExceededError):
        return Block(until=now + ACCOUNT_SECONDS, code=error.code, reason=error.message)
    if not isinstance(error, InsufficientResourcesError):
        return None
    whole_region = error.field == "region" and region is not None
    return Block(
        plan=None if whole_region else plan,
        region=region,
        until=now + CAPACITY_SECONDS,
        code=error.code,
        reason=error.message,
    )


def with_block(blocks: Iterable[Block], block: Block, now: float) -> tuple[Block, ...]:
    """The entries that still hold, and this one in place of an older one for the same."""
    same = (block.plan, block.region)
    return (*(one for one in blocks if one.until > now and (one.plan, one.region) != same), block)


def blocking(blocks: Iterable[Block], plan: str, region: str | None, now: float) -> Block | None:
    """The entry that keeps this plan in this region away the longest, if any does."""
    longest = None
    for one in blocks:
        if one.until > (longest.until if longest else now) and one.covers(plan, region):
            longest = one
    return longest
