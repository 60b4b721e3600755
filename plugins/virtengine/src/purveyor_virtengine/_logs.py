"""Logs: the lines that a daemon keeps and those that come, each once, whatever breaks in between.

Lines have no numbers. What is known is compared with what the daemon keeps, which is asked for as a whole before and
after a socket is opened: the daemon's own socket loses what comes while it changes over from old lines to new ones.

Sources: ``pkg/provider_daemon/portal_api.go``; and a trial: the daemon never reads from the socket, so it answers no
pings, and a stream that is over may end without a word.
"""

from __future__ import annotations

import re
from collections import Counter, deque
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
    """Tells which lines are new. Lines are the same if time, level and message are, and as often as they are there.

    Attributes:
        begun: Whether anything is known at all.
    """

    def __init__(self) -> None:
        self.begun = False
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
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
        self._lines.append(line)
        return True

    def _news(self, kept: Sequence[LogLine]) -> Sequence[LogLine]:
        there = Counter(self._lines)
        # Nothing older will ever be kept again.
        self._lines = deque(kept, max(KEPT, len(kept)))
        return [line for line in kept if not _taken(there, line)]


def _taken(there: Counter[LogLine], line: LogLine) -> bool:
    known = there[line] > 0
    there[line] -= known
    return known
