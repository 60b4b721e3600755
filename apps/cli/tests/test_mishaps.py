"""Whatever goes wrong: one line or one object, the right exit code, and never a secret or a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from purveyor import MultiProviderClient

COMMAND = Path(sys.executable).with_name("purveyor")
GOOD = "providers: [{name: do-a, type: digitalocean, config: {token: env:T}}]\n"

CONFIGURATIONS = [
    ("- a list", "mapping"),
    ("providers: [", "cannot be parsed"),
    ("provider_list: []", "no setting is called 'provider_list'"),
    ("providers: [{name: do-a, type: digitalozean, config: {token: t}}]", "did you mean 'digitalocean'?"),
    ("providers: [{name: do-a, type: moon}]", "pip install purveyor-moon"),
    ("providers: [{name: do-a, type: digitalocean, config: {}}]", "providers[0].config.token: is missing"),
    (
        "providers: [{name: do-a, type: digitalocean, config: {token: t, regoin: x}}]",
        "did you mean 'region'?",
    ),
    ("providers: [{name: do-a, type: digitalocean, config: {token: '${NOT_SET}'}}]", "NOT_SET is not set"),
    (
        "providers: [{name: do-a, type: digitalocean, weight: heavy, config: {token: t}}]",
        "providers[0].weight",
    ),
    ("selection_policy: best\n" + GOOD, "no strategy is called 'best'"),
]


@pytest.mark.parametrize(("text", "words"), CONFIGURATIONS, ids=[words for _, words in CONFIGURATIONS])
def test_a_mistake_in_the_configuration(cli: Any, home: Path, text: str, words: str) -> None:
    (home / "purveyor.yaml").write_text(text, encoding="utf-8")
    result = cli("instances", "list")
    assert (result.code, result.error["code"]) == (2, "CONFIGURATION_ERROR")
    assert words in result.error["message"]
    told = cli("instances", "list", "--format", "table")
    assert (told.code, told.out) == (2, "")
    assert words in told.err


def test_all_mistakes_are_told_at_once(cli: Any, home: Path) -> None:
    (home / "purveyor.yaml").write_text(
        "selection_policy: best\nproviders: [{name: x, type: moon}]\n", encoding="utf-8"
    )
    told = cli("plans", "--format", "table").err.splitlines()
    assert told[0] == "error: 2 mistakes in purveyor.yaml:"
    assert [line.split(":")[0].strip() for line in told[1:]] == ["providers[0].type", "selection_policy"]
    assert len(cli("plans").error["details"]["mistakes"]) == 2


def test_no_configuration_at_all(cli: Any) -> None:
    assert "'purveyor init' writes one" in cli("plans").error["message"]
    assert cli("plans", "--config", "nowhere.yaml").code == 2


def test_nobody_is_enabled(cli: Any, home: Path) -> None:
    (home / "purveyor.yaml").write_text(
        "state: memory\nproviders: [{name: do-a, type: digitalocean, enabled: false}]\n", encoding="utf-8"
    )
    result = cli("plans")
    assert (result.code, result.error["code"]) == (2, "NO_ENABLED_PROVIDERS")
    assert cli("instances", "list", "--provider", "do-a").error["code"] == "PROVIDER_INACTIVE"


def test_a_provider_that_is_not_configured(cli: Any, cloud: Any) -> None:
    result = cli("plans", "--provider", "x")
    assert result.code == 2
    assert result.json == {
        "error": {
            "code": "PROVIDER_NOT_FOUND",
            "message": "no provider is called 'x'; configured are do-a",
            "details": {"requested_provider": "x", "available_providers": ["do-a"]},
        }
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("plans", "--frmat", "json"),
        ("instances", "lst"),
        ("instances", "show"),
        ("--deadline", "-1", "plans"),
    ],
)
def test_usage_errors_are_one_line_with_a_way_out(cli: Any, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).error["code"] == "VALIDATION_ERROR"
    result = cli(*arguments, "--format=table")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert "--help" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("where", ["before", "after"])
def test_global_options_go_before_or_after_the_command(cli: Any, cloud: Any, where: str) -> None:
    line = ["--format", "table", "--quiet", "--deadline", "30", "--config", "purveyor.yaml"]
    command = ["providers", "list"]
    result = cli(*([*line, *command] if where == "before" else [*command, *line]))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("PROVIDER")


@pytest.mark.parametrize(
    "line", [(), ("instances",), ("--help",), ("instances", "create", "-h"), ("costs", "--help")]
)
def test_help(cli: Any, line: tuple[str, ...]) -> None:
    result = cli(*line)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Usage: purveyor")
    assert "Global options:" in result.out


def test_a_bug_is_one_line(cli: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr(MultiProviderClient, "list_plans", broken)
    result = cli("plans")
    assert (result.code, result.error["code"], result.err) == (1, "UNKNOWN_ERROR", "")
    assert "canary" not in result.out
    monkeypatch.setenv("PURVEYOR_DEBUG", "1")
    assert "Traceback" in cli("plans").err


def test_ctrl_c_is_one_line(cli: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MultiProviderClient, "list_plans", interrupted)
    result = cli("plans", "--format", "table")
    assert (result.code, result.out) == (130, "")
    assert result.err == "error: interrupted\n"


def test_ctrl_c_tells_what_was_made_already(
    serve: Callable[..., Any], configure: Callable[..., Any], made: Callable[[Any], int]
) -> None:
    cloud = serve(boot_seconds=1e9)
    configure({"do-a": cloud})
    line = ("instances", "create", "web", "--plan", "s-1vcpu-1gb", "--image", "debian-12", "--wait", "-v")
    with subprocess.Popen([COMMAND, *line], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        bare = next(said.split()[-1] for said in iter(process.stderr.readline, "") if "its id is" in said)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130
    assert f"do-a/{bare} was made; --key " in err
    assert made(cloud) == 1


def test_a_reader_that_leaves_early_is_no_error(cloud: Any) -> None:
    process = subprocess.Popen([COMMAND, "plans"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as err:
        assert err.read() == b""
    process.wait()


def test_no_secret_is_ever_said(
    cli: Any, pair: Any, configure: Any, token: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PURVEYOR_DEBUG", "1")
    wrong = "dop_v1_another_canary"
    configure(dict(zip(("do-a", "do-b"), pair, strict=True)), tokens={"do-b": wrong})
    (home / "data").write_text("password: canary-in-user-data\n", encoding="utf-8")
    pair[0].fault("reset_after", method="POST", path="/v2/droplets")
    pair[0].fault("garbage", method="GET", path="/v2/regions")
    create = (
        "instances",
        "create",
        "web",
        "--plan",
        "s-1vcpu-1gb",
        "--image",
        "debian-12",
        "--user-data",
        "data",
    )
    said = ""
    for command in (
        *(("providers", what) for what in ("list", "health", "validate")),
        *((what,) for what in ("plans", "regions", "images", "apps", "costs", "plugins")),
        ("explain", *create[2:]),
        create,
        create,
        ("instances", "list", "--raw"),
        ("instances", "show", "nothing"),
    ):
        for form in ("table", "json"):
            result = cli(*command, "-vv", "--format", "json" if "--raw" in command else form)
            said += result.out + result.err
    assert "do-a" in said
    for secret in (token, wrong, "canary"):
        assert secret not in said


def test_verbose_tells_more(cli: Any, cloud: Any) -> None:
    create = ("instances", "create", "web", "--plan", "s-1vcpu-1gb", "--image", "debian-12")
    assert cli(*create).err == ""
    assert "info: do-a: creating web" in cli(*create, "-v").err


# Whole processes


@pytest.fixture
def broken_plugin(home: Path) -> dict[str, str]:
    """An environment with a plugin that cannot be imported."""
    info = home / "site" / "purveyor_moon-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: purveyor-moon\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[purveyor]\nmoon = purveyor_moon\n", encoding="utf-8")
    (home / "site" / "purveyor_moon.py").write_text("raise SystemExit('crash landing')\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(home / "site")}


def process(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, **how)


def test_the_version_needs_nothing_to_work(broken_plugin: dict[str, str], home: Path) -> None:
    (home / "purveyor.yaml").write_text("- no configuration", encoding="utf-8")
    for line in (["--version"], ["plans", "--version"], ["--quiet", "--version"]):
        done = process(*line, env=broken_plugin)
        assert (done.returncode, done.stdout, done.stderr) == (0, "purveyor 0.1.0\n", "")


def test_the_version_loads_nothing_that_is_slow() -> None:
    code = (
        "import sys; sys.argv = ['purveyor', '--version']; from purveyor_cli.__main__ import main; main();"
        "print([name for name in ('click', 'rich', 'attrs', 'asyncio', 'purveyor') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_broken_plugin_is_named_and_takes_nobody_along(broken_plugin: dict[str, str]) -> None:
    done = process("plugins", env=broken_plugin)
    assert done.returncode == 0
    states = {one["name"]: one for one in json.loads(done.stdout)["items"]}
    assert states["digitalocean"]["state"] == "loaded"
    assert states["moon"]["state"] == "failed"
    assert "purveyor-moon 0.1" in states["moon"]["error"]["message"]
    table = process("plugins", "--format", "table", env=broken_plugin)
    assert table.returncode == 0
    assert "warning: plugin 'moon' of purveyor-moon 0.1 cannot be used" in table.stderr


def test_stdout_without_unicode_gets_something_readable(cloud: Any) -> None:
    done = process("instances", "list", "--format", "table", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "2 machines ? $" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_offered_completion(shell: str) -> None:
    done = process(env={**os.environ, "_PURVEYOR_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0
    assert "_purveyor_completion" in done.stdout
    words = {"COMP_WORDS": "purveyor instances ", "COMP_CWORD": "" if shell == "fish" else "2"}
    offered = process(env={**os.environ, **words, "_PURVEYOR_COMPLETE": f"{shell}_complete"})
    assert "create" in offered.stdout


def test_the_module_runs_too() -> None:
    done: Callable[..., Any] = subprocess.run
    assert (
        "Usage"
        in done([sys.executable, "-m", "purveyor_cli"], capture_output=True, text=True, check=True).stdout
    )
