"""What the chain's and the daemons' answers hold, as far as we read them, in all spellings that have been described.

Numbers of 64 bits come as text, and what has nothing to say is null, empty or missing: only what identifies a row must
be there.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct, field

__all__ = [
    "Accepted",
    "Amount",
    "Attribute",
    "Block",
    "BlockAnswer",
    "Capacity",
    "ChainProvider",
    "Coin",
    "Deployment",
    "Escrow",
    "Event",
    "Group",
    "Health",
    "History",
    "Info",
    "Invoice",
    "Lease",
    "LeaseId",
    "Metrics",
    "Payment",
    "Pricing",
    "ShellSession",
    "Status",
    "Usage",
]

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[float, Meta(gt=-1e18, lt=1e18)]


class Coin(Struct, gc=False):
    """An amount of one denomination; fractions are possible."""

    denom: str
    amount: Decimal


# The chain.


class Attribute(Struct, gc=False):
    """One attribute; keys may come several times."""

    key: str
    value: str | None = None


class ChainProvider(Struct):
    """A provider as it is registered."""

    owner: str
    host_uri: str | None = None
    host_uri_too: str | None = field(name="hostURI", default=None)
    attributes: list[Attribute] | dict[str, Any] | None = None
    info: dict[str, Any] | None = None


class LeaseId(Struct, gc=False, frozen=True):
    """What identifies a lease."""

    owner: str
    dseq: Count
    provider: str
    gseq: Count = 1
    oseq: Count = 1
    bseq: Count = 0


class Lease(Struct, gc=False):
    """A group of a deployment, rented at one provider: price per block, heights as times."""

    id: LeaseId
    state: str = ""
    price: Coin | None = None
    created_at: Count = 0
    closed_on: Count = 0
    reason: str | None = None


class PaymentState(Struct, gc=False):
    """How far a lease is paid."""

    state: str | None = None
    rate: Coin | None = None
    balance: Coin | None = None
    unsettled: Coin | None = None
    withdrawn: Coin | None = None


class Payment(Struct, gc=False):
    """The escrow payment of a lease."""

    state: PaymentState | None = None


class LeaseRow(Struct, gc=False):
    """One row of the list of leases."""

    lease: Lease
    escrow_payment: Payment | None = None


class Value(Struct, gc=False):
    """A whole number with a name around it."""

    val: Count


class Amount(Struct, gc=False):
    """One resource: ``units`` of processors and GPUs, ``quantity`` (or ``size``) of memory and storage."""

    units: Value | None = None
    quantity: Value | None = None
    size: Value | None = None
    name: str | None = None


class Unit(Struct, gc=False):
    """What one replica gets: millicores, bytes, GPUs."""

    cpu: Amount | None = None
    memory: Amount | None = None
    storage: tuple[Amount, ...] | None = None
    gpu: Amount | None = None


class Several(Struct, gc=False):
    """Replicas of one kind."""

    resource: Unit | None = None
    count: Count = 1


class GroupSpec(Struct, gc=False):
    """What a group was ordered with."""

    name: str | None = None
    resources: tuple[Several, ...] | None = None


class GroupId(Struct, gc=False):
    """What identifies a group."""

    gseq: Count


class Group(Struct, gc=False):
    """A part of a deployment that is rented at one provider."""

    id: GroupId
    state: str | None = None
    group_spec: GroupSpec | None = None
    spec: GroupSpec | None = None


class DeploymentId(Struct, gc=False):
    """What identifies a deployment."""

    owner: str
    dseq: Count


class DeploymentHead(Struct, gc=False):
    """The deployment itself; its time is a height."""

    id: DeploymentId
    state: str = ""
    created_at: Count = 0


class EscrowState(Struct, gc=False):
    """What is left of the money."""

    state: str | None = None
    funds: tuple[Coin, ...] | None = None


class Escrow(Struct, gc=False):
    """The escrow account of a deployment."""

    state: EscrowState | None = None


class Deployment(Struct, gc=False):
    """One deployment with its groups."""

    deployment: DeploymentHead
    groups: tuple[Group, ...] | None = None
    escrow_account: Escrow | None = None


class Header(Struct, gc=False):
    """The head of a block."""

    height: Count
    time: Annotated[datetime, Meta(tz=True)]
    chain_id: str = ""


class Block(Struct, gc=False):
    """A block."""

    header: Header


class BlockAnswer(Struct, gc=False):
    """A block in its answer."""

    block: Block


# The daemons.


class Health(Struct, gc=False):
    """How a daemon says it is, where it says it in JSON."""

    status: str = "ok"
    version: str = ""


class Info(Struct, gc=False):
    """What a daemon says that it is; the shipped one says nothing."""

    address: str = ""
    name: str = ""
    version: str = ""
    chain_id: str = ""
    region: str = ""
    capabilities: tuple[str, ...] | None = None


class Price(Struct, gc=False):
    """Price of one unit."""

    price: Decimal
    unit: str = ""
    interval: str = ""


class Pricing(Struct, gc=False):
    """What a daemon asks for."""

    currency: str = ""
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
    state: str = ""
    replicas: Count | Replicas | None = None
    ports: tuple[Port, ...] | None = None


class Status(Struct, gc=False):
    """A deployment as a daemon sees it; the Go daemon has no such route."""

    state: str = ""
    replicas: Replicas | None = None
    services: tuple[Service, ...] | None = None
    last_updated: datetime | None = None


class Measure(Struct, gc=False):
    """Something in use and how much of it there may be, in ``unit``."""

    usage: Number | None = None
    used: Number | None = None
    limit: Number | None = None
    unit: str = ""


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


class History(Struct, gc=False):
    """What was used over time."""

    series: tuple[Moment, ...] | None = None


class Event(Struct, gc=False):
    """Something that happened."""

    id: str = ""
    type: str = ""
    message: str = ""
    created_at: datetime | None = None


class Accepted(Struct, gc=False):
    """What came of an action; ``success`` may be false in an answer that is a success."""

    success: bool | None = None
    message: str = ""
    operation_id: str = ""
    state: str = ""
    status: str = ""


class ShellSession(Struct, gc=False):
    """Leave to open a shell."""

    token: str = ""
    session_ttl: Number | None = None


class Period(Struct, gc=False):
    """From when to when; years of 1 mean never."""

    start: datetime | None = None
    end: datetime | None = None


class Usage(Struct, gc=False):
    """What was used and what it costs; empty texts are nothing."""

    period: Period | None = None
    total_cost: str = ""
    currency: str = ""
    resources: dict[str, Any] | None = None


class Line(Struct, gc=False):
    """One line of an invoice."""

    description: str = ""
    quantity: Number | None = None
    unit_price: str = ""
    total: str = ""


class Invoice(Struct, gc=False):
    """One invoice."""

    id: str
    total: Decimal
    number: str = ""
    status: str = ""
    currency: str = ""
    due_date: datetime | None = None
    issued_at: datetime | None = None
    line_items: tuple[Line, ...] | None = None
