"""A loopback server that does on the wire exactly what a test says, and remembers what arrived."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Self

import attrs

JSON = "content-type: application/json"


def answer(status=200, body=b"{}", *headers) -> bytes:
    """The bytes of one well-formed answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@attrs.frozen
class Arrival:
    """One request, as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@attrs.define
class Peer:
    """The server's end of one connection."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    arrivals: list[Arrival]

    async def read(self) -> Arrival:
        """The next request, whole."""
        head = await self.read_head()
        size = int(head.headers.get("content-length", 0))
        arrival = attrs.evolve(head, body=await self.reader.readexactly(size))
        self.arrivals[-1] = arrival
        return arrival

    async def read_head(self) -> Arrival:
        """The next request, up to its empty line."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        arrival = Arrival(method, target, {name.lower(): value for name, value in headers.items()}, b"")
        self.arrivals.append(arrival)
        return arrival

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def reset(self) -> None:
        """Drop the connection the hard way (RST)."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed its end."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """Runs one script per connection; ``async with`` starts and stops it."""

    def __init__(self, script: Script, *, tls=None) -> None:
        self.script, self._tls = script, tls
        self.arrivals: list[Arrival] = []
        self.peers: list[Peer] = []
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for peer in self.peers:
            peer.writer.transport.abort()
        gone = (peer.writer.wait_closed() for peer in self.peers)
        await asyncio.gather(*self._tasks, *gone, return_exceptions=True)

    @property
    def port(self) -> int:
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        peer = Peer(len(self.peers), reader, writer, self.arrivals)
        self.peers.append(peer)
        try:
            await self.script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def always(data: bytes) -> Script:
    """A script that answers every request with the same bytes and keeps the connection."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.read()
            await peer.write(data)

    return script


def once(data: bytes) -> Script:
    """A script that answers one request and closes the connection."""

    async def script(peer: Peer) -> None:
        await peer.read()
        await peer.write(data)

    return script
