"""The SQLite file that short-lived commands and long-lived programs share."""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs

from purveyor.model.errors import StateUnavailableError
from purveyor.state.thread import OneThread

__all__ = ["Row", "Store"]

T = TypeVar("T")

MIGRATIONS = (
    (
        """
        CREATE TABLE note (
            space TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, at REAL NOT NULL,
            PRIMARY KEY (space, key)
        ) WITHOUT ROWID
        """,
    ),
    (
        """
        CREATE TABLE intent (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL,
            provider TEXT, instance_id TEXT, version INTEGER NOT NULL, due REAL, body TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE UNIQUE INDEX intent_slot ON intent (owner, key, position)
        WHERE state NOT IN ('tombstoned', 'reaped')
        """,
        "CREATE INDEX intent_due ON intent (due) WHERE due IS NOT NULL",
        "CREATE INDEX intent_instance ON intent (provider, instance_id) WHERE instance_id IS NOT NULL",
    ),
)
"""Each brings the schema one version further; ``user_version`` counts those that ran."""

_BUSY_SECONDS = 10.0
_PAUSE_SECONDS = 0.02


@attrs.frozen
class Row:
    """One remembered value and when it was written, in seconds since 1970."""

    value: bytes
    at: float


class Store:
    """Remembers bytes by space and key.

    All work happens in one thread of its own, so that a disk sync never blocks the loop. Several processes may use
    the same file at once.

    Raises:
        StateUnavailableError: From every method, when the file cannot be used.
    """

    def __init__(
        self,
        folder: Path | None,
        thread: OneThread | None = None,
        connect: Callable[[], sqlite3.Connection] | None = None,
    ) -> None:
        """Remember in ``folder`` (made when first needed), or only in memory if it is None.

        ``thread`` takes the place of its own, and ``connect`` that of opening the file.
        """
        self.folder = folder
        self._connect = connect or functools.partial(_connect, folder)
        self._thread = thread or OneThread("purveyor-state")
        self._connection: sqlite3.Connection | None = None
        self._sure: str | None = None
        self._closed = False

    @property
    def is_shared(self) -> bool:
        """Whether another process may read and write the same."""
        return self.folder is not None

    async def get(self, space: str, key: str) -> Row | None:
        """What is remembered, if anything."""

        def work(db: sqlite3.Connection) -> Row | None:
            return _get(db, space, key)

        return await self.transact(work, reading=True)

    async def put(self, space: str, key: str, value: bytes, at: float) -> None:
        """Remember, in place of what was there."""
        await self.transact(lambda db: _put(db, space, key, value, at))

    async def update(self, space: str, key: str, change: Callable[[bytes | None], bytes], at: float) -> bytes:
        """Change what is remembered; nobody else gets in between. Returns the new value."""

        def work(db: sqlite3.Connection) -> bytes:
            before = _get(db, space, key)
            after = change(before.value if before else None)
            _put(db, space, key, after, at)
            return after

        return await self.transact(work)

    async def items(self, space: str) -> dict[str, Row]:
        """Everything in a space, by key."""

        def work(db: sqlite3.Connection) -> dict[str, Row]:
            rows = db.execute("SELECT key, value, at FROM note WHERE space = ? ORDER BY key", (space,))
            return {key: Row(value, at) for key, value, at in rows}

        return await self.transact(work, reading=True)

    async def delete(self, space: str, keys: tuple[str, ...]) -> None:
        """Forget these keys; those that are not there are no error."""

        def work(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM note WHERE space = ? AND key = ?", [(space, key) for key in keys])

        await self.transact(work)

    async def aclose(self) -> None:
        """Close the file; may be called twice."""
        if not self._closed:
            self._closed = True
            try:
                await self._thread.do(self._close)
            finally:
                self._thread.close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def transact(
        self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False, reading: bool = False
    ) -> T:
        """Do some work in one transaction, in the store's thread.

        Args:
            work: What to do; an error of its own undoes it.
            durable: Return only when it is on the disk and survives a loss of power.
            reading: It changes nothing, so that it need not wait for those who do.
        """
        if self._closed:
            raise StateUnavailableError("the state is closed; the client that it belongs to was closed")
        begin = f"BEGIN {'DEFERRED' if reading else 'IMMEDIATE'}"
        sure = None if reading else "FULL" if durable else "NORMAL"
        return await self._thread.do(functools.partial(self._transact, work, begin, sure))

    def _transact(self, work: Callable[[sqlite3.Connection], T], begin: str, sure: str | None) -> T:
        try:
            if self._connection is None:
                self._connection = _prepared(self._connect())
            if sure not in {None, self._sure}:
                self._connection.execute(f"PRAGMA synchronous = {sure}")
                self._sure = sure
            with self._connection as db:
                db.execute(begin)
                return work(db)
        except (sqlite3.Error, OSError) as exc:
            where = self.folder or "memory"
            raise StateUnavailableError(
                f"the state in {where} cannot be used: {exc}; set state_dir to a folder on a local disk that you may "
                "write to, or 'state: memory' to keep nothing",
                field="state_dir",
                details={"state_dir": str(where)},
            ) from exc


def _connect(folder: Path | None) -> sqlite3.Connection:
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = ":memory:" if folder is None else folder / "state.sqlite3"
    return sqlite3.connect(name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        _go_wal(db)
        _migrate(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _go_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL, whoever else does at this moment: here SQLite says "locked" at once, whatever the timeout is."""
    for _ in range(int(_BUSY_SECONDS / _PAUSE_SECONDS)):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_PAUSE_SECONDS)  # in the store's own thread, never in the loop's
        else:
            return
    db.execute("PRAGMA journal_mode = WAL")


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the schema up to date; where it is, nobody who writes is waited for."""
    if _version(db) == len(MIGRATIONS):
        return
    with db:
        db.execute("BEGIN IMMEDIATE")
        version = _version(db)
        if version > len(MIGRATIONS):
            msg = f"it was written by a newer version of purveyor (schema {version})"
            raise sqlite3.DatabaseError(msg)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _get(db: sqlite3.Connection, space: str, key: str) -> Row | None:
    row = db.execute("SELECT value, at FROM note WHERE space = ? AND key = ?", (space, key)).fetchone()
    return Row(*row) if row else None


def _put(db: sqlite3.Connection, space: str, key: str, value: bytes, at: float) -> None:
    db.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?)", (space, key, value, at))
