"""``metrics``: what hosts and containers use, with small bars."""

from __future__ import annotations

import click

from purveyor import GpuMetrics, ResourceKind, ResourceMetrics
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session
from purveyor_cli.tables import Column
from purveyor_cli.views import show_view
from purveyor_cli.words import ago, count, size

__all__ = ["metrics"]

_CELLS = 8


def bar(share: float) -> str:
    """A share of one as a small bar, such as ``■■■□□□□□``; what is above one is full."""
    full = min(_CELLS, round(share * _CELLS))
    return "■" * full + "□" * (_CELLS - full)


def _cpu(one: ResourceMetrics) -> str:
    if one.cpu_used is None:
        return f"of {one.cpu_limit:g}" if one.cpu_limit else ""
    told = f"{one.cpu_used:.2f}"
    return f"{bar(one.cpu_used / one.cpu_limit)} {told} of {one.cpu_limit:g}" if one.cpu_limit else told


def _bytes(used: float | None, limit: float | None) -> str:
    if used is None:
        return f"of {size(limit)}" if limit else ""
    return f"{bar(used / limit)} {size(used)} of {size(limit)}" if limit else size(used) or "0 B"


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{size(rate) or '0 B'}/s"


def _gpus(one: ResourceMetrics) -> str:
    """How many, how busy those are that tell, and the errors that their driver has reported."""
    if not one.gpus:
        return ", ".join(f"{name} absent" for name in one.absent) if one.gpus is None else "none"
    parts = sum(bool(gpu.profile) for gpu in one.gpus)
    counts = {"": len(one.gpus) - parts, " MIG": parts}
    told = [" + ".join(f"{number}{name}" for name, number in counts.items() if number)]
    busy = [gpu.utilization for gpu in one.gpus if gpu.utilization is not None]
    told += [f"{sum(busy) / len(busy):.0%} busy"] if busy else []
    told += [f"XID {number}" for number in sorted({gpu.error for gpu in one.gpus if gpu.error})]
    return ", ".join(told)


def _gpu_memory(gpus: tuple[GpuMetrics, ...] | None) -> str:
    """That of whole GPUs, and of the MIG instances of those that do not tell of their own."""
    whole = {gpu.id for gpu in gpus or () if not gpu.profile and gpu.memory_used is not None}
    counted = [gpu for gpu in gpus or () if gpu.id.partition("/")[0] not in whole or not gpu.profile]
    used = [gpu.memory_used for gpu in counted if gpu.memory_used is not None]
    limit = [gpu.memory_limit for gpu in counted if gpu.memory_limit is not None]
    return _bytes(sum(used) if used else None, sum(limit) if limit else None)


def _power(gpus: tuple[GpuMetrics, ...] | None) -> str:
    told = [gpu.power for gpu in gpus or () if gpu.power is not None]
    watts = sum(told)
    return (f"{watts:.0f} W" if watts < 1000 else f"{watts / 1000:.2f} kW") if told else ""


METRICS: tuple[Column[ResourceMetrics], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("RESOURCE", lambda one: one.id),
    Column("RUNS ON", lambda one: one.instance_id or "", 3),
    Column("CORES", _cpu, 1),
    Column("MEMORY", lambda one: _bytes(one.memory_used, one.memory_limit), 1),
    Column("STORAGE", lambda one: _bytes(one.storage_used, one.storage_limit), 1),
    Column("IN", lambda one: _rate(one.network_received), 2, right=True),
    Column("OUT", lambda one: _rate(one.network_sent), 2, right=True),
    Column("GPUS", _gpus, 1),
    Column("GPU MEMORY", lambda one: _gpu_memory(one.gpus), 1),
    Column("GPU POWER", lambda one: _power(one.gpus), 2, right=True),
    Column("MEASURED", lambda one: ago(one.time), 4),
)


@click.command(cls=Command)
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in ResourceKind]),
    help="Only these; may be repeated.",
)
@pass_session
def metrics(session: Session, providers: tuple[str, ...], kinds: tuple[str, ...]) -> int:
    """Show what hosts and containers use now.

    What was not measured is left empty: no data is not zero.
    """
    wanted = [ResourceKind(kind) for kind in kinds] or None
    view = session.run(
        lambda client: client.list_metrics(providers or None, kinds=wanted, **session.within).collect(),
        "measuring",
    )
    return show_view(
        session, view, METRICS, noun="resources", footer=lambda shown: count(len(shown), "resource")
    )
