"""Deployments: what runs at providers that rent containers, and what can be seen of it and done to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import attrs

from purveyor.model.values import Money, Raw

__all__ = [
    "CostEstimate",
    "Deployment",
    "DeploymentAction",
    "DeploymentEvent",
    "DeploymentStatus",
    "LogLine",
    "Operation",
    "OperationState",
    "ProviderFacts",
    "ResourcePrice",
    "Resources",
    "Service",
    "ShellOutput",
]


class DeploymentStatus(Enum):
    """What a deployment, or one service of it, is doing, in words that all providers share."""

    PENDING = "pending"
    ACTIVE = "active"
    STOPPED = "stopped"
    UNPAID = "unpaid"
    """Its funds are used up."""
    CLOSED = "closed"
    ERROR = "error"
    UNKNOWN = "unknown"
    """A word that this version does not know; the provider's own is in ``raw``."""


class DeploymentAction(Enum):
    """What can be done to a deployment."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RESIZE = "resize"
    UPDATE = "update"
    TERMINATE = "terminate"


class OperationState(Enum):
    """How far an action has come."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """A word that this version does not know, or the provider does not tell."""


@attrs.frozen(kw_only=True)
class Resources:
    """Amounts that are set aside, or there to be had. None where the provider does not tell.

    Attributes:
        cpus: Cores.
        memory: Bytes.
        storage: Bytes.
        gpus: How many.
    """

    cpus: float | None = None
    memory: int | None = None
    storage: int | None = None
    gpus: int | None = None


@attrs.frozen(kw_only=True)
class Service:
    """One part of a deployment that runs on its own.

    Attributes:
        replicas: How many there should be.
        ready: How many of them work.
        resources: Of each replica.
        ports: Such as ``80/tcp``.
        endpoints: Addresses under which it is reached.
    """

    name: str
    status: DeploymentStatus = DeploymentStatus.UNKNOWN
    replicas: int | None = None
    ready: int | None = None
    resources: Resources = Resources()
    ports: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class CostEstimate:
    """What a deployment costs in one denomination: estimated, since nobody bills by the hour here.

    Estimates in different denominations stand side by side and are never added.

    Attributes:
        per_hour: At the present rate.
        accrued: Since it began, where that is known.
        basis: What it was estimated from, such as ``price per block, 5.2 s a block``.
    """

    per_hour: Money
    accrued: Money | None = None
    basis: str = ""


@attrs.frozen(kw_only=True)
class Deployment:
    """What runs of one deployment at one provider. ``(provider, id)`` identifies it.

    A deployment that is spread over several providers is there once for each, under the same id.

    Attributes:
        provider: Name of the provider that it runs at, such as ``ve/ve1w4w…``.
        id: The id that it goes by there and everywhere, without slashes.
        owner: Account that it belongs to.
        leases: Ids of the contracts that it runs under.
        resources: All that is set aside for it at this provider.
        endpoints: Addresses under which it is reached.
        costs: One estimate for each denomination.
        created_at: When it was made; aware, UTC.
        raw: The row that it was read from.
    """

    provider: str
    id: str
    status: DeploymentStatus
    name: str = ""
    owner: str | None = None
    leases: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    resources: Resources = Resources()
    endpoints: tuple[str, ...] = ()
    costs: tuple[CostEstimate, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Raw = attrs.field(default=Raw(), eq=False)


@attrs.frozen(kw_only=True)
class Operation:
    """One action on a deployment, as far as it has come.

    Attributes:
        deployment: Bare id of the deployment.
        id: The provider's id of the action; None where it gives none, so that nobody can ask again.
        message: The provider's own words.
    """

    provider: str
    deployment: str
    action: DeploymentAction
    state: OperationState
    id: str | None = None
    message: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in {OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED}


@attrs.frozen(kw_only=True)
class DeploymentEvent:
    """Something that happened to a deployment.

    Attributes:
        deployment: Bare id of the deployment.
        type: The provider's word for it.
        time: Aware, UTC.
    """

    provider: str
    deployment: str
    id: str
    type: str
    message: str = ""
    time: datetime | None = None


class LogLine(NamedTuple):
    """One line that a deployment wrote; a plain tuple, because there are very many.

    Attributes:
        time: As precise as the provider tells it; aware, UTC.
        level: In lower case; empty where the line has none.
        message: May hold line breaks.
        service: Which service wrote it, where that is known.
    """

    message: str
    time: datetime | None = None
    level: str = ""
    service: str = ""


class ShellOutput(NamedTuple):
    """A piece of what a shell wrote, as it came.

    Attributes:
        stderr: Whether it went to the error stream.
    """

    data: bytes
    stderr: bool = False


@attrs.frozen(kw_only=True)
class ResourcePrice:
    """What one unit of a resource costs.

    Attributes:
        resource: ``cpu``, ``memory``, ``storage`` or ``gpu``.
        unit: The provider's word for the unit, such as ``core`` or ``GB``.
        interval: ``hourly``, ``daily`` or ``monthly``.
    """

    resource: str
    price: Money
    unit: str = ""
    interval: str = ""


@attrs.frozen(kw_only=True)
class ProviderFacts:
    """What a provider says of itself. All of it is its own claim.

    Attributes:
        address: Account that it claims to be.
        capacity: What it has in all.
        attributes: What else it says, as text.
    """

    provider: str
    name: str = ""
    address: str | None = None
    version: str = ""
    region: str = ""
    capabilities: tuple[str, ...] = ()
    capacity: Resources = Resources()
    prices: tuple[ResourcePrice, ...] = ()
    attributes: Mapping[str, str] = attrs.field(factory=dict)
