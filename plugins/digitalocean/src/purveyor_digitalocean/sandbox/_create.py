"""POST /v2/droplets: what is checked, and what comes into being.

The refusals are in the real API's words where those are known from public reports, and in its manner
elsewhere; a client should classify by status first.
"""

import re
from typing import Any

import attrs

from purveyor_digitalocean.sandbox._words import REFUSALS, missing_scope, unprocessable
from purveyor_digitalocean.sandbox._world import Droplet, Row, World
from purveyor_testing.sandbox import Call, Refusal

_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")
_TAG = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")
_MOST_NAMES = 10
_MOST_USER_DATA = 64 * 1024


@attrs.frozen
class Order:
    """A create request that has passed every check."""

    names: tuple[str, ...]
    size: Row
    image: Row
    region: Row
    tags: tuple[str, ...]
    body: dict[str, Any]


def read_order(world: World, call: Call) -> Order:
    """Check a create request, in the order in which the real API seems to."""
    body = call.json()
    _check_scopes(call, body)
    names = _names(body)
    size = _size(world, body.get("size"))
    image = _image(world, body.get("image"))
    region = _region(world, body.get("region"), size, image)
    if size["disk"] < (image["min_disk_size"] or 0):
        raise unprocessable("Image requires a larger disk than the size has.")
    _check_keys(world, body.get("ssh_keys") or [])
    _check_user_data(body.get("user_data"))
    if body.get("public_networking") is False and body.get("ipv6"):
        raise unprocessable("ipv6 cannot be enabled without public networking.")
    order = Order(names, size, image, region, check_tags(body.get("tags") or []), body)
    if len(world.droplets) + len(names) > world.behaviour.droplet_limit:
        raise Refusal(*REFUSALS["quota"])
    return order


def _check_scopes(call: Call, body: dict[str, Any]) -> None:
    needs = {
        "ssh_keys": "ssh_key:read",
        "tags": "tag:create",
        "vpc_uuid": "vpc:read",
        "volumes": "block_storage:read",
    }
    needed = {"image:read", *(scope for field, scope in needs.items() if body.get(field))}
    if call.scopes is not None and not needed <= call.scopes:
        raise missing_scope()


def _names(body: dict[str, Any]) -> tuple[str, ...]:
    names = body.get("names") if "names" in body else [body.get("name")]
    if not isinstance(names, list) or not names:
        raise unprocessable("Name is required.")
    if len(names) > _MOST_NAMES:
        raise unprocessable(f"You can create at most {_MOST_NAMES} Droplets at a time.")
    for name in names:
        check_name(name)
    return tuple(names)


def check_name(name: object) -> None:
    """Droplet names are hostnames."""
    if not isinstance(name, str) or not name:
        raise unprocessable("Name can't be blank")
    if len(name) > 255 or not _NAME.fullmatch(name):
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")


def _size(world: World, slug: object) -> Row:
    size = world.sizes.get(slug) if isinstance(slug, str) else None
    if size is None:
        raise unprocessable("You specified an invalid size for Droplet creation.")
    if not size["available"]:
        raise unprocessable("Size is not available.")
    return size


def _image(world: World, wanted: object) -> Row:
    image = world.image(wanted)
    if image is None or image["status"] != "available":
        raise unprocessable("You specified an invalid image for Droplet creation.")
    return image


def _region(world: World, wanted: object, size: Row, image: Row) -> Row:
    """The region of that slug, or the first fitting one of that prefix, or any."""
    prefix = wanted or ""
    if not isinstance(prefix, str):
        raise unprocessable("You specified an invalid region for Droplet creation.")
    named = [world.regions[prefix]] if prefix in world.regions else []
    candidates = named or [row for slug, row in world.regions.items() if slug.startswith(prefix)]
    if not candidates:
        raise unprocessable("You specified an invalid region for Droplet creation.")
    opened = [row for row in candidates if row["available"]]
    if not opened:
        raise unprocessable("Region is not available")
    roomy = [row for row in opened if row["slug"] in size["regions"]]
    if not roomy:
        raise Refusal(*REFUSALS["no_capacity"])
    fitting = [row for row in roomy if row["slug"] in image["regions"]]
    if not fitting:
        raise unprocessable("Image is not available in this region.")
    return fitting[0]


def _check_keys(world: World, keys: object) -> None:
    if not isinstance(keys, list):
        raise unprocessable("ssh_keys must be a list of ids and fingerprints.")
    unknown = [str(key) for key in keys if world.key(key) is None]
    if unknown:
        raise unprocessable(f"{', '.join(unknown)} are invalid key identifiers for Droplet creation.")


def _check_user_data(user_data: object) -> None:
    if user_data is None:
        return
    if not isinstance(user_data, str):
        raise unprocessable("User data must be plain text.")
    if len(user_data.encode()) > _MOST_USER_DATA:
        raise unprocessable(f"User data is too long (maximum is {_MOST_USER_DATA} bytes)")


def check_tags(tags: object) -> tuple[str, ...]:
    """Tags of letters, digits, colons, dashes and underscores."""
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags):
        raise unprocessable("Tag names may only contain letters, numbers, colons, dashes, and underscores.")
    return tuple(tags)


def build(world: World, order: Order, name: str, lag: float) -> Droplet:
    """A droplet as it is at its very beginning; `lag` keeps it out of lists for so long."""
    now, behaviour = world.clock.now, world.behaviour
    listed_at = now + max(lag, world.lifecycle(behaviour.list_lag))
    droplet = Droplet(
        _row(world, order, name),
        number=len(world.droplets) + len(world.gone) + 1,
        created_at=now,
        found_at=now + world.lifecycle(behaviour.get_lag),
        listed_at=listed_at,
        monitoring=bool(order.body.get("monitoring")),
        public=order.body.get("public_networking") is not False,
        backup_policy=policy(order.body.get("backup_policy")) if order.body.get("backups") else None,
    )
    world.droplets[droplet.id] = droplet
    return droplet


def _row(world: World, order: Order, name: str) -> Row:
    size, body = order.size, order.body
    features = {
        "monitoring": body.get("monitoring"),
        "backups": body.get("backups"),
        "ipv6": body.get("ipv6"),
        "private_networking": True,
        "droplet_agent": body.get("with_droplet_agent") is not False,
    }
    row = {
        "id": world.chance.number("droplet", 480_000_000),
        "name": name,
        "memory": size["memory"],
        "vcpus": size["vcpus"],
        "disk": size["disk"],
        "disk_info": size["disk_info"],
        "locked": False,
        "status": "new",
        "kernel": None,
        "created_at": world.time(),
        "features": [feature for feature, wanted in features.items() if wanted],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": order.image,
        "volume_ids": [],
        "size": size,
        "size_slug": size["slug"],
        "networks": {"v4": [], "v6": []},
        "region": order.region,
        "tags": world.canonical(order.tags),
        "vpc_uuid": body.get("vpc_uuid") or world.vpc_uuid,
    }
    return {**row, "gpu_info": size["gpu_info"]} if "gpu_info" in size else row


def policy(given: object) -> Row:
    """A backup policy with everything that the API adds to it."""
    wanted = given if isinstance(given, dict) else {}
    daily = wanted.get("plan", "weekly") == "daily"
    full: Row = {
        "plan": "daily" if daily else "weekly",
        "hour": wanted.get("hour", 0),
        "window_length_hours": 4,
        "retention_period_days": 7 if daily else 28,
    }
    return full if daily else {**full, "weekday": wanted.get("weekday", "SUN")}
