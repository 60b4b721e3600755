"""The words a sandbox speaks inside: a call, an answer, a refusal, a route."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol
from urllib.parse import unquote

import attrs

from purveyor_testing.sandbox._log import Effect

Manner = Literal["whole", "cut", "drip", "reset", "hang"]
"""How an answer goes onto the wire; reset and hang send none at all."""

Scopes = frozenset[str] | None
"""What a token may do; None is everything."""


def compact(value: object) -> bytes:
    """JSON without spaces, as servers send it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Socket(Protocol):
    """A WebSocket as the sandbox's side holds it. Whoever stops talking ends the connection, without a close frame."""

    async def send(self, message: str | bytes) -> None:
        """One text or binary message."""

    async def receive(self) -> str | bytes | None:
        """The next message, or None once the client is gone; only while somebody receives are pings answered."""

    async def send_raw(self, data: bytes) -> None:
        """Bytes as they are, for frames that no proper server sends."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye properly."""


Talk = Callable[[Socket], Awaitable[None]]


@attrs.frozen
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    manner: Manner = "whole"
    interval: float = 0.0
    """Seconds between two bytes, where they drip."""
    talk: Talk | None = None
    """What happens on the WebSocket that the request asked for; the status is 101 then."""
    parts: Callable[[], AsyncIterator[bytes]] | None = None
    """A body that is made while it is sent, instead of `body`; headers may promise a length."""
    first: Callable[[], Awaitable[object]] | None = None
    """Control endpoints only: awaited before the answer is sent."""

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """A JSON answer."""
        body = value if isinstance(value, bytes) else compact(value)
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


class Refusal(Exception):  # noqa: N818 - it is no error of the sandbox: saying no is part of its work
    """Raised to answer with the vendor's error shape; nothing may have been changed before."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class BadBodyError(ValueError):
    """A request's body is no JSON object."""


@attrs.define(eq=False, kw_only=True)
class Call:
    """One request on its way through the sandbox."""

    method: str
    path: str
    query: dict[str, str]
    """One value of each parameter."""
    query_string: str = ""
    """All of it as it was sent, for APIs that repeat parameters."""
    headers: Mapping[str, str]
    body: bytes = b""
    raw_query: str = ""
    """The query as it was sent, for signatures over it."""
    request_id: str = ""
    params: dict[str, str] = attrs.field(factory=dict)
    """What the route's placeholders stood for."""
    token: str = attrs.field(default="", repr=False)
    scopes: Scopes = None
    effects: list[Effect] = attrs.field(factory=list)
    lag: float = 0.0
    """Sandbox seconds for which new things stay out of lists."""
    shift: bool = False
    """Whether a row of an earlier page vanishes right now."""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise BadBodyError(str(error)) from error
        if not isinstance(value, dict):
            raise BadBodyError("expected a JSON object")
        return value

    def effect(self, kind: str, type_: str, id_: object, tags: tuple[str, ...] = ()) -> None:
        """Record a change that this call made."""
        self.effects.append(Effect(kind, type_, str(id_), tags))


Serve = Callable[[Call], Answer]


@attrs.frozen
class Route:
    """One operation: ``Route("GET", "/v2/droplets/{id}", show, scope="droplet:read")``."""

    method: str
    template: str
    serve: Serve
    scope: str = ""
    """What a token needs; several scopes are separated by spaces."""
    _pattern: re.Pattern[str] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        object.__setattr__(self, "_pattern", re.compile(pattern + "/?"))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The placeholders' values if this route serves that request; a trailing slash does not matter."""
        if method != self.method or (found := self._pattern.fullmatch(path)) is None:
            return None
        return {key: unquote(value) for key, value in found.groupdict().items()}
