"""``logs`` and ``shell``: what a deployment writes, and a terminal in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from purveyor import CallTimeoutError, LogLine, MultiProviderClient
from purveyor_cli import exits
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session
from purveyor_cli.terminal import attend, raw_terminal, window

__all__ = ["logs", "shell"]

T = TypeVar("T")

_LEAVE = "Ctrl-]"


def _as_json(line: LogLine) -> str:
    return json.dumps(plain(line._asdict()))


def _as_text(line: LogLine) -> str:
    """The line as it was written, but for what could move a terminal's cursor or change its colours."""
    told = [plain(line.time) or "", f"{line.level:<5}".rstrip(), line.service, line.message]
    text = " ".join(part for part in told if part)
    return "".join(one if one.isprintable() or one in "\t\n" else "�" for one in text)


@click.command(cls=Command)
@click.argument("deployment_id", metavar="ID")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="At most so many old lines.")
@click.option("--service", metavar="NAME", help="Only this service's.")
@pass_session
def logs(session: Session, deployment_id: str, *, follow: bool, tail: int | None, service: str | None) -> int:
    """Print the lines that one deployment wrote.

    Lines are text, also into a pipe; with --format json each is an object on a line of its own.
    """
    session.format = session.format or "table"  # what goes into a pipe is for people too
    form: Callable[[LogLine], str] = _as_json if session.json else _as_text

    async def work(client: MultiProviderClient) -> None:
        stream = client.stream_logs(
            deployment_id, follow=follow, tail=tail, service=service, **session.within
        )
        async with contextlib.aclosing(stream) as lines:
            async for line in lines:
                sys.stdout.write(form(line) + "\n")
                sys.stdout.flush()

    try:
        session.run(work, "")
    except BrokenPipeError:  # who read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.OK


async def _within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    """Some daemons never end a shell that has no more input."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await work
    raise CallTimeoutError("the shell did not end within the deadline")


@click.command(cls=Command)
@click.argument("deployment_id", metavar="ID")
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]")
@click.option("--service", metavar="NAME", help="In which service, if there are several.")
@pass_session
def shell(session: Session, deployment_id: str, command: tuple[str, ...], service: str | None) -> int:
    """Open a shell in one deployment, or run one command there.

    On a terminal all keys go there; Ctrl-] leaves. What is piped in is sent as it is, and --deadline is for all of it.
    The exit code is the one of the shell.
    """
    session.format = "table"  # stdout is the shell's
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    columns, rows = window() if terminal else (None, None)

    async def work(client: MultiProviderClient) -> int | None:
        opening = client.open_shell(
            deployment_id, command, service=service, columns=columns, rows=rows, **session.within
        )
        async with opening as opened:
            if not terminal:
                return await _within(session.deadline, attend(opened))
            session.note(f"Connected; {_LEAVE} leaves.")
            with raw_terminal():
                return await attend(opened, terminal=True)

    return session.run(work, "") or exits.OK
