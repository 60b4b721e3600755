"""What must hold, whatever happens; judged by what is true at the clouds and not by what anybody says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from purveyor.model.guards import BreakerPhase
from purveyor.model.intent import Finding
from purveyor.model.selection import Provisioned
from purveyor.plugin import Instance, Mark, Marking
from purveyor_testing.simulation.cloud import Cloud, Machine
from purveyor_testing.simulation.disk import Row

if TYPE_CHECKING:
    from purveyor_testing.simulation.process import Host, Process
    from purveyor_testing.simulation.world import World

__all__ = ["OPEN", "Judge", "Slot"]

_HAS = {"confirmed", "adopted", "discarding"}
OPEN = frozenset({"sent", "unknown", "discarding", "tombstoned"})
"""States that must not last, once nothing goes wrong any more."""


@attrs.frozen
class Slot:
    """One machine of a request."""

    owner: str
    key: str
    position: int


@attrs.frozen(eq=False)
class _Probe:
    """A call under way that was let out half open.

    Attributes:
        memory: Where the breaker is remembered that let it out.
        skew: How wrong the time of day was, by which others know when to give it up.
    """

    process: Process
    provider: str
    memory: object
    skew: timedelta


class Judge:
    """Watches the clouds' doors, and looks at everything in the end.

    Attributes:
        broken: Invariants that do not hold, each once.
        unwanted: Machines that somebody has told Purveyor to delete, and intents that somebody has told it to give up.
    """

    def __init__(self, world: World) -> None:
        self.broken: list[str] = []
        self.unwanted: set[str] = set()
        self._world = world
        self._slots: dict[str, Slot] = {}
        self._probes: list[_Probe] = []
        self._reported: defaultdict[str, set[str]] = defaultdict(set)
        self._told: list[Machine] = []
        self._unwritten: list[Machine] = []
        for cloud in world.clouds.values():
            cloud.on_made = self._made

    def fail(self, what: str) -> None:
        """An invariant does not hold."""
        self._world.note("BROKEN: {}", what)
        if what not in self.broken:
            self.broken.append(what)

    # At the clouds' doors

    @contextmanager
    def called(self, process: Process, provider: str, phase: BreakerPhase) -> Iterator[None]:
        """A call goes out, as one that the process knew its breaker to be in that phase for."""
        if phase is BreakerPhase.OPEN:
            self.fail(f"{process.name} called {provider}, whose breaker is open")
        if phase is not BreakerPhase.HALF_OPEN:
            yield
            return
        host = process.host
        probe = _Probe(process, provider, host if self._world.guards_shared else process, host.skew)
        self._world.note("{} probes {}", process.name, provider)
        for other in self._probes:
            # A process that is dead asks no more, and a clock that is set makes others give a probe up early.
            same = other.provider == provider and other.memory is probe.memory and other.skew == probe.skew
            if same and other.process.alive:
                self.fail(f"{process.name} and {other.process.name} probed {provider} at the same time")
        self._probes.append(probe)
        try:
            yield
        finally:
            self._probes.remove(probe)

    def asked(self, process: Process, provider: str, cloud: Cloud, mark: Mark) -> None:
        """A creation has arrived."""
        if process.host.is_foreign:
            self.fail(f"{process.name} buys with another host's journal")
        row = process.host.disk.durable.get(mark.intent)
        if row is None or row.state != "sent" or row.provider != provider:
            self.fail(f"a creation reached {provider} before it was safely written down ({row})")
        if row is None:
            return
        if mark.owner != row.owner:
            self.fail(f"{mark.text} carries another owner than {row.owner}")
        self._slots[mark.intent] = Slot(row.owner, row.key, row.position)
        if self._world.faults.beyond:
            return
        for other in self._world.clouds.values():
            if other is cloud and cloud.marking is not Marking.TAG:
                continue  # asking again cannot make a second one there
            if other.live(mark.text) or other.may_make(mark.text):
                self.fail(f"{provider} was asked before the end at {other.name} was known")

    def _made(self, machine: Machine) -> None:
        """A machine was made."""
        assert machine.mark is not None  # noqa: S101 - only such are told of
        if (
            not self._world.faults.beyond
            and len(self._live(self._slots[machine.mark.intent], wanted=True)) > 1
        ):
            self.fail(f"a second machine was made for {self._slots[machine.mark.intent]}: {machine.id}")

    def deletes(self, process: Process, cloud: Cloud, machine: Machine) -> None:
        """A process has a machine deleted."""
        if machine.mark is None or machine.mark.owner != process.host.disk.owner():
            self.fail(f"{machine.id} at {cloud.name} was deleted, and is somebody else's")

    def unmarks(self, process: Process, cloud: Cloud, mark: Mark) -> None:
        """A process has a mark removed."""
        if mark.owner != process.host.disk.owner():
            self.fail(f"{mark.text} was removed, and is somebody else's")
        for machine in cloud.live(mark.text):
            if not machine.deleting:
                self.fail(f"the mark of {machine.id} was removed, and it lives")

    # What callers are told

    def reported(self, host: Host, made: Provisioned) -> None:
        """A caller was told that these are its machines; and that they are not written down, where they are not."""
        rows, warned = host.disk.rows(), " ".join(made.warnings)
        for told in made.instances:
            machine = self._machine(told)
            if machine is None or machine.mark is None:
                self.fail(f"{told.id} was reported, and was never made")
                continue
            self._reported[machine.mark.intent].add(machine.id)
            row = rows.get(machine.mark.intent)
            if row is None or row.state in {"planned", "sent", "unknown"}:
                self._unwritten.append(machine)
                if machine.mark.intent not in warned:
                    self.fail(f"{told.id} was reported as if it were written down ({row})")
            self._told.append(machine)

    def _machine(self, told: Instance) -> Machine | None:
        account = next(
            one.own.account for one in self._world.setup.configuration.providers if one.name == told.provider
        )
        return self._world.clouds[account].machines.get(told.id)

    # In the end

    def conclude(self, host: Host, findings: Iterable[Finding]) -> None:
        """Everything has come to rest; judge what a host's journal says and what was found to differ."""
        every, owner = host.disk.rows(), host.disk.owner()
        rows = {intent: row for intent, row in every.items() if row.owner == owner}
        self._untouched(host.left, every)
        self._kept()
        found = {finding.instance.id for finding in findings if finding.instance}
        known = {row.instance_id: row for row in rows.values() if row.instance_id}
        # What was never written down and is deleted by somebody was never there, as far as the journal can know.
        unseen = {one.id for one in self._unwritten if one.deleted_by == "somebody" or self._is_unwanted(one)}
        for cloud in self._world.clouds.values():
            for machine in cloud.machines.values():
                if machine.mark is not None and machine.mark.owner == owner:
                    self._ours(machine, known.get(machine.id), listed=machine.id in found)
                elif machine.id in known:
                    self.fail(f"{machine.id} is in the journal of {host.name}, and is somebody else's")
        for intent, row in rows.items():
            if row.state in OPEN:
                self.fail(f"intent {intent} of {row.key} is still {row.state}")
        for intent, slot in self._slots.items():
            if slot.owner == owner:
                self._slot(slot, self._reported[intent] - unseen)

    def _kept(self) -> None:
        """What callers were told of was deleted by nobody but those who ordered it."""
        for machine in self._told:
            if machine.deleted_by not in {"", "somebody"} and not self._is_unwanted(machine):
                self.fail(f"{machine.id} was reported, and {machine.deleted_by} has deleted it")

    def _is_unwanted(self, machine: Machine) -> bool:
        """Whether somebody has ordered to let it go."""
        return bool({machine.id, machine.mark and machine.mark.intent} & self.unwanted)

    def _untouched(self, left: Mapping[str, Row], now: Mapping[str, Row]) -> None:
        """What a journal said when it was copied from another host, and what it says now."""
        for intent, row in left.items():
            if now.get(intent) != row:
                self.fail(f"what {row.owner} has left of {intent} was {row} and is {now.get(intent)}")

    def _ours(self, machine: Machine, row: Row | None, *, listed: bool) -> None:
        """A machine of the journal's owner, and what the journal says of it."""
        if machine.gone is not None:
            return
        if not (row and row.state in _HAS) and not listed:
            self.fail(f"{machine.id} lives, and neither the journal nor reconcile tells of it")
        if row and row.state == "deleted":
            self.fail(f"the journal says that {machine.id} is deleted, and it lives")

    def _slot(self, slot: Slot, reported: set[str]) -> None:
        """One machine of a request, and what callers were told."""
        if len(self._live(slot)) > 1:
            self.fail(f"{slot.key}/{slot.position} has {len(self._live(slot))} machines")
        if len(reported) > 1:
            self.fail(f"{slot.key}/{slot.position} was reported as {sorted(reported)}")

    def _live(self, slot: Slot, *, wanted: bool = False) -> list[Machine]:
        """A slot's machines: all, or only those that are still wanted."""
        given_up = {
            intent
            for host in self._world.hosts
            for intent, row in host.disk.rows().items()
            if wanted and row.state in {"tombstoned", "reaped"}
        }
        return [
            machine
            for intent, one in self._slots.items()
            if one == slot and intent not in given_up
            for cloud in self._world.clouds.values()
            for machine in cloud.live(f"pv-{slot.owner}-{intent}")
        ]
