"""A proxy on loopback that loses, holds up and cuts what passes through it, by chance.

    async with FaultyProxy(cloud.origin, random.Random(1), share=0.5) as proxy:
        base_url = proxy.origin + cloud.base_path

A sandbox' own faults happen where the answer is made; these happen on the way, to connections as they are.
"""

import asyncio
import contextlib
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import attrs

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BACKLOG = 1024


class Fate(Enum):
    """What happens to one request and its answer."""

    PASS = "pass"  # noqa: S105 - not a secret
    """Nothing."""
    SLOW = "slow"
    """Both are held up; the request arrives even if its sender has gone meanwhile."""
    LOST = "lost"
    """The request never arrives; the connection is reset."""
    LATE = "late"
    """The connection is reset at once, and the request arrives afterwards."""
    UNANSWERED = "unanswered"
    """The request arrives and is carried out; then the connection is reset."""
    CUT = "cut"
    """The answer ends in the middle."""


MISHAPS = (Fate.SLOW, Fate.LOST, Fate.LATE, Fate.UNANSWERED, Fate.CUT)


@attrs.define(eq=False)
class FaultyProxy:
    """Passes HTTP/1.1 with stated lengths on to one origin, in plain TCP.

    Attributes:
        target: Origin to pass everything on to, such as ``http://127.0.0.1:8080``.
        chance: Decides, request by request in order of arrival.
        share: How many of the requests something happens to, from 0 to 1.
        reads: How many of those that only read; as many unless told otherwise.
        seconds: Most by which anything is held up.
        mishaps: What may happen, each as likely.
        origin: Its own, once it serves.
        met: How many requests had which fate.
    """

    target: str
    chance: random.Random
    share: float = attrs.field(default=0.5, kw_only=True)
    reads: float = attrs.field(default=attrs.Factory(lambda self: self.share, takes_self=True), kw_only=True)
    seconds: float = attrs.field(default=0.1, kw_only=True)
    mishaps: Sequence[Fate] = attrs.field(default=MISHAPS, kw_only=True)
    origin: str = attrs.field(default="", init=False)
    met: Counter[Fate] = attrs.field(factory=Counter, init=False)
    _server: asyncio.Server | None = attrs.field(default=None, init=False)
    _talks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=_BACKLOG)
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, and the one that belongs to it behind the proxy."""
        where = urlsplit(self.target)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            there, further = await asyncio.open_connection(where.hostname, where.port)
            with contextlib.closing(further):
                while True:
                    request = await _message(reader)
                    fate = self._fate(request)
                    self.met[fate] += 1
                    await self._exchange(fate, request, writer, there, further)

    def _fate(self, request: bytes) -> Fate:
        share = self.reads if request.startswith(b"GET ") else self.share
        return self.chance.choice(self.mishaps) if self.chance.random() < share else Fate.PASS

    async def _exchange(
        self,
        fate: Fate,
        request: bytes,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        further: asyncio.StreamWriter,
    ) -> None:
        """One request and its answer; a broken connection ends the talk.

        Raises:
            ConnectionError: It is over by this fate.
        """
        if fate is Fate.LATE:
            _reset(writer)
        if fate in {Fate.SLOW, Fate.LATE}:
            await self._hold_up()
        if fate is not Fate.LOST:
            further.write(request)
            answer = await _message(there)
            if fate is Fate.SLOW:
                await self._hold_up()
            if fate in {Fate.PASS, Fate.SLOW}:
                writer.write(answer)
                return
            if fate is Fate.CUT:
                writer.write(answer[: self.chance.randrange(1, len(answer))])
                raise ConnectionAbortedError
        _reset(writer)
        raise ConnectionResetError

    async def _hold_up(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, self.seconds))


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One whole request or answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection with a TCP RST."""
    with contextlib.suppress(OSError):  # it may be closed already
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
