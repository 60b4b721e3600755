"""Who is installed and who is configured: ``plugins``, ``providers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from purveyor import (
    BlockReport,
    BlockScope,
    BreakerReport,
    CredentialReport,
    Health,
    LimitReport,
    MultiProviderClient,
    ProviderHealth,
    ProviderInfo,
    PurveyorError,
    View,
)
from purveyor_cli import exits
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, Group, pass_session
from purveyor_cli.tables import Column
from purveyor_cli.views import document, show_items, show_one, show_view
from purveyor_cli.words import ago, latency, moment

if TYPE_CHECKING:
    from purveyor.client import PluginInfo

__all__ = ["HEALTH", "PROVIDERS", "plugins", "providers"]


def _state(info: ProviderInfo) -> str:
    if info.error is not None:
        return "failed"
    return info.health.value if info.health is not Health.UNKNOWN else _switch(info)


def _breaker(breaker: BreakerReport) -> str:
    state = breaker.phase.value.replace("_", " ")
    return f"{state} until {moment(breaker.open_until)}" if breaker.open_until else state


def _limit(limit: LimitReport) -> str:
    if limit.used_up_until is not None:
        return f"{limit.group}: none until {moment(limit.used_up_until)}"
    return f"{limit.group}: {limit.remaining} left"


def _block(block: BlockReport) -> str:
    what = {
        BlockScope.ACCOUNT: "account",
        BlockScope.ZONE: block.region or "",
        BlockScope.PLAN: " in ".join(filter(None, (block.plan, block.region))),
    }
    return f"{what[block.scope]} until {moment(block.until)}"


def _switch(info: ProviderInfo) -> str:
    return "enabled" if info.enabled else "disabled"


PLUGINS: tuple[Column[PluginInfo], ...] = (
    Column("TYPE", lambda plugin: plugin.name),
    Column("PACKAGE", lambda plugin: plugin.distribution),
    Column("VERSION", lambda plugin: plugin.version),
    Column("STATE", lambda plugin: plugin.state, state=True),
)
PROVIDERS: tuple[Column[ProviderInfo], ...] = (
    Column("PROVIDER", lambda info: info.name),
    Column("TYPE", lambda info: info.type),
    Column("STATE", _state, state=True),
    Column("ENDPOINT", lambda info: info.endpoint or "", 1),
    Column("PRIORITY", lambda info: str(info.priority), 1, right=True),
    Column("WEIGHT", lambda info: str(info.weight), 1, right=True),
    Column("OFFERS", lambda info: ", ".join(info.facets), 2),
)
HEALTH: tuple[Column[ProviderHealth], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("HEALTH", lambda one: one.health.value, state=True),
    Column("ANSWERED IN", lambda one: latency(one.latency), right=True),
    Column("CHECKED", lambda one: ago(one.checked_at), 6),
    Column("BREAKER", lambda one: _breaker(one.guards.breaker), 1, state=True),
    Column("RETRIES", lambda one: f"{one.guards.budget:g} of 10", 5, right=True),
    Column("LIMITS", lambda one: ", ".join(map(_limit, one.guards.limits)), 4),
    Column("BLOCKED", lambda one: "; ".join(map(_block, one.guards.blocks)), 2),
    Column("ERROR", lambda one: one.error.message if one.error else "", 3),
)
CREDENTIALS: tuple[Column[CredentialReport], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("ACCOUNT", lambda one: one.account or ""),
    Column("MAY BUY", lambda one: "yes" if one.active else "no", state=True),
    Column("MOST MACHINES", lambda one: str(one.instance_limit or ""), 2, right=True),
    Column("LACKS", lambda one: ", ".join(one.missing), 1),
    Column("NOTE", lambda one: one.note, 3),
)


@click.command(cls=Command)
@pass_session
def plugins(session: Session) -> int:
    """List every installed plugin, each tried out."""
    found = MultiProviderClient.from_config({"state": "memory"}).plugins()
    if session.json:
        items = [{"id": plugin.name, **plain(plugin)} for plugin in found]
        session.show_json({**document(()), "items": items})
        return exits.OK
    show_items(session, found, PLUGINS, noun="plugins installed; try 'pip install purveyor-digitalocean'")
    for plugin in found:
        if plugin.error is not None:
            session.warn(plugin.error.message)
    return exits.OK


@click.group(cls=Group)
def providers() -> None:
    """See the configured providers and ask how they are."""


@providers.command("list")
@click.option("--discover", is_flag=True, help="Also those that the configured providers find now.")
@pass_session
def list_(session: Session, *, discover: bool) -> int:
    """List the configured providers; without --discover nobody is asked."""
    failures: dict[str, PurveyorError] = {}

    async def work(client: MultiProviderClient) -> tuple[ProviderInfo, ...]:
        if discover:
            failures.update((await client.discover(**session.within).collect()).failures)
        return client.providers()

    found = session.run(work, "looking around" if discover else "")
    if session.json:
        session.show_json(document(found, failures))
    else:
        show_items(session, found, PROVIDERS, noun="providers configured")
    for info in found:
        if info.error is not None:
            session.warn(f"{info.name}: {info.error.message}")
    for name, error in failures.items():
        session.warn(f"{name}: {error.message}")
    return exits.of_result(failures.values())


@providers.command()
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> int:
    """Show one configured provider, enabled or not, or one that a configured provider finds."""

    async def work(client: MultiProviderClient) -> ProviderInfo:
        finder, slash, _ = name.partition("/")
        if slash and "discovery" in client.provider(finder).facets:
            await client.discover([finder], **session.within).collect()
        return client.provider(name)

    info = session.run(work, "")
    pairs = (
        ("provider", info.name),
        ("type", info.type),
        ("state", _switch(info)),
        ("priority", str(info.priority)),
        ("weight", str(info.weight)),
        ("endpoint", info.endpoint or ""),
        ("offers", ", ".join(info.facets)),
        ("capabilities", ", ".join(info.capabilities)),
        *((f"attribute {key}", value) for key, value in info.attributes),
        ("error", info.error.message if info.error else ""),
    )
    return show_one(session, info, pairs)


@providers.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@pass_session
def health(session: Session, names: tuple[str, ...]) -> int:
    """Ask providers whether they answer, and show what keeps requests from them.

    The exit code is 3 if one does not.
    """

    async def work(client: MultiProviderClient) -> View[ProviderHealth]:
        return await client.check_health(names or None, **session.within).collect()

    view = session.run(work)
    code = show_view(session, view, HEALTH, noun="providers")
    return exits.PARTIAL if any(one.error for one in view.items) else code


@providers.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@pass_session
def validate(session: Session, names: tuple[str, ...]) -> int:
    """Ask providers whom the credentials belong to."""

    async def work(client: MultiProviderClient) -> View[CredentialReport]:
        return await client.validate_credentials(names or None, **session.within).collect()

    return show_view(session, session.run(work), CREDENTIALS, noun="reports")
