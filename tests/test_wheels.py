"""All wheels install into an empty environment and work there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("*/pyproject.toml")) + sorted(
    path.parent for path in ROOT.glob("*/*/pyproject.toml") if ".venv" not in path.parts
)
UV = Path(sys.executable).parent / "uv"


def run(*command: str | Path, **options: object) -> str:
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )  # type: ignore[call-overload]
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    for package in PACKAGES:
        run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, package)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with nothing but the wheels and what they ask for."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    run(
        UV, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt", *wheels
    )
    return python


def test_there_is_one_wheel_for_each_package(wheels: list[Path]) -> None:
    assert len(wheels) == len(PACKAGES) >= 4


def test_each_wheel_holds_its_types_and_nothing_from_the_tests(wheels: list[Path]) -> None:
    for wheel in wheels:
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith("/py.typed") for name in names), wheel.name
        assert not [name for name in names if "test_" in name or name.startswith("tests")], wheel.name


def test_the_command_says_its_version_and_finds_the_plugin(python: Path) -> None:
    command = python.parent / "purveyor"
    assert run(command, "--version").strip().endswith("0.1.0")
    plugins = json.loads(run(command, "plugins", "--format", "json"))
    assert [(one["name"], one["state"]) for one in plugins["items"]] == [
        ("dcgm", "loaded"),
        ("digitalocean", "loaded"),
        ("linode", "loaded"),
        ("observer", "loaded"),
        ("prometheus", "loaded"),
        ("virtengine", "loaded"),
    ]


def test_a_program_lists_machines_of_a_sandbox(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import asyncio
from purveyor import MultiProviderClient
from purveyor_digitalocean.sandbox import DigitalOceanSandbox

async def main():
    async with DigitalOceanSandbox(seed=1) as cloud:
        config = {"state": "memory", "providers": [{"name": "do", "type": "digitalocean",
                  "config": {"token": cloud.token, "base_url": cloud.base_url}}]}
        async with MultiProviderClient.from_config(config) as client:
            view = await client.list_plans().collect()
            assert view.complete and view.items, view
            print(len(view.items))

asyncio.run(main())
""",
        encoding="utf-8",
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    assert int(run(python, program, cwd=tmp_path, env=environ)) > 5
