"""Finding 1,000 providers beside the bare requests that it takes, asking all of them how they are, and their memory.

Run it alone: ``python benchmarks/discovery.py``. Chain and providers are servers in another process: the chain has 10
pages of 100 providers, each of which has a port of its own on loopback, over plain http, by exceptions that name them.
Contenders take turns in every round, and medians are shown.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from _servers import chain_pages, more_files, serving, serving_at

from purveyor import Health, MultiProviderClient

PROVIDERS, PER_PAGE, PAGE_SECONDS = 1_000, 100, 0.020
ROUNDS = 9
HEALTHY = {"/api/v1/health 100": [b'{"status":"ok"}']}
DISCOVERY, HEALTH_SECONDS, IDLE_KIB = 1.1, 3.0, 60.0


def config(chain: int, names: list[str]) -> Mapping[str, Any]:
    """A wallet on that chain."""
    settings = {"base_url": f"http://127.0.0.1:{chain}", "key": "11" * 32, "allow_private": names}
    return {"state": "memory", "providers": [{"name": "ve", "type": "virtengine", "config": settings}]}


async def plain(chain: int) -> float:
    """Seconds of plain aiohttp for the same pages, one after the other, as each names the next."""
    began = time.perf_counter()
    address = f"http://127.0.0.1:{chain}/virtengine/provider/v1beta4/providers"
    key: str | None = "1"
    async with aiohttp.ClientSession() as session:
        while key:
            params = {"pagination.key": key, "pagination.limit": str(PER_PAGE)}
            async with session.get(address, params=params) as answer:
                key = (await answer.json())["pagination"]["next_key"]
    return time.perf_counter() - began


async def ours(chain: int) -> float:
    """Seconds of a whole search; nobody is connected yet, as nobody is above."""
    async with MultiProviderClient.from_config(config(chain, [])) as client:
        began = time.perf_counter()
        view = await client.discover().collect()
        seconds = time.perf_counter() - began
        assert view.complete, view.failures
        assert len(view.items) == PROVIDERS, len(view.items)
    return seconds


async def discovery(chain: int) -> None:
    """Searches, beside what they cannot do without."""
    rounds: list[tuple[float, float]] = []
    for _ in range(ROUNDS + 1):
        gc.collect()
        rounds.append((await plain(chain), await ours(chain)))
    peer, found = map(statistics.median, zip(*rounds[1:], strict=True))
    print(
        f"{PROVIDERS} providers in pages of {PER_PAGE}, {PAGE_SECONDS * 1000:.0f} ms a page; {ROUNDS} rounds"
    )
    print(f"  plain aiohttp, the same requests        {peer * 1000:7.1f} ms")
    _show("discover", f"{found * 1000:7.1f} ms", found / peer, "of the bare requests", DISCOVERY)


async def health(chain: int) -> None:
    """Rounds over everybody: the first connects, the others find open connections. Then all of them are idle."""
    async with MultiProviderClient.from_config(config(chain, [])) as client:
        names = [one.name.partition("/")[2] for one in (await client.discover().collect()).items]
    async with MultiProviderClient.from_config(config(chain, names), health_interval=None) as client:
        await client.check_health(["ve"]).collect()
        gc.collect()
        before = resident()
        await client.discover().collect()
        rounds: list[float] = []
        for _ in range(4):
            began = time.perf_counter()
            view = await client.check_health(deadline=30).collect()
            rounds.append(time.perf_counter() - began)
            online = sum(one.health is Health.ONLINE for one in view.items)
            assert online == PROVIDERS + 1, (online, view.failures)
        gc.collect()
        idle = (resident() - before) / PROVIDERS / 1024
    print(f"{PROVIDERS} providers asked how they are, all at once")
    _show("the first time, nothing connected", "", rounds[0], "s", HEALTH_SECONDS)
    _show("again", "", statistics.median(rounds[1:]), "s", HEALTH_SECONDS)
    _show("memory of an idle one, connection open", "", idle, "KiB", IDLE_KIB)


def resident() -> int:
    """Bytes that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def _show(name: str, measured: str, ratio: float, unit: str, most: float) -> None:
    verdict = "met" if ratio <= most else "MISSED"
    print(f"  {name:39} {measured} {ratio:6.3f} {unit}; target at most {most:g}: {verdict}")


if __name__ == "__main__":
    more_files()
    with (
        serving_at(PROVIDERS, HEALTHY) as ports,
        serving(chain_pages(ports, PER_PAGE), PAGE_SECONDS) as chain,
    ):
        asyncio.run(discovery(chain))
        asyncio.run(health(chain))
