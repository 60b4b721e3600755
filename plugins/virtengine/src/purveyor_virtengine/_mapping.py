"""From leases to deployments; pure functions.

On the chain processors are counted in millicores, memory and storage in bytes, and both are those of one replica. Times are
heights, prices are per block: what is made of them with the measured pace of blocks is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, DecimalException
from typing import TypeVar

import attrs

from purveyor.plugin import (
    CostEstimate,
    Deployment,
    DeploymentStatus,
    Money,
    Raw,
    Resources,
    Service,
    in_utc,
)
from purveyor_virtengine import _daemon_rows as daemon_rows
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._blocks import Pace

__all__ = ["LeaseRow", "deployments", "enriched", "lease_name"]

N = TypeVar("N", int, float)

LeaseRow = tuple[rows.LeaseRow, Raw]
Groups = Mapping[tuple[int, int], rows.Group]
"""The groups of deployments, by the deployment's and their own number."""

LEASE_STATES: Mapping[str, DeploymentStatus] = {
    "active": DeploymentStatus.ACTIVE,
    "insufficient_funds": DeploymentStatus.UNPAID,
    "closed": DeploymentStatus.CLOSED,
}
GROUP_STATES: Mapping[str, DeploymentStatus] = {
    "paused": DeploymentStatus.STOPPED,
    "insufficient_funds": DeploymentStatus.UNPAID,
}
"""What a group says of an active lease."""
DAEMON_STATES: Mapping[str, DeploymentStatus] = {
    "active": DeploymentStatus.ACTIVE,
    "running": DeploymentStatus.ACTIVE,
    "ready": DeploymentStatus.ACTIVE,
    "pending": DeploymentStatus.PENDING,
    "accepted": DeploymentStatus.PENDING,
    "provisioning": DeploymentStatus.PENDING,
    "starting": DeploymentStatus.PENDING,
    "stopped": DeploymentStatus.STOPPED,
    "suspended": DeploymentStatus.STOPPED,
    "paused": DeploymentStatus.STOPPED,
    "closed": DeploymentStatus.CLOSED,
    "terminating": DeploymentStatus.CLOSED,
    "terminated": DeploymentStatus.CLOSED,
    "failed": DeploymentStatus.ERROR,
    "error": DeploymentStatus.ERROR,
    "rejected": DeploymentStatus.ERROR,
}

BEST_FIRST = (
    DeploymentStatus.ACTIVE,
    DeploymentStatus.STOPPED,
    DeploymentStatus.UNPAID,
    DeploymentStatus.UNKNOWN,
    DeploymentStatus.CLOSED,
)
"""A deployment with several leases at one provider is what the best of them is."""

HOUR = Decimal(3600)
SMALLEST = Decimal("0.000001")
LARGEST = Decimal("1e30")


def lease_name(lease: rows.LeaseId) -> str:
    """A lease's name everywhere on the chain."""
    return f"{lease.owner}/{lease.dseq}/{lease.gseq}/{lease.oseq}/{lease.provider}"


def deployments(
    parent: str, found: Iterable[LeaseRow], groups: Groups, created: Mapping[int, int], pace: Pace | None
) -> list[Deployment]:
    """What runs where: one for each provider and deployment.

    Args:
        parent: Name of the provider that stands for the chain.
        found: Leases of one owner, with their own bytes.
        groups: What the leases are for, as far as it is known.
        created: Height at which each deployment was made, by its number; otherwise its first lease's counts.
        pace: None where it could not be measured: then nothing is estimated.
    """
    places: dict[tuple[str, int], list[LeaseRow]] = {}
    # What has changed its state while one state was read after the other is there twice; the later one counts.
    for row in {row[0].lease.id: row for row in found}.values():
        lease = row[0].lease.id
        places.setdefault((lease.provider, lease.dseq), []).append(row)
    return [
        _deployment(f"{parent}/{provider}", leases, groups, created.get(dseq), pace)
        for (provider, dseq), leases in places.items()
    ]


def _deployment(
    provider: str, found: Sequence[LeaseRow], groups: Groups, created: int | None, pace: Pace | None
) -> Deployment:
    leases = [row[0].lease for row in found]
    first = leases[0].id
    of_lease = {lease.id: groups.get((lease.id.dseq, lease.id.gseq)) for lease in leases}
    height = created or min(lease.created_at for lease in leases)
    known = [group for group in of_lease.values() if group is not None]
    states = [_state(lease, of_lease[lease.id]) for lease in leases]
    return Deployment(
        provider=provider,
        id=str(first.dseq),
        status=min(states, key=BEST_FIRST.index),
        name=next((name for group in known if (name := _name(group))), ""),
        owner=first.owner,
        leases=tuple(lease_name(lease.id) for lease in leases),
        services=tuple(
            _service(group, state)
            for group, state in zip(of_lease.values(), states, strict=True)
            if group is not None
        ),
        resources=_sum([_set_aside(group) for group in known]) if len(known) == len(leases) else Resources(),
        costs=_costs(leases, pace) if pace else (),
        created_at=pace.when(height) if pace else None,
        raw=found[0][1],
    )


def _state(lease: rows.Lease, group: rows.Group | None) -> DeploymentStatus:
    told = LEASE_STATES.get(lease.state, DeploymentStatus.UNKNOWN)
    if told is DeploymentStatus.ACTIVE and group is not None:
        return GROUP_STATES.get(group.state or "", told)
    return told


# Resources.


def _spec(group: rows.Group) -> rows.GroupSpec:
    return group.group_spec or group.spec or rows.GroupSpec()


def _name(group: rows.Group) -> str:
    return _spec(group).name or ""


def _service(group: rows.Group, status: DeploymentStatus) -> Service:
    kinds = _spec(group).resources or ()
    return Service(
        name=_name(group) or f"group-{group.id.gseq}",
        status=status,
        replicas=sum(kind.count for kind in kinds) if kinds else None,
        resources=_of_one(kinds[0].resource) if len(kinds) == 1 else Resources(),
    )


def _set_aside(group: rows.Group) -> Resources:
    return _sum([_times(_of_one(kind.resource), kind.count) for kind in _spec(group).resources or ()])


def _of_one(unit: rows.Unit | None) -> Resources:
    if unit is None:
        return Resources()
    cpu = _value(unit.cpu)
    storage = [_value(one) for one in unit.storage or ()]
    return Resources(
        cpus=None if cpu is None else cpu / 1000,
        memory=_value(unit.memory),
        storage=_total(storage) if storage else None,
        gpus=_value(unit.gpu),
    )


def _value(amount: rows.Amount | None) -> int | None:
    told = amount and (amount.units or amount.quantity or amount.size)
    return told.val if told else None


def _times(one: Resources, count: int) -> Resources:
    return Resources(
        cpus=None if one.cpus is None else one.cpus * count,
        memory=None if one.memory is None else one.memory * count,
        storage=None if one.storage is None else one.storage * count,
        gpus=None if one.gpus is None else one.gpus * count,
    )


def _sum(parts: Sequence[Resources]) -> Resources:
    """All together; None where one of them does not tell."""
    if not parts:
        return Resources()
    return Resources(
        cpus=_total([one.cpus for one in parts]),
        memory=_total([one.memory for one in parts]),
        storage=_total([one.storage for one in parts]),
        gpus=_total([one.gpus for one in parts]),
    )


def _total(values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known, start=known[0] - known[0]) if known and len(known) == len(values) else None


# Costs.


def _costs(leases: Iterable[rows.Lease], pace: Pace) -> tuple[CostEstimate, ...]:
    """One estimate for each denomination; what nobody can pay is left out."""
    per_block: dict[str, Decimal] = {}
    accrued: dict[str, Decimal] = {}
    for lease in leases:
        price = lease.price
        if price is None or not _is_amount(price.amount):
            continue
        open_ = lease.state in LEASE_STATES and lease.state != "closed"
        blocks = max((lease.closed_on or pace.height) - lease.created_at, 0)
        per_block[price.denom] = per_block.get(price.denom, Decimal(0)) + (price.amount if open_ else 0)
        accrued[price.denom] = accrued.get(price.denom, Decimal(0)) + price.amount * min(blocks, pace.height)
    basis = f"price per block, {pace.seconds:.1f} s a block"
    blocks_per_hour = HOUR / Decimal(repr(pace.seconds))
    return tuple(
        CostEstimate(
            per_hour=Money(_rounded(amount * blocks_per_hour), denom),
            accrued=Money(_rounded(accrued[denom]), denom),
            basis=basis,
        )
        for denom, amount in per_block.items()
    )


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount < LARGEST


def _rounded(amount: Decimal) -> Decimal:
    try:
        return amount.quantize(SMALLEST)
    except DecimalException:
        return amount


# What a daemon adds.


def enriched(known: Deployment, status: daemon_rows.Status) -> Deployment:
    """What the chain says, with what the provider sees; the chain's word counts where the lease is over or unpaid."""
    state = DAEMON_STATES.get(status.state.lower(), DeploymentStatus.UNKNOWN)
    if known.status is not DeploymentStatus.ACTIVE or state is DeploymentStatus.UNKNOWN:
        state = known.status
    planned = {service.name: service for service in known.services}
    told = tuple(_running(service, planned.get(service.name)) for service in status.services or ())
    return attrs.evolve(
        known, status=state, services=told or known.services, updated_at=in_utc(status.last_updated)
    )


def _running(service: daemon_rows.Service, planned: Service | None) -> Service:
    told = service.replicas
    total, ready = (told.total, told.ready) if isinstance(told, daemon_rows.Replicas) else (told, None)
    return Service(
        name=service.name,
        status=DAEMON_STATES.get(service.state.lower(), DeploymentStatus.UNKNOWN),
        replicas=planned.replicas if total is None and planned else total,
        ready=ready,
        resources=planned.resources if planned else Resources(),
        ports=tuple(f"{port.port}/{port.protocol}" for port in service.ports or ()),
    )
