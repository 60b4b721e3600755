"""The command against real sandboxes on loopback, which serve from a thread of their own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from purveyor_cli.cli import run
from purveyor_digitalocean.sandbox import DigitalOceanSandbox

TOKEN = "dop_v1_canary_never_to_be_seen"


@attrs.frozen
class Result:
    """What came of one run of the command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return self.json["error"]


Cli = Callable[..., Result]


@pytest.fixture
def serving() -> Iterator[Callable[[Any], Any]]:
    """Starts sandboxes, which then serve from a thread; all of them end with the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[Any] = []

    def start(cloud: Any) -> Any:
        asyncio.run_coroutine_threadsafe(cloud.start(), loop).result()
        started.append(cloud)
        return cloud

    yield start
    for cloud in started:
        asyncio.run_coroutine_threadsafe(cloud.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def serve(serving: Callable[[Any], Any]) -> Callable[..., DigitalOceanSandbox]:
    """Starts sandboxes of one kind."""
    return lambda **how: serving(DigitalOceanSandbox(**{"token": TOKEN, **how}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; nothing of the machine's own configuration is seen."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "PURVEYOR_CONFIG",
        "PURVEYOR_DEBUG",
        "PURVEYOR_PLUGINS",
        "PURVEYOR_DISABLE_PLUGINS",
        "NO_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def configure(home: Path) -> Callable[..., Path]:
    """Writes purveyor.yaml: ``configure({"do-a": cloud, …}, selection_policy=…)``."""

    def write(
        clouds: dict[str, DigitalOceanSandbox], tokens: dict[str, str] | None = None, **top: Any
    ) -> Path:
        providers = [
            {
                "name": name,
                "type": "digitalocean",
                "config": {"token": (tokens or {}).get(name, TOKEN), "base_url": cloud.base_url},
            }
            for name, cloud in clouds.items()
        ]
        path = home / "purveyor.yaml"
        path.write_text(json.dumps({"providers": providers, **top}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs the command in this process. Its streams are no terminals, so it speaks JSON unless told otherwise."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture
def cloud(serve: Callable[..., DigitalOceanSandbox], configure: Callable[..., Path]) -> DigitalOceanSandbox:
    """One account, called do-a, with two machines."""
    one = serve(seed=1)
    one.seed_droplets(2, tags=["blue"])
    configure({"do-a": one})
    return one


@pytest.fixture
def pair(
    serve: Callable[..., DigitalOceanSandbox], configure: Callable[..., Path]
) -> tuple[DigitalOceanSandbox, DigitalOceanSandbox]:
    """Two accounts, do-a and do-b, in this order of priority."""
    one, other = serve(seed=1), serve(seed=2)
    configure({"do-a": one, "do-b": other}, selection_policy="priority")
    return one, other


@pytest.fixture
def made() -> Callable[[DigitalOceanSandbox], int]:
    """How many machines a cloud truly made on request."""

    def count(cloud: DigitalOceanSandbox) -> int:
        effects = [effect for entry in cloud.log for effect in entry.effects]
        return sum((effect.kind, effect.type) == ("created", "droplet") for effect in effects)

    return count


@pytest.fixture
def token() -> str:
    """Of every sandbox here; nobody may ever see it."""
    return TOKEN
