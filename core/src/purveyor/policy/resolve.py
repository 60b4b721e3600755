"""From one portable request to what exactly would be bought at one provider, or why nothing can be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

import attrs

from purveyor.model.catalog import Image, Plan, Region
from purveyor.model.instance import InstanceSpec, Needs
from purveyor.model.values import GiB, Money

__all__ = ["Catalogue", "Fit", "Unfit", "resolve"]


@attrs.frozen(kw_only=True)
class Catalogue:
    """What one provider sells.

    Attributes:
        default_region: Slug of the region to use when the request names none.
    """

    plans: Sequence[Plan] = ()
    images: Sequence[Image] = ()
    regions: Sequence[Region] = ()
    default_region: str | None = None


@attrs.frozen(kw_only=True)
class Fit:
    """What would be bought. ``region`` is None where the provider is to choose."""

    plan: Plan
    image: Image
    region: str | None = None
    price_per_hour: Money | None = None


@attrs.frozen
class Unfit:
    """Why nothing can be bought: which part of the request, and the reason in words."""

    field: str
    reason: str


class _Named(Protocol):
    @property
    def id(self) -> str: ...


def resolve(spec: InstanceSpec, catalogue: Catalogue) -> Fit | Unfit:
    """What this catalogue has for the request: the cheapest plan that fits, always the same one for the same input."""
    regions = _regions(spec.region or catalogue.default_region, catalogue.regions)
    if isinstance(regions, Unfit):
        return regions
    images = _images(spec.image, catalogue.images)
    if isinstance(images, Unfit):
        return images
    plans = _plans(spec.plan, catalogue.plans)
    if isinstance(plans, Unfit):
        return plans
    return _combine(spec, plans, images, regions)


def _combine(
    spec: InstanceSpec, plans: Sequence[Plan], images: Sequence[Image], regions: Sequence[Region] | None
) -> Fit | Unfit:
    """The first of the plans, cheapest first, that is sold together with a region and an image."""
    limit = spec.plan.max_price if isinstance(spec.plan, Needs) else None
    trouble: Unfit | None = None
    fits: list[Fit] = []
    for plan in plans:
        found = _place(plan, images, regions)
        if isinstance(found, Fit):
            fits.append(found)
        else:
            trouble = trouble or found
    if not fits:
        return trouble or Unfit("plan", "no plan is sold at present")
    fit = min(fits, key=_cheapness)
    price = fit.price_per_hour
    if limit is not None and (price is None or price.amount > limit):
        told = f"costs {price} an hour" if price else "has no price"
        return Unfit("max_price", f"the cheapest fitting plan, {fit.plan.id}, {told}")
    return fit


def _cheapness(fit: Fit) -> tuple[bool, Decimal, int, float, str]:
    return *_amount(fit.price_per_hour), fit.plan.memory, fit.plan.cpus, fit.plan.id


def _amount(price: Money | None) -> tuple[bool, Decimal]:
    """For sorting by price; what has none comes last."""
    return price is None, price.amount if price else Decimal(0)


def _place(plan: Plan, images: Sequence[Image], regions: Sequence[Region] | None) -> Fit | Unfit:
    if not plan.available:
        return Unfit("plan", f"{plan.id} is not sold at present")
    roomy = [image for image in images if image.min_disk <= plan.disk]
    if not roomy:
        needed = min(image.min_disk for image in images)
        return Unfit(
            "image", f"{images[0].id} needs {_size(needed)} of disk; plan {plan.id} has {_size(plan.disk)}"
        )
    if regions is None:
        image = next((image for image in roomy if _sold_somewhere(plan, image)), None)
        if image is None:
            return Unfit("region", f"{plan.id} with {roomy[0].id} is not sold in any region")
        return Fit(plan=plan, image=image, price_per_hour=plan.price_per_hour)
    prices = dict(plan.region_prices)
    fits = [
        Fit(plan=plan, image=image, region=r.id, price_per_hour=prices.get(r.id, plan.price_per_hour))
        for image in roomy
        for r in regions
        if _sold_in(plan.regions, r.id) and _sold_in(image.regions, r.id)
    ]
    if not fits:
        return Unfit("region", f"{plan.id} with {roomy[0].id} is not sold in {_names(regions)}")
    return min(fits, key=lambda fit: (_amount(fit.price_per_hour), fit.region))


def _sold_in(slugs: tuple[str, ...] | None, region: str) -> bool:
    return slugs is None or region in slugs


def _sold_somewhere(plan: Plan, image: Image) -> bool:
    if plan.regions is None or image.regions is None:
        return () not in {plan.regions, image.regions}
    return not set(plan.regions).isdisjoint(image.regions)


def _plans(wanted: str | Needs, plans: Sequence[Plan]) -> Sequence[Plan] | Unfit:
    if isinstance(wanted, str):
        return [plan for plan in plans if plan.id == wanted] or _unknown("plan", wanted, plans)
    fitting = [
        plan
        for plan in plans
        if plan.cpus >= wanted.cpus
        and plan.memory >= wanted.memory
        and plan.disk >= wanted.disk
        # A machine with GPUs is never a fitting answer to a request without: it costs twenty times as much.
        and (plan.gpu >= wanted.gpu if wanted.gpu else plan.gpu == 0)
    ]
    return fitting or Unfit("plan", f"no plan has {_needs(wanted)}")


def _images(wanted: str, images: Sequence[Image]) -> Sequence[Image] | Unfit:
    found = [image for image in images if image.id == wanted]
    found = found or [image for image in images if wanted in image.aliases]
    return sorted(found, key=lambda image: image.deprecated) or _unknown("image", wanted, images)


def _regions(wanted: str | None, regions: Sequence[Region]) -> Sequence[Region] | Unfit | None:
    if wanted is None:
        return None
    found = [r for r in regions if r.id == wanted] or [r for r in regions if wanted.lower() in r.places]
    if not found:
        return _unknown("region", wanted, regions)
    return [r for r in found if r.available] or Unfit(
        "region", f"{_names(found)} takes no new machines at present"
    )


def _unknown(field: str, wanted: str, known: Iterable[_Named]) -> Unfit:
    near = difflib.get_close_matches(wanted, [row.id for row in known], n=1)
    return Unfit(field, f"no {field} is called {wanted!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _names(regions: Sequence[Region]) -> str:
    return ", ".join(region.id for region in regions)


def _size(number: int) -> str:
    return f"{number / GiB:g} GiB"


def _needs(needs: Needs) -> str:
    parts = [f"{needs.cpus:g} cores"]
    parts += [f"{_size(needs.memory)} of memory"] if needs.memory else []
    parts += [f"{_size(needs.disk)} of disk"] if needs.disk else []
    parts += [f"{needs.gpu} GPUs"] if needs.gpu else []
    return ", ".join(parts)
