"""Which of the candidates the guards let a request go to; and that the last one is never taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from purveyor.engine.gate import Gate
from purveyor.engine.limiter import EVERY_GROUP
from purveyor.engine.registry import Member
from purveyor.model.guards import BlockScope
from purveyor.model.selection import Candidate, Rejection
from purveyor.policy.blocklist import Block, blocking
from purveyor.state.guards import GuardState

__all__ = ["Sifted", "sift"]

CREATE_GROUP = "create"
"""The operation group of requests that make machines, by convention."""


@attrs.define  # frozen ones take three times as long to make
class _Held:
    """A candidate that may not be asked before a moment, and by whose word; reasons are put into words only if read."""

    candidate: Candidate
    gate: Gate
    until: float
    block: Block | None = None
    limited: bool = False

    def rejection(self) -> Rejection:
        moment = f"{self.gate.moment(self.until):%H:%M:%S} UTC"
        if self.block is not None:
            code, reason = "blocked", f"{_what(self.block)} is blocked until {moment}: {self.block.reason}"
        elif self.limited:
            code, reason = "rate_limit", f"its rate limit is used up until {moment}"
        else:
            code, reason = "breaker", f"its circuit breaker is open until {moment} after failures in a row"
        return Rejection(provider=self.candidate.provider, code=code, reason=reason)


@attrs.frozen
class Sifted:
    """Who is left, in the same order, and who is not.

    Attributes:
        last_resort: Whose breaker must let a call through, since nobody else is left.
    """

    candidates: list[Candidate]
    out: Sequence[_Held] = ()
    last_resort: Gate | None = None

    def rejections(self) -> tuple[Rejection, ...]:
        """Why the others are not left."""
        return tuple(held.rejection() for held in self.out)


def sift(
    candidates: Sequence[Candidate], members: Mapping[str, Member], patience: float, *, keep_last: bool
) -> Sifted:
    """Leave out whom the guards keep away.

    What is on the blocklist is out. Who is held by a breaker or by a rate limit for longer than can be waited is out as
    long as somebody else is left; if nobody is, the one that is held for the shortest time stays.

    Args:
        candidates: Who could serve the request.
        members: Everybody, by name.
        patience: Seconds that can be waited for a rate limit.
        keep_last: The request names its provider: it is asked, and its gate tells what holds it.
    """
    if not candidates:
        return Sifted([])
    one = members[candidates[0].provider].gate
    troubled, now = one.book.troubled(), one.now  # all gates of a client share book and clock
    left: list[Candidate] = []
    blocked: list[_Held] = []
    held: list[_Held] = []
    for candidate in candidates:
        state = troubled.get(candidate.provider)
        if state is None:
            left.append(candidate)
            continue
        verdict = _verdict(candidate, members[candidate.provider].gate, state, now, patience)
        if verdict is None:
            left.append(candidate)
        else:
            (held if verdict.block is None else blocked).append(verdict)
    if left or not held:
        return Sifted(left, [*blocked, *held])
    if keep_last:
        return Sifted([one.candidate for one in held], blocked)
    first = min(held, key=lambda one: one.until)
    return Sifted([first.candidate], [*blocked, *(one for one in held if one is not first)], first.gate)


def _verdict(
    candidate: Candidate, gate: Gate, state: GuardState, now: float, patience: float
) -> _Held | None:
    if state.blocks:
        block = blocking(state.blocks, candidate.plan, candidate.region, now)
        if block is not None:
            return _Held(candidate, gate, block.until, block)
    if state.breaker.opened and (shut := state.breaker.shut_for(now)):
        return _Held(candidate, gate, now + shut)
    for group in (CREATE_GROUP, EVERY_GROUP) if state.limits else ():
        limit = state.limits.get(group)
        if limit is not None and (limited := limit.wait(now)) > patience:
            return _Held(candidate, gate, now + limited, limited=True)
    return None


def _what(block: Block) -> str:
    words = {
        BlockScope.ACCOUNT: "the account",
        BlockScope.ZONE: f"region {block.region}",
        BlockScope.PLAN: f"plan {block.plan}" + (f" in {block.region}" if block.region else ""),
    }
    return words[block.scope]
