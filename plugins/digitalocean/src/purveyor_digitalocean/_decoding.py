"""From answers to rows: the list first, then each row for itself, so that a bad one costs only itself."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Generic, TypeVar

import attrs
import msgspec

from purveyor.plugin import Raw
from purveyor.wire import Fetched, Response, Row, RowReader, link_params
from purveyor_digitalocean._rows import Action, Droplet, Image, Invoice, InvoiceItem, OneClick, Region, Size

__all__ = [
    "ACTIONS",
    "DROPLETS",
    "IMAGES",
    "INVOICES",
    "INVOICE_ITEMS",
    "ONE_CLICKS",
    "PER_PAGE",
    "REGIONS",
    "SIZES",
    "Kind",
    "read_list",
    "read_one",
]

R = TypeVar("R")
T = TypeVar("T")

PER_PAGE = 200
"""The most that the API gives."""
_READER = RowReader((msgspec.DecodeError,), names=("id", "slug", "invoice_uuid"))


class _Pages(msgspec.Struct):
    next: str | None = None
    last: str | None = None


class _Links(msgspec.Struct):
    pages: _Pages | None = None


class _Meta(msgspec.Struct):
    total: int | None = None


class _List(msgspec.Struct, Generic[R], kw_only=True):
    rows: list[R]
    links: _Links | None = None
    meta: _Meta | None = None


@attrs.frozen
class Kind(Generic[R]):
    """One kind of list: how it is decoded whole, and how its envelope and its rows are."""

    whole: msgspec.json.Decoder[_List[R]]
    envelope: msgspec.json.Decoder[_List[msgspec.Raw]]
    row: msgspec.json.Decoder[R]

    def cut(self, body: bytes) -> list[msgspec.Raw]:
        """Each row's own bytes."""
        return self.envelope.decode(body).rows


def _kind(key: str, row: type[R]) -> Kind[R]:
    return Kind(_list(key, row), _list(key, msgspec.Raw), msgspec.json.Decoder(row))


def _list(key: str, row: type[T]) -> msgspec.json.Decoder[_List[T]]:
    rows = ("rows", list[row], msgspec.field(name=key))  # type: ignore[valid-type]
    return msgspec.json.Decoder(msgspec.defstruct("List", [rows], bases=(_List,), kw_only=True))


ACTIONS = _kind("actions", Action)
DROPLETS = _kind("droplets", Droplet)
SIZES = _kind("sizes", Size)
IMAGES = _kind("images", Image)
REGIONS = _kind("regions", Region)
ONE_CLICKS = _kind("1_clicks", OneClick)
INVOICES = _kind("invoices", Invoice)
INVOICE_ITEMS = _kind("invoice_items", InvoiceItem)


def read_list(response: Response, kind: Kind[R]) -> Fetched[Row[R]]:
    """The rows of one page. Where not all can be read, each is decoded for itself, so that a bad one costs only itself."""
    with suppress(*_READER.unreadable):
        whole = kind.whole.decode(response.body)
        return Fetched(_READER.all(whole.rows, response.body, kind.cut), _last_page(response, whole))
    listed = _READER.one(response, kind.envelope.decode, response.body)
    return Fetched(_READER.many(response, kind.row.decode, listed.rows), _last_page(response, listed))


def read_one(response: Response, row: msgspec.json.Decoder[R], root: str | None = None) -> tuple[R, Raw]:
    """The one object of an answer with its own bytes, below its root key if it has one."""
    data = response.body
    if root is not None:
        data = bytes(_READER.one(response, _ROOTS.decode, data).get(root, b"null"))
    return _READER.one(response, row.decode, data), Raw(data)


_ROOTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _last_page(response: Response, listed: _List[Any]) -> int | None:
    """Number of the last page as far as the answer tells; the most that any part of it says."""
    pages = (listed.links and listed.links.pages) or _Pages()
    known = [_page(response, link) for link in (pages.next, pages.last) if link]
    if listed.meta and listed.meta.total is not None:
        known.append(-(-listed.meta.total // PER_PAGE))
    return max(known, default=None)


def _page(response: Response, link: str) -> int:
    number = link_params(link).get("page", "")
    if not re.fullmatch("[0-9]{1,9}", number):
        raise response.mismatch("a page's link has no page number")
    return int(number)
