"""From answers to rows: the list first, then each row for itself, so that a bad one costs only itself."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Generic, TypeAlias, TypeVar

import attrs
import msgspec

from purveyor.plugin import ProtocolMismatchError
from purveyor.wire import Fetched, Response
from purveyor_linode import _rows as rows

__all__ = [
    "AVAILABILITY",
    "EVENTS",
    "IMAGES",
    "INVOICES",
    "INVOICE_ITEMS",
    "LINODES",
    "REGIONS",
    "STACKSCRIPTS",
    "TYPES",
    "Kind",
    "Row",
    "Walk",
    "read_list",
    "read_one",
]

R = TypeVar("R")
Row: TypeAlias = tuple[R, bytes] | ProtocolMismatchError
"""A row with its own bytes, or why it cannot be read."""
Walk: TypeAlias = AsyncGenerator[Fetched[Row[R]], None]
"""A list, page by page."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    pages: int | None = None


class _Name(msgspec.Struct):
    id: object = None
    plan: object = None
    label: object = None


@attrs.frozen
class Kind(Generic[R]):
    """One kind of list.

    Attributes:
        row: Decodes one of its rows.
        per_page: Rows to ask for at a time; None for lists that always come whole.
    """

    row: msgspec.json.Decoder[R]
    per_page: int | None = 500


LINODES = Kind(msgspec.json.Decoder(rows.Linode))
EVENTS = Kind(msgspec.json.Decoder(rows.Event), per_page=25)
TYPES = Kind(msgspec.json.Decoder(rows.Type), per_page=None)
IMAGES = Kind(msgspec.json.Decoder(rows.Image))
REGIONS = Kind(msgspec.json.Decoder(rows.Region))
AVAILABILITY = Kind(msgspec.json.Decoder(rows.Availability))
# Each row holds its whole script.
STACKSCRIPTS = Kind(msgspec.json.Decoder(rows.StackScript), per_page=100)
INVOICES = Kind(msgspec.json.Decoder(rows.Invoice))
INVOICE_ITEMS = Kind(msgspec.json.Decoder(rows.InvoiceItem))


def read_list(response: Response, kind: Kind[R]) -> Fetched[Row[R]]:
    """The rows of one page: the list first, then each row for itself, so that a bad row costs only itself."""
    listed = _decoded(response, _LIST, response.body)
    return Fetched([_row(response, kind.row, bytes(raw)) for raw in listed.data], listed.pages)


def read_one(response: Response, row: msgspec.json.Decoder[R]) -> tuple[R, bytes]:
    """The one object of an answer with its own bytes."""
    return _decoded(response, row, response.body), response.body


_LIST = msgspec.json.Decoder(_List)
_NAME = msgspec.json.Decoder(_Name)


def _decoded(response: Response, decoder: msgspec.json.Decoder[R], data: bytes) -> R:
    try:
        return decoder.decode(data)
    except _UNREADABLE as error:
        # Raised below, where the decoder's error is gone: some of them hold the whole answer.
        reason = _reason(error)
    raise response.mismatch(reason)


def _row(response: Response, decoder: msgspec.json.Decoder[R], data: bytes) -> Row[R]:
    try:
        return decoder.decode(data), data
    except _UNREADABLE as error:
        name, reason = _name(data), _reason(error)
    mismatch = response.mismatch(f"row {name}: {reason}")
    mismatch.details.update(row=name, field=(re.findall(r"`\$\.(.+)`", reason) or [None])[0])
    return mismatch


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
    return str(error)


def _name(data: bytes) -> str:
    """What identifies a row that cannot be read otherwise."""
    try:
        row = _NAME.decode(data)
    except _UNREADABLE:
        return "without an id"
    known = (one for one in (row.id, row.plan, row.label) if one and isinstance(one, int | str))
    return str(next(known, "without an id"))[:80]
