"""/v4/linode/instances: create, find, change, delete."""

from collections.abc import Iterable, Iterator

import attrs

from purveyor_linode.sandbox import _checks as checks
from purveyor_linode.sandbox._create import Order, build, read_order
from purveyor_linode.sandbox._events import entity
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._jobs import Job, delete, plan
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import BUSY, InvalidError, Problem, invalid, reply
from purveyor_linode.sandbox._world import Linode, World, about
from purveyor_testing.sandbox import Answer, Call, Route

INSTANCES = "/v4/linode/instances"
FIELDS = (
    "id",
    "label",
    "region",
    "image",
    "group",
    "tags",
    "ipv4",
    "interface_generation",
    "placement_group.label",
    "placement_group.placement_group_type",
)
_EMPTY_SECONDS = 3.0
"""How long it takes to provision a Linode without an image."""
_UNTOUCHABLE = frozenset({"deleting", "cloning", "restoring"})


@attrs.define(eq=False)
class Linodes:
    """Answers for Linodes as such; their jobs and what belongs to them are elsewhere."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one = f"{INSTANCES}/{{id}}"
        return (
            Route("GET", INSTANCES, self.index, "linodes:read_only"),
            Route("POST", INSTANCES, self.create, "linodes:read_write"),
            Route("GET", one, self.show, "linodes:read_only"),
            Route("PUT", one, self.update, "linodes:read_write"),
            Route("DELETE", one, self.delete, "linodes:read_write"),
        )

    # Finding.

    def index(self, call: Call) -> Answer:
        """GET /linode/instances."""
        rows = self.world.listed(call)
        return page(call, rows, FIELDS, vanish=lambda one: self._vanish(one, call))

    def _vanish(self, linode: Linode, call: Call) -> None:
        self.world.remove(linode)
        call.effect("deleted", "linode", linode.id, linode.tags)

    def show(self, call: Call) -> Answer:
        """GET /linode/instances/{id}."""
        return reply(self.world.linode(call.params["id"]).rendered())

    # Creating.

    def create(self, call: Call) -> Answer:
        """POST /linode/instances."""
        order = read_order(self.world, call)
        linode = build(self.world, order, call.lag)
        call.effect("created", "linode", linode.id, linode.tags)
        self.provision(linode, order)
        return reply(linode.rendered())

    def provision(self, linode: Linode, order: Order) -> None:
        """Let a new Linode come to life: with an image it boots, unless told otherwise."""
        world, behaviour, image = self.world, self.world.behaviour, order.image
        seconds = behaviour.provision_seconds if image else _EMPTY_SECONDS
        secondary = image and entity("image", image["id"], image["label"], f"/images/{image['id']}")
        job = Job("linode_create", [("provisioning", seconds)], "offline", lambda: ready(linode), secondary)
        created = plan(world, linode, job, 0.0)
        if image is None or order.body.get("booted") is False or created.doomed:
            return
        config = linode.configs[0]
        profile = entity(
            "linode_config", config["id"], config["label"], f"{INSTANCES[3:]}/{linode.id}/configs"
        )
        boot = Job("linode_boot", [("booting", behaviour.boot_seconds)], "running", secondary=profile)
        plan(world, linode, boot, seconds + behaviour.idle_seconds)

    def seed(self, count: int, order: Order) -> list[int]:
        """Running Linodes, without asking the account's limit; returns their ids."""
        ids = []
        for number in range(len(self.world.linodes) + 1, len(self.world.linodes) + 1 + count):
            linode = build(self.world, attrs.evolve(order, label=f"seeded-{number:05d}"))
            ready(linode)
            linode.change(status="running")
            linode.found_at = linode.listed_at = self.world.clock.now
            linode.rendered()
            ids.append(linode.id)
        return ids

    # Changing.

    def update(self, call: Call) -> Answer:
        """PUT /linode/instances/{id}: what is not named stays."""
        linode, body = self.world.linode(call.params["id"]), call.json()
        if problems := list(self._problems(linode, body)):
            raise InvalidError(problems)
        if "label" in body and body["label"] != linode.label:
            self.world.relabel(linode, body["label"])
        linode.change(**_changes(linode.row, body), updated=self.world.time())
        call.effect("changed", "linode", linode.id, linode.tags)
        self.world.note("linode_update", about(linode))
        return reply(linode.rendered())

    def _problems(self, linode: Linode, body: Row) -> Iterator[Problem]:
        if "label" in body:
            yield from checks.label(self.world, body["label"], linode.label)
        if "tags" in body:
            yield from checks.tags(body["tags"])
        if not isinstance(body.get("alerts") or {}, dict) or not isinstance(body.get("backups") or {}, dict):
            yield None, "alerts and backups must be objects"

    # Deleting.

    def delete(self, call: Call) -> Answer:
        """DELETE /linode/instances/{id}: even while it is provisioned, but not while it is cloned."""
        linode = self.world.linode(call.params["id"])
        if linode.status in _UNTOUCHABLE:
            raise invalid(BUSY)
        delete(self.world, linode)
        call.effect("deleted", "linode", linode.id, linode.tags)
        return reply()


def ready(linode: Linode) -> None:
    """Its disks can be used."""
    for disk in linode.disks:
        disk["status"] = "ready"


def _changes(row: Row, body: Row) -> Row:
    changes: Row = {
        key: body[key] for key in ("group", "watchdog_enabled", "maintenance_policy") if key in body
    }
    if "tags" in body:
        changes["tags"] = sorted(set(body["tags"]))
    if body.get("alerts"):
        changes["alerts"] = {**row["alerts"], **body["alerts"]}
    if schedule := (body.get("backups") or {}).get("schedule"):
        changes["backups"] = {**row["backups"], "schedule": {**row["backups"]["schedule"], **schedule}}
    return changes
