"""``costs``: what was used, what is billed, what is owed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import attrs
import click

from purveyor import Balance, CostItem, CostReport, Invoice, View
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session, providers_option, raw_option
from purveyor_cli.tables import Column
from purveyor_cli.views import show_view
from purveyor_cli.words import ago, money, total

__all__ = ["costs"]


@attrs.frozen
class _Line:
    """One item of a provider's report."""

    provider: str
    item: CostItem


BALANCES: tuple[Column[Balance], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("OWED", lambda one: money(one.owed), right=True),
    Column("THIS MONTH", lambda one: money(one.month_to_date), right=True),
    Column("AS OF", lambda one: ago(one.as_of), 1),
)
INVOICES: tuple[Column[Invoice], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("INVOICE", lambda one: one.id),
    Column("FROM", lambda one: _day(one.period_start), 1),
    Column("UP TO", lambda one: _day(one.period_end), 1),
    Column("AMOUNT", lambda one: money(one.amount), right=True),
    Column("", lambda one: "still running" if one.preview else "", 2),
)
COSTS: tuple[Column[_Line], ...] = (
    Column("PROVIDER", lambda line: line.provider),
    Column("WHAT", lambda line: line.item.description or line.item.product),
    Column("RESOURCE", lambda line: line.item.resource_id or "", 1),
    Column("QUANTITY", lambda line: _quantity(line.item), 2, right=True),
    Column("AMOUNT", lambda line: money(line.item.amount), right=True),
)


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""


def _quantity(item: CostItem) -> str:
    return "" if item.quantity is None else f"{item.quantity:g} {item.unit or ''}".rstrip()


@click.command(cls=Command)
@click.argument(
    "what", required=False, default="report", type=click.Choice(["report", "invoices", "balances"])
)
@providers_option
@click.option("--month", type=click.DateTime(["%Y-%m"]), metavar="YYYY-MM", help="The report of this month.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="From this day on.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Up to this day, without it."
)
@raw_option
@pass_session
def costs(
    session: Session,
    what: str,
    providers: tuple[str, ...],
    month: datetime | None,
    since: datetime | None,
    until: datetime | None,
    *,
    raw: bool,
) -> int:
    """Show what was used, billed or owed.

    A report (by default of this month so far), all invoices, or balances.
    Days begin at midnight UTC. Amounts of different currencies are never added.
    """
    if what != "report" and (month or since or until):
        raise click.UsageError(
            f"--month, --since and --until are for the report; all {what} are always shown"
        )
    names = providers or None
    if what == "balances":
        view = session.run(lambda client: client.get_balances(names, **session.within).collect())
        return show_view(session, view, BALANCES, noun="balances", raw=raw)
    if what == "invoices":
        bills = session.run(lambda client: client.list_invoices(names, **session.within).collect())
        return show_view(session, bills, INVOICES, noun="invoices", raw=raw)
    start, end = _period(month, since, until)
    reports = session.run(lambda client: client.get_costs(start, end, names, **session.within).collect())
    return _show_reports(session, reports, raw=raw)


def _period(
    month: datetime | None, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    """From when up to when, in UTC; this month so far if nothing is said."""
    now = datetime.now(UTC)
    if month is not None:
        if since or until:
            raise click.UsageError("--month is a period already; leave out --since and --until")
        after = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
        return month.replace(tzinfo=UTC), after.replace(tzinfo=UTC)
    start = since or now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return start.replace(tzinfo=UTC), (until or now).replace(tzinfo=UTC)


def _show_reports(session: Session, view: View[CostReport], *, raw: bool) -> int:
    """Line by line for people, each provider's report whole for programs."""
    if session.json:
        return show_view(session, view, (), noun="reports", raw=raw)
    lines = tuple(_Line(report.provider, item) for report in view.items for item in report.items)

    def footer(shown: Sequence[_Line]) -> str:
        return f"{total(line.item.amount for line in shown)} in all"

    return show_view(session, View(items=lines, failures=view.failures), COSTS, noun="costs", footer=footer)
