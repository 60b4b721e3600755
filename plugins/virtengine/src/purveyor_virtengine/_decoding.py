"""From answers to rows: the list first, then each row for itself, so that a bad one costs only itself."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from purveyor.plugin import ProtocolMismatchError
from purveyor.wire import Fetched, Response, Row, RowReader
from purveyor_virtengine._rows import Text

__all__ = ["read_list", "read_one", "read_text"]

R = TypeVar("R")
_READER = RowReader((msgspec.DecodeError,), names=("id", "owner"))


class _Pagination(msgspec.Struct):
    next_key: str | None = None


class _List(msgspec.Struct):
    """Every list that there is: one of the keys holds its rows, one of the others leads on."""

    providers: list[msgspec.Raw] | None = None
    leases: list[msgspec.Raw] | None = None
    deployments: list[msgspec.Raw] | None = None
    events: list[msgspec.Raw] | None = None
    invoices: list[msgspec.Raw] | None = None
    series: list[msgspec.Raw] | None = None
    pagination: _Pagination | None = None
    next_cursor: str | None = None


_DECODERS: dict[type, Any] = {}


def _decoder(row: type[R]) -> msgspec.json.Decoder[R]:
    if row not in _DECODERS:
        # Not strict: numbers come as text, too.
        _DECODERS[row] = msgspec.json.Decoder(row, strict=False, dec_hook=_text)
    known: msgspec.json.Decoder[R] = _DECODERS[row]
    return known


def _text(kind: type, value: object) -> object:
    if kind is not Text or isinstance(value, bool | list | dict):
        msg = f"Expected `{kind.__name__}`, got `{type(value).__name__}`"
        raise ValueError(msg)
    return Text("" if value is None else value)


def read_list(response: Response, key: str, row: type[R]) -> Fetched[Row[R]]:
    """The rows of one page, and what leads to the next one.

    Raises:
        ProtocolMismatchError: The answer has no such list.
    """
    listed = _READER.one(response, _decoder(_List).decode, response.body)
    rows = getattr(listed, key)
    if rows is None:
        raise response.mismatch(f"{key} is missing")
    following = listed.pagination.next_key if listed.pagination else listed.next_cursor
    return Fetched(_READER.many(response, _decoder(row).decode, rows), next=following or None)


def read_one(response: Response, row: type[R]) -> tuple[R, bytes]:
    """The one object of an answer with its own bytes."""
    return _READER.one(response, _decoder(row).decode, response.body), response.body


def read_text(text: str | bytes, row: type[R]) -> R:
    """The one object of a message that is no answer.

    Raises:
        ProtocolMismatchError: It cannot be read.
    """
    try:
        return _decoder(row).decode(text)
    except _READER.unreadable as error:
        reason = str(error)
    raise ProtocolMismatchError(f"a message cannot be used: {reason}")
