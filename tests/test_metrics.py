"""What machines use, through the client, beside providers that sell machines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from purveyor import MultiProviderClient, ResourceKind
from purveyor_digitalocean.sandbox import DigitalOceanSandbox

NODE = """\
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 8589934592
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 6442450944
"""


@asynccontextmanager
async def exporter(text: str) -> AsyncIterator[str]:
    """A node_exporter on loopback; yields its address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_the_client_shows_what_hosts_use_and_which_target_is_missing() -> None:
    async with exporter(NODE) as address, DigitalOceanSandbox() as cloud:
        providers = [
            {
                "name": "do",
                "type": "digitalocean",
                "config": {"token": cloud.token, "base_url": cloud.base_url},
            },
            {
                "name": "lab",
                "type": "prometheus",
                "config": {"targets": [address, "127.0.0.1:9"], "scrape_pause": 0},
            },
        ]
        config = {"state": "memory", "providers": providers}
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            view = await client.list_metrics(kinds=[ResourceKind.HOST]).collect()
            (host,) = view.items
            assert (host.provider, host.memory_limit, host.memory_used) == ("lab", 8 * 2**30, 2 * 2**30)
            assert host.cpu_used is None, "no data is not zero"
            assert set(view.failures) == {"lab"}
            assert "127.0.0.1:9" in str(view.failures["lab"])
            assert (await client.list_instances().collect()).complete
