"""``cache``: the catalogues that are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from purveyor import CatalogKind, MultiProviderClient
from purveyor_cli import exits
from purveyor_cli.session import Session
from purveyor_cli.shared import Group, pass_session
from purveyor_cli.tables import Column
from purveyor_cli.views import document, show_items
from purveyor_cli.words import count, span

if TYPE_CHECKING:
    from purveyor.client import CachedCatalogue

__all__ = ["cache"]

CATALOGUES: tuple[Column[CachedCatalogue], ...] = (
    Column("PROVIDER", lambda one: one.provider),
    Column("CATALOGUE", lambda one: one.kind.value),
    Column("ROWS", lambda one: str(one.rows), right=True),
    Column("FETCHED", lambda one: f"{span(one.age)} ago"),
)


@click.group(cls=Group)
def cache() -> None:
    """See or forget the catalogues that are remembered."""


@cache.command()
@pass_session
def show(session: Session) -> int:
    """List what is remembered, and how old it is."""

    async def work(client: MultiProviderClient) -> list[CachedCatalogue]:
        return await client.cached_catalogues()

    found = session.run(work, "")
    if session.json:
        items = [
            {"provider": one.provider, "id": one.kind, "age": one.age, "rows": one.rows} for one in found
        ]
        session.show_json({**document(()), "items": items})
    else:
        show_items(session, found, CATALOGUES, noun="catalogues are remembered")
    return exits.OK


@cache.command()
@click.argument("kind", required=False, type=click.Choice([kind.value for kind in CatalogKind]))
@click.option("--provider", metavar="NAME", help="Only this provider's.")
@pass_session
def clear(session: Session, kind: str | None, provider: str | None) -> int:
    """Forget all catalogues, or those of one kind or provider."""

    async def work(client: MultiProviderClient) -> int:
        return await client.clear_cache(CatalogKind(kind) if kind else None, provider)

    number = session.run(work, "")
    if session.json:
        session.show_json({"cleared": number})
    session.note(f"Forgot {count(number, 'catalogue')}.")
    return exits.OK
