"""What the wire toolkit costs: 200 providers, each asked once, by a server that takes 50 ms.

Run it alone: ``python benchmarks/wire.py``. All contenders run in the same process, in turn, for several rounds; the
server is a process of its own. Every round starts cold: clients and sessions are made and connections opened inside
the time that is measured, for every contender.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import multiprocessing
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection

import aiohttp
import httpx

from purveyor.model.values import Secret
from purveyor.spi.call import Call, CommonSettings, Context, Effect, Exchange, LoopClock, SecretRef
from purveyor.wire import BearerAuth, Client

TARGET = 1.5
DELAY = 0.050
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n" + b'{"droplets": [1]}'
)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(DELAY)
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(port: Connection) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=1024)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve(port: Connection) -> None:
    """The server's process."""
    asyncio.run(_serve(port))


@asynccontextmanager
async def _exchange(call: Call, group: str, effect: Effect) -> AsyncIterator[Exchange]:
    exchange = Exchange(group, effect, timeout=30.0)
    call.exchanges.append(exchange)
    yield exchange


async def _resolve(reference: SecretRef) -> Secret:
    return Secret(reference.reference)


def _context(name: str) -> Context:
    return Context(
        provider=name,
        type="bench",
        settings=CommonSettings(),
        clock=LoopClock(),
        random=random.Random(1),
        ids=lambda: "0" * 16,
        log=logging.getLogger("bench"),
        resolve=_resolve,
        exchange=_exchange,
    )


async def wire(url: str, count: int) -> None:
    """One wire client per provider."""
    clients = [
        Client(_context(f"p{n}"), base_url=url, auth=BearerAuth(Secret("token"))) for n in range(count)
    ]

    async def one(client: Client) -> None:
        response = await client.request(Call(deadline=60.0), "GET", "/v2/droplets", params={"page": 1})
        assert response.status == 200

    await asyncio.gather(*map(one, clients))
    await asyncio.gather(*(client.aclose() for client in clients))


async def plain_aiohttp(url: str, count: int) -> None:
    """One aiohttp session for all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            async with session.get(
                f"{url}/v2/droplets?page=1", headers={"Authorization": "Bearer token"}
            ) as answer:
                await answer.read()

        await asyncio.gather(*(one() for _ in range(count)))


async def httpx_one(url: str, count: int) -> None:
    """One httpx client for all."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        limits=limits, timeout=30.0, trust_env=False, headers={"Authorization": "Bearer token"}
    ) as client:
        await asyncio.gather(*(client.get(f"{url}/v2/droplets?page=1") for _ in range(count)))


async def httpx_each(url: str, count: int) -> None:
    """One httpx client per provider, all with the same SSL context."""
    shared = httpx.create_ssl_context()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(verify=shared, timeout=30.0, trust_env=False))
            for _ in range(count)
        ]
        await asyncio.gather(*(client.get(f"{url}/v2/droplets?page=1") for client in clients))


CONTENDERS: dict[str, Callable[[str, int], Awaitable[None]]] = {
    "aiohttp, one session": plain_aiohttp,
    "purveyor.wire, one client each": wire,
    "httpx, one client each": httpx_each,
    "httpx, one client": httpx_one,
}


async def _timed(contender: Callable[[str, int], Awaitable[None]], url: str, count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    await contender(url, count)
    return (time.perf_counter() - start) * 1000


async def measure(url: str, count: int, rounds: int) -> dict[str, float]:
    """Median milliseconds by contender; one round beforehand does not count (imports, caches)."""
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(rounds + 1):
        for name, contender in CONTENDERS.items():
            spent = await _timed(contender, url, count)
            if number:
                times[name].append(spent)
    return {name: statistics.median(spent) for name, spent in times.items()}


def main() -> None:
    """Measure and print one line per contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="providers")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; medians are shown")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        medians = asyncio.run(measure(f"http://127.0.0.1:{here.recv()}", options.count, options.rounds))
    finally:
        server.terminate()
        server.join()
    base = medians["aiohttp, one session"]
    print(
        f"{options.count} GETs at once, {DELAY * 1000:.0f} ms each in the server; cold; median of {options.rounds} rounds"
    )
    for name, median in medians.items():
        print(f"{name:32} {median:8.1f} ms {median / base:6.2f} x")
    print(
        f"target: wire at most {TARGET} x aiohttp: {'met' if medians['purveyor.wire, one client each'] <= TARGET * base else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
