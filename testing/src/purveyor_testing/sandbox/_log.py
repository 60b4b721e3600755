"""What truly happened, in order: the judge of every test against a sandbox."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from purveyor_testing.sandbox._clock import rfc3339


@attrs.frozen
class Effect:
    """One change that a request made to the cloud."""

    kind: str
    """created, deleted, changed; or received, of what came and changed nothing."""
    type: str
    """The kind of thing: droplet, image, tag."""
    id: str
    tags: tuple[str, ...] = ()


@attrs.frozen
class Entry:
    """One request, or the late effect of an earlier one. Credentials and bodies are never kept."""

    seq: int
    at: str
    """Sandbox time of arrival, RFC 3339."""
    connection: int
    """Which connection it came on, counted from 1; the same number means that it was reused."""
    method: str
    path: str
    query: Mapping[str, str]
    status: int | None = None
    """What was answered; None where no answer was sent (yet)."""
    fault: str | None = None
    """The fault that was applied; several are joined by ``+``."""
    effects: tuple[Effect, ...] = ()
    server: str = ""
    """Which of its servers it came to, where a sandbox has several."""
    follows: int | None = None
    """For a late effect: `seq` of the request that caused it."""


@attrs.define(eq=False)
class TruthLog:
    """Entries in order of arrival; an entry is completed when its answer is known."""

    _now: Callable[[], float]
    _entries: list[Entry] = attrs.field(factory=list, init=False)

    def begin(self, **what: Any) -> Entry:
        """Note an arrival."""
        entry = Entry(seq=len(self._entries) + 1, at=rfc3339(self._now(), fraction=True), **what)
        self._entries.append(entry)
        return entry

    def complete(self, seq: int, status: int | None, effects: Iterable[Effect]) -> None:
        """Note what came of it."""
        entry = self._entries[seq - 1]
        self._entries[seq - 1] = attrs.evolve(entry, status=status, effects=tuple(effects))

    def entries(self) -> list[Entry]:
        """A copy, oldest first."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget everything; numbering starts again."""
        self._entries.clear()
