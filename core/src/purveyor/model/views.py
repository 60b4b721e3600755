"""What one sees over many providers at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

import attrs

from purveyor.model.errors import PurveyorError
from purveyor.model.guards import GuardReport

__all__ = ["Health", "Page", "ProviderHealth", "ProviderInfo", "View"]

T = TypeVar("T")


@attrs.frozen
class Page(Generic[T]):
    """A part of a listing.

    Attributes:
        items: What could be read.
        unreadable: One error for each row that could not; the other rows are still good.
    """

    items: tuple[T, ...]
    unreadable: tuple[PurveyorError, ...] = ()


@attrs.frozen(kw_only=True)
class View(Generic[T]):
    """Everything that could be seen, and what could not.

    Attributes:
        items: What the providers told.
        failures: Provider to what went wrong there.
        stale: Provider to when its items were last good; those items are old.
    """

    items: tuple[T, ...] = ()
    failures: Mapping[str, PurveyorError] = attrs.field(factory=dict)
    stale: Mapping[str, datetime] = attrs.field(factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every provider told everything."""
        return not self.failures


class Health(Enum):
    """How a provider is doing, from probes and live traffic."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


_NOTHING = GuardReport()


@attrs.frozen(kw_only=True)
class ProviderHealth:
    """How one provider is doing.

    Attributes:
        checked_at: Last time that it answered or failed to.
        latency: Seconds that the last call took that was answered well.
        error: The last failure, while it is not online.
        guards: What keeps requests from it at present.
    """

    provider: str
    health: Health = Health.UNKNOWN
    checked_at: datetime | None = None
    latency: float | None = None
    failures: int = 0
    error: PurveyorError | None = None
    guards: GuardReport = _NOTHING


@attrs.frozen(kw_only=True)
class ProviderInfo:
    """One configured provider.

    Attributes:
        facets: What it implements: ``compute``, ``catalog``, ``credentials``, ``billing``, ``deployments``…
        parent: Name of the provider that discovered it; None for one that is configured.
        endpoint: Where it was discovered to be.
        attributes: What was said of it when it was discovered; keys may repeat.
        error: Why it cannot be used, such as a broken plugin.
    """

    name: str
    type: str
    enabled: bool
    priority: int
    weight: int
    capabilities: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    parent: str | None = None
    endpoint: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    health: Health = Health.UNKNOWN
    error: PurveyorError | None = None
