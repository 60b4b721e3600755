"""Events: what was done to what, each a function of time once it is accepted."""

from collections.abc import Iterable
from typing import Any

import attrs

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import not_found, reply
from purveyor_testing.sandbox import Answer, Call, Clock, Route

FIELDS = ("id", "action", "created", "entity.id", "entity.type", "read")


@attrs.define(eq=False)
class Event:
    """One event: scheduled until it starts, started until it ends."""

    fixed: Row
    """What never changes: id, created, action, entity."""
    visible_at: float
    starts: float
    ends: float
    doomed: bool = False
    seen: bool = False

    @property
    def id(self) -> int:
        """Its id; they grow."""
        id_: int = self.fixed["id"]
        return id_

    def stop(self, now: float) -> None:
        """Let it fail here and now, unless it is over."""
        if self.ends > now:
            self.doomed, self.starts, self.ends = True, min(self.starts, now), now

    def row_at(self, now: float) -> Row:
        """How the API shows it."""
        over = now >= self.ends
        duration = None if now < self.starts else round(min(now, self.ends) - self.starts, 6)
        return {
            **self.fixed,
            "seen": self.seen,
            "read": self.seen,
            "percent_complete": self._percent(now),
            "time_remaining": 0 if over and not self.doomed else None,
            "rate": None,
            "duration": duration,
            "status": self._status(now),
            "message": "",
            "details": {},
        }

    def _status(self, now: float) -> str:
        if now < self.starts:
            return "scheduled"
        if now < self.ends:
            return "started"
        return "failed" if self.doomed else "finished"

    def _percent(self, now: float) -> int:
        if now < self.starts:
            return 0
        if now >= self.ends:
            return 100
        return int(100 * (now - self.starts) / (self.ends - self.starts))


def entity(kind: str, id_: Any, label: str, path: str) -> Row:
    """What an event is about."""
    return {"label": label, "id": id_, "type": kind, "url": f"/v4{path}"}


@attrs.define(eq=False)
class Events:
    """Answers below /v4/account/events."""

    clock: Clock
    log: dict[int, Event]

    def routes(self) -> Iterable[Route]:
        """Its operations; reading an event marks nothing, and ``/read`` is no more."""
        events = "/v4/account/events"
        return (
            Route("GET", events, self.index, "events:read_only"),
            Route("GET", f"{events}/{{event}}", self.show, "events:read_only"),
            Route("POST", f"{events}/{{event}}/seen", self.mark_seen, "events:read_only"),
        )

    def _visible(self) -> list[Event]:
        now = self.clock.now
        return [one for one in reversed(self.log.values()) if one.visible_at <= now]

    def index(self, call: Call) -> Answer:
        """GET /account/events: newest first."""
        now = self.clock.now
        return page(call, [one.row_at(now) for one in self._visible()], FIELDS)

    def _find(self, call: Call) -> Event:
        id_ = call.params["event"]
        found = self.log.get(int(id_)) if id_.isdecimal() else None
        if found is None or found.visible_at > self.clock.now:
            raise not_found()
        return found

    def show(self, call: Call) -> Answer:
        """GET /account/events/{id}."""
        return reply(self._find(call).row_at(self.clock.now))

    def mark_seen(self, call: Call) -> Answer:
        """POST /account/events/{id}/seen: that one and all before it."""
        last = self._find(call)
        for event in self.log.values():
            event.seen = event.seen or event.id <= last.id
        return reply()
