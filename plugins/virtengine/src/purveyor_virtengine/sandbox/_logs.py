"""Logs: as one text, or line by line on a WebSocket that never reads.

Source: virtengine ``pkg/provider_daemon/portal_api.go``, handleLogs and handleLogStreamWS.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from purveyor_testing.sandbox import Answer, Call, Route, Socket
from purveyor_virtengine.sandbox import _asking as asking
from purveyor_virtengine.sandbox._feed import next_or_none
from purveyor_virtengine.sandbox._runtime import LogEntry, Runtime
from purveyor_virtengine.sandbox._words import TEXT

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon

TAIL = 200


@attrs.define(eq=False)
class Logs:
    """``/deployments/{id}/logs``."""

    _daemon: "ProviderDaemon"

    def routes(self) -> Iterable[Route]:
        """The same path for both ways."""
        return (Route("GET", "/deployments/{id}/logs", self._logs, scope="owner text"),)

    def _logs(self, call: Call) -> Answer:
        runtime = self._daemon.runtime(call.params["id"])
        wanted = _filter(call)
        if is_upgrade(call):
            return self._stream(call, runtime, wanted)
        entries = runtime.log.tail(asking.whole(call, "tail", TAIL)) if runtime is not None else ()
        lines = [one.rendered() + "\n" for one in entries if wanted(one)]
        headers = dict(TEXT)
        if call.query.get("download") == "1":
            headers["Content-Disposition"] = f'attachment; filename="deployment-{call.params["id"]}-logs.txt"'
        return Answer(200, "".join(lines).encode(), headers)

    def _stream(self, call: Call, runtime: Runtime | None, wanted: Callable[[LogEntry], bool]) -> Answer:
        daemon = self._daemon
        tail, follow = asking.whole(call, "tail", TAIL), call.query.get("follow") != "0"

        async def talk(socket: Socket) -> None:
            if runtime is None:
                return
            for line in filter(wanted, runtime.log.tail(tail)):
                await socket.send(line.rendered(shout=True))
            if not follow:
                return
            _write_between(daemon, runtime)
            with runtime.log.heard() as queue:
                while True:
                    entry = await next_or_none(queue, daemon.chatter_seconds)
                    if entry is None:
                        runtime.say("request served")
                    elif wanted(entry):
                        await socket.send(entry.rendered(shout=True))

        return Answer(101, talk=talk)


def _write_between(daemon: "ProviderDaemon", runtime: Runtime) -> None:
    """Lines that nobody is told of who has just read the tail and does not listen yet."""
    for _ in range(daemon.lines_between):
        runtime.say("written between tail and follow")
    daemon.lines_between = 0


def _filter(call: Call) -> Callable[[LogEntry], bool]:
    """Level and words, in any case; applied after the tail is cut."""
    level, words = (call.query.get(key, "").strip().lower() for key in ("level", "search"))
    return lambda one: level in ("", one.level.lower()) and words in one.message.lower()


def is_upgrade(call: Call) -> bool:
    """Whether a WebSocket is asked for."""
    connection = [one.strip().lower() for one in call.headers.get("Connection", "").split(",")]
    return "upgrade" in connection and call.headers.get("Upgrade", "").lower() == "websocket"
