"""Answers of a provider that means harm. Nothing of it checks a signature; all of it is on record."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs

from purveyor_testing.sandbox import Answer, Call, Socket
from purveyor_virtengine.sandbox._logs import is_upgrade

MIB = 1024 * 1024
_BLOCK = b" " * (64 * 1024)

WAYS: dict[str, dict[str, Any]] = {
    "redirect": {"location": "", "status": 307},
    "giant_body": {"size": 1024 * MIB, "promised": True, "status": 200},
    "giant_header": {"size": MIB},
    "deep_json": {"depth": 1_000_000},
    "drip": {"interval": 0.1, "size": 1000},
    "giant_frame": {"size": 100 * MIB},
    "frame_flood": {"frames": 1_000_000, "text": "x"},
    "endless_fragments": {"frames": 1_000_000},
    "drip_frame": {"interval": 0.1},
    "bad_frame": {"data": "f0ff"},
    "bad_text": {},
    "silence": {},
}
"""Ways to be hostile, and their options. Those about frames answer WebSockets only; plain requests are served."""

FRAMES = ("giant_frame", "frame_flood", "endless_fragments", "drip_frame", "bad_frame", "bad_text", "silence")


@attrs.frozen
class Hostility:
    """One way, and which paths it hits."""

    way: str
    path: str
    options: Mapping[str, Any]

    @classmethod
    def of(cls, way: str, path: str, options: Mapping[str, Any]) -> "Hostility":
        """Checked, with defaults."""
        if way not in WAYS:
            raise ValueError(f"no such way: {way!r}; there are {', '.join(WAYS)}")
        if unknown := options.keys() - WAYS[way].keys():
            raise ValueError(
                f"{way} does not take {', '.join(sorted(unknown))}; it takes {', '.join(WAYS[way])}"
            )
        return cls(way, path, {**WAYS[way], **options})

    def answer(self, call: Call) -> Answer | None:
        """What goes back, or None where this request is spared."""
        if not fnmatchcase(call.path, self.path) or (self.way in FRAMES and not is_upgrade(call)):
            return None
        if self.way in FRAMES:
            return Answer(101, talk=_TALKS[self.way](self.options))
        return _ANSWERS[self.way](self.options, call)


def _redirect(options: Mapping[str, Any], call: Call) -> Answer:
    target = options["location"] or f"http://127.0.0.1:9{call.path}"
    return Answer(options["status"], b"", {"Location": target})


def _giant_body(options: Mapping[str, Any], call: Call) -> Answer:
    del call
    size = options["size"]

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(size // len(_BLOCK)):
            yield _BLOCK
        yield b" " * (size % len(_BLOCK))

    headers = {"Content-Type": "application/json"}
    if options["promised"]:
        headers["Content-Length"] = str(size)
    return Answer(options["status"], b"", headers, parts=parts)


def _giant_header(options: Mapping[str, Any], call: Call) -> Answer:
    del call
    return Answer(200, b"{}", {"Content-Type": "application/json", "X-Padding": "x" * options["size"]})


def _deep_json(options: Mapping[str, Any], call: Call) -> Answer:
    del call
    depth = options["depth"]
    return Answer(200, b"[" * depth + b"]" * depth, {"Content-Type": "application/json"})


def _drip(options: Mapping[str, Any], call: Call) -> Answer:
    del call
    body = b" " * options["size"]
    headers = {"Content-Type": "application/json"}
    return Answer(200, body, headers, manner="drip", interval=options["interval"])


_ANSWERS: dict[str, Callable[[Mapping[str, Any], Call], Answer]] = {
    "redirect": _redirect,
    "giant_body": _giant_body,
    "giant_header": _giant_header,
    "deep_json": _deep_json,
    "drip": _drip,
}

Talk = Callable[[Socket], Any]


def frame(data: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    """An unmasked frame, as servers send it (RFC 6455)."""
    head = bytes([opcode | (0x80 if final else 0)])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 2**16:
        return head + b"\x7e" + len(data).to_bytes(2, "big") + data
    return head + b"\x7f" + len(data).to_bytes(8, "big") + data


def _giant_frame(options: Mapping[str, Any]) -> Talk:
    size = options["size"]

    async def talk(socket: Socket) -> None:
        await socket.send_raw(b"\x81\x7f" + size.to_bytes(8, "big"))
        for _ in range(size // len(_BLOCK)):
            await socket.send_raw(_BLOCK)
        await socket.send_raw(b" " * (size % len(_BLOCK)))
        await socket.receive()

    return talk


def _frame_flood(options: Mapping[str, Any]) -> Talk:
    one = frame(options["text"].encode())

    async def talk(socket: Socket) -> None:
        whole, rest = divmod(options["frames"], 1000)
        block = one * 1000
        for _ in range(whole):
            await socket.send_raw(block)
        await socket.send_raw(one * rest)
        await socket.receive()

    return talk


def _endless_fragments(options: Mapping[str, Any]) -> Talk:
    async def talk(socket: Socket) -> None:
        await socket.send_raw(frame(b"x", final=False))
        block = frame(b"x" * 100, 0, final=False) * 1000
        for _ in range(options["frames"] // 1000):
            await socket.send_raw(block)
        await socket.receive()

    return talk


def _drip_frame(options: Mapping[str, Any]) -> Talk:
    async def talk(socket: Socket) -> None:
        for byte in frame(b"x" * 100):
            await socket.send_raw(bytes([byte]))
            await asyncio.sleep(options["interval"])
        await socket.receive()

    return talk


def _bad_frame(options: Mapping[str, Any]) -> Talk:
    async def talk(socket: Socket) -> None:
        await socket.send_raw(bytes.fromhex(options["data"]))
        await socket.receive()

    return talk


def _bad_text(options: Mapping[str, Any]) -> Talk:
    del options
    return _bad_frame({"data": frame(b"\xff\xfe").hex()})


def _silence(options: Mapping[str, Any]) -> Talk:
    del options

    async def talk(socket: Socket) -> None:
        while await socket.receive() is not None:
            pass

    return talk


_TALKS: dict[str, Callable[[Mapping[str, Any]], Talk]] = {
    "giant_frame": _giant_frame,
    "frame_flood": _frame_flood,
    "endless_fragments": _endless_fragments,
    "drip_frame": _drip_frame,
    "bad_frame": _bad_frame,
    "bad_text": _bad_text,
    "silence": _silence,
}
