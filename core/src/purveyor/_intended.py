"""What the async door offers of intents: what was to be bought, and what has come of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from datetime import timedelta

from purveyor._door import PROVISION_SECONDS
from purveyor._viewed import Viewed
from purveyor.engine.intents import Intents
from purveyor.engine.reconciling import Order, Reconciler
from purveyor.engine.settling import Settler
from purveyor.engine.writes import Writes
from purveyor.model.errors import PurveyorError
from purveyor.model.intent import Intent, Reconciliation
from purveyor.state.journal import Journal

__all__ = ["Intended"]

_TEND_PAUSE_SECONDS = 1.0
TEND_SECONDS = 10.0
"""How long a call that changes something looks after what earlier ones have left."""


class Intended(Viewed):
    """The part of the client that is about intents; views tell it what there is."""

    _journal: Journal
    _intents: Intents
    _settler: Settler
    _reconciler: Reconciler
    _writes: Writes
    _tend_from = -math.inf

    async def list_intents(self) -> list[Intent]:
        """Every intent of the journal, oldest first."""
        return await self._journal.listing()

    async def get_intent(self, intent_id: str) -> Intent:
        """One intent.

        Raises:
            IntentNotFoundError: There is none.
        """
        return await self._journal.get(intent_id)

    async def resolve_intent(
        self, intent_id: str, *, tombstone: bool = False, deadline: float = PROVISION_SECONDS
    ) -> Intent:
        """Find out what an intent has led to, or give it up; returns it as it is then.

        Args:
            intent_id: The intent.
            tombstone: Give it up: its key is free for another machine, and its own is deleted should it turn up.
            deadline: Seconds for all of it.

        Raises:
            IntentNotFoundError: There is none.
            ConflictError: A running process works on it, or it is not in doubt and cannot be given up.
            UncertainOutcomeError: It is still not known by the deadline.
        """
        with self._change():
            return await self._intents.resolve(
                intent_id, tombstone=tombstone, deadline=self._deadline(deadline)
            )

    async def claim_journal(self) -> str:
        """Make a journal that was found on another host this host's own; returns its new owner id.

        Machines of the old owner are left alone until ``reconcile(owner=…, adopt=True)`` takes them over.
        """
        return (await self._journal.claim()).owner

    async def reconcile(
        self,
        *,
        apply: bool = False,
        delete_orphans: Iterable[str] = (),
        min_age: timedelta = timedelta(hours=1),
        owner: str | None = None,
        adopt: bool = False,
        deadline: float = PROVISION_SECONDS,
    ) -> Reconciliation:
        """Compare the journal with the clouds; changes nothing unless told to.

        Args:
            apply: Adopt machines of ours that turned up, delete those that were given up, note those that vanished.
            delete_orphans: ``provider/id`` of found machines to delete; only ever our own, whose intents are in no doubt.
            min_age: Younger ones are not deleted.
            owner: Look for this owner's machines instead, such as those of a journal from before a claim.
            adopt: Take that owner's machines over.
            deadline: Seconds for all of it.

        Raises:
            ValidationError: A machine is to be deleted that is no orphan of ours, or too young; nothing was done.
        """
        order = Order(
            apply=apply, delete=frozenset(delete_orphans), min_age=min_age, owner=owner, adopt=adopt
        )
        with self._change():
            return await self._reconciler.run(
                lambda: self.list_instances(deadline=deadline).collect(), order, self._deadline(deadline)
            )

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """Something is changed: what is due from earlier calls is looked after beside it."""
        with self._writes.one():
            now = self._around.clock.monotonic()
            if now >= self._tend_from:
                self._tend_from = now + _TEND_PAUSE_SECONDS
                self._writes.beside(self._tend())
            yield

    async def _tend(self) -> None:
        """Best effort: what cannot be done now stays due."""
        with contextlib.suppress(PurveyorError):
            await self._settler.run_due(self._deadline(TEND_SECONDS))
