"""How intents stand in their table: a row of what is looked for, and the whole intent as text."""

from __future__ import annotations

import json
import math
import sqlite3
from datetime import datetime
from enum import Enum
from typing import Any

import attrs
import msgspec

from purveyor.model.errors import ConflictError, IntentNotFoundError
from purveyor.model.intent import Doubt, Intent, IntentState
from purveyor.policy.intents import next_look

__all__ = [
    "ALL",
    "BY_DUE",
    "BY_INSTANCE",
    "OF_KEY",
    "UNWRITTEN",
    "TakenError",
    "insert",
    "load",
    "read",
    "sound",
    "write",
]

UNWRITTEN = -1
"""Version of an intent that is not in the journal yet."""
ALL = "SELECT body FROM intent"
_OF_KEY = f"{ALL} WHERE owner = ?1 AND key = ?2 AND state NOT IN ('tombstoned', 'reaped')"
OF_KEY = f"{_OF_KEY} AND position = ?3 UNION ALL {_OF_KEY} LIMIT 1"
"""At a position, or else, where its request has come to nothing, any other of the key: it knows what the request was."""
BY_DUE = f"{ALL} WHERE due <= ?"
BY_INSTANCE = f"{ALL} WHERE provider = ? AND instance_id = ?"

_COLUMNS = ("id", "owner", "key", "position", "state", "provider", "instance_id", "version", "due", "body")


class TakenError(ConflictError):
    """An intent cannot be written, since its key or its id has another one by now."""


def insert(db: sqlite3.Connection, intent: Intent) -> None:
    """Write an intent that is not there yet.

    Raises:
        TakenError: It is.
    """
    try:
        db.execute("INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(intent))
    except sqlite3.IntegrityError as exc:
        raise TakenError(
            f"intent {intent.id}, or another one with its key, is in the journal already",
            details={"intent": intent.id},
        ) from exc


def _row(intent: Intent) -> tuple[Any, ...]:
    due = next_look(intent)
    return (
        intent.id,
        intent.owner,
        intent.key,
        intent.position,
        intent.state.value,
        intent.provider,
        intent.instance_id and sound(intent.instance_id),
        intent.version,
        due.timestamp() if due else None,
        _text(intent),
    )


def sound(text: str) -> str:
    """The text as SQLite takes it: without halves of surrogate pairs."""
    return str(text).encode(errors="backslashreplace").decode()


def write(db: sqlite3.Connection, intent: Intent, before: int) -> None:
    """Write an intent over what it was before, which had that version.

    Raises:
        ConflictError: It has another one now.
        TakenError: It was not there before, and cannot be now.
    """
    if before == UNWRITTEN:
        insert(db, intent)
        return
    row = dict(zip(_COLUMNS, _row(intent), strict=True))
    done = db.execute(
        "UPDATE intent SET state = :state, provider = :provider, instance_id = :instance_id, version = :version, "
        "due = :due, body = :body WHERE id = :id AND version = :before",
        {**row, "before": before},
    )
    if done.rowcount != 1:
        raise ConflictError(
            f"intent {intent.id} was changed by another process meanwhile; nothing more is done about it here",
            details={"intent": intent.id},
        )


def read(db: sqlite3.Connection, intent_id: str) -> Intent:
    """One intent.

    Raises:
        IntentNotFoundError: There is none.
    """
    row = db.execute("SELECT body FROM intent WHERE id = ?", (intent_id,)).fetchone()
    if row is None:
        raise IntentNotFoundError(
            f"no intent {intent_id!r} is in the journal; 'purveyor intents list' shows all",
            details={"intent": intent_id},
        )
    return load(row[0])


_as_json = msgspec.json.Encoder().encode


def _text(intent: Intent) -> str:
    """The whole intent as JSON."""
    try:
        return _as_json(intent).decode()
    except (
        TypeError,
        UnicodeEncodeError,
    ):  # subclasses of what JSON has, and halves of surrogate pairs, are written slowly
        fields = {field.name: getattr(intent, field.name) for field in attrs.fields(Intent)}
        return json.dumps(fields, default=_plain)


def _plain(value: object) -> str | dict[str, Any]:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    return attrs.asdict(value) if isinstance(value, Doubt) else str(value)


def load(body: str) -> Intent:
    """An intent from its text.

    Raises:
        sqlite3.DatabaseError: It is none.
    """
    try:
        return _intent(json.loads(body))
    except (ValueError, KeyError, TypeError) as exc:
        msg = f"it has an intent that cannot be read ({type(exc).__name__}: {exc})"
        raise sqlite3.DatabaseError(msg) from exc


def _intent(fields: dict[str, Any]) -> Intent:
    for name in ("created_at", "updated_at", "sent_at"):
        fields[name] = _moment(fields[name])
    fields["state"] = IntentState(fields["state"])
    fields["discarded"] = tuple(fields["discarded"])
    fields["doubts"] = tuple(
        Doubt(one["provider"], datetime.fromisoformat(one["due"])) for one in fields["doubts"]
    )
    if fields["quiet_after"] is None:  # so JSON says that a number has no bound
        fields["quiet_after"] = math.inf
    return Intent(**fields)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
