"""What goes on and on: followed logs and metrics, opened anew where they break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

import attrs

from purveyor.plugin import (
    Call,
    Context,
    DeploymentNotFoundError,
    LogLine,
    LogsRequest,
    PurveyorError,
)
from purveyor_virtengine import _daemon_rows as daemon_rows
from purveyor_virtengine._api import ALL_LINES, Signed
from purveyor_virtengine._decoding import read_text
from purveyor_virtengine._errors import NoRouteError
from purveyor_virtengine._logs import Known, line_of, lines_of

__all__ = ["Open", "follow_logs", "read_logs", "watch_metrics"]

IDLE_SECONDS = 120.0
"""Silence after which a socket is opened anew: a daemon that answers no pings may be gone without a word."""
BURST = 40
"""Lines at a time of which some may be lost: daemons hold 50 for a listener."""
QUIET_SECONDS = 5.0
"""Silence after which a followed log is compared with what the daemon keeps, if some of it may be lost."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
SHORTEST_INTERVAL = 1.0
"""Daemons take 120 requests a minute of one address, from all who share it."""

Open = Callable[[Call], Awaitable[Signed]]
"""Asks the leases, and only then gives what signs."""


class _Patience:
    """How long to wait until a broken stream is opened again: longer each time, until something new comes."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._tries = 0

    def renewed(self) -> None:
        """Something new came."""
        self._tries = 0

    async def wait(self, error: PurveyorError | None) -> None:
        """Wait, and for what the provider asked for if it did."""
        longest = min(FIRST_WAIT * 2**self._tries, LONGEST_WAIT)
        self._tries = min(self._tries + 1, 16)
        wait = longest * self._ctx.random.uniform(0.5, 1.0)
        asked = error.retry_after if error is not None else None
        self._ctx.log.debug("a stream broke off (%s), next try in %.1f s", error or "it ended", wait)
        await self._ctx.clock.sleep(max(wait, asked or 0.0))


def _anew(call: Call) -> Call:
    """The same call for another try, whose exchanges are not kept for ever."""
    return attrs.evolve(call, attempt=call.attempt + 1, exchanges=[])


# Logs.


async def read_logs(open_: Open, request: LogsRequest, call: Call) -> AsyncGenerator[LogLine, None]:
    """The lines that are kept now."""
    tail = ALL_LINES if request.tail is None else request.tail
    signed = await open_(call)
    if tail > 0:
        for line in lines_of(await signed.logs(call, tail, request.service), request.service or "")[-tail:]:
            yield line


async def follow_logs(
    ctx: Context, open_: Open, request: LogsRequest, call: Call
) -> AsyncGenerator[LogLine, None]:
    """The lines that are kept, and each new one; opened again where it breaks, until the lease is over.

    Raises:
        PurveyorError: The log cannot be opened the first time, or another try is of no use.
    """
    known, patience = Known(), _Patience(ctx)
    while True:
        failed: PurveyorError | None = None
        try:
            async with aclosing(_connection(open_, request, call, known)) as lines:
                async for line in lines:
                    patience.renewed()
                    yield line
        except DeploymentNotFoundError:
            if known.begun:
                return
            raise
        except PurveyorError as error:
            if not (known.begun and error.retryable):
                raise
            failed = error
        await patience.wait(failed)
        call = _anew(call)


async def _connection(
    open_: Open, request: LogsRequest, call: Call, known: Known
) -> AsyncGenerator[LogLine, None]:
    """What is new, by way of one socket and as long as it lasts."""
    signed = await open_(call)
    service = request.service or ""

    async def kept() -> list[LogLine]:
        return lines_of(await signed.logs(call, ALL_LINES, request.service), service)

    wanted = ALL_LINES if known.begun or request.tail is None else request.tail
    new = known.before(await kept())
    for line in new[max(len(new) - wanted, 0) :]:
        yield line
    async with signed.follow(call, request.service) as socket:
        # The daemon loses lines while it changes over from old to new ones, and of a burst that is too fast for it.
        idle, came = 0.0, BURST
        for line in known.after(await kept()):
            yield line
        while idle < IDLE_SECONDS:
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    message = await socket.receive()
            except TimeoutError:
                for line in known.after(await kept()) if came >= BURST else ():
                    yield line
                idle, came = idle + QUIET_SECONDS, 0
                continue
            if message is None:
                return
            idle, came = 0.0, came + 1
            text = message if isinstance(message, str) else message.decode(errors="replace")
            if known.is_new(line := line_of(text, service)):
                yield line


# Metrics.


async def watch_metrics(
    ctx: Context, open_: Open, interval: float, call: Call
) -> AsyncGenerator[daemon_rows.Metrics, None]:
    """What is used, as it changes: told by the daemon, or asked for again and again where it does not tell.

    Raises:
        PurveyorError: The first time that it fails, and whenever another try is of no use.
    """
    patience, told, begun = _Patience(ctx), True, False
    while True:
        failed: PurveyorError | None = None
        silent = True
        try:
            async with aclosing(_told(open_, call) if told else _asked(ctx, open_, interval, call)) as found:
                async for metrics in found:
                    begun, silent = True, False
                    patience.renewed()
                    yield metrics
        except NoRouteError:
            if not told:
                raise
            told = False
            continue
        except PurveyorError as error:
            if not (begun and error.retryable):
                raise
            failed = error
        told = told and not (silent and failed is None)
        await patience.wait(failed)
        call = _anew(call)


async def _told(open_: Open, call: Call) -> AsyncGenerator[daemon_rows.Metrics, None]:
    signed = await open_(call)
    async with signed.watch(call) as socket:
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await socket.receive()
                if message is None:
                    return
                yield read_text(message, daemon_rows.Metrics)


async def _asked(
    ctx: Context, open_: Open, interval: float, call: Call
) -> AsyncGenerator[daemon_rows.Metrics, None]:
    while True:
        signed = await open_(call)
        yield await signed.metrics(call, "stream_metrics")
        await ctx.clock.sleep(max(interval, SHORTEST_INTERVAL))
        call = _anew(call)
