"""Lists: pages, their links, and what is not listed yet."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import attrs

from purveyor_testing.sandbox import Answer, Call, compact

REAL_ORIGIN = "https://api.digitalocean.com"
DEFAULT, MOST = 20, 200


def number(text: str | None, default: int) -> int:
    """A positive number from a query, or the default."""
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default


@attrs.frozen
class Pager:
    """Cuts lists into pages."""

    _origin: Callable[[], str]

    def page(
        self,
        call: Call,
        key: str,
        rows: Sequence[Any],
        *,
        vanish: Callable[[Any], None] | None = None,
        **more: object,
    ) -> Answer:
        """One page of `rows` (JSON values, or things with ``rendered()``) under their plural `key`.

        `vanish` takes a row out of the world, for the fault that shifts pages.
        """
        if call.shift and rows:
            if vanish is not None:
                vanish(rows[0])
            rows = rows[1:]
        page = number(call.query.get("page"), 1)
        per_page = min(number(call.query.get("per_page"), DEFAULT), MOST)
        shown = rows[(page - 1) * per_page : page * per_page]
        tail = compact(
            {**more, "links": self._links(call, page, per_page, len(rows)), "meta": {"total": len(rows)}}
        )
        body = b'{"%s":[%s],%s' % (key.encode(), b",".join(map(_render, shown)), tail[1:])
        return Answer.json(body)

    def _links(self, call: Call, page: int, per_page: int, total: int) -> dict[str, Any]:
        last = max(-(-total // per_page), 1)
        wanted: dict[str, int] = {}
        if page > 1:
            wanted |= {"first": 1, "prev": page - 1}
        if page < last:
            wanted |= {"next": page + 1, "last": last}
        return {"pages": {rel: self._link(call, to) for rel, to in wanted.items()}} if wanted else {}

    def _link(self, call: Call, page: int) -> str:
        query = urlencode({**call.query, "page": page})
        return f"{self._origin()}{call.path}?{query}"


def _render(row: Any) -> bytes:
    return row.rendered() if hasattr(row, "rendered") else compact(row)
