"""From our requests to the bodies that the API takes; pure functions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from purveyor.plugin import Action, ActionRequest, CreateRequest, Effect, Mark
from purveyor.wire import Deed, checked_extra, extra_texts, flag, machine_tags, user_data_bytes
from purveyor_linode._config import Settings

__all__ = ["Step", "action_step", "create_body"]

_USER_DATA_LIMIT = 65_535
_RESERVED = frozenset({"label", "type", "image", "region"})
"""What the request itself says."""


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
"""Named by the last part of their path; what has no name is a change of the Linode itself."""


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
    said = _RESERVED if request.user_data is None else _RESERVED | {"metadata"}
    chosen = {
        "region": request.region,
        "private_ip": settings.private_ip or None,
        "backups_enabled": settings.backups or None,
        "firewall_id": settings.firewall_id,
        "metadata": None if request.user_data is None else _metadata(request.user_data),
    }
    return {
        "label": request.name,
        "type": request.plan,
        "image": request.image,
        "booted": True,
        **{key: value for key, value in chosen.items() if value is not None},
        **checked_extra(request, said),
        **_access(request, settings, password),
        "tags": machine_tags(request, settings.tags, mark),
    }


def _access(
    request: CreateRequest, settings: Settings, password: Callable[[], str]
) -> dict[str, list[str] | str]:
    """Who may log in: Linode wants keys, users whose keys it knows, or a root password."""
    keys = (*extra_texts(request, "authorized_keys"), *(key.strip() for key in request.ssh_keys))
    users = (*settings.authorized_users, *extra_texts(request, "authorized_users"))
    named = {"authorized_keys": list(dict.fromkeys(keys)), "authorized_users": list(dict.fromkeys(users))}
    access: dict[str, list[str] | str] = {field: names for field, names in named.items() if names}
    if not access and "root_pass" not in request.extra:
        access["root_pass"] = password()
    return access


def _metadata(text: str) -> dict[str, str]:
    return {"user_data": base64.b64encode(user_data_bytes(text, _USER_DATA_LIMIT, "Linode")).decode()}


def action_step(request: ActionRequest, password: Callable[[], str]) -> Step:
    """What does something to one machine.

    Raises:
        InvalidActionError: A parameter is missing or none of the action's.
    """
    deed = DEEDS[request.action]
    body = deed.fields(request, {"disk": flag("disk"), "ssh_keys": _lines, "user_data": _metadata})
    if request.action is Action.REBUILD and not body.get("authorized_keys"):
        body["root_pass"] = password()
    return Step(deed.name, deed.effect, body)


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]
