"""What many resources use together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from purveyor.model.metrics import GpuMetrics, ResourceKind, ResourceMetrics, units_of

__all__ = ["MetricsTotal", "total_metrics"]


@attrs.frozen(kw_only=True)
class MetricsTotal:
    """What resources of one kind use together: sums over those that told, None where none did.

    Hosts and containers are never added up, because a host's amounts contain its containers'.

    Attributes:
        group: What they have in common, such as a provider; None where nothing was asked.
        resources: How many there are; several that are the same machine count once.
        cpu_used: Cores; likewise the limit.
        memory_used: Bytes; likewise the limit, and all of storage and of the GPUs' memory.
        network_received: Bytes per second; likewise what was sent.
        gpu_used: GPUs that are busy, as the sum of their utilisation.
        gpu_limit: Whole GPUs; a divided one counts once.
        told: By field, how many resources (for fields of GPUs: GPUs) are in its sum.
        oldest: When the first of them was measured, UTC.
        newest: When the last of them was measured, UTC.
    """

    kind: ResourceKind
    group: str | None = None
    resources: int
    cpu_used: float | None = None
    cpu_limit: float | None = None
    memory_used: float | None = None
    memory_limit: float | None = None
    storage_used: float | None = None
    storage_limit: float | None = None
    network_received: float | None = None
    network_sent: float | None = None
    gpu_used: float | None = None
    gpu_limit: int | None = None
    gpu_memory_used: float | None = None
    gpu_memory_limit: float | None = None
    told: Mapping[str, int]
    oldest: datetime
    newest: datetime

    def lacks(self, field: str) -> bool:
        """Whether the sum of a field is too low, because somebody who counts did not tell."""
        counted = (self.gpu_limit or 0) if field.startswith("gpu") else self.resources
        return 0 < self.told.get(field, 0) < counted


def total_metrics(
    resources: Iterable[ResourceMetrics], by: Callable[[ResourceMetrics], str | None] | None = None
) -> tuple[MetricsTotal, ...]:
    """Sums of what resources use, one for each kind, and within it for each group, in their order.

    No data is never counted as zero. Hosts of one ``instance_id`` are one machine that several sources tell of: of each
    field the first that tells counts, and of a GPU that is told of twice likewise.

    Args:
        resources: As ``list_metrics`` gives them.
        by: What groups them, such as ``lambda one: one.provider``; None for one group a kind.
    """
    groups: dict[tuple[ResourceKind, str | None], list[ResourceMetrics]] = defaultdict(list)
    for one in resources:
        groups[one.kind, by(one) if by else None].append(one)
    order = list(ResourceKind)
    ranked = sorted(groups, key=lambda key: (order.index(key[0]), key[1] or ""))
    return tuple(_total(kind, group, groups[kind, group]) for kind, group in ranked)


Amounts = Mapping[str, dict[Hashable, float]]
"""By field: of each machine or GPU, what was told first."""


def _total(kind: ResourceKind, group: str | None, members: list[ResourceMetrics]) -> MetricsTotal:
    machines = {_machine(one, at): one for at, one in enumerate(members)}
    amounts: Amounts = defaultdict(dict)
    for at, one in enumerate(members):
        for field in units_of(ResourceMetrics):
            _add(amounts, field, _machine(one, at), getattr(one, field))
        for name, field, value in _of_gpus(one.gpus or ()):
            _add(amounts, field, name, value)
    sums: dict[str, Any] = {field: sum(each.values()) for field, each in amounts.items()}
    gpus = {_board(gpu) for one in members for gpu in one.gpus or ()}
    return MetricsTotal(
        kind=kind,
        group=group,
        resources=len(machines),
        gpu_limit=len(gpus) if any(one.gpus is not None for one in members) else None,
        told={field: len(each) for field, each in amounts.items()},
        oldest=min(one.time for one in members),
        newest=max(one.time for one in members),
        **sums,
    )


def _machine(one: ResourceMetrics, at: int) -> Hashable:
    """What tells it from the others of its kind."""
    return one.instance_id if one.kind is ResourceKind.HOST and one.instance_id else at


def _add(amounts: Amounts, field: str, name: Hashable, value: float | None) -> None:
    if value is not None:
        amounts[field].setdefault(name, value)


def _board(gpu: GpuMetrics) -> str:
    """The whole GPU that it is or belongs to."""
    return gpu.id.partition("/")[0] if gpu.profile else gpu.id


def _of_gpus(gpus: Iterable[GpuMetrics]) -> Iterator[tuple[str, str, float | None]]:
    """Each whole GPU's own amounts; the memory of one that does not tell is that of its parts."""
    boards: dict[str, list[GpuMetrics]] = defaultdict(list)
    parts: dict[str, dict[str, GpuMetrics]] = defaultdict(dict)
    for gpu in gpus:
        if gpu.profile:
            parts[_board(gpu)].setdefault(gpu.id, gpu)
        else:
            boards[gpu.id].append(gpu)
    for name in {**boards, **parts}:
        for gpu in boards[name]:
            yield name, "gpu_used", gpu.utilization
            yield name, "gpu_memory_used", gpu.memory_used
            yield name, "gpu_memory_limit", gpu.memory_limit
        yield name, "gpu_memory_used", _sum(one.memory_used for one in parts[name].values())
        yield name, "gpu_memory_limit", _sum(one.memory_limit for one in parts[name].values())


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
