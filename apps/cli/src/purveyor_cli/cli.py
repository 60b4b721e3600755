"""The command as a whole: what it consists of, and how whatever goes wrong is told."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from purveyor import PurveyorError, UncertainOutcomeError, ValidationError
from purveyor_cli import exits
from purveyor_cli.commands.accounts import costs
from purveyor_cli.commands.cache import cache
from purveyor_cli.commands.catalogues import apps, images, plans, regions
from purveyor_cli.commands.demo import demo
from purveyor_cli.commands.deployments import deployments
from purveyor_cli.commands.init import init
from purveyor_cli.commands.instances import instances
from purveyor_cli.commands.intents import intents, reconcile
from purveyor_cli.commands.metrics import metrics
from purveyor_cli.commands.ordering import explain
from purveyor_cli.commands.providers import plugins, providers
from purveyor_cli.commands.sandbox import sandbox
from purveyor_cli.commands.scrape import scrape
from purveyor_cli.commands.streams import logs, shell
from purveyor_cli.session import Session
from purveyor_cli.shared import Group

__all__ = ["cli", "run"]


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 failed, 2 usage or configuration, 3 partial result, 4 uncertain.",
)
def cli() -> None:
    """Rent, list and look after machines in many places.

    'purveyor demo' shows what it does, without an account; 'purveyor init' writes a configuration.
    """


for _command in (
    init,
    plugins,
    providers,
    plans,
    images,
    regions,
    apps,
    instances,
    explain,
    intents,
    reconcile,
    deployments,
    logs,
    shell,
    costs,
    metrics,
    scrape,
    cache,
    sandbox,
    demo,
):
    cli.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run the command; the exit code. Nothing is raised, and a traceback shown only under ``PURVEYOR_DEBUG``."""
    session = Session()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream that somebody put in its place
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    with session.logging():
        try:
            return cli.main(list(arguments), "purveyor", standalone_mode=False, obj=session) or exits.OK
        except click.exceptions.Abort as stop:
            return _stopped(session, stop)
        except Exception as exc:  # noqa: BLE001 - the last resort
            if os.environ.get("PURVEYOR_DEBUG"):
                traceback.print_exc()
            if isinstance(exc, click.ClickException) and session.format is None:
                session.format = _asked_format(arguments)
            return _failed(session, _translated(exc))


def _failed(session: Session, error: PurveyorError) -> int:
    if session.json:
        session.show_json({"error": error})
        return exits.of_error(error)
    text, hint = str(error), ""
    if isinstance(error, UncertainOutcomeError) and "intent" in error.details:
        hint = f"; 'purveyor intents resolve {error.details['intent']}' finds it out"
    several = len(error.details.get("mistakes", ())) > 1
    label = "uncertain" if isinstance(error, UncertainOutcomeError) else "error"
    session.say(label, text if several else " ".join(text.split()) + hint)
    return exits.of_error(error)


def _translated(exc: Exception) -> PurveyorError:
    """Every error as one of ours."""
    if isinstance(exc, PurveyorError):
        return exc
    if isinstance(exc, click.ClickException):
        where = getattr(exc, "ctx", None)
        hint = f" (see '{where.command_path} --help')" if where else ""
        return ValidationError(exc.format_message().rstrip(".") + hint)
    if isinstance(exc, OSError) and exc.strerror:
        return PurveyorError(f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror)
    return PurveyorError(
        f"unexpected {type(exc).__name__}: this is a bug in purveyor; PURVEYOR_DEBUG=1 shows where"
    )


def _stopped(session: Session, stop: click.exceptions.Abort) -> int:
    """Ctrl-C, or no at a question."""
    interrupted = isinstance(stop.__cause__, KeyboardInterrupt)
    if interrupted and session.err.is_terminal:
        session.err.print()  # after the terminal's own ^C
    session.say("error", "interrupted" if interrupted else "stopped; nothing was done")
    return exits.INTERRUPTED if interrupted else exits.FAILED


def _asked_format(arguments: Sequence[str]) -> str | None:
    """The format on a line that could not be read to its end."""
    for before, word in zip(("", *arguments), arguments, strict=False):
        name, _, value = word.partition("=")
        wanted = word if before == "--format" else value if name == "--format" else ""
        if wanted in {"table", "json"}:
            return wanted
    return None
