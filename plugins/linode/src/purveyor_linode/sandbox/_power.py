"""What can be done to a Linode: every endpoint starts a job and answers before it is done."""

from collections.abc import Callable, Iterable

import attrs

from purveyor_linode.sandbox import _checks as checks
from purveyor_linode.sandbox import _disks as disks
from purveyor_linode.sandbox._create import Order, build, check_room, named, specs, visible_images
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._jobs import Job, Stage, begin, check_free
from purveyor_linode.sandbox._linodes import INSTANCES, ready
from purveyor_linode.sandbox._words import InvalidError, invalid, reply
from purveyor_linode.sandbox._world import Linode, World, about
from purveyor_testing.sandbox import Answer, Call, Route

DOWN: Stage = ("shutting_down", 15.0)
REBOOT: Stage = ("rebooting", 30.0)
REBUILD: Stage = ("rebuilding", 45.0)
MIGRATE: Stage = ("migrating", 60.0)
CLONE: Stage = ("cloning", 60.0)
PASSWORD_SECONDS = 5.0


@attrs.define(eq=False)
class Power:
    """Answers for jobs."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        acts = {
            "boot": self.boot,
            "reboot": self.reboot,
            "shutdown": self.shutdown,
            "rebuild": self.rebuild,
            "rescue": self.rescue,
            "resize": self.resize,
            "migrate": self.migrate,
            "mutate": self.mutate,
            "password": self.password,
            "clone": self.clone,
        }
        return [
            Route("POST", f"{INSTANCES}/{{id}}/{verb}", self._serve(act), "linodes:read_write")
            for verb, act in acts.items()
        ]

    def _serve(self, act: Callable[[Linode, Row, Call], Answer]) -> Callable[[Call], Answer]:
        def serve(call: Call) -> Answer:
            linode, body = self.world.linode(call.params["id"]), call.json()
            check_free(self.world, linode)
            answer = act(linode, body, call)
            call.effect("changed", "linode", linode.id, linode.tags)
            return answer

        return serve

    def _begin(self, linode: Linode, job: Job) -> Answer:
        begin(self.world, linode, job)
        return reply()

    @property
    def _up(self) -> Stage:
        return ("booting", self.world.behaviour.boot_seconds)

    # On and off. What is already so is fine, and only noted.

    def boot(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/boot {config_id?}."""
        del call
        _check_config(linode, body)
        if linode.status == "running":
            self.world.note("linode_boot", about(linode))
            return reply()
        return self._begin(linode, Job("linode_boot", [self._up], "running"))

    def shutdown(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/shutdown."""
        del body, call
        if linode.status == "offline":
            self.world.note("linode_shutdown", about(linode))
            return reply()
        return self._begin(linode, Job("linode_shutdown", [DOWN], "offline"))

    def reboot(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/reboot {config_id?}: boots one that is off."""
        del call
        _check_config(linode, body)
        return self._begin(linode, Job("linode_reboot", [REBOOT], "running"))

    def rescue(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/rescue {devices?}."""
        del body, call
        return self._begin(linode, Job("linode_reboot", [REBOOT], "running"))

    # Contents.

    def rebuild(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/rebuild: the answer shows the new image and, until the job is picked up, the old status."""
        image = named(visible_images(self.world, call), body.get("image"))
        problems = [*checks.access(body), *checks.metadata(body.get("metadata"), None, image)]
        problems += checks.script(self.world, body, image)
        if image is None:
            problems.insert(0, ("image", "image is not valid" if body.get("image") else "image is required"))
        type_ = self.world.types.get(str(body.get("type") or linode.row["type"]))
        if type_ is None:
            problems.append(("type", "type is not valid"))
        if problems or image is None or type_ is None:
            raise InvalidError(problems)
        linode.disks, linode.configs = disks.from_image(self.world, image, type_)
        has_user_data = bool((body.get("metadata") or {}).get("user_data"))
        linode.change(image=image["id"], has_user_data=has_user_data)
        booted = body.get("booted") is not False
        stages = [REBUILD, self._up] if booted else [REBUILD]
        outcome = self._becomes(linode, type_)
        begin(self.world, linode, Job("linode_rebuild", stages, "running" if booted else "offline", outcome))
        return reply(linode.rendered())

    def _becomes(self, linode: Linode, type_: Row) -> Callable[[], None]:
        def outcome() -> None:
            ready(linode)
            linode.change(type=type_["id"], specs=specs(type_))

        return outcome

    def password(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/password {root_pass}: only while it is off."""
        del call
        if linode.status != "offline":
            raise invalid("Linode must be powered off to reset the root password.")
        if problems := list(checks.access({"root_pass": body.get("root_pass") or ""})):
            raise InvalidError(problems[:1])
        return self._begin(linode, Job("password_reset", [("offline", PASSWORD_SECONDS)], "offline"))

    # Shape and place.

    def _moving(self, linode: Linode) -> tuple[list[Stage], str]:
        on = linode.status == "running"
        return ([DOWN, MIGRATE, self._up], "running") if on else ([MIGRATE], "offline")

    def resize(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/resize {type}."""
        del call
        type_ = named(self.world.types, body.get("type"))
        if type_ is None:
            raise invalid("type is not valid" if body.get("type") else "type is required", "type")
        if type_["id"] == linode.row["type"]:
            raise invalid("Linode is already running this service plan.", "type")
        if type_["disk"] < sum(disk["size"] for disk in linode.disks):
            if not body.get("allow_auto_disk_resize", True):
                raise invalid("Linode has allocated more disk than the new service plan allows.")
            linode.disks[0]["size"] = type_["disk"] - disks.SWAP
        stages, final = self._moving(linode)
        return self._begin(linode, Job("linode_resize", stages, final, self._becomes(linode, type_)))

    def migrate(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/migrate {region?}."""
        del call
        region = named(self.world.regions, body.get("region", linode.row["region"]))
        if region is None:
            raise invalid("region is not valid", "region")
        stages, final = self._moving(linode)
        moved = {"region": region["id"], "site_type": region["site_type"]}
        action = "linode_migrate_datacenter" if body.get("region") else "linode_migrate"
        return self._begin(linode, Job(action, stages, final, lambda: linode.change(**moved)))

    def mutate(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/mutate: no type here has a successor."""
        del linode, body, call
        raise invalid("This Linode is not eligible for an upgrade.")

    def clone(self, linode: Linode, body: Row, call: Call) -> Answer:
        """POST …/clone: into a new Linode, which is off."""
        world, row = self.world, linode.row
        type_ = named(world.types, body.get("type", row["type"]))
        region = named(world.regions, body.get("region", row["region"]))
        problems = list(checks.label(world, body["label"])) if body.get("label") else []
        if problems or type_ is None or region is None:
            raise InvalidError(problems or [("region" if type_ else "type", "is not valid")])
        check_room(world, type_, region)
        order = Order(body.get("label"), type_, region, world.images.get(row["image"]), body)
        twin = build(world, order, call.lag)
        twin.change(status="offline")
        call.effect("created", "linode", twin.id, twin.tags)
        job = Job("linode_clone", [CLONE], linode.status, lambda: ready(twin), about(twin))
        event = begin(world, linode, job)
        twin.busy_until = event.ends
        return reply(twin.rendered())


def _check_config(linode: Linode, body: Row) -> None:
    if not linode.configs:
        raise invalid("Linode has no config to boot.")
    wanted = body.get("config_id")
    if wanted is not None and wanted not in [config["id"] for config in linode.configs]:
        raise invalid("config_id is not valid", "config_id")
