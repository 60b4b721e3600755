"""Bodies as the provider daemon hashes them: what is JSON with sorted keys and as Go writes it, all else as it is.

Source: ``pkg/provider_daemon/auth/cosmos_verify.go`` of virtengine/virtengine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from purveyor.wire import unsendable

__all__ = ["Canonical", "canonical_body", "text_of", "written"]

_ESCAPED = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
"""What Go writes as an escape, and nobody else does."""


class Canonical(bytes):
    """A body that is canonical already, so that it need not be read again when it is signed."""

    __slots__ = ()


def written(value: Mapping[str, Any]) -> Canonical:
    """A body of our own.

    Raises:
        ValidationError: It holds what is no character, or a number that is too long.
    """
    try:
        return Canonical(_escaped(_sorted(value)))
    except (ValueError, OverflowError):
        pass  # Raised below, where the value is in no trace.
    raise unsendable("the body holds what cannot be written as JSON", "json")


def canonical_body(body: bytes) -> bytes:
    """The canonical form of any body; numbers keep the digits that they were written with."""
    if isinstance(body, Canonical):
        return body
    if b"-0" not in body:  # which msgspec would write as zero
        try:
            return _escaped(_sorted(_without_fractions(body)))
        except _UNREADABLE:
            pass  # Written exactly, if it is JSON at all.
    try:
        return _written(_EXACT.decode(body.decode())).encode()
    except _UNREADABLE:
        return body


def _escaped(text: bytes) -> bytes:
    if text.isascii() and not (b"<" in text or b">" in text or b"&" in text):
        return text
    return text.decode().translate(_ESCAPED).encode()


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _refuse(word: str) -> Any:
    msg = f"{word} is not for us to write"
    raise ValueError(msg)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """As Go decodes it: halves of a surrogate pair become U+FFFD, and of equal keys the last one counts."""
    return {_whole(key): value for key, value in pairs}


def _whole(text: str) -> str:
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        # Sorting by code points is sorting by UTF-8 bytes.
        return "{" + ",".join([f"{text_of(key)}:{_written(value[key])}" for key in sorted(value)]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, _Number):
        return value
    return text_of(_whole(value)) if isinstance(value, str) else _WORDS[value]


def text_of(text: str) -> str:
    """A text as Go writes it, in quotes."""
    return _quoted(text).translate(_ESCAPED)


_WORDS = {True: "true", False: "false", None: "null"}
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_quoted = json.JSONEncoder(ensure_ascii=False).encode
_sorted = msgspec.json.Encoder(order="sorted").encode
_without_fractions = msgspec.json.Decoder(float_hook=_refuse).decode
_EXACT = json.JSONDecoder(
    parse_int=_Number, parse_float=_Number, parse_constant=_refuse, object_pairs_hook=_object
)
