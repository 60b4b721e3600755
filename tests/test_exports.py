"""What each package offers is what it says that it offers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import purveyor

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src"


def modules_with_all() -> list[str]:
    found = []
    for path in CORE.rglob("*.py"):
        if "__all__" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(CORE).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(found)


def test_the_top_level_offers_the_client_and_the_whole_model_sorted() -> None:
    model = {
        name
        for path in (CORE / "purveyor" / "model").glob("*.py")
        for name in getattr(importlib.import_module(f"purveyor.model.{path.stem}"), "__all__", ())
    }
    for_plugins = {"Facts", "calendar_month", "in_utc"}  # purveyor.plugin has them
    assert set(purveyor.__all__) == (model - for_plugins) | {"MultiProviderClient"}
    assert purveyor.__all__ == sorted(purveyor.__all__)
    assert all(getattr(purveyor, name) is not None for name in purveyor.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="Lamp"):
        purveyor.Lamp  # noqa: B018


@pytest.mark.parametrize("name", modules_with_all())
def test_all_is_sorted_and_every_name_in_it_exists(name: str) -> None:
    module = importlib.import_module(name)
    listed = list(module.__all__)
    assert len(set(listed)) == len(listed)
    assert all(hasattr(module, one) for one in listed)


@pytest.mark.parametrize(
    "path",
    sorted(
        path for path in (CORE / "purveyor").rglob("*.py") if "__all__" in path.read_text(encoding="utf-8")
    ),
    ids=lambda path: str(path.relative_to(CORE)),
)
def test_every_public_class_and_function_of_a_module_is_in_all(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    }
    assigned = next(
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
    )
    listed = set(ast.literal_eval(assigned.value))
    assert defined <= listed


def test_importing_purveyor_pulls_in_no_http_client_and_no_engine() -> None:
    heavy = ["aiohttp", "httpx", "cattrs", "pluggy", "stamina", "sqlite3", "yaml", "asyncio"]
    code = f"import sys, purveyor; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "plugin",
    [
        "purveyor_dcgm",
        "purveyor_digitalocean",
        "purveyor_linode",
        "purveyor_observer",
        "purveyor_prometheus",
        "purveyor_virtengine",
    ],
)
def test_importing_a_plugin_entry_pulls_in_no_http_client(plugin: str) -> None:
    heavy = ["aiohttp", "httpx", "msgspec", "cattrs"]
    code = f"import sys, {plugin}._plugin; print([n for n in {heavy} if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "package",
    [
        "purveyor",
        "purveyor_cli",
        "purveyor_dcgm",
        "purveyor_digitalocean",
        "purveyor_linode",
        "purveyor_observer",
        "purveyor_prometheus",
        "purveyor_testing",
        "purveyor_virtengine",
    ],
)
def test_every_package_ships_its_types(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert (Path(module.__file__).parent / "py.typed").is_file()
