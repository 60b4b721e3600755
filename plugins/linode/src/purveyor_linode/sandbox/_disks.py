"""Disks and configs, as far as clients look at them."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import not_found, reply
from purveyor_linode.sandbox._world import World
from purveyor_testing.sandbox import Answer, Call, Route

SWAP = 512


def from_image(world: World, image: Row, type_: Row) -> tuple[list[Row], list[Row]]:
    """The disks and the config of a Linode that is made from an image."""
    label = image["label"]
    disks = [
        _disk(world, f"{label} Disk", "ext4", type_["disk"] - SWAP),
        _disk(world, f"{SWAP} MB Swap Image", "swap", SWAP),
    ]
    return disks, [_config(world, f"My {label} Disk Profile", disks)]


def _disk(world: World, label: str, filesystem: str, size: int) -> Row:
    return {
        "id": world.chance.number("disk", 180_000_000),
        "status": "not ready",
        "label": label[:48],
        "created": world.time(),
        "updated": world.time(),
        "filesystem": filesystem,
        "size": size,
        "disk_encryption": "enabled",
    }


def _config(world: World, label: str, disks: list[Row]) -> Row:
    slots: Row = dict.fromkeys(f"sd{letter}" for letter in "abcdefgh")
    slots |= {
        slot: {"disk_id": one["id"], "volume_id": None} for slot, one in zip(slots, disks, strict=False)
    }
    return {
        "id": world.chance.number("config", 90_000_000),
        "label": label[:48],
        "helpers": {
            "updatedb_disabled": True,
            "distro": True,
            "modules_dep": True,
            "network": True,
            "devtmpfs_automount": True,
        },
        "kernel": "linode/grub2",
        "comments": "",
        "memory_limit": 0,
        "created": world.time(),
        "updated": world.time(),
        "root_device": "/dev/sda",
        "devices": slots,
        "initrd": None,
        "run_level": "default",
        "virt_mode": "paravirt",
        "interfaces": [],
    }


@attrs.define(eq=False)
class Disks:
    """Answers for the disks and configs of a Linode; both come and go with its image."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one, scope = "/v4/linode/instances/{id}", "linodes:read_only"
        return (
            Route("GET", f"{one}/disks", self.disks, scope),
            Route("GET", f"{one}/disks/{{part}}", lambda call: self._show(call, "disks"), scope),
            Route("GET", f"{one}/configs", self.configs, scope),
            Route("GET", f"{one}/configs/{{part}}", lambda call: self._show(call, "configs"), scope),
        )

    def disks(self, call: Call) -> Answer:
        """GET …/disks."""
        return page(call, self.world.linode(call.params["id"]).disks, ("label", "size"))

    def configs(self, call: Call) -> Answer:
        """GET …/configs."""
        return page(call, self.world.linode(call.params["id"]).configs, ("label",))

    def _show(self, call: Call, kind: str) -> Answer:
        linode = self.world.linode(call.params["id"])
        rows = linode.disks if kind == "disks" else linode.configs
        found = next((row for row in rows if str(row["id"]) == call.params["part"]), None)
        if found is None:
            raise not_found()
        return reply(found)
