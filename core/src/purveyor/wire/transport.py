"""aiohttp, held so that it sends a request exactly once, says when it leaves, and lets none of its errors out."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import attrs
from aiohttp import (
    ClientHandlerType,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
    TraceRequestHeadersSentParams,
)
from yarl import URL

from purveyor.model.errors import ConfigurationError, ProviderUnavailableError
from purveyor.wire.failures import FOREIGN, from_foreign
from purveyor.wire.guards import GuardedResolver, guarded_socket

__all__ = ["Request", "Transport", "read"]

_ENDLESS = ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""aiohttp keeps no time of its own: the exchange's timeout is the only one."""
_NO_FAREWELL = ClientWSTimeout(ws_close=0.1)
"""Who sent what is no WebSocket's is not waited for."""


@attrs.define(kw_only=True)
class Request:
    """One request, ready to go but for its signature, which is put into its headers right before it goes.

    Attributes:
        method: HTTP method.
        path: Path below the base URL.
        url: Full address, encoded, with the query.
        operation: What is being done.
        headers: All headers; the credential is among them.
        body: None for none.
        fresh: Whether it wants a connection that nothing was sent on before, and that nothing is sent on after.
    """

    method: str
    path: str
    url: str = attrs.field(repr=False)
    operation: str
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    fresh: bool = False


class Transport:
    """Connections of one client.

    Args:
        proxy: Proxy for all requests; that of the environment is ignored.
        ca_file: PEM file of authorities to trust instead of the system's.
        guarded: Connect to public addresses only.
    """

    def __init__(
        self, *, proxy: str | None = None, ca_file: str | None = None, guarded: bool = False
    ) -> None:
        self._proxy = proxy
        self._guarded = guarded
        # True stands for aiohttp's own context of the system's authorities, of which there is one per process.
        self._trust = True if ca_file is None else _trust(ca_file)
        self._sessions: dict[bool, ClientSession] = {}
        self._open: set[ClientSession] = set()  # one for each WebSocket
        self._closed = False

    @asynccontextmanager
    async def send(self, request: Request, sending: Callable[[], None]) -> AsyncIterator[ClientResponse]:
        """Send a request, once; its answer is there with the headers, and what is unread at the end is dropped.

        Args:
            request: What to send.
            sending: Called when there is a connection and the first byte is about to leave.
        """
        answer = await self._session(fresh=request.fresh).request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            proxy=self._proxy,
            trace_request_ctx=sending,
        )
        try:
            yield answer
        finally:
            answer.close()

    @asynccontextmanager
    async def upgrade(
        self,
        request: Request,
        max_frame: int,
        sending: Callable[[], None],
        judge: Callable[[ClientResponse], Awaitable[None]],
    ) -> AsyncIterator[ClientWebSocketResponse]:
        """Open a WebSocket on a connection of its own, which is dropped at the end.

        Args:
            request: What to send.
            max_frame: Bytes that a message may have.
            sending: Called when there is a connection and the first byte is about to leave.
            judge: Called with the answer; raises unless it opens a WebSocket.
        """
        answers: list[ClientResponse] = []

        async def judged(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
            answer = await send(request)
            answers.append(answer)
            await judge(answer)  # here, since aiohttp would follow a redirect, with all headers
            return answer

        # aiohttp takes no request's context for WebSockets: the session of its own knows whom to call.
        async def leaving(*_: object) -> None:
            sending()

        trace = TraceConfig()
        trace.on_request_headers_sent.append(leaving)
        session = self._new(fresh=True, traces=[trace], middlewares=(judged, _once))
        self._open.add(session)
        try:
            yield await self._connected(session, request, max_frame)
        finally:
            self._open.discard(session)
            for answer in answers:
                answer.close()  # aiohttp leaves it open when it was refused, or when the connection is lost
            await session.close()

    async def _connected(
        self, session: ClientSession, request: Request, max_frame: int
    ) -> ClientWebSocketResponse:
        try:
            return await session.ws_connect(
                URL(request.url, encoded=True),
                headers=request.headers,
                proxy=self._proxy,
                max_msg_size=max_frame,
                autoclose=False,
                timeout=_NO_FAREWELL,
            )
        except FOREIGN as error:
            ours = from_foreign(error)
        raise ours

    def _session(self, *, fresh: bool) -> ClientSession:
        if fresh not in self._sessions:
            self._sessions[fresh] = self._new(fresh=fresh, traces=[_leaving()], middlewares=(_once,))
        return self._sessions[fresh]

    def _new(
        self, *, fresh: bool, traces: list[TraceConfig], middlewares: Sequence[ClientMiddlewareType]
    ) -> ClientSession:
        if self._closed:
            raise ProviderUnavailableError("the client is closed")
        return ClientSession(
            connector=self._connector(fresh=fresh),
            cookie_jar=DummyCookieJar(),
            timeout=_ENDLESS,
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Content-Type",),
            trace_configs=traces,
            middlewares=middlewares,
        )

    def _connector(self, *, fresh: bool) -> TCPConnector:
        if not self._guarded:
            return TCPConnector(ssl=self._trust, limit=0, force_close=fresh)
        return TCPConnector(
            ssl=self._trust,
            limit=0,
            force_close=fresh,
            resolver=GuardedResolver(),
            use_dns_cache=False,  # every connection has its own look-up, and its own check
            socket_factory=guarded_socket,
        )

    async def aclose(self) -> None:
        """Close all connections, for good."""
        self._closed = True
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()
        while self._open:
            await self._open.pop().close()


async def read(answer: ClientResponse) -> bytes:
    """The next bytes of the body as they came, not inflated; none at its end."""
    try:
        return await answer.content.readany()
    except FOREIGN as error:
        ours = from_foreign(error)
    raise ours


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return _trusting(ca_file, Path(ca_file).stat().st_mtime_ns)
    except OSError as error:
        reason = error.strerror or "it is not a PEM file of certificates"
        raise ConfigurationError(f"ca_file {ca_file} cannot be used: {reason}", field="ca_file") from error


@functools.lru_cache(maxsize=8)
def _trusting(ca_file: str, changed: int) -> ssl.SSLContext:
    """One for all clients: a file of all the world's authorities takes 20 ms to read and holds 700 KiB."""
    del changed  # it only tells one state of the file from the next
    return ssl.create_default_context(cafile=ca_file)


async def _once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Translate failures inside aiohttp, before it could see them and send again what may have arrived."""
    try:
        return await send(request)
    except FOREIGN as error:
        ours = from_foreign(error)
    raise ours


@functools.cache
def _leaving() -> TraceConfig:
    """Calls ``sending``: aiohttp gives this signal when it is connected and has not written yet."""
    trace = TraceConfig()
    trace.on_request_headers_sent.append(_sending)
    return trace


async def _sending(_: ClientSession, context: SimpleNamespace, __: TraceRequestHeadersSentParams) -> None:
    context.trace_request_ctx()
