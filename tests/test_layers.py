"""The import table of docs/architecture.md, held by reading the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src" / "purveyor"

MAY_IMPORT = {
    "model": {"msgspec"},
    "spi": {"model"},
    "policy": {"model", "spi"},
    "state": {"model", "spi", "policy"},
    "wire": {"model", "spi", "policy"},
    "engine": {"model", "spi", "policy", "state"},
    "plugin": {"model", "spi"},
    "config": {"model", "spi", "policy", "state", "engine"},
    "_door": {"model", "engine"},
    "_viewed": {"model", "spi", "engine", "_door"},
    "_intended": {"model", "state", "engine", "_door", "_viewed"},
    "_deployed": {"model", "spi", "engine", "_door"},
    "_blocking": {"model", "spi", "engine"},
    "client": {"model", "spi", "policy", "state", "engine", "config", "_door", "_intended", "_deployed"},
    "sync": {"model", "spi", "policy", "state", "engine", "config", "client", "_blocking", "_door"},
}
OUTSIDE = {"aiohttp", "cattrs", "httpx", "msgspec", "pluggy", "platformdirs", "sqlite3", "stamina", "yaml"}
MAY_USE = {
    "model": {"msgspec"},
    "spi": {"pluggy"},
    "policy": set(),
    "state": {"msgspec", "sqlite3"},
    "wire": {"aiohttp", "httpx"},
    "engine": {"cattrs", "pluggy", "stamina"},
    "config": {"cattrs", "yaml", "platformdirs"},
}


def _type_checking_only(tree: ast.Module) -> set[ast.AST]:
    return {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }


def imports(path: Path) -> list[str]:
    """Every module that a file imports when it runs, wherever the import stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = _type_checking_only(tree)
    found: list[str] = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.append(node.module or "")
    return found


def room(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


CORE_FILES = sorted(path for path in CORE.rglob("*.py") if room(path) != "__init__")


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_each_room_imports_only_what_the_table_allows(path: Path) -> None:
    here = room(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "purveyor" and len(parts) > 1 and parts[1] != here:
            assert parts[1] in MAY_IMPORT[here], f"{here} imports {name}"
        if parts[0] in OUTSIDE:
            assert parts[0] in MAY_USE.get(here, set()), f"{here} uses {parts[0]}"


def test_every_room_of_the_core_is_in_the_table() -> None:
    assert {room(path) for path in CORE_FILES} == set(MAY_IMPORT)


def test_only_one_file_knows_stamina() -> None:
    users = {str(path.relative_to(CORE)) for path in CORE.rglob("*.py") if "stamina" in imports(path)}
    assert users == {"engine/retry.py"}


def test_only_the_engine_drives_pluggy() -> None:
    users = {str(path.relative_to(CORE)) for path in CORE.rglob("*.py") if "pluggy" in imports(path)}
    assert users == {"engine/plugins.py", "spi/hookspecs.py"}


def test_there_are_no_import_cycles() -> None:
    def module(path: Path) -> str:
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    graph = {module(path): [n for n in imports(path) if n.startswith("purveyor.")] for path in CORE_FILES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in graph.get(name, ()):
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def package_of(folder: Path) -> Path:
    return next(path for path in (folder / "src").iterdir() if path.name.startswith("purveyor"))


DOORS_OF_OTHERS = {"purveyor_dcgm": ("purveyor_prometheus", "purveyor_prometheus.sources")}
"""The one plugin that stands on another one, and by which doors; docs/architecture.md says why."""


@pytest.mark.parametrize("folder", sorted((ROOT / "plugins").iterdir()), ids=lambda folder: folder.name)
def test_plugins_import_the_plugin_door_the_wire_and_nothing_else_of_ours(folder: Path) -> None:
    package = package_of(folder)
    for path in package.rglob("*.py"):
        in_sandbox = "sandbox" in path.relative_to(package).parts or path.name == "sandbox.py"
        for name in imports(path):
            if name.split(".")[0] == package.name or not name.startswith("purveyor"):
                continue
            if not in_sandbox and name in DOORS_OF_OTHERS.get(package.name, ()):
                continue
            allowed = ("purveyor_testing",) if in_sandbox else ("purveyor.plugin", "purveyor.wire")
            assert name.startswith(allowed), f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", ["core/src/purveyor", "plugins", "apps", "testing/src"])
def test_the_clock_and_chance_come_from_outside(package: str) -> None:
    """Only the places that hand out the real clock and the real chance may touch them."""
    givers = {
        "core/src/purveyor/client.py",  # the real chance and ids
        "core/src/purveyor/spi/call.py",  # the real clock
        "core/src/purveyor/policy/selection.py",  # a generator made from a seed that is passed in
    }
    for path in (
        (ROOT / package).rglob("src/**/*.py")
        if package in {"plugins", "apps"}
        else (ROOT / package).rglob("*.py")
    ):
        where = str(path.relative_to(ROOT))
        if where in givers or "sandbox" in where or where.startswith(("testing", "apps")):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {
                    "time.time",
                    "time.monotonic",
                    "datetime.now",
                    "datetime.utcnow",
                    "random.random",
                    "random.Random",
                    "uuid.uuid4",
                    "secrets.token_hex",
                }, f"{where}:{node.lineno} calls {called}"
