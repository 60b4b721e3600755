"""From our requests to the bodies that the API takes; pure functions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from purveyor.plugin import (
    Action,
    ActionRequest,
    CreateRequest,
    Effect,
    InvalidActionError,
    Mark,
    Outcome,
    ValidationError,
)
from purveyor_linode._config import Settings

__all__ = ["Step", "action_step", "create_body"]

_USER_DATA_LIMIT = 65_535
_RESERVED = frozenset({"label", "type", "image", "region"})
"""What the request itself says."""


@attrs.frozen
class Deed:
    """What one of our actions is called here.

    Attributes:
        name: Last part of its path; empty for a change of the Linode itself.
        effect: What repeating it would do.
        needs: Our parameter to the API's field, for what must be given.
        takes: The same for what may be given.
    """

    name: str
    effect: Effect
    needs: Mapping[str, str] = attrs.field(factory=dict)
    takes: Mapping[str, str] = attrs.field(factory=dict)


DEEDS: Mapping[Action, Deed] = {
    Action.START: Deed("boot", Effect.CONVERGE),
    # Linode asks the operating system to shut down and cuts the power if it does not: both in one.
    Action.STOP: Deed("shutdown", Effect.CONVERGE),
    Action.POWER_OFF: Deed("shutdown", Effect.CONVERGE),
    # Likewise.
    Action.REBOOT: Deed("reboot", Effect.ONCE),
    Action.POWER_CYCLE: Deed("reboot", Effect.ONCE),
    Action.RESIZE: Deed("resize", Effect.ONCE, {"plan": "type"}, {"disk": "allow_auto_disk_resize"}),
    Action.REBUILD: Deed(
        "rebuild",
        Effect.ONCE,
        {"image": "image"},
        {"ssh_keys": "authorized_keys", "user_data": "metadata"},
    ),
    Action.SNAPSHOT: Deed("backups", Effect.ONCE, {"name": "label"}),
    Action.RENAME: Deed("", Effect.CONVERGE, {"name": "label"}),
}


@attrs.frozen
class Step:
    """One deed, ready to be sent. The body may hold a password."""

    deed: str
    effect: Effect
    body: Mapping[str, Any] = attrs.field(repr=False)


def create_body(
    request: CreateRequest, settings: Settings, mark: Mark | None, password: Callable[[], str]
) -> dict[str, Any]:
    """What makes one machine, but for a region where the request names none.

    Args:
        request: What is wanted.
        settings: The account's settings.
        mark: What the machine must carry.
        password: Mints a root password, for a machine that nobody could log in to without.

    Raises:
        ValidationError: It cannot be made this way.
    """
    if mark is None:
        raise _wrong("mark", "a machine without a mark could not be found again")
    said = _RESERVED if request.user_data is None else _RESERVED | {"metadata"}
    clash = said & request.extra.keys()
    if clash:
        raise _wrong("per_provider", f"{min(clash)} is said by the request itself")
    tags = (*settings.tags, *request.tags, *_texts(request, "tags"), mark.text)
    chosen = {
        "region": request.region,
        "private_ip": settings.private_ip or None,
        "backups_enabled": settings.backups or None,
        "firewall_id": settings.firewall_id,
        "metadata": _metadata(request.user_data),
    }
    return {
        "label": request.name,
        "type": request.plan,
        "image": request.image,
        "booted": True,
        **{key: value for key, value in chosen.items() if value is not None},
        **request.extra,
        **_access(request, settings, password),
        "tags": list(dict.fromkeys(tags)),
    }


def _access(
    request: CreateRequest, settings: Settings, password: Callable[[], str]
) -> dict[str, list[str] | str]:
    """Who may log in: Linode wants keys, users whose keys it knows, or a root password."""
    keys = (*_texts(request, "authorized_keys"), *(key.strip() for key in request.ssh_keys))
    users = (*settings.authorized_users, *_texts(request, "authorized_users"))
    named = {"authorized_keys": list(dict.fromkeys(keys)), "authorized_users": list(dict.fromkeys(users))}
    access: dict[str, list[str] | str] = {field: names for field, names in named.items() if names}
    if not access and "root_pass" not in request.extra:
        access["root_pass"] = password()
    return access


def _texts(request: CreateRequest, field: str) -> Sequence[str]:
    """A list among the extra fields that ours is added to."""
    given = request.extra.get(field) or ()
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise _wrong("per_provider", f"{field} is a list of texts")
    return given


def _metadata(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    data = text.encode()
    if len(data) > _USER_DATA_LIMIT:
        error = _wrong("user_data", f"user_data has {len(data)} bytes; Linode takes {_USER_DATA_LIMIT}")
        error.details.update(size=len(data), limit=_USER_DATA_LIMIT)
        raise error
    return {"user_data": base64.b64encode(data).decode()}


def action_step(request: ActionRequest, password: Callable[[], str]) -> Step:
    """What does something to one machine.

    Raises:
        InvalidActionError: A parameter is missing or none of the action's.
    """
    name, deed = request.action.value, DEEDS[request.action]
    given = dict(request.parameters)
    body: dict[str, Any] = {}
    for parameter, field in deed.needs.items():
        if not given.get(parameter):
            raise _unfit(parameter, f"{name} needs the parameter {parameter}")
        body[field] = given.pop(parameter)
    for parameter, field in deed.takes.items():
        if parameter in given:
            body[field] = _VALUES[parameter](given.pop(parameter))
    if given:
        raise _unfit(min(given), f"{name} has no parameter {min(given)}")
    if request.action is Action.REBUILD and not body.get("authorized_keys"):
        body["root_pass"] = password()
    return Step(deed.name, deed.effect, body)


def _flag(value: str) -> bool:
    if value not in {"true", "false"}:
        raise _unfit("disk", "disk is true or false")
    return value == "true"


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]


def _wrong(field: str, message: str) -> ValidationError:
    return ValidationError(message, field=field, outcome=Outcome.NOT_SENT)


def _unfit(parameter: str, message: str) -> InvalidActionError:
    return InvalidActionError(message, field=parameter, outcome=Outcome.NOT_SENT)


_VALUES: Mapping[str, Callable[[str], Any]] = {"disk": _flag, "ssh_keys": _lines, "user_data": _metadata}
