"""Intents: what was to be bought, what is known about it, and how it compares with what exists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

import attrs

from purveyor.model.errors import PurveyorError
from purveyor.model.instance import Instance

__all__ = ["Doubt", "Finding", "FindingKind", "Intent", "IntentState", "Reconciliation"]


class IntentState(Enum):
    """How far one intent has come.

    ```
    PLANNED ─► SENT ─► CONFIRMED ─► DISCARDING ─► DISCARDED ─► (SENT again, elsewhere)
                 ├───► REFUSED ─► (SENT again)
                 └───► UNKNOWN ─► ADOPTED
                          ├─────► ABSENT ─► (SENT again)
                          └─────► TOMBSTONED ─► REAPED
    ```
    """

    PLANNED = "planned"
    """Nothing was sent."""
    SENT = "sent"
    """A request may be on its way."""
    CONFIRMED = "confirmed"
    """The provider said that it made the machine."""
    REFUSED = "refused"
    """The last provider that was asked said no."""
    UNKNOWN = "unknown"
    """The answer is lost; the machine may exist."""
    ADOPTED = "adopted"
    """The answer was lost and the machine was found."""
    ABSENT = "absent"
    """The answer was lost and the machine surely does not exist."""
    DISCARDING = "discarding"
    """The machine came up broken and is being deleted."""
    DISCARDED = "discarded"
    """The broken machine is gone."""
    TOMBSTONED = "tombstoned"
    """Given up while the answer was lost; a late arrival is deleted."""
    REAPED = "reaped"
    """Given up, and no machine is left."""
    DELETED = "deleted"
    """The machine was deleted on request, or found to be gone."""

    @property
    def owns_machine(self) -> bool:
        """Whether the intent has led to a machine that exists as far as is known."""
        return self in {IntentState.CONFIRMED, IntentState.ADOPTED}

    @property
    def wants_machine(self) -> bool:
        """Whether the intent has none that is kept, so that its key makes one."""
        return self in _WANTING

    @property
    def came_to_an_end(self) -> bool:
        """Whether the intent has had its machine, so that its key makes no other."""
        return self.owns_machine or self is IntentState.DELETED

    @property
    def doubtful(self) -> bool:
        """Whether a machine may exist that is not known."""
        return self in {IntentState.SENT, IntentState.UNKNOWN}


_WANTING = {
    IntentState.PLANNED,
    IntentState.REFUSED,
    IntentState.ABSENT,
    IntentState.DISCARDING,
    IntentState.DISCARDED,
}


@attrs.frozen
class Doubt:
    """A provider that is to be looked at once more, because a request whose answer was lost may take effect late.

    Attributes:
        due: When; aware, UTC.
    """

    provider: str
    due: datetime


@attrs.frozen(kw_only=True)
class Intent:
    """The intention to have one machine, and what has become of it.

    Attributes:
        id: Names it; part of the mark that the machine carries.
        key: The caller's key, or a minted one.
        position: Which of the key's machines it is, from 0.
        owner: Owner id of the journal that it was written in.
        state: How far it has come.
        name: The machine's name.
        digest: Field of the request to a keyed hash of its value; tells whether a request is the same, and nothing else.
        provider: Who was asked last; None before anyone was.
        type: That provider's type.
        base_url: The address that was configured for it; None for the vendor's own.
        instance_id: The machine's id there, once there is one.
        discarded: ``type/id`` of machines that were deleted: they came up broken, or were one too many.
        doubts: Where a late arrival is still to be looked for.
        marked: Whether the provider may keep the mark as an object of its own, which is to be removed in the end.
        error: What went wrong last.
        holder: Process that works on it; empty if none does.
        version: Counts its changes.
        boot: The machine's run in which ``quiet_after`` is measured.
        quiet_after: Monotonic seconds after which surely nothing more is sent for it.
        sent_at: When the last request was sent.
        created_at: When it was planned.
        updated_at: When it changed last.
    """

    id: str
    key: str
    position: int
    owner: str
    state: IntentState
    name: str
    digest: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    provider: str | None = None
    type: str | None = None
    base_url: str | None = None
    instance_id: str | None = None
    discarded: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    marked: bool = False
    error: str | None = None
    holder: str = ""
    version: int = 0
    boot: str = ""
    quiet_after: float = 0.0
    sent_at: datetime | None = None


class FindingKind(Enum):
    """How journal and clouds differ."""

    ORPHAN = "orphan"
    """A machine with our owner's mark that no intent knows."""
    TWIN = "twin"
    """A second machine of an intent that has one."""
    LATE = "late"
    """A machine of an intent that was not known to have one."""
    VANISHED = "vanished"
    """An intent's machine that does not exist any more."""
    DOUBTFUL = "doubtful"
    """An intent whose answer is lost and whose machine is not there (yet)."""
    FOREIGN = "foreign"
    """A machine with the mark of another owner that was asked for."""


@attrs.frozen(kw_only=True)
class Finding:
    """One difference between the journal and the clouds.

    Attributes:
        kind: What differs.
        provider: Where.
        instance: The machine, with its price where that is known; None if there is none.
        intent: Id of the intent.
        note: What it means, for people.
        action: What was done about it; empty if nothing was.
    """

    kind: FindingKind
    provider: str
    intent: str
    instance: Instance | None = None
    note: str = ""
    action: str = ""

    @property
    def id(self) -> str:
        """The machine's id, or else the intent's."""
        return self.instance.id if self.instance else self.intent


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What the journal and the clouds do not agree on.

    Attributes:
        findings: The differences, provider by provider.
        failures: Provider to why it could not be looked at, or not be mended.
    """

    findings: tuple[Finding, ...]
    failures: Mapping[str, PurveyorError] = attrs.field(factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every provider was seen whole and everything that was to be done was done."""
        return not self.failures
