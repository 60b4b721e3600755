"""How a provider's health moves with what happens to it."""

from __future__ import annotations

from datetime import datetime

import attrs

from purveyor.model.errors import (
    CallTimeoutError,
    CredentialsError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
)
from purveyor.model.views import Health, ProviderHealth

__all__ = ["OFFLINE_AFTER", "failed", "succeeded"]

OFFLINE_AFTER = 5
"""Consecutive failures after which a provider counts as offline."""

_ITS_FAULT = (ProviderUnavailableError, CallTimeoutError, ProtocolMismatchError)


def succeeded(health: ProviderHealth, now: datetime, latency: float) -> ProviderHealth:
    """It answered."""
    return ProviderHealth(provider=health.provider, health=Health.ONLINE, checked_at=now, latency=latency)


def failed(health: ProviderHealth, now: datetime, error: PurveyorError) -> ProviderHealth:
    """It did not, or not well. Our own mistakes and its limits say nothing about its health."""
    if isinstance(error, CredentialsError):
        return attrs.evolve(health, health=Health.DEGRADED, checked_at=now, error=error)
    if not isinstance(error, _ITS_FAULT):
        return health
    failures = health.failures + 1
    state = Health.OFFLINE if failures >= OFFLINE_AFTER else Health.DEGRADED
    return attrs.evolve(health, health=state, checked_at=now, failures=failures, error=error)
