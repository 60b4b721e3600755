"""From what daemons measure and ask for to metrics, facts, bills; pure functions.

Units are words that a daemon may leave out: the portal then takes cores and GB. Whether GB are 10⁹ or 2³⁰ bytes nobody says;
here the words mean what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from purveyor.plugin import (
    Balance,
    CostItem,
    DeploymentEvent,
    Invoice,
    Labels,
    Money,
    ProtocolMismatchError,
    ProviderFacts,
    Raw,
    ResourceKind,
    ResourceMetrics,
    ResourcePrice,
    Resources,
    UnsupportedOperationError,
    convert_unit,
    in_utc,
)
from purveyor_virtengine import _daemon_rows as daemon_rows

__all__ = ["UNPAID", "balance", "cost_item", "event", "facts", "invoice", "resource_metrics"]

UNITS: Mapping[str, str] = {
    "core": "cores",
    "cores": "cores",
    "cpu": "cores",
    "vcpu": "cores",
    "m": "millicores",
    "millicores": "millicores",
    "b": "bytes",
    "bytes": "bytes",
    "kb": "kilobytes",
    "mb": "megabytes",
    "gb": "gigabytes",
    "ki": "kibibytes",
    "kib": "kibibytes",
    "mi": "mebibytes",
    "mib": "mebibytes",
    "gi": "gibibytes",
    "gib": "gibibytes",
}
GB = 1_000_000_000
UNPAID = frozenset({"pending", "overdue"})
NOTHING = "uve"
"""Currency of what is not owed: the chain's own."""


def resource_metrics(
    provider: str, deployment: str, told: daemon_rows.Metrics, now: datetime
) -> ResourceMetrics:
    """What a deployment uses.

    Nobody says whether the bytes of the network are counted or per second, so they are only labels.
    """
    cpu_used, cpu_limit = _amounts(told.cpu, "cores", "cores")
    memory_used, memory_limit = _amounts(told.memory, "gigabytes", "bytes")
    storage_used, storage_limit = _amounts(told.storage, "gigabytes", "bytes")
    return ResourceMetrics(
        provider=provider,
        id=deployment,
        time=_moment(told.timestamp) or now,
        source="virtengine",
        kind=ResourceKind.DEPLOYMENT,
        deployment=deployment,
        cpu_used=cpu_used,
        cpu_limit=cpu_limit,
        memory_used=memory_used,
        memory_limit=memory_limit,
        storage_used=storage_used,
        storage_limit=storage_limit,
        labels=_labels(told),
    )


def _amounts(measure: daemon_rows.Measure | None, default: str, to: str) -> tuple[float | None, float | None]:
    """Used and limit; nothing where the unit is not known."""
    if measure is None:
        return None, None
    unit = UNITS.get(measure.unit.strip().lower()) if measure.unit.strip() else default
    used = measure.usage if measure.usage is not None else measure.used
    try:
        return (convert_unit(used, unit, to), convert_unit(measure.limit, unit, to)) if unit else (None, None)
    except ValueError:
        return None, None


def _labels(told: daemon_rows.Metrics) -> Labels:
    network, gpu = told.network or daemon_rows.Network(), told.gpu or daemon_rows.Measure()
    values = {
        "rx_bytes": network.rx_bytes if network.rx_bytes is not None else network.rx_bytes_too,
        "tx_bytes": network.tx_bytes if network.tx_bytes is not None else network.tx_bytes_too,
        "gpu_used": gpu.usage if gpu.usage is not None else gpu.used,
        "gpu_limit": gpu.limit,
    }
    return Labels({name: f"{value:.15g}" for name, value in values.items() if value is not None})


def event(provider: str, deployment: str, row: daemon_rows.Event) -> DeploymentEvent:
    """Something that happened."""
    return DeploymentEvent(
        provider=provider,
        deployment=deployment,
        id=row.id,
        type=row.type,
        message=row.message,
        time=_moment(row.created_at),
    )


def facts(
    provider: str,
    info: daemon_rows.Info,
    pricing: daemon_rows.Pricing,
    capacity: daemon_rows.Capacity,
    attributes: daemon_rows.Attributes,
) -> ProviderFacts:
    """What a provider says of itself; the shipped daemon says nothing."""
    prices = {"cpu": pricing.cpu, "memory": pricing.memory, "storage": pricing.storage, "gpu": pricing.gpu}
    return ProviderFacts(
        provider=provider,
        name=info.name,
        address=info.address or None,
        version=info.version,
        region=info.region,
        capabilities=info.capabilities or (),
        capacity=Resources(
            cpus=capacity.cpu_cores,
            memory=_gigabytes(capacity.memory_gb),
            storage=_gigabytes(capacity.storage_gb),
            gpus=None if capacity.gpu_units is None else int(capacity.gpu_units),
        ),
        prices=tuple(
            ResourcePrice(
                resource=name, price=Money(amount, pricing.currency), unit=one.unit, interval=one.interval
            )
            for name, one in prices.items()
            if one is not None and (amount := _number(one.price)) is not None
        ),
        attributes={str(key): str(value) for key, value in (attributes.attributes or {}).items()},
    )


def _gigabytes(amount: float | None) -> int | None:
    return None if amount is None else int(amount * GB)


# Bills.


def balance(provider: str, unpaid: Sequence[daemon_rows.Invoice]) -> Balance:
    """What is owed by a provider's unpaid invoices.

    Raises:
        UnsupportedOperationError: They are in several currencies.
    """
    currencies = {str(row.currency) for row in unpaid} or {NOTHING}
    if len(currencies) > 1:
        told = ", ".join(sorted(currencies))
        raise UnsupportedOperationError(f"the unpaid invoices are in {told}; they have no sum")
    return Balance(
        provider=provider, owed=Money(sum((row.total for row in unpaid), Decimal(0)), currencies.pop())
    )


def invoice(provider: str, row: daemon_rows.Invoice, raw: Raw) -> Invoice:
    """One bill."""
    return Invoice(
        provider=provider,
        id=row.id,
        amount=Money(row.total, row.currency),
        issued_at=_moment(row.issued_at),
        raw=raw,
    )


def cost_item(row: daemon_rows.Usage, raw: Raw) -> CostItem | None:
    """What was used within a period; None where nothing was."""
    if not row.total_cost.strip():
        return None
    period = row.period or daemon_rows.Period()
    return CostItem(
        description="Use",
        amount=_money(row.total_cost, row.currency),
        start=_moment(period.start),
        end=_moment(period.end),
        raw=raw,
    )


def _money(amount: str, currency: str) -> Money:
    value = _number(amount)
    if value is None:
        raise ProtocolMismatchError(f"{amount!r:.40} is no amount of money")
    return Money(value, currency)


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _moment(time: datetime | None) -> datetime | None:
    """A time in UTC; the year 1 is how Go writes that there is none."""
    return None if time is None or time.year <= 1 else in_utc(time)
