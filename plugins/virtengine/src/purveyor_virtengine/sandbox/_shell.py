"""Shells: a token first, then frames whose first byte says what they are.

Source: virtengine ``pkg/provider_daemon/portal_api.go``, handleShellSession and handleShell; the result frame and the
layout of a resize (two big-endian 16-bit numbers, width and height) are Akash's.
"""

import json
import re
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from purveyor_testing.sandbox import Answer, Call, Route, Socket, compact, rfc3339
from purveyor_virtengine.sandbox._logs import is_upgrade
from purveyor_virtengine.sandbox._words import text

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon

STDOUT, STDERR, RESULT, FAILURE, STDIN, RESIZE = range(100, 106)
GREETING = b"Connected to VirtEngine shell.\r\n"


@attrs.frozen
class Session:
    """What a token is good for: one principal and one deployment, again and again until it expires."""

    principal: str
    deployment: str
    expires_at: float


@attrs.define(eq=False)
class Shells:
    """``/deployments/{id}/shell`` and its sessions."""

    _daemon: "ProviderDaemon"
    _sessions: dict[str, Session] = attrs.field(factory=dict, init=False)

    def forget(self) -> None:
        """Sessions are only in memory."""
        self._sessions.clear()

    def routes(self) -> Iterable[Route]:
        """Both refuse in plain text."""
        return (
            Route("POST", "/deployments/{id}/shell/session", self._open, scope="owner text"),
            Route("GET", "/deployments/{id}/shell", self._shell, scope="owner text"),
        )

    def _open(self, call: Call) -> Answer:
        daemon, id_ = self._daemon, call.params["id"]
        self._check_veid(call)
        token = daemon.chance.data("shell token", 32).hex()
        expires_at = daemon.clock.now + daemon.session_seconds
        self._sessions[token] = Session(call.token, id_, expires_at)
        return Answer.json(
            {
                "container": _container(call),
                "deployment": id_,
                "expires_at": rfc3339(expires_at),
                "session_ttl": int(daemon.session_seconds),
                "token": token,
            }
        )

    def _check_veid(self, call: Call) -> None:
        minimum = self._daemon.minimum_veid
        score = call.headers.get("X-VEID-Score", "") or call.query.get("veid_score", "")
        if minimum is None:
            return
        if not score:
            raise text(403, "missing VEID score")
        if not score.lstrip("-").isdecimal():
            raise text(403, "invalid VEID score")
        if int(score) < minimum:
            raise text(403, f"VEID score {int(score)} below minimum {minimum}")

    def _shell(self, call: Call) -> Answer:
        self._check_veid(call)
        session = self._checked(call)
        if not is_upgrade(call):
            raise text(400, "Bad Request")

        async def talk(socket: Socket) -> None:
            await socket.send(bytes([STDOUT]) + GREETING)
            script = Script(echo_only=self._daemon.shell == "echo")
            while (frame := await self._next(socket, session)) is not None:
                for answer in script.take(frame):
                    await socket.send(answer)
                if script.over:
                    await socket.close()
                    return

        return Answer(101, talk=talk)

    def _checked(self, call: Call) -> Session | None:
        token = call.query.get("token", "")
        if not token and self._daemon.allow_insecure:
            return None
        session = self._sessions.get(token)
        if session is None:
            raise text(401, "invalid session token" if token else "missing session token")
        if session.principal != call.token:
            raise text(401, "session principal mismatch")
        if session.deployment != call.params["id"]:
            raise text(401, "session deployment mismatch")
        if self._daemon.clock.now > session.expires_at:
            raise text(401, "session expired")
        return session

    async def _next(self, socket: Socket, session: Session | None) -> bytes | None:
        """The next binary frame; a session's end is noticed only when some frame has come."""
        if session is not None and self._daemon.clock.now > session.expires_at:
            await socket.close(1008, "session expired")
            return None
        frame = await socket.receive()
        return b"" if isinstance(frame, str) else frame


def _container(call: Call) -> str:
    try:
        body = json.loads(call.body or b"{}")
    except ValueError:
        return ""
    named = body.get("container", "") if isinstance(body, dict) else ""
    return named if isinstance(named, str) else ""


_CONTROL = re.compile(rb"([\x03\x04])")


@attrs.define(eq=False)
class Script:
    """A tiny shell. It echoes each line, apart from a few words.

    ``exit N`` ends with that code (control-D with 0), ``size`` prints columns and rows, ``err TEXT`` prints to stderr,
    ``flood N`` prints N bytes, ``fail`` breaks the shell itself (frame 103).
    """

    echo_only: bool = False
    over: bool = False
    _size: tuple[int, int] = (80, 24)
    _line: bytes = b""

    def take(self, frame: bytes) -> list[bytes]:
        """The frames that answer one."""
        kind, payload = frame[:1], frame[1:]
        if kind == bytes([RESIZE]) and len(payload) == 4:
            columns, rows = struct.unpack(">HH", payload)
            self._size = (columns, rows)
        if kind != bytes([STDIN]) or not payload:
            return []
        if self.echo_only:
            return [bytes([STDOUT]) + payload]
        return self._typed(payload)

    def _typed(self, payload: bytes) -> list[bytes]:
        answers: list[bytes] = []
        for keys in _CONTROL.split(payload):  # what is typed fast comes in one frame
            if self.over:
                break
            if keys == b"\x04":
                answers += self._end(0)
            elif keys == b"\x03":
                self._line = b""
                answers.append(bytes([STDOUT]) + b"^C\r\n")
            else:
                answers += self._lines(keys)
        return answers

    def _lines(self, keys: bytes) -> list[bytes]:
        answers: list[bytes] = []
        *lines, self._line = (self._line + keys).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if not self.over:
                answers += self._run(line)
        return answers

    def _run(self, line: bytes) -> list[bytes]:
        word, _, rest = line.partition(b" ")
        if word == b"exit":
            return self._end(int(rest) if rest.isdigit() else 0)
        if word == b"fail":
            self.over = True
            return [bytes([FAILURE])]
        if word == b"size":
            return [bytes([STDOUT]) + b"%dx%d\r\n" % self._size]
        if word == b"err":
            return [bytes([STDERR]) + rest + b"\r\n"]
        if word == b"flood" and rest.isdigit():
            return [bytes([STDOUT]) + b"x" * int(rest)]
        return [bytes([STDOUT]) + line + b"\r\n"]

    def _end(self, code: int) -> list[bytes]:
        self.over = True
        return [bytes([RESULT]) + compact({"exit_code": code})]
