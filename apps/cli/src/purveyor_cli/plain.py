"""From our values to what JSON has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any

import attrs

from purveyor import Attempt, PurveyorError, Raw

__all__ = ["dumps", "plain", "row"]

_CONTEXT = ("provider", "operation", "field", "outcome", "retry_after")
"""What an error knows beside its details."""


def dumps(value: Any, indent: int | None = 2) -> str:
    """The value as JSON text, safe on every terminal; all on one line without ``indent``."""
    return json.dumps(plain(value), indent=indent)


def plain(value: Any, *, raw: bool = False) -> Any:
    """The value in dicts, lists, texts, numbers, booleans and None.

    Args:
        value: Anything of ours.
        raw: Whether to keep the providers' own rows.
    """
    for kind, form in _FORMS:
        if isinstance(value, kind):
            return form(value)
    if hasattr(value, "_asdict"):  # a tuple with names
        value = value._asdict()
    elif hasattr(
        value, "__struct_fields__"
    ):  # one of msgspec's, which need not be loaded to know that there is none
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    elif attrs.has(type(value)):
        value = attrs.asdict(value, recurse=False, filter=lambda _, one: raw or not isinstance(one, Raw))
    if isinstance(value, Mapping):
        return {str(key): plain(one, raw=raw) for key, one in value.items()}
    if isinstance(value, Iterable):
        return [plain(one, raw=raw) for one in (sorted(value) if isinstance(value, frozenset) else value)]
    return str(value)


def row(value: Any, *, raw: bool = False) -> dict[str, Any]:
    """One item of a list: its fields, after the provider that it is from and the id that it goes by there."""
    fields: dict[str, Any] = plain(value, raw=raw)
    provider = fields.get("provider", fields.get("name"))
    return {"provider": provider, "id": provider, **fields}


def _error(error: PurveyorError) -> dict[str, Any]:
    shown = _brief(error)
    if error.attempts:
        shown["details"]["attempts"] = [_attempt(one) for one in error.attempts]
    return shown


def _brief(error: PurveyorError) -> dict[str, Any]:
    known = {name: getattr(error, name) for name in _CONTEXT}
    details = {name: one for name, one in known.items() if one is not None} | error.details
    return {"code": error.code, "message": error.message, "details": plain(details)}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    """An attempt's own error is not asked for its attempts: it is among them."""
    fields = plain(attrs.asdict(attempt, recurse=False, filter=lambda field, _: field.name != "error"))
    return {**fields, "error": _brief(attempt.error) if attempt.error else None}


def _number(value: float) -> float | str:
    """JSON has no word for these; Prometheus' own JSON says them so."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _decoded(raw: Raw) -> Any:
    try:
        return raw.decode()
    except ValueError:
        return raw.data.decode("utf-8", "replace")


_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (Enum, lambda one: one.value),
    ((NoneType, bool, int, str), lambda one: one),
    (float, _number),
    (Decimal, lambda one: f"{one:f}"),
    (datetime, lambda one: one.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    (Raw, _decoded),
    (Attempt, _attempt),
    (PurveyorError, _error),
)
"""How single values are written."""
