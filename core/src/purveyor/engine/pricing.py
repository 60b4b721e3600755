"""List prices of machines whose provider does not tell them with the machine, from its catalogue of plans."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import attrs

from purveyor.engine.catalogue import CatalogueCache
from purveyor.engine.registry import Member
from purveyor.model.catalog import CatalogKind, Plan
from purveyor.model.errors import PurveyorError
from purveyor.model.instance import Instance
from purveyor.model.values import Money
from purveyor.model.views import Page
from purveyor.spi.call import Clock

__all__ = ["PriceList"]

_AGAIN_AFTER = 60.0
"""Seconds until plans that could not be had are asked for again."""

_log = logging.getLogger("purveyor")


@attrs.frozen
class _Prices:
    """What a plan costs: an hour, a month, and an hour in regions with a price of their own."""

    hourly: Money | None
    monthly: Money | None
    regions: Mapping[str, Money]


class PriceList:
    """Fills in prices; what has no known plan stays without."""

    def __init__(self, cache: CatalogueCache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._known: dict[str, tuple[Page[Plan], Mapping[str, _Prices]]] = {}
        self._again_at: dict[str, float] = {}

    async def fill(
        self, member: Member, instances: tuple[Instance, ...], *, deadline: float
    ) -> tuple[Instance, ...]:
        """The same machines, with prices; half of the time that is left is spent on asking for them at most."""
        if "catalog" not in member.facets or all(one.price_per_hour is not None for one in instances):
            return instances
        plans = await self._plans(member, deadline)
        return tuple(_priced(one, plans.get(one.plan or "")) for one in instances)

    async def _plans(self, member: Member, deadline: float) -> Mapping[str, _Prices]:
        now = self._clock.monotonic()
        page, prices = self._known.get(member.name, (None, {}))
        if now < self._again_at.get(member.name, now):
            return prices
        try:
            current = await self._cache.get(member, CatalogKind.PLANS, deadline=now + (deadline - now) / 2)
        except PurveyorError as error:
            _log.info("%s: prices are missing or old: %s", member.name, error.message)
            self._again_at[member.name] = now + _AGAIN_AFTER
            return prices
        if current is not page:
            prices = {plan.id: _prices(plan) for plan in current.items}
            self._known[member.name] = current, prices
        return prices


def _prices(plan: Plan) -> _Prices:
    return _Prices(plan.price_per_hour, plan.price_per_month, dict(plan.region_prices))


def _priced(instance: Instance, prices: _Prices | None) -> Instance:
    if prices is None or instance.price_per_hour is not None:
        return instance
    hourly = prices.regions.get(instance.region or "", prices.hourly)
    # attrs.evolve takes five times as long, and this runs for every machine of every list.
    priced = Instance.__new__(Instance)
    vars(priced).update(vars(instance), price_per_hour=hourly, price_per_month=prices.monthly)
    return priced
