"""``deployments``: see what runs at providers that rent containers, and change it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import click

from purveyor import (
    CostEstimate,
    Deployment,
    DeploymentAction,
    DeploymentEvent,
    DeploymentStatus,
    Money,
    MultiProviderClient,
    Operation,
    Resources,
    Service,
    View,
)
from purveyor_cli import exits
from purveyor_cli.commands.ordering import as_bytes
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Group, pass_session, providers_option, raw_option
from purveyor_cli.tables import Column
from purveyor_cli.views import document, show_items, show_one, show_view
from purveyor_cli.words import age, ago, count, money, size

__all__ = ["DEPLOYMENTS", "deployments", "sum_up"]


def _services(services: Sequence[Service]) -> str:
    return ", ".join(f"{one.name}{_replicas(one)}" for one in services)


def _replicas(one: Service) -> str:
    if one.replicas is None:
        return ""
    return f" x{one.replicas}" if one.ready is None else f" {one.ready}/{one.replicas}"


def _cores(resources: Resources) -> str:
    return "" if resources.cpus is None else f"{resources.cpus:g}"


def _about(costs: Sequence[CostEstimate]) -> str:
    """What it costs an hour, one word for each denomination: four digits are more than an estimate is worth."""
    return " + ".join(f"≈ {money(_rounded(one.per_hour))}" for one in costs)


def _rounded(price: Money) -> Money:
    if not price.amount:
        return price
    return Money(round(price.amount, max(0, 3 - price.amount.adjusted())), price.currency)


DEPLOYMENTS: tuple[Column[Deployment], ...] = (
    Column("ID", lambda one: f"{one.provider}/{one.id}"),
    Column("NAME", lambda one: one.name, 1),
    Column("STATUS", lambda one: one.status.value, state=True),
    Column("SERVICES", lambda one: _services(one.services), 4),
    Column("CORES", lambda one: _cores(one.resources), 2, right=True),
    Column("MEMORY", lambda one: size(one.resources.memory), 2, right=True),
    Column("STORAGE", lambda one: size(one.resources.storage), 3, right=True),
    Column("GPUS", lambda one: str(one.resources.gpus or ""), 3, right=True),
    Column("PER HOUR", lambda one: _about(one.costs), 1, right=True),
    Column("AGE", lambda one: age(one.created_at), 5, right=True),
)
EVENTS: tuple[Column[DeploymentEvent], ...] = (
    Column("WHEN", lambda one: ago(one.time)),
    Column("EVENT", lambda one: one.type),
    Column("MESSAGE", lambda one: one.message, 1),
)


def sum_up(shown: Sequence[Deployment]) -> str:
    """How many run, and what those cost together, one estimate for each denomination."""
    running = [one for one in shown if one.status is not DeploymentStatus.CLOSED]
    sums: dict[str, Money] = {}
    for cost in (cost for one in running for cost in one.costs):
        price = cost.per_hour
        sums[price.currency] = sums.get(price.currency, Money(Decimal(0), price.currency)) + price
    told = [count(len(shown), "deployment")]
    told += [f"about {' + '.join(money(_rounded(one)) for one in sums.values())} an hour"] if sums else []
    return " · ".join(told)


@click.group(cls=Group)
def deployments() -> None:
    """See what runs at providers that rent containers, and change it.

    An ID is provider/id, or id alone where only one provider has it.
    """


@deployments.command("list")
@providers_option
@click.option("--closed", is_flag=True, help="Also those that are over.")
@raw_option
@pass_session
def list_(session: Session, providers: tuple[str, ...], *, closed: bool, raw: bool) -> int:
    """List every deployment everywhere, once for each provider that it runs at.

    Prices are estimates.
    """

    async def work(client: MultiProviderClient) -> View[Deployment]:
        return await client.list_deployments(providers or None, closed=closed, **session.within).collect()

    view = session.run(work)
    return show_view(session, view, DEPLOYMENTS, noun="deployments", raw=raw, footer=sum_up)


@deployments.command()
@click.argument("deployment_id", metavar="ID")
@raw_option
@pass_session
def show(session: Session, deployment_id: str, *, raw: bool) -> int:
    """Show one deployment."""

    async def work(client: MultiProviderClient) -> Deployment:
        return await client.get_deployment(deployment_id, **session.within)

    found = session.run(work)
    return show_one(session, found, _facts(found), raw=raw)


def _facts(one: Deployment) -> tuple[tuple[str, str], ...]:
    accrued = " + ".join(f"≈ {money(_rounded(cost.accrued))}" for cost in one.costs if cost.accrued)
    return (
        ("id", f"{one.provider}/{one.id}"),
        ("name", one.name),
        ("status", one.status.value),
        ("owner", one.owner or ""),
        ("services", _services(one.services)),
        ("cores", _cores(one.resources)),
        ("memory", size(one.resources.memory)),
        ("storage", size(one.resources.storage)),
        ("gpus", str(one.resources.gpus or "")),
        ("endpoints", ", ".join(one.endpoints)),
        ("leases", ", ".join(one.leases)),
        ("per hour", _about(one.costs)),
        ("so far", accrued),
        ("estimated from", "; ".join(cost.basis for cost in one.costs)),
        ("created", f"{plain(one.created_at)}, {ago(one.created_at)}" if one.created_at else ""),
    )


@deployments.command()
@click.argument("deployment_id", metavar="ID")
@click.argument("action", type=click.Choice([action.value for action in DeploymentAction]))
@click.option("--cpus", type=float, metavar="N", help="For resize.")
@click.option("--memory", type=as_bytes, metavar="SIZE", help="For resize, such as 4GiB.")
@click.option("--storage", type=as_bytes, metavar="SIZE", help="For resize, such as 50GB.")
@click.option("--gpus", type=int, metavar="N", help="For resize.")
@click.option("--wait", is_flag=True, help="Return when it is over, not when it was accepted.")
@pass_session
def action(session: Session, /, deployment_id: str, action: str, *, wait: bool, **given: float | None) -> int:
    """Do something to one deployment.

    The exit code is 4 if it may have been done and the answer is lost.
    """
    wanted = DeploymentAction(action)
    parameters = {
        name: f"{value:g}" if name == "cpus" else str(value) for name, value in given.items() if value
    }
    if parameters and wanted is not DeploymentAction.RESIZE:
        raise click.UsageError(f"{action} takes no --{next(iter(parameters))}")

    async def work(client: MultiProviderClient) -> Operation:
        return await client.perform_deployment_action(
            deployment_id, wanted, parameters, wait=wait, **session.within
        )

    done = session.run(work, action)
    pairs = (
        ("deployment", f"{done.provider}/{done.deployment}"),
        ("action", done.action.value),
        ("status", done.state.value),
        ("operation", done.id or ""),
        ("message", done.message),
    )
    return show_one(session, done, pairs)


@deployments.command()
@click.argument("deployment_id", metavar="ID")
@click.option("--limit", type=click.IntRange(min=1), default=100, metavar="N", help="At most; default 100.")
@pass_session
def events(session: Session, deployment_id: str, limit: int) -> int:
    """List what happened to one deployment, newest first."""

    async def work(client: MultiProviderClient) -> tuple[DeploymentEvent, ...]:
        return await client.list_deployment_events(deployment_id, limit=limit, **session.within)

    found = session.run(work)
    if session.json:
        session.show_json(document(found))
    else:
        show_items(session, found, EVENTS, noun="events")
    return exits.OK
