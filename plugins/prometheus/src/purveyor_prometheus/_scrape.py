"""Endpoints that are read directly: what one reading tells, and two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from operator import attrgetter

import attrs

from purveyor.plugin import (
    Call,
    Context,
    Labels,
    MetricFamily,
    ProtocolMismatchError,
    PurveyorError,
    ResourceKind,
    Sample,
)
from purveyor_prometheus._config import Settings
from purveyor_prometheus._endpoint import Endpoint
from purveyor_prometheus._exposition import parse_exposition
from purveyor_prometheus._mapping import Key, Measured
from purveyor_prometheus._rates import Rates
from purveyor_prometheus._samples import COUNTERS, WANTED, containers, host

__all__ = ["Scraped", "Scraper"]


# OpenMetrics declares a counter without its ending.
_FAMILIES = WANTED | {name.removesuffix("_total") for name in COUNTERS}


@attrs.frozen
class Scraped:
    """What one reading told.

    Attributes:
        resources: What it says, by kind and id.
        rates: Whether there are rates in it, or nothing that could have any.
    """

    resources: Mapping[Key, Measured]
    rates: bool


class Scraper:
    """One endpoint, and its counters as they were last read.

    Args:
        endpoint: Where it is read.
        ctx: The provider's context.
        settings: Bounds, and labels to keep.
    """

    def __init__(self, endpoint: Endpoint, ctx: Context, settings: Settings) -> None:
        self.endpoint = endpoint
        self._ctx = ctx
        self._settings = settings
        self._rates = Rates(settings.window)

    async def measure(self, call: Call) -> Scraped:
        """Read it; a first reading is followed by a second one, so that there are rates.

        Raises:
            PurveyorError: It cannot be read; the message names it.
        """
        first = await self.scrape(call)
        pause = self._settings.scrape_pause
        left = call.deadline - self._ctx.clock.monotonic()
        if first.rates or not 0 < pause < left / 2:
            return first
        await self._ctx.clock.sleep(pause)
        try:
            return await self.scrape(call)
        except PurveyorError:
            return first  # It was well a moment ago; the next round will tell.

    async def scrape(self, call: Call) -> Scraped:
        """Read it once.

        Raises:
            PurveyorError: It cannot be read; the message names it.
        """
        return await self.endpoint.read(call, self._told, partial(parse_exposition, only=_FAMILIES))

    def _told(self, families: Sequence[MetricFamily]) -> Scraped:
        samples = _wanted(families)
        instance = self.endpoint.place.instance
        counters = {name: each for name, each in samples.items() if name in COUNTERS}
        rates = self._rates.step(counters, self._ctx.clock.monotonic())
        machine = host(instance, samples, rates)
        inside = containers(instance, samples, rates, keep=self._settings.labels)
        resources: dict[Key, Measured] = {(ResourceKind.CONTAINER, name): one for name, one in inside.items()}
        if machine is not None:
            resources[ResourceKind.HOST, instance] = machine
        if not resources:
            raise ProtocolMismatchError("there is nothing of node_exporter or cAdvisor in it")
        rated = any(one is not None for each in rates.values() for one in each)
        return Scraped(resources, rates=rated or not counters)


def _wanted(families: Sequence[MetricFamily]) -> dict[str, Sequence[Sample]]:
    """The samples that we know, by name, each series once."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for name, samples in groupby(
        chain.from_iterable(family.samples for family in families), attrgetter("name")
    ):
        if name in WANTED:
            found[name] += samples
    return {name: _once(samples) for name, samples in found.items()}


def _once(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Of a series that was repeated, what was said first."""
    if len({one.labels for one in samples}) == len(samples):
        return samples
    first: dict[Labels, Sample] = {}
    for one in samples:
        first.setdefault(one.labels, one)
    return list(first.values())
