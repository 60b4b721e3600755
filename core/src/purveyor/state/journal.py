"""The journal of intents: written before anything is sent, so that nothing is bought twice and nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from purveyor.model.errors import ConflictError, StateUnavailableError
from purveyor.model.intent import Intent, IntentState
from purveyor.policy.intents import STEPS, check_same
from purveyor.state import table
from purveyor.state.holders import Holders
from purveyor.state.identity import Identified, Origin
from purveyor.state.store import Store

__all__ = ["Admission", "Hold", "Journal"]

T = TypeVar("T")

_log = logging.getLogger("purveyor")

Admission = Callable[[int, Sequence[Intent]], None]
"""Is told how many intents are to be planned and which there are besides, and raises if they are too many."""


class Journal(Identified):
    """Intents, in the store that all processes of a state folder share.

    Every change is a compare-and-swap on the intent's version, and only its holder changes an intent.

    Raises:
        StateUnavailableError: From every method that changes something, when the journal cannot or must not be written.
    """

    def __init__(self, store: Store, holders: Holders, origin: Origin) -> None:
        super().__init__(store, origin)
        self._holders = holders
        self._active: dict[str, object] = {}
        self._pending: set[asyncio.Task[Any]] = set()

    async def open(
        self,
        key: str,
        names: Mapping[int, str],
        digest: Mapping[str, str],
        admit: Admission | None = None,
    ) -> list[Intent | Hold]:
        """The intents of a key, by position; those that were not there are written down now, and already held.

        Args:
            key: The caller's.
            names: Position to the machine's name.
            digest: Of the request.
            admit: Looks at what wants a machine, with nobody in between, and that is held, too; what it raises plans nothing.

        Raises:
            ConflictError: The key was used for another request.
        """
        owner = (await self.identity()).owner
        claimed: set[str] = set()

        def hold(db: sqlite3.Connection, intent: Intent) -> Intent | Hold:
            if not self._claim(intent.id):
                return intent
            claimed.add(intent.id)
            return Hold(self, self._held(db, intent))

        def work(db: sqlite3.Connection) -> list[Intent | Hold]:
            self._holders.enter()
            opened: list[Intent | Hold] = []
            for position, name in names.items():
                found = self._find(db, owner, key, position, digest)
                if found is not None and not (admit and self._is_idle(found)):
                    opened.append(found)
                else:
                    opened.append(hold(db, found or self._planned(owner, key, position, name, digest)))
            if admit and claimed:
                admit(len(claimed), self._on_their_way(db, owner, claimed))
            return opened

        async def opening() -> list[Intent | Hold]:
            try:
                return await self._store.transact(work)
            except BaseException:
                for one in claimed:
                    self._active.pop(one, None)
                raise

        return await self._kept(opening(), _holds)

    async def look(
        self, key: str, position: int, name: str, digest: Mapping[str, str], admit: Admission | None = None
    ) -> Intent | Hold:
        """The intent of one position of a key, or a new one as ``plan`` makes it, or ``open`` where there is a limit.

        Raises:
            ConflictError: The key was used for another request.
        """
        owner = (await self.identity()).owner

        def work(db: sqlite3.Connection) -> Intent | None:
            found = self._find(db, owner, key, position, digest)
            return None if found is not None and admit and self._is_idle(found) else found

        found = await self._store.transact(work, reading=True)
        if found is not None:
            return found
        if admit:
            return (await self.open(key, {position: name}, digest, admit))[0]
        return (await self.plan(key, {position: name}, digest))[0]

    async def plan(self, key: str, names: Mapping[int, str], digest: Mapping[str, str]) -> list[Hold]:
        """New intents, already held. Each is written down with its first change, unless its key has one by then.

        That is a ``TakenError`` of the change: nothing was sent, and it is the other's turn.
        """
        owner = (await self.identity()).owner
        if not self._holders.has_entered:
            await self._store.transact(lambda _: self._holders.enter())
        holds = [Hold(self, self._planned(owner, key, *one, digest)) for one in names.items()]
        for hold in holds:
            self._claim(hold.intent.id)
        return holds

    def _on_their_way(self, db: sqlite3.Connection, owner: str, without: Container[str]) -> list[Intent]:
        """Our own, without some, and without those that come to nothing by themselves."""
        rows = db.execute(f"{table.ALL} WHERE owner = ?", (owner,))
        found = [one for (body,) in rows if (one := table.load(body)).id not in without]
        idle = {one.holder: self._is_idle(one) for one in found if one.state.wants_machine}
        return [one for one in found if not (one.state.wants_machine and idle[one.holder])]

    def _is_idle(self, intent: Intent) -> bool:
        """Whether its key makes a machine, and nobody alive works on that."""
        holder = intent.holder
        return (
            intent.state.wants_machine
            and holder != self._holders.name
            and not (holder and self._holders.lives(holder))
        )

    def _claim(self, intent_id: str) -> bool:
        """Whether nobody else in this process works on it; from now on somebody does. Threads may ask at once."""
        token = object()
        return self._active.setdefault(intent_id, token) is token

    def _held(self, db: sqlite3.Connection, intent: Intent) -> Intent:
        held = attrs.evolve(intent, holder=self._holders.name, version=intent.version + 1)
        table.write(db, held, intent.version)
        return held

    def _find(
        self, db: sqlite3.Connection, owner: str, key: str, position: int, digest: Mapping[str, str]
    ) -> Intent | None:
        row = db.execute(table.OF_KEY, (owner, key, position)).fetchone()
        if row is None:
            return None
        intent = table.load(row[0])
        check_same(intent, digest)
        return intent if intent.position == position else None

    def _planned(self, owner: str, key: str, position: int, name: str, digest: Mapping[str, str]) -> Intent:
        now = self._origin.clock.now()
        return Intent(
            id=self._origin.ids(),
            key=key,
            position=position,
            owner=owner,
            state=IntentState.PLANNED,
            name=name,
            digest=digest,
            holder=self._holders.name,
            version=table.UNWRITTEN,
            created_at=now,
            updated_at=now,
        )

    async def take(self, intent: Intent) -> Hold | None:
        """The right to work on an intent, if nobody alive has it.

        Raises:
            ConflictError: It was written by another owner, before this journal was claimed.
        """
        owner = (await self.identity()).owner
        if intent.owner != owner:
            raise ConflictError(
                f"intent {intent.id} belongs to the owner {intent.owner}, from before this journal was claimed; "
                f"'purveyor reconcile --owner {intent.owner}' shows what is left of that owner's machines",
                details={"intent": intent.id, "owner": intent.owner},
            )
        if not self._claim(intent.id):
            return None

        def work(db: sqlite3.Connection) -> Intent | None:
            self._holders.enter()
            now = table.read(db, intent.id)
            if now.holder not in {"", self._holders.name} and self._holders.lives(now.holder):
                return None
            return self._held(db, now)

        async def taking() -> Hold | None:
            held = None
            try:
                held = await self._store.transact(work)
            finally:
                if held is None:
                    self._active.pop(intent.id, None)
            return None if held is None else Hold(self, held)

        return await self._kept(taking(), lambda hold: [hold] if hold else [])

    async def get(self, intent_id: str) -> Intent:
        """One intent.

        Raises:
            IntentNotFoundError: There is none.
        """
        return await self._store.transact(lambda db: table.read(db, intent_id), reading=True)

    async def listing(self) -> list[Intent]:
        """All intents, of earlier owners too, oldest first."""
        return await self._select(table.ALL, ())

    async def due(self) -> list[Intent]:
        """Our own intents that somebody should look at by now, whoever holds them; writes nothing."""
        found = await self._select(table.BY_DUE, (self._origin.clock.now().timestamp(),))
        owner = (await self.identity()).owner if found else ""
        return [intent for intent in found if intent.owner == owner]

    async def with_instance(self, provider: str, instance_id: str) -> list[Intent]:
        """Our own intents that have led to a machine."""
        found = await self._select(table.BY_INSTANCE, (provider, table.sound(instance_id)))
        owner = (await self.identity()).owner if found else ""
        return [intent for intent in found if intent.owner == owner]

    async def record(self, intent: Intent) -> None:
        """Write down an intent that was carried out already, such as for a machine that was found.

        Raises:
            TakenError: There is one with that id or key.
        """
        await self._store.transact(lambda db: table.insert(db, intent))

    async def drop(self, intent: Intent) -> None:
        """Forget an intent for which nothing was ever sent."""
        if intent.version == table.UNWRITTEN:
            return
        await self._store.transact(
            lambda db: db.execute(
                "DELETE FROM intent WHERE id = ? AND state = 'planned' AND version = ?",
                (intent.id, intent.version),
            )
        )

    async def change(
        self, intent: Intent, state: IntentState | None = None, *, durable: bool = False, **changes: Any
    ) -> Intent:
        """The intent as changed; it must still be as it is given.

        Raises:
            ConflictError: Somebody else has changed it meanwhile.
            TakenError: It was not written down yet, and its key has another one by now.
        """
        if state is not None and state not in STEPS[intent.state]:
            msg = f"an intent does not go from {intent.state.value} to {state.value}"
            raise ValueError(msg)
        after = attrs.evolve(
            intent,
            state=state or intent.state,
            version=intent.version + 1,
            updated_at=self._origin.clock.now(),
            **changes,
        )
        await self._store.transact(lambda db: table.write(db, after, intent.version), durable=durable)
        return after

    def quiet(self) -> dict[str, Any]:
        """What to write down when from now on nothing more is sent for an intent."""
        return {"quiet_after": self._origin.clock.monotonic(), "boot": self._origin.boot}

    async def _kept(self, work: Coroutine[Any, Any, T], holds: Callable[[T], Iterable[Hold]]) -> T:
        """What comes of the work; if the caller is cancelled meanwhile, what it holds by then is left again."""
        task = self.later(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: _leave(() if _failed(done) else holds(done.result())))
            raise

    def later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something that must be finished although nobody may wait for it; ``aclose`` does."""
        task = asyncio.create_task(work)
        self._pending.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._pending.discard(task)
        _failed(task)  # seen: who was cancelled meanwhile does not hear of it any more

    def let_go(self, intent: Intent) -> None:
        """This process does not work on the intent any more."""
        self._active.pop(intent.id, None)

    async def aclose(self) -> None:
        """Finish what is being written and give the lock back."""
        while self._pending:
            await asyncio.gather(*self._pending, return_exceptions=True)
        self._holders.leave()

    async def _select(self, query: str, values: Sequence[object]) -> list[Intent]:
        def work(db: sqlite3.Connection) -> list[Intent]:
            return [table.load(body) for (body,) in db.execute(query, values)]

        found = await self._store.transact(work, reading=True)
        return sorted(found, key=lambda intent: (intent.created_at, intent.key, intent.position))


class Hold:
    """One intent while this process works on it; leave it with ``release`` or as a context manager.

    Attributes:
        intent: As it is now.
    """

    def __init__(self, journal: Journal, intent: Intent) -> None:
        self.intent = intent
        self._journal = journal
        self._writing = asyncio.Lock()
        self._left = False

    async def move(
        self, state: IntentState | None = None, *, durable: bool = False, **changes: Any
    ) -> Intent:
        """Change the intent; carried to its end even if the caller is cancelled meanwhile."""
        return await asyncio.shield(self._journal.later(self._move(state, changes, durable=durable)))

    async def written(self) -> None:
        """Wait until nothing is being written any more."""
        async with self._writing:
            return

    async def _move(self, state: IntentState | None, changes: Mapping[str, Any], *, durable: bool) -> Intent:
        async with self._writing:
            self.intent = await self._journal.change(self.intent, state, durable=durable, **changes)
            return self.intent

    def release(self) -> Awaitable[None]:
        """Leave the intent to whoever comes next; one that was never sent is forgotten, one that was being sent is in doubt.

        Returns at once; await the result to know that it is written.
        """
        return self._journal.later(self._release())

    async def _release(self) -> None:
        if self._left:
            return
        self._left = True
        try:
            async with self._writing:
                await self._leave()
        except (StateUnavailableError, ConflictError) as error:
            _log.warning("intent %s could not be written: %s", self.intent.id, error.message)
        finally:
            self._journal.let_go(self.intent)

    async def _leave(self) -> None:
        if self.intent.state is IntentState.PLANNED:
            await self._journal.drop(self.intent)
        elif self.intent.state is IntentState.SENT:
            self.intent = await self._journal.change(
                self.intent, IntentState.UNKNOWN, holder="", **self._journal.quiet()
            )
        elif self.intent.holder:
            self.intent = await self._journal.change(self.intent, holder="")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.intent.holder and not self._writing.locked():
            self._left = True  # the last change has left it already
            self._journal.let_go(self.intent)
            return
        released = self.release()
        if not isinstance(error, asyncio.CancelledError):
            await released


def _holds(opened: Iterable[Intent | Hold]) -> list[Hold]:
    return [one for one in opened if isinstance(one, Hold)]


def _leave(holds: Iterable[Hold]) -> None:
    for hold in holds:
        hold.release()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
