"""The server's side of a WebSocket, on top of aiohttp's."""

import asyncio
import contextlib

import attrs
from aiohttp import WSMsgType, web

from purveyor_testing.sandbox._wire import Talk

_LOOK = 0.05
"""Seconds between two looks at whether the client is still there: a server that never reads cannot know."""


@attrs.define(eq=False)
class ServerSocket:
    """What a sandbox's `Talk` is given."""

    _request: web.BaseRequest
    _response: web.WebSocketResponse

    async def send(self, message: str | bytes) -> None:
        """One text or binary message."""
        await (
            self._response.send_str(message)
            if isinstance(message, str)
            else self._response.send_bytes(message)
        )

    async def receive(self) -> str | bytes | None:
        """The next message, or None once the client is gone."""
        message = await self._response.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        data: str | bytes = message.data
        return data

    async def send_raw(self, data: bytes) -> None:
        """Bytes as they are."""
        await self._request.writer.write(data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye properly."""
        await self._response.close(code=code, message=reason.encode())


async def converse(request: web.BaseRequest, talk: Talk, stopping: asyncio.Event) -> web.StreamResponse:
    """Answer an upgrade, and talk until either side or the whole server has enough."""
    response = web.WebSocketResponse(compress=False, max_msg_size=0, timeout=1.0)
    await response.prepare(request)
    task = asyncio.ensure_future(talk(ServerSocket(request, response)))
    while not (task.done() or stopping.is_set() or _is_gone(request)):
        await asyncio.wait({task}, timeout=_LOOK)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
        await task
    if request.transport is not None:
        request.transport.close()
    return response


def _is_gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()
