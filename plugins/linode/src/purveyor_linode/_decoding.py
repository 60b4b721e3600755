"""From answers to rows: the list first, then each row for itself, so that a bad one costs only itself."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs
import msgspec

from purveyor.wire import Fetched, Response, Row, RowReader
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
    "read_list",
    "read_one",
]

R = TypeVar("R")
_READER = RowReader((msgspec.DecodeError,), names=("id", "plan", "label"))


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    pages: int | None = None


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
    listed = _READER.one(response, _LIST.decode, response.body)
    return Fetched(_READER.many(response, kind.row.decode, listed.data), listed.pages)


def read_one(response: Response, row: msgspec.json.Decoder[R]) -> tuple[R, bytes]:
    """The one object of an answer with its own bytes."""
    return _READER.one(response, row.decode, response.body), response.body


_LIST = msgspec.json.Decoder(_List)
