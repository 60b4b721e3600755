"""HTTP on loopback: bytes in, bytes out, and every way in which they can fail to arrive."""

import asyncio
import contextlib
import itertools
import socket
import ssl
import struct
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from purveyor_testing.sandbox._control import CONTROL, Control
from purveyor_testing.sandbox._desk import Desk
from purveyor_testing.sandbox._socket import converse
from purveyor_testing.sandbox._wire import Answer, Call

if TYPE_CHECKING:
    from purveyor_testing.sandbox._sandbox import Sandbox

_GRACE = 1.0
"""Seconds for answers under way when the server stops; those that hang are told to end by themselves."""


@attrs.define(eq=False)
class LoopbackServer:
    """Serves one sandbox on 127.0.0.1."""

    _sandbox: "Sandbox"
    origin: str = attrs.field(default="", init=False)
    _listener: asyncio.Server | None = attrs.field(default=None, init=False)
    _server: web.Server | None = attrs.field(default=None, init=False)
    _desk: Desk = attrs.field(init=False)
    _control: Control = attrs.field(init=False)
    _stopping: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _connections: "weakref.WeakKeyDictionary[Any, int]" = attrs.field(
        factory=weakref.WeakKeyDictionary, init=False
    )
    _number: "itertools.count[int]" = attrs.field(factory=lambda: itertools.count(1), init=False)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.connections) if self._server is not None else 0

    async def start(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen, encrypted if told with what; `port` 0 picks a free one."""
        self._stopping.clear()
        self._desk, self._control = Desk(self._sandbox), Control(self._sandbox)
        self._server = web.Server(self._handle, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", port, ssl=tls)
        scheme = "http" if tls is None else "https"
        self.origin = f"{scheme}://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening, then let go of every connection."""
        if self._listener is None or self._server is None:
            return
        # In this order: a client that is cut off may connect again at once, and must find nobody.
        await _stop_accepting(self._listener)
        self._stopping.set()
        self._server.pre_shutdown()
        await self._server.shutdown(_GRACE)
        self._listener = self._server = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = await _read(request)
        if call.path == CONTROL or call.path.startswith(CONTROL + "/"):
            call.path = call.path.removeprefix(CONTROL)
            answer = self._control.answer(call)
            if answer.first is not None:
                await answer.first()
            return _whole(answer)
        entry, faults = self._desk.arrive(call, self._connection(request))
        for fault in faults:
            if fault.name == "latency":
                await self._pause(fault.options["seconds"])
        return await self._send(request, self._desk.answer(call, entry, faults))

    def _connection(self, request: web.BaseRequest) -> int:
        transport = request.transport
        if transport is None:  # the client is already gone
            return next(self._number)
        known = self._connections.get(transport)
        if known is None:
            known = self._connections[transport] = next(self._number)
        return known

    async def _pause(self, seconds: float) -> None:
        """Wait on the wall clock, but not longer than the server lives."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _send(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        if answer.manner == "hang":
            await self._stopping.wait()
        if answer.manner in ("hang", "reset"):
            return _reset(request)
        if answer.talk is not None:
            return await converse(request, answer.talk, self._stopping)
        if answer.parts is not None:
            return await self._pour(request, answer, answer.parts())
        if answer.manner == "whole":
            return _whole(answer)
        return await self._stream(request, answer)

    async def _stream(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        if answer.manner == "cut":
            await response.write(answer.body[: len(answer.body) // 2])
            if request.transport is not None:
                request.transport.close()
            return response
        for byte in answer.body:
            await self._pause(answer.interval)
            if self._stopping.is_set() or request.transport is None:
                break
            await response.write(bytes([byte]))
        return response

    async def _pour(
        self, request: web.BaseRequest, answer: Answer, parts: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # the client has had enough
            async for part in parts:
                if self._stopping.is_set():
                    break
                await response.write(part)
        return response


async def _stop_accepting(listener: asyncio.Server) -> None:
    """Close a listener, but let connections that it has just accepted come into being first.

    asyncio finishes accepting one loop iteration later, and fails if the server was closed meanwhile.
    """
    for sock in listener.sockets:
        with contextlib.suppress(NotImplementedError):  # only selector loops accept by readers
            asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
    listener.close()


async def _read(request: web.BaseRequest) -> Call:
    return Call(
        method=request.method,
        path=request.rel_url.raw_path,
        query=dict(request.rel_url.query),
        query_string=request.rel_url.raw_query_string,
        headers=request.headers,
        body=await request.read(),
        raw_query=request.raw_path.partition("?")[2],
    )


def _whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    """Drop the connection with a TCP RST, as a crashed or restarted peer does."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()
