"""Making a Linode: what is checked, and what comes into being."""

from collections.abc import Iterator
from typing import Any

import attrs

from purveyor_linode.sandbox import _checks as checks
from purveyor_linode.sandbox import _disks as disks
from purveyor_linode.sandbox._catalogue_data import has_room
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._networks import address6, addresses4
from purveyor_linode.sandbox._words import REFUSALS, InvalidError, Problem, has
from purveyor_linode.sandbox._world import Linode, World
from purveyor_testing.sandbox import Call, Refusal


@attrs.frozen
class Order:
    """A create request that has passed every check."""

    label: str | None
    type: Row
    region: Row
    image: Row | None
    body: Row


def read_order(world: World, call: Call) -> Order:
    """Check a create request; everything that is wrong with it is said at once."""
    body = call.json()
    type_ = named(world.types, body.get("type"))
    region = named(world.regions, body.get("region"))
    image = named(visible_images(world, call), body.get("image"))
    problems = list(_problems(world, body, type_, region, image))
    if problems or type_ is None or region is None:
        raise InvalidError(problems)
    check_room(world, type_, region)
    return Order(body.get("label"), type_, region, image, body)


def check_room(world: World, type_: Row, region: Row) -> None:
    """Refuse what the account may not have, or the region has not."""
    if len(world.linodes) >= world.behaviour.account_limit:
        raise Refusal(*REFUSALS["quota"])
    if not has_room(region, type_):
        raise Refusal(*REFUSALS["no_capacity"])


def visible_images(world: World, call: Call) -> dict[str, Row]:
    """Images that a token may see: the public ones, and with a scope the account's."""
    if has(call.scopes, "images:read_only"):
        return world.images
    return {id_: row for id_, row in world.images.items() if row["is_public"]}


def named(rows: dict[str, Row], wanted: Any) -> Row | None:
    """The row of that id, if there is one."""
    return rows.get(wanted) if isinstance(wanted, str) else None


def _problems(
    world: World, body: Row, type_: Row | None, region: Row | None, image: Row | None
) -> Iterator[Problem]:
    yield from _required("type", body, type_)
    yield from _required("region", body, region)
    if body.get("image") is not None:
        if image is None or image["status"] != "available":
            yield "image", "image is not valid"
        yield from checks.access(body)
    if body.get("label") is not None:
        yield from checks.label(world, body["label"])
    yield from checks.tags(body.get("tags") or [])
    yield from checks.metadata(body.get("metadata"), region, image)
    yield from checks.script(world, body, image)
    yield from _references(world, body)
    if type_ is not None and image is not None and type_["disk"] < image["size"]:
        yield "image", "The selected image does not fit on the disk of this type"


def _required(field: str, body: Row, found: Row | None) -> Iterator[Problem]:
    if body.get(field) is None:
        yield field, f"{field} is required"
    elif found is None:
        yield field, f"{field} is not valid"


def _references(world: World, body: Row) -> Iterator[Problem]:
    firewall, group = body.get("firewall_id"), body.get("placement_group")
    if firewall is not None and firewall not in (-1, *world.firewalls):
        yield "firewall_id", "firewall_id is not valid"
    if group:
        yield "placement_group.id", "placement_group.id is not valid"
    if body.get("backup_id") is not None:
        yield "backup_id", "backup_id is not valid"
    if body.get("ipv4"):
        yield "ipv4", "Must provide a single valid reserved ipv4 address"


def build(world: World, order: Order, lag: float = 0.0) -> Linode:
    """A Linode as it is at its very beginning; `lag` keeps it out of lists for so long."""
    now, behaviour = world.clock.now, world.behaviour
    number = len(world.linodes) + len(world.gone) + 1
    linode = Linode(
        _row(world, order, number),
        number=number,
        created_at=now,
        found_at=now + world.lifecycle(behaviour.get_lag),
        listed_at=now + max(lag, world.lifecycle(behaviour.list_lag)),
    )
    if order.image is not None:
        linode.disks, linode.configs = disks.from_image(world, order.image, order.type)
    if (firewall := order.body.get("firewall_id")) in world.firewalls:
        linode.firewalls.append(firewall)
    world.add(linode)
    return linode


def _row(world: World, order: Order, number: int) -> Row:
    body, region = order.body, order.region
    id_ = world.chance.number("linode", 90_000_000)
    user_data = (body.get("metadata") or {}).get("user_data")
    return {
        "id": id_,
        "label": order.label or f"linode{id_}",
        "group": body.get("group") or "",
        "status": "provisioning",
        "created": world.time(),
        "updated": world.time(),
        "type": order.type["id"],
        "ipv4": addresses4(number, private=bool(body.get("private_ip"))),
        "ipv6": f"{address6(number)}/128",
        "image": order.image["id"] if order.image else None,
        "region": region["id"],
        "site_type": region["site_type"],
        "specs": specs(order.type),
        "alerts": _alerts(order.type),
        "backups": {
            "enabled": bool(body.get("backups_enabled")),
            "available": False,
            "schedule": {"day": None, "window": None},
            "last_successful": None,
        },
        "hypervisor": "kvm",
        "watchdog_enabled": True,
        "tags": sorted(set(body.get("tags") or [])),
        "host_uuid": world.chance.data("host", 20).hex(),
        "has_user_data": user_data is not None,
        "placement_group": None,
        "disk_encryption": body.get("disk_encryption") or "enabled",
        "lke_cluster_id": None,
        "capabilities": ["Block Storage Encryption", "SMTP Enabled", "Maintenance Policy"],
        "interface_generation": "legacy_config",
        "maintenance_policy": body.get("maintenance_policy") or "linode/migrate",
        "locks": [],
    }


def specs(type_: Row) -> Row:
    """What a type amounts to: MB of disk and memory, GB of transfer."""
    keys = ("disk", "memory", "vcpus", "gpus", "transfer", "accelerated_devices")
    return {key: type_[key] for key in keys}


def _alerts(type_: Row) -> Row:
    usual = {"network_in": 10, "network_out": 10, "transfer_quota": 80, "io": 10_000}
    return {"cpu": 90 * type_["vcpus"], **usual, "system_alerts": [], "user_alerts": []}
