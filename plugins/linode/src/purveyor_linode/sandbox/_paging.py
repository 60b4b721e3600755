"""Lists: filtered, ordered, and cut into pages."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from purveyor_linode.sandbox._filter import chosen
from purveyor_linode.sandbox._words import invalid, not_found, reply
from purveyor_testing.sandbox import Answer, Call, compact

DEFAULT, FEWEST, MOST = 100, 25, 500


def page(
    call: Call,
    rows: Sequence[Any],
    fields: Collection[str] = (),
    *,
    vanish: Callable[[Any], None] | None = None,
    whole: bool = False,
) -> Answer:
    """One page of `rows` (JSON values, or things with ``row`` and ``rendered()``), filterable by `fields`.

    `vanish` takes a row out of the world, for the fault that shifts pages. A `whole` list ignores pages.
    """
    found = chosen(call.headers.get("X-Filter"), rows, frozenset(fields))
    if call.shift and found:
        if vanish is not None:
            vanish(found[0])
        found = found[1:]
    if whole:
        return _envelope(found, 1, 1, len(found))
    number = _number(call, "page", 1, 1)
    size = _number(call, "page_size", DEFAULT, FEWEST, MOST)
    pages = max(-(-len(found) // size), 1)
    if number > pages:
        raise not_found()
    return _envelope(found[(number - 1) * size : number * size], number, pages, len(found))


def _envelope(shown: Sequence[Any], number: int, pages: int, results: int) -> Answer:
    tail = compact({"page": number, "pages": pages, "results": results})
    return reply(b'{"data":[%s],%s' % (b",".join(map(_render, shown)), tail[1:]))


def _number(call: Call, key: str, default: int, least: int, most: int | None = None) -> int:
    text = call.query.get(key)
    if text is None:
        return default
    number = int(text) if text.isdecimal() else -1
    if number < least or (most is not None and number > most):
        raise invalid(f"Must be {least}-{most}" if most else f"Must be at least {least}", key)
    return number


def _render(one: Any) -> bytes:
    rendered: bytes = one.rendered() if hasattr(one, "rendered") else compact(one)
    return rendered
