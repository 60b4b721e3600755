"""Which of the candidates the guards let a request go to; and that the last one is never taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from purveyor.engine.registry import Member
from purveyor.model.guards import BlockReport, BlockScope
from purveyor.model.selection import Candidate, Rejection

__all__ = ["Sifted", "sift"]


@attrs.frozen
class Sifted:
    """Who is left, in the same order, and why the others are not.

    Attributes:
        last_resort: Whose breaker must let a call through, since nobody else is left.
    """

    candidates: list[Candidate]
    rejected: tuple[Rejection, ...] = ()
    last_resort: Member | None = None


@attrs.frozen
class _Held:
    """A candidate that cannot be asked for so many seconds, and why."""

    seconds: float
    candidate: Candidate
    rejection: Rejection


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
    left: list[Candidate] = []
    out: list[Rejection] = []
    held: list[_Held] = []
    for candidate in candidates:
        member = members[candidate.provider]
        verdict = None if member.gate.is_quiet else _verdict(candidate, member, patience)
        if verdict is None:
            left.append(candidate)
        elif isinstance(verdict, _Held):
            held.append(verdict)
        else:
            out.append(verdict)
    if left or not held:
        return Sifted(left, (*out, *(one.rejection for one in held)))
    if keep_last:
        return Sifted([one.candidate for one in held], tuple(out))
    first = min(held, key=lambda one: one.seconds)
    others = (one.rejection for one in held if one is not first)
    return Sifted([first.candidate], (*out, *others), members[first.candidate.provider])


def _verdict(candidate: Candidate, member: Member, patience: float) -> Rejection | _Held | None:
    gate = member.gate
    block = gate.blocking(candidate.plan, candidate.region)
    if block is not None:
        return _rejection(candidate, "blocked", _blocked(block))
    shut = gate.shut_for()
    if shut:
        reason = f"its circuit breaker is open until {_clock(gate.moment(shut))} after failures in a row"
        return _Held(shut, candidate, _rejection(candidate, "breaker", reason))
    limited = gate.limited_for()
    if limited > patience:
        reason = f"its rate limit is used up until {_clock(gate.moment(limited))}"
        return _Held(limited, candidate, _rejection(candidate, "rate_limit", reason))
    return None


def _rejection(candidate: Candidate, code: str, reason: str) -> Rejection:
    return Rejection(provider=candidate.provider, code=code, reason=reason)


def _blocked(block: BlockReport) -> str:
    what = {
        BlockScope.ACCOUNT: "the account",
        BlockScope.ZONE: f"region {block.region}",
        BlockScope.PLAN: f"plan {block.plan}" + (f" in {block.region}" if block.region else ""),
    }
    return f"{what[block.scope]} is blocked until {_clock(block.until)}: {block.reason}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
