"""How a journal and what the clouds show differ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from purveyor.model.instance import Instance
from purveyor.model.intent import Finding, FindingKind, Intent, IntentState
from purveyor.policy.intents import is_intents, read_mark

__all__ = ["compare"]

_GIVEN_UP = {IntentState.TOMBSTONED, IntentState.REAPED}


def compare(
    machines: Iterable[Instance],
    intents: Mapping[str, Intent],
    *,
    types: Mapping[str, str],
    graces: Mapping[str, float],
    owner: str,
    ours: bool,
    age: Callable[[Intent], float],
) -> list[Finding]:
    """The differences, machines first.

    Args:
        machines: What exists.
        intents: All of the journal, by id.
        types: Provider to its type; machines of one type with one id are the same, seen through two providers.
        graces: Provider that was seen whole to the seconds until a new machine shows there.
        owner: Whose marks are looked for.
        ours: Whether the journal is that owner's.
        age: Seconds since an intent came to what it is.
    """
    findings, seen = [], set()
    for machine in machines:
        kind, mark = types.get(machine.provider, ""), read_mark(machine.tags)
        if (kind, machine.id) in seen:
            continue
        seen.add((kind, machine.id))
        if mark is None or mark.owner != owner:
            continue
        found = _machine(machine, kind, intents.get(mark.intent)) if ours else _foreign(machine)
        if found is not None:
            what, note = found
            findings.append(
                Finding(kind=what, provider=machine.provider, intent=mark.intent, instance=machine, note=note)
            )
    if ours:
        own = [intent for intent in intents.values() if intent.owner == owner and intent.provider in graces]
        marked = {finding.intent for finding in findings}
        findings += [
            finding
            for intent in own
            if intent.id not in marked
            for finding in _missing(intent, seen, visible=age(intent) >= graces[intent.provider or ""])
        ]
    return findings


def _foreign(machine: Instance) -> tuple[FindingKind, str]:
    return FindingKind.FOREIGN, f"{machine.name} carries another owner's mark"


def _machine(machine: Instance, kind: str, intent: Intent | None) -> tuple[FindingKind, str] | None:
    """What is odd about a machine of ours, if anything is."""
    if intent is None:
        return FindingKind.ORPHAN, "it carries our mark and the journal does not know it"
    same = is_intents(machine, kind, intent)
    if intent.state.owns_machine or intent.state is IntentState.DISCARDING:
        return None if same else (FindingKind.TWIN, f"intent {intent.id} has led to {intent.instance_id}")
    if f"{kind}/{machine.id}" in intent.discarded:
        return None  # gone, and still listed
    if intent.state in _GIVEN_UP:
        return FindingKind.LATE, "its intent was given up"
    if intent.state is IntentState.DELETED:
        return FindingKind.LATE, "it was deleted, and exists"
    return FindingKind.LATE, f"its intent is {intent.state.value}"


def _missing(intent: Intent, seen: set[tuple[str, str]], *, visible: bool) -> Iterable[Finding]:
    """What is odd about an intent without a machine."""
    provider = intent.provider or ""
    if intent.state.doubtful:
        yield Finding(
            kind=FindingKind.DOUBTFUL,
            provider=provider,
            intent=intent.id,
            note=f"the answer to the creation of {intent.name} is lost, and no such machine is there so far",
        )
    if intent.state.owns_machine and visible and (intent.type or "", intent.instance_id or "") not in seen:
        yield Finding(
            kind=FindingKind.VANISHED,
            provider=provider,
            intent=intent.id,
            note=f"{intent.name} ({intent.instance_id}) does not exist any more",
        )
