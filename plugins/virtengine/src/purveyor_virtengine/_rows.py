"""What the chain's answers hold, as far as we read them, in all spellings that have been described.

Numbers of 64 bits come as text, and what has nothing to say is null, empty or missing: only what identifies a row must
be there.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct, field

__all__ = [
    "Amount",
    "Attribute",
    "Block",
    "BlockAnswer",
    "ChainProvider",
    "Coin",
    "Count",
    "Deployment",
    "DeploymentHead",
    "DeploymentId",
    "Group",
    "GroupId",
    "GroupSpec",
    "Header",
    "Lease",
    "LeaseId",
    "LeaseRow",
    "Several",
    "Text",
    "Unit",
    "Value",
]

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Text(str):
    """Text of which there may be none: null is empty. Numbers are taken as they would be written."""

    __slots__ = ()


class Coin(Struct, gc=False):
    """An amount of one denomination; fractions are possible."""

    denom: str
    amount: Decimal


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


class LeaseRow(Struct, gc=False):
    """One row of the list of leases."""

    lease: Lease


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


class Deployment(Struct, gc=False):
    """One deployment with its groups."""

    deployment: DeploymentHead
    groups: tuple[Group, ...] | None = None


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
