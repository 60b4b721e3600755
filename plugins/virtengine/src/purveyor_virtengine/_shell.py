"""Shells over a WebSocket: binary frames, the first byte of which says what they are.

Sources: ``pkg/provider_daemon/portal_api.go`` for the codes; Akash's ``gateway/utils`` for the size of a terminal, of which
the daemon says nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from purveyor.plugin import (
    ApiError,
    Call,
    Context,
    KiB,
    Outcome,
    PermissionDeniedError,
    ProviderUnavailableError,
    ShellOutput,
    ShellRequest,
    UnsupportedOperationError,
)
from purveyor.wire import WebSocket, one_line
from purveyor_virtengine._streams import Open

__all__ = ["Shell", "open_shell"]

STDOUT, STDERR, RESULT, FAILURE, STDIN, RESIZE = range(100, 106)
EXPIRED = 1008
ENDED = frozenset({1000, 1001, 1005})
LARGEST_INPUT = 32 * KiB


class Shell:
    """One shell, for as long as its socket lasts. It is never opened anew: another one would not know of the first.

    Attributes:
        exit_code: What it ended with, where the daemon tells.
    """

    def __init__(self, socket: WebSocket, provider: str) -> None:
        self.exit_code: int | None = None
        self._socket, self._provider = socket, provider

    async def __aiter__(self) -> AsyncIterator[ShellOutput]:
        """What it writes, as it comes.

        Raises:
            ApiError: The daemon could not run it.
            PermissionDeniedError: Its time is up.
            ProviderUnavailableError: The connection was lost.
        """
        while (frame := await self._socket.receive()) is not None:
            if not isinstance(frame, bytes) or not frame:
                continue
            code, data = frame[0], frame[1:]
            if code in {STDOUT, STDERR}:
                yield ShellOutput(data, code == STDERR)
            elif code == RESULT:
                self.exit_code = _exit_code(data)
                return
            elif code == FAILURE:
                words = one_line([data.decode(errors="replace")]) or "no reason was given"
                raise ApiError(f"the shell failed: {words}", provider=self._provider)
        self._judge_end()

    async def send(self, data: bytes) -> None:
        """Type something into it.

        Raises:
            ProviderUnavailableError: The connection is gone.
        """
        for start in range(0, len(data), LARGEST_INPUT):
            await self._socket.send(bytes([STDIN]) + data[start : start + LARGEST_INPUT])

    async def send_eof(self) -> None:
        """Say that there will be no more input: Ctrl-D, for there is no frame for it."""
        await self.send(b"\x04")

    async def resize(self, columns: int, rows: int) -> None:
        """Say how large the terminal is now; width and height are two numbers of 16 bits each."""
        size = struct.pack(">HH", min(max(columns, 0), 0xFFFF), min(max(rows, 0), 0xFFFF))
        await self._socket.send(bytes([RESIZE]) + size)

    def _judge_end(self) -> None:
        if self._socket.close_code == EXPIRED:
            reason = one_line([self._socket.close_reason]) or "the session expired"
            raise PermissionDeniedError(f"the provider closed the shell: {reason}", provider=self._provider)
        if self._socket.close_code not in ENDED:
            lost = f"the connection to the shell was lost (code {self._socket.close_code})"
            raise ProviderUnavailableError(lost, provider=self._provider)


@asynccontextmanager
async def open_shell(ctx: Context, open_: Open, request: ShellRequest, call: Call) -> AsyncIterator[Shell]:
    """A shell in one service; its session and its socket are each signed for."""
    if request.command:
        raise UnsupportedOperationError(
            "providers here open the service's own shell and take no command: type it into the shell",
            field="command",
            outcome=Outcome.NOT_SENT,
        )
    signed = await open_(call)
    token = await signed.shell_session(call, request.service)
    async with signed.shell(call, token, request.service) as socket:
        shell = Shell(socket, ctx.provider)
        if request.columns is not None and request.rows is not None:
            await shell.resize(request.columns, request.rows)
        yield shell


def _exit_code(data: bytes) -> int | None:
    with suppress(ValueError, RecursionError):
        told = json.loads(data)
        code = told.get("exit_code") if isinstance(told, dict) else None
        return code if isinstance(code, int) else None
    return None
