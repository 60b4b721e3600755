"""One WebSocket, as plugins see it: messages within bounds, an end, and none of aiohttp's errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import ClientWebSocketResponse, WebSocketError, WSCloseCode, WSMessage, WSMsgType

from purveyor.model.errors import ProtocolMismatchError, ProviderUnavailableError
from purveyor.wire.failures import FOREIGN

__all__ = ["WebSocket"]

_NO_CODE, _DROPPED = 1005, 1006
_FAREWELL_SECONDS = 1.0


class WebSocket:
    """An open WebSocket. Iterate it for its messages, or ask for one by one; it answers pings and sends none.

    Attributes:
        close_code: Why it ended, once it has; 1006 if the connection was dropped without a word.
        close_reason: What was said at the end.
    """

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.close_code: int | None = None
        self.close_reason = ""
        self._socket = socket

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self) -> str | bytes | None:
        """The next message, text or bytes; None when there will be no more. May be given up and called again.

        Raises:
            ProtocolMismatchError: It is larger than agreed, or not what a WebSocket carries.
        """
        if self.close_code is not None:
            return None
        try:
            message = await self._socket.receive()
        except FOREIGN:  # while a ping was answered
            self.close_code = _DROPPED
            return None
        match message.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                data: str | bytes = message.data
                return data
            case WSMsgType.ERROR:
                raise _broken(message.data)
            case _:
                self._ended(message)
                return None

    async def send(self, data: str | bytes) -> None:
        """Send one message.

        Raises:
            ProviderUnavailableError: The connection is gone.
        """
        with suppress(*FOREIGN):
            if self.close_code is None:
                kind = WSMsgType.TEXT if isinstance(data, str) else WSMsgType.BINARY
                await self._socket.send_frame(data.encode() if isinstance(data, str) else data, kind)
                return
        raise ProviderUnavailableError("the WebSocket is closed")

    async def say_goodbye(self) -> None:
        """Offer a close frame, and wait for no answer: some servers never read."""
        with suppress(*FOREIGN, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._socket.send_frame(WSCloseCode.OK.to_bytes(2, "big"), WSMsgType.CLOSE)

    def _ended(self, message: WSMessage) -> None:
        if message.type is WSMsgType.CLOSE:
            self.close_code, self.close_reason = (
                message.data or _NO_CODE,
                message.extra or "",
            )
        else:
            self.close_code = _DROPPED


def _broken(error: object) -> ProtocolMismatchError:
    if isinstance(error, WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG:
        return ProtocolMismatchError("a message is larger than agreed")
    return ProtocolMismatchError("what came is no message of a WebSocket")
