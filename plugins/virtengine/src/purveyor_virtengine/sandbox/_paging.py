"""Pages with opaque keys, as Cosmos cuts them: one walk for plain stores, one over states with its known flaw."""

import operator
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from zlib import crc32

import attrs

from purveyor_testing.sandbox import Call, Refusal

DEFAULT = 100
"""Rows of a page where no limit is given, or 0."""

T = TypeVar("T")


@attrs.frozen
class Asked:
    """What a request says about pages."""

    limit: int
    key: bytes
    offset: int
    count_total: bool
    reverse: bool


def asked(call: Call) -> Asked:
    """Read ``pagination.*``, or refuse."""
    text = call.query.get("pagination.key", "")
    offset = _number(call, "offset")
    if text and offset:
        raise Refusal(400, "invalid request, either offset or key is expected, got both")
    try:
        key = b64decode(text.replace(" ", "!"), validate=True)
    except ValueError:
        # A "+" that was not escaped arrives as a space, and then this is no Base64 any more.
        raise Refusal(500, "pagination: invalid key: invalid checksum") from None
    return Asked(
        _number(call, "limit") or DEFAULT,
        key,
        offset,
        call.query.get("pagination.count_total") == "true",
        call.query.get("pagination.reverse") == "true",
    )


def _number(call: Call, name: str) -> int:
    text = call.query.get(f"pagination.{name}") or "0"
    if not text.isdecimal():
        raise Refusal(400, f'type mismatch, parameter: pagination.{name}, error: parsing "{text}"')
    return int(text)


def page_of(
    rows: Iterable[T], key_of: Callable[[T], bytes], wanted: Asked
) -> tuple[Sequence[T], dict[str, Any]]:
    """One page of a store, and its ``pagination``. The key names the first row of the next page."""
    ordered = sorted(rows, key=key_of, reverse=wanted.reverse)
    found = ordered[wanted.offset :]
    if wanted.key:
        later = operator.le if wanted.reverse else operator.ge
        found = [one for one in ordered if later(key_of(one), wanted.key)]
    shown, rest = found[: wanted.limit], found[wanted.limit :]
    total = len(ordered) if wanted.count_total and not wanted.key else 0
    return shown, envelope(key_of(rest[0]) if rest else b"", total)


def page_by_state(
    rows: Iterable[T],
    states: Sequence[str],
    state_of: Callable[[T], str],
    key_of: Callable[[T], bytes],
    call: Call,
) -> tuple[Sequence[T], dict[str, Any]]:
    """One page of a store that is indexed by state.

    Without ``filters.state`` the states are walked one after another, and a page that is full exactly at the end of one
    state says that nothing follows: the real server's flaw. ``total`` is the number of rows on the page.
    """
    wanted, state = asked(call), call.query.get("filters.state", "")
    if state and state not in states:
        raise Refusal(400, "invalid state value")
    if wanted.offset and not state:
        raise Refusal(400, "invalid request parameters. if offset is set, filter.state must be provided")
    start, key = _opened(wanted.key, len(states))
    shown: list[T] = []
    ordered = sorted(rows, key=key_of)
    for number, name in enumerate(states):
        if number < start or state not in ("", name):
            continue
        here = [one for one in ordered if state_of(one) == name and (number > start or key_of(one) >= key)]
        here = here[wanted.offset :]
        taken = here[: wanted.limit - len(shown)]
        shown += taken
        if len(here) > len(taken):
            return shown, envelope(_sealed(number, key_of(here[len(taken)])), len(shown))
        if len(shown) == wanted.limit:
            break
    return shown, envelope(b"", len(shown))


def envelope(key: bytes, total: int) -> dict[str, Any]:
    """``pagination`` of an answer."""
    return {"next_key": b64encode(key).decode() if key else None, "total": str(total)}


def _sealed(state: int, key: bytes) -> bytes:
    body = bytes([state]) + key
    return crc32(body).to_bytes(4, "big") + body


def _opened(key: bytes, states: int) -> tuple[int, bytes]:
    if not key:
        return 0, b""
    body = key[4:]
    if not body or crc32(body).to_bytes(4, "big") != key[:4] or body[0] >= states:
        raise Refusal(500, "pagination: invalid key: invalid checksum")
    return body[0], body[1:]
