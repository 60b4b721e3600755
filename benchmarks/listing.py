"""Listing machines: 200 accounts at once beside plain aiohttp, and 10,000 droplets of one account beside libcloud."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import aiohttp
from _servers import account, droplet_pages, droplet_server
from libcloud.compute.drivers.digitalocean import DigitalOceanNodeDriver

from purveyor import MultiProviderClient

ACCOUNTS, ACCOUNT_SECONDS = 200, 0.050
DROPLETS, PAGE_SECONDS = 10_000, 0.020
ROUNDS = 7


async def plain(port: int, queries: list[str]) -> float:
    """Plain aiohttp: all requests at once in one session."""
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def get(query: str) -> None:
            async with session.get(f"http://127.0.0.1:{port}/v2/droplets{query}") as answer:
                await answer.read()

        await asyncio.gather(*(get(query) for query in queries for _ in range(ACCOUNTS)))
    return time.perf_counter() - began


async def ours(port: int) -> float:
    """``list_instances`` over all accounts."""
    config = {"state": "memory", "providers": [account(f"do-{number}", port) for number in range(ACCOUNTS)]}
    async with MultiProviderClient.from_config(config) as client:
        began = time.perf_counter()
        view = await client.list_instances().collect()
        seconds = time.perf_counter() - began
        assert view.complete
    return seconds


async def medians(*measures: Callable[[], Awaitable[float]]) -> list[float]:
    """Medians of interleaved rounds, after one to warm up."""
    rounds = [[await measure() for measure in measures] for _ in range(ROUNDS + 1)][1:]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


async def many_accounts() -> None:
    """200 accounts of 50 ms each."""
    with droplet_server(droplet_pages(1), ACCOUNT_SECONDS) as port:
        one, two, listed = await medians(
            lambda: plain(port, [""]), lambda: plain(port, ["", "?type=gpus"]), lambda: ours(port)
        )
    print(f"{ACCOUNTS} accounts of {ACCOUNT_SECONDS * 1000:.0f} ms each")
    print(f"  plain aiohttp, one request an account   {one * 1000:7.1f} ms")
    print(f"  plain aiohttp, the same two requests    {two * 1000:7.1f} ms")
    print(f"  list_instances                          {listed * 1000:7.1f} ms   {listed / two:.2f} of the same requests")


def libcloud_driver(port: int) -> DigitalOceanNodeDriver:
    """The driver, pointed at the server before its first call."""
    driver = DigitalOceanNodeDriver("benchmark")
    connection = driver.connection
    connection.host, connection.port, connection.secure = "127.0.0.1", port, 0
    connection.connect()
    return driver


async def one_account() -> None:
    """10,000 droplets, 20 ms a page."""
    with droplet_server(droplet_pages(DROPLETS), PAGE_SECONDS) as port:
        theirs, firsts, alls = [], [], []
        for _ in range(3):
            began = time.perf_counter()
            assert len(await asyncio.to_thread(libcloud_driver(port).list_nodes)) == DROPLETS
            theirs.append(time.perf_counter() - began)
            first, everything = await stream(port)
            firsts.append(first)
            alls.append(everything)
    peer, first, everything = map(statistics.median, (theirs, firsts, alls))
    print(f"{DROPLETS} droplets of one account, {PAGE_SECONDS * 1000:.0f} ms a page")
    print(f"  libcloud list_nodes                     {peer * 1000:7.1f} ms")
    print(f"  first item                              {first * 1000:7.1f} ms   {first / PAGE_SECONDS:.2f} pages' time")
    print(f"  all items                               {everything * 1000:7.1f} ms   {everything / peer:.3f} of libcloud")


async def stream(port: int) -> tuple[float, float]:
    """Seconds until the first and until the last item; the client has been used before, as libcloud's has."""
    config = {"state": "memory", "providers": [account("do", port)]}
    async with MultiProviderClient.from_config(config) as client:
        await client.check_health().collect()
        began, first, count = time.perf_counter(), 0.0, 0
        async for _ in client.list_instances():
            first = first or time.perf_counter() - began
            count += 1
        assert count == DROPLETS
        return first, time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(many_accounts())
    asyncio.run(one_account())
