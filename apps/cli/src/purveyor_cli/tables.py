"""Quiet tables: no boxes, a dim head, and fewer columns where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import attrs
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from purveyor_cli.words import printable

__all__ = ["Column", "facts", "table"]

T = TypeVar("T")

_GAP = 2
_STYLES = {
    "running": "green",
    "active": "green",
    "succeeded": "green",
    "online": "green",
    "closed": "dim",
    "loaded": "green",
    "yes": "green",
    "deleted": "green",
    "error": "red",
    "failed": "red",
    "open": "red",
    "offline": "red",
    "stopped": "dim",
    "disabled": "dim",
    "unknown": "dim",
    "refused": "dim",
    "already": "dim",
    "enabled": "",
    "no": "dim",
}
"""States that speak for themselves; all other states are yellow."""


@attrs.frozen
class Column(Generic[T]):
    """One column: its title, what it says of an item, and how it looks.

    Attributes:
        rank: 0 is always shown; of the others the highest goes first where there is no room.
    """

    title: str
    of: Callable[[T], str]
    rank: int = 0
    right: bool = False
    state: bool = False


def table(items: Iterable[T], columns: Sequence[Column[T]], width: int) -> Table:
    """The items in as many of the columns as fit, without those that would be empty."""
    rows = [[printable(column.of(item)) for column in columns] for item in items]
    shown = _fitting(columns, rows, width)
    result = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for index in shown:
        column = columns[index]
        result.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=min(_width(column, rows, index), 8),
        )
    for row in rows:
        result.add_row(*(_cell(columns[index], row[index]) for index in shown))
    return result


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """What is known about one thing, line by line; nothing is said of what is not known."""
    result = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            result.add_row(name, Text(printable(value), style=_style(value) if name == "status" else ""))
    return result


def _fitting(columns: Sequence[Column[T]], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    widths = {
        index: _width(column, rows, index)
        for index, column in enumerate(columns)
        if not column.rank or any(row[index] for row in rows)
    }
    while sum(widths.values()) + _GAP * len(widths) > width + _GAP:
        spare = max(widths, key=lambda index: (columns[index].rank, index))
        if not columns[spare].rank:
            break
        del widths[spare]
    return sorted(widths)


def _width(column: Column[T], rows: Sequence[Sequence[str]], index: int) -> int:
    return max(cell_len(column.title), *(cell_len(row[index]) for row in rows), 0)


def _cell(column: Column[T], text: str) -> Text:
    return Text(text, style=_style(text) if column.state else "")


def _style(state: str) -> str:
    return _STYLES.get(state.split(maxsplit=1)[0].rstrip(","), "yellow") if state else ""
