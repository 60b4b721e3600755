"""What the async door offers of views: every provider is asked, and what they answer is shown as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import attrs

from purveyor._door import READ_SECONDS, Door, check_period
from purveyor.engine.catalogue import CachedCatalogue, CatalogueCache
from purveyor.engine.discovery import Directory
from purveyor.engine.listing import listing
from purveyor.engine.machines import Machines
from purveyor.engine.registry import Asked, Member
from purveyor.engine.views import Memory, Show, Source, ViewStream
from purveyor.model.account import Balance, CostReport, CredentialReport, Invoice
from purveyor.model.catalog import App, CatalogKind, Image, Plan, Region
from purveyor.model.errors import PurveyorError
from purveyor.model.instance import Instance
from purveyor.model.metrics import ResourceKind, ResourceMetrics
from purveyor.model.views import Health, Page, ProviderHealth, ProviderInfo
from purveyor.spi.call import Call, Effect
from purveyor.spi.facets import CostRequest, MetricsRequest

__all__ = ["Viewed"]

T = TypeVar("T")


class Viewed(Door):
    """The part of the client that asks every provider."""

    _registry: Directory
    _cache: CatalogueCache
    _machines: Machines
    _seen: Memory[Instance]

    def discover(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[ProviderInfo]:
        """Look now whom the configured providers can find; they are in ``providers()`` from then on."""

        async def source(member: Member, show: Show[ProviderInfo]) -> None:
            await self._registry.search(member, deadline)
            found = tuple(one.info for one in self._registry.below(member.name))
            show(Page(found, self._registry.unreadable(member.name)))

        def asked() -> Asked:
            wanted = self._registry.searchers
            return Asked(wanted if providers is None else self._registry.offering("discovery", providers))

        return ViewStream(asked, source, self._around.clock.now)

    def check_health(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[ProviderHealth]:
        """Ask every provider whether it answers; one that does not is an item, not a failure."""

        async def source(member: Member, show: Show[ProviderHealth]) -> None:
            trouble: PurveyorError | None = None
            try:
                await self._probe(member, deadline)
            except PurveyorError as error:
                trouble = error
            found = member.gate.report()
            online = found.health is Health.ONLINE
            show(Page((found if online or found.error else attrs.evolve(found, error=trouble),)))

        return self._stream(None, providers, deadline, source)

    def validate_credentials(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[CredentialReport]:
        """Ask every provider whom the credentials belong to and what they allow."""

        async def work(member: Member, call: Call) -> CredentialReport:
            return await (await member.credentials()).validate_credentials(call)

        return self._each("credentials", "validate_credentials", work, providers, deadline)

    # Catalogues

    def list_plans(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[Plan]:
        """What can be bought, with prices; remembered for an hour."""
        return self._catalogue(CatalogKind.PLANS, providers, deadline)

    def list_images(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[Image]:
        """What machines can start from; remembered for an hour."""
        return self._catalogue(CatalogKind.IMAGES, providers, deadline)

    def list_regions(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[Region]:
        """Where machines can run; remembered for an hour."""
        return self._catalogue(CatalogKind.REGIONS, providers, deadline)

    def list_apps(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[App]:
        """Marketplace apps; remembered for six hours."""
        return self._catalogue(CatalogKind.APPS, providers, deadline)

    async def cached_catalogues(self) -> list[CachedCatalogue]:
        """Which catalogues are remembered at present."""
        return await self._cache.listing()

    async def clear_cache(self, kind: CatalogKind | None = None, provider: str | None = None) -> int:
        """Forget catalogues: all, one kind, one provider's, or both; returns how many."""
        return await self._cache.clear(kind, provider)

    # Machines

    def list_instances(
        self,
        providers: Iterable[str] | None = None,
        *,
        tag: str | None = None,
        deadline: float = READ_SECONDS,
    ) -> ViewStream[Instance]:
        """Every machine everywhere, as the answers arrive; ``deadline`` is for each provider.

        Calls at once share walks through a provider's list, and see nothing that is older than they are.
        """
        source, memory = self._machines.source(tag, deadline), self._seen if tag is None else None
        return self._stream("compute", providers, deadline, source, memory)

    # Accounts

    def get_balances(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[Balance]:
        """What is owed to every provider."""

        async def work(member: Member, call: Call) -> Balance:
            return await (await member.billing()).get_balance(call)

        return self._each("billing", "get_balance", work, providers, deadline)

    def list_invoices(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ_SECONDS
    ) -> ViewStream[Invoice]:
        """Every bill from every provider."""

        async def pages(member: Member, call: Call) -> AsyncIterator[Page[Invoice]]:
            return (await member.billing()).list_invoices(call)

        source = listing("list_invoices", pages, seconds=deadline, clock=self._around.clock)
        return self._stream("billing", providers, deadline, source)

    def get_costs(
        self,
        start: datetime,
        end: datetime,
        providers: Iterable[str] | None = None,
        *,
        deadline: float = READ_SECONDS,
    ) -> ViewStream[CostReport]:
        """Cost and use from ``start`` up to ``end``, both aware, item by item."""
        check_period(start, end)
        request = CostRequest(start=start, end=end)

        async def work(member: Member, call: Call) -> CostReport:
            return await (await member.billing()).get_costs(request, call)

        return self._each("billing", "get_costs", work, providers, deadline)

    # Metrics

    def list_metrics(
        self,
        providers: Iterable[str] | None = None,
        *,
        kinds: Iterable[ResourceKind] | None = None,
        deadline: float = READ_SECONDS,
    ) -> ViewStream[ResourceMetrics]:
        """What every host and container uses now; ``kinds`` narrows it to those."""
        request = MetricsRequest(kinds=None if kinds is None else frozenset(kinds))

        async def pages(member: Member, call: Call) -> AsyncIterator[Page[ResourceMetrics]]:
            return (await member.metrics()).list_metrics(request, call)

        source = listing("list_metrics", pages, seconds=deadline, clock=self._around.clock)
        return self._stream("metrics", providers, deadline, source)

    # Below here: how

    def _stream(
        self,
        facet: str | None,
        providers: Iterable[str] | None,
        deadline: float,
        source: Source[T],
        memory: Memory[T] | None = None,
    ) -> ViewStream[T]:
        def asked() -> Asked:
            return self._registry.asked(facet, providers, seconds=deadline)

        return ViewStream(asked, source, self._around.clock.now, memory)

    def _each(
        self,
        facet: str,
        operation: str,
        work: Callable[[Member, Call], Awaitable[T]],
        providers: Iterable[str] | None,
        deadline: float,
    ) -> ViewStream[T]:
        """A view with one item a provider."""

        async def source(member: Member, show: Show[T]) -> None:
            async def one(call: Call) -> T:
                return await work(member, call)

            item = await member.gate.call(operation, Effect.READ, one, deadline=self._deadline(deadline))
            show(Page((item,)))

        return self._stream(facet, providers, deadline, source)

    def _catalogue(
        self, kind: CatalogKind, providers: Iterable[str] | None, deadline: float
    ) -> ViewStream[Any]:
        async def source(member: Member, show: Show[Any]) -> None:
            show(await self._cache.get(member, kind, deadline=self._deadline(deadline)))

        return self._stream("catalog", providers, deadline, source)

    async def _probe(self, member: Member, seconds: float) -> None:
        async def work(call: Call) -> None:
            await (await member.provider()).check_health(call)

        await member.gate.call("check_health", Effect.READ, work, deadline=self._deadline(seconds))

    async def _watch_health(self, interval: float) -> None:
        """Probe everyone now and then; a provider that was offline is online again after its first answer."""
        while True:
            await self._around.clock.sleep(interval)
            await self.check_health(deadline=min(interval, READ_SECONDS)).collect()
