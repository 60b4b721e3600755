"""The journal's intents, for those who look at them and decide about them."""

from __future__ import annotations

from purveyor.engine.registry import Registry
from purveyor.engine.settling import Settler
from purveyor.model.errors import ConflictError
from purveyor.model.intent import Intent, IntentState
from purveyor.state.journal import Hold, Journal

__all__ = ["Intents"]


class Intents:
    """What can be done about intents by hand."""

    def __init__(self, registry: Registry, journal: Journal, settler: Settler) -> None:
        self._registry = registry
        self._journal = journal
        self._settler = settler

    async def resolve(self, intent_id: str, *, tombstone: bool, deadline: float) -> Intent:
        """Bring an intent to an end, or give it up.

        Raises:
            IntentNotFoundError: There is none.
            ConflictError: Another process works on it, or it is not in doubt and cannot be given up.
            UncertainOutcomeError: The deadline came first.
        """
        intent = await self._journal.get(intent_id)
        hold = await self._journal.take(intent)
        if hold is None:
            raise ConflictError(
                f"a running process works on intent {intent.id}; end it first", details={"intent": intent.id}
            )
        async with hold:
            if tombstone:
                await self._give_up(hold)
            else:
                await self._settler.look_after(hold, deadline)
        return hold.intent

    async def _give_up(self, hold: Hold) -> None:
        intent = hold.intent
        if not intent.state.doubtful:
            raise ConflictError(
                f"intent {intent.id} is {intent.state.value} and not in doubt; there is nothing to give up",
                details={"intent": intent.id},
            )
        member = self._registry.get(intent.provider or "")
        await hold.move(IntentState.TOMBSTONED, doubts=(*intent.doubts, self._settler.doubt(member)))
