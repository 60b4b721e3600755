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


def _gpus(gpus: tuple[GpuMetrics, ...] | None) -> str:
    """How many, and how busy those are that tell."""
    if not gpus:
        return ""
    told = [gpu.utilization for gpu in gpus if gpu.utilization is not None]
    return f"{len(gpus)}, {sum(told) / len(told):.0%} busy" if told else str(len(gpus))


METRICS: tuple[Column[ResourceMetrics], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("RESOURCE", lambda one: one.id),
    Column("RUNS ON", lambda one: one.instance_id or "", 3),
    Column("CORES", _cpu, 1),
    Column("MEMORY", lambda one: _bytes(one.memory_used, one.memory_limit)),
    Column("STORAGE", lambda one: _bytes(one.storage_used, one.storage_limit), 1),
    Column("IN", lambda one: _rate(one.network_received), 2, right=True),
    Column("OUT", lambda one: _rate(one.network_sent), 2, right=True),
    Column("GPUS", lambda one: _gpus(one.gpus), 1),
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
