"""What Linode checks in requests: each check yields what is wrong, a field and a reason.

The reasons are in the real API's words where those are known from recordings and public reports, and in
its manner elsewhere.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._words import Problem
from purveyor_linode.sandbox._world import USERNAME, World

_LABEL = re.compile(r"[a-zA-Z0-9](?:(?!--|__|\.\.)[a-zA-Z0-9_.\-])*[a-zA-Z0-9]")
_KEY_TYPES = ("ssh-dss", "ssh-rsa", "ecdsa-sha2-nistp", "ssh-ed25519", "sk-ecdsa-sha2-nistp256")
_MOST_USER_DATA = 65_535
TAKEN = "Label must be unique among your linodes"


def label(world: World, given: Any, mine: str | None = None) -> Iterator[Problem]:
    """A Linode's label, unique in the account but for `mine`."""
    if not isinstance(given, str) or not 3 <= len(given) <= 64:
        yield "label", "Length must be 3-64 characters"
    elif not _LABEL.fullmatch(given):
        yield "label", "Must only use ASCII letters, numbers, underscores, periods, and dashes"
    elif given != mine and world.taken(given):
        yield "label", TAKEN


def tags(given: Any) -> Iterator[Problem]:
    """Tags of 3 to 50 characters."""
    if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
        yield "tags", "Must be a list of strings"
    elif not all(3 <= len(tag) <= 50 for tag in given):
        yield "tags", "Length must be 3-50 characters"


def access(body: Row) -> Iterator[Problem]:
    """Something to log in with: a password, keys, or users who have keys."""
    password = body.get("root_pass")
    problems = [*_password(password)] if password is not None else []
    yield from problems
    ways = [password if not problems else None, body.get("authorized_keys"), body.get("authorized_users")]
    if not any(ways):
        yield None, "Must provide valid root_pass, authorized_keys, or authorized_users"
    yield from _keys(body.get("authorized_keys") or [])
    yield from _users(body.get("authorized_users") or [])


def _password(given: Any) -> Iterator[Problem]:
    if not isinstance(given, str) or not 11 <= len(given) <= 128:
        yield "root_pass", "Length must be 11-128 characters"
    elif weak(given):
        yield "root_pass", "Password does not meet strength requirement."


def weak(password: str) -> bool:
    """Whether a password is too simple: few characters, or one kind of them."""
    kinds = sum(bool(re.search(kind, password)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]"))
    return len(set(password)) < 6 or kinds < 2


def _keys(given: Any) -> Iterator[Problem]:
    for number, key in enumerate(given if isinstance(given, list) else [given], 1):
        if not is_key(key):
            known = f"{', '.join(_KEY_TYPES[:-1])}, or {_KEY_TYPES[-1]}"
            yield "authorized_keys", f"SSH Key {number} key-type must be one of {known}."


def is_key(given: Any) -> bool:
    """Whether something looks like a public SSH key."""
    return isinstance(given, str) and given.startswith(_KEY_TYPES) and len(given.split()) >= 2


def _users(given: Any) -> Iterator[Problem]:
    for name in given if isinstance(given, list) else [given]:
        if name != USERNAME:
            yield "authorized_users", f"Username {name} is invalid"


def metadata(given: Any, region: Row | None, image: Row | None) -> Iterator[Problem]:
    """User data: base64, not too long, and only where something can read it."""
    data = given.get("user_data") if isinstance(given, dict) else given
    if data is None:
        return
    field = "metadata.user_data"
    if region is not None and "Metadata" not in region["capabilities"]:
        yield field, "Metadata is not available in the selected region"
    if image is not None and "cloud-init" not in image["capabilities"]:
        yield field, "The selected image does not support cloud-init"
    try:
        size = len(base64.b64decode(data, validate=True))
    except (TypeError, ValueError, binascii.Error):
        yield field, "Must be base64 encoded"
    else:
        if size > _MOST_USER_DATA:
            yield field, f"Decoded length must be 1-{_MOST_USER_DATA} bytes"


def script(world: World, body: Row, image: Row | None) -> Iterator[Problem]:
    """A StackScript, an image that it fits, and its user-defined fields."""
    if (id_ := body.get("stackscript_id")) is None:
        return
    found = world.scripts.get(id_) if isinstance(id_, int) else None
    if found is None:
        yield "stackscript_id", "stackscript_id is not valid"
        return
    if image is None:
        yield "image", "image is required"
    elif not {image["id"], "any/all"} & set(found["images"]):
        yield "image", "The selected image is not compatible with this StackScript"
    yield from _script_data(found, body.get("stackscript_data") or {})


def _script_data(found: Row, data: Any) -> Iterator[Problem]:
    if not isinstance(data, dict) or len(json.dumps(data)) > 65_535:
        yield "stackscript_data", "Must be an object of at most 65,535 characters"
        return
    for field in found["user_defined_fields"]:
        name, given = field["name"], data.get(field["name"], field.get("default"))
        if given is None:
            yield "stackscript_data", f"{name} is required"
        elif "oneof" in field and given not in field["oneof"].split(","):
            yield "stackscript_data", f"{name} must be one of {field['oneof']}"
