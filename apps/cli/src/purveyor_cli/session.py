"""One run of the command: its global options, its client, and its two streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import attrs

from purveyor import MultiProviderClient
from purveyor_cli.plain import dumps
from purveyor_cli.words import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Session", "Within"]

T = TypeVar("T")

_PIPE_WIDTH = 160
"""Columns where nobody says how many there are: what is read by programs should not be cut."""
_LABELS = {"error": "red", "uncertain": "bold red", "warning": "yellow"}


class Within(TypedDict, total=False):
    """The deadline, if one was given; otherwise each call has its own."""

    deadline: float


@attrs.define(slots=False)
class Session:
    """What all commands share.

    Stdout is for what was asked for; stderr for everything that is said beside it.
    """

    config: Path | None = None
    format: str | None = None
    deadline: float | None = None
    quiet: bool = False
    verbose: int = 0

    @property
    def json(self) -> bool:
        """Whether stdout is for a program."""
        return self.format == "json" if self.format else not sys.stdout.isatty()

    @property
    def within(self) -> Within:
        """For every call of the client that takes a deadline."""
        return {} if self.deadline is None else {"deadline": self.deadline}

    @cached_property
    def out(self) -> Console:
        """Stdout for people."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Stderr."""
        return _console(stderr=True)

    def run(
        self,
        work: Callable[[MultiProviderClient], Awaitable[T]],
        doing: str = "asking",
        instead: Mapping[str, Any] | None = None,
    ) -> T:
        """Work with the configured providers; on a terminal, say what is being done while it lasts.

        Args:
            work: What to do with the client.
            doing: What to say; nothing is said for an empty text.
            instead: A configuration to use in place of the file's.
        """
        client = (
            MultiProviderClient.from_file(self.config)
            if instead is None
            else MultiProviderClient.from_config(instead, health_interval=None)
        )

        async def whole() -> T:
            async with client:
                return await work(client)

        with self._spinner(doing):
            return asyncio.run(whole())

    def show(self, *things: RenderableType) -> None:
        """Print for people."""
        for thing in things:
            self.out.print(thing, soft_wrap=isinstance(thing, str))

    def show_json(self, value: Any, *, indent: int | None = 2) -> None:
        """Print for programs; without ``indent`` as one line."""
        sys.stdout.write(dumps(value, indent) + "\n")
        sys.stdout.flush()

    def say(self, label: str, text: str) -> None:
        """One line beside the result: an error, a warning, a note."""
        lines = [printable(line) for line in text.splitlines()]
        indent = "\n    "
        self.err.print(f"{label}: ", style=_LABELS.get(label, "dim"), end="", soft_wrap=True)
        self.err.print(indent.join(lines), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Something that is missing from the result, or wrong with it."""
        if not self.quiet:
            self.say("warning", text)

    def note(self, text: str) -> None:
        """Something that is good to know, for people only."""
        if not self.quiet and not self.json:
            self.err.print(printable(text), style="dim", soft_wrap=True)

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Put the library's log on stderr: warnings, or as much as ``--verbose`` asks for."""
        handler, root = _Notes(self), logging.getLogger()
        ours = logging.getLogger("purveyor")
        before = ours.level
        root.addHandler(handler)
        ours.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            ours.setLevel(before)
            root.removeHandler(handler)

    def _spinner(self, doing: str) -> contextlib.AbstractContextManager[object]:
        if not doing or self.quiet or self.json or not self.err.is_terminal:
            return contextlib.nullcontext()
        return self.err.status(f"{doing} …", spinner="dots", spinner_style="dim")


class _Notes(logging.Handler):
    """Log records as single lines; other libraries' only when debugging."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, if it was asked for."""
        ours = record.name.partition(".")[0] == "purveyor"
        if record.levelno >= self._threshold and (ours or os.environ.get("PURVEYOR_DEBUG")):
            self._session.say(record.levelname.lower(), record.getMessage())

    @property
    def _threshold(self) -> int:
        if self._session.verbose:
            return logging.INFO if self._session.verbose == 1 else logging.DEBUG
        return logging.ERROR if self._session.quiet else logging.WARNING


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - JSON and completion do without it

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console
