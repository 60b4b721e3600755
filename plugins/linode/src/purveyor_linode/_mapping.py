"""From Linode's rows to our models; pure functions.

Units: memory and disk are in MB, transfer in GB by name only. A plan that is called ``4GB`` comes with 4,096 MB of
memory, one with an 80 GB disk with 81,920 MB, and Linode's own console counts transfer in steps of 1,024, where a plan
of 1 TB has 1,000 GB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from purveyor.plugin import (
    App,
    Balance,
    CostItem,
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
from purveyor_linode import _rows as rows
from purveyor_linode._regions import places, takes_machines

__all__ = [
    "ONE_CLICK",
    "app",
    "balance",
    "cost_item",
    "image",
    "instance",
    "invoice",
    "plan",
    "preview",
    "region",
]

STATUSES: Mapping[str | None, tuple[InstanceStatus, bool]] = {
    # Linode's word, ours, and whether an operation holds the machine.
    "provisioning": (InstanceStatus.PROVISIONING, True),
    "booting": (InstanceStatus.STARTING, True),
    "running": (InstanceStatus.RUNNING, False),
    "offline": (InstanceStatus.STOPPED, False),
    "stopped": (InstanceStatus.STOPPED, False),
    "shutting_down": (InstanceStatus.STOPPING, True),
    "rebooting": (InstanceStatus.REBOOTING, True),
    "rebuilding": (InstanceStatus.REBUILDING, True),
    "busy": (InstanceStatus.BUSY, True),
    "cloning": (InstanceStatus.BUSY, True),
    "migrating": (InstanceStatus.BUSY, True),
    "resizing": (InstanceStatus.BUSY, True),
    "restoring": (InstanceStatus.BUSY, True),
    "deleting": (InstanceStatus.DELETING, True),
    "billing_suspension": (InstanceStatus.SUSPENDED, False),
}

GPUS: tuple[tuple[str, str], ...] = (
    # What a plan's id and label speak of, the special before the general.
    (r"rtx ?pro ?6000", "nvidia_rtx_pro_6000"),
    (r"rtx ?6000 ?ada|rtx6000a", "nvidia_rtx6000_ada"),
    (r"rtx ?4000 ?ada|rtx4000a", "nvidia_rtx4000_ada"),
    (r"rtx ?6000", "nvidia_rtx6000"),
)

ONE_CLICK = "One-Click"
"""What the labels of scripts that are marketplace apps hold."""

_PRIVATE = "192.168.", "10.", *(f"172.{number}." for number in range(16, 32))
_DISTRIBUTION = re.compile(r"linode/([a-z]+(?:-[a-z]+)*)(\d+(?:\.\d+)?)?(?:lts)?")
_BILLED = re.compile(r"(?P<product>.+?) - .+ \((?P<id>\d+)\)")
_UNKNOWN = InstanceStatus.UNKNOWN, False


def instance(provider: str, linode: rows.Linode, raw: Raw) -> Instance:
    """One machine. Lists of thousands come through here: what is the same for many is computed once."""
    status, busy = STATUSES.get(linode.status, _UNKNOWN)
    specs = linode.specs or _NO_SPECS
    public_ipv4, private_ipv4 = _by_kind(linode.ipv4 or ())
    return Instance(
        provider=provider,
        id=str(linode.id),
        name=linode.label or "",
        status=status,
        busy=busy,
        plan=linode.type,
        image=linode.image,
        region=linode.region,
        cpus=specs.vcpus,
        memory=specs.memory and specs.memory * MiB,
        disk=specs.disk and specs.disk * MiB,
        public_ipv4=public_ipv4,
        private_ipv4=private_ipv4,
        public_ipv6=(linode.ipv6.partition("/")[0],) if linode.ipv6 else (),
        tags=linode.tags or (),
        created_at=in_utc(linode.created),
        raw=raw,
    )


def plan(provider: str, size: rows.Type, raw: Raw, sold_in: tuple[str, ...] | None = None) -> Plan:
    """One plan; which regions sell it is told elsewhere."""
    price = size.price or _NO_PRICE
    return Plan(
        provider=provider,
        id=size.id,
        name=size.label or size.id,
        cpus=size.vcpus or 0,
        memory=(size.memory or 0) * MiB,
        disk=(size.disk or 0) * MiB,
        transfer=None if size.transfer is None else size.transfer * GiB,
        gpu=size.gpus or 0,
        gpu_model=_gpu(f"{size.id} {size.label}".lower()) if size.gpus else None,
        price_per_hour=_money(price.hourly),
        price_per_month=_money(price.monthly),
        region_prices=_region_prices(size.region_prices or ()),
        regions=sold_in,
        available=sold_in != (),
        raw=raw,
    )


def image(provider: str, found: rows.Image, raw: Raw) -> Image:
    """One image. Wherever it is stored, every region can start from it."""
    public = found.is_public is not False
    return Image(
        provider=provider,
        id=found.id,
        name=found.label or found.id,
        distribution=found.vendor,
        aliases=_aliases(found.id) if public else (),
        min_disk=(found.size or 0) * MiB,
        public=public,
        deprecated=found.deprecated is True,
        raw=raw,
    )


def region(provider: str, found: rows.Region, raw: Raw) -> Region:
    """One data center."""
    return Region(
        provider=provider,
        id=found.id,
        name=(found.label or found.id).strip(),
        places=places(found.label, found.country),
        available=takes_machines(found),
        features=found.capabilities or (),
        raw=raw,
    )


def app(provider: str, found: rows.StackScript, raw: Raw) -> App:
    """One marketplace app: a script that a machine runs when it first starts."""
    return App(
        provider=provider,
        id=str(found.id),
        name=(found.label or str(found.id)).removesuffix(f" {ONE_CLICK}"),
        kind="script",
        description=(found.description or "").strip(),
        raw=raw,
    )


def balance(provider: str, found: rows.Balance, raw: Raw) -> Balance:
    """What is owed; Linode counts what is owed as positive, too."""
    return Balance(
        provider=provider,
        owed=_dollars(found.balance),
        month_to_date=_money(found.balance_uninvoiced),
        raw=raw,
    )


def invoice(provider: str, found: rows.Invoice, raw: Raw) -> Invoice:
    """One bill. It says when it was made, and not which period it is for: everything on it was there before."""
    issued_at = in_utc(found.date)
    return Invoice(
        provider=provider,
        id=str(found.id),
        amount=_dollars(found.total),
        issued_at=issued_at,
        period_end=issued_at,
        raw=raw,
    )


def preview(provider: str, found: rows.Balance, raw: Raw, now: datetime) -> Invoice | None:
    """The running month's bill as it stands, where Linode tells."""
    if found.balance_uninvoiced is None:
        return None
    today = now.astimezone(UTC)
    start, end = calendar_month(today.year, today.month)
    return Invoice(
        provider=provider,
        id="uninvoiced",
        amount=_dollars(found.balance_uninvoiced),
        period_start=start,
        period_end=end,
        preview=True,
        raw=raw,
    )


def cost_item(_provider: str, item: rows.InvoiceItem, raw: Raw) -> CostItem:
    """One line of a bill, with its taxes, so that the lines add up to the bill."""
    label = item.label or ""
    billed = _BILLED.fullmatch(label)
    return CostItem(
        description=label,
        amount=_dollars(item.amount if item.total is None else item.total),
        product=billed["product"] if billed else "",
        resource_id=billed["id"] if billed else None,
        quantity=item.quantity,
        unit="hours" if item.type == "hourly" and item.quantity is not None else None,
        start=in_utc(item.start),
        end=in_utc(item.end),
        raw=raw,
    )


_NO_SPECS, _NO_PRICE = rows.Specs(), rows.Price()


def _by_kind(found: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Public and private addresses; their order says nothing."""
    public: list[str] = []
    private: list[str] = []
    for address in found:
        (private if address.startswith(_PRIVATE) else public).append(address)
    return tuple(public), tuple(private)


def _region_prices(found: Iterable[rows.RegionPrice]) -> tuple[tuple[str, Money], ...]:
    return tuple((one.id, _dollars(one.hourly)) for one in found if one.id and one.hourly is not None)


def _money(amount: float | None) -> Money | None:
    return None if amount is None else _dollars(amount)


@lru_cache(maxsize=1024)
def _dollars(amount: float) -> Money:
    """Amounts are JSON numbers: what arithmetic on them left behind the sixth digit is no money."""
    exact = Decimal(str(round(amount, 6)))
    whole = exact.quantize(Decimal("0.01"))
    return Money(whole if whole == exact else exact)


def _gpu(name: str) -> str | None:
    return next((model for pattern, model in GPUS if re.search(pattern, name)), None)


@lru_cache(maxsize=1024)
def _aliases(image_id: str) -> tuple[str, ...]:
    """Portable names: ``linode/ubuntu24.04`` is ``ubuntu-24.04``, ``linode/arch`` is ``arch``."""
    match = _DISTRIBUTION.fullmatch(image_id)
    return ("-".join(filter(None, match.groups())),) if match else ()
