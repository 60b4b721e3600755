"""What the daemons' answers hold, as far as we read them, in all spellings that have been described.

What has nothing to say is empty, null or missing, and nothing but what identifies a row must be there.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from purveyor_virtengine._rows import Count, Text

__all__ = [
    "Accepted",
    "Attributes",
    "Capacity",
    "Event",
    "Health",
    "Info",
    "Invoice",
    "Measure",
    "Metrics",
    "Moment",
    "Network",
    "Period",
    "Port",
    "Price",
    "Pricing",
    "Replicas",
    "Service",
    "ShellSession",
    "Status",
    "Usage",
]

Number = Annotated[float, Meta(gt=-1e18, lt=1e18)]
NOTHING = Text()


class Health(Struct, gc=False):
    """How a daemon says it is, where it says it in JSON."""

    status: Text = NOTHING


class Info(Struct, gc=False):
    """What a daemon says that it is; the shipped one says nothing."""

    address: Text = NOTHING
    name: Text = NOTHING
    version: Text = NOTHING
    chain_id: Text = NOTHING
    region: Text = NOTHING
    capabilities: tuple[str, ...] | None = None


class Price(Struct, gc=False):
    """Price of one unit; empty where a daemon was told nothing."""

    price: Text = NOTHING
    unit: Text = NOTHING
    interval: Text = NOTHING


class Pricing(Struct, gc=False):
    """What a daemon asks for."""

    currency: Text = NOTHING
    cpu: Price | None = None
    memory: Price | None = None
    storage: Price | None = None
    gpu: Price | None = None


class Capacity(Struct, gc=False):
    """What a daemon has: cores, GB, GPUs."""

    cpu_cores: Number | None = None
    memory_gb: Number | None = None
    storage_gb: Number | None = None
    gpu_units: Number | None = None


class Attributes(Struct):
    """What else a daemon says."""

    attributes: dict[str, Any] | None = None


class Replicas(Struct, gc=False):
    """How many there are."""

    ready: Count | None = None
    total: Count | None = None


class Port(Struct, gc=False):
    """A port that is open."""

    port: Count
    protocol: str = "tcp"


class Service(Struct, gc=False):
    """A part of a deployment."""

    name: str
    state: Text = NOTHING
    replicas: Count | Replicas | None = None
    ports: tuple[Port, ...] | None = None


class Status(Struct, gc=False):
    """A deployment as a daemon sees it; the Go daemon has no such route."""

    state: Text = NOTHING
    services: tuple[Service, ...] | None = None
    last_updated: datetime | None = None


class Measure(Struct, gc=False):
    """Something in use and how much of it there may be, in ``unit``."""

    usage: Number | None = None
    used: Number | None = None
    limit: Number | None = None
    unit: Text = NOTHING


class Network(Struct, gc=False):
    """Bytes in and out; whether counted or per second, nobody says."""

    rx_bytes: Number | None = None
    tx_bytes: Number | None = None
    rx_bytes_too: Number | None = field(name="rxBytes", default=None)
    tx_bytes_too: Number | None = field(name="txBytes", default=None)


class Metrics(Struct, gc=False):
    """What a deployment uses."""

    cpu: Measure | None = None
    memory: Measure | None = None
    storage: Measure | None = None
    gpu: Measure | None = None
    network: Network | None = None
    timestamp: datetime | None = None


class Moment(Struct, gc=False):
    """What was used at one time."""

    timestamp: datetime
    metrics: Metrics


class Event(Struct, gc=False):
    """Something that happened."""

    id: Text = NOTHING
    type: Text = NOTHING
    message: Text = NOTHING
    created_at: datetime | None = None


class Accepted(Struct, gc=False):
    """What came of an action; ``success`` may be false in an answer that is a success."""

    success: bool | None = None
    message: Text = NOTHING
    operation_id: Text = NOTHING
    state: Text = NOTHING
    status: Text = NOTHING


class ShellSession(Struct, gc=False):
    """Leave to open a shell."""

    token: Text = NOTHING


class Period(Struct, gc=False):
    """From when to when; years of 1 mean never."""

    start: datetime | None = None
    end: datetime | None = None


class Usage(Struct, gc=False):
    """What was used and what it costs; empty texts are nothing."""

    period: Period | None = None
    total_cost: Text = NOTHING
    currency: Text = NOTHING


class Invoice(Struct, gc=False):
    """One invoice."""

    id: str
    total: Decimal
    status: Text = NOTHING
    currency: Text = NOTHING
    issued_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.total.is_finite():
            raise ValueError("total is no amount")
