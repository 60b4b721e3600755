"""``scrape``: what one endpoint says, read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click
from msgspec.structs import replace

from purveyor import MetricFamily, MetricType, Sample
from purveyor_cli import exits
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session
from purveyor_cli.words import count, printable

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["scrape"]

SECONDS = 10.0
"""How long it may take unless ``--deadline`` says otherwise."""


@attrs.frozen(kw_only=True)
class Filter:
    """Which samples are wanted."""

    prefixes: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    types: frozenset[str]

    def of(self, families: Iterable[MetricFamily]) -> Iterator[MetricFamily]:
        """The families that have any, with these only; without a filter for samples, empty ones too."""
        for family in families:
            if self.types and family.type.value not in self.types:
                continue
            samples = [one for one in family.samples if self._wants(one)]
            if samples or not (self.prefixes or self.labels):
                yield replace(family, samples=samples)

    def _wants(self, sample: Sample) -> bool:
        named = not self.prefixes or sample.name.startswith(self.prefixes)
        return named and all(sample.labels.get(name) == value for name, value in self.labels)


def _pairs(
    _ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = tuple(one.partition("=")[::2] for one in given)
    if not all(name for name, _ in pairs) or not all("=" in one for one in given):
        raise click.BadParameter("must look like mode=idle")
    return pairs


@click.command(cls=Command)
@click.argument("url")
@click.option(
    "--prefix", "prefixes", multiple=True, metavar="TEXT", help="Only names that begin so; may be repeated."
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="Only with this label; may be repeated.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in MetricType]),
    help="Only these; may be repeated.",
)
@click.option("--brief", is_flag=True, help="The families without their samples.")
@click.option("--username", metavar="NAME", help="For basic authentication.")
@click.option("--password", metavar="SECRET", help="env:NAME or file:PATH.")
@click.option("--token", metavar="SECRET", help="Bearer token: env:NAME or file:PATH.")
@pass_session
def scrape(
    session: Session,
    url: str,
    prefixes: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
    types: tuple[str, ...],
    *,
    brief: bool,
    username: str | None,
    password: str | None,
    token: str | None,
) -> int:
    """Read one exposition endpoint once and show what it says.

    URL is an address such as http://10.0.0.5:9100/metrics, or a host and port. No configuration is needed.
    """
    credentials = {"scrape_username": username, "scrape_password": password, "scrape_token": token}
    families = _read(session, url, {name: value for name, value in credentials.items() if value is not None})
    wanted = Filter(prefixes=prefixes, labels=labels, types=frozenset(types))
    shown = list(wanted.of(families))
    if session.json:
        items = [_document(family, brief=brief) for family in shown]
        session.show_json({"items": items, "failures": {}, "complete": True})
    else:
        session.show(*_lines(shown, brief=brief))
        samples = sum(len(family.samples) for family in shown)
        session.note(f"{count(len(shown), 'metric')}, {count(samples, 'sample')}.")
    return exits.OK


def _read(session: Session, url: str, credentials: dict[str, str]) -> list[MetricFamily]:
    if ("scrape_username" in credentials) is not ("scrape_password" in credentials):
        raise click.UsageError("--username and --password are given together")
    if "scrape_token" in credentials and "scrape_username" in credentials:
        raise click.UsageError("--token is given instead of --username and --password")
    seconds = session.deadline or SECONDS
    settings = {"targets": [url], "scrape_timeout": seconds, **credentials}
    configuration = {
        "state": "memory",
        "providers": [{"name": "scrape", "type": "prometheus", "config": {"timeout": seconds, **settings}}],
    }

    async def families(provider: Any, call: Any) -> list[MetricFamily]:
        found: list[MetricFamily] = await provider.families(call)
        return found

    return session.run(
        lambda client: client.use("scrape", families, deadline=seconds), "reading", instead=configuration
    )


def _document(family: MetricFamily, *, brief: bool) -> dict[str, Any]:
    """One family as JSON has it. What is read without a configuration is of no provider."""
    fields: dict[str, Any] = plain(family)
    if brief:
        fields["samples"] = len(family.samples)
    return {"provider": None, "id": family.name, **fields}


def _lines(families: Sequence[MetricFamily], *, brief: bool) -> Iterator[Text]:
    from rich.text import Text  # noqa: PLC0415 - JSON does without it

    for family in families:
        told = [family.type.value, family.unit, printable(family.help)]
        yield Text.assemble((printable(family.name), "bold"), ("  " + "  ".join(filter(None, told)), "dim"))
        values = [] if brief else [_number(sample.value) for sample in family.samples]
        width = max(map(len, values), default=0)
        for sample, value in zip(family.samples, values, strict=False):
            yield Text.assemble("  ", f"{value:>{width}}", "  ", (_series(family, sample), "cyan"))


def _series(family: MetricFamily, sample: Sample) -> str:
    """What tells it from the others of its family."""
    inside = ", ".join(f'{name}="{value}"' for name, value in sample.labels.items())
    name = "" if sample.name == family.name else sample.name.removeprefix(family.name)
    return printable(" ".join(filter(None, (name, inside))))


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
