"""When the state cannot be written nothing is bought, everything that only looks goes on, and the way out is told."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from purveyor import InstanceSpec, MultiProviderClient, StateUnavailableError, UncertainOutcomeError
from purveyor.client import _surroundings
from purveyor.config import load_configuration
from purveyor.engine.plugins import PluginHost
from purveyor.state import identity
from purveyor.state.store import Store
from purveyor_cli.cli import run
from purveyor_digitalocean.sandbox import DigitalOceanSandbox

SPEC = InstanceSpec(name="web", plan="s-1vcpu-1gb", image="debian-12", region="ams3")
CREATE = ["instances", "create", "web", "--plan", "s-1vcpu-1gb", "--image", "debian-12", "--region", "ams3"]
BOUNDS = {"late_commit_bound": 0, "visibility_grace": 0, "timeout": 2}


@pytest.fixture
async def cloud() -> AsyncIterator[DigitalOceanSandbox]:
    async with DigitalOceanSandbox(seed=1, speed="fast") as cloud:
        yield cloud


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    if folder.is_dir():
        folder.chmod(0o700)  # so that pytest can clear it away


@pytest.fixture
def config(cloud: DigitalOceanSandbox, folder: Path) -> dict[str, Any]:
    account = {"token": cloud.token, "base_url": cloud.base_url, **BOUNDS}
    return {
        "state_dir": str(folder),
        "providers": [{"name": "do", "type": "digitalocean", "config": account}],
    }


def arrivals(cloud: DigitalOceanSandbox) -> int:
    """Creates that have come to the cloud."""
    return sum((entry.method, entry.path) == ("POST", "/v2/droplets") for entry in cloud.log)


@attrs.frozen
class Told:
    code: int | None
    out: str
    err: list[str]


async def purveyor(
    config: dict[str, Any],
    *arguments: str,
    before: Callable[[], None] | None = None,
    through: Sequence[str] = (),
) -> Told:
    """The command, in a process of its own, which is limited by what is done before or by the command that starts it."""
    file = Path(config["state_dir"]).with_name("purveyor.json")
    file.write_text(json.dumps(config), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(
            *through,
            sys.executable,
            "-m",
            "purveyor_cli",
            *arguments,
            "--config",
            str(file),
            "--format",
            "table",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=before,
        env={**os.environ, "COLUMNS": "400"},
    )
    out, err = await process.communicate()
    return Told(process.returncode, out.decode(), err.decode().splitlines())


async def bought_before(config: dict[str, Any], host: str | None = None) -> None:
    """One machine, so that there is a journal; on another host, if that is said."""
    around = _surroundings()
    around = attrs.evolve(around, host=host or around.host)
    async with MultiProviderClient.from_config(config, around=around, health_interval=None) as client:
        await client.provision(attrs.evolve(SPEC, name="first"))


def a_file_is_in_the_way(folder: Path) -> None:
    folder.write_text("not a folder", encoding="utf-8")


def a_folder_is_in_the_files_place(folder: Path) -> None:
    (folder / "state.sqlite3").mkdir(parents=True)


def the_file_is_something_else(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.sqlite3").write_bytes(b"anything but a journal " * 400)


def a_newer_version_wrote_it(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "spoil",
    [
        a_file_is_in_the_way,
        a_folder_is_in_the_files_place,
        the_file_is_something_else,
        a_newer_version_wrote_it,
    ],
    ids=lambda spoil: spoil.__name__,
)
async def test_a_state_that_cannot_be_used(
    spoil: Callable[[Path], None], config: dict[str, Any], folder: Path, cloud: DigitalOceanSandbox
) -> None:
    cloud.seed_droplets(2)
    spoil(folder)
    await refuses_to_buy_and_goes_on_looking(config, cloud, "set state_dir to a folder on a local disk")


async def refuses_to_buy_and_goes_on_looking(
    config: dict[str, Any], cloud: DigitalOceanSandbox, way_out: str, **limits: Any
) -> None:
    sent = arrivals(cloud)
    told = await purveyor(config, *CREATE, **limits)
    assert (told.code, told.out, len(told.err)) == (1, "", 1), told
    assert told.err[0].startswith("error: ")
    assert way_out in told.err[0]
    assert arrivals(cloud) == sent, "refused before anything was sent"
    seen = await purveyor(config, "instances", "list", **limits)
    assert seen.code == 0, seen
    assert seen.out.count("do/") == len(cloud.world.droplets)


def not_almighty() -> Sequence[str]:
    """Starts a command that may not write where it has no permission, even for root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("whoever is root may write everywhere, and there is no setpriv")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def read_only(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o500 if path.is_dir() else 0o400)


async def test_a_folder_that_is_read_only(
    config: dict[str, Any], folder: Path, cloud: DigitalOceanSandbox
) -> None:
    cloud.seed_droplets(2)
    read_only(folder)
    await refuses_to_buy_and_goes_on_looking(config, cloud, "that you may write to", through=not_almighty())


async def test_a_folder_that_has_become_read_only(
    config: dict[str, Any], folder: Path, cloud: DigitalOceanSandbox
) -> None:
    await bought_before(config)
    read_only(folder)
    await refuses_to_buy_and_goes_on_looking(config, cloud, "that you may write to", through=not_almighty())


def the_disk_is_full() -> None:
    """No file may grow any more; like a full disk this is an error of the write, and not of opening."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


async def test_a_full_disk(config: dict[str, Any], cloud: DigitalOceanSandbox) -> None:
    await bought_before(config)
    await refuses_to_buy_and_goes_on_looking(config, cloud, "set state_dir", before=the_disk_is_full)
    assert (await purveyor(config, *CREATE)).code == 0, "there is room again"


async def test_a_journal_from_another_host(config: dict[str, Any], cloud: DigitalOceanSandbox) -> None:
    await bought_before(config, host="elsewhere")
    await refuses_to_buy_and_goes_on_looking(config, cloud, "'purveyor intents claim'")
    assert (await purveyor(config, "intents", "claim", "--yes")).code == 0
    assert (await purveyor(config, *CREATE)).code == 0, "the way out is one"


async def test_a_network_file_system(
    config: dict[str, Any],
    cloud: DigitalOceanSandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud.seed_droplets(2)
    monkeypatch.setattr(identity, "network_file_system", lambda _: "nfs4")
    file = Path(config["state_dir"]).with_name("purveyor.json")
    file.write_text(json.dumps(config), encoding="utf-8")
    asked = ("--config", str(file), "--format", "table")
    assert await asyncio.to_thread(run, (*CREATE, *asked)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "network file system (nfs4)" in line
    assert "local disk" in line
    assert arrivals(cloud) == 0
    assert await asyncio.to_thread(run, ("instances", "list", *asked)) == 0
    assert capsys.readouterr().out.count("do/") == 2


LOCKING = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
print("ready", flush=True)
sys.stdin.readline()
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


async def locker(folder: Path) -> asyncio.subprocess.Process:
    """A process that is ready to take the journal into a transaction."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOCKING, str(folder / "state.sqlite3")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    return process


async def lock(process: asyncio.subprocess.Process) -> None:
    """From now on nobody else can write, until the process dies."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"now\n")
    assert await process.stdout.readline() == b"locked\n"


def impatient(config: dict[str, Any], folder: Path) -> MultiProviderClient:
    """A client that waits less long for others than usual."""
    folder.mkdir(exist_ok=True)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            folder / "state.sqlite3", timeout=0.1, isolation_level=None, check_same_thread=False
        )

    plugins = PluginHost()
    return MultiProviderClient(
        load_configuration(config, plugins),
        plugins=plugins,
        store=Store(folder, connect=connect),
        health_interval=None,
    )


async def test_a_journal_that_another_process_does_not_let_go(
    config: dict[str, Any], folder: Path, cloud: DigitalOceanSandbox
) -> None:
    await bought_before(config)
    other = await locker(folder)
    async with impatient(config, folder) as client:
        await lock(other)
        with pytest.raises(StateUnavailableError, match=r"locked.*set state_dir"):
            await client.provision(SPEC)
        assert arrivals(cloud) == 1, "only the one from before"
        assert len((await client.list_instances().collect()).items) == 1
        assert len(await client.list_intents()) == 1
        other.kill()
        await other.communicate()
        assert (await client.provision(SPEC)).complete, "who is dead locks nothing"


async def test_a_machine_whose_making_cannot_be_written_down_is_returned_with_a_warning(
    config: dict[str, Any], folder: Path, cloud: DigitalOceanSandbox
) -> None:
    await bought_before(config)
    cloud.fault("latency", method="POST", path="/v2/droplets", seconds=0.5)
    other = await locker(folder)
    async with impatient(config, folder) as client:
        buying = asyncio.create_task(client.provision(SPEC, key="once"))
        while arrivals(cloud) < 2:  # noqa: ASYNC110 - the log is no event
            await asyncio.sleep(0.01)
        await lock(other)
        made = await buying
        assert [int(made.instance.id)] == list(cloud.world.droplets)[1:]
        assert any("could not be written" in warning for warning in made.warnings)
        other.kill()
        await other.communicate()
    async with MultiProviderClient.from_config(config, health_interval=None) as client:
        assert (await client.provision(SPEC, key="once")).instance.id == made.instance.id
    assert arrivals(cloud) == 2


BUYING = """
import asyncio, json, sys
from purveyor import InstanceSpec, MultiProviderClient
async def main(config, spec):
    async with MultiProviderClient.from_config(config, health_interval=None) as client:
        await client.provision(InstanceSpec(**spec), key="once")
asyncio.run(main(*json.load(sys.stdin)))
"""


async def test_whoever_is_alive_keeps_its_intent_and_kill_9_leaves_no_lock(
    config: dict[str, Any], cloud: DigitalOceanSandbox
) -> None:
    cloud.fault("hang", method="POST", path="/v2/droplets")
    account = config["providers"][0]["config"]
    patient = {**config, "providers": [{**config["providers"][0], "config": {**account, "timeout": 600}}]}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", BUYING, stdin=asyncio.subprocess.PIPE)
    assert child.stdin
    spec = {"name": SPEC.name, "plan": SPEC.plan, "image": SPEC.image, "region": SPEC.region}
    child.stdin.write(json.dumps([patient, spec]).encode())
    child.stdin.write_eof()
    while not arrivals(cloud):  # noqa: ASYNC110 - the log is no event
        await asyncio.sleep(0.01)
    async with MultiProviderClient.from_config(config, health_interval=None) as client:
        with pytest.raises(UncertainOutcomeError, match="another process works on this key"):
            await client.provision(SPEC, key="once", deadline=0.5)
        child.kill()
        await child.wait()
        assert (await client.provision(SPEC, key="once")).complete
    assert arrivals(cloud) == 2
    assert len(cloud.world.droplets) == 1
