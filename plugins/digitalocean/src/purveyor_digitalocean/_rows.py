"""What the API's rows hold, as far as we read it.

Rows have many more keys. Each may be missing or null where DigitalOcean has nothing to say or the token lacks a scope,
so only what identifies a row must be there. They are plain trees, which the garbage collector need not look at.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

__all__ = [
    "Account",
    "Action",
    "Address",
    "Balance",
    "Droplet",
    "Image",
    "Invoice",
    "InvoiceItem",
    "InvoicePreview",
    "Key",
    "OneClick",
    "Region",
    "Size",
]

Price = Annotated[float, msgspec.Meta(ge=0, lt=1e6)]


class Address(msgspec.Struct, gc=False):
    """One address of a droplet."""

    ip_address: str | None = None
    type: str | None = None


class Networks(msgspec.Struct, gc=False):
    """All addresses of a droplet; empty while it is new."""

    v4: list[Address] | None = None
    v6: list[Address] | None = None


class Named(msgspec.Struct, gc=False):
    """What is known by its slug, or by its id where it has none."""

    id: int | None = None
    slug: str | None = None


class DropletSize(msgspec.Struct, gc=False):
    """A droplet's own size, which may differ from the one that is sold under this name today."""

    slug: str | None = None
    price_hourly: Price | None = None
    price_monthly: Price | None = None


class Droplet(msgspec.Struct, gc=False):
    """Memory in MB, disk in GB. Fields stand in the order in which they come, which makes decoding faster."""

    id: int
    name: str | None = None
    memory: int | None = None
    vcpus: int | None = None
    disk: int | None = None
    locked: bool | None = None
    status: str | None = None
    created_at: datetime | None = None
    image: Named | None = None
    size: DropletSize | None = None
    size_slug: str | None = None
    networks: Networks | None = None
    region: Named | None = None
    tags: tuple[str, ...] | None = None


class Action(msgspec.Struct, gc=False):
    """Something that is being done to a droplet."""

    id: int
    status: str | None = None
    type: str | None = None


class GpuInfo(msgspec.Struct, gc=False):
    """GPUs of a size."""

    count: int | None = None
    model: str | None = None


class Size(msgspec.Struct, gc=False):
    """Memory in MB, disk in GB, transfer in TB."""

    slug: str
    description: str | None = None
    vcpus: int | None = None
    memory: int | None = None
    disk: int | None = None
    transfer: Price | None = None
    price_hourly: Price | None = None
    price_monthly: Price | None = None
    regions: tuple[str, ...] | None = None
    available: bool | None = None
    gpu_info: GpuInfo | None = None


class Image(msgspec.Struct, gc=False):
    """Disk size in GB."""

    id: int
    slug: str | None = None
    name: str | None = None
    distribution: str | None = None
    public: bool | None = None
    regions: tuple[str, ...] | None = None
    min_disk_size: int | None = None
    status: str | None = None


class Region(msgspec.Struct, gc=False):
    """One data center; very old answers knew them by number."""

    slug: str | None = None
    id: int | None = None
    name: str | None = None
    available: bool | None = None
    features: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.slug is None and self.id is None:
            raise ValueError("Object has neither `slug` nor `id`")


class OneClick(msgspec.Struct, gc=False):
    """One marketplace app."""

    slug: str
    type: str | None = None


class Team(msgspec.Struct, gc=False):
    """The team that a token belongs to."""

    name: str | None = None


class Account(msgspec.Struct, gc=False):
    """Whom a token belongs to."""

    email: str | None = None
    team: Team | None = None
    status: str | None = None
    status_message: str | None = None
    droplet_limit: int | None = None


class Key(msgspec.Struct, gc=False):
    """One SSH key."""

    fingerprint: str
    id: int | None = None


class Balance(msgspec.Struct, gc=False):
    """Amounts in US dollars; positive is owed, for the use of a month is added to it."""

    account_balance: Decimal
    month_to_date_usage: Decimal | None = None
    generated_at: datetime | None = None


class Invoice(msgspec.Struct, gc=False):
    """One month's bill; the period is ``YYYY-MM``."""

    invoice_uuid: str
    amount: Decimal
    invoice_period: str | None = None


class InvoicePreview(Invoice, gc=False):
    """The bill of the month that is still running."""


class InvoiceItem(msgspec.Struct, gc=False):
    """One line of a bill."""

    amount: Decimal
    product: str | None = None
    resource_id: str | None = None
    resource_uuid: str | None = None
    group_description: str | None = None
    description: str | None = None
    duration: Decimal | None = None
    duration_unit: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
