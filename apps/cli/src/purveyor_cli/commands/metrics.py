"""``metrics``: what hosts and containers use, with small bars."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs
import click
from rich.console import RenderableType
from rich.text import Text

from purveyor import (
    GpuMetrics,
    MetricsTotal,
    MultiProviderClient,
    ResourceKind,
    ResourceMetrics,
    View,
    total_metrics,
)
from purveyor_cli import exits
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session
from purveyor_cli.tables import Column, table
from purveyor_cli.views import document, in_order, missing, show_view
from purveyor_cli.words import ago, count, printable, size

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


GROUPS: Mapping[str, Callable[[ResourceMetrics], str | None]] = {
    "provider": lambda one: one.provider,
    "deployment": lambda one: one.deployment,
}


@attrs.frozen(kw_only=True)
class Question:
    """What is asked, once or over and over."""

    session: Session
    providers: tuple[str, ...]
    kinds: tuple[str, ...]
    by: str | None

    async def ask(self, client: MultiProviderClient) -> View[ResourceMetrics]:
        """One round."""
        wanted = [ResourceKind(kind) for kind in self.kinds] or None
        stream = client.list_metrics(self.providers or None, kinds=wanted, **self.session.within)
        return await stream.collect()

    def totals(self, items: Iterable[ResourceMetrics]) -> tuple[MetricsTotal, ...]:
        """Sums over all, or over what ``--by`` says."""
        return total_metrics(items, by=GROUPS[self.by] if self.by else None)


@click.command(cls=Command)
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in ResourceKind]),
    help="Only these; may be repeated.",
)
@click.option("--by", type=click.Choice(list(GROUPS)), help="Add up by this instead of over all.")
@click.option("--watch", is_flag=True, help="Ask over and over, until Ctrl-C; JSON is one line each time.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="From the start of one round to that of the next, with --watch.",
)
@pass_session
def metrics(
    session: Session,
    providers: tuple[str, ...],
    kinds: tuple[str, ...],
    by: str | None,
    *,
    watch: bool,
    interval: float,
) -> int:
    """Show what hosts and containers use now, and all of them together.

    What was not measured is left empty: no data is not zero. A sum that lacks somebody's is marked with ≥.
    """
    question = Question(session=session, providers=providers, kinds=kinds, by=by)
    if watch:
        return watched(question, interval)
    view = session.run(question.ask, "measuring")
    totals = question.totals(view.items)
    return show_view(
        session,
        view,
        METRICS,
        noun="resources",
        footer=lambda _: "\n".join(map(summary, totals)),
        more={"totals": totals},
    )


def summary(total: MetricsTotal) -> str:
    """One line, such as ``2 hosts: 3.20 of 16 cores · ≥ 12 GiB of memory``."""
    amounts = (
        _amount(total, "cpu", " cores", lambda value: f"{value:.3g}"),
        _amount(total, "memory", " memory", _whole_size),
        _amount(total, "storage", " storage", _whole_size),
        _amount(total, "gpu", " GPUs", lambda value: f"{value:.3g}"),
        _amount(total, "gpu_memory", " GPU memory", _whole_size),
        _flow(total, "network_received", "in"),
        _flow(total, "network_sent", "out"),
    )
    group = f"{total.group}, " if total.group else ""
    return f"{group}{count(total.resources, total.kind.value)}: " + " · ".join(filter(None, amounts))


def _whole_size(value: float) -> str:
    return size(value) or "0 B"


def _amount(total: MetricsTotal, what: str, unit: str, shown: Callable[[float], str]) -> str:
    """Used, and of how much where everybody who uses some has a limit."""
    used, limit = getattr(total, f"{what}_used"), getattr(total, f"{what}_limit")
    if used is None:
        return "" if not limit else f"{shown(limit)}{unit}"
    least = "≥ " if total.lacks(f"{what}_used") else ""
    counted = total.told.get(f"{what}_limit", limit if what == "gpu" else 0)
    of = f" of {shown(limit)}" if limit and counted >= total.told[f"{what}_used"] else ""
    return f"{least}{shown(used)}{of}{unit}"


def _flow(total: MetricsTotal, field: str, way: str) -> str:
    rate = getattr(total, field)
    return "" if rate is None else f"{'≥ ' if total.lacks(field) else ''}{_rate(rate)} {way}"


def watched(question: Question, interval: float) -> int:
    """Show one round after the other until Ctrl-C, which is the usual end and so no failure."""
    session = question.session
    with contextlib.suppress(KeyboardInterrupt):
        try:
            session.run(lambda client: _rounds(client, question, interval), "")
        except BrokenPipeError:  # whoever read has gone, such as head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.OK


async def _rounds(client: MultiProviderClient, question: Question, interval: float) -> None:
    loop = asyncio.get_running_loop()
    with _screen(question, interval) as show:
        while True:
            start = loop.time()
            show(await question.ask(client))
            await asyncio.sleep(max(0.0, start + interval - loop.time()))


@contextlib.contextmanager
def _screen(question: Question, interval: float) -> Iterator[Callable[[View[ResourceMetrics]], None]]:
    """Where the rounds go: lines of JSON, tables one below the other, or one table that changes in place."""
    session = question.session

    def line(view: View[ResourceMetrics]) -> None:
        items = in_order(view)
        session.show_json({**document(items, view.failures), "totals": question.totals(items)}, indent=None)

    if session.json:
        yield line
    elif not session.out.is_terminal:
        yield lambda view: session.show(*_round(question, view), "")
    else:
        from rich.console import Group  # noqa: PLC0415 - only needed here
        from rich.live import Live  # noqa: PLC0415 - likewise

        note = Text(f"every {interval:g} s, until Ctrl-C", style="dim")
        with Live(Text("measuring …", style="dim"), console=session.out, auto_refresh=False) as live:
            yield lambda view: live.update(Group(*_round(question, view), note), refresh=True)


def _round(question: Question, view: View[ResourceMetrics]) -> list[RenderableType]:
    """The table, the sums, and what is missing."""
    items = in_order(view)
    shown: list[RenderableType] = [
        table(items, METRICS, question.session.out.width) if items else Text("No resources.", style="dim")
    ]
    shown += [Text(summary(total), style="dim") for total in question.totals(items)]
    return shown + [Text(f"warning: {printable(text)}", style="yellow") for text in missing(view)]
