"""The provider: what servers say in PromQL and what targets say directly, as one listing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from purveyor.plugin import (
    Call,
    Context,
    MetricFamily,
    MetricsRequest,
    Page,
    PurveyorError,
    ResourceKind,
    ResourceMetrics,
)
from purveyor_prometheus._asking import Asker, Told
from purveyor_prometheus._config import Settings
from purveyor_prometheus._mapping import Key, Measured, Places, merged, resource
from purveyor_prometheus._scrape import Scraper
from purveyor_prometheus.sources import Sources, as_they_come

__all__ = ["Prometheus"]

KINDS = (ResourceKind.HOST, ResourceKind.CONTAINER)

Found = dict[Key, ResourceMetrics]


class Prometheus:
    """Servers that hold series, targets that are scraped directly, or both.

    Args:
        settings: Its settings.
        ctx: Its context.
        sources: Where it reads.

    Attributes:
        api: The servers' whole API, for what the facets do not offer; None where there is no server.
    """

    def __init__(self, settings: Settings, ctx: Context, sources: Sources) -> None:
        self.api = sources.api
        self._asker = None if sources.api is None else Asker(sources.api, settings, ctx)
        self._ctx = ctx
        self._sources = sources
        self._scrapers = tuple(Scraper(one, ctx, settings) for one in sources.endpoints)
        self._places = Places(settings)

    async def check_health(self, call: Call) -> None:
        """Ask a server something that costs it nothing; without one, see whether a target answers."""
        await self._sources.check(call)

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        await self._sources.aclose()

    async def list_metrics(
        self, request: MetricsRequest, call: Call
    ) -> AsyncGenerator[Page[ResourceMetrics], None]:
        """Stream what each resource uses now.

        What a target says itself counts; the servers fill in what it does not say, and tell about all others.

        Raises:
            PurveyorError: No server answers, and there is nobody else to ask.
        """
        told = await self._ask(request, call)
        if told.errors:
            yield Page((), tuple(told.errors))
        others = self._resources(told.found)
        shown: set[Key] = set()
        # What hung the last time comes last, so that it takes nobody's turn.
        order = sorted(self._scrapers, key=lambda one: one.endpoint.ailing)
        async with aclosing(as_they_come(self._scrape(one, call) for one in order)) as batches:
            async for batch in batches:
                found: Found = {}
                for direct, _ in batch:
                    found |= {key: one for key, one in direct.items() if key not in {*shown, *found}}
                shown |= found.keys()
                whole = [merged(one, others[key]) if key in others else one for key, one in found.items()]
                yield Page(request.fitting(whole), tuple(error for _, error in batch if error))
        rest = request.fitting([one for key, one in others.items() if key not in shown])
        down = [
            error
            for key, error in told.down.items()
            if key not in shown and (request.ids is None or key[1] in request.ids)
        ]
        if rest or down:
            yield Page(rest, tuple(down))

    async def families(self, call: Call) -> list[MetricFamily]:
        """Everything that the targets say, as they say it, with time and address; for what the facets do not tell.

        Raises:
            PurveyorError: One of them cannot be read; the message names it.
        """
        told = await asyncio.gather(*(one.families(call) for one in self._sources.endpoints))
        return [family for each in told for family in each]

    async def _ask(self, request: MetricsRequest, call: Call) -> Told:
        if self._asker is None:
            return Told()
        kinds = KINDS if request.kinds is None else tuple(kind for kind in KINDS if kind in request.kinds)
        told = await self._asker.ask(call, kinds)
        if told.silent is not None:
            if not self._scrapers:
                raise told.silent
            told.errors.append(told.silent)
        return told

    async def _scrape(self, scraper: Scraper, call: Call) -> tuple[Found, PurveyorError | None]:
        try:
            scraped = await scraper.measure(call)
        except PurveyorError as error:
            return {}, error
        return self._resources(scraped.resources), None

    def _resources(self, measured: Mapping[Key, Measured]) -> Found:
        now = self._ctx.clock.now()
        return {
            (kind, name): resource(kind, name, one, provider=self._ctx.provider, places=self._places, now=now)
            for (kind, name), one in measured.items()
        }
