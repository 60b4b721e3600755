"""What buys, changes and deletes, judged by the clouds' own logs."""

from __future__ import annotations

import io
import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NEEDS = ("--cpus", "2", "--memory", "4GiB", "--image", "ubuntu-24.04", "--region", "nl")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq0 me@here"


def test_a_machine_is_made(cli: Any, cloud: Any, made: Callable[[Any], int]) -> None:
    result = cli("instances", "create", "web", *NEEDS, "--tag", "blue", "--wait")
    assert (result.code, result.err) == (0, "")
    (item,) = result.json["items"]
    assert (item["name"], item["plan"], item["region"], item["status"]) == (
        "web",
        "s-2vcpu-4gb",
        "ams3",
        "running",
    )
    assert item["public_ipv4"]
    assert "blue" in item["tags"]
    assert [one["provider"] for one in result.json["attempts"]] == ["do-a"]
    assert made(cloud) == 1


def test_several_machines_as_a_table(cli: Any, cloud: Any, made: Callable[[Any], int]) -> None:
    result = cli("instances", "create", "web", *NEEDS, "--count", "3", "--format", "table")
    assert (result.code, result.err) == (0, "")
    assert ["web-1" in result.out, "web-2" in result.out, "web-3" in result.out] == [True] * 3
    assert "3 machines · $0.10713 an hour · $72.00 a month" in result.out
    assert made(cloud) == 3


def test_everything_that_can_be_said_arrives(cli: Any, cloud: Any, home: Path) -> None:
    (home / "id.pub").write_text(f"# a comment\n{KEY}\n", encoding="utf-8")
    (home / "cloud.yaml").write_text("#cloud-config\n", encoding="utf-8")
    result = cli(
        *("instances", "create", "web", "--plan", "s-1vcpu-1gb", "--image", "debian-12", "--region", "fra1"),
        *(
            "--ssh-key",
            "id.pub",
            "--user-data",
            "cloud.yaml",
            "--capability",
            "droplets",
            "--type",
            "digitalocean",
        ),
        *("--strategy", "random", "--seed", "7", "--disk", "20GB", "--max-price", "$1")[:4],
    )
    assert result.code == 0
    item = result.json["items"][0]
    assert (item["plan"], item["image"], item["region"]) == ("s-1vcpu-1gb", "debian-12-x64", "fra1")
    assert [entry.path for entry in cloud.log if entry.method == "POST"] == [
        "/v2/account/keys",
        "/v2/droplets",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say --plan SLUG or what the machine needs"),
        (("--plan", "s", "--cpus", "2"), "not both"),
        (("--memory", "4"), "has no unit that is known; write 4GiB"),
        (("--memory", "4G"), "write 4GiB, 4MiB or 4GB"),
        (("--memory", "much"), "is not a size"),
        (("--cpus", "0"), "cpus"),
        (("--cpus", "2", "--max-price", "cheap"), "is not a price"),
        (("--cpus", "2", "--max-price", "0"), "is not a price"),
        (("--cpus", "2", "--count", "0"), "count"),
        (("--cpus", "2", "--ssh-key", "nowhere.pub"), "neither a public key nor a file"),
        (("--cpus", "2", "--ssh-key", "id"), "holds a private key"),
        (("--cpus", "2", "--user-data", "nowhere"), "No such file"),
        (("--cpus", "2", "--user-data", "binary"), "not text in UTF-8"),
        (("--cpus", "2", "--tag", "a b"), "not portable"),
        (("--cpus", "2", "--strategy", "best"), "no strategy is called 'best'"),
        (("--cpus", "2", "--provider", "do-z"), "no provider is called 'do-z'"),
    ],
)
def test_mistakes_on_the_line_cost_nothing(
    cli: Any, cloud: Any, home: Path, arguments: tuple[str, ...], words: str
) -> None:
    (home / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n", encoding="utf-8")
    (home / "binary").write_bytes(b"\xff\xfe")
    result = cli("instances", "create", "web", "--image", "debian-12", *arguments)
    assert result.code == 2
    assert words in result.error["message"]
    assert "canary" not in result.out + result.err
    told = cli("instances", "create", "web", "--image", "debian-12", *arguments, "--format", "table")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert not [entry for entry in cloud.log if entry.method == "POST"]


def test_a_dry_run_buys_nothing_and_says_everything(cli: Any, pair: Any, made: Callable[[Any], int]) -> None:
    result = cli("instances", "create", "web", *NEEDS, "--count", "2", "--dry-run")
    assert result.code == 0
    plan = result.json
    assert (plan["dry_run"], plan["names"], plan["strategy"]) == (True, ["web-1", "web-2"], "priority")
    assert [one["provider"] for one in plan["candidates"]] == ["do-a", "do-b"]
    assert plan["at_most_per_hour"] == {"amount": "0.07142", "currency": "USD"}
    assert plan["at_most_per_month"] == {"amount": "48.00", "currency": "USD"}
    table = cli("instances", "create", "web", *NEEDS, "--dry-run", "--format", "table")
    assert "Would make web, asking do-a first, for at most $0.03571 an hour, $24.00 a month." in table.out
    assert [made(one) for one in pair] == [0, 0]


def test_a_dry_run_that_finds_nobody_fails_as_creating_would(cli: Any, cloud: Any) -> None:
    impossible = ("instances", "create", "web", "--cpus", "999", "--image", "debian-12")
    result = cli(*impossible, "--dry-run")
    assert (result.code, result.json["candidates"]) == (1, [])
    assert result.json["rejected"][0]["provider"] == "do-a"
    table = cli(*impossible, "--dry-run", "--format", "table")
    assert table.code == 1
    assert "no plan has 999 cores" in table.out
    real = cli(*impossible)
    assert (real.code, real.error["code"]) == (1, "NO_COMPATIBLE_PROVIDERS")


def test_explain_takes_the_same_and_buys_nothing(cli: Any, pair: Any, configure: Any) -> None:
    configure(dict(zip(("do-a", "do-b"), pair, strict=True)), tokens={"do-b": "wrong"})
    result = cli("explain", "web", *NEEDS, "--count", "2", "--wait", "--dry-run")
    assert result.code == 0
    (candidate,), (out,) = result.json["candidates"], result.json["rejected"]
    assert (candidate["plan"], candidate["image"]) == ("s-2vcpu-4gb", "ubuntu-24-04-x64")
    assert (out["provider"], out["code"]) == ("do-b", "invalid_credentials")
    table = cli("explain", *NEEDS, "--format", "table")
    assert (
        "1  do-a      s-2vcpu-4gb  ubuntu-24-04-x64  ams3    $0.03571     $24.00  beside the default"
        in table.out
    )
    assert "do-b  Unable to authenticate you." in table.out


def test_failover_says_that_nothing_was_bought(cli: Any, pair: Any, made: Callable[[Any], int]) -> None:
    pair[0].fault("no_capacity", method="POST", path="/v2/droplets")
    result = cli("instances", "create", "web", *NEEDS)
    assert result.code == 0
    assert result.json["items"][0]["provider"] == "do-b"
    assert [one["provider"] for one in result.json["attempts"]] == ["do-a", "do-b"]
    assert result.json["attempts"][0]["error"]["code"] == "INSUFFICIENT_RESOURCES"
    assert result.err == "warning: do-a: Size is not available in this region.; nothing was bought there\n"
    assert [made(one) for one in pair] == [0, 1]


def test_quiet_leaves_warnings_out(cli: Any, pair: Any) -> None:
    pair[0].fault("no_capacity", method="POST", path="/v2/droplets")
    assert cli("instances", "create", "web", *NEEDS, "--quiet").err == ""


def test_fewer_than_asked_for_is_a_partial_result(cli: Any, cloud: Any, made: Callable[[Any], int]) -> None:
    cloud.fault("quota", method="POST", path="/v2/droplets")
    result = cli("instances", "create", "web", *NEEDS, "--count", "2")
    assert (result.code, result.json["complete"]) == (3, False)
    (item,) = result.json["items"]
    ((missing, error),) = result.json["failures"].items()
    assert {item["name"], missing} == {"web-1", "web-2"}
    assert error["code"] == "QUOTA_EXCEEDED"
    assert made(cloud) == 1


def test_nobody_can(cli: Any, pair: Any) -> None:
    for one in pair:
        one.fault("no_capacity", method="POST", path="/v2/droplets")
    result = cli("instances", "create", "web", *NEEDS)
    assert (result.code, result.error["code"]) == (1, "ALL_PROVIDERS_FAILED")
    assert [one["provider"] for one in result.error["details"]["attempts"]] == ["do-a", "do-b"]


def test_a_machine_whose_answer_is_lost_is_found(cli: Any, cloud: Any, made: Callable[[Any], int]) -> None:
    cloud.fault("reset_after", method="POST", path="/v2/droplets")
    result = cli("instances", "create", "web", *NEEDS, "--key", "k")
    again = cli("instances", "create", "web", *NEEDS, "--key", "k")
    assert (result.code, again.code) == (0, 0)
    assert [one["id"] for one in result.json["items"]] == [one["id"] for one in again.json["items"]]
    assert (result.json["key"], made(cloud)) == ("k", 1)


def test_a_doubt_that_lasts_is_uncertain_until_it_is_resolved(
    cli: Any, cloud: Any, made: Callable[[Any], int]
) -> None:
    assert cli("instances", "create", "first", *NEEDS).code == 0  # from here on marks are known to be found
    cloud.fault("reset_after", method="POST", path="/v2/droplets")
    cloud.fault("error_before", method="GET", path="/v2/droplets", times=None, status=500)
    result = cli("instances", "create", "web", *NEEDS, "--deadline", "1")
    assert (result.code, result.error["code"]) == (4, "UNCERTAIN_OUTCOME")
    intent = result.error["details"]["intent"]
    assert [one["state"] for one in cli("intents", "list", "--open").json["items"]] == ["unknown"]
    table = cli("intents", "resolve", intent, "--deadline", "1", "--format", "table")
    assert (table.code, table.out) == (4, "")
    assert table.err.startswith("uncertain: do-a: ")
    assert f"purveyor intents resolve {intent}" in table.err
    cloud.clear_faults()
    settled = cli("intents", "resolve", intent).json
    assert (settled["state"], settled["provider"]) == ("adopted", "do-a")
    assert cli("intents", "show", intent).json == settled
    assert made(cloud) == 2


def test_doubt_about_one_of_several_comes_before_everything_else(
    cli: Any, cloud: Any, made: Callable[[Any], int]
) -> None:
    cloud.fault("error_before", method="POST", path="/v2/droplets", status=500)
    result = cli("instances", "create", "web", *NEEDS, "--count", "2", "--deadline", "1")
    assert result.code == 4
    assert len(result.json["items"]) == 1
    assert [one["code"] for one in result.json["failures"].values()] == ["UNCERTAIN_OUTCOME"]
    assert made(cloud) == 1


def test_a_key_is_for_one_request(cli: Any, cloud: Any) -> None:
    assert cli("instances", "create", "web", *NEEDS, "--key", "k").code == 0
    result = cli("instances", "create", "other", *NEEDS, "--key", "k")
    assert (result.code, result.error["code"]) == (1, "CONFLICT")
    assert result.error["details"]["fields"] == ["name"]


def test_what_was_given_up_is_deleted_when_it_turns_up(
    cli: Any, cloud: Any, made: Callable[[Any], int]
) -> None:
    assert cli("instances", "create", "first", *NEEDS).code == 0  # from here on marks are known to be found
    cloud.fault("reset_after", method="POST", path="/v2/droplets")
    cloud.fault("error_before", method="GET", path="/v2/droplets", times=None, status=500)
    result = cli("instances", "create", "web", *NEEDS, "--deadline", "1")
    intent = result.error["details"]["intent"]
    assert cli("intents", "resolve", intent, "--tombstone").json["state"] == "tombstoned"
    cloud.clear_faults()
    (found,) = cli("reconcile").json["items"]
    assert (found["kind"], found["action"]) == ("late", "")
    (found,) = cli("reconcile", "--apply").json["items"]
    assert found["action"].startswith("deleted")
    names = [one["name"] for one in cli("instances", "list").json["items"]]
    assert ("first" in names, "web" in names) == (True, False)


LOST = {"name": "lost", "image": "ubuntu-24-04-x64", "region": "ams3"}


def create_by_hand(cloud: Any, body: dict[str, Any]) -> str:
    """Makes a droplet behind the journal's back; its id."""
    request = urllib.request.Request(
        f"{cloud.base_url}/v2/droplets",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {cloud.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["droplet"]["id"])


def test_orphans_are_shown_with_their_cost_and_deleted_only_by_name(cli: Any, cloud: Any) -> None:
    made_one = cli("instances", "create", "web", *NEEDS, "--key", "k").json["items"][0]
    (mark,) = [tag for tag in made_one["tags"] if tag.startswith("pv-")]
    owner = mark.split("-")[1]
    lost = create_by_hand(cloud, {**LOST, "size": made_one["plan"], "tags": [f"pv-{owner}-{'z' * 16}"]})
    table = cli("reconcile", "--format", "table")
    assert "orphan" in table.out, table
    assert "an hour" in table.out
    young = cli("reconcile", "--delete-orphans", f"do-a/{lost}", "--min-age", "1000000")
    assert (young.code, young.error["details"]["field"]) == (2, "delete_orphans")
    assert cli("reconcile", "--delete-orphans", f"do-a/{made_one['id']}", "--min-age", "0").code == 2
    (found,) = cli("reconcile", "--delete-orphans", f"do-a/{lost}", "--min-age", "0").json["items"]
    assert found["action"] == "deleted"
    assert lost not in [one["id"] for one in cli("instances", "list").json["items"]]


def test_a_claimed_journal_has_a_new_owner(cli: Any, cloud: Any) -> None:
    cli("instances", "create", "web", *NEEDS)
    assert cli("intents", "claim").code == 2
    claimed = cli("intents", "claim", "--yes").json
    (old,) = claimed["earlier"]
    (found,) = cli("reconcile", "--owner", old).json["items"]
    assert (found["kind"], claimed["owner"] != old) == ("foreign", True)
    (found,) = cli("reconcile", "--owner", old, "--adopt").json["items"]
    assert found["action"] == "adopted"
    assert cli("reconcile").json["items"] == []


def test_a_machine_that_is_late_is_listed_with_the_reason(cli: Any, serve: Any, configure: Any) -> None:
    configure({"do-a": serve(boot_seconds=100_000.0)})
    result = cli("instances", "create", "web", *NEEDS, "--wait", "--deadline", "0.5")
    assert result.code == 3
    (item,) = result.json["items"]
    assert (item["name"], result.json["failures"]["web"]["code"]) == ("web", "TIMEOUT")


def test_deleting_asks_for_yes_where_nobody_can_be_asked(cli: Any, cloud: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    result = cli("instances", "delete", "do-a/1")
    assert (result.code, result.error["code"]) == (2, "VALIDATION_ERROR")
    assert "--yes" in result.error["message"]
    assert cloud.log == []


def test_deleting_with_yes(cli: Any, cloud: Any) -> None:
    ids = [f"do-a/{one['id']}" for one in cli("instances", "list").json["items"]]
    result = cli("instances", "delete", *ids, "--yes")
    assert (result.code, result.err) == (0, "")
    assert [f"{one['provider']}/{one['id']}" for one in result.json["items"]] == ids
    assert cli("instances", "list").json["items"] == []
    again = cli("instances", "delete", ids[0], "--yes", "--format", "table")
    assert again.code == 0
    assert "already gone" in again.out


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 1), ("n\n", 1, 2), ("", 1, 2)])
def test_deleting_asks_on_a_terminal(
    cli: Any, cloud: Any, monkeypatch: Any, answer: str, code: int, left: int
) -> None:
    first = cli("instances", "list").json["items"][0]
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    result = cli("instances", "delete", first["id"], "--format", "table")
    assert result.code == code
    assert f"do-a/{first['id']}" in result.err
    assert "Delete 1 machine ($" not in result.out
    assert len(cli("instances", "list").json["items"]) == left


def test_what_cannot_be_deleted_is_named(cli: Any, cloud: Any) -> None:
    first = cli("instances", "list").json["items"][0]["id"]
    result = cli("instances", "delete", first, "nowhere", "--yes")
    assert result.code == 3
    assert [one["id"] for one in result.json["items"]] == [first]
    assert result.json["failures"]["nowhere"]["code"] == "INSTANCE_NOT_FOUND"
    assert "nowhere: " in result.err
    assert cli("instances", "delete", "nowhere", "--yes").error["code"] == "INSTANCE_NOT_FOUND"
    both = cli("instances", "delete", "nowhere", "nobody", "--yes")
    assert (both.code, both.json["items"]) == (1, [])


def test_actions(cli: Any, cloud: Any) -> None:
    first = f"do-a/{cli('instances', 'list').json['items'][0]['id']}"
    result = cli("instances", "action", first, "power_off", "--wait")
    assert (result.code, result.json["status"]) == (0, "stopped")
    assert (
        "other"
        in cli("instances", "action", first, "rename", "--name", "other", "--wait", "--format", "table").out
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resize",), "resize takes --plan and nothing else"),
        (("rename", "--name", "other", "--plan", "s"), "rename takes --name and nothing else"),
        (("reboot", "--image", "x"), "reboot takes no --plan, --image or --name"),
        (("explode",), "explode"),
    ],
)
def test_actions_that_are_none(cli: Any, cloud: Any, arguments: tuple[str, ...], words: str) -> None:
    result = cli("instances", "action", "do-a/1", *arguments)
    assert result.code == 2
    assert words in result.error["message"]


def test_what_a_provider_refuses_is_no_usage_error(cli: Any, cloud: Any) -> None:
    first = f"do-a/{cli('instances', 'list').json['items'][0]['id']}"
    result = cli("instances", "action", first, "resize", "--plan", "no-such-size")
    assert result.code == 1


def test_a_protected_machine_is_deleted_only_by_force(cli: Any, serve: Any, configure: Any) -> None:
    cloud = serve(seed=1)
    (number,) = cloud.seed_droplets(1, tags=["protected"])
    configure({"do-a": cloud})
    refused = cli("instances", "delete", f"do-a/{number}", "--yes")
    assert (refused.code, refused.error["code"]) == (1, "CONFLICT")
    assert "protected" in refused.error["message"]
    assert len(cli("instances", "list").json["items"]) == 1
    assert cli("instances", "delete", f"do-a/{number}", "--yes", "--force").code == 0
    assert cli("instances", "list").json["items"] == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"max_instances": 2}, "limit of 2"), ({"max_price_per_hour": 0.02}, "limit of 0.02 USD")],
)
@pytest.mark.parametrize("dry", [("--dry-run",), ()], ids=["dry", "real"])
def test_the_configured_limits_refuse_and_a_dry_run_says_so_too(
    cli: Any,
    serve: Any,
    configure: Any,
    made: Callable[[Any], int],
    limits: Any,
    words: str,
    dry: tuple[str, ...],
) -> None:
    cloud = serve(seed=1)
    cloud.seed_droplets(2)
    configure({"do-a": cloud}, limits=limits)
    result = cli("instances", "create", "web", *NEEDS, *dry)
    assert (result.code, result.error["code"]) == (1, "QUOTA_EXCEEDED")
    assert words in result.error["message"]
    assert made(cloud) == 0
