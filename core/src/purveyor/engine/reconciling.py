"""Comparing the journal with the clouds."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta

import attrs

from purveyor.engine.machines import PROTECTED, Machines
from purveyor.engine.registry import Registry, Surroundings
from purveyor.engine.settling import Settler
from purveyor.model.errors import (
    ConflictError,
    InstanceNotFoundError,
    IntentNotFoundError,
    PurveyorError,
    ValidationError,
)
from purveyor.model.instance import Instance
from purveyor.model.intent import Doubt, Finding, FindingKind, Intent, IntentState, Reconciliation
from purveyor.model.views import View
from purveyor.policy.intents import STEPS, is_intents
from purveyor.policy.reconciling import compare
from purveyor.state.journal import Hold, Journal

__all__ = ["Order", "Reconciler"]

_DELETABLE = {FindingKind.ORPHAN, FindingKind.TWIN, FindingKind.LATE}


@attrs.frozen(kw_only=True)
class Order:
    """What a reconciliation is to do beyond looking.

    Attributes:
        apply: Adopt what is ours, finish what was given up, note what has vanished.
        delete: ``provider/id`` of findings to delete.
        min_age: Youngest that a machine to be deleted may be.
        owner: Look for this owner's machines instead of our own.
        adopt: Take that owner's machines over.
    """

    apply: bool = False
    delete: Collection[str] = ()
    min_age: timedelta = timedelta(hours=1)
    owner: str | None = None
    adopt: bool = False


class Reconciler:
    """Finds what journal and clouds do not agree on, and mends what it is told to."""

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        settler: Settler,
        machines: Machines,
        around: Surroundings,
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._settler = settler
        self._machines = machines
        self._around = around

    async def run(
        self, see: Callable[[], Awaitable[View[Instance]]], order: Order, deadline: float
    ) -> Reconciliation:
        """Look at everything, then do what was ordered.

        Raises:
            ValidationError: A machine is to be deleted that may not be; nothing was done.
        """
        owner = (await self._journal.identity()).owner
        intents = {intent.id: intent for intent in await self._journal.listing()}
        view = await see()
        fresh = {intent.id for intent in await self._journal.listing()} - intents.keys()
        members = [
            member for member in self._registry.offering("compute") if member.name not in view.failures
        ]
        findings = compare(
            [one for one in view.items if one.provider not in view.stale],
            intents,
            types={member.name: member.config.type for member in self._registry},
            graces={member.name: member.visibility_grace for member in members},
            owner=order.owner or owner,
            ours=order.owner in {None, owner},
            age=self._settler.age,
        )
        # What was bought while we looked is no orphan.
        findings = [finding for finding in findings if finding.intent not in fresh]
        self._check(findings, order)
        failures: dict[str, PurveyorError] = dict(view.failures)
        done = []
        for finding in findings:
            try:
                action = await self._mend(finding, order, deadline)
            except PurveyorError as error:
                failures.setdefault(finding.provider, error)
                action = f"failed: {error.message}"
            done.append(attrs.evolve(finding, action=action))
        return Reconciliation(findings=tuple(done), failures=failures)

    def _check(self, findings: Iterable[Finding], order: Order) -> None:
        """Only what was found, is ours, and is old enough may be deleted."""
        deletable = {_where(one): one for one in findings if one.kind in _DELETABLE and one.instance}
        for where in order.delete:
            finding = deletable.get(where)
            if finding is None or finding.instance is None:
                raise ValidationError(
                    f"{where!r} is no orphan of this journal; may be deleted: {', '.join(deletable) or 'nothing'}",
                    field="delete_orphans",
                )
            if PROTECTED in finding.instance.tags:
                raise ConflictError(
                    f"{where} carries the tag {PROTECTED!r}; take it off first", field="delete_orphans"
                )
            made = finding.instance.created_at
            if made is None or self._around.clock.now() - made < order.min_age:
                raise ValidationError(
                    f"{where} is younger than {order.min_age}, or does not tell its age; it is not deleted yet",
                    field="delete_orphans",
                )

    async def _mend(self, finding: Finding, order: Order, deadline: float) -> str:
        """What was done about one finding; empty if nothing was."""
        if _where(finding) in order.delete:
            return await self._delete(finding, deadline)
        if finding.kind is FindingKind.FOREIGN:
            return await self._adopt(finding, self._around.ids()) if order.adopt else ""
        if not order.apply or finding.kind is FindingKind.TWIN:
            return ""
        if finding.kind is FindingKind.ORPHAN:
            return await self._adopt(finding, finding.intent)
        return await self._go_on(finding, deadline)

    async def _delete(self, finding: Finding, deadline: float) -> str:
        """Delete a found machine, unless its intent has come to have it since; nobody may adopt it meanwhile."""
        async with contextlib.AsyncExitStack() as stack:
            with contextlib.suppress(IntentNotFoundError):
                intent = await self._journal.get(finding.intent)
                hold = await self._journal.take(intent)
                if hold is not None:
                    intent = (await stack.enter_async_context(hold)).intent
                kind = self._registry.get(finding.provider).config.type
                if finding.instance is not None and is_intents(finding.instance, kind, intent):
                    return ""
                if intent.state.doubtful:
                    raise ConflictError(
                        f"intent {finding.intent} is still in doubt, and its key would make another machine; "
                        f"'purveyor intents resolve {finding.intent}' keeps this one, with --tombstone it is given up",
                        provider=finding.provider,
                        details={"intent": finding.intent},
                    )
                if hold is None:
                    return "another process works on it"
            await self._machines.delete(_where(finding), force=False, deadline=deadline)
        return "deleted"

    async def _adopt(self, finding: Finding, intent_id: str) -> str:
        """Write down an intent for a machine that the journal does not know."""
        instance, now = finding.instance, self._around.clock.now()
        assert instance is not None  # noqa: S101 - such findings have one
        known = await self._journal.with_instance(instance.provider, instance.id)
        if any(intent.state.owns_machine for intent in known):
            return "adopted before"
        config = self._registry.get(instance.provider).config
        await self._journal.record(
            Intent(
                id=intent_id,
                key=f"adopted-{finding.intent}",
                position=0,
                owner=(await self._journal.identity()).owner,
                state=IntentState.ADOPTED,
                name=instance.name,
                digest={},
                provider=instance.provider,
                type=config.type,
                base_url=config.settings.base_url,
                instance_id=instance.id,
                created_at=now,
                updated_at=now,
                **self._journal.quiet(),
            )
        )
        return "adopted"

    async def _go_on(self, finding: Finding, deadline: float) -> str:
        """Bring the intent of a finding further."""
        intent = await self._journal.get(finding.intent)
        hold = await self._journal.take(intent)
        if hold is None:
            return "another process works on it"
        async with hold:
            return await self._bring_on(hold, finding, deadline)

    async def _bring_on(self, hold: Hold, finding: Finding, deadline: float) -> str:
        state, now = hold.intent.state, self._around.clock.now()
        if finding.kind is FindingKind.VANISHED:
            return await self._note_gone(hold, deadline)
        if state.doubtful:
            made = await self._settler.settle(hold, deadline)
            return "adopted" if made else "settled: nothing was made"
        if finding.instance is None:
            return ""
        if state in {IntentState.TOMBSTONED, IntentState.REAPED}:
            await hold.move(doubts=(*hold.intent.doubts, Doubt(finding.provider, now)))
            await self._settler.look_after(hold, deadline)
            return "deleted, as it was given up"
        if IntentState.ADOPTED not in STEPS[state]:
            return ""  # it was deleted, or somebody has come to an end with it meanwhile
        member = self._registry.get(finding.provider)
        await hold.move(
            IntentState.ADOPTED,
            provider=member.name,
            type=member.config.type,
            base_url=member.config.settings.base_url,
            instance_id=finding.instance.id,
            **self._journal.quiet(),
        )
        return "adopted"

    async def _note_gone(self, hold: Hold, deadline: float) -> str:
        """Ask for the machine once more: a row may have slipped to another page while the pages were walked through."""
        intent = hold.intent
        member = self._settler.provider_of(intent)
        if not intent.state.owns_machine or self._settler.age(intent) < member.visibility_grace:
            return ""
        try:
            await self._machines.find(f"{intent.provider}/{intent.instance_id}", deadline=deadline)
        except InstanceNotFoundError:
            await self._settler.machine_gone(hold, deadline)
            return "noted as deleted"
        return ""


def _where(finding: Finding) -> str:
    return f"{finding.provider}/{finding.id}"
