"""Answers gone wrong: each fault as a plain function from the right answer to the one that is sent."""

import functools
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from purveyor_testing.sandbox._seeded import Seeded
from purveyor_testing.sandbox._wire import Answer, compact

_BLOCK = 1024 * 1024

PROXY_PAGE = b"""<html>\r
<head><title>502 Bad Gateway</title></head>\r
<body>\r
<center><h1>502 Bad Gateway</h1></center>\r
<hr><center>cloudflare</center>\r
</body>\r
</html>\r
"""


@functools.lru_cache(maxsize=8)
def bomb(size: int, layers: int = 1) -> bytes:
    """A gzip body that inflates to a JSON object of `size` bytes; further layers wrap it again.

    The filling is one compressed block repeated: after a full flush, deflate blocks refer to nothing
    before them. So 300 MiB cost one MiB of work and 300 KB of memory.
    """
    head, tail = b'{"padding":"', b'"}'
    blocks, rest = divmod(max(size - len(head) - len(tail), 0), _BLOCK)
    block = b"A" * _BLOCK
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)

    def piece(data: bytes, flush: int = zlib.Z_FULL_FLUSH) -> bytes:
        return squeeze.compress(data) + squeeze.flush(flush)

    packed = [piece(head), piece(block) * blocks, piece(block[:rest] + tail, zlib.Z_FINISH)]
    check = functools.reduce(lambda crc, _: zlib.crc32(block, crc), range(blocks), zlib.crc32(head))
    check = zlib.crc32(block[:rest] + tail, check)
    length = len(head) + blocks * _BLOCK + rest + len(tail)
    trailer = check.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")
    body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + b"".join(packed) + trailer
    for _ in range(layers - 1):
        body = gzip.compress(body, mtime=0)
    return body


def _wrong(value: object) -> object:
    """A value of another JSON type."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value} or so"
    if isinstance(value, str):
        return {"value": value}
    if isinstance(value, list):
        return {}
    if isinstance(value, dict):
        return []
    return 0


def _twist(row: dict[str, Any], fields: list[str] | None) -> None:
    # What identifies the row stays, so that a client can say which one it could not read.
    for key in fields if fields is not None else [key for key in row if key not in ("id", "slug")]:
        row[key] = _wrong(row.get(key))


def _single(value: dict[str, Any]) -> dict[str, Any]:
    """The object under a singular root key, or the value itself."""
    inner = [one for key, one in value.items() if key not in ("links", "meta")]
    return inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else value


def wrong_types(answer: Answer, row: int | None, fields: list[str] | None) -> Answer:
    """One row of a list (the middle one unless told), or the single object, with wrong JSON types; text stays as it is.

    An answer that has no such row stays as it is: some APIs take several requests to list everything.
    """
    if not answer.body or "json" not in answer.headers.get("Content-Type", ""):
        return answer
    value = json.loads(answer.body)
    lists = [value] if isinstance(value, list) else [one for one in value.values() if isinstance(one, list)]
    rows = next((one for one in lists if one and isinstance(one[0], dict)), None)
    if row is not None and row >= len(rows or ()):
        return answer
    victim = _single(value) if rows is None else rows[len(rows) // 2 if row is None else row]
    _twist(victim, fields)
    return attrs.evolve(answer, body=compact(value))


def _bombed(answer: Answer, options: Mapping[str, Any]) -> Answer:
    encoding = ", ".join(["gzip"] * options["layers"])
    body = bomb(options["size"], options["layers"])
    return attrs.evolve(answer, body=body, headers={**answer.headers, "Content-Encoding": encoding})


def _html(answer: Answer, options: Mapping[str, Any]) -> Answer:
    del answer
    return Answer(options["status"], PROXY_PAGE, {"Content-Type": "text/html"})


SPOIL: dict[str, Callable[[Answer, Mapping[str, Any]], Answer]] = {
    "reset_after": lambda answer, _: attrs.evolve(answer, manner="reset"),
    "truncate": lambda answer, _: attrs.evolve(answer, manner="cut"),
    "empty": lambda answer, _: attrs.evolve(answer, body=b""),
    "wrong_types": lambda answer, options: wrong_types(answer, options["row"], options["fields"]),
    "bomb": _bombed,
    "drip": lambda answer, options: attrs.evolve(answer, manner="drip", interval=options["interval"]),
    "html": _html,
}
"""Faults that happen to a finished answer."""


def garbage(answer: Answer, chance: Seeded, size: int) -> Answer:
    """The right headers, and bytes that mean nothing."""
    return Answer(200, chance.data("garbage", size), answer.headers)
