"""From DigitalOcean's rows to our models; pure functions.

Units: memory is in MB, disk in GB and transfer in TB by name only. The API's ``disk_info`` says ``gib`` beside the same
number as ``disk``, memory comes as multiples of 1024 for plans that are called ``1gb``, and DigitalOcean bills transfer
by the GiB, where a plan of 1 TB has 1,000 of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from purveyor.plugin import (
    App,
    Balance,
    CostItem,
    CredentialReport,
    GiB,
    Image,
    Instance,
    InstanceStatus,
    Invoice,
    MiB,
    Money,
    Plan,
    Raw,
    Region,
    calendar_month,
    in_utc,
)
from purveyor_digitalocean import _rows as rows

__all__ = [
    "app",
    "balance",
    "cost_item",
    "credentials",
    "image",
    "instance",
    "invoice",
    "places",
    "plan",
    "region",
]

STATUSES: Mapping[str | None, InstanceStatus] = {
    "new": InstanceStatus.PROVISIONING,
    "active": InstanceStatus.RUNNING,
    "off": InstanceStatus.STOPPED,
    "archive": InstanceStatus.DELETED,
}

PLACES: Mapping[str, tuple[str, str, str]] = {
    "ams": ("amsterdam", "nl", "eu"),
    "atl": ("atlanta", "us", "na"),
    "blr": ("bangalore", "in", "as"),
    "fra": ("frankfurt", "de", "eu"),
    "lon": ("london", "gb", "eu"),
    "nyc": ("new-york", "us", "na"),
    "ric": ("richmond", "us", "na"),
    "sfo": ("san-francisco", "us", "na"),
    "sgp": ("singapore", "sg", "as"),
    "syd": ("sydney", "au", "oc"),
    "tor": ("toronto", "ca", "na"),
}
"""Prefix of a region's slug, which a create call takes as well, to city, country and continent."""

_DISTRIBUTION = re.compile(r"([a-z]+(?:-[a-z]+)*)-(\d+(?:-\d+)*)-x64")
_PORTABLE = {"rockylinux": "rocky"}
"""Distributions that have another name here than elsewhere."""


def instance(provider: str, droplet: rows.Droplet, raw: Raw) -> Instance:
    """One machine. Lists of thousands come through here: what is the same for many is computed once."""
    size, image, region = droplet.size or _NO_SIZE, droplet.image or _NAMELESS, droplet.region or _NAMELESS
    networks = droplet.networks or _NO_NETWORKS
    public_ipv4, private_ipv4 = _by_type(networks.v4 or ())
    return Instance(
        provider=provider,
        id=str(droplet.id),
        name=droplet.name or "",
        status=STATUSES.get(droplet.status, _UNKNOWN),
        busy=droplet.locked is True,
        plan=droplet.size_slug or size.slug,
        image=image.slug or (str(image.id) if image.id else None),
        region=region.slug,
        cpus=droplet.vcpus,
        memory=droplet.memory and droplet.memory * MiB,
        disk=droplet.disk and droplet.disk * GiB,
        public_ipv4=public_ipv4,
        private_ipv4=private_ipv4,
        public_ipv6=_by_type(networks.v6)[0] if networks.v6 else (),
        tags=droplet.tags or (),
        created_at=in_utc(droplet.created_at),
        price_per_hour=_hourly(size.price_hourly),
        price_per_month=_monthly(size.price_monthly),
        raw=raw,
    )


def plan(provider: str, size: rows.Size, raw: Raw) -> Plan:
    """One size. An empty list of regions means that it is sold nowhere."""
    gpu = size.gpu_info or rows.GpuInfo()
    return Plan(
        provider=provider,
        id=size.slug,
        name=size.description or size.slug,
        cpus=size.vcpus or 0,
        memory=(size.memory or 0) * MiB,
        disk=(size.disk or 0) * GiB,
        transfer=None if size.transfer is None else int(size.transfer * 1000) * GiB,
        gpu=gpu.count or 0,
        gpu_model=gpu.model,
        price_per_hour=_hourly(size.price_hourly),
        price_per_month=_monthly(size.price_monthly),
        regions=size.regions,
        available=size.available is not False and size.regions != (),
        raw=raw,
    )


def image(provider: str, found: rows.Image, raw: Raw) -> Image:
    """One image."""
    public = found.public is not False
    return Image(
        provider=provider,
        id=found.slug or str(found.id),
        name=found.name or "",
        distribution=found.distribution,
        aliases=_aliases(found.slug) if public and found.slug else (),
        min_disk=(found.min_disk_size or 0) * GiB,
        public=public,
        regions=found.regions,
        deprecated=found.status == "retired",
        raw=raw,
    )


def region(provider: str, found: rows.Region, raw: Raw) -> Region:
    """One data center."""
    slug = found.slug or str(found.id)
    return Region(
        provider=provider,
        id=slug,
        name=found.name or slug,
        places=places(slug),
        available=found.available is not False,
        features=found.features or (),
        raw=raw,
    )


def places(slug: str) -> tuple[str, ...]:
    """City, country and continent of a region, where they are known."""
    return PLACES.get(slug.rstrip("0123456789"), ())


def app(provider: str, found: rows.OneClick, raw: Raw) -> App:
    """One marketplace app; DigitalOcean tells no more than its slug."""
    return App(provider=provider, id=found.slug, name=found.slug, kind="image", raw=raw)


def credentials(provider: str, account: rows.Account) -> CredentialReport:
    """What the account says about itself."""
    team = f" ({account.team.name})" if account.team and account.team.name else ""
    return CredentialReport(
        provider=provider,
        account=account.email and account.email + team,
        active=account.status != "locked",
        instance_limit=account.droplet_limit,
        note=(account.status_message or "").strip(),
    )


def balance(provider: str, found: rows.Balance, raw: Raw) -> Balance:
    """What is owed; DigitalOcean counts what is owed as positive, too."""
    usage = found.month_to_date_usage
    return Balance(
        provider=provider,
        owed=Money(found.account_balance),
        month_to_date=None if usage is None else Money(usage),
        as_of=in_utc(found.generated_at),
        raw=raw,
    )


def invoice(provider: str, found: rows.Invoice, raw: Raw) -> Invoice:
    """One month's bill."""
    start, end = _month(found.invoice_period)
    return Invoice(
        provider=provider,
        id=found.invoice_uuid,
        amount=Money(found.amount),
        period_start=start,
        period_end=end,
        preview=isinstance(found, rows.InvoicePreview),
        raw=raw,
    )


def cost_item(_provider: str, item: rows.InvoiceItem, raw: Raw) -> CostItem:
    """One line of a bill."""
    return CostItem(
        description=item.description or item.group_description or "",
        amount=Money(item.amount),
        product=item.product or "",
        resource_id=item.resource_id or item.resource_uuid or None,
        quantity=None if item.duration is None else float(item.duration),
        unit=item.duration_unit.lower() if item.duration_unit else None,
        start=in_utc(item.start_time),
        end=in_utc(item.end_time),
        raw=raw,
    )


_UNKNOWN = InstanceStatus.UNKNOWN
_NO_SIZE, _NAMELESS, _NO_NETWORKS = rows.DropletSize(), rows.Named(), rows.Networks()


def _by_type(found: Iterable[rows.Address]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Public and private addresses; their order says nothing."""
    public, private = [], []
    for one in found:
        if one.type == "public" and one.ip_address:
            public.append(one.ip_address)
        elif one.type == "private" and one.ip_address:
            private.append(one.ip_address)
    return tuple(public), tuple(private)


@lru_cache(maxsize=1024)
def _hourly(price: float | None) -> Money | None:
    return None if price is None else _money(price, Decimal("0.00001"))


@lru_cache(maxsize=1024)
def _monthly(price: float | None) -> Money | None:
    return None if price is None else _money(price, Decimal("0.01"))


def _money(price: float, step: Decimal) -> Money:
    """Prices have been through a 32-bit float on their way here; rounding gives back what was meant."""
    return Money(Decimal(str(price)).quantize(step))


@lru_cache(maxsize=1024)
def _aliases(slug: str) -> tuple[str, ...]:
    """Portable names: ``ubuntu-24-04-x64`` is ``ubuntu-24.04``, ``rockylinux-9-x64`` is ``rocky-9``."""
    match = _DISTRIBUTION.fullmatch(slug)
    if match is None:
        return ()
    name, version = match.groups()
    return (f"{_PORTABLE.get(name, name)}-{version.replace('-', '.')}",)


def _month(period: str | None) -> tuple[datetime | None, datetime | None]:
    """First moment of a month that is written ``2020-01``, and first moment after it."""
    match = re.fullmatch(r"([12]\d{3})-(0[1-9]|1[0-2])", period or "", re.ASCII)
    if match is None:
        return None, None
    return calendar_month(int(match[1]), int(match[2]))
