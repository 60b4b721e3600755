"""From our requests to the bodies that the API takes; pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from purveyor.plugin import (
    Action,
    ActionRequest,
    CreateRequest,
    Effect,
    InvalidActionError,
    KiB,
    Mark,
    Outcome,
    ValidationError,
)
from purveyor_digitalocean._config import Settings

__all__ = ["action_body", "create_body"]

_USER_DATA_LIMIT = 64 * KiB
_RESERVED = frozenset({"name", "names", "size", "image", "region"})
"""What the request itself says; ``names`` would even make several machines."""


@attrs.frozen
class Deed:
    """What one of our actions is called here.

    Attributes:
        type: DigitalOcean's word.
        effect: What repeating it would do.
        needs: Our parameter to the API's field, for what must be given.
    """

    type: str
    effect: Effect
    needs: Mapping[str, str] = attrs.field(factory=dict)


DEEDS: Mapping[Action, Deed] = {
    Action.START: Deed("power_on", Effect.CONVERGE),
    Action.STOP: Deed("shutdown", Effect.CONVERGE),
    Action.POWER_OFF: Deed("power_off", Effect.CONVERGE),
    Action.REBOOT: Deed("reboot", Effect.ONCE),
    Action.POWER_CYCLE: Deed("power_cycle", Effect.ONCE),
    Action.RESIZE: Deed("resize", Effect.ONCE, {"plan": "size"}),
    Action.REBUILD: Deed("rebuild", Effect.ONCE, {"image": "image"}),
    Action.SNAPSHOT: Deed("snapshot", Effect.ONCE, {"name": "name"}),
    Action.RENAME: Deed("rename", Effect.CONVERGE, {"name": "name"}),
}


def create_body(request: CreateRequest, settings: Settings, mark: Mark | None) -> dict[str, Any]:
    """What makes one machine, but for its SSH keys.

    Raises:
        ValidationError: It cannot be made this way.
    """
    if mark is None:
        raise _wrong("mark", "a machine without a mark could not be found again")
    clash = _RESERVED & request.extra.keys()
    if clash:
        raise _wrong("per_provider", f"{min(clash)} is said by the request itself")
    tags = (*settings.tags, *request.tags, *request.extra.get("tags", ()), mark.text)
    return {
        "name": request.name,
        "size": request.plan,
        "image": _image(request.image),
        **_place(request, settings),
        "ipv6": settings.ipv6,
        "monitoring": settings.monitoring,
        "backups": settings.backups,
        **_user_data(request.user_data),
        **request.extra,
        "tags": list(dict.fromkeys(tags)),
    }


def _image(image: str) -> str | int:
    """Images without a slug go by their id, as a number."""
    return int(image) if image.isascii() and image.isdigit() else image


def _place(request: CreateRequest, settings: Settings) -> dict[str, str]:
    region = request.region or settings.region
    # A VPC belongs to one region.
    vpc = settings.vpc_uuid if region == settings.region else None
    return {key: value for key, value in (("region", region), ("vpc_uuid", vpc)) if value is not None}


def _user_data(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    size = len(text.encode())
    if size > _USER_DATA_LIMIT:
        error = _wrong("user_data", f"user_data has {size} bytes; DigitalOcean takes {_USER_DATA_LIMIT}")
        error.details.update(size=size, limit=_USER_DATA_LIMIT)
        raise error
    return {"user_data": text}


def action_body(request: ActionRequest) -> tuple[Effect, dict[str, Any]]:
    """What does something to one machine.

    Raises:
        InvalidActionError: A parameter is missing or none of the action's.
    """
    deed = DEEDS[request.action]
    given = dict(request.parameters)
    body: dict[str, Any] = {"type": deed.type}
    for parameter, field in deed.needs.items():
        if not given.get(parameter):
            raise _unfit(parameter, f"{request.action.value} needs the parameter {parameter}")
        body[field] = given.pop(parameter)
    if request.action is Action.REBUILD:
        body["image"] = _image(body["image"])
    if request.action is Action.RESIZE:
        body["disk"] = _flag("disk", given.pop("disk", "false"))
    if given:
        raise _unfit(min(given), f"{request.action.value} has no parameter {min(given)}")
    return deed.effect, body


def _flag(parameter: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise _unfit(parameter, f"{parameter} is true or false")
    return value == "true"


def _wrong(field: str, message: str) -> ValidationError:
    return ValidationError(message, field=field, outcome=Outcome.NOT_SENT)


def _unfit(parameter: str, message: str) -> InvalidActionError:
    return InvalidActionError(message, field=parameter, outcome=Outcome.NOT_SENT)
