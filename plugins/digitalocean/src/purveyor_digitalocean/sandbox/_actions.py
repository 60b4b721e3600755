"""Actions: accepted one at a time per droplet, in progress for a while, then done."""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from purveyor_digitalocean.sandbox._create import check_name, policy
from purveyor_digitalocean.sandbox._networks import address6
from purveyor_digitalocean.sandbox._paging import Pager
from purveyor_digitalocean.sandbox._words import PENDING, missing_scope, not_found, unprocessable
from purveyor_digitalocean.sandbox._world import Droplet, Row, World
from purveyor_testing.sandbox import Answer, Call, Route

SECONDS = {
    "power_on": 10.0,
    "power_off": 5.0,
    "shutdown": 10.0,
    "reboot": 10.0,
    "power_cycle": 12.0,
    "resize": 60.0,
    "rebuild": 45.0,
    "restore": 60.0,
    "snapshot": 60.0,
    "rename": 2.0,
    "password_reset": 5.0,
    "enable_ipv6": 5.0,
    "enable_backups": 2.0,
    "disable_backups": 2.0,
    "change_backup_policy": 2.0,
    "change_kernel": 2.0,
}
"""How long each type takes."""

BULK = frozenset(
    {
        "power_cycle",
        "power_on",
        "power_off",
        "shutdown",
        "enable_ipv6",
        "enable_backups",
        "disable_backups",
        "snapshot",
    }
)
"""What can be done to all droplets of a tag (DigitalOcean API docs)."""

SCOPES = {
    "rebuild": "droplet:admin",
    "restore": "droplet:admin",
    "password_reset": "droplet:admin",
    "resize": "droplet:create",
    "snapshot": "image:create",
}
"""What some need besides droplet:update (DigitalOcean API docs)."""

Outcome = Callable[[], None]


@attrs.define(eq=False)
class Actions:
    """Answers for /v2/actions and below /v2/droplets."""

    world: World
    pager: Pager

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        of_one = "/v2/droplets/{id}/actions"
        return (
            Route("GET", "/v2/actions", self.index, "actions:read"),
            Route("GET", "/v2/actions/{action}", self.show, "actions:read"),
            Route("POST", "/v2/droplets/actions", self.act_tagged, "droplet:update tag:read"),
            Route("GET", of_one, self.of_droplet, "droplet:read"),
            Route("POST", of_one, self.act, "droplet:update"),
            Route("GET", f"{of_one}/{{action}}", self.show, "droplet:read"),
        )

    def index(self, call: Call) -> Answer:
        """GET /v2/actions: newest first."""
        return self.pager.page(call, "actions", list(reversed(self.world.actions.values())))

    def of_droplet(self, call: Call) -> Answer:
        """GET /v2/droplets/{id}/actions."""
        id_ = self.world.droplet(call.params["id"]).id
        rows = [row for row in self.world.actions.values() if row["resource_id"] == id_]
        return self.pager.page(call, "actions", rows[::-1])

    def show(self, call: Call) -> Answer:
        """GET /v2/actions/{action}, also below its droplet."""
        id_, droplet = call.params["action"], call.params.get("id")
        row = self.world.actions.get(int(id_)) if id_.isdecimal() else None
        if row is None or (droplet is not None and str(row["resource_id"]) != droplet):
            raise not_found()
        return Answer.json({"action": row})

    def act(self, call: Call) -> Answer:
        """POST /v2/droplets/{id}/actions."""
        droplet, body = self.world.droplet(call.params["id"]), call.json()
        return Answer.json({"action": self._start(droplet, _type(body), body, call)}, 201)

    def act_tagged(self, call: Call) -> Answer:
        """POST /v2/droplets/actions?tag_name=…: all or none of them."""
        body, tag = call.json(), call.query.get("tag_name")
        if not tag:
            raise unprocessable("tag_name is required.")
        if (type_ := _type(body)) not in BULK:
            raise unprocessable(f"{type_} can not be performed on a tag.")
        tagged = [one for one in self.world.droplets.values() if tag in one.tags]
        if any(one.busy for one in tagged):
            raise unprocessable(PENDING)
        return Answer.json({"actions": [self._start(one, type_, body, call) for one in tagged]}, 201)

    def _start(self, droplet: Droplet, type_: str, body: Row, call: Call) -> Row:
        if type_ in SCOPES and call.scopes is not None and SCOPES[type_] not in call.scopes:
            raise missing_scope()
        if droplet.busy:
            raise unprocessable(PENDING)
        outcome = _OUTCOMES[type_](self.world, droplet, body)
        seconds = self.world.behaviour.action_seconds
        call.effect("changed", "droplet", droplet.id, droplet.tags)
        return self.world.begin(droplet, type_, SECONDS[type_] if seconds is None else seconds, outcome)


def _type(body: Row) -> str:
    type_ = body.get("type")
    if not isinstance(type_, str) or type_ not in SECONDS:
        raise unprocessable("You specified an invalid action type.")
    return type_


# Each checks what the real API checks and returns what the action does once it is over.


def _power(status: str, word: str) -> Callable[[World, Droplet, Row], Outcome]:
    def check(world: World, droplet: Droplet, body: Row) -> Outcome:
        del world, body
        if droplet.row["status"] == status:
            raise unprocessable(f"Droplet is already powered {word}")
        return lambda: droplet.change(status=status)

    return check


def _shutdown(world: World, droplet: Droplet, body: Row) -> Outcome:
    del body
    _needs_running(droplet)
    if world.behaviour.shutdown_stays_active:
        return _nothing
    return lambda: droplet.change(status="off")


def _restart(world: World, droplet: Droplet, body: Row) -> Outcome:
    del world, body
    _needs_running(droplet)
    return _nothing


def _needs_running(droplet: Droplet) -> None:
    if droplet.row["status"] != "active":
        raise unprocessable("Droplet is powered off")


def _nothing() -> None:
    """What reboots and mails leave behind."""


def _quiet(world: World, droplet: Droplet, body: Row) -> Outcome:
    del world, droplet, body
    return _nothing


def _resize(world: World, droplet: Droplet, body: Row) -> Outcome:
    size = world.sizes.get(str(body.get("size")))
    if size is None or not size["available"]:
        raise unprocessable("You specified an invalid size for Droplet resize.")
    if droplet.row["region"]["slug"] not in size["regions"]:
        raise unprocessable("Size is not available in this region.")
    if droplet.row["status"] != "off":
        raise unprocessable("Droplet must be powered off to resize.")
    if size["disk"] < droplet.row["disk"]:
        raise unprocessable("This size is not available because it has a smaller disk.")
    disk = size["disk"] if body.get("disk") else droplet.row["disk"]
    slug, memory, vcpus = size["slug"], size["memory"], size["vcpus"]
    return lambda: droplet.change(size=size, size_slug=slug, memory=memory, vcpus=vcpus, disk=disk)


def _reimage(world: World, droplet: Droplet, body: Row) -> Outcome:
    image = world.image(body.get("image"))
    if image is None:
        raise unprocessable("You specified an invalid image.")
    return lambda: droplet.change(image=image, status="active")


def _rename(world: World, droplet: Droplet, body: Row) -> Outcome:
    del world
    check_name(body.get("name"))
    return lambda: droplet.change(name=body["name"])


def _snapshot(world: World, droplet: Droplet, body: Row) -> Outcome:
    name = body.get("name") or f"{droplet.row['name']}-{int(world.clock.now)}"

    def finish() -> None:
        image = world.add_image(_snapshot_row(world, droplet, name))
        droplet.change(snapshot_ids=[*droplet.row["snapshot_ids"], image["id"]])

    return finish


def _snapshot_row(world: World, droplet: Droplet, name: str) -> Row:
    return {
        "name": name,
        "distribution": droplet.row["image"]["distribution"],
        "slug": None,
        "public": False,
        "regions": [droplet.row["region"]["slug"]],
        "created_at": world.time(),
        "min_disk_size": droplet.row["disk"],
        "type": "snapshot",
        "size_gigabytes": 2.36,
        "description": "",
        "tags": [],
        "status": "available",
    }


def _feature(feature: str) -> Callable[[Droplet], None]:
    def add(droplet: Droplet) -> None:
        if feature not in droplet.row["features"]:
            droplet.change(features=[*droplet.row["features"], feature])

    return add


def _enable_ipv6(world: World, droplet: Droplet, body: Row) -> Outcome:
    del world, body

    def finish() -> None:
        _feature("ipv6")(droplet)
        droplet.change(networks={**droplet.row["networks"], "v6": [address6(droplet.number)]})

    return finish


def _backups(world: World, droplet: Droplet, body: Row) -> Outcome:
    del world

    def finish() -> None:
        _feature("backups")(droplet)
        droplet.backup_policy = policy(body.get("backup_policy"))

    return finish


def _no_backups(world: World, droplet: Droplet, body: Row) -> Outcome:
    del world, body

    def finish() -> None:
        droplet.backup_policy = None
        droplet.change(features=[one for one in droplet.row["features"] if one != "backups"])

    return finish


_OUTCOMES: dict[str, Callable[[World, Droplet, dict[str, Any]], Outcome]] = {
    "power_on": _power("active", "on"),
    "power_off": _power("off", "off"),
    "shutdown": _shutdown,
    "reboot": _restart,
    "power_cycle": _restart,
    "resize": _resize,
    "rebuild": _reimage,
    "restore": _reimage,
    "snapshot": _snapshot,
    "rename": _rename,
    "password_reset": _quiet,
    "enable_ipv6": _enable_ipv6,
    "enable_backups": _backups,
    "disable_backups": _no_backups,
    "change_backup_policy": _backups,
    "change_kernel": _quiet,
}
