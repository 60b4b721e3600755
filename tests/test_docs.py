"""Every code sample of the README and the docs runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import click
import pytest
import yaml

from purveyor.config import load_configuration
from purveyor.engine.plugins import PluginHost
from purveyor.policy.selection import STRATEGIES
from purveyor.spi.call import CommonSettings
from purveyor_cli.cli import cli
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_linode.sandbox import LinodeSandbox
from purveyor_testing.conformance import ProviderConformance
from purveyor_testing.sandbox import FAULTS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [
    path
    for path in sorted(ROOT.glob("*/README.md")) + sorted(ROOT.glob("*/*/README.md"))
    if ".venv" not in path.parts
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOKENS = {"DIGITALOCEAN_TOKEN": "dop_v1_sandbox", "LINODE_TOKEN": "sandbox"}
NOT_HERE = (
    "git clone",
    "pip install",
    "make ",
    "purveyor sandbox run",
    "purveyor demo",
    "export ",
    "eval ",
    "_PURVEYOR",
)
"""Commands that other tests run, or that would change the machine."""


def samples(language: str) -> list[object]:
    return list(_samples(language))


def _samples(language: str) -> Iterator[object]:
    for page in PAGES:
        for number, (its, code) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if its == language:
                yield pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")


async def run(cwd: Path, *command: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PURVEYOR")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environ | {"XDG_STATE_HOME": str(cwd / "state"), **TOKENS},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{shlex.join(command)}\n{out.decode()}\n{err.decode()}"
    return out.decode()


@asynccontextmanager
async def clouds(folder: Path) -> AsyncIterator[None]:
    """The README's configuration in a folder, pointed at sandboxes."""
    (code,) = (
        code
        for language, code in BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
        if language == "yaml"
    )
    document = yaml.safe_load(code)
    async with (
        DigitalOceanSandbox(token=TOKENS["DIGITALOCEAN_TOKEN"]) as ocean,
        LinodeSandbox(token=TOKENS["LINODE_TOKEN"]) as akamai,
    ):
        for provider in document["providers"]:
            cloud = ocean if provider["type"] == "digitalocean" else akamai
            provider["config"]["base_url"] = cloud.base_url
        (folder / "purveyor.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        yield


@pytest.mark.parametrize("code", samples("python"))
async def test_python_samples_run(code: str, tmp_path: Path) -> None:
    async with clouds(tmp_path):
        (tmp_path / "sample.py").write_text(code, encoding="utf-8")
        await run(tmp_path, sys.executable, "sample.py")


@pytest.mark.parametrize("code", samples("console"))
async def test_commands_run(code: str, tmp_path: Path) -> None:
    commands = [
        line.removeprefix("$ ").partition("  #")[0] for line in code.splitlines() if line.startswith("$ ")
    ]
    assert commands
    async with clouds(tmp_path):
        for command in commands:
            if command.startswith(NOT_HERE):
                continue
            words = shlex.split(command)
            assert words[0] == "purveyor", command
            if words[1:] == ["init"]:  # the reader has no file yet; here the README's is in its place
                words += ["--path", "fresh.yaml"]
            await run(tmp_path, str(Path(sys.executable).parent / "purveyor"), *words[1:])


@pytest.mark.parametrize("code", samples("yaml"))
def test_yaml_samples_are_valid_configurations(code: str) -> None:
    assert load_configuration(yaml.safe_load(code), PluginHost()).providers


@pytest.mark.parametrize("code", samples("toml"))
def test_toml_samples_parse_and_configurations_among_them_are_valid(code: str) -> None:
    document = tomllib.loads(code)
    if "providers" in document:
        assert load_configuration(document, PluginHost()).providers


@pytest.mark.parametrize("code", samples("json"))
def test_json_samples_parse(code: str) -> None:
    assert json.loads(code)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"


def test_every_strategy_and_every_fault_is_documented() -> None:
    selection = (ROOT / "docs" / "selection.md").read_text(encoding="utf-8")
    assert {name for name in STRATEGIES if f"| `{name}` |" not in selection} == set()
    sandboxes = (ROOT / "docs" / "sandboxes.md").read_text(encoding="utf-8")
    assert {name for name in FAULTS if f"`{name}`" not in sandboxes} == set()


def test_every_conformance_scenario_is_documented_under_its_number() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^   - (\d\.\d) ", page, re.MULTILINE))
    tested = {".".join(name.split("_")[1:3]) for name in dir(ProviderConformance) if name.startswith("test_")}
    assert documented == tested


PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").iterdir())


@pytest.mark.parametrize("page", ["README.md", "docs/configuration.md"])
def test_every_plugin_is_listed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [name for name in PLUGINS if f"plugins/{name}/README.md" not in text] == []


def test_every_sandbox_is_listed() -> None:
    text = (ROOT / "docs" / "sandboxes.md").read_text(encoding="utf-8")
    types = [one.name for one in PluginHost().listing(load=True) if one.sandbox]
    assert types
    assert [name for name in types if f"`{name}`" not in text] == []


def commands(group: click.Group, above: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield above + name


def test_every_command_is_listed() -> None:
    text = (ROOT / "apps" / "cli" / "README.md").read_text(encoding="utf-8")
    known = list(commands(cli))
    assert "instances create" in known
    assert [name for name in known if f"`{name}" not in text] == []


def test_every_setting_of_all_types_is_listed() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [one.name for one in attrs.fields(CommonSettings) if f"`{one.name}`" not in text] == []


@pytest.mark.parametrize("name", [one for one in PLUGINS if one != "observer"])  # which has none
def test_every_setting_of_a_type_is_listed_on_its_page(name: str) -> None:
    text = (ROOT / "plugins" / name / "README.md").read_text(encoding="utf-8")
    config = PluginHost().provider_type(name).config_type
    assert config is not None
    assert [one.name for one in attrs.fields(config) if f"`{one.name}`" not in text] == []
