"""The state of the sandbox's cloud, and how it changes with time."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from purveyor_digitalocean.sandbox import _catalogue_data as catalogue
from purveyor_digitalocean.sandbox._behaviour import Behaviour
from purveyor_digitalocean.sandbox._words import not_found
from purveyor_testing.sandbox import Call, Clock, Machine, Seeded, rfc3339

Row = dict[str, Any]


@attrs.define(eq=False)
class Droplet(Machine):
    """One droplet: its row as the API shows it, and what the API does not show."""

    monitoring: bool = False
    public: bool = True
    """Whether it gets public addresses."""
    backup_policy: Row | None = None
    busy: bool = False
    """Whether an action is in progress; then no other is accepted."""

    @property
    def gpu(self) -> bool:
        """Whether it is a GPU droplet, which default lists leave out."""
        return "gpu_info" in self.row["size"]


@attrs.define(eq=False)
class World:
    """Everything that there is in the account."""

    clock: Clock
    chance: Seeded
    behaviour: Behaviour
    droplets: dict[int, Droplet] = attrs.field(factory=dict, init=False)
    gone: list[Droplet] = attrs.field(factory=list, init=False)
    """Deleted droplets: they are still billed for the time that they were there."""
    deleted_at: dict[int, float] = attrs.field(factory=dict, init=False)
    actions: dict[int, Row] = attrs.field(factory=dict, init=False)
    images: dict[int, Row] = attrs.field(factory=dict, init=False)
    keys: dict[int, Row] = attrs.field(factory=dict, init=False)
    tags: dict[str, str] = attrs.field(factory=dict, init=False)
    """Lower case to canonical: whoever writes a tag first decides its case (DigitalOcean API docs)."""
    sizes: dict[str, Row] = attrs.field(init=False)
    regions: dict[str, Row] = attrs.field(init=False)
    applications: frozenset[str] = attrs.field(init=False)
    doomed: Counter[str] = attrs.field(factory=Counter, init=False)
    """How many of the next actions of a type end errored."""
    vpc_uuid: str = attrs.field(init=False)
    account_uuid: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sizes = {row["slug"]: row for row in catalogue.sizes()}
        self.regions = {row["slug"]: row for row in catalogue.regions()}
        apps = catalogue.applications()
        self.applications = frozenset(row["slug"] for row in apps)
        for row in (*catalogue.distributions(), *apps):
            self.add_image(row)
        self.vpc_uuid = self.chance.uuid("account")
        self.account_uuid = self.chance.uuid("account").replace("-", "")

    def time(self, moment: float | None = None) -> str:
        """A moment, or now, as the API writes it."""
        return rfc3339(self.clock.now if moment is None else moment)

    def lifecycle(self, seconds: float) -> float:
        """Seconds of the real thing in sandbox time."""
        return self.clock.lifecycle(seconds)

    # Droplets.

    def droplet(self, id_: str) -> Droplet:
        """The droplet that a path names, if it can be found by now."""
        found = self.droplets.get(int(id_)) if id_.isdecimal() else None
        if found is None or found.found_at > self.clock.now:
            raise not_found()
        return found

    def delete(self, droplet: Droplet, call: Call) -> None:
        """Take a droplet away."""
        del self.droplets[droplet.id]
        self.gone.append(droplet)
        self.deleted_at[droplet.id] = self.clock.now
        call.effect("deleted", "droplet", droplet.id, droplet.tags)

    # Actions.

    def begin(
        self,
        droplet: Droplet,
        type_: str,
        seconds: float,
        outcome: Callable[[], None] = lambda: None,
    ) -> Row:
        """Start an action that ends with `outcome`, unless it is doomed or its droplet goes away."""
        action = self._action(droplet, type_)
        droplet.busy = True
        droplet.change(locked=True)
        doomed = self.doomed[type_] > 0
        self.doomed[type_] -= 1 if doomed else 0

        def finish() -> None:
            alive = droplet.id in self.droplets
            if alive and not doomed:
                outcome()
            droplet.busy = False
            droplet.change(locked=False)
            status = "completed" if alive and not doomed else "errored"
            action.update(status=status, completed_at=self.time())

        self.clock.after(self.lifecycle(seconds), finish)
        return action

    def _action(self, droplet: Droplet, type_: str) -> Row:
        action = {
            "id": self.chance.number("action", 2_200_000_000),
            "status": "in-progress",
            "type": type_,
            "started_at": self.time(),
            "completed_at": None,
            "resource_id": droplet.id,
            "resource_type": "droplet",
            "region": droplet.row["region"],
            "region_slug": droplet.row["region"]["slug"],
        }
        self.actions[action["id"]] = action
        return action

    # Images.

    def add_image(self, row: Row) -> Row:
        """Give an image its id and keep it."""
        image = {"id": self.chance.number("image", 150_000_000), **row}
        self.images[image["id"]] = image
        return image

    def image(self, wanted: object) -> Row | None:
        """An image by id (number or digits) or by slug."""
        if isinstance(wanted, int) or (isinstance(wanted, str) and wanted.isdecimal()):
            return self.images.get(int(wanted))
        return next((row for row in self.images.values() if row["slug"] == wanted and wanted), None)

    # Keys and tags.

    def key(self, wanted: object) -> Row | None:
        """An SSH key by id (number or digits) or fingerprint."""
        if isinstance(wanted, int) or (isinstance(wanted, str) and wanted.isdecimal()):
            return self.keys.get(int(wanted))
        return next((row for row in self.keys.values() if row["fingerprint"] == wanted), None)

    def canonical(self, tags: Iterable[str]) -> list[str]:
        """Tags in the case in which they were first written; new ones come into being."""
        return sorted({self.tags.setdefault(tag.lower(), tag) for tag in tags})
