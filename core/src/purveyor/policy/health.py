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
from purveyor.policy.breaker import OPENS_AFTER

__all__ = ["failed", "its_fault", "succeeded"]

_ITS_FAULT = (ProviderUnavailableError, CallTimeoutError, ProtocolMismatchError)


def its_fault(error: PurveyorError) -> bool:
    """Whether an error says that the provider does not work; our own mistakes and its limits do not."""
    return isinstance(error, _ITS_FAULT)


def succeeded(health: ProviderHealth, now: datetime, latency: float) -> ProviderHealth:
    """It answered."""
    return ProviderHealth(provider=health.provider, health=Health.ONLINE, checked_at=now, latency=latency)


def failed(health: ProviderHealth, now: datetime, error: PurveyorError) -> ProviderHealth:
    """It did not, or not well."""
    if isinstance(error, CredentialsError):
        return attrs.evolve(health, health=Health.DEGRADED, checked_at=now, error=error)
    if not its_fault(error):
        return health
    failures = health.failures + 1
    state = Health.OFFLINE if failures >= OPENS_AFTER else Health.DEGRADED
    return attrs.evolve(health, health=state, checked_at=now, failures=failures, error=error)
