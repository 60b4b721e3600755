"""How intents stand in their table: a row of what is looked for, and the whole intent as text."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from purveyor.model.errors import ConflictError, IntentNotFoundError
from purveyor.model.intent import Intent
from purveyor.policy.intents import next_look

__all__ = ["ALL", "BY_DUE", "BY_INSTANCE", "UNWRITTEN", "TakenError", "insert", "load", "read", "write"]

UNWRITTEN = -1
"""Version of an intent that is not in the journal yet."""
ALL = "SELECT body FROM intent"
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
        intent.instance_id,
        intent.version,
        due.timestamp() if due else None,
        msgspec.json.encode(intent).decode(),
    )


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


_decoder = msgspec.json.Decoder(Intent)


def load(body: bytes) -> Intent:
    """An intent from its text."""
    return _decoder.decode(body)
