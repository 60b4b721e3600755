"""What may happen to an intent: its states, its keys, and when a doubt is over. Pure."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from purveyor.model.errors import ConflictError, ValidationError
from purveyor.model.instance import Instance, InstanceSpec
from purveyor.model.intent import Intent, IntentState
from purveyor.spi.call import Mark

__all__ = [
    "STEPS",
    "adopted",
    "age",
    "check_key",
    "check_same",
    "digest",
    "is_intents",
    "next_look",
    "quiet_from",
    "read_mark",
]

_S = IntentState

STEPS: Mapping[IntentState, frozenset[IntentState]] = {
    _S.PLANNED: frozenset({_S.SENT}),
    _S.SENT: frozenset({_S.SENT, _S.CONFIRMED, _S.REFUSED, _S.UNKNOWN, _S.ADOPTED, _S.ABSENT, _S.TOMBSTONED}),
    _S.UNKNOWN: frozenset({_S.SENT, _S.UNKNOWN, _S.ADOPTED, _S.ABSENT, _S.TOMBSTONED}),
    _S.REFUSED: frozenset({_S.SENT, _S.REFUSED, _S.ADOPTED}),
    _S.ABSENT: frozenset({_S.SENT, _S.REFUSED, _S.ADOPTED}),
    _S.CONFIRMED: frozenset({_S.DISCARDING, _S.DELETED}),
    _S.ADOPTED: frozenset({_S.DISCARDING, _S.DELETED}),
    _S.DISCARDING: frozenset({_S.DISCARDED}),
    _S.DISCARDED: frozenset({_S.SENT, _S.REFUSED, _S.ADOPTED}),
    _S.TOMBSTONED: frozenset({_S.REAPED}),
    _S.REAPED: frozenset(),
    _S.DELETED: frozenset(),
}
"""From each state to those that may follow."""

_KEY = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_MARK = re.compile(r"pv-([a-z0-9]{10})-([a-z0-9]{16})")


def check_key(key: str) -> None:
    """Refuse a key that could not be typed again.

    Raises:
        ValidationError: It is not 1 to 200 printable ASCII characters without spaces around them.
    """
    if not _KEY.fullmatch(key):
        raise ValidationError(
            f"key {key[:40]!r} must be 1 to 200 printable ASCII characters without spaces around them",
            field="key",
        )


def digest(spec: InstanceSpec, count: int, secret: bytes) -> dict[str, str]:
    """A keyed hash of each field of a request, so that two can be compared and none be read.

    Unordered parts are put into order, so that the same request always gives the same digest. What is left as it is
    by default is left out, so that a field that a later version brings changes no digest of an earlier one.
    """
    fields = {**attrs.asdict(spec, filter=_is_said), "count": count}
    return {
        name: hmac.digest(secret, f"{name}={_plain(value)}".encode(), "sha256").hex()[:16]
        for name, value in fields.items()
    }


def _is_said(field: attrs.Attribute[Any], value: Any) -> bool:
    make = getattr(field.default, "factory", None)
    return bool(value != (make() if make else field.default))


def _sortable(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset | set) else str(value)


_plain = json.JSONEncoder(sort_keys=True, default=_sortable).encode


def check_same(intent: Intent, wanted: Mapping[str, str]) -> None:
    """Refuse a key that was used for another request.

    Raises:
        ConflictError: Names the fields that differ.
    """
    names = {*intent.digest, *wanted}
    differing = sorted(name for name in names if intent.digest.get(name) != wanted.get(name))
    if differing:
        raise ConflictError(
            f"key {intent.key!r} was used before with another {', '.join(differing)}; "
            "ask for the same again, or use another key",
            field="key",
            details={"fields": differing, "intent": intent.id},
        )


def read_mark(tags: Iterable[str]) -> Mark | None:
    """The mark among a machine's tags."""
    found = next(filter(None, map(_MARK.fullmatch, tags)), None)
    return Mark(found[1], found[2]) if found else None


def quiet_from(intent: Intent, boot: str, now: float) -> float:
    """Monotonic seconds from which on surely nothing of ours is sent any more; the intent's holder is gone or waits.

    What was noted in another run of the machine cannot be compared with this one's seconds; the time of day can, but
    may have been set since. So the wait begins anew.
    """
    return min(intent.quiet_after, now) if boot and intent.boot == boot else now


def age(intent: Intent, boot: str, now: float, today: datetime) -> float:
    """Seconds since the intent came to what it is, at least.

    The time of day may have been set since. Where it is all there is to go by, it is believed for no longer than the
    machine has run.

    Args:
        intent: One that nothing is being sent for.
        boot: This run of the machine.
        now: Its monotonic seconds.
        today: The time of day.
    """
    if boot and intent.boot == boot:
        return now - intent.quiet_after
    return min(now, (today - intent.updated_at).total_seconds())


def is_intents(instance: Instance, kind: str | None, intent: Intent) -> bool:
    """Whether a machine is the one that the intent has.

    Types are compared and not providers, since two providers may be the same account.
    """
    return instance.id == intent.instance_id and kind == intent.type


def adopted(found: Collection[Instance]) -> Instance:
    """Which of several machines with one mark is kept: always the same one, the oldest."""
    last = datetime.max.replace(tzinfo=UTC)
    return min(found, key=lambda one: (one.created_at or last, len(one.id), one.id))


def next_look(intent: Intent) -> datetime | None:
    """When somebody should look at an intent again; None if it is through."""
    if intent.state.doubtful or intent.state is _S.DISCARDING:
        return intent.updated_at
    if intent.doubts:
        return min(doubt.due for doubt in intent.doubts)
    if intent.state is _S.TOMBSTONED or (intent.marked and intent.state in _OVER):
        return intent.updated_at
    return None


_OVER = {_S.DELETED, _S.DISCARDED, _S.REAPED}
"""Had a machine and has none any more."""
