"""The provider: what exporters say themselves and what servers say of others, as one listing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import attrs

from purveyor.plugin import (
    Call,
    Context,
    MetricFamily,
    MetricsRequest,
    Page,
    ProviderUnavailableError,
    PurveyorError,
    ResourceKind,
    ResourceMetrics,
    Sample,
)
from purveyor_dcgm._asking import Asker, Told
from purveyor_dcgm._config import Settings
from purveyor_dcgm._fields import OURS
from purveyor_dcgm._listing import Listing
from purveyor_dcgm._mapping import Mapper
from purveyor_dcgm._reading import Reader
from purveyor_prometheus.sources import Endpoint, Places, Sources, as_they_come, naming

__all__ = ["Dcgm"]

KINDS = frozenset({ResourceKind.HOST, ResourceKind.CONTAINER})


@attrs.frozen
class Scraped:
    """What came of one exporter.

    Attributes:
        error: What is to be said of it, beside what it told.
    """

    resources: list[ResourceMetrics]
    error: PurveyorError | None = None


class Dcgm:
    """Exporters that are scraped directly, servers that scrape them, or both.

    Args:
        settings: Its settings.
        ctx: Its context.
        sources: Where it reads.
    """

    def __init__(self, settings: Settings, ctx: Context, sources: Sources) -> None:
        self._ctx = ctx
        self._sources = sources
        self._asker = None if sources.api is None else Asker(sources.api, settings.match, ctx.provider)
        self._mapper = Mapper(ctx.provider, Places(settings))
        self._spoke: set[Endpoint] = set()

    async def check_health(self, call: Call) -> None:
        """Ask a server something that costs it nothing; without one, see whether an exporter answers."""
        await self._sources.check(call)

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        await self._sources.aclose()

    async def list_metrics(
        self, request: MetricsRequest, call: Call
    ) -> AsyncGenerator[Page[ResourceMetrics], None]:
        """Stream what each machine's GPUs do now, and those of each container.

        What an exporter says itself counts; the servers tell about all others.

        Raises:
            PurveyorError: No server answers, and there is nobody else to ask.
        """
        if request.kinds is not None and not KINDS & request.kinds:
            return
        order = sorted(self._sources.endpoints, key=lambda one: one.ailing)
        work: list[Coroutine[Any, Any, Told | Scraped]] = [self._ask(call)]
        work += [self._scrape(one, call) for one in order]
        told, listing = Told(), Listing()
        async with aclosing(as_they_come(work)) as batches:
            async for batch in batches:
                for one in batch:
                    if isinstance(one, Told):
                        told = one
                        listing.servers_told(self._mapper.resources(told.samples, self._ctx.clock.now()))
                scraped = [one for one in batch if isinstance(one, Scraped)]
                fresh = listing.exporters_told(one for each in scraped for one in each.resources)
                yield Page(request.fitting(fresh), tuple(each.error for each in scraped if each.error))
        down = {
            address: error
            for address, error in told.down.items()
            if request.ids is None or address in request.ids
        }
        yield Page(request.fitting(listing.rest()), (*told.errors, *listing.complaints(down)))

    async def _ask(self, call: Call) -> Told:
        if self._asker is None:
            return Told()
        try:
            return await self._asker.ask(call)
        except PurveyorError as error:
            if not self._sources.endpoints:
                raise
            return Told(errors=[error])

    async def _scrape(self, endpoint: Endpoint, call: Call) -> Scraped:
        reader = Reader()
        try:
            samples = await endpoint.read(call, _samples, reader)
        except PurveyorError as error:
            if isinstance(error.__cause__, ConnectionRefusedError) and endpoint not in self._spoke:
                # Nobody listens, and never did: that machine has no DCGM.
                return Scraped([self._without(endpoint, absent=True)])
            return Scraped([], error)
        return Scraped(self._resources(endpoint, samples), self._complaint(endpoint, reader))

    def _resources(self, endpoint: Endpoint, samples: Sequence[Sample] | None) -> list[ResourceMetrics]:
        if samples is None:
            return [self._without(endpoint, absent=True)]
        self._spoke.add(endpoint)
        found = self._mapper.resources(samples, self._ctx.clock.now(), endpoint.place.instance)
        return found or [self._without(endpoint, absent=False)]

    def _without(self, endpoint: Endpoint, *, absent: bool) -> ResourceMetrics:
        return self._mapper.without(endpoint.place.instance, self._ctx.clock.now(), absent=absent)

    def _complaint(self, endpoint: Endpoint, reader: Reader) -> PurveyorError | None:
        """What to say of a document that a strict reader refused."""
        if reader.refused is None:
            return None
        if not reader.cut:
            self._ctx.log.info("%s does not escape its labels: %s", endpoint.place.address, reader.refused)
            return None
        reader.refused.provider = self._ctx.provider
        return naming(reader.refused, endpoint.place.address)


def _samples(families: Sequence[MetricFamily]) -> list[Sample] | None:
    """All samples of dcgm-exporter; None if it is not one that speaks.

    Raises:
        ProviderUnavailableError: It says nothing at all.
    """
    if not families:
        raise ProviderUnavailableError("the answer is empty, as dcgm-exporter's is while it reloads")
    ours = [family for family in families if family.name.startswith(OURS)]
    return [sample for family in ours for sample in family.samples] if ours else None
