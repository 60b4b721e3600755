"""Reading bodies within bounds: never more in memory than was agreed, and one layer of gzip at most."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO

from purveyor.model.errors import ProtocolMismatchError
from purveyor.model.values import KiB

__all__ = ["read_body"]

_PIECE = 64 * KiB


async def read_body(read: Callable[[], Awaitable[bytes]], encoding: str, limit: int) -> bytes:
    """Read a body to its end.

    Args:
        read: Gives the next bytes as they came, none at the end.
        encoding: Value of the Content-Encoding header.
        limit: Bytes that it may have, before as well as after inflating.

    Raises:
        ProtocolMismatchError: It is larger, coded in another way, or not what its coding says.
    """
    pieces, finish = _decoder(encoding)
    body, received = BytesIO(), 0
    while chunk := await read():
        received += len(chunk)
        for piece in pieces(chunk):
            if max(received, body.tell() + len(piece)) > limit:
                raise ProtocolMismatchError(f"the answer is larger than {limit} bytes")
            body.write(piece)
    if received:
        finish()
    return body.getvalue()


def _decoder(encoding: str) -> tuple[Callable[[bytes], Iterator[bytes]], Callable[[], None]]:
    match encoding.strip().lower():
        case "" | "identity":
            return lambda chunk: iter((chunk,)), lambda: None
        case "gzip" | "x-gzip":
            gzip = _Gzip()
            return gzip.pieces, gzip.finish
        case _:
            raise ProtocolMismatchError(
                "the answer is coded in a way that was not asked for (Content-Encoding)"
            )


class _Gzip:
    """Inflates one gzip stream in small pieces."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                raise ProtocolMismatchError("the answer goes on after the end of its gzip data")
            yield self._inflate(data)
            data = self._stream.unconsumed_tail or self._stream.unused_data

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, _PIECE)
        except zlib.error as error:
            raise ProtocolMismatchError("the answer is not the gzip data that it says it is") from error

    def finish(self) -> None:
        if not self._stream.eof:
            raise ProtocolMismatchError("the answer ends in the middle of its gzip data")
