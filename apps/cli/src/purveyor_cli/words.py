"""Sizes, prices, times and foreign text as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from purveyor import GiB, KiB, MiB, Money, TiB

__all__ = ["age", "ago", "count", "latency", "moment", "money", "printable", "size", "span", "total"]

_UNITS = ((TiB, "TiB"), (GiB, "GiB"), (MiB, "MiB"), (KiB, "KiB"))
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def printable(text: str) -> str:
    """The text on one line, without what could move a terminal's cursor or change its colours."""
    return "".join(one if one.isprintable() else "�" for one in " ".join(text.split()))


def size(number: float | None) -> str:
    """Bytes, such as ``4 GiB``."""
    if not number:
        return ""
    unit, name = next((pair for pair in _UNITS if number >= pair[0]), (1, "B"))
    return f"{number / unit:.3g} {name}" if number / unit < 100 else f"{number / unit:.0f} {name}"


def money(price: Money | None) -> str:
    """A price, such as ``$0.00744``; never fewer than two decimals."""
    if price is None:
        return ""
    whole, _, cents = f"{price.amount:f}".partition(".")
    text = f"{whole}.{cents.rstrip('0'):0<2}"
    sign = _SIGNS.get(price.currency)
    if sign is None:
        return f"{text} {price.currency}"
    return f"-{sign}{text[1:]}" if text.startswith("-") else sign + text


def total(prices: Iterable[Money | None]) -> str:
    """The sum, one for each currency."""
    sums: dict[str, Money] = {}
    for price in prices:
        if price is not None:
            sums[price.currency] = sums.get(price.currency, Money(Decimal(0), price.currency)) + price
    return " + ".join(money(one) for one in sums.values())


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, such as ``3 h``."""
    if moment is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return span(max(seconds, 0))


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """When, such as ``3 h ago``."""
    text = age(moment, now)
    return "just now" if text == "0 s" else f"{text} ago" if text else ""


def moment(when: datetime) -> str:
    """A moment of these hours, such as ``14:05:10 UTC``."""
    return f"{when.astimezone(UTC):%H:%M:%S} UTC"


def latency(seconds: float | None) -> str:
    """A short time, such as ``18 ms``."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def count(number: int, noun: str) -> str:
    """``1 machine``, ``2 machines``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    length, unit = next((pair for pair in _SPANS if seconds >= pair[0]), (1, "s"))
    return f"{int(seconds // length)} {unit}"
