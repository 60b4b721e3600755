"""Rules that a request must keep at every provider, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable

from purveyor.model.errors import ValidationError
from purveyor.model.instance import InstanceSpec, Needs
from purveyor.policy.intents import read_mark

__all__ = ["instance_names", "validate_spec"]

NAME_RULE = "3 to 63 letters, digits and single hyphens, beginning with a letter and not ending with a hyphen"
_NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])+")
_SSH_KEY = re.compile(r"(?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+(?: .*)?")
_TAG = re.compile(r"[A-Za-z0-9:_-]{3,50}")
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")


def instance_names(name: str, count: int) -> list[str]:
    """The names of ``count`` instances: the name itself for one, else numbered from 1.

    Raises:
        ValidationError: The count is below 1, or a name breaks the rule.
    """
    if count < 1:
        raise ValidationError(f"count must be at least 1, not {count}", field="count")
    names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
    for candidate in (names[0], names[-1]):
        _check("name", candidate, _name, NAME_RULE)
    return names


def validate_spec(spec: InstanceSpec) -> None:
    """Refuse what no provider would take.

    Raises:
        ValidationError: Names the field and the rule.
    """
    _check("name", spec.name, _name, NAME_RULE)
    for key in spec.ssh_keys:
        if not _SSH_KEY.fullmatch(key.strip()):
            raise ValidationError(
                "an ssh key must be a public key such as 'ssh-ed25519 AAAA… name'; "
                f"this one begins with {key.strip()[:12]!r}",
                field="ssh_keys",
            )
    for field, text in (("user_data", spec.user_data or ""), *(("ssh_keys", key) for key in spec.ssh_keys)):
        if _NO_TEXT.search(text):
            raise ValidationError(f"{field} holds a NUL or half a character, which no text has", field=field)
    for tag in spec.tags:
        _check("tags", tag, _TAG.fullmatch, "3 to 50 letters, digits, colons, hyphens and underscores")
    if read_mark(spec.tags) is not None:
        raise ValidationError(
            "a tag has the form of a mark, by which our own machines are found", field="tags"
        )
    if isinstance(spec.plan, Needs):
        _check_needs(spec.plan)


def _check_needs(needs: Needs) -> None:
    numbers = {"cpus": needs.cpus, "memory": needs.memory, "disk": needs.disk, "gpu": needs.gpu}
    for field, number in numbers.items():
        if number < 0:
            raise ValidationError(f"{field} cannot be negative: {number}", field=field)
    if needs.max_price is not None and not (needs.max_price.is_finite() and needs.max_price > 0):
        raise ValidationError(f"max_price must be above zero: {needs.max_price}", field="max_price")


def _name(text: str) -> object:
    return 3 <= len(text) <= 63 and _NAME.fullmatch(text)


def _check(field: str, value: str, good: Callable[[str], object], rule: str) -> None:
    if not good(value):
        raise ValidationError(f"{field} {value!r} is not portable: {rule}", field=field)
