"""Which regions sell which plans: three lists that belong together."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import attrs

from purveyor.plugin import Call, Clock, InsufficientResourcesError, Money, Page, Plan, Raw
from purveyor.wire import to_whole_page, unsendable
from purveyor_linode import _mapping as mapping
from purveyor_linode import _rows as rows
from purveyor_linode._api import Api
from purveyor_linode._regions import sells

__all__ = ["Offers", "Picker", "fetch_offers"]

R = TypeVar("R")

_REMEMBERED = 3600.0
"""Seconds for which a region is picked from the same lists."""


@attrs.frozen
class Offers:
    """All plans, and all data centers by id."""

    plans: Page[Plan]
    regions: dict[str, rows.Region]


async def fetch_offers(provider: str, api: Api, call: Call, operation: str) -> Offers:
    """What is sold where at present."""
    regions = await to_whole_page(provider, api.regions(call, operation), _as_it_is)
    told = await to_whole_page(provider, api.availability(call, operation), _as_it_is)
    known = {region.id: region for region in regions.items}
    available = {(pair.region, pair.plan): pair.available for pair in told.items}

    def plan(name: str, size: rows.Type, raw: Raw) -> Plan:
        sold_in = tuple(id_ for id_, region in known.items() if sells(region, size, available))
        return mapping.plan(name, size, raw, sold_in)

    plans = await to_whole_page(provider, api.types(call, operation), plan)
    doubts = regions.unreadable + told.unreadable
    return Offers(Page(plans.items, plans.unreadable + doubts), known)


def _as_it_is(_provider: str, row: R, _raw: Raw) -> R:
    return row


class Picker:
    """Picks a region for machines that may be anywhere, for Linode wants to be told."""

    def __init__(self, provider: str, api: Api, clock: Clock) -> None:
        self._provider = provider
        self._api = api
        self._clock = clock
        self._offers: Offers | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def pick(self, plan_id: str, call: Call, *, metadata: bool) -> str:
        """The region where the plan costs least; among equals the first by name.

        Args:
            plan_id: Slug of the plan.
            call: The call that it is for.
            metadata: Whether the region must be able to hand out user data.

        Raises:
            ValidationError: There is no such plan.
            InsufficientResourcesError: No region sells it.
        """
        async with self._lock:
            if self._offers is None or self._clock.monotonic() >= self._until:
                self._offers = await fetch_offers(self._provider, self._api, call, "create_instance")
                self._until = self._clock.monotonic() + _REMEMBERED
        return _cheapest(self._offers, plan_id, metadata=metadata)

    def forget(self) -> None:
        """Look again next time: what was sold may be sold out."""
        self._offers = None


def _cheapest(offers: Offers, plan_id: str, *, metadata: bool) -> str:
    plan = next((plan for plan in offers.plans.items if plan.id == plan_id), None)
    if plan is None:
        raise unsendable(f"no plan is called {plan_id!r}", "plan")
    usual, own = plan.price_per_hour or Money(0), dict(plan.region_prices)
    places = [one for one in plan.regions or () if not metadata or _has_metadata(offers.regions[one])]
    if not places:
        raise unsendable(f"no region sells {plan_id} at present", "plan", InsufficientResourcesError)
    return min(places, key=lambda one: (own.get(one, usual).amount, one))


def _has_metadata(region: rows.Region) -> bool:
    return region.capabilities is None or "Metadata" in region.capabilities
