"""A journal's disk: one SQLite database in memory that all processes of a host share, and what a loss of power leaves of it."""

from __future__ import annotations

import asyncio
import functools
import random
import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from purveyor.state.store import _prepared
from purveyor.state.thread import OneThread, if_waited_for
from purveyor_testing.simulation.time import HostLoop

__all__ = ["SLOW_DISK", "Disk", "DiskThread", "Door", "Row"]

T = TypeVar("T")

SLOW_DISK = 2.0
"""Seconds that a disk may take."""


@attrs.frozen
class Row:
    """What the journal says of an intent."""

    state: str
    provider: str | None
    owner: str
    key: str
    position: int
    instance_id: str | None


class Disk:
    """A database, its last durable state, and every state after that.

    Attributes:
        durable: Intents as they survive whatever happens, by id.
    """

    def __init__(
        self, number: int, chance: random.Random, *, fragile: bool, fails: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin empty; of each number there is one at a time.

        Args:
            number: Which of a world's.
            chance: Decides what a loss of power leaves.
            fragile: Whether its host may lose its power.
            fails: Whether what is written now is not kept, and whoever writes it is told so.
        """
        self.durable: dict[str, Row] = {}
        self._chance = chance
        self._fragile = fragile
        self._fails = fails
        self._lost = False
        self.db = _emptied(_opened(number))
        self._survivors = [self.db.serialize()] if fragile else []
        self._changes = self.db.total_changes
        self.nothing = self.db.cursor()

    def rows(self) -> dict[str, Row]:
        """The intents as they are now."""
        query = "SELECT id, state, provider, owner, key, position, instance_id FROM intent"
        return {row[0]: Row(*row[1:]) for row in self.db.execute(query)}

    def held_by(self, holder: str) -> int:
        """On how many intents somebody works."""
        query = "SELECT count(*) FROM intent WHERE body LIKE ?"
        (number,) = self.db.execute(query, (f'%"holder":"{holder}"%',)).fetchone()
        return int(number)

    def owner(self) -> str | None:
        """Whose journal it is, once it is anybody's."""
        return self._identity("owner")

    def host(self) -> str | None:
        """On which host, once it is anybody's."""
        return self._identity("host")

    def _identity(self, part: str) -> str | None:
        query = "SELECT value FROM note WHERE space = 'identity' AND key = ?"
        found = self.db.execute(query, (part,)).fetchone()
        return found[0].decode() if found else None

    def take_over(self, other: Disk) -> None:
        """Begin as a copy of another disk, all of it safe."""
        content = other.db.serialize()
        self.db.deserialize(content)
        self._changes = self.db.total_changes
        self._survivors = [content] if self._fragile else []
        self.durable = self.rows()

    def commit(self, *, synced: bool) -> None:
        """Keep what the transaction did.

        Raises:
            sqlite3.OperationalError: It cannot be kept.
        """
        if self._fails():
            self.rollback()
            msg = "database or disk is full"
            raise sqlite3.OperationalError(msg)
        self.db.commit()
        self._changes = self.db.total_changes
        if synced:
            self.durable = self.rows()
            self._survivors.clear()
        if self._fragile:
            self._survivors.append(self.db.serialize())

    def rollback(self) -> None:
        """Undo what the transaction did."""
        self.db.rollback()
        self._changes = self.db.total_changes

    @property
    def changed(self) -> bool:
        """Whether the transaction has changed anything."""
        return self.db.total_changes != self._changes

    def lose_power(self) -> None:
        """Whatever was not synced may be gone, the newest first."""
        self._lost = True

    def mounted(self) -> Self:
        """Ready for the next process."""
        if self._lost:
            self._lost = False
            left = self._chance.randrange(len(self._survivors))
            del self._survivors[left + 1 :]
            self.db.deserialize(self._survivors[left])
            self._changes = self.db.total_changes
        return self


class Door:
    """A process's connection to the disk; ``point`` is told before and after everything that is written.

    Nobody gets in between while a transaction lasts, so one that only reads is none.
    """

    def __init__(self, disk: Disk, point: Callable[[str], None]) -> None:
        self._disk = disk.mounted()
        self._point = point
        self._synced = False
        self._reads = False

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        """Carry out a statement."""
        if sql.startswith("PRAGMA synchronous"):
            self._synced = sql.endswith("FULL")
            return self._disk.nothing
        if sql.startswith("PRAGMA journal_mode"):
            return self._disk.nothing  # there is no other in memory
        if sql == "BEGIN DEFERRED":
            self._reads = True
            return self._disk.nothing
        return self._disk.db.execute(sql, values)

    def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:
        """Carry out a statement for each of many values."""
        return self._disk.db.executemany(sql, values)

    def __enter__(self) -> Self:
        self._point("")
        self._reads = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reads:
            return
        if kind is not None:
            self._disk.rollback()
            return
        if not self._disk.changed:
            self._disk.db.commit()
            return
        try:
            self._point("before a commit")
        except BaseException:
            self._disk.rollback()
            raise
        self._disk.commit(synced=self._synced)
        self._point("after a commit")

    def close(self) -> None:
        """The disk stays for the others."""


class DiskThread(OneThread):
    """Does everything at once, as threads are no part of a world; whoever waits may be told at once, or a little later."""

    def __init__(self, loop: HostLoop, chance: random.Random) -> None:
        super().__init__("")
        self._loop = loop
        self._chance = chance

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """What has come of the work."""
        future: asyncio.Future[T] = self._loop.create_future()
        try:
            result = work()
        except Exception as exc:  # noqa: BLE001 - whoever awaits the future gets it
            future.set_exception(exc)
            return future
        luck = self._chance.random()
        if luck < 0.8:
            future.set_result(result)
        else:
            seconds = 0.0 if luck < 0.97 else self._chance.random() * SLOW_DISK
            self._loop.call_later(
                seconds, if_waited_for, future, functools.partial(future.set_result, result)
            )
        return future

    def close(self) -> None:
        """There is nothing to end."""


@functools.cache
def _opened(number: int) -> sqlite3.Connection:  # noqa: ARG001 - one for each
    """With all tables. Worlds use it one after the other: what SQLite has understood once, it need not read again."""
    return _prepared(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))


def _emptied(db: sqlite3.Connection) -> sqlite3.Connection:
    db.rollback()
    db.execute("DELETE FROM intent")
    db.execute("DELETE FROM note")
    return db
