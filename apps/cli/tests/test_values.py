"""Values as people read them, and as programs do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from rich.console import Console

from purveyor import (
    GiB,
    Health,
    Instance,
    InstanceStatus,
    Money,
    Outcome,
    ProviderHealth,
    ProviderUnavailableError,
    Raw,
    Secret,
)
from purveyor_cli.plain import dumps, plain, row
from purveyor_cli.tables import Column, facts, table
from purveyor_cli.words import age, ago, count, latency, money, printable, size, total

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (4 * GiB, "4 GiB"),
        (512 * 1024**2, "512 MiB"),
        (1920 * GiB, "1.88 TiB"),
        (700, "700 B"),
        (0, ""),
        (None, ""),
    ],
)
def test_sizes(number: int | None, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (Money("0.00744"), "$0.00744"),
        (Money("24.00"), "$24.00"),
        (Money("24"), "$24.00"),
        (Money("-3.5"), "-$3.50"),
        (Money("1E+2"), "$100.00"),
        (Money("0.5", "EUR"), "€0.50"),
        (Money("12.345", "uakt"), "12.345 uakt"),
        (None, ""),
    ],
)
def test_prices(price: Money | None, text: str) -> None:
    assert money(price) == text


def test_sums_keep_currencies_apart() -> None:
    assert total([Money("1.5"), None, Money("2", "EUR"), Money("0.25")]) == "$1.75 + €2.00"
    assert total([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (5, "5 s ago"),
        (61, "1 min ago"),
        (7200, "2 h ago"),
        (90000, "1 d ago"),
        (-30, "just now"),
    ],
)
def test_times(seconds: int, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_unknown_times_are_not_told() -> None:
    assert ago(None) == age(None) == latency(None) == ""
    assert latency(0.0184) == "18 ms"
    assert latency(2.5) == "2.5 s"
    assert count(1, "machine") == "1 machine"


def test_foreign_text_cannot_steer_the_terminal() -> None:
    assert printable("web\x1b[31m\n\u202egnp.exe\x9b2J") == "web�[31m �gnp.exe�2J"


def test_an_instance_as_json() -> None:
    instance = Instance(
        provider="do-a",
        id="7",
        name="web",
        status=InstanceStatus.RUNNING,
        created_at=datetime(2026, 5, 4, 14, 0, 0, tzinfo=timezone(timedelta(hours=2))),
        price_per_hour=Money("0.00744"),
        raw=Raw(b'{"id": 7}'),
    )
    fields = row(instance)
    assert list(fields)[:2] == ["provider", "id"]
    assert fields["status"] == "running"
    assert fields["created_at"] == "2026-05-04T12:00:00Z"
    assert fields["price_per_hour"] == {"amount": "0.00744", "currency": "USD"}
    assert "raw" not in fields
    assert row(instance, raw=True)["raw"] == {"id": 7}


def test_what_has_no_id_goes_by_its_provider() -> None:
    assert (
        row(ProviderHealth(provider="do-a", health=Health.ONLINE)).items()
        >= {"provider": "do-a", "id": "do-a"}.items()
    )


def test_errors_as_json() -> None:
    error = ProviderUnavailableError(
        "down", provider="do-a", outcome=Outcome.NOT_SENT, details={"status": 503}
    )
    assert plain(error) == {
        "code": "PROVIDER_UNAVAILABLE",
        "message": "down",
        "details": {"provider": "do-a", "outcome": "not_sent", "status": 503},
    }


def test_other_values_as_json() -> None:
    value = {
        "set": frozenset({"b", "a"}),
        "exact": Decimal("1E-7"),
        "odd": Raw(b"\xff"),
        "secret": Secret("x"),
        1: True,
    }
    assert json.loads(dumps(value)) == {
        "set": ["a", "b"],
        "exact": "0.0000001",
        "odd": "�",
        "secret": "Secret(****)",
        "1": True,
    }


def _text(thing: object, width: int) -> list[str]:
    console = Console(width=width, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(thing)
    return [line.rstrip() for line in console.export_text().splitlines()]


COLUMNS = (
    Column[str]("ID", lambda word: word),
    Column[str]("LAST TO GO", lambda word: word * 2, 1, right=True),
    Column[str]("FIRST TO GO", lambda word: word * 3, 2),
    Column[str]("NEVER THERE", lambda _: "", 3),
)


def test_a_table_leaves_out_columns_instead_of_breaking_lines() -> None:
    assert _text(table(["abcd"], COLUMNS, 40), 40) == [
        "ID    LAST TO GO  FIRST TO GO",
        "abcd    abcdabcd  abcdabcdabcd",
    ]
    assert _text(table(["abcd"], COLUMNS, 24), 24) == ["ID    LAST TO GO", "abcd    abcdabcd"]
    assert _text(table(["abcd"], COLUMNS, 8), 8) == ["ID", "abcd"]


def test_facts_leave_out_what_is_not_known() -> None:
    assert _text(facts([("name", "web"), ("address", ""), ("status", "running")]), 40) == [
        "name    web",
        "status  running",
    ]
