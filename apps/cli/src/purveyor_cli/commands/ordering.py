"""Saying what machine is wanted, and ``explain``: where it would come from, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any

import attrs
import click
from rich.console import RenderableType
from rich.text import Text

from purveyor import (
    Candidate,
    Explanation,
    GiB,
    InstanceSpec,
    KiB,
    MiB,
    Money,
    MultiProviderClient,
    Needs,
    Rejection,
    TiB,
)
from purveyor_cli import exits
from purveyor_cli.plain import plain
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session
from purveyor_cli.tables import Column, table
from purveyor_cli.words import money

__all__ = ["CANDIDATES", "Order", "explain", "explanation_parts", "order_options", "show_dry_run"]

CANDIDATES: tuple[Column[tuple[int, Candidate]], ...] = (
    Column("", lambda pair: str(pair[0]), right=True),
    Column("PROVIDER", lambda pair: pair[1].provider),
    Column("PLAN", lambda pair: pair[1].plan),
    Column("IMAGE", lambda pair: pair[1].image, 2),
    Column("REGION", lambda pair: pair[1].region or "any", 1),
    Column("PER HOUR", lambda pair: money(pair[1].price_per_hour), right=True),
    Column("PER MONTH", lambda pair: money(pair[1].price_per_month), 1, right=True),
    Column("BECAUSE", lambda pair: pair[1].note, 3),
)
REJECTIONS: tuple[Column[Rejection], ...] = (
    Column("OUT", lambda one: one.provider),
    Column("BECAUSE", lambda one: one.reason),
)

_NEEDS = ("cpus", "memory", "disk", "gpu", "max_price")
_CHOICE = ("provider", "type", "strategy", "seed")
_UNITS = {
    "kib": KiB,
    "mib": MiB,
    "gib": GiB,
    "tib": TiB,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
}


@attrs.frozen(kw_only=True)
class Order:
    """What is wanted, how many times, and how it is to be chosen."""

    spec: InstanceSpec
    count: int
    choice: dict[str, Any]

    @classmethod
    def of(cls, *, name: str, plan: str | None, count: int, **given: Any) -> Order:
        """From what the options gave.

        Raises:
            UsageError: It says no plan and no needs, or both.
        """
        needs = {word: value for word in _NEEDS if (value := given.pop(word)) is not None}
        if (plan is None) == (not needs):
            raise click.UsageError(
                "say --plan SLUG or what the machine needs, such as --cpus 2 --memory 4GiB"
                + ("; not both" if plan else "")
            )
        choice = {word: given.pop(word) for word in _CHOICE}
        spec = InstanceSpec(name=name, plan=plan or Needs(**needs), **given)
        return cls(spec=spec, count=count, choice=choice)

    @property
    def names(self) -> list[str]:
        """What the machines will be called."""
        if self.count == 1:
            return [self.spec.name]
        return [f"{self.spec.name}-{number}" for number in range(1, self.count + 1)]


def as_bytes(text: str) -> int:
    """Bytes from a number with a unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-zA-Z]*)", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size; write it like 4GiB, 512MiB or 50GB.")
    number, unit = match.groups()
    if unit.lower() not in _UNITS:
        raise click.BadParameter(
            f"{text!r} has no unit that is known; write {number}GiB, {number}MiB or {number}GB."
        )
    return int(Decimal(number) * _UNITS[unit.lower()])


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        price = Decimal(0)
    if not price.is_finite() or price <= 0:
        raise click.BadParameter(f"{text!r} is not a price; write it like 0.05.")
    return price


def _keys(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for value in values for key in _public_keys(value))


def _public_keys(value: str) -> Iterator[str]:
    """The keys in a file, or the key itself; a private key is refused and never shown."""
    if re.match(r"(ssh|ecdsa|sk)-\S+ ", value):
        yield value
        return
    try:
        text = Path(value).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise click.BadParameter(
            f"{value[:40]!r} is neither a public key nor a file that can be read."
        ) from None
    if "PRIVATE KEY" in text:
        raise click.BadParameter(
            f"{value!r} holds a private key; name the public one, usually {value + '.pub'!r}."
        )
    yield from (line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#"))


def _text(_ctx: click.Context, _param: click.Parameter, file: IO[str] | None) -> str | None:
    if file is None:
        return None
    try:
        with file:
            return file.read()
    except UnicodeDecodeError:
        raise click.BadParameter("it is not text in UTF-8.") from None


_OPTIONS = (
    click.option("--plan", metavar="SLUG", help="Exactly this plan; or say what is needed:"),
    click.option(
        "--cpus", type=click.FloatRange(min=0, min_open=True), metavar="N", help="At least this many cores."
    ),
    click.option("--memory", type=as_bytes, metavar="SIZE", help="At least this much, such as 4GiB."),
    click.option("--disk", type=as_bytes, metavar="SIZE", help="At least this much, such as 50GB."),
    click.option("--gpu", type=click.IntRange(min=1), metavar="N", help="At least this many GPUs."),
    click.option("--max-price", type=_price, metavar="PRICE", help="At most this much an hour."),
    click.option("--image", required=True, metavar="SLUG-OR-ALIAS", help="Such as ubuntu-24.04."),
    click.option(
        "--region", metavar="SLUG-OR-PLACE", help="Such as ams3, amsterdam, nl, eu; anywhere if left out."
    ),
    click.option(
        "--ssh-key",
        "ssh_keys",
        multiple=True,
        callback=_keys,
        metavar="FILE-OR-KEY",
        help="Public key; may be repeated.",
    ),
    click.option(
        "--user-data",
        type=click.File(encoding="utf-8"),
        callback=_text,
        metavar="FILE",
        help="cloud-init document.",
    ),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="May be repeated."),
    click.option(
        "--capability",
        "capabilities",
        multiple=True,
        metavar="WORD",
        help="What the provider must have; may be repeated.",
    ),
    click.option("--provider", metavar="NAME", help="Only this provider."),
    click.option("--type", metavar="TYPE", help="Only providers of this type."),
    click.option("--strategy", metavar="NAME", help="Instead of the configured one."),
    click.option("--seed", type=int, metavar="N", help="Makes a random choice repeat."),
    click.option(
        "--count", type=click.IntRange(min=1), default=1, metavar="N", help="How many: NAME-1 to NAME-N."
    ),
)


def order_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what is wanted; ``Order.of`` takes what they give."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(cls=Command)
@click.argument("name", default="machine")
@order_options
@click.option("--wait", is_flag=True, hidden=True)
@click.option("--dry-run", is_flag=True, hidden=True)
@pass_session
def explain(session: Session, /, wait: bool, dry_run: bool, **given: Any) -> int:  # noqa: ARG001, FBT001
    """Show where a machine would come from, at what price, and why.

    Takes what 'purveyor instances create' takes, and buys nothing.
    """
    explanation = plan(session, Order.of(**given))
    if session.json:
        session.show_json(explanation)
    else:
        session.show(*explanation_parts(explanation, session.out.width))
    return exits.OK


def plan(session: Session, order: Order, *, check: bool = False) -> Explanation:
    """Where the order would go; with ``check``, refused where the configured limits would refuse it."""

    async def work(client: MultiProviderClient) -> Explanation:
        explanation = await client.explain(order.spec, **order.choice, **session.within)
        if check:
            await client.check_limits(explanation, order.count, **session.within)
        return explanation

    return session.run(work)


def explanation_parts(explanation: Explanation, width: int) -> list[RenderableType]:
    """Who would be asked in which order, and who is out."""
    parts: list[RenderableType] = []
    if explanation.candidates:
        parts += [
            table(list(enumerate(explanation.candidates, 1)), CANDIDATES, width),
            Text(f"in this order by strategy {explanation.strategy}", style="dim"),
        ]
    if explanation.rejected:
        parts += [""] if parts else []
        parts.append(table(explanation.rejected, REJECTIONS, width))
    return parts


def show_dry_run(session: Session, order: Order) -> int:
    """What creating would do; fails where creating would find nobody."""
    explanation = plan(session, order, check=True)
    dearest = {
        "at_most_per_hour": _at_most([one.price_per_hour for one in explanation.candidates], order.count),
        "at_most_per_month": _at_most([one.price_per_month for one in explanation.candidates], order.count),
    }
    if session.json:
        session.show_json({"dry_run": True, "names": order.names, **plain(explanation), **dearest})
        return exits.OK if explanation.candidates else exits.FAILED
    session.show(*explanation_parts(explanation, session.out.width), "")
    if not explanation.candidates:
        session.show(f"Nobody could make {', '.join(order.names)}.")
        return exits.FAILED
    hour, month = (money(price) or "an unknown price" for price in dearest.values())
    session.show(
        f"Would make {', '.join(order.names)}, asking {explanation.candidates[0].provider} first, "
        f"for at most {hour} an hour, {month} a month. Nothing was bought."
    )
    return exits.OK


def _at_most(prices: Sequence[Money | None], count: int) -> Money | None:
    """What so many cost where they are dearest; None where that cannot be said."""
    told = [price for price in prices if price is not None]
    if not told or len(told) < len(prices) or len({price.currency for price in told}) > 1:
        return None
    return max(told, key=lambda price: price.amount) * count
