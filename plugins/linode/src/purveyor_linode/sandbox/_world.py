"""The state of the sandbox's cloud, and how it changes with time."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import attrs

from purveyor_linode.sandbox import _catalogue_data as catalogue
from purveyor_linode.sandbox import _image_data as software
from purveyor_linode.sandbox._behaviour import Behaviour
from purveyor_linode.sandbox._events import Event, entity
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._words import not_found
from purveyor_testing.sandbox import Call, Clock, Machine, Seeded

USERNAME = "sandbox"


@attrs.define(eq=False)
class Linode(Machine):
    """One Linode: its row as the API shows it, and what the API does not show."""

    disks: list[Row] = attrs.field(factory=list)
    configs: list[Row] = attrs.field(factory=list)
    snapshots: list[Row] = attrs.field(factory=list)
    firewalls: list[int] = attrs.field(factory=list)
    busy_until: float = 0.0
    """Until then a job is scheduled or under way, and no other is accepted."""
    pending: list[Event] = attrs.field(factory=list)
    """The events of its jobs."""

    @property
    def label(self) -> str:
        """Its label, unique in the account."""
        label: str = self.row["label"]
        return label

    @property
    def status(self) -> str:
        """Its status, in the API's words."""
        status: str = self.row["status"]
        return status


@attrs.define(eq=False)
class World:
    """Everything that there is in the account."""

    clock: Clock
    chance: Seeded
    behaviour: Behaviour
    linodes: dict[int, Linode] = attrs.field(factory=dict, init=False)
    gone: list[tuple[Linode, float]] = attrs.field(factory=list, init=False)
    """Deleted Linodes and when: they are still billed for the time that they were there."""
    labels: dict[str, int] = attrs.field(factory=dict, init=False)
    released_at: dict[str, float] = attrs.field(factory=dict, init=False)
    """From when on the label of a Linode that is gone is free again."""
    events: dict[int, Event] = attrs.field(factory=dict, init=False)
    images: dict[str, Row] = attrs.field(init=False)
    scripts: dict[int, Row] = attrs.field(factory=dict, init=False)
    keys: dict[int, Row] = attrs.field(factory=dict, init=False)
    firewalls: dict[int, Row] = attrs.field(factory=dict, init=False)
    tags: set[str] = attrs.field(factory=set, init=False)
    types: dict[str, Row] = attrs.field(init=False)
    regions: dict[str, Row] = attrs.field(init=False)
    grants: dict[str, Row] = attrs.field(factory=dict, init=False)
    """What the restricted users behind tokens may do."""
    doomed: Counter[str] = attrs.field(factory=Counter, init=False)
    """How many of the next events of an action end failed."""
    account_uuid: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.types = {row["id"]: row for row in catalogue.types()}
        self.regions = {row["id"]: row for row in catalogue.regions()}
        self.images = {row["id"]: row for row in software.images()}
        for row in software.scripts():
            self.add_script(row)
        self.account_uuid = self.chance.uuid("account").upper()

    def time(self, moment: float | None = None) -> str:
        """A moment, or now, as the API writes it: UTC, and not saying so."""
        then = self.clock.now if moment is None else moment
        return datetime.fromtimestamp(then, UTC).replace(tzinfo=None).isoformat(timespec="seconds")

    def lifecycle(self, seconds: float) -> float:
        """Seconds of the real thing in sandbox time."""
        return self.clock.lifecycle(seconds)

    # Linodes.

    def linode(self, id_: str) -> Linode:
        """The Linode that a path names, if it can be found by now."""
        found = self.linodes.get(int(id_)) if id_.isdecimal() else None
        if found is None or found.found_at > self.clock.now:
            raise not_found()
        return found

    def listed(self, call: Call) -> list[Linode]:
        """What lists show by now, oldest first."""
        now = self.clock.now
        late = now - call.lag
        return [one for one in self.linodes.values() if one.listed_at <= now and one.created_at <= late]

    def add(self, linode: Linode) -> None:
        """Put a Linode into the account."""
        self.linodes[linode.id] = linode
        self.labels[linode.label] = linode.id

    def taken(self, label: str) -> bool:
        """Whether a label belongs to a Linode, or did until just now."""
        return label in self.labels or self.released_at.get(label, 0.0) > self.clock.now

    def relabel(self, linode: Linode, label: str) -> None:
        """Give a Linode another label."""
        del self.labels[linode.label]
        self.labels[label] = linode.id
        linode.change(label=label)

    def remove(self, linode: Linode) -> None:
        """Let a Linode be gone for good, unless it is already."""
        if linode.id not in self.linodes:
            return
        del self.linodes[linode.id], self.labels[linode.label]
        release = self.lifecycle(self.behaviour.label_release_seconds)
        self.released_at[linode.label] = self.clock.now + release
        self.gone.append((linode, self.clock.now))

    # Events.

    def event(
        self, action: str, about: Row, starts: float, ends: float, secondary: Row | None = None
    ) -> Event:
        """Note something that is done between two moments; it may be doomed."""
        fixed: Row = {
            "id": self.chance.number("event", 1_560_000_000),
            "created": self.time(),
            "action": action,
            "username": USERNAME,
            "entity": about,
            "secondary_entity": secondary,
        }
        doomed = self.doomed[action] > 0
        self.doomed[action] -= 1 if doomed else 0
        visible_at = self.clock.now + self.lifecycle(self.behaviour.event_lag)
        event = self.events[fixed["id"]] = Event(fixed, visible_at, starts, ends, doomed)
        return event

    def note(self, action: str, about: Row) -> None:
        """Note something that was done at once."""
        self.event(action, about, self.clock.now, self.clock.now)

    # The rest.

    def add_script(self, row: Row) -> Row:
        """Give a StackScript its id and keep it."""
        script = {"id": self.chance.number("script", 1_000_000), **row}
        self.scripts[script["id"]] = script
        return script

    def all_tags(self) -> list[str]:
        """Every tag that was made or is carried."""
        return sorted(self.tags.union(*(one.tags for one in self.linodes.values())))

    def carrying(self, tag: str) -> Iterable[Linode]:
        """Linodes with a tag."""
        return (one for one in self.linodes.values() if tag in one.tags)


def about(linode: Linode) -> Row:
    """A Linode as the entity of an event."""
    return entity("linode", linode.id, linode.label, f"/linode/instances/{linode.id}")
