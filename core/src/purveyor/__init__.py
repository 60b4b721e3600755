"""One async API over many infrastructure providers.

The names below are loaded when first used, so that ``import purveyor`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from purveyor.client import (
        MultiProviderClient as MultiProviderClient,
    )
    from purveyor.model.account import (
        Balance as Balance,
    )
    from purveyor.model.account import (
        CostItem as CostItem,
    )
    from purveyor.model.account import (
        CostReport as CostReport,
    )
    from purveyor.model.account import (
        CredentialReport as CredentialReport,
    )
    from purveyor.model.account import (
        Invoice as Invoice,
    )
    from purveyor.model.catalog import (
        App as App,
    )
    from purveyor.model.catalog import (
        CatalogKind as CatalogKind,
    )
    from purveyor.model.catalog import (
        Image as Image,
    )
    from purveyor.model.catalog import (
        Plan as Plan,
    )
    from purveyor.model.catalog import (
        Region as Region,
    )
    from purveyor.model.errors import (
        AllProvidersFailedError as AllProvidersFailedError,
    )
    from purveyor.model.errors import (
        ApiError as ApiError,
    )
    from purveyor.model.errors import (
        CallTimeoutError as CallTimeoutError,
    )
    from purveyor.model.errors import (
        CapacityError as CapacityError,
    )
    from purveyor.model.errors import (
        ConfigurationError as ConfigurationError,
    )
    from purveyor.model.errors import (
        ConflictError as ConflictError,
    )
    from purveyor.model.errors import (
        CredentialsError as CredentialsError,
    )
    from purveyor.model.errors import (
        InstanceNotFoundError as InstanceNotFoundError,
    )
    from purveyor.model.errors import (
        InsufficientResourcesError as InsufficientResourcesError,
    )
    from purveyor.model.errors import (
        InvalidActionError as InvalidActionError,
    )
    from purveyor.model.errors import (
        InvalidCredentialsError as InvalidCredentialsError,
    )
    from purveyor.model.errors import (
        MissingCredentialsError as MissingCredentialsError,
    )
    from purveyor.model.errors import (
        NoCompatibleProvidersError as NoCompatibleProvidersError,
    )
    from purveyor.model.errors import (
        NoEnabledProvidersError as NoEnabledProvidersError,
    )
    from purveyor.model.errors import (
        NotFoundError as NotFoundError,
    )
    from purveyor.model.errors import (
        Outcome as Outcome,
    )
    from purveyor.model.errors import (
        PermissionDeniedError as PermissionDeniedError,
    )
    from purveyor.model.errors import (
        PluginError as PluginError,
    )
    from purveyor.model.errors import (
        ProtocolMismatchError as ProtocolMismatchError,
    )
    from purveyor.model.errors import (
        ProviderInactiveError as ProviderInactiveError,
    )
    from purveyor.model.errors import (
        ProviderNotFoundError as ProviderNotFoundError,
    )
    from purveyor.model.errors import (
        ProviderUnavailableError as ProviderUnavailableError,
    )
    from purveyor.model.errors import (
        PurveyorError as PurveyorError,
    )
    from purveyor.model.errors import (
        QuotaExceededError as QuotaExceededError,
    )
    from purveyor.model.errors import (
        RateLimitError as RateLimitError,
    )
    from purveyor.model.errors import (
        ResourceBusyError as ResourceBusyError,
    )
    from purveyor.model.errors import (
        SelectionError as SelectionError,
    )
    from purveyor.model.errors import (
        StateUnavailableError as StateUnavailableError,
    )
    from purveyor.model.errors import (
        UncertainOutcomeError as UncertainOutcomeError,
    )
    from purveyor.model.errors import (
        UnsupportedOperationError as UnsupportedOperationError,
    )
    from purveyor.model.errors import (
        ValidationError as ValidationError,
    )
    from purveyor.model.instance import (
        Action as Action,
    )
    from purveyor.model.instance import (
        Instance as Instance,
    )
    from purveyor.model.instance import (
        InstanceSpec as InstanceSpec,
    )
    from purveyor.model.instance import (
        InstanceStatus as InstanceStatus,
    )
    from purveyor.model.instance import (
        Needs as Needs,
    )
    from purveyor.model.metrics import (
        Exemplar as Exemplar,
    )
    from purveyor.model.metrics import (
        GpuMetrics as GpuMetrics,
    )
    from purveyor.model.metrics import (
        Labels as Labels,
    )
    from purveyor.model.metrics import (
        MetricFamily as MetricFamily,
    )
    from purveyor.model.metrics import (
        MetricSeries as MetricSeries,
    )
    from purveyor.model.metrics import (
        MetricType as MetricType,
    )
    from purveyor.model.metrics import (
        Point as Point,
    )
    from purveyor.model.metrics import (
        ResourceKind as ResourceKind,
    )
    from purveyor.model.metrics import (
        ResourceMetrics as ResourceMetrics,
    )
    from purveyor.model.metrics import (
        Sample as Sample,
    )
    from purveyor.model.metrics import (
        convert_unit as convert_unit,
    )
    from purveyor.model.metrics import (
        units_of as units_of,
    )
    from purveyor.model.selection import (
        Attempt as Attempt,
    )
    from purveyor.model.selection import (
        Candidate as Candidate,
    )
    from purveyor.model.selection import (
        Explanation as Explanation,
    )
    from purveyor.model.selection import (
        Provisioned as Provisioned,
    )
    from purveyor.model.selection import (
        Rejection as Rejection,
    )
    from purveyor.model.values import (
        GiB as GiB,
    )
    from purveyor.model.values import (
        KiB as KiB,
    )
    from purveyor.model.values import (
        MiB as MiB,
    )
    from purveyor.model.values import (
        Money as Money,
    )
    from purveyor.model.values import (
        Raw as Raw,
    )
    from purveyor.model.values import (
        Secret as Secret,
    )
    from purveyor.model.values import (
        TiB as TiB,
    )
    from purveyor.model.views import (
        Health as Health,
    )
    from purveyor.model.views import (
        Page as Page,
    )
    from purveyor.model.views import (
        ProviderHealth as ProviderHealth,
    )
    from purveyor.model.views import (
        ProviderInfo as ProviderInfo,
    )
    from purveyor.model.views import (
        View as View,
    )

_HOMES = {
    "purveyor.client": ("MultiProviderClient",),
    "purveyor.model.account": (
        "Balance",
        "CostItem",
        "CostReport",
        "CredentialReport",
        "Invoice",
    ),
    "purveyor.model.catalog": (
        "App",
        "CatalogKind",
        "Image",
        "Plan",
        "Region",
    ),
    "purveyor.model.errors": (
        "AllProvidersFailedError",
        "ApiError",
        "CallTimeoutError",
        "CapacityError",
        "ConfigurationError",
        "ConflictError",
        "CredentialsError",
        "InstanceNotFoundError",
        "InsufficientResourcesError",
        "InvalidActionError",
        "InvalidCredentialsError",
        "MissingCredentialsError",
        "NoCompatibleProvidersError",
        "NoEnabledProvidersError",
        "NotFoundError",
        "Outcome",
        "PermissionDeniedError",
        "PluginError",
        "ProtocolMismatchError",
        "ProviderInactiveError",
        "ProviderNotFoundError",
        "ProviderUnavailableError",
        "PurveyorError",
        "QuotaExceededError",
        "RateLimitError",
        "ResourceBusyError",
        "SelectionError",
        "StateUnavailableError",
        "UncertainOutcomeError",
        "UnsupportedOperationError",
        "ValidationError",
    ),
    "purveyor.model.instance": (
        "Action",
        "Instance",
        "InstanceSpec",
        "InstanceStatus",
        "Needs",
    ),
    "purveyor.model.metrics": (
        "Exemplar",
        "GpuMetrics",
        "Labels",
        "MetricFamily",
        "MetricSeries",
        "MetricType",
        "Point",
        "ResourceKind",
        "ResourceMetrics",
        "Sample",
        "convert_unit",
        "units_of",
    ),
    "purveyor.model.selection": (
        "Attempt",
        "Candidate",
        "Explanation",
        "Provisioned",
        "Rejection",
    ),
    "purveyor.model.values": (
        "GiB",
        "KiB",
        "MiB",
        "Money",
        "Raw",
        "Secret",
        "TiB",
    ),
    "purveyor.model.views": (
        "Health",
        "Page",
        "ProviderHealth",
        "ProviderInfo",
        "View",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Action",
    "AllProvidersFailedError",
    "ApiError",
    "App",
    "Attempt",
    "Balance",
    "CallTimeoutError",
    "Candidate",
    "CapacityError",
    "CatalogKind",
    "ConfigurationError",
    "ConflictError",
    "CostItem",
    "CostReport",
    "CredentialReport",
    "CredentialsError",
    "Exemplar",
    "Explanation",
    "GiB",
    "GpuMetrics",
    "Health",
    "Image",
    "Instance",
    "InstanceNotFoundError",
    "InstanceSpec",
    "InstanceStatus",
    "InsufficientResourcesError",
    "InvalidActionError",
    "InvalidCredentialsError",
    "Invoice",
    "KiB",
    "Labels",
    "MetricFamily",
    "MetricSeries",
    "MetricType",
    "MiB",
    "MissingCredentialsError",
    "Money",
    "MultiProviderClient",
    "Needs",
    "NoCompatibleProvidersError",
    "NoEnabledProvidersError",
    "NotFoundError",
    "Outcome",
    "Page",
    "PermissionDeniedError",
    "Plan",
    "PluginError",
    "Point",
    "ProtocolMismatchError",
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
    "Region",
    "Rejection",
    "ResourceBusyError",
    "ResourceKind",
    "ResourceMetrics",
    "Sample",
    "Secret",
    "SelectionError",
    "StateUnavailableError",
    "TiB",
    "UncertainOutcomeError",
    "UnsupportedOperationError",
    "ValidationError",
    "View",
    "convert_unit",
    "units_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
