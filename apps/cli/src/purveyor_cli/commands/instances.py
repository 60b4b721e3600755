"""``instances``: see, make, change and delete machines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import click

from purveyor import (
    Action,
    Instance,
    InstanceNotFoundError,
    MultiProviderClient,
    Provisioned,
    PurveyorError,
    View,
)
from purveyor_cli import exits
from purveyor_cli.commands.buying import buy
from purveyor_cli.commands.ordering import Order, order_options, show_dry_run
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Group, pass_session, providers_option, raw_option
from purveyor_cli.tables import Column, table
from purveyor_cli.views import document, show_items, show_one, show_view
from purveyor_cli.words import age, ago, count, money, size, total

__all__ = ["INSTANCES", "instances", "sum_up"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class _Deleted:
    """A machine that is not there any more."""

    provider: str
    id: str
    name: str | None = None
    already_gone: bool = False


def _status(instance: Instance) -> str:
    return f"{instance.status.value}{', busy' if instance.busy else ''}"


def _address(instance: Instance) -> str:
    addresses = instance.public_ipv4 or instance.public_ipv6 or instance.private_ipv4
    return addresses[0] if addresses else ""


INSTANCES: tuple[Column[Instance], ...] = (
    Column("ID", lambda one: f"{one.provider}/{one.id}"),
    Column("NAME", lambda one: one.name),
    Column("STATUS", _status, state=True),
    Column("PLAN", lambda one: one.plan or "", 2),
    Column("REGION", lambda one: one.region or "", 3),
    Column("ADDRESS", _address, 1),
    Column("PER HOUR", lambda one: money(one.price_per_hour), 4, right=True),
    Column("AGE", lambda one: age(one.created_at), 5, right=True),
)
DELETED: tuple[Column[_Deleted], ...] = (
    Column("ID", lambda one: f"{one.provider}/{one.id}"),
    Column("NAME", lambda one: one.name or "", 1),
    Column("", lambda one: "already gone" if one.already_gone else "deleted", state=True),
)
_ASKS_FOR = {"resize": "plan", "rebuild": "image", "snapshot": "name", "rename": "name"}
"""What an action cannot do without."""


def sum_up(instances: Sequence[Instance]) -> str:
    """How many there are and what they cost together."""
    hour = total(one.price_per_hour for one in instances)
    month = total(one.price_per_month for one in instances)
    told = [count(len(instances), "machine")]
    told += [f"{hour} an hour"] if hour else []
    told += [f"{month} a month"] if month else []
    return " · ".join(told)


@click.group(cls=Group)
def instances() -> None:
    """See, make, change and delete machines.

    An ID is provider/id, or id alone where only one provider has it.
    """


@instances.command("list")
@providers_option
@click.option("--tag", metavar="TAG", help="Only machines with this tag.")
@raw_option
@pass_session
def list_(session: Session, providers: tuple[str, ...], tag: str | None, *, raw: bool) -> int:
    """List every machine everywhere, with prices."""

    async def work(client: MultiProviderClient) -> View[Instance]:
        return await client.list_instances(providers or None, tag=tag, **session.within).collect()

    view = session.run(work)
    return show_view(session, view, INSTANCES, noun="machines", raw=raw, footer=sum_up)


@instances.command()
@click.argument("instance_id", metavar="ID")
@raw_option
@pass_session
def show(session: Session, instance_id: str, *, raw: bool) -> int:
    """Show one machine."""

    async def work(client: MultiProviderClient) -> Instance:
        return await client.get_instance(instance_id, **session.within)

    instance = session.run(work)
    return show_one(session, instance, _facts(instance), raw=raw)


def _facts(one: Instance) -> tuple[tuple[str, str], ...]:
    created = f"{plain(one.created_at)}, {ago(one.created_at)}" if one.created_at else ""
    return (
        ("id", f"{one.provider}/{one.id}"),
        ("name", one.name),
        ("status", _status(one)),
        ("plan", one.plan or ""),
        ("image", one.image or ""),
        ("region", one.region or ""),
        ("cores", f"{one.cpus:g}" if one.cpus else ""),
        ("memory", size(one.memory)),
        ("disk", size(one.disk)),
        ("public IPv4", ", ".join(one.public_ipv4)),
        ("public IPv6", ", ".join(one.public_ipv6)),
        ("private IPv4", ", ".join(one.private_ipv4)),
        ("tags", ", ".join(one.tags)),
        ("per hour", money(one.price_per_hour)),
        ("per month", money(one.price_per_month)),
        ("created", created),
    )


@instances.command()
@click.argument("name")
@order_options
@click.option(
    "--key", metavar="K", help="Names this request: the same command with it gives the same machines."
)
@click.option("--wait", is_flag=True, help="Return when they run and have an address.")
@click.option("--dry-run", is_flag=True, help="Say what would be bought, where, why and at what price.")
@pass_session
def create(session: Session, /, *, key: str | None, wait: bool, dry_run: bool, **given: Any) -> int:
    """Make machines where the strategy says.

    When a provider refuses, the next one is asked; nothing is ever bought twice. When an answer is lost, the machine is
    looked for first. The exit code is 3 if fewer were made than asked for, and 4 if one may have been made and that is
    not known by the deadline: the same command with the --key that is printed goes on from there.
    """
    order = Order.of(**given)
    if dry_run:
        return show_dry_run(session, order)

    async def work(client: MultiProviderClient) -> Provisioned:
        return await buy(client, session, order, key=key, wait=wait)

    made = session.run(work, f"making {count(order.count, 'machine')}")
    failures = {str(error.details["name"]): error for error in made.failures}
    if session.json:
        beside = {"key": made.key, "warnings": made.warnings, "attempts": made.attempts}
        session.show_json({**document(made.instances, failures), **beside})
    else:
        show_items(session, made.instances, INSTANCES, noun="machines", footer=sum_up)
    for name, error in failures.items():
        session.warn(f"{name}: {error}")
    for warning in made.warnings:
        session.warn(warning)
    return exits.of_result(failures.values())


@instances.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Delete machines with the tag 'protected' too.")
@pass_session
def delete(session: Session, ids: tuple[str, ...], *, yes: bool, force: bool) -> int:
    """Delete machines; asks first on a terminal.

    One that is gone already is no failure. One that carries the tag 'protected' is not deleted without --force.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("deleting needs --yes where nobody can be asked")
    wanted = tuple(dict.fromkeys(ids))
    seen = session.run(
        lambda client: _each(wanted, lambda one: client.get_instance(one, **session.within)), "looking"
    )
    there = {f"{one.provider}/{one.id}": one for one in seen.values() if isinstance(one, Instance)}
    if there and not yes:
        session.err.print(table(list(there.values()), INSTANCES, session.err.width))
        question = f"Delete {count(len(there), 'machine')} ({sum_up(list(there.values()))})?"
        click.confirm(question, abort=True, err=True)
    ends = session.run(
        lambda client: _each(
            tuple(there), lambda one: client.delete_instance(one, force=force, **session.within)
        ),
        "deleting",
    )
    deleted = [there[one] for one, end in ends.items() if end is None]
    return _show_deleted(session, deleted, {**seen, **ends})


def _show_deleted(
    session: Session, deleted: Sequence[Instance], ends: Mapping[str, Instance | PurveyorError | None]
) -> int:
    """What is gone now, what was gone before, and what could not be deleted."""
    gone = [one.split("/", 1) for one, end in ends.items() if _is_gone(one, end)]
    failures = {
        one: end for one, end in ends.items() if isinstance(end, PurveyorError) and not _is_gone(one, end)
    }
    results = [_Deleted(provider=one.provider, id=one.id, name=one.name) for one in deleted]
    results += [_Deleted(provider=provider, id=bare, already_gone=True) for provider, bare in gone]
    if failures and not results and len(failures) == 1:
        raise next(iter(failures.values()))
    if session.json:
        session.show_json(document(results, failures))
    else:
        show_items(session, results, DELETED, noun="machines were deleted")
    for one, error in failures.items():
        session.warn(f"{one}: {error.message}")
    return exits.of_result(failures.values()) if results or not failures else exits.FAILED


def _is_gone(one: str, end: object) -> bool:
    """A bare id that nobody knows may be a slip; ``provider/id`` was surely there once."""
    return "/" in one and isinstance(end, InstanceNotFoundError)


async def _each(ids: Sequence[str], work: Callable[[str], Awaitable[T]]) -> dict[str, T | PurveyorError]:
    """Do it for all at the same time; an error takes the place of its result."""

    async def one(instance_id: str) -> T | PurveyorError:
        try:
            return await work(instance_id)
        except PurveyorError as error:
            return error

    return dict(zip(ids, await asyncio.gather(*map(one, ids)), strict=True))


@instances.command()
@click.argument("instance_id", metavar="ID")
@click.argument("action", type=click.Choice([action.value for action in Action]))
@click.option("--plan", metavar="SLUG", help="For resize.")
@click.option("--image", metavar="SLUG", help="For rebuild.")
@click.option("--name", metavar="NAME", help="For snapshot and rename.")
@click.option("--wait", is_flag=True, help="Return when it has reached what the action is for.")
@pass_session
def action(session: Session, /, instance_id: str, action: str, *, wait: bool, **given: str | None) -> int:
    """Do something to one machine, and show it afterwards."""
    parameters = {word: value for word, value in given.items() if value is not None}
    needed = {_ASKS_FOR[action]} if action in _ASKS_FOR else set()
    if parameters.keys() != needed:
        takes = f"--{needed.pop()} and nothing else" if needed else "no --plan, --image or --name"
        raise click.UsageError(f"{action} takes {takes}")

    async def work(client: MultiProviderClient) -> Instance:
        return await client.perform_action(
            instance_id, Action(action), parameters, wait=wait, **session.within
        )

    instance = session.run(work, action.replace("_", " "))
    return show_one(session, instance, _facts(instance))
