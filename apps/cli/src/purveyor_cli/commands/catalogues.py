"""What providers sell: ``plans``, ``images``, ``regions``, ``apps``."""

from __future__ import annotations

import click

from purveyor import App, Image, MultiProviderClient, Plan, Region, View
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session, providers_option, raw_option
from purveyor_cli.tables import Column
from purveyor_cli.views import show_view
from purveyor_cli.words import money, size

__all__ = ["apps", "images", "plans", "regions"]


def _sold(plan: Plan) -> str:
    if not plan.available or plan.regions == ():
        return "nowhere at present"
    if plan.regions is None:
        return "everywhere"
    return ", ".join(plan.regions) if len(plan.regions) < 4 else f"{len(plan.regions)} regions"


def _remarks(image: Image) -> list[str]:
    return [word for word, so in (("own", not image.public), ("discouraged", image.deprecated)) if so]


PLANS: tuple[Column[Plan], ...] = (
    Column("PROVIDER", lambda plan: plan.provider),
    Column("PLAN", lambda plan: plan.id),
    Column("CORES", lambda plan: f"{plan.cpus:g}", right=True),
    Column("MEMORY", lambda plan: size(plan.memory), right=True),
    Column("DISK", lambda plan: size(plan.disk), 2, right=True),
    Column("GPU", lambda plan: f"{plan.gpu} x {plan.gpu_model or 'gpu'}" if plan.gpu else "", 4),
    Column("PER HOUR", lambda plan: money(plan.price_per_hour), right=True),
    Column("PER MONTH", lambda plan: money(plan.price_per_month), 1, right=True),
    Column("SOLD", _sold, 3),
)


def _image_name(image: Image) -> str:
    """With its distribution in front, unless it is there already."""
    told = image.distribution or ""
    return image.name if told.lower() in image.name.lower() else f"{told} {image.name}"


IMAGES: tuple[Column[Image], ...] = (
    Column("PROVIDER", lambda image: image.provider),
    Column("IMAGE", lambda image: image.id),
    Column("ALIAS", lambda image: ", ".join(image.aliases), 1),
    Column("NAME", _image_name, 2),
    Column("NEEDS DISK", lambda image: size(image.min_disk), 3, right=True),
    Column("", lambda image: ", ".join(_remarks(image)), 4),
)
REGIONS: tuple[Column[Region], ...] = (
    Column("PROVIDER", lambda region: region.provider),
    Column("REGION", lambda region: region.id),
    Column("NAME", lambda region: region.name, 2),
    Column("PLACES", lambda region: ", ".join(region.places), 1),
    Column("OPEN", lambda region: "yes" if region.available else "no", state=True),
)
APPS: tuple[Column[App], ...] = (
    Column("PROVIDER", lambda app: app.provider),
    Column("APP", lambda app: app.id),
    Column("NAME", lambda app: app.name, 1),
    Column("KIND", lambda app: app.kind, 2),
)


@click.command(cls=Command)
@providers_option
@raw_option
@pass_session
def plans(session: Session, providers: tuple[str, ...], *, raw: bool) -> int:
    """List what can be bought, with prices."""

    async def work(client: MultiProviderClient) -> View[Plan]:
        return await client.list_plans(providers or None, **session.within).collect()

    return show_view(session, session.run(work), PLANS, noun="plans", raw=raw)


@click.command(cls=Command)
@providers_option
@raw_option
@pass_session
def images(session: Session, providers: tuple[str, ...], *, raw: bool) -> int:
    """List what machines can start from, with portable aliases."""

    async def work(client: MultiProviderClient) -> View[Image]:
        return await client.list_images(providers or None, **session.within).collect()

    return show_view(session, session.run(work), IMAGES, noun="images", raw=raw)


@click.command(cls=Command)
@providers_option
@raw_option
@pass_session
def regions(session: Session, providers: tuple[str, ...], *, raw: bool) -> int:
    """List where machines can run, with the places that name them."""

    async def work(client: MultiProviderClient) -> View[Region]:
        return await client.list_regions(providers or None, **session.within).collect()

    return show_view(session, session.run(work), REGIONS, noun="regions", raw=raw)


@click.command(cls=Command)
@providers_option
@raw_option
@pass_session
def apps(session: Session, providers: tuple[str, ...], *, raw: bool) -> int:
    """List marketplace apps."""

    async def work(client: MultiProviderClient) -> View[App]:
        return await client.list_apps(providers or None, **session.within).collect()

    return show_view(session, session.run(work), APPS, noun="apps", raw=raw)
