"""How the result of asking many providers is shown: items, what is missing, what is old."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from rich.console import RenderableType
from rich.text import Text

from purveyor import PurveyorError, View
from purveyor_cli import exits
from purveyor_cli.plain import row
from purveyor_cli.session import Session
from purveyor_cli.tables import Column, facts, table
from purveyor_cli.words import ago

__all__ = ["document", "in_order", "missing", "show_items", "show_one", "show_view"]

T = TypeVar("T")


def document(
    items: Iterable[Any], failures: Mapping[str, PurveyorError] | None = None, *, raw: bool = False
) -> dict[str, Any]:
    """A list as JSON has it."""
    return {
        "items": [row(item, raw=raw) for item in items],
        "failures": failures or {},
        "complete": not failures,
    }


def show_view(
    session: Session,
    view: View[T],
    columns: Sequence[Column[T]],
    *,
    noun: str,
    raw: bool = False,
    footer: Callable[[Sequence[T]], str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> int:
    """Show it, each provider's items together; the exit code says whether it is whole.

    Args:
        session: Where to show it.
        view: What was asked.
        columns: For people.
        noun: What the items are, in the plural.
        raw: Whether programs get the providers' own rows.
        footer: What to say below the items.
        more: What programs get beside the items.
    """
    items = in_order(view)
    if session.json:
        session.show_json({**document(items, view.failures, raw=raw), **(more or {}), **_stale(view)})
    else:
        show_items(session, items, columns, noun=noun, footer=footer)
    for text in missing(view):
        session.warn(text)
    return exits.PARTIAL if view.failures else exits.OK


def in_order(view: View[T]) -> list[T]:
    """Its items, each provider's together."""
    return sorted(view.items, key=lambda one: str(getattr(one, "provider", "")))


def _stale(view: View[Any]) -> dict[str, Any]:
    return {"stale": view.stale} if view.stale else {}


def missing(view: View[Any]) -> list[str]:
    """Who did not tell and why, and what is old."""
    failed = [f"{provider}: {error.message}" for provider, error in view.failures.items()]
    return failed + [f"{provider}: shown as it was {ago(moment)}" for provider, moment in view.stale.items()]


def show_items(
    session: Session,
    items: Sequence[T],
    columns: Sequence[Column[T]],
    *,
    noun: str,
    footer: Callable[[Sequence[T]], str] | None = None,
) -> None:
    """A table, or a word if there is nothing."""
    if not items:
        session.note(f"No {noun}.")
        return
    parts: list[RenderableType] = [table(items, columns, session.out.width)]
    if footer is not None:
        parts.append(Text(footer(items), style="dim"))
    session.show(*parts)


def show_one(session: Session, value: Any, pairs: Iterable[tuple[str, str]], *, raw: bool = False) -> int:
    """One thing: its fields as JSON, or facts for people."""
    if session.json:
        session.show_json(row(value, raw=raw))
    else:
        session.show(facts(pairs))
    return exits.OK
