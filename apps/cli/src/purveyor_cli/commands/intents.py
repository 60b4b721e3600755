"""``intents`` and ``reconcile``: what was to be bought, what became of it, and what exists besides."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import attrs
import click

from purveyor import Finding, FindingKind, Intent, IntentState, MultiProviderClient, Reconciliation
from purveyor_cli import exits
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, Group, pass_session
from purveyor_cli.tables import Column
from purveyor_cli.views import document, show_items, show_one
from purveyor_cli.words import age, ago, count, money, total

__all__ = ["INTENTS", "intents", "reconcile"]

_INNER = {"digest", "holder", "version", "boot", "quiet_after"}
"""How the journal does its work, which is nobody's business."""
_COSTS = {FindingKind.ORPHAN, FindingKind.TWIN, FindingKind.LATE, FindingKind.FOREIGN}


def _machine(intent: Intent) -> str:
    return "/".join(filter(None, (intent.provider, intent.instance_id)))


def _shown(intent: Intent) -> dict[str, Any]:
    return attrs.asdict(intent, recurse=False, filter=lambda field, _: field.name not in _INNER)


INTENTS: tuple[Column[Intent], ...] = (
    Column("ID", lambda one: one.id),
    Column("STATE", lambda one: one.state.value, state=True),
    Column("NAME", lambda one: one.name),
    Column("MACHINE", _machine, 1),
    Column("KEY", lambda one: one.key, 2),
    Column("AGE", lambda one: age(one.created_at), 3, right=True),
    Column("LAST TROUBLE", lambda one: one.error or "", 4),
)
FINDINGS: tuple[Column[Finding], ...] = (
    Column("FOUND", lambda one: one.kind.value, state=True),
    Column("ID", lambda one: f"{one.provider}/{one.instance.id}" if one.instance else ""),
    Column("NAME", lambda one: one.instance.name if one.instance else "", 2),
    Column("PER HOUR", lambda one: money(one.instance.price_per_hour) if one.instance else "", 3, right=True),
    Column("INTENT", lambda one: one.intent, 4),
    Column("NOTE", lambda one: one.note, 1),
    Column("DONE", lambda one: one.action),
)


@click.group(cls=Group)
def intents() -> None:
    """See what was to be bought and what became of it, and settle what is not known.

    An intent is written down before anything is sent, so that no answer that is lost and no crash makes two machines
    of one.
    """


@intents.command("list")
@click.option("--open", "unsettled", is_flag=True, help="Only those whose outcome is not known.")
@pass_session
def list_(session: Session, *, unsettled: bool) -> int:
    """List every intent, oldest first."""

    async def work(client: MultiProviderClient) -> list[Intent]:
        return await client.list_intents()

    found = [one for one in session.run(work) if one.state.doubtful or not unsettled]
    if session.json:
        session.show_json(document([_shown(one) for one in found]))
    else:
        show_items(session, found, INTENTS, noun="intents")
    return exits.OK


@intents.command()
@click.argument("intent_id", metavar="ID")
@pass_session
def show(session: Session, intent_id: str) -> int:
    """Show one intent."""

    async def work(client: MultiProviderClient) -> Intent:
        return await client.get_intent(intent_id)

    return _show(session, session.run(work))


@intents.command()
@click.argument("intent_id", metavar="ID")
@click.option(
    "--tombstone",
    is_flag=True,
    help="Give it up: its key is free again, and its machine is deleted should it turn up.",
)
@pass_session
def resolve(session: Session, intent_id: str, *, tombstone: bool) -> int:
    """Find out what an intent has led to, or give it up.

    The exit code is 4 if that is still not known by the deadline.
    """

    async def work(client: MultiProviderClient) -> Intent:
        return await client.resolve_intent(intent_id, tombstone=tombstone, **session.within)

    return _show(session, session.run(work, "settling"))


@intents.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def claim(session: Session, *, yes: bool) -> int:
    """Make a journal that was found on another host this host's own.

    It gets a new owner id, so that two hosts never work on the same intents. 'purveyor reconcile --owner OLD --adopt'
    takes the machines of the old one over.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("claiming needs --yes where nobody can be asked")
    if not yes:
        click.confirm("Does nobody else use this state folder any more?", abort=True, err=True)

    async def work(client: MultiProviderClient) -> tuple[str, list[str]]:
        before = sorted({intent.owner for intent in await client.list_intents()})
        return await client.claim_journal(), before

    owner, before = session.run(work)
    old = [one for one in before if one != owner]
    return show_one(
        session, {"owner": owner, "earlier": old}, (("owner", owner), ("earlier", ", ".join(old)))
    )


def _show(session: Session, one: Intent) -> int:
    sent = f"{plain(one.sent_at)}, {ago(one.sent_at)}" if one.sent_at else ""
    doubts = ", ".join(f"{doubt.provider} from {plain(doubt.due)}" for doubt in one.doubts)
    shown = (
        ("id", one.id),
        ("state", one.state.value),
        ("key", f"{one.key} ({one.position + 1})" if one.position else one.key),
        ("name", one.name),
        ("machine", _machine(one)),
        ("mark", f"pv-{one.owner}-{one.id}"),
        ("sent", sent),
        ("looked for again at", doubts),
        ("last trouble", one.error or ""),
        ("created", f"{plain(one.created_at)}, {ago(one.created_at)}"),
    )
    if session.json:
        session.show_json({"provider": one.provider, **plain(_shown(one))})
        return _code(one)
    show_one(session, one, shown)
    return _code(one)


def _code(intent: Intent) -> int:
    return exits.UNCERTAIN if intent.state in {IntentState.SENT, IntentState.UNKNOWN} else exits.OK


@click.command(cls=Command)
@click.option(
    "--apply", is_flag=True, help="Adopt what is ours, finish what was given up, note what vanished."
)
@click.option("--delete-orphans", multiple=True, metavar="ID", help="Delete this machine; only ever our own.")
@click.option(
    "--min-age",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="MINUTES",
    help="Delete nothing that is younger.",
)
@click.option("--owner", metavar="OLD", help="Look for the machines of this owner id instead.")
@click.option("--adopt", is_flag=True, help="With --owner: take them over.")
@pass_session
def reconcile(
    session: Session,
    *,
    apply: bool,
    delete_orphans: tuple[str, ...],
    min_age: float,
    owner: str | None,
    adopt: bool,
) -> int:
    """Compare what was bought with what exists; changes nothing unless told to."""
    if adopt and owner is None:
        raise click.UsageError("--adopt needs --owner")

    async def work(client: MultiProviderClient) -> Reconciliation:
        return await client.reconcile(
            apply=apply,
            delete_orphans=delete_orphans,
            min_age=timedelta(minutes=min_age),
            owner=owner,
            adopt=adopt,
            **session.within,
        )

    result = session.run(work, "comparing")
    if session.json:
        session.show_json(document(result.findings, result.failures))
    else:
        show_items(session, result.findings, FINDINGS, noun="differences", footer=_cost)
    for provider, error in result.failures.items():
        session.warn(f"{provider}: {error.message}")
    return exits.PARTIAL if result.failures else exits.OK


def _cost(findings: Any) -> str:
    machines = [one.instance for one in findings if one.kind in _COSTS and one.instance]
    hour = total(one.price_per_hour for one in machines)
    told = count(len(findings), "difference")
    return f"{told} · unaccounted machines cost {hour} an hour" if hour else told
