"""A terminal here for a shell elsewhere: keys and pipes go there, what it writes comes here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from purveyor.plugin import Shell

__all__ = ["attend", "raw_terminal", "window"]

LEAVE = b"\x1d"
"""Ctrl-]: ends the session here, whatever hangs there."""
_MOST = 65_536


def window() -> tuple[int, int]:
    """Columns and rows of the terminal as it is, whatever the environment says."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return size.columns, size.lines


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Hand every key on as it is, Ctrl-C too; afterwards the terminal is as it was."""
    import termios  # noqa: PLC0415 - not everywhere
    import tty  # noqa: PLC0415 - likewise

    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


async def attend(shell: Shell, *, terminal: bool = False) -> int | None:
    """Carry what is typed or piped in there, and what it writes here, until it ends or is left.

    Args:
        shell: The shell.
        terminal: Whether a person sits here, whose window has a size and whose Ctrl-] leaves.

    Returns:
        Its exit code, where the provider tells.
    """
    writing = asyncio.create_task(_write(shell))
    typing = asyncio.create_task(_type(shell, terminal=terminal))
    with _following_window(shell) if terminal else contextlib.nullcontext():
        try:
            await asyncio.wait({writing, typing}, return_when=asyncio.FIRST_COMPLETED)
            left = typing.done() and not typing.exception() and typing.result()
            if not left:
                await writing
        finally:
            for task in (writing, typing):
                task.cancel()
            await asyncio.gather(writing, typing, return_exceptions=True)
    return shell.exit_code


async def _write(shell: Shell) -> None:
    async for piece in shell:
        out = (sys.stderr if piece.stderr else sys.stdout).buffer
        out.write(piece.data)
        out.flush()


async def _type(shell: Shell, *, terminal: bool) -> bool:
    """Send the input to its end; whether the person left before."""
    async with contextlib.aclosing(_input(sys.stdin.fileno())) as pieces:
        async for data in pieces:
            keys, leave, _ = data.partition(LEAVE) if terminal else (data, b"", b"")
            if keys:
                await shell.send(keys)
            if leave:
                return True
    await shell.send_eof()
    return False


async def _input(source: int) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    while True:
        ready.clear()
        try:
            loop.add_reader(source, ready.set)
        except PermissionError:  # a plain file, which never lets wait
            pass
        else:
            try:
                await ready.wait()
            finally:
                loop.remove_reader(source)
        data = os.read(source, _MOST)
        if not data:
            return
        yield data


@contextlib.contextmanager
def _following_window(shell: Shell) -> Iterator[None]:
    """Tell the shell whenever the window here gets another size."""
    loop, telling = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def resized() -> None:
        task = asyncio.ensure_future(shell.resize(*window()))
        telling.add(task)
        task.add_done_callback(telling.discard)

    loop.add_signal_handler(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        for task in telling:
            task.cancel()
