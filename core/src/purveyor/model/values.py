"""Small values that everything else is made of: sizes, money, secrets, raw rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

import attrs

__all__ = ["GiB", "KiB", "MiB", "Money", "Raw", "Secret", "TiB", "in_utc"]

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
TiB = 1024 * GiB


def _decimal(value: Decimal | str | float) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


@attrs.frozen
class Money:
    """An amount in one currency. Amounts of different currencies are never added or compared.

    Attributes:
        amount: Exact decimal amount.
        currency: ISO 4217 code, or a chain's denomination.
    """

    amount: Decimal = attrs.field(converter=_decimal)
    currency: str = "USD"

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __mul__(self, factor: int | Decimal) -> Money:
        return Money(self.amount * factor, self.currency)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            msg = f"cannot add {other.currency} to {self.currency}"
            raise ValueError(msg)


class Secret:
    """A value that no repr, str, format, pickle or log shows; ``reveal()`` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: pass it on, never store or print it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        msg = "a Secret is not pickled"
        raise TypeError(msg)


class Raw:
    """The provider's own row, byte for byte, found and decoded only when asked for.

    Args:
        source: The bytes, or many rows' bytes.
        at: Which of many.
    """

    __slots__ = ("_at", "_source")

    def __init__(self, source: bytes | Sequence[bytes] = b"", at: int | None = None) -> None:
        self._source = source
        self._at = at

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self._source if isinstance(self._source, bytes) else self._source[self._at or 0]

    def decode(self) -> Any:
        """The row as JSON values.

        Raises:
            ValueError: The bytes are not JSON.
        """
        return json.loads(self.data)

    def __repr__(self) -> str:
        return f"Raw({len(self.data)} bytes)"

    def __bool__(self) -> bool:
        return bool(self.data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raw) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __reduce__(self) -> tuple[type[Raw], tuple[bytes]]:
        return Raw, (self.data,)


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment in UTC, which is meant where it names no zone; None where the calendar has no such moment."""
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    with suppress(OverflowError):
        return moment.astimezone(UTC)
    return None
