"""Telling a story on a terminal: chapters, tables, and claims that are checked as they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from purveyor_cli.tables import Column, table

__all__ = ["Claim", "Story"]

T = TypeVar("T")

_MARGIN = 3
_WIDEST = 100


@attrs.frozen
class Claim:
    """Something that was said, and whether it turned out to be so."""

    text: str
    held: bool


@attrs.define
class Story:
    """What is told, chapter by chapter.

    Attributes:
        claims: Everything that was claimed so far.
    """

    console: Console
    claims: list[Claim] = attrs.field(factory=list)
    _chapters: int = 0
    _aired: bool = False

    @property
    def width(self) -> int:
        """Columns that a table may have."""
        return min(self.console.width, _WIDEST) - _MARGIN

    def chapter(self, title: str, *sentences: str, command: str = "") -> None:
        """A heading, what is about to happen, and how one would do it by hand."""
        self._chapters += 1
        self.console.print()
        self.console.print(Text.assemble((f"{self._chapters}  ", "dim"), (title, "bold")))
        for sentence in sentences:
            self.tell(sentence)
        if command:
            self._print(Text.assemble(("$ ", "dim"), (command, "cyan")))

    def tell(self, sentence: str, style: str = "") -> None:
        """A sentence or two."""
        self._print(Text(sentence, style=style))

    def show(
        self, items: Sequence[T], columns: Sequence[Column[T]], footer: Callable[[Sequence[T]], str]
    ) -> None:
        """A table, with air around it."""
        if not self._aired:
            self.console.print()
        self._print(table(items, columns, self.width))
        self.tell(footer(items), "dim")
        self.console.print()
        self._aired = True

    def aside(self, text: str) -> None:
        """What the command would say beside its result."""
        if not self._aired:
            self.console.print()
        self.tell(text, "yellow")

    def claim(self, text: str, *, held: bool) -> None:
        """Something that must be so for the story to be true."""
        self.claims.append(Claim(text, held))
        mark, style = ("✓ ", "green") if held else ("✗ NOT SO: ", "bold red")
        self._print(Text.assemble((mark, style), text))

    def _print(self, thing: RenderableType) -> None:
        self._aired = False
        self.console.print(Padding.indent(thing, _MARGIN), width=self.width + _MARGIN)
