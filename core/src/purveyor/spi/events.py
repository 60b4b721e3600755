"""What observers are told: one small frozen value for each thing that happened."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from purveyor.model.catalog import CatalogKind
from purveyor.model.errors import Outcome

__all__ = [
    "BreakerChanged",
    "CallFinished",
    "CallRetried",
    "CatalogueLooked",
    "Event",
    "Observer",
    "ProviderPicked",
]

CANCELLED = "CANCELLED"
"""Stands for the code of an error where a call was given up from outside."""


@attrs.frozen(kw_only=True)
class CallFinished:
    """A call to a provider is over.

    Attributes:
        operation: Such as ``list_instances``.
        seconds: From its beginning to its end, all tries and waits included.
        attempts: Tries; 0 if nothing was tried.
        error: Code of the error that it ended with, or ``CANCELLED``; None if it succeeded.
        outcome: What is known about the effect of one that failed, where its error says.
    """

    provider: str
    operation: str
    seconds: float
    attempts: int
    error: str | None = None
    outcome: Outcome | None = None


@attrs.frozen(kw_only=True)
class CallRetried:
    """A call is tried again.

    Attributes:
        attempt: Which try this is; the first retry is 2.
        seconds: How long it was waited.
        error: Code of the error that the try before ended with.
    """

    provider: str
    operation: str
    attempt: int
    seconds: float
    error: str


@attrs.frozen(kw_only=True)
class BreakerChanged:
    """A circuit breaker went from one state to another: ``closed``, ``open`` or ``half_open``."""

    provider: str
    before: str
    after: str


@attrs.frozen(kw_only=True)
class ProviderPicked:
    """A strategy chose whom to ask first."""

    strategy: str
    provider: str


@attrs.frozen(kw_only=True)
class CatalogueLooked:
    """A catalogue was wanted, and remembered (``hit``) or not."""

    provider: str
    kind: CatalogKind
    hit: bool


Event = CallFinished | CallRetried | BreakerChanged | ProviderPicked | CatalogueLooked

Observer = Callable[[Event], object]
"""Is told of every event as it happens, in the loop that the client runs in: it must be quick and must not wait."""
