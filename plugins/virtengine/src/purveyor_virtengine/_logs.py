"""Logs: the lines that a daemon keeps and those that come, each once, whatever breaks in between.

Lines have no numbers. What is known is compared with what the daemon keeps, which is asked for as a whole before and
after a socket is opened: the daemon's own socket loses what comes while it changes over from old lines to new ones.

Sources: ``pkg/provider_daemon/portal_api.go``; and a trial: the daemon never reads from the socket, so it answers no
pings, and a stream that is over may end without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from purveyor.plugin import LogLine, in_utc
from purveyor.wire import Response

__all__ = ["Known", "line_of", "lines_of"]

KEPT = 4096
"""Lines that are remembered at least; the daemon keeps 2,000."""

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\S{8,30}) (?:(\w{2,10}) )?(.*)", re.DOTALL)


def lines_of(response: Response, service: str = "") -> list[LogLine]:
    """The lines of an answer; what has no time goes on with the line before it.

    Some daemons are said to answer a list of lines, or one text, in JSON.

    Raises:
        ProtocolMismatchError: It is JSON and holds no lines.
    """
    return [line_of(text, service) for text in _texts(response)]


def _texts(response: Response) -> Iterable[str]:
    if "json" in response.headers.get("content-type", ""):
        told = response.json()
        if isinstance(told, list):
            return [text for text in told if isinstance(text, str)]
        if not isinstance(told, str):
            raise response.mismatch("it holds no lines")
        return _joined(told.split("\n"))
    return _joined(response.body.decode(errors="replace").split("\n"))


def _joined(lines: Iterable[str]) -> Iterator[str]:
    whole: list[str] = []
    for line in lines:
        if whole and (_LINE.fullmatch(line) or not _LINE.fullmatch(whole[0])):
            yield "\n".join(whole)
            whole = []
        whole.append(line)
    if whole and whole != [""]:
        yield "\n".join(whole)


def line_of(text: str, service: str = "") -> LogLine:
    """A line with its parts: time, level, message. What is written otherwise is all message.

    Over a socket levels come in upper case, and line breaks at the end are kept, so both are made alike.
    """
    text = text.rstrip("\r\n")
    found = _LINE.fullmatch(text)
    if found is None:
        return LogLine(text, service=service)
    stamp, level, message = found.groups()
    try:
        time = in_utc(datetime.fromisoformat(stamp))
    except ValueError:
        return LogLine(text, service=service)
    return LogLine(message, time, (level or "").lower(), service)


class Known:
    """Tells which lines are new. Lines are the same if time, level and message are.

    Attributes:
        begun: Whether anything is known at all.
    """

    def __init__(self) -> None:
        self.begun = False
        self._lines: list[LogLine] = []
        self._due: Counter[LogLine] = Counter()

    def before(self, kept: Sequence[LogLine]) -> Sequence[LogLine]:
        """The new ones among all that the daemon keeps, read before a socket is opened: it will repeat them."""
        new = self._news(kept)
        self.begun, self._due = True, Counter(kept)
        return new

    def after(self, kept: Sequence[LogLine]) -> Sequence[LogLine]:
        """The new ones among all that the daemon keeps, read when the socket was open: it may bring them, too."""
        new = self._news(kept)
        self._due.update(new)
        return new

    def is_new(self, line: LogLine) -> bool:
        """Whether a line that a socket brought is new."""
        if self._due[line] > 0:
            self._due[line] -= 1
            return False
        self._remember([line])
        return True

    def _news(self, kept: Sequence[LogLine]) -> Sequence[LogLine]:
        """What follows where the end of what is known is the beginning of what is kept.

        Where lines were lost in between, or the daemon has begun anew, each line that is kept is looked up instead.
        """
        length = min(len(kept), len(self._lines))
        overlap = next((one for one in range(length, 0, -1) if self._ends_with(kept, one)), 0)
        new: Sequence[LogLine] = kept[overlap:]
        if overlap == 0:
            there = Counter(self._lines)
            new = [line for line in kept if not _taken(there, line)]
        self._remember(new, len(kept))
        return new

    def _ends_with(self, kept: Sequence[LogLine], length: int) -> bool:
        return self._lines[-length] == kept[0] and self._lines[-length:] == list(kept[:length])

    def _remember(self, new: Sequence[LogLine], kept: int = 0) -> None:
        self._lines += new
        bound = 2 * max(kept, KEPT)
        if len(self._lines) > bound:
            del self._lines[: len(self._lines) - bound // 2]


def _taken(there: Counter[LogLine], line: LogLine) -> bool:
    known = there[line] > 0
    there[line] -= known
    return known
