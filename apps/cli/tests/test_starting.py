"""What one does first: a configuration, sandboxes, the demonstration."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from purveyor_cli.story import Story

COMMAND = str(Path(sys.executable).with_name("purveyor"))


def test_init_writes_what_loads(cli: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGITALOCEAN_TOKEN", raising=False)
    result = cli("init", "--format", "table")
    assert (result.code, result.out) == (0, "")
    assert (
        result.err == "Wrote purveyor.yaml. Set DIGITALOCEAN_TOKEN, then try 'purveyor providers validate'.\n"
    )
    listed = cli("providers", "list")
    assert [one["id"] for one in listed.json["items"]] == ["do-ams"]
    lacking = cli("providers", "validate")
    assert lacking.code == 3
    assert "DIGITALOCEAN_TOKEN is not set" in lacking.json["failures"]["do-ams"]["message"]
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "t")
    assert cli("providers", "show", "do-ams").code == 0


def test_init_never_overwrites(cli: Any, home: Path) -> None:
    (home / "purveyor.yaml").write_text("mine", encoding="utf-8")
    result = cli("init")
    assert result.code == 2
    assert "is there already" in result.error["message"]
    assert (home / "purveyor.yaml").read_text() == "mine"
    assert cli("init", "--path", "other.yml").json == {"path": "other.yml"}
    assert cli("init", "--path", "purveyor.toml").code == 2
    assert cli("init", "--path", "no/such/folder.yaml").error["message"].startswith("no/such/folder.yaml: ")


def test_everything_in_the_written_configuration_can_be_switched_on(cli: Any, home: Path) -> None:
    cli("init")
    text = (home / "purveyor.yaml").read_text()
    on = re.sub(r"(?m)^( *)# ( *)(- )?(\w+:)", r"\1\2\3\4", text)
    assert on.count("#") < text.count("#")
    (home / "purveyor.yaml").write_text(on, encoding="utf-8")
    assert [one["id"] for one in cli("providers", "list").json["items"]] == ["do-ams", "akamai"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sandboxes_serve_until_they_are_told_to_stop(cli: Any, home: Path, number: int) -> None:
    line = [COMMAND, "sandbox", "run", "digitalocean", "--ready-file", "ready.json", "--seed", "7"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        document = "".join(iter(serving.stdout.readline, "}\n")) + "}"
        ready = json.loads((home / "ready.json").read_text())
        assert json.loads(document) == ready
        assert set(ready["digitalocean"]) == {"base_url", "token", "control_url"}
        settings = {"token": ready["digitalocean"]["token"], "base_url": ready["digitalocean"]["base_url"]}
        providers = [{"name": "here", "type": "digitalocean", "config": settings}]
        (home / "purveyor.json").write_text(json.dumps({"state": "memory", "providers": providers}))
        assert cli("providers", "health").code == 0
        serving.send_signal(number)
        out, err = serving.communicate()
    assert (serving.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("name", ["dcgm", "digitalocean"])
def test_sandboxes_come_with_a_configuration_to_paste(cli: Any, home: Path, name: str) -> None:
    with subprocess.Popen(
        [COMMAND, "sandbox", "run", name, "--format", "table"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stderr is not None
        assert serving.stderr.readline() == "Serving until Ctrl-C.\n"
        serving.terminate()
        out, _ = serving.communicate()
    table, _, pasted = out.partition("\n\n")
    assert re.match("TYPE +BASE URL", table)
    (home / "purveyor.yaml").write_text(pasted, encoding="utf-8")
    assert [one["id"] for one in cli("providers", "list").json["items"]] == [f"{name}-sandbox"]


def test_without_a_name_every_sandbox_serves_prometheus_among_them(cli: Any, home: Path) -> None:
    with subprocess.Popen(
        [COMMAND, "sandbox", "run", "--ready-file", "ready.json", "--format", "table"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stderr is not None
        serving.stderr.readline()
        ready = json.loads((home / "ready.json").read_text())
        assert set(ready) >= {"digitalocean", "linode", "prometheus"}
        told = ready["prometheus"]
        asked = {"base_url": told["base_url"], "token": told["token"]}
        read = {"targets": [told["node"], told["cadvisor"]], "scrape_pause": 0}
        for settings in (asked, read):
            providers = [{"name": "mon", "type": "prometheus", "config": settings}]
            (home / "purveyor.json").write_text(json.dumps({"state": "memory", "providers": providers}))
            result = cli("metrics")
            assert (result.code, len(result.json["items"])) == (0, 5)
        serving.terminate()
        serving.communicate()


def test_a_sandbox_that_nobody_brings(cli: Any) -> None:
    result = cli("sandbox", "run", "moon")
    assert result.code == 2
    assert "digitalocean" in result.error["message"]


def test_the_demonstration_holds_and_leaves_nothing(cli: Any, home: Path) -> None:
    result = cli("demo")
    assert (result.code, result.err) == (0, "")
    assert "claims held" in result.out
    assert "NOT SO" not in result.out
    assert all(len(line.rstrip()) <= 100 for line in result.out.splitlines())
    assert list(home.iterdir()) == []


def test_the_demonstration_fails_if_a_claim_is_not_so(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Story.claim

    def doubtful(self: Story, text: str, *, held: bool) -> None:
        claim(self, text, held=held and "twice" not in text)

    monkeypatch.setattr(Story, "claim", doubtful)
    result = cli("demo", "--format", "json")
    assert (result.code, result.json["held"]) == (1, False)
    assert [one["held"] for one in result.json["claims"]].count(False) == 1
