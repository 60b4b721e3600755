"""From answers to rows: the list first, then each row for itself, so that a bad one costs only itself."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Generic, TypeAlias, TypeVar

import attrs
import msgspec

from purveyor.plugin import ProtocolMismatchError
from purveyor.wire import Fetched, Response, link_params
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

PER_PAGE = 200
"""The most that the API gives."""
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Pages(msgspec.Struct):
    next: str | None = None
    last: str | None = None


class _Links(msgspec.Struct):
    pages: _Pages | None = None


class _Meta(msgspec.Struct):
    total: int | None = None


class _List(msgspec.Struct, kw_only=True):
    rows: list[msgspec.Raw]
    links: _Links | None = None
    meta: _Meta | None = None


class _Name(msgspec.Struct):
    id: int | str | None = None
    slug: str | None = None
    invoice_uuid: str | None = None


@attrs.frozen
class Kind(Generic[R]):
    """One kind of list: how its envelope and its rows are decoded."""

    envelope: msgspec.json.Decoder[_List]
    row: msgspec.json.Decoder[R]


def _kind(key: str, row: type[R]) -> Kind[R]:
    rows = ("rows", list[msgspec.Raw], msgspec.field(name=key))
    return Kind(
        msgspec.json.Decoder(msgspec.defstruct("List", [rows], bases=(_List,), kw_only=True)),
        msgspec.json.Decoder(row),
    )


ACTIONS = _kind("actions", Action)
DROPLETS = _kind("droplets", Droplet)
SIZES = _kind("sizes", Size)
IMAGES = _kind("images", Image)
REGIONS = _kind("regions", Region)
ONE_CLICKS = _kind("1_clicks", OneClick)
INVOICES = _kind("invoices", Invoice)
INVOICE_ITEMS = _kind("invoice_items", InvoiceItem)


def read_list(response: Response, kind: Kind[R]) -> Fetched[Row[R]]:
    """The rows of one page: the list first, then each row for itself, so that a bad row costs only itself."""
    listed = _decoded(response, kind.envelope, response.body)
    return Fetched(
        [_row(response, kind.row, bytes(raw)) for raw in listed.rows], _last_page(response, listed)
    )


def read_one(response: Response, row: msgspec.json.Decoder[R], root: str | None = None) -> tuple[R, bytes]:
    """The one object of an answer with its own bytes, below its root key if it has one."""
    data = response.body
    if root is not None:
        data = bytes(_decoded(response, _ROOTS, data).get(root, b"null"))
    return _decoded(response, row, data), data


_ROOTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
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
    return str(row.id or row.slug or row.invoice_uuid or "without an id")


def _last_page(response: Response, listed: _List) -> int | None:
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
