"""What it costs to buy exactly once, on disk and in memory.

Run it alone: ``python benchmarks/journal.py``. The same plugin makes machines at a sandbox, in turns: bare, by its own
method through the gate; and through ``provision``, which writes down what it buys, without a caller's key and with one. A disk sync is measured in the same
run and the same folder, and where there is strace, syncs are counted. What choosing takes, which is no part of the
journal, is measured beside. Then a process of its own holds 1,000 requests in flight, and its peak memory is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from _servers import playing, unlimited

from purveyor import InstanceSpec, MultiProviderClient
from purveyor.engine.choosing import Wish
from purveyor.spi.call import Call, Effect, Mark
from purveyor.spi.facets import CreateRequest
from purveyor_digitalocean.sandbox import DigitalOceanSandbox

SYNCS, OVER_MS = 2, 1.0
IN_FLIGHT, MIB = 1_000, 200
PLAN, IMAGE, REGION = "s-1vcpu-1gb", "debian-12-x64", "ams3"
_NUMBER = itertools.count()


def configured(cloud: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """One account, and a state folder on the disk."""
    account = {"token": cloud["token"], "base_url": cloud["base_url"]}
    return {
        "state_dir": str(folder),
        "providers": [{"name": "do", "type": "digitalocean", "config": account}],
    }


def spec() -> InstanceSpec:
    """A request that nobody has made yet."""
    return InstanceSpec(name=f"web-{os.getpid()}-{next(_NUMBER)}", plan=PLAN, image=IMAGE, region=REGION)


async def bare(client: MultiProviderClient) -> None:
    """The plugin's create, through the gate as ever, and nothing else."""
    member = client._registry.get("do")  # noqa: SLF001 - the parts of what the client does
    compute, name = await member.compute(), spec().name

    async def work(call: Call) -> object:
        return await compute.create_instance(
            CreateRequest(
                name=name,
                plan=PLAN,
                image=IMAGE,
                region=REGION,
                ssh_keys=(),
                user_data=None,
                tags=frozenset(),
                extra={},
            ),
            call,
        )

    deadline = asyncio.get_running_loop().time() + 60
    mark = Mark("bench12345", f"{next(_NUMBER):016}")
    await member.gate.call("create_instance", Effect.ONCE, work, deadline=deadline, mark=mark)


async def journaled(client: MultiProviderClient) -> None:
    """The whole request."""
    assert (await client.provision(spec())).complete


async def keyed(client: MultiProviderClient) -> None:
    """The whole request, under a key that somebody else may use at the same time."""
    one = spec()
    assert (await client.provision(one, key=one.name)).complete


async def choosing(client: MultiProviderClient) -> None:
    """What a request does before there is anything to write down."""
    deadline = asyncio.get_running_loop().time() + 60
    chooser = client._chooser  # noqa: SLF001 - likewise
    await chooser.take(await chooser.choose(Wish(spec=spec()), deadline))


async def millis(work: Callable[[], Awaitable[None]]) -> float:
    """How long it takes; what the one before has left to the loop, such as a connection to close, is done first."""
    for _ in range(5):
        await asyncio.sleep(0)
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


def sync_millis(folder: Path) -> float:
    """A page written and synced."""
    with (folder / "sync").open("ab") as file:
        file.write(b"x" * 4096)
        file.flush()
        began = time.perf_counter()
        os.fdatasync(file.fileno())
        return (time.perf_counter() - began) * 1000


async def latency(cloud: Mapping[str, str], rounds: int) -> None:
    """Medians, in turns whose order changes: what one leaves to the server and the processor is not always the same one's."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        config = configured(cloud, Path(folder))
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            contenders = {"bare": bare, "journaled": journaled, "with a key": keyed, "choosing": choosing}
            found: dict[str, list[float]] = {name: [] for name in (*contenders, "sync")}
            chance = random.Random(1)
            for number in range(rounds + 10):
                if number == 10:
                    found = {name: [] for name in found}
                    gc.collect()
                for name in chance.sample(list(contenders), len(contenders)):
                    found[name].append(await millis(partial(contenders[name], client)))
                found["sync"].append(sync_millis(Path(folder)))
    median = {name: statistics.median(all_) for name, all_ in found.items()}
    for name, one in median.items():
        print(f"  {name:12} {one:7.2f} ms")
    syncs = counted(cloud)
    print(f"  disk syncs a request, counted: {syncs if syncs is None else f'{syncs:.2f}'}; target {SYNCS}")
    for name in ("journaled", "with a key"):
        over = median[name] - median["bare"]
        beyond = over - SYNCS * median["sync"]
        print(
            f"  {name} over bare: {over:.2f} ms; {beyond:.2f} ms more than {SYNCS} syncs;"
            f" target {OVER_MS}: {'met' if beyond <= OVER_MS else 'MISSED'}"
        )


def itself(cloud: Mapping[str, str], *arguments: str, through: tuple[str, ...] = ()) -> str:
    """What this script says when it is run once more, for one thing; its stderr if it runs through strace."""
    command = (*through, sys.executable, __file__, *arguments, cloud["base_url"], cloud["token"])
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stderr if through else done.stdout


def counted(cloud: Mapping[str, str]) -> float | None:
    """How many syncs a request does; opening the folder and closing it do not count."""
    if shutil.which("strace") is None:
        return None
    through = ("strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none")
    few, many = (
        len(re.findall(r"\bf(?:data)?sync\(", itself(cloud, "--some", str(times), through=through)))
        for times in (10, 110)
    )
    return (many - few) / 100


async def some(cloud: Mapping[str, str], times: int) -> None:
    """So many requests, one after the other."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with MultiProviderClient.from_config(
            configured(cloud, Path(folder)), health_interval=None
        ) as client:
            for _ in range(times):
                await journaled(client)


async def in_flight(cloud: Mapping[str, str]) -> None:
    """All at once; says the peak of this process' resident memory, in MiB."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with MultiProviderClient.from_config(
            configured(cloud, Path(folder)), health_interval=None
        ) as client:
            took = await millis(
                lambda: asyncio.gather(*(journaled(client) for _ in range(IN_FLIGHT)))  # type: ignore[arg-type,return-value]
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} {took / 1000:.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="rounds; medians are shown")
    parser.add_argument("--some", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--in-flight", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cloud", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unlimited("digitalocean")
    if options.cloud:
        cloud = dict(zip(("base_url", "token"), options.cloud, strict=True))
        asyncio.run(in_flight(cloud) if options.in_flight else some(cloud, options.some))
        return
    with playing(partial(DigitalOceanSandbox, speed="fast", droplet_limit=1_000_000)) as cloud:
        print(f"one machine after the other, medians of {options.rounds} rounds")
        asyncio.run(latency(cloud, options.rounds))
        peak, seconds = itself(cloud, "--in-flight").split()
        verdict = "met" if int(peak) < MIB else "MISSED"
        print(
            f"{IN_FLIGHT} requests in flight, 16 exchanges at a time: {seconds} s, peak {peak} MiB; target {MIB}: {verdict}"
        )


if __name__ == "__main__":
    main()
