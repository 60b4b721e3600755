"""Backups: one snapshot at a time, and restoring it."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._jobs import Job, begin, check_free
from purveyor_linode.sandbox._linodes import INSTANCES
from purveyor_linode.sandbox._words import invalid, not_found, reply
from purveyor_linode.sandbox._world import Linode, World, about
from purveyor_testing.sandbox import Answer, Call, Route

SNAPSHOT_SECONDS, RESTORE_SECONDS = 60.0, 90.0


@attrs.define(eq=False)
class Backups:
    """Answers below a Linode's /backups."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        backups, write = f"{INSTANCES}/{{id}}/backups", "linodes:read_write"
        return (
            Route("GET", backups, self.index, "linodes:read_only"),
            Route("POST", backups, self.snapshot, write),
            Route("POST", f"{backups}/enable", self.enable, write),
            Route("POST", f"{backups}/cancel", self.cancel, write),
            Route("GET", f"{backups}/{{backup}}", self.show, "linodes:read_only"),
            Route("POST", f"{backups}/{{backup}}/restore", self.restore, write),
        )

    def _linode(self, call: Call) -> Linode:
        return self.world.linode(call.params["id"])

    def index(self, call: Call) -> Answer:
        """GET …/backups: no envelope."""
        snapshots = self._linode(call).snapshots
        current = next((row for row in snapshots if row["status"] == "successful"), None)
        coming = next((row for row in snapshots if row["status"] == "pending"), None)
        return reply({"automatic": [], "snapshot": {"current": current, "in_progress": coming}})

    def enable(self, call: Call) -> Answer:
        """POST …/backups/enable."""
        return self._switch(call, "backups_enable", enabled=True)

    def cancel(self, call: Call) -> Answer:
        """POST …/backups/cancel: the snapshot goes, too."""
        self._linode(call).snapshots.clear()
        return self._switch(call, "backups_cancel", enabled=False)

    def _switch(self, call: Call, action: str, *, enabled: bool) -> Answer:
        linode, slot = self._linode(call), "Scheduling" if enabled else None
        schedule = {"day": slot, "window": slot}
        backups = {**linode.row["backups"], "enabled": enabled, "available": enabled, "schedule": schedule}
        linode.change(backups=backups)
        call.effect("changed", "linode", linode.id, linode.tags)
        self.world.note(action, about(linode))
        return reply()

    def snapshot(self, call: Call) -> Answer:
        """POST …/backups {label}: takes the place of the one before."""
        linode, label = self._linode(call), call.json().get("label")
        if not isinstance(label, str) or not 1 <= len(label) <= 255:
            raise invalid("Length must be 1-255 characters", "label")
        if not linode.row["backups"]["enabled"]:
            raise invalid("Linode does not have backup service.")
        check_free(self.world, linode)
        row = self._row(linode, label)
        stages = [(linode.status, SNAPSHOT_SECONDS)]
        begin(
            self.world, linode, Job("linode_snapshot", stages, linode.status, lambda: self._done(linode, row))
        )
        linode.snapshots.append(row)
        call.effect("created", "backup", row["id"])
        return reply(row)

    def _row(self, linode: Linode, label: str) -> Row:
        disks = [{key: disk[key] for key in ("label", "size", "filesystem")} for disk in linode.disks]
        return {
            "id": self.world.chance.number("backup", 340_000_000),
            "region": linode.row["region"],
            "type": "snapshot",
            "status": "pending",
            "available": True,
            "created": self.world.time(),
            "updated": self.world.time(),
            "finished": None,
            "label": label,
            "configs": [config["label"] for config in linode.configs],
            "disks": disks,
        }

    def _done(self, linode: Linode, row: Row) -> None:
        row.update(status="successful", finished=self.world.time(), updated=self.world.time())
        linode.snapshots = [row]
        linode.change(backups={**linode.row["backups"], "last_successful": row["finished"]})

    def _find(self, call: Call) -> Row:
        rows = self._linode(call).snapshots
        found = next((row for row in rows if str(row["id"]) == call.params["backup"]), None)
        if found is None:
            raise not_found()
        return found

    def show(self, call: Call) -> Answer:
        """GET …/backups/{id}."""
        return reply(self._find(call))

    def restore(self, call: Call) -> Answer:
        """POST …/backups/{id}/restore {linode_id, overwrite}."""
        self._find(call)
        body = call.json()
        target = self.world.linode(str(body.get("linode_id")))
        if target.disks and not body.get("overwrite"):
            raise invalid("Not enough unallocated space on the target Linode.")
        check_free(self.world, target)
        begin(self.world, target, Job("backups_restore", [("restoring", RESTORE_SECONDS)], "offline"))
        call.effect("changed", "linode", target.id, target.tags)
        return reply()
