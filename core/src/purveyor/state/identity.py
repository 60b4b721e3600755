"""Whose journal it is: the owner id that marks carry, minted with it, and the host that it belongs to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import attrs

from purveyor.model.errors import StateUnavailableError
from purveyor.spi.call import Clock
from purveyor.state.place import network_file_system
from purveyor.state.store import Store

__all__ = ["Identified", "Identity", "Origin"]


@attrs.frozen(kw_only=True)
class Origin:
    """Where a journal is kept and written from, passed in so that a run can be repeated.

    Attributes:
        clock: Time.
        ids: Mints ids of 16 lower-case letters and digits.
        host: What tells this host from others.
        boot: What tells this run of it from earlier ones; empty where nothing does.
    """

    clock: Clock
    ids: Callable[[], str]
    host: str
    boot: str


@attrs.frozen
class Identity:
    """Whose journal it is.

    Attributes:
        owner: Owner id, minted with the journal and never configured.
        secret: What requests are hashed with.
    """

    owner: str
    secret: bytes = attrs.field(repr=False)


class Identified:
    """What is kept for one owner, on one host.

    Raises:
        StateUnavailableError: From every method, when it lies on a network file system or was written on another host.
    """

    def __init__(self, store: Store, origin: Origin) -> None:
        self._store = store
        self._origin = origin
        self._identity: Identity | None = None

    async def identity(self) -> Identity:
        """Whose journal this is; minted when first asked for."""
        if self._identity is None:
            self._identity = await self._store.transact(self._identify)
        return self._identity

    async def claim(self) -> Identity:
        """Make this journal this host's own, with a new owner id; what other owners' marks name is left alone."""

        def work(db: sqlite3.Connection) -> Identity:
            db.execute("DELETE FROM note WHERE space = 'identity' AND key IN ('owner', 'host')")
            return self._identify(db)

        self._identity = await self._store.transact(work, durable=True)
        return self._identity

    def _identify(self, db: sqlite3.Connection) -> Identity:
        folder = self._store.folder
        kind = None if folder is None else network_file_system(folder.resolve())
        if kind is not None:
            raise _refused(
                f"the state in {folder} lies on a network file system ({kind}), where locks cannot be relied on; "
                "set state_dir to a folder on a local disk",
                folder,
            )
        notes = dict(db.execute("SELECT key, value FROM note WHERE space = 'identity'").fetchall())
        fresh = {
            "owner": self._origin.ids()[:10].encode(),
            "secret": "".join(self._origin.ids() for _ in range(4)).encode(),
            "host": self._origin.host.encode(),
        }
        for name in fresh.keys() - notes.keys():
            notes[name] = fresh[name]
            at = self._origin.clock.now().timestamp()
            db.execute("INSERT INTO note VALUES ('identity', ?, ?, ?)", (name, notes[name], at))
        if notes["host"] != fresh["host"]:
            raise _refused(
                f"the journal in {folder} was written on another host; if it is to be used here, run "
                "'purveyor intents claim', which gives it a new owner id",
                folder,
            )
        return Identity(notes["owner"].decode(), notes["secret"])


def _refused(message: str, folder: object) -> StateUnavailableError:
    return StateUnavailableError(message, field="state_dir", details={"state_dir": str(folder)})
