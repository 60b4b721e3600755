"""From our requests to the bodies that the API takes; pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from purveyor.plugin import Action, ActionRequest, CreateRequest, Effect, KiB, Mark
from purveyor.wire import Deed, checked_extra, flag, machine_tags, user_data_bytes
from purveyor_digitalocean._config import Settings
from purveyor_digitalocean._mapping import places

__all__ = ["action_body", "create_body"]

_USER_DATA_LIMIT = 64 * KiB
_RESERVED = frozenset({"name", "names", "size", "image", "region"})
"""What the request itself says; ``names`` would even make several machines."""


DEEDS: Mapping[Action, Deed] = {
    Action.START: Deed("power_on", Effect.CONVERGE),
    Action.STOP: Deed("shutdown", Effect.CONVERGE),
    Action.POWER_OFF: Deed("power_off", Effect.CONVERGE),
    Action.REBOOT: Deed("reboot", Effect.ONCE),
    Action.POWER_CYCLE: Deed("power_cycle", Effect.ONCE),
    Action.RESIZE: Deed("resize", Effect.ONCE, {"plan": "size"}, {"disk": "disk"}),
    Action.REBUILD: Deed("rebuild", Effect.ONCE, {"image": "image"}),
    Action.SNAPSHOT: Deed("snapshot", Effect.ONCE, {"name": "name"}),
    Action.RENAME: Deed("rename", Effect.CONVERGE, {"name": "name"}),
}


def create_body(
    request: CreateRequest, settings: Settings, mark: Mark | None, home: str | None = None
) -> dict[str, Any]:
    """What makes one machine, but for its SSH keys.

    Args:
        request: What is wanted.
        settings: The account's settings.
        mark: What the machine must carry.
        home: Slug or place of the region that the VPC of the settings is in; None where that is not said.

    Raises:
        ValidationError: It cannot be made this way.
    """
    own = {
        "region": request.region,
        "vpc_uuid": settings.vpc_uuid if _is_at_home(request.region, home) else None,
        "user_data": _user_data(request.user_data),
    }
    return {
        "name": request.name,
        "size": request.plan,
        "image": _image(request.image),
        "ipv6": settings.ipv6,
        "monitoring": settings.monitoring,
        "backups": settings.backups,
        **{key: value for key, value in own.items() if value is not None},
        **checked_extra(request, _RESERVED),
        "tags": machine_tags(request, settings.tags, mark),
    }


def _image(image: str) -> str | int:
    """Images without a slug go by their id, as a number."""
    return int(image) if image.isascii() and image.isdigit() else image


def _is_at_home(region: str | None, home: str | None) -> bool:
    """A VPC belongs to one region; where nobody says which, DigitalOcean tells whether it is the right one."""
    return region is None or home is None or home.lower() in {region, *places(region)}


def _user_data(text: str | None) -> str | None:
    return None if text is None else user_data_bytes(text, _USER_DATA_LIMIT, "DigitalOcean").decode()


def action_body(request: ActionRequest) -> tuple[Effect, dict[str, Any]]:
    """What does something to one machine.

    Raises:
        InvalidActionError: A parameter is missing or none of the action's.
    """
    deed = DEEDS[request.action]
    body: dict[str, Any] = {"type": deed.name}
    if request.action is Action.RESIZE:
        body["disk"] = False
    return deed.effect, body | deed.fields(request, {"image": _image, "disk": flag("disk")})
