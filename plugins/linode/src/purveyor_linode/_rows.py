"""What the API's rows hold, as far as we read it.

Rows have many more keys. Each may be missing or null where Linode has nothing to say, so only what identifies a row
must be there. They are plain trees, which the garbage collector need not look at. Times are UTC without saying so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

__all__ = [
    "Account",
    "Availability",
    "Balance",
    "Entity",
    "Event",
    "GlobalGrants",
    "Grants",
    "Image",
    "Invoice",
    "InvoiceItem",
    "Linode",
    "Price",
    "Profile",
    "Region",
    "RegionPrice",
    "Specs",
    "StackScript",
    "Type",
]

Dollars = Annotated[float, msgspec.Meta(gt=-1e12, lt=1e12)]
Size = Annotated[int, msgspec.Meta(ge=0)]


class Specs(msgspec.Struct, gc=False):
    """What a Linode has: memory and disk in MB."""

    disk: Size | None = None
    memory: Size | None = None
    vcpus: Size | None = None


class Linode(msgspec.Struct, gc=False):
    """One machine. Fields stand in the order in which they come, which makes decoding faster."""

    id: int
    label: str | None = None
    status: str | None = None
    created: datetime | None = None
    type: str | None = None
    ipv4: tuple[str, ...] | None = None
    ipv6: str | None = None
    image: str | None = None
    region: str | None = None
    specs: Specs | None = None
    tags: tuple[str, ...] | None = None


class Entity(msgspec.Struct, gc=False):
    """What an event is about; Linodes have numbers, others have names."""

    id: int | str | None = None
    type: str | None = None


class Event(msgspec.Struct, gc=False):
    """Something that was done, or is being done, to something."""

    id: int
    action: str | None = None
    status: str | None = None
    entity: Entity | None = None


class Price(msgspec.Struct, gc=False):
    """US dollars."""

    hourly: Dollars | None = None
    monthly: Dollars | None = None


class RegionPrice(Price, gc=False):
    """A region's own price."""

    id: str | None = None


class Type(msgspec.Struct, gc=False):
    """One plan: memory and disk in MB, transfer in GB."""

    id: str
    label: str | None = None
    price: Price | None = None
    region_prices: tuple[RegionPrice, ...] | None = None
    memory: Size | None = None
    disk: Size | None = None
    transfer: Size | None = None
    vcpus: Size | None = None
    gpus: Size | None = None
    class_: str | None = msgspec.field(name="class", default=None)


class Image(msgspec.Struct, gc=False):
    """One image: the disk that it needs in MB."""

    id: str
    label: str | None = None
    size: Size | None = None
    deprecated: bool | None = None
    is_public: bool | None = None
    vendor: str | None = None


class Region(msgspec.Struct, gc=False):
    """One data center."""

    id: str
    label: str | None = None
    country: str | None = None
    capabilities: tuple[str, ...] | None = None
    status: str | None = None
    site_type: str | None = None


class Availability(msgspec.Struct, gc=False):
    """Whether a region sells a plan at present; most pairs are not listed."""

    region: str
    plan: str
    available: bool


class StackScript(msgspec.Struct, gc=False):
    """One script that installs something."""

    id: int
    username: str | None = None
    label: str | None = None
    description: str | None = None


class Profile(msgspec.Struct, gc=False):
    """The user that a token belongs to."""

    username: str | None = None
    email: str | None = None
    restricted: bool | None = None


class GlobalGrants(msgspec.Struct, gc=False):
    """What a restricted user may do, whatever it is done to."""

    account_access: str | None = None
    add_linodes: bool | None = None


class Grants(msgspec.Struct, gc=False):
    """What a restricted user may do."""

    everywhere: GlobalGrants | None = msgspec.field(name="global", default=None)


class Account(msgspec.Struct, gc=False):
    """The account that a user belongs to."""

    company: str | None = None
    email: str | None = None


class Balance(msgspec.Struct, gc=False):
    """What an account owes; a negative balance is credit."""

    balance: Dollars
    balance_uninvoiced: Dollars | None = None


class Invoice(msgspec.Struct, gc=False):
    """One bill, with taxes."""

    id: int
    total: Dollars
    date: datetime | None = None


class InvoiceItem(msgspec.Struct, gc=False):
    """One line of a bill, without taxes (``amount``) and with them (``total``)."""

    amount: Dollars
    total: Dollars | None = None
    label: str | None = None
    type: str | None = None
    quantity: Dollars | None = None
    start: datetime | None = msgspec.field(name="from", default=None)
    end: datetime | None = msgspec.field(name="to", default=None)
