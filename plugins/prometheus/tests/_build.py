"""A provider to test without an engine around it, and servers that misbehave as they are told."""

import asyncio
import gzip
import time
from contextlib import asynccontextmanager

import attrs

from purveyor.engine.gate import Gate
from purveyor.plugin import Call, MetricsRequest, SecretRef
from purveyor.policy.retry import RetryPolicy
from purveyor_prometheus._config import Settings
from purveyor_prometheus._plugin import build
from purveyor_testing.context import plain_context

NODE = """\
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 1000
node_cpu_seconds_total{cpu="0",mode="user"} %(user)s
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 4e9
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 3e9
"""


def node(user=10.0):
    """What a small host says."""
    return (NODE % {"user": user}).encode()


MADE = []
"""Providers that are closed behind each test."""


async def provider(base_url=None, *, timeout=5.0, max_concurrency=None, **settings):
    """A provider as the engine would get it; with ``max_concurrency`` it stands behind a gate."""
    for name in settings.keys() & {"password", "token", "scrape_password", "scrape_token"}:
        settings[name] = SecretRef(settings[name])
    settings.setdefault("scrape_pause", 0.0)
    ctx = plain_context(provider="mon", base_url=base_url, timeout=timeout)
    if max_concurrency is not None:
        common = attrs.evolve(ctx.settings, max_concurrency=max_concurrency)
        gate = Gate("mon", common, ctx.clock, ctx.random, RetryPolicy())
        ctx = attrs.evolve(ctx, exchange=gate.exchange)
    made = await build(Settings(**settings), ctx)
    MADE.append(made)
    return made


def call(seconds=20.0):
    """A call that may take that long."""
    return Call(deadline=asyncio.get_running_loop().time() + seconds)


async def listed(made, seconds=20.0, **request):
    """All resources by id, and all errors."""
    items, errors = {}, []
    async for page in made.list_metrics(MetricsRequest(**request), call(seconds)):
        for item in page.items:
            assert item.id not in items, "each once"
            items[item.id] = item
        errors += page.unreadable
    return items, errors


class Answering:
    """A server that answers with ``body`` and keeps the requests that it got.

    Attributes:
        address: Where it is.
        requests: First lines of the requests.
        headers: Headers of the last one, names in lower case.
    """

    def __init__(self, body=b"", *, status=200, content_type="text/plain", headers=None, manner="plain"):
        self.body, self.status, self.content_type = body, status, content_type
        self.more, self.manner = headers or {}, manner
        self.requests, self.headers, self.address = [], {}, ""

    async def __call__(self, reader, writer):
        try:
            while line := await reader.readline():
                self.requests.append(line.decode().strip())
                self.headers = {}
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    self.headers[name.lower()] = value.strip()
                await self._answer(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer):
        body = self.body() if callable(self.body) else self.body
        if self.manner == "hung":
            await asyncio.sleep(60)
        if self.manner == "gzip":
            body = gzip.compress(body)
            self.more["Content-Encoding"] = "gzip"
        length = len(body) + (100 if self.manner == "truncated" else 0)
        head = [f"HTTP/1.1 {self.status} Whatever", f"Content-Length: {length}"]
        head += [f"Content-Type: {self.content_type}"] if self.content_type else []
        head += [f"{name}: {value}" for name, value in self.more.items()]
        writer.write("\r\n".join([*head, "", ""]).encode())
        if self.manner == "slow":
            for at in range(len(body)):
                writer.write(body[at : at + 1])
                await writer.drain()
                await asyncio.sleep(1)
        writer.write(body)
        await writer.drain()
        if self.manner == "truncated":
            writer.close()


@asynccontextmanager
async def serving(*answering):
    """Start them on loopback."""
    tasks = set()

    def connected(one):
        async def handle(reader, writer):
            task = asyncio.current_task()
            tasks.add(task)
            await one(reader, writer)
            tasks.discard(task)

        return handle

    servers = []
    for one in answering:
        server = await asyncio.start_server(connected(one), "127.0.0.1", 0)
        one.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        servers.append(server)
    try:
        yield answering
    finally:
        for server in servers:
            server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def eventually(check, seconds=30.0):
    """Wait until that gives something."""
    end = time.monotonic() + seconds
    while True:
        found = await check()
        if found:
            return found
        assert time.monotonic() < end, "it did not come about in time"
        await asyncio.sleep(0.2)
