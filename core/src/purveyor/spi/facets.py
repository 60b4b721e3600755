"""What a provider offers: a small ``Provider`` and facets beside it.

Every method takes one frozen request value and a ``Call``, so that parameters can be added without breaking a plugin.
New abilities come as new facets, never as new methods here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import attrs

from purveyor.model.account import Balance, CostReport, CredentialReport, Invoice
from purveyor.model.catalog import App, Image, Plan, Region
from purveyor.model.instance import Action, Instance
from purveyor.model.metrics import ResourceKind, ResourceMetrics
from purveyor.model.views import Page
from purveyor.spi.call import Call, Mark
from purveyor.spi.deployments import Deployments, Discovery

__all__ = [
    "FACETS",
    "ActionRequest",
    "Billing",
    "Catalog",
    "CatalogRequest",
    "Compute",
    "CostRequest",
    "CreateRequest",
    "Credentials",
    "InstanceRequest",
    "ListRequest",
    "MarkRequest",
    "Marks",
    "Metrics",
    "MetricsRequest",
    "Provider",
]


@attrs.frozen(kw_only=True)
class CreateRequest:
    """One machine to make; everything is resolved to this provider's own slugs.

    Attributes:
        region: None lets the provider choose.
        ssh_keys: Public keys as text; the plugin finds or creates the vendor's key objects.
        user_data: Plain text; the plugin codes it as its API wants.
        extra: Fields that go into the vendor's create call as they are.
    """

    name: str
    plan: str
    image: str
    region: str | None = None
    ssh_keys: tuple[str, ...] = ()
    user_data: str | None = attrs.field(default=None, repr=False)
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class InstanceRequest:
    """One machine, by id."""

    id: str


@attrs.frozen(kw_only=True)
class ListRequest:
    """Machines that fit.

    Attributes:
        tag: Only those that carry this tag.
    """

    tag: str | None = None


@attrs.frozen
class MarkRequest:
    """The machines that carry a mark."""

    mark: Mark


@attrs.frozen(kw_only=True)
class ActionRequest:
    """Something to do to one machine.

    Attributes:
        parameters: What the action needs: ``plan`` for resize, ``image`` for rebuild, ``name`` for snapshot, rename.
    """

    id: str
    action: Action
    parameters: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class CatalogRequest:
    """A whole catalogue."""


@attrs.frozen(kw_only=True)
class CostRequest:
    """Cost and use from ``start`` up to ``end``; both aware, UTC."""

    start: datetime
    end: datetime

    def touches(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether something was there within the period; what has no bounds was always there."""
        return (start is None or start < self.end) and (end is None or end > self.start)


@attrs.frozen(kw_only=True)
class MetricsRequest:
    """Resources that fit.

    Attributes:
        ids: Only these, by the ids that their metrics carry; None means all.
        kinds: Only these; None means all.
    """

    ids: frozenset[str] | None = None
    kinds: frozenset[ResourceKind] | None = None

    def fitting(self, resources: Iterable[ResourceMetrics]) -> tuple[ResourceMetrics, ...]:
        """Those of them that it asks for."""
        return tuple(
            one
            for one in resources
            if (self.ids is None or one.id in self.ids) and (self.kinds is None or one.kind in self.kinds)
        )


@runtime_checkable
class Provider(Protocol):
    """One configured account or endpoint."""

    async def check_health(self, call: Call) -> None:
        """Return if the provider answers; raise what is wrong otherwise. One cheap exchange."""
        ...

    async def aclose(self) -> None:
        """Give back everything; may be called twice."""
        ...


@runtime_checkable
class Compute(Protocol):
    """Machines."""

    async def create_instance(self, request: CreateRequest, call: Call) -> Instance:
        """Make one machine that carries ``call.mark``; return as soon as the provider has accepted it."""
        ...

    async def get_instance(self, request: InstanceRequest, call: Call) -> Instance:
        """Tell about one machine.

        Raises:
            InstanceNotFoundError: There is none.
        """
        ...

    def list_instances(self, request: ListRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream all machines, page by page, each once."""
        ...

    async def delete_instance(self, request: InstanceRequest, call: Call) -> None:
        """Delete one machine; one that is gone already is success."""
        ...

    async def perform_action(self, request: ActionRequest, call: Call) -> None:
        """Do something to one machine; return as soon as the provider has accepted it.

        Raises:
            InvalidActionError: The provider has no such action, or it lacks a parameter.
        """
        ...

    def find_by_mark(self, request: MarkRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream the machines that carry a mark, all pages in order, never overlapped."""
        ...


@runtime_checkable
class Catalog(Protocol):
    """What is sold."""

    async def list_plans(self, request: CatalogRequest, call: Call) -> Page[Plan]:
        """All plans with their prices."""
        ...

    async def list_images(self, request: CatalogRequest, call: Call) -> Page[Image]:
        """All images that this account can start from."""
        ...

    async def list_regions(self, request: CatalogRequest, call: Call) -> Page[Region]:
        """All regions."""
        ...

    async def list_apps(self, request: CatalogRequest, call: Call) -> Page[App]:
        """All marketplace apps."""
        ...


@runtime_checkable
class Credentials(Protocol):
    """Whether the credentials work, and for what."""

    async def validate_credentials(self, call: Call) -> CredentialReport:
        """Ask the provider who it thinks we are.

        Raises:
            InvalidCredentialsError: It does not know.
        """
        ...


@runtime_checkable
class Billing(Protocol):
    """What it costs."""

    async def get_balance(self, call: Call) -> Balance:
        """What is owed now."""
        ...

    def list_invoices(self, call: Call) -> AsyncIterator[Page[Invoice]]:
        """Stream all invoices, the running period's preview among them."""
        ...

    async def get_costs(self, request: CostRequest, call: Call) -> CostReport:
        """Cost and use of a period, item by item."""
        ...


@runtime_checkable
class Metrics(Protocol):
    """What is in use."""

    def list_metrics(self, request: MetricsRequest, call: Call) -> AsyncIterator[Page[ResourceMetrics]]:
        """Stream what each resource uses now, each once; one that cannot be read is an error of its page."""
        ...


@runtime_checkable
class Marks(Protocol):
    """Marks that the provider keeps as objects of their own, such as tags of an account."""

    async def remove_mark(self, request: MarkRequest, call: Call) -> None:
        """Forget a mark whose machine is gone; one that is not there is success."""
        ...


FACETS: Mapping[str, type] = {
    "compute": Compute,
    "catalog": Catalog,
    "credentials": Credentials,
    "billing": Billing,
    "metrics": Metrics,
    "deployments": Deployments,
    "discovery": Discovery,
    "marks": Marks,
}
"""Facet names, as descriptors and commands show them."""
