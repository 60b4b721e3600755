"""One async API over many infrastructure providers.

The names below are loaded when first used, so that ``import purveyor`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from purveyor.client import MultiProviderClient
    from purveyor.model.account import *
    from purveyor.model.catalog import *
    from purveyor.model.deployment import *
    from purveyor.model.errors import *
    from purveyor.model.guards import *
    from purveyor.model.instance import *
    from purveyor.model.intent import *
    from purveyor.model.metrics import *
    from purveyor.model.samples import *
    from purveyor.model.selection import *
    from purveyor.model.totals import *
    from purveyor.model.values import *
    from purveyor.model.views import *

_HOMES = (
    "purveyor.model.account",
    "purveyor.model.catalog",
    "purveyor.model.deployment",
    "purveyor.model.errors",
    "purveyor.model.guards",
    "purveyor.model.instance",
    "purveyor.model.intent",
    "purveyor.model.metrics",
    "purveyor.model.samples",
    "purveyor.model.selection",
    "purveyor.model.totals",
    "purveyor.model.values",
    "purveyor.model.views",
    "purveyor.client",  # last: what is not found before loads the engine
)

__all__ = [
    "Action",
    "AllProvidersFailedError",
    "ApiError",
    "App",
    "Attempt",
    "Balance",
    "BlockReport",
    "BlockScope",
    "BreakerPhase",
    "BreakerReport",
    "CallTimeoutError",
    "Candidate",
    "CapacityError",
    "CatalogKind",
    "ConfigurationError",
    "ConflictError",
    "CostEstimate",
    "CostItem",
    "CostReport",
    "CredentialReport",
    "CredentialsError",
    "Deployment",
    "DeploymentAction",
    "DeploymentEvent",
    "DeploymentNotFoundError",
    "DeploymentStatus",
    "Doubt",
    "Exemplar",
    "Explanation",
    "Finding",
    "FindingKind",
    "GiB",
    "GpuMetrics",
    "GuardReport",
    "Health",
    "Image",
    "Instance",
    "InstanceNotFoundError",
    "InstanceSpec",
    "InstanceStatus",
    "InsufficientResourcesError",
    "Intent",
    "IntentNotFoundError",
    "IntentState",
    "InvalidActionError",
    "InvalidCredentialsError",
    "Invoice",
    "KiB",
    "Labels",
    "LimitReport",
    "LogLine",
    "MetricFamily",
    "MetricSeries",
    "MetricType",
    "MetricsTotal",
    "MiB",
    "MissingCredentialsError",
    "Money",
    "MultiProviderClient",
    "Needs",
    "NoCompatibleProvidersError",
    "NoEnabledProvidersError",
    "NotFoundError",
    "Operation",
    "OperationState",
    "Outcome",
    "OwnershipUnverifiedError",
    "Page",
    "PermissionDeniedError",
    "Plan",
    "PluginError",
    "Point",
    "ProtocolMismatchError",
    "ProviderFacts",
    "ProviderHealth",
    "ProviderInactiveError",
    "ProviderInfo",
    "ProviderNotFoundError",
    "ProviderUnavailableError",
    "Provisioned",
    "PurveyorError",
    "QuotaExceededError",
    "RateLimitError",
    "Raw",
    "Reconciliation",
    "Region",
    "Rejection",
    "ResourceBusyError",
    "ResourceKind",
    "ResourceMetrics",
    "ResourcePrice",
    "Resources",
    "Sample",
    "Secret",
    "SelectionError",
    "Service",
    "ShellOutput",
    "StateUnavailableError",
    "TiB",
    "UncertainOutcomeError",
    "UnsafeEndpointError",
    "UnsupportedOperationError",
    "ValidationError",
    "View",
    "convert_unit",
    "total_metrics",
    "units_of",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(home)
            if name in module.__all__:
                globals()[name] = getattr(module, name)
                return globals()[name]
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
