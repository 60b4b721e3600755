"""WebSocket frames as a server writes them, by hand, so that a test can write wrong ones too."""

import base64
import hashlib
import struct

from ._server import Peer

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(data: bytes = b"", kind: int = TEXT, *, size: int | None = None) -> bytes:
    """One whole frame, unmasked; ``size`` lies about its length."""
    size = len(data) if size is None else size
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | kind, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 127, size)
    return head + data


async def accept(peer: Peer) -> None:
    """Answer a handshake."""
    arrival = await peer.read()
    key = arrival.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    token = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    lines = ["HTTP/1.1 101 Switching", "Upgrade: websocket", "Connection: Upgrade"]
    await peer.write("\r\n".join([*lines, f"Sec-WebSocket-Accept: {token}", "", ""]).encode())


async def read_frame(peer: Peer) -> tuple[int, bytes]:
    """The client's next frame, unmasked."""
    first, second = await peer.reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await peer.reader.readexactly(2))
    mask = await peer.reader.readexactly(4)
    data = await peer.reader.readexactly(size)
    return first & 0x0F, bytes(one ^ mask[at % 4] for at, one in enumerate(data))
