"""Settling doubts: a request whose answer is lost has made a machine, or surely has not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta

from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.model.errors import (
    CallTimeoutError,
    InstanceNotFoundError,
    Outcome,
    PermissionDeniedError,
    ProviderNotFoundError,
    PurveyorError,
    UncertainOutcomeError,
)
from purveyor.model.instance import Instance
from purveyor.model.intent import Doubt, Intent, IntentState
from purveyor.policy.intents import adopted, age, is_intents, quiet_from
from purveyor.policy.retry import RetryPolicy
from purveyor.spi.call import Call, Effect, Mark
from purveyor.spi.facets import InstanceRequest, MarkRequest
from purveyor.state.journal import Hold, Journal
from purveyor.state.store import Store

__all__ = ["Settler", "mark_of", "uncertain"]

_log = logging.getLogger("purveyor")

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0
_FINDABLE = "marks"
_CHECKED_SECONDS = 24 * 3600.0
SETTLE_SECONDS = 600.0
"""How long one round in the background may take; the next one goes on."""


def mark_of(intent: Intent) -> Mark:
    """What the intent's machine carries."""
    return Mark(intent.owner, intent.id)


class Settler:
    """Finds out what became of requests whose answers are lost, and clears away what nobody wants.

    Works only on intents that it is given to hold, or that it can take. It never sends a create again by itself.
    """

    def __init__(self, registry: Registry, journal: Journal, store: Store, around: Surroundings) -> None:
        self._registry = registry
        self._journal = journal
        self._store = store
        self._around = around
        self._findable: set[str] = set()

    async def check_marks(
        self, member: Member, mark: Mark, deadline: float, policy: RetryPolicy | None
    ) -> None:
        """Make sure that machines can be found by their marks at a provider, before the first is made there.

        Looked at once a day, since a token's scopes may change.

        Raises:
            PurveyorError: They cannot; nothing was sent.
        """
        now = self._around.clock.now().timestamp()
        if member.name in self._findable:
            return
        row = await self._store.get(_FINDABLE, member.name)
        if row is None or not 0 <= now - row.at < _CHECKED_SECONDS:
            await self._walk(mark, member, deadline, policy)
            await self._store.put(_FINDABLE, member.name, b"", now)
        self._findable.add(member.name)

    def provider_of(self, intent: Intent) -> Member:
        """Who was asked for the intent's machine.

        Raises:
            ProviderNotFoundError: It is not configured any more; another one may have its name, and another's machines
                tell nothing about the intent.
            ProviderInactiveError: It is disabled.
        """
        member = self._registry.get(intent.provider or "")
        was, now = (intent.type, intent.base_url), (member.config.type, member.config.settings.base_url)
        if was != now:
            told = " and ".join(f"{type_} at {url or 'its own address'}" for type_, url in (was, now))
            raise ProviderNotFoundError(
                f"intent {intent.id} was sent to another provider {member.name!r} than the one that is configured now "
                f"({told}); configure that one again",
                details={"requested_provider": member.name, "intent": intent.id},
            )
        return member

    def age(self, intent: Intent) -> float:
        """Seconds since an intent that nothing is being sent for came to what it is, at least."""
        clock = self._around.clock
        return age(intent, self._around.boot, clock.monotonic(), clock.now())

    # Settling

    async def settle(
        self,
        hold: Hold,
        deadline: float,
        again: Callable[[], Awaitable[Instance | None]] | None = None,
        *,
        patient: bool = True,
    ) -> Instance | None:
        """The machine that a doubtful intent has led to, or None if there surely is none.

        A machine that is found is adopted at once. That there is none is believed only after everything that was sent
        has come into effect and into view, and after two walks over all pages.

        Args:
            hold: The intent.
            deadline: When to stop, in the clock's seconds.
            again: Sends the request again where that cannot make a second machine; gives the machine if it is known then.
            patient: Whether to look again and again until the deadline, or only once.

        Raises:
            UncertainOutcomeError: The deadline came first.
        """
        clock = self._around.clock
        pause, trouble = _FIRST_PAUSE, None
        await self._calm(hold)
        while True:
            try:
                member = self.provider_of(hold.intent)
                if again is not None and (made := await again()) is not None:
                    return made
                found, left = await self._look(hold, member, deadline)
            except PurveyorError as error:
                trouble, wait = error, pause
                _log.debug("intent %s stays unknown: %s", hold.intent.id, error)
            else:
                if found:
                    return await self._adopt(hold, member, found, deadline)
                if left <= 0:
                    await self._absent(hold, member)
                    return None
                wait = min(pause, left)
            if not patient or clock.monotonic() + wait >= deadline:
                raise uncertain(hold.intent, trouble)
            await clock.sleep(wait)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _calm(self, hold: Hold) -> None:
        """Note that the intent is in doubt and that its sender is gone, in seconds that can be compared with ours."""
        quiet = quiet_from(hold.intent, self._around.boot, self._around.clock.monotonic())
        if hold.intent.state is IntentState.SENT or quiet != hold.intent.quiet_after:
            await hold.move(IntentState.UNKNOWN, quiet_after=quiet, boot=self._around.boot)

    async def _look(self, hold: Hold, member: Member, deadline: float) -> tuple[list[Instance], float]:
        """The intent's machines, and in how many seconds an answer of none may be believed.

        Only what a walk sees that began late enough counts, and only twice over.
        """
        left = self._left(hold.intent, member)
        found = await self._machines(hold.intent, member, deadline)
        if not found and left <= 0:
            found = await self._machines(hold.intent, member, deadline)
        return found, left

    def _left(self, intent: Intent, member: Member) -> float:
        """Seconds until everything that was sent has surely come into effect and into view."""
        lasting = member.config.settings.timeout + member.late_commit_bound + member.visibility_grace
        return max(0.0, intent.quiet_after + lasting - self._around.clock.monotonic())

    async def _machines(self, intent: Intent, member: Member, deadline: float) -> list[Instance]:
        """The intent's machines, except those that are known to be gone."""
        found = await self._walk(mark_of(intent), member, deadline)
        return [one for one in found if f"{member.config.type}/{one.id}" not in intent.discarded]

    async def _walk(
        self, mark: Mark, member: Member, deadline: float, policy: RetryPolicy | None = None
    ) -> list[Instance]:
        """All machines with a mark, each once; a row that cannot be read could be one of them."""

        async def work(call: Call) -> list[Instance]:
            found: list[Instance] = []
            async with aclosing((await member.compute()).find_by_mark(MarkRequest(mark), call)) as pages:  # type: ignore[type-var]
                async for page in pages:
                    if page.unreadable:
                        raise page.unreadable[0]
                    found += page.items
            return found

        every = await member.gate.call("find_by_mark", Effect.READ, work, deadline=deadline, policy=policy)
        return list({one.id: one for one in every if mark.text in one.tags}.values())

    async def _adopt(self, hold: Hold, member: Member, found: list[Instance], deadline: float) -> Instance:
        """Keep one machine, and see to the others."""
        kept = adopted(found)
        doubts = hold.intent.doubts
        if len(found) > 1:
            doubts += (Doubt(member.name, self._around.clock.now()),)
        await hold.move(
            IntentState.ADOPTED,
            durable=True,
            provider=member.name,
            type=member.config.type,
            base_url=member.config.settings.base_url,
            instance_id=kept.id,
            doubts=doubts,
            **self._journal.quiet(),
        )
        _log.warning("%s: found %s again, its id is %s", member.name, kept.name, kept.id)
        if len(found) > 1:
            with contextlib.suppress(PurveyorError):  # it stays due
                await self._recheck(hold, deadline)
        return kept

    async def _absent(self, hold: Hold, member: Member) -> None:
        """The machine does not exist. What comes later all the same is looked for once more, long after."""
        await hold.move(IntentState.ABSENT, doubts=(*hold.intent.doubts, self.doubt(member)))
        _log.info("%s: %s was not made", member.name, hold.intent.name)

    def doubt(self, member: Member) -> Doubt:
        """That a late arrival is to be looked for at a provider, once everything that was sent so far is long over."""
        seconds = member.config.settings.timeout + 2 * (member.late_commit_bound + member.visibility_grace)
        return Doubt(member.name, self._around.clock.now() + timedelta(seconds=seconds))

    # Clearing away

    async def discard(self, hold: Hold, deadline: float) -> None:
        """Delete the machine of an intent that came up broken, and wait until it is gone.

        Raises:
            PurveyorError: It is not gone by the deadline; the intent stays to be worked on.
        """
        intent = hold.intent
        member, bare = self.provider_of(intent), intent.instance_id or ""
        if intent.state is not IntentState.DISCARDING:
            # Else nobody would know after a loss of power that the machine is going.
            intent = await hold.move(IntentState.DISCARDING, durable=True)
        await self._delete(member, bare, deadline)
        await self._wait_until_gone(member, bare, deadline)
        if any(doubt.provider == member.name for doubt in intent.doubts):
            await self._wait_for_twins(hold, member, deadline)
        gone = (*intent.discarded, f"{member.config.type}/{bare}")
        await hold.move(IntentState.DISCARDED, instance_id=None, discarded=gone)

    async def _wait_for_twins(self, hold: Hold, member: Member, deadline: float) -> None:
        """Several requests were sent; wait until none can be carried out any more, and delete what they have made."""
        clock, pause = self._around.clock, _FIRST_PAUSE
        while True:
            found, left = await self._look(hold, member, deadline)
            extras = [one for one in found if one.id != hold.intent.instance_id]
            for extra in extras:
                await self._delete(member, extra.id, deadline)
                await self._wait_until_gone(member, extra.id, deadline)
            if left <= 0 and not extras:
                return
            wait = min(pause, left)
            if clock.monotonic() + wait >= deadline:
                raise CallTimeoutError(
                    f"another request for {hold.intent.name} may still be carried out", provider=member.name
                )
            await clock.sleep(wait)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def machine_gone(self, hold: Hold, deadline: float) -> None:
        """The intent's machine was deleted or does not exist any more."""
        self.provider_of(hold.intent)
        if hold.intent.state.owns_machine:  # somebody else may have noted it meanwhile
            await hold.move(IntentState.DELETED)
        await self.look_after(hold, deadline)

    async def instance_deleted(self, provider: str, bare: str, deadline: float) -> None:
        """Note that a machine was deleted on request; if that fails, reconciling will find it out."""
        try:
            for intent in await self._journal.with_instance(provider, bare):
                hold = await self._journal.take(intent) if intent.state.owns_machine else None
                if hold is not None:
                    async with hold:
                        await self.machine_gone(hold, deadline)
        except PurveyorError as error:
            _log.info("%s: the deletion of %s is not noted: %s", provider, bare, error)

    async def look_after(self, hold: Hold, deadline: float, *, patient: bool = True) -> None:
        """Do what is due for one intent; wait for what is not clear yet only if ``patient``.

        Raises:
            PurveyorError: It could not be done now; it stays due.
        """
        if hold.intent.state.doubtful:
            await self.settle(hold, deadline, patient=patient)
        elif hold.intent.state is IntentState.DISCARDING:
            await self.discard(hold, deadline)
        if hold.intent.doubts:
            await self._recheck(hold, deadline)
        if not hold.intent.doubts:
            await self._finish(hold, deadline)

    async def _recheck(self, hold: Hold, deadline: float) -> None:
        """Look for late arrivals where that is due, everywhere, before the first trouble is raised."""
        trouble: PurveyorError | None = None
        for doubt in hold.intent.doubts:
            if doubt.due > self._around.clock.now():
                continue
            try:
                await self._recheck_at(hold, doubt, deadline)
            except PurveyorError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    async def _recheck_at(self, hold: Hold, doubt: Doubt, deadline: float) -> None:
        """Look for late arrivals at one provider; whatever is not the intent's machine is deleted."""
        member = self._registry.get(doubt.provider)
        # The time of day, by which it is due, may have been set.
        early = hold.intent.boot == self._around.boot and self._left(hold.intent, member) > 0
        for walk in range(2):
            found = await self._walk(mark_of(hold.intent), member, deadline)
            extras = [one for one in found if not is_intents(one, member.config.type, hold.intent)]
            for extra in extras:
                _log.warning("%s: deleting %s, a second machine of %s", member.name, extra.id, extra.name)
                name = f"{member.config.type}/{extra.id}"
                if name not in hold.intent.discarded:
                    await hold.move(discarded=(*hold.intent.discarded, name), durable=True)
                await self._delete(member, extra.id, deadline)
            if not (extras or early) and walk:
                await hold.move(doubts=tuple(one for one in hold.intent.doubts if one != doubt))

    async def _finish(self, hold: Hold, deadline: float) -> None:
        """Nothing of a machine that is gone is to be left at the provider."""
        intent = hold.intent
        if intent.state is IntentState.TOMBSTONED:
            intent = await hold.move(IntentState.REAPED)
        over = intent.state in {IntentState.DELETED, IntentState.DISCARDED, IntentState.REAPED}
        if not (over and intent.marked and intent.provider):
            return
        member = self.provider_of(intent)
        mark = MarkRequest(mark_of(intent))

        async def work(call: Call) -> None:
            await (await member.marks()).remove_mark(mark, call)

        try:
            await member.gate.call("remove_mark", Effect.IDEMPOTENT, work, deadline=deadline)
        except PermissionDeniedError:
            _log.debug(
                "%s: the token may not remove the mark of %s, which is harmless", member.name, intent.name
            )
        await hold.move(marked=False)

    async def _delete(self, member: Member, bare: str, deadline: float) -> None:
        async def work(call: Call) -> None:
            await (await member.compute()).delete_instance(InstanceRequest(bare), call)

        await member.gate.call("delete_instance", Effect.IDEMPOTENT, work, deadline=deadline)

    async def _wait_until_gone(self, member: Member, bare: str, deadline: float) -> None:
        async def work(call: Call) -> Instance:
            return await (await member.compute()).get_instance(InstanceRequest(bare), call)

        clock, pause = self._around.clock, _FIRST_PAUSE
        with contextlib.suppress(InstanceNotFoundError):
            while True:
                await member.gate.call("get_instance", Effect.READ, work, deadline=deadline)
                if clock.monotonic() + pause >= deadline:
                    raise CallTimeoutError(
                        f"instance {bare} came up broken and is still being deleted",
                        provider=member.name,
                        details={"id": bare},
                    )
                await clock.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)

    # All that is due

    async def run_due(self, deadline: float) -> None:
        """Look once after every intent that is due and that nobody alive works on, so that none is kept from its caller."""
        due = await self._journal.due()
        await asyncio.gather(*(self._one_due(intent, deadline) for intent in due))

    async def _one_due(self, intent: Intent, deadline: float) -> None:
        try:
            hold = await self._journal.take(intent)
            if hold is None:
                return
            async with hold:
                await self.look_after(hold, deadline, patient=False)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are looked after
            _log.info("intent %s is still open: %s", intent.id, error)

    async def keep_running(self) -> None:
        """Look after what is due, again and again."""
        clock = self._around.clock
        while True:
            try:
                await self.run_due(clock.monotonic() + SETTLE_SECONDS)
            except PurveyorError as error:  # whoever wants to buy is told as well, and others need not be
                _log.info("open intents cannot be looked after: %s", error)
            await clock.sleep(_LONGEST_PAUSE)


def uncertain(intent: Intent, cause: PurveyorError | None) -> UncertainOutcomeError:
    """What to say when a doubt cannot be settled in time."""
    why = f" ({cause.message})" if cause is not None else ""
    error = UncertainOutcomeError(
        f"the machine {intent.name} may have been made, the answer is lost{why}; intent {intent.id} keeps the doubt, and "
        f"the same request with the key {intent.key} goes on from there",
        provider=intent.provider,
        operation="create_instance",
        outcome=Outcome.UNKNOWN,
        details={"intent": intent.id, "key": intent.key, "mark": mark_of(intent).text, "name": intent.name},
    )
    error.__cause__ = cause
    return error
