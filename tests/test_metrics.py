"""What machines use, through the client, beside providers that sell machines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from purveyor import (
    CallTimeoutError,
    MultiProviderClient,
    ProviderNotFoundError,
    ProviderUnavailableError,
    ResourceKind,
)
from purveyor_dcgm.sandbox import DcgmSandbox
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


async def test_gpus_of_many_machines_come_together_and_a_machine_without_any_says_so() -> None:
    async with DcgmSandbox(seed=1) as first, DcgmSandbox(seed=2, host="gpu-node-2") as second:
        first.partition(0, ["3g.40gb", "3g.40gb"])
        second.fail(7, 79)
        targets = [*first.settings()["targets"], *second.settings()["targets"], "127.0.0.1:9"]  # type: ignore[misc]
        gpus = {
            "name": "gpus",
            "type": "dcgm",
            "config": {"targets": targets, "instances": {"gpu-node-2": "do/2"}},
        }
        async with MultiProviderClient.from_config({"state": "memory", "providers": [gpus]}) as client:
            view = await client.list_metrics(kinds=[ResourceKind.HOST]).collect()
            assert view.complete, view.failures
            hosts = {one.labels.get("Hostname", ""): one for one in view.items}
            assert set(hosts) == {"gpu-node-1", "gpu-node-2", ""}
            assert [gpu.profile for gpu in hosts["gpu-node-1"].gpus or ()][:3] == ["", "3g.40gb", "3g.40gb"]
            assert hosts["gpu-node-2"].instance_id == "do/2"
            assert (hosts["gpu-node-2"].gpus or ())[7].error == 79
            assert (hosts[""].absent, hosts[""].gpus) == (("dcgm",), None)
            second.fault("hang")
            second.fault("garbage")
            first.fault("empty")
            view = await client.list_metrics(deadline=0.5).collect()
            assert "127.0.0.1:9" in {one.id for one in view.items}
            assert set(view.failures) == {"gpus"}


async def test_what_only_one_type_has_is_used_through_the_client_with_its_errors_and_deadlines() -> None:
    async with exporter(NODE) as address:
        config = {
            "state": "memory",
            "providers": [
                {"name": "lab", "type": "prometheus", "config": {"targets": [address]}},
                {"name": "gone", "type": "prometheus", "config": {"targets": ["127.0.0.1:9"]}},
            ],
        }
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            families = await client.use("lab", lambda lab, call: lab.families(call))
            assert [one.name for one in families] == [
                "node_memory_MemTotal_bytes",
                "node_memory_MemAvailable_bytes",
            ]
            assert all(one.source == f"http://{address}/metrics" and one.time for one in families)
            with pytest.raises(ProviderUnavailableError, match=r"127\.0\.0\.1:9") as caught:
                await client.use("gone", lambda gone, call: gone.families(call))
            assert (caught.value.provider, caught.value.operation) == ("gone", "use")
            with pytest.raises(CallTimeoutError):
                await client.use("lab", lambda _, __: asyncio.sleep(60), deadline=0.05)
            with pytest.raises(ProviderNotFoundError):
                await client.use("nobody", lambda _, __: asyncio.sleep(0))
