"""Rows of a list: each is read for itself, so that a bad one costs only itself, then kept or left out, then mapped."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import Any, Protocol, TypeAlias, TypeVar

import attrs

from purveyor.model.errors import ProtocolMismatchError
from purveyor.model.values import Raw
from purveyor.model.views import Page
from purveyor.wire.paging import Fetched
from purveyor.wire.response import Response

__all__ = [
    "Row",
    "RowReader",
    "Walk",
    "has_tag",
    "intact",
    "only",
    "tagged",
    "to_page",
    "to_pages",
    "to_whole_page",
    "unique",
]

R = TypeVar("R")
M = TypeVar("M")
Row: TypeAlias = tuple[R, Raw] | ProtocolMismatchError
"""A row with its own bytes, or why it cannot be read."""
Walk: TypeAlias = AsyncGenerator[Fetched[Row[R]], None]
"""A list, page by page."""


class _Tagged(Protocol):
    """A row with tags."""

    @property
    def tags(self) -> tuple[str, ...] | None:
        """Its tags, where it has any."""
        ...


def _and_any_decoders(unreadable: Iterable[type[Exception]]) -> tuple[type[Exception], ...]:
    return (*unreadable, UnicodeDecodeError, RecursionError)


@attrs.frozen
class RowReader:
    """Reads with a plugin's own decoders, and says where they cannot.

    Attributes:
        unreadable: What they raise, besides what any decoder does; a JSON path such as ``$.size.memory`` in its text is taken for the field at fault.
        names: Keys that may identify a row, the best first.
    """

    unreadable: tuple[type[Exception], ...] = attrs.field(converter=_and_any_decoders)
    names: tuple[str, ...] = ("id",)

    def one(self, response: Response, decode: Callable[[bytes], R], data: bytes) -> R:
        """One object of an answer.

        Raises:
            ProtocolMismatchError: It cannot be read.
        """
        try:
            return decode(data)
        except self.unreadable as error:
            # Raised below, where the decoder's error is gone: some of them hold the whole answer.
            reason = _reason(error)
        raise response.mismatch(reason)

    def all(self, rows: Iterable[R], body: bytes, cut: Callable[[bytes], Iterable[bytes]]) -> list[Row[R]]:
        """The rows of a list that was decoded in one go.

        Args:
            rows: What was decoded.
            body: What it was decoded from.
            cut: Finds each row's own bytes in the body, once somebody asks for them.
        """
        pieces = _Pieces(body, cut)
        return [(row, Raw(pieces, at)) for at, row in enumerate(rows)]

    def many(self, response: Response, decode: Callable[[bytes], R], pieces: Iterable[bytes]) -> list[Row[R]]:
        """The rows of a list, each decoded for itself and with a copy of its own bytes."""
        found: list[Row[R]] = []
        for piece in pieces:
            data = bytes(piece)
            try:
                found.append((decode(data), Raw(data)))
            except self.unreadable as error:
                found.append(self._mismatch(response, data, _reason(error)))
        return found

    def _mismatch(self, response: Response, data: bytes, reason: str) -> ProtocolMismatchError:
        name = _name(data, self.names)
        mismatch = response.mismatch(f"row {name}: {reason}")
        mismatch.details.update(row=name, field=(re.findall(r"`\$\.(.+)`", reason) or [None])[0])
        return mismatch


class _Pieces(Sequence[bytes]):
    """Each row's own bytes; until somebody asks for one of them, only the body that holds them all."""

    def __init__(self, body: bytes, cut: Callable[[bytes], Iterable[bytes]]) -> None:
        self._found: bytes | list[bytes] = body
        self._cut = cut

    def _all(self) -> list[bytes]:
        # Threads may come at the same time: each sees either the body or the pieces.
        found = self._found
        if isinstance(found, bytes):
            found = self._found = [bytes(piece) for piece in self._cut(found)]
        return found

    def __getitem__(self, at: Any) -> Any:
        return self._all()[at]

    def __len__(self) -> int:
        return len(self._all())


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
    return str(error)


def _name(data: bytes, keys: Iterable[str]) -> str:
    """What identifies a row that cannot be read otherwise, whatever else is wrong with it."""
    row = None
    with suppress(ValueError, RecursionError):
        row = json.loads(data.decode(errors="replace"))
    known = [row.get(key) for key in keys] if isinstance(row, dict) else []
    return next((str(one)[:80] for one in known if one and isinstance(one, int | str)), "without an id")


async def only(walk: Walk[R], keep: Callable[[R], bool]) -> Walk[R]:
    """The rows that pass, and those that cannot be read: they might."""
    async with aclosing(walk):
        async for fetched in walk:
            yield Fetched(
                [row for row in fetched.rows if isinstance(row, ProtocolMismatchError) or keep(row[0])]
            )


async def unique(walk: Walk[R], key: Callable[[R], Hashable]) -> Walk[R]:
    """Each row once: rows move from page to page while others come and go."""
    seen: set[Hashable] = set()
    async with aclosing(walk):
        async for fetched in walk:
            rows: list[Row[R]] = []
            for row in fetched.rows:
                if isinstance(row, tuple):
                    name = key(row[0])
                    if name in seen:
                        continue
                    seen.add(name)
                rows.append(row)
            yield Fetched(rows)


def has_tag(row: _Tagged, tag: str) -> bool:
    """Whether a row has a tag; upper and lower case are the same."""
    return tag.lower() in {one.lower() for one in row.tags or ()}


T = TypeVar("T", bound=_Tagged)


def tagged(walk: Walk[T], tag: str) -> Walk[T]:
    """The rows with a tag: filters are asked for and checked again, for servers have ignored them."""
    return only(walk, lambda row: has_tag(row, tag))


def to_page(provider: str, found: Iterable[Row[R]], model: Callable[[str, R, Raw], M]) -> Page[M]:
    """A page of models; what cannot be read is kept apart.

    Args:
        provider: Name of the provider.
        found: The rows.
        model: Makes a model of the provider's name, a row and its bytes.
    """
    items: list[M] = []
    unreadable: list[ProtocolMismatchError] = []
    for row in found:
        if isinstance(row, tuple):
            items.append(model(provider, row[0], row[1]))
        else:
            unreadable.append(row)
    return Page(tuple(items), tuple(unreadable))


async def to_pages(
    provider: str, walk: Walk[R], model: Callable[[str, R, Raw], M]
) -> AsyncGenerator[Page[M], None]:
    """A list as pages of models, as they come; see ``to_page``."""
    async with aclosing(walk):
        async for fetched in walk:
            yield to_page(provider, fetched.rows, model)


async def to_whole_page(provider: str, walk: Walk[R], model: Callable[[str, R, Raw], M]) -> Page[M]:
    """A whole list as one page of models; see ``to_page``."""
    async with aclosing(walk):
        found = [row async for fetched in walk for row in fetched.rows]
    return to_page(provider, found, model)


def intact(page: Page[M]) -> tuple[M, ...]:
    """All of a page, for what must leave nothing out, such as a sum.

    Raises:
        PurveyorError: Why the first of the unreadable rows cannot be read.
    """
    if page.unreadable:
        raise page.unreadable[0]
    return page.items
