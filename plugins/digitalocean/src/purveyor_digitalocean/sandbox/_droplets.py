"""/v2/droplets: create, find, delete."""

from collections.abc import Iterable

import attrs

from purveyor_digitalocean.sandbox._create import Order, build, read_order
from purveyor_digitalocean.sandbox._networks import networks
from purveyor_digitalocean.sandbox._paging import REAL_ORIGIN, Pager
from purveyor_digitalocean.sandbox._words import PENDING, missing_scope, unprocessable
from purveyor_digitalocean.sandbox._world import Droplet, Row, World
from purveyor_testing.sandbox import Answer, Call, Route


@attrs.define(eq=False)
class Droplets:
    """Answers for droplets as such; their actions are elsewhere."""

    world: World
    pager: Pager

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one = "/v2/droplets/{id}"
        return (
            Route("GET", "/v2/droplets", self.index, "droplet:read"),
            Route("POST", "/v2/droplets", self.create, "droplet:create"),
            Route("DELETE", "/v2/droplets", self.delete_tagged, "droplet:delete tag:read"),
            Route("GET", one, self.show, "droplet:read"),
            Route("DELETE", one, self.delete, "droplet:delete"),
            Route("GET", f"{one}/snapshots", self.snapshots, "droplet:read"),
            Route("GET", f"{one}/backups", self.backups, "droplet:read"),
            Route("GET", f"{one}/backups/policy", self.backup_policy, "droplet:read"),
            Route("GET", f"{one}/kernels", lambda call: self.nothing(call, "kernels"), "droplet:read"),
            Route("GET", f"{one}/firewalls", lambda call: self.nothing(call, "firewalls"), "droplet:read"),
            Route("GET", f"{one}/neighbors", self.neighbors, "droplet:read"),
        )

    # Finding.

    def visible(self, call: Call) -> list[Droplet]:
        """What lists show by now, oldest first."""
        now = self.world.clock.now
        return [
            one
            for one in self.world.droplets.values()
            if one.listed_at <= now and one.created_at <= now - call.lag
        ]

    def index(self, call: Call) -> Answer:
        """GET /v2/droplets: without GPU droplets unless asked for them or by tag."""
        tag, name, type_ = (call.query.get(key) for key in ("tag_name", "name", "type"))
        rows = self.visible(call)
        if tag is not None:
            if name is not None or type_ is not None:
                raise unprocessable("tag_name can not be combined with name or type.")
            if call.scopes is not None and "tag:read" not in call.scopes:
                raise missing_scope()
            rows = [one for one in rows if tag in one.tags]
        else:
            rows = [one for one in rows if one.gpu is (type_ == "gpus")]
        if name is not None:
            rows = [one for one in rows if one.row["name"].lower() == name.lower()]
        return self.pager.page(call, "droplets", rows, vanish=lambda one: self.world.delete(one, call))

    def show(self, call: Call) -> Answer:
        """GET /v2/droplets/{id}."""
        return Answer.json(b'{"droplet":%s}' % self.world.droplet(call.params["id"]).rendered())

    # Creating.

    def create(self, call: Call) -> Answer:
        """POST /v2/droplets: one under ``droplet``, several under ``droplets``."""
        order = read_order(self.world, call)
        made = [self._make(order, name, call) for name in order.names]
        links = {
            "actions": [
                {"id": action["id"], "rel": "create", "href": f"{REAL_ORIGIN}/v2/actions/{action['id']}"}
                for _, action in made
            ]
        }
        rows = [droplet.row for droplet, _ in made]
        body = {"droplets": rows} if "names" in order.body else {"droplet": rows[0]}
        return Answer.json({**body, "links": links}, 202)

    def _make(self, order: Order, name: str, call: Call) -> tuple[Droplet, Row]:
        world, behaviour = self.world, self.world.behaviour
        droplet = build(world, order, name, call.lag)
        call.effect("created", "droplet", droplet.id, droplet.tags)
        if not world.doomed["create"]:
            boot = world.lifecycle(behaviour.boot_seconds)
            world.clock.after(boot, lambda: droplet.change(status="active"))
            address = boot + world.lifecycle(behaviour.address_seconds)
            world.clock.after(address, lambda: _address(droplet))
        action = world.begin(droplet, "create", behaviour.boot_seconds + behaviour.unlock_seconds)
        return droplet, action

    def seed(self, count: int, order: Order) -> list[int]:
        """Running droplets, without asking the account's limit; returns their ids."""
        ids = []
        for _ in range(count):
            droplet = build(self.world, order, f"seeded-{len(self.world.droplets) + 1:05d}", 0.0)
            droplet.change(status="active")
            _address(droplet)
            droplet.found_at = droplet.listed_at = self.world.clock.now
            ids.append(droplet.id)
        return ids

    # Deleting.

    def delete(self, call: Call) -> Answer:
        """DELETE /v2/droplets/{id}: refused while an action is in progress."""
        droplet = self.world.droplet(call.params["id"])
        if droplet.busy:
            raise unprocessable(PENDING)
        self.world.delete(droplet, call)
        return Answer(204)

    def delete_tagged(self, call: Call) -> Answer:
        """DELETE /v2/droplets?tag_name=…: all of them, busy or not."""
        tag = call.query.get("tag_name")
        if not tag:
            raise unprocessable("tag_name is required.")
        for droplet in [one for one in self.world.droplets.values() if tag in one.tags]:
            self.world.delete(droplet, call)
        return Answer(204)

    # What belongs to a droplet.

    def nothing(self, call: Call, key: str) -> Answer:
        """An empty list, for what this sandbox has none of."""
        self.world.droplet(call.params["id"])
        return self.pager.page(call, key, [])

    def neighbors(self, call: Call) -> Answer:
        """Droplets on the same hardware: none."""
        self.world.droplet(call.params["id"])
        return Answer.json({"droplets": [], "links": {}, "meta": {"total": 0}})

    def snapshots(self, call: Call) -> Answer:
        """Its snapshots."""
        return self._images(call, "snapshots", "snapshot_ids")

    def backups(self, call: Call) -> Answer:
        """Its backups."""
        return self._images(call, "backups", "backup_ids")

    def _images(self, call: Call, key: str, ids: str) -> Answer:
        droplet = self.world.droplet(call.params["id"])
        return self.pager.page(call, key, [self.world.images[id_] for id_ in droplet.row[ids]])

    def backup_policy(self, call: Call) -> Answer:
        """Its backup policy, if it has one."""
        droplet = self.world.droplet(call.params["id"])
        more = {"backup_policy": droplet.backup_policy} if droplet.backup_policy else {}
        enabled = droplet.backup_policy is not None
        return Answer.json({"policy": {"droplet_id": droplet.id, "backup_enabled": enabled, **more}})


def _address(droplet: Droplet) -> None:
    """Give a droplet the addresses that it asked for."""
    ipv6 = "ipv6" in droplet.row["features"]
    droplet.change(networks=networks(droplet.number, public=droplet.public, ipv6=ipv6))
