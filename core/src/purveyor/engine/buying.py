"""One machine for one intent: sent only after it is written down, and sent elsewhere only after a known end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs

from purveyor.engine.machines import Machines
from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.engine.sending import Search, Sender
from purveyor.engine.settling import Settler, mark_of, uncertain
from purveyor.engine.waiting import BrokenMachineError
from purveyor.model.errors import (
    AllProvidersFailedError,
    ConflictError,
    InstanceNotFoundError,
    IntentNotFoundError,
    Outcome,
    PurveyorError,
    StateUnavailableError,
)
from purveyor.model.instance import Instance, InstanceStatus
from purveyor.model.intent import Intent, IntentState
from purveyor.model.selection import Attempt, Candidate
from purveyor.policy.retry import ONE_TRY
from purveyor.spi.hookspecs import Marking
from purveyor.state.journal import Hold, Journal
from purveyor.state.table import UNWRITTEN, TakenError

__all__ = ["Buyer"]

_log = logging.getLogger("purveyor")

_POLL_SECONDS = 1.0
_RESENDS = 3
"""How often a request whose answer is lost is sent again where that cannot make a second machine."""


class Buyer:
    """Carries searches out, each to a machine or to the error that ended it."""

    def __init__(
        self, registry: Registry, journal: Journal, settler: Settler, machines: Machines, around: Surroundings
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._settler = settler
        self._machines = machines
        self._around = around
        self._sender = Sender(registry, journal, settler, around)

    async def buy(self, search: Search) -> Instance:
        """One machine: made now, found again, or made before.

        Raises:
            PurveyorError: What ended the search.
        """
        while True:
            hold = await self._hold(search)
            if isinstance(hold, Intent):
                return await self._waited_for(await self._made_before(hold, search), search)
            try:
                async with hold:
                    found = await self._resume(hold, search)
                    if found is None:
                        return await self._search(hold, search)
                    return await self._waited_for(found, search)
            except PurveyorError as error:
                if hold.intent.version != UNWRITTEN or not await self._is_used_by_others(search, error):
                    raise

    async def _is_used_by_others(self, search: Search, error: PurveyorError) -> bool:
        """Whether somebody else has used the key while nothing was written down here, so that it must be looked at again."""
        if not search.shared:
            return False
        search.opened = await search.reopen()
        if isinstance(search.opened, Intent):
            return True
        await search.opened.release()
        if not isinstance(error, TakenError) or self._around.clock.monotonic() >= search.deadline:
            return False
        # They have left it again meanwhile; there is no end to that but the deadline's.
        await self._around.clock.sleep(_POLL_SECONDS)
        search.opened = await search.reopen()
        return True

    # What is there already

    async def _hold(self, search: Search) -> Hold | Intent:
        """The right to work on the intent, or the intent if it is through; waits for whoever works on it now."""
        opened, clock = search.opened, self._around.clock
        while True:
            if isinstance(opened, Hold):
                return opened
            if opened.state.came_to_an_end and not opened.holder:
                return opened  # whoever still holds it may find the machine broken, and make another
            try:
                hold = await self._journal.take(opened)
            except IntentNotFoundError:  # whoever planned it has sent nothing, and left
                opened = await search.reopen()
                continue
            if hold is not None and hold.intent.state is opened.state:
                return hold
            if hold is not None:  # it was brought on before it could be taken
                await hold.release()
                opened = await search.reopen()
                continue
            if clock.monotonic() + _POLL_SECONDS >= search.deadline:
                busy = ConflictError("another process works on this key and has not come to an end")
                raise uncertain(opened, busy)
            await clock.sleep(_POLL_SECONDS)
            opened = await search.reopen()

    async def _made_before(self, intent: Intent, search: Search) -> Instance:
        """The machine that the key has led to."""
        where = f"{intent.provider}/{intent.instance_id}"
        gone = ConflictError(
            f"key {intent.key!r} has led to {where}, which is gone; use another key for another machine",
            provider=intent.provider,
            field="key",
            details={"intent": intent.id, "id": intent.instance_id},
        )
        if intent.state is IntentState.DELETED:
            raise gone
        try:
            self._settler.provider_of(intent)
            return await self._machines.find(where, deadline=search.deadline)
        except InstanceNotFoundError as error:
            if self._settler.age(intent) >= self._registry.get(intent.provider or "").visibility_grace:
                raise gone from error
            trouble: PurveyorError = error
        except PurveyorError as error:
            trouble = error
        search.warnings.append(f"{where} was made before and cannot be looked at now: {trouble.message}")
        return Instance(
            provider=intent.provider or "",
            id=intent.instance_id or "",
            name=intent.name,
            status=InstanceStatus.UNKNOWN,
        )

    async def _waited_for(self, found: Instance, search: Search) -> Instance:
        """A machine of an earlier call once it is ready. One that is broken is told and kept: somebody may know it."""
        if search.wait:
            try:
                return await self._machines.ready(found, deadline=search.deadline)
            except PurveyorError as error:
                self._tell_late(search, found, error)
        return found

    def _tell_late(self, search: Search, machine: Instance, error: PurveyorError) -> None:
        error.provider = error.provider or machine.provider
        error.details.setdefault("name", machine.name)
        search.late = error

    async def _resume(self, hold: Hold, search: Search) -> Instance | None:
        """What an earlier call has led to, if its intent was left open."""
        if hold.intent.state.doubtful:
            return await self._settler.settle(hold, search.deadline)
        if hold.intent.state.came_to_an_end:
            return await self._made_before(hold.intent, search)
        if hold.intent.state is IntentState.DISCARDING:
            await self._settler.discard(hold, search.deadline)
        return None

    # Asking one after the other

    async def _search(self, hold: Hold, search: Search) -> Instance:
        turn = await search.turns.take()
        for number, candidate in enumerate(turn.order(), start=1):
            last = number == len(turn.choice.candidates)
            result = await self._ask(hold, search, candidate, last=last)
            if last and isinstance(result, PurveyorError) and hold.intent.state is IntentState.ABSENT:
                # The doubt is over, so it may be sent again.
                result = await self._ask(hold, search, candidate, last=last)
            if isinstance(result, Instance):
                return result
            # A doubt was that provider's own trouble, whatever it was; once it is settled, others may be asked.
            if not result.may_fail_over and hold.intent.state is not IntentState.ABSENT:
                result.attempts = tuple(search.attempts)
                raise result
            _log.warning("%s: %s; nothing was bought there", candidate.provider, result.message)
        raise _everybody(search.attempts, turn.suppressed)

    async def _ask(
        self, hold: Hold, search: Search, candidate: Candidate, *, last: bool
    ) -> Instance | PurveyorError:
        """One attempt, and its record."""
        clock = self._around.clock
        began, today = clock.monotonic(), clock.now()
        result: Instance | PurveyorError
        try:
            result = await self._attempt(hold, search, candidate, last=last)
        except TakenError:
            raise
        except PurveyorError as error:
            error.details.setdefault("mark", mark_of(hold.intent).text)
            result = error
        search.attempts.append(
            Attempt(
                provider=candidate.provider,
                operation="create_instance",
                started_at=today,
                seconds=clock.monotonic() - began,
                error=result if isinstance(result, PurveyorError) else None,
            )
        )
        return result

    async def _attempt(self, hold: Hold, search: Search, candidate: Candidate, *, last: bool) -> Instance:
        """A machine at one candidate; what is raised has a known end, or is an ``UncertainOutcomeError``."""
        member = self._registry.get(candidate.provider)
        try:
            # Somebody else may answer at once; only the last one is worth waiting for.
            made = await self._sender.send(hold, search, candidate, None if last else ONE_TRY)
        except PurveyorError as error:
            await hold.written()
            sent = hold.intent.state is IntentState.SENT
            if not sent:
                error.outcome = Outcome.NOT_SENT  # what was to be sent was never written down
            if not sent or not self._in_doubt(hold.intent, member, error):
                await self._sender.note(hold, search, IntentState.REFUSED, error=error.message)
                raise
            made = await self._after_doubt(hold, search, candidate, error)
        else:
            await self._sender.confirm(hold, search, made)
        made = _priced(made, candidate)
        _log.info("%s: made %s, its id is %s", member.name, search.name, made.id)
        return await self._come_up(hold, search, made) if search.wait else made

    def _in_doubt(self, intent: Intent, member: Member, error: PurveyorError) -> bool:
        """Whether a machine may exist after an error. A name that is taken may be taken by our own late arrival."""
        if error.outcome in {Outcome.UNKNOWN, Outcome.MADE, None}:
            return True
        sent_before = any(doubt.provider == member.name for doubt in intent.doubts)
        return isinstance(error, ConflictError) and sent_before

    async def _after_doubt(
        self, hold: Hold, search: Search, candidate: Candidate, error: PurveyorError
    ) -> Instance:
        """The machine that was made although its answer is lost.

        Raises:
            UncertainOutcomeError: Nobody knows by the deadline.
            PurveyorError: The error as it is given; by now it is known that nothing was made.
        """
        await self._sender.note(
            hold, search, IntentState.UNKNOWN, error=error.message, **self._journal.quiet()
        )
        try:
            again = self._again(hold, search, candidate)
            found = await self._settler.settle(hold, search.deadline, again)
        except PurveyorError as doubt:
            doubt.__cause__ = error
            raise
        if found is None:
            error.outcome = Outcome.REFUSED
            raise error
        return found

    def _again(
        self, hold: Hold, search: Search, candidate: Candidate
    ) -> Callable[[], Awaitable[Instance | None]] | None:
        """Sends the request again, where a second one cannot make a second machine.

        A refusal now says nothing about the request before; only a machine is an answer.
        """
        member = self._registry.get(candidate.provider)
        if member.marking is Marking.TAG:
            return None
        left = _RESENDS

        async def again() -> Instance | None:
            nonlocal left
            if left <= 0:
                return None
            left -= 1
            try:
                made = await self._sender.send(hold, search, candidate, ONE_TRY)
            except PurveyorError as error:
                if isinstance(error, ConflictError):
                    left = 0
                await self._sender.note(
                    hold, search, IntentState.UNKNOWN, error=error.message, **self._journal.quiet()
                )
                return None
            await self._sender.confirm(hold, search, made)
            return made

        return again

    # After it was made

    async def _come_up(self, hold: Hold, search: Search, made: Instance) -> Instance:
        """The machine once it is ready, or as it is if it is late; one that is broken is deleted first."""
        try:
            return await self._machines.ready(made, deadline=search.deadline)
        except BrokenMachineError as error:
            try:
                if not hold.intent.state.owns_machine:
                    raise StateUnavailableError("that it was made could not be written down")
                await self._settler.discard(hold, search.deadline)
            except PurveyorError as stuck:
                error.outcome = Outcome.MADE
                error.message += (
                    f"; deleting it failed ({stuck.message}), intent {hold.intent.id} goes on with it"
                )
            else:
                error.outcome = Outcome.REFUSED
            raise error from None
        except PurveyorError as error:
            self._tell_late(search, made, error)
            return made


def _priced(instance: Instance, candidate: Candidate) -> Instance:
    """At the catalogue's price, where the provider tells none with the machine."""
    if instance.price_per_hour is not None:
        return instance
    return attrs.evolve(
        instance, price_per_hour=candidate.price_per_hour, price_per_month=candidate.price_per_month
    )


def _everybody(attempts: list[Attempt], suppressed: list[str]) -> PurveyorError:
    """What to say when nobody is left; ``suppressed`` were not asked, since their retry budgets are spent."""
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    if suppressed:
        errors[-1].details["retry_suppressed"] = True
    if len({error.provider for error in errors}) == 1:
        errors[-1].attempts = tuple(attempts)
        return errors[-1]
    return AllProvidersFailedError(
        "every provider refused: " + "; ".join(str(error) for error in errors),
        operation="create_instance",
        attempts=tuple(attempts),
        outcome=Outcome.REFUSED,
        details={"failures": {error.provider: error.message for error in errors}},
    )
