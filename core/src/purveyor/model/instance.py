"""Machines: what one is, what to ask for, what to do with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from purveyor.model.values import Money, Raw

__all__ = ["Action", "Instance", "InstanceSpec", "InstanceStatus", "Needs"]


class InstanceStatus(Enum):
    """What a machine is doing, in words that all providers share."""

    PROVISIONING = "provisioning"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    REBOOTING = "rebooting"
    REBUILDING = "rebuilding"
    BUSY = "busy"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"
    ERROR = "error"
    UNKNOWN = "unknown"
    """A word that this version does not know; the provider's own is in ``raw``."""


class Action(Enum):
    """What can be done to a machine besides creating and deleting it."""

    START = "start"
    STOP = "stop"
    """Ask the operating system to shut down; what does not answer keeps running."""
    POWER_OFF = "power_off"
    """Cut the power."""
    REBOOT = "reboot"
    POWER_CYCLE = "power_cycle"
    RESIZE = "resize"
    REBUILD = "rebuild"
    SNAPSHOT = "snapshot"
    RENAME = "rename"


# Lists of thousands are made of these, and frozen slots take twice as long to fill as a dict.
@attrs.frozen(kw_only=True, slots=False)
class Instance:
    """One machine at one provider. ``(provider, id)`` identifies it.

    Attributes:
        provider: Name of the configured provider that it runs at.
        id: The provider's id, as text.
        name: Its name or label there.
        status: What it is doing.
        busy: Whether an operation holds it, so that another would be refused.
        plan: Slug of its plan.
        image: Slug or id of its image.
        region: Slug of its region.
        cpus: Number of (virtual) cores.
        memory: Bytes.
        disk: Bytes.
        public_ipv4: Public IPv4 addresses.
        private_ipv4: Private IPv4 addresses.
        public_ipv6: Public IPv6 addresses, without prefix length.
        tags: Tags, in the provider's order.
        created_at: When it was made; aware, UTC.
        price_per_hour: List price where the provider tells it.
        price_per_month: List price where the provider tells it.
        raw: The provider's own row.
    """

    provider: str
    id: str
    name: str
    status: InstanceStatus
    busy: bool = False
    plan: str | None = None
    image: str | None = None
    region: str | None = None
    cpus: float | None = None
    memory: int | None = None
    disk: int | None = None
    public_ipv4: tuple[str, ...] = ()
    private_ipv4: tuple[str, ...] = ()
    public_ipv6: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    price_per_hour: Money | None = None
    price_per_month: Money | None = None
    raw: Raw = attrs.field(default=Raw(), eq=False)

    @property
    def ready(self) -> bool:
        """Running, not held by an operation, and reachable at some address."""
        return (
            self.status is InstanceStatus.RUNNING
            and not self.busy
            and bool(self.public_ipv4 or self.public_ipv6 or self.private_ipv4)
        )


def _words(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _set(value: Iterable[str]) -> frozenset[str]:
    return frozenset(value)


def _optional_decimal(value: Decimal | float | str | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


@attrs.frozen(kw_only=True)
class Needs:
    """What a machine must have; each provider answers with its cheapest plan that fits.

    Attributes:
        cpus: At least this many cores.
        memory: At least this many bytes.
        disk: At least this many bytes.
        gpu: At least this many GPUs.
        max_price: At most this much an hour, in the provider's currency.
    """

    cpus: float = 1
    memory: int = 0
    disk: int = 0
    gpu: int = 0
    max_price: Decimal | None = attrs.field(default=None, converter=_optional_decimal)


@attrs.frozen(kw_only=True)
class InstanceSpec:
    """One portable request for a machine.

    Attributes:
        name: 3-63 letters, digits and single hyphens, starting with a letter.
        plan: A plan's slug, or needs.
        image: An image's slug, or a portable alias such as ``ubuntu-24.04``.
        region: A region's slug, or a place such as ``nl``, ``amsterdam``, ``eu``; anywhere if None.
        ssh_keys: Public keys as text.
        user_data: cloud-init document as text.
        tags: Tags to set.
        capabilities: What the provider must be configured or declared to have.
        per_provider: Provider name or type to fields that the provider's own create call takes besides.
    """

    name: str
    plan: str | Needs
    image: str
    region: str | None = None
    ssh_keys: tuple[str, ...] = attrs.field(default=(), converter=_words)
    user_data: str | None = attrs.field(default=None, repr=False)
    tags: tuple[str, ...] = attrs.field(default=(), converter=_words)
    capabilities: frozenset[str] = attrs.field(default=frozenset(), converter=_set)
    per_provider: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, repr=False)
