"""How the daemon reads its query parameters."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from purveyor_testing.sandbox import Call, Refusal

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def whole(call: Call, key: str, default: int) -> int:
    """An integer; anything else is the default."""
    text = call.query.get(key, "")
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else default


def limit(call: Call, default: int = 20, most: int = 100) -> int:
    """How many rows of a page."""
    asked = whole(call, "limit", default)
    return min(asked, most) if asked > 0 else default


def page(rows: Sequence[Any], call: Call) -> tuple[Sequence[Any], dict[str, str]]:
    """Rows from the cursor on, and the next cursor; it is left out at the end."""
    cursor = call.query.get("cursor", "").strip()
    start = int(cursor[1:]) if re.fullmatch("c[0-9]{1,9}", cursor) else 0
    end = start + limit(call)
    return rows[start:end], ({"next_cursor": f"c{end}"} if end < len(rows) else {})


def span(call: Call) -> tuple[float, float]:
    """``start`` and ``end``, epoch seconds."""
    texts = [call.query.get(key, "").strip() for key in ("start", "end")]
    if not all(texts):
        raise Refusal(400, "start and end are required")
    start, end = (_moment(text, name) for text, name in zip(texts, ("start", "end"), strict=True))
    if end < start:
        raise Refusal(400, "end must be after start")
    return start, end


def _moment(text: str, name: str) -> float:
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.replace(",", ".")).timestamp()
    except ValueError:
        pass  # no such day
    raise Refusal(400, f"invalid {name} time")


def interval(call: Call, default: float) -> float:
    """A Go duration in seconds."""
    text = call.query.get("interval", "").strip()
    if not text:
        return default
    sign, rest = (-1.0, text[1:]) if text[0] == "-" else (1.0, text.removeprefix("+"))
    parts = _PART.findall(rest)
    if rest != "0" and (not parts or "".join(map("".join, parts)) != rest):
        raise Refusal(400, "invalid interval")
    seconds = sign * sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise Refusal(400, "interval must be positive")
    return seconds


def moments(call: Call, default: float, most: int = 1000) -> list[float]:
    """The moments of a series: from the start on, one each interval; the newest `most`, so that nobody asks for ages."""
    (start, end), step = span(call), interval(call, default)
    count = int((end - start) // step) + 1
    return [start + number * step for number in range(max(count - most, 0), count)]
