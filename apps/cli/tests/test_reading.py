"""Everything that only looks: tables for people, JSON for programs, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LISTS = [
    (("providers", "list"), "do-a      digitalocean  enabled"),
    (("providers", "health"), "do-a      online"),
    (("providers", "validate"), "do-a      sandbox@example.com"),
    (("plans",), "s-2vcpu-4gb"),
    (("images",), "ubuntu-24.04"),
    (("regions",), "amsterdam"),
    (("apps",), "docker-20-04"),
    (("instances", "list"), "running"),
    (("costs",), "in all"),
    (("costs", "invoices"), "still running"),
    (("costs", "balances"), "THIS MONTH"),
]
names = pytest.mark.parametrize(("command", "text"), LISTS, ids=[" ".join(command) for command, _ in LISTS])


@names
def test_lists_are_tables_for_people(cli: Any, cloud: Any, command: tuple[str, ...], text: str) -> None:
    result = cli(*command, "--format", "table")
    assert (result.code, result.err) == (0, "")
    assert text in result.out
    assert all(len(line.rstrip()) <= 100 for line in result.out.splitlines())


@names
def test_lists_are_json_for_programs(cli: Any, cloud: Any, command: tuple[str, ...], text: str) -> None:
    result = cli(*command)
    assert (result.code, result.err) == (0, "")
    document = result.json
    assert (document["failures"], document["complete"]) == ({}, True)
    assert list(document) == ["items", "failures", "complete"]
    assert document["items"]
    for item in document["items"]:
        assert item["provider"] == "do-a"
        assert isinstance(item["id"], str)
        assert "raw" not in item


@names
def test_what_a_provider_does_not_tell_is_missing_by_name(
    cli: Any, pair: Any, configure: Any, command: tuple[str, ...], text: str
) -> None:
    configure(dict(zip(("do-a", "do-b"), pair, strict=True)), tokens={"do-b": "not the token"})
    if command == ("providers", "list"):
        pytest.skip("asks nobody")
    result = cli(*command)
    assert result.code == 3
    assert "do-b" in result.err if command != ("providers", "health") else not result.err
    document = result.json
    if command == ("providers", "health"):
        assert [(one["id"], one["health"]) for one in document["items"]] == [
            ("do-a", "online"),
            ("do-b", "degraded"),
        ]
        assert document["items"][1]["error"]["code"] == "INVALID_CREDENTIALS"
    else:
        assert document["complete"] is False
        assert document["failures"]["do-b"]["code"] == "INVALID_CREDENTIALS"
        assert {item["provider"] for item in document["items"]} <= {"do-a"}
    table = cli(*command, "--format", "table")
    assert table.code == 3
    assert "Unable to authenticate you" in table.out + table.err


def test_only_the_named_providers_are_asked(cli: Any, pair: Any) -> None:
    assert {one["provider"] for one in cli("plans").json["items"]} == {"do-a", "do-b"}
    assert {one["provider"] for one in cli("plans", "--provider", "do-b").json["items"]} == {"do-b"}
    assert [one["id"] for one in cli("providers", "health", "do-b").json["items"]] == ["do-b"]
    assert [one["id"] for one in cli("providers", "validate", "do-a").json["items"]] == ["do-a"]


def test_a_provider_is_shown_even_if_disabled(cli: Any, cloud: Any, home: Path) -> None:
    (home / "more.yaml").write_text(
        "state: memory\nproviders: [{name: old, type: digitalocean, enabled: false, weight: 7}]\n",
        encoding="utf-8",
    )
    shown = cli("providers", "show", "old", "--config", "more.yaml")
    assert (shown.json["provider"], shown.json["enabled"], shown.json["weight"]) == ("old", False, 7)
    table = cli("--config", "more.yaml", "--format", "table", "providers", "show", "old")
    assert "state     disabled" in table.out


def test_raw_rows_are_there_when_asked_for(cli: Any, cloud: Any) -> None:
    items = cli("instances", "list", "--raw", "--format", "json").json["items"]
    assert items[0]["raw"]["size_slug"] == items[0]["plan"]


def test_one_instance(cli: Any, cloud: Any) -> None:
    first = cli("instances", "list").json["items"][0]
    shown = cli("instances", "show", f"do-a/{first['id']}").json
    assert shown == first
    assert cli("instances", "show", first["id"]).json == first  # only one provider has that id
    table = cli("instances", "show", first["id"], "--format", "table").out
    assert f"do-a/{first['id']}" in table
    assert "1 GiB" in table
    assert first["created_at"] in table


def test_an_instance_that_is_not_there(cli: Any, cloud: Any) -> None:
    result = cli("instances", "show", "do-a/1")
    assert (result.code, result.error["code"]) == (1, "INSTANCE_NOT_FOUND")
    result = cli("instances", "show", "1", "--format", "table")
    assert (result.code, result.out) == (1, "")
    assert result.err == "error: no provider has an instance '1'\n"


def test_instances_by_tag(cli: Any, cloud: Any) -> None:
    assert len(cli("instances", "list", "--tag", "blue").json["items"]) == 2
    nothing = cli("instances", "list", "--tag", "red", "--format", "table")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No machines.\n")


def test_a_hanging_provider_costs_its_deadline_and_nothing_else(cli: Any, pair: Any) -> None:
    pair[0].seed_droplets(1)
    pair[1].fault("hang", method="GET", path="/v2/droplets", times=None)
    result = cli("instances", "list", "--deadline", "0.5")
    assert result.code == 3
    assert [one["provider"] for one in result.json["items"]] == ["do-a"]
    assert result.json["failures"]["do-b"]["code"] == "TIMEOUT"


def test_a_narrow_terminal_gets_fewer_columns(cli: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = cli("instances", "list", "--format", "table").out
    monkeypatch.setenv("COLUMNS", "60")
    narrow = cli("instances", "list", "--format", "table").out
    assert "REGION" in wide
    assert "REGION" not in narrow
    assert all(len(line.rstrip()) <= 60 for line in narrow.splitlines())


def test_the_cost_of_a_month(cli: Any, cloud: Any) -> None:
    report = cli("costs", "--month", "2025-12").json["items"][0]
    assert (report["start"], report["end"]) == ("2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z")
    report = cli("costs", "--since", "2026-01-05", "--until", "2026-01-07").json["items"][0]
    assert (report["start"], report["end"]) == ("2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z")


@pytest.mark.parametrize(
    "arguments",
    [
        ("costs", "--month", "2026-01", "--since", "2026-01-05"),
        ("costs", "invoices", "--month", "2026-01"),
        ("costs", "--since", "2026-01-07", "--until", "2026-01-05"),
        ("costs", "--month", "January"),
    ],
)
def test_periods_that_are_none(cli: Any, cloud: Any, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).code == 2


def test_catalogues_are_remembered_until_they_are_cleared(
    cli: Any, serve: Callable[..., Any], configure: Callable[..., Path]
) -> None:
    path = configure({"do-a": serve()})
    path.write_text(path.read_text().replace('"state": "memory"', '"state_dir": "notes"'))
    assert cli("cache", "show").json["items"] == []
    cli("plans")
    cli("regions")
    shown = cli("cache", "show").json["items"]
    assert [(one["provider"], one["id"]) for one in shown] == [("do-a", "plans"), ("do-a", "regions")]
    assert "regions" in cli("cache", "show", "--format", "table").out
    assert cli("cache", "clear", "plans").json == {"cleared": 1}
    assert cli("cache", "clear", "--provider", "do-a", "--format", "table").err == "Forgot 1 catalogue.\n"
    assert cli("cache", "clear").json == {"cleared": 0}


def test_plugins_need_no_configuration(cli: Any) -> None:
    (plugin,) = (one for one in cli("plugins").json["items"] if one["id"] == "digitalocean")
    assert (plugin["distribution"], plugin["state"], plugin["error"]) == (
        "purveyor-digitalocean",
        "loaded",
        None,
    )
    assert "purveyor-digitalocean" in cli("plugins", "--format", "table").out
