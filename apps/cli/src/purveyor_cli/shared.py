"""Commands and groups that take the global options, before their name or after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from purveyor_cli.session import Session

__all__ = ["Command", "Group", "pass_session", "providers_option", "raw_option"]

pass_session = click.make_pass_decorator(Session)

providers_option = click.option(
    "--provider", "providers", multiple=True, metavar="NAME", help="Only this provider; may be repeated."
)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Note a global option in the session, wherever on the line it stood."""
    if param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
        setattr(ctx.find_object(Session), param.name, value)


def _say_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 - rarely needed

        click.echo(f"purveyor {version('purveyor-cli')}")
        ctx.exit()


def _global_options() -> list[click.Option]:
    def option(*names: str, **how: Any) -> click.Option:
        return click.Option(names, expose_value=False, **{"callback": _remember, **how})

    return [
        option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Configuration; otherwise $PURVEYOR_CONFIG, ./purveyor.yaml, your configuration folder.",
        ),
        option(
            "--format",
            type=click.Choice(["table", "json"]),
            help="Default: table on a terminal, json otherwise.",
        ),
        option(
            "--deadline",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="How long it may take, for each provider.",
        ),
        option("--quiet", "-q", is_flag=True, help="No warnings and notes."),
        option("--verbose", "-v", count=True, help="Log on stderr; -vv logs more."),
        option(
            "--version",
            is_flag=True,
            is_eager=True,
            callback=_say_version,
            help="Say the version and exit.",
        ),
    ]


class Command(click.Command):
    """A command that takes the global options too, and shows them apart."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._everywhere = _global_options()
        self.params += self._everywhere

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What is special here, then what is the same everywhere."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Global options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            shared = param in self._everywhere or param.is_eager
            if record is not None:
                sections["Global options" if shared else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(Command, click.Group):
    """A group of commands; without one of them it shows its help."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, invoke_without_command=True, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order in which one meets them."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named, or say which there are."""
        try:
            result = super().invoke(ctx)
        except KeyboardInterrupt as stop:  # click would print an empty line, terminal or not
            raise click.Abort from stop
        if ctx.invoked_subcommand is None:
            click.echo(ctx.get_help())
        return result


def _as_json(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click calls it
    session = ctx.find_object(Session)
    if value and session is not None:
        session.format = "json"
    return value


raw_option = click.option(
    "--raw",
    is_flag=True,
    callback=_as_json,
    help="JSON that includes the providers' own rows.",
)
