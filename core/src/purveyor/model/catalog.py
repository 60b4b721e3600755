"""What providers sell: plans, images, regions, marketplace apps."""

from __future__ import annotations

from enum import Enum

import attrs

from purveyor.model.values import Money, Raw

__all__ = ["App", "CatalogKind", "Image", "Plan", "Region"]


class CatalogKind(Enum):
    """The catalogues that a provider can have."""

    PLANS = "plans"
    IMAGES = "images"
    REGIONS = "regions"
    APPS = "apps"


@attrs.frozen(kw_only=True)
class Plan:
    """One size of machine.

    Attributes:
        id: The slug that a create call takes.
        cpus: Number of (virtual) cores.
        memory: Bytes.
        disk: Bytes.
        transfer: Bytes of traffic included each month; None where unmetered or unknown.
        gpu: Number of GPUs.
        gpu_model: Such as ``nvidia_h100``.
        price_per_hour: Price in regions without one of their own.
        price_per_month: Price cap a month.
        region_prices: Region slug to its own price an hour.
        regions: Region slugs that sell it; None means every region.
        available: Whether it is sold at all at present.
    """

    provider: str
    id: str
    name: str
    cpus: float
    memory: int
    disk: int
    transfer: int | None = None
    gpu: int = 0
    gpu_model: str | None = None
    price_per_hour: Money | None = None
    price_per_month: Money | None = None
    region_prices: tuple[tuple[str, Money], ...] = ()
    regions: tuple[str, ...] | None = None
    available: bool = True
    raw: Raw = attrs.field(default=Raw(), eq=False)


@attrs.frozen(kw_only=True)
class Image:
    """One operating system or snapshot to start from.

    Attributes:
        id: The slug (or id, where it has no slug) that a create call takes.
        aliases: Portable names of the same thing, such as ``ubuntu-24.04``.
        min_disk: Bytes that the plan's disk must have.
        public: Whether everybody sees it, or only this account.
        regions: Region slugs that have it; None means every region.
        deprecated: Whether the provider discourages it.
    """

    provider: str
    id: str
    name: str
    distribution: str | None = None
    aliases: tuple[str, ...] = ()
    min_disk: int = 0
    public: bool = True
    regions: tuple[str, ...] | None = None
    deprecated: bool = False
    raw: Raw = attrs.field(default=Raw(), eq=False)


@attrs.frozen(kw_only=True)
class Region:
    """One place to run machines.

    Attributes:
        id: The slug that a create call takes.
        places: Portable names of where it is, narrow to wide: city, country code, continent code.
        available: Whether new machines can be made there.
        features: The provider's own words for what works there.
    """

    provider: str
    id: str
    name: str
    places: tuple[str, ...] = ()
    available: bool = True
    features: tuple[str, ...] = ()
    raw: Raw = attrs.field(default=Raw(), eq=False)


@attrs.frozen(kw_only=True)
class App:
    """One marketplace app: an image or script that installs something.

    Attributes:
        id: What a create call takes.
        kind: How it is deployed: ``image`` or ``script``.
    """

    provider: str
    id: str
    name: str
    kind: str = "image"
    description: str = ""
    raw: Raw = attrs.field(default=Raw(), eq=False)
