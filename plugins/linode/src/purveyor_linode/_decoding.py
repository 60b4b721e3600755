"""From answers to rows: the list first, then each row for itself, so that a bad one costs only itself."""

from __future__ import annotations

from contextlib import suppress
from typing import Generic, TypeVar

import attrs
import msgspec

from purveyor.plugin import Raw
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


class _List(msgspec.Struct, Generic[R]):
    data: list[R]
    pages: int | None = None


@attrs.frozen
class Kind(Generic[R]):
    """One kind of list.

    Attributes:
        whole: Decodes the list.
        row: Decodes one of its rows.
        per_page: Rows to ask for at a time; None for lists that always come whole.
    """

    whole: msgspec.json.Decoder[_List[R]]
    row: msgspec.json.Decoder[R]
    per_page: int | None = 500


def _kind(row: type[R], per_page: int | None = 500) -> Kind[R]:
    return Kind(msgspec.json.Decoder(_List[row]), msgspec.json.Decoder(row), per_page)  # type: ignore[valid-type]


LINODES = _kind(rows.Linode)
EVENTS = _kind(rows.Event, per_page=25)
TYPES = _kind(rows.Type, per_page=None)
IMAGES = _kind(rows.Image)
REGIONS = _kind(rows.Region)
AVAILABILITY = _kind(rows.Availability)
# Each row holds its whole script.
STACKSCRIPTS = _kind(rows.StackScript, per_page=100)
INVOICES = _kind(rows.Invoice)
INVOICE_ITEMS = _kind(rows.InvoiceItem)


def read_list(response: Response, kind: Kind[R]) -> Fetched[Row[R]]:
    """The rows of one page. Where not all can be read, each is decoded for itself, so that a bad one costs only itself."""
    with suppress(*_READER.unreadable):
        whole = kind.whole.decode(response.body)
        return Fetched(_READER.all(whole.data, response.body, _cut), whole.pages)
    listed = _READER.one(response, _LIST.decode, response.body)
    return Fetched(_READER.many(response, kind.row.decode, listed.data), listed.pages)


def read_one(response: Response, row: msgspec.json.Decoder[R]) -> tuple[R, Raw]:
    """The one object of an answer with its own bytes."""
    return _READER.one(response, row.decode, response.body), Raw(response.body)


_LIST = msgspec.json.Decoder(_List[msgspec.Raw])


def _cut(body: bytes) -> list[msgspec.Raw]:
    return _LIST.decode(body).data
