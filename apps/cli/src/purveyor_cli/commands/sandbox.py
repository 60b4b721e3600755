"""``sandbox``: clouds on loopback that cost nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pkgutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from purveyor import MultiProviderClient, PurveyorError
from purveyor_cli import exits
from purveyor_cli.session import Session
from purveyor_cli.shared import Group, pass_session
from purveyor_cli.tables import Column, table

if TYPE_CHECKING:
    from purveyor_testing.sandbox import Sandbox

__all__ = ["sandbox", "sandbox_class"]

SANDBOXES: tuple[Column[Sandbox], ...] = (
    Column("TYPE", lambda one: one.name),
    Column("BASE URL", lambda one: one.base_url),
    Column("TOKEN", lambda one: str(one.settings().get("token", ""))),
    Column("CONTROL URL", lambda one: one.control_url),
)


@click.group(cls=Group)
def sandbox() -> None:
    """Try things out on clouds that run here and cost nothing."""


@sandbox.command()
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@click.option(
    "--ready-file", type=click.Path(path_type=Path), metavar="FILE", help="Written once everything serves."
)
@click.option("--seed", type=int, default=1, metavar="N", help="Makes a run repeat; default 1.")
@click.option(
    "--speed",
    type=click.Choice(["real", "fast", "stepped"]),
    default="fast",
    help="How long machines take to boot: as really, a hundredth (default), or not before /advance says so.",
)
@pass_session
def run(session: Session, types: tuple[str, ...], ready_file: Path | None, seed: int, speed: str) -> int:
    """Serve the sandboxes of all installed plugins, or of the named types, until Ctrl-C."""
    classes = [sandbox_class(name) for name in types or _places()]
    asyncio.run(_serve(session, [one(seed=seed, speed=speed) for one in classes], ready_file))
    return exits.OK


def sandbox_class(name: str) -> Any:
    """The sandbox that a provider type's plugin brings."""
    places = _places()
    if name not in places:
        raise click.UsageError(
            f"no installed plugin brings a sandbox for {name!r}; there are {', '.join(places) or 'none'}"
        )
    try:
        return pkgutil.resolve_name(places[name])
    except ImportError as exc:
        raise PurveyorError(
            f"the sandbox of {name!r} needs more packages: pip install 'purveyor-cli[sandbox]' ({exc})"
        ) from exc


def _places() -> dict[str, str]:
    """Provider type to where its sandbox is."""
    found = MultiProviderClient.from_config({"state": "memory"}).plugins()
    return {plugin.name: plugin.sandbox for plugin in found if plugin.sandbox}


async def _serve(session: Session, clouds: Sequence[Sandbox], ready_file: Path | None) -> None:
    from purveyor_testing.sandbox import write_ready_file  # noqa: PLC0415 - an extra of this package

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C still interrupts
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        for cloud in clouds:
            await stack.enter_async_context(cloud)
        if ready_file is not None:
            write_ready_file(ready_file, clouds)
        _show(session, clouds)
        await stop.wait()


def _show(session: Session, clouds: Sequence[Sandbox]) -> None:
    if session.json:
        session.show_json({cloud.name: cloud.ready() for cloud in clouds})
        return
    session.show(
        table(clouds, SANDBOXES, session.out.width), "", "# a configuration for them", "state: memory"
    )
    session.show("providers:", *map(_entry, clouds))
    session.note("Serving until Ctrl-C.")


def _entry(cloud: Sandbox) -> str:
    settings = json.dumps(cloud.settings())  # which is YAML, too
    return f"  - name: {cloud.name}-sandbox\n    type: {cloud.name}\n    config: {settings}"
