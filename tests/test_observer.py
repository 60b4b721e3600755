"""Our own metrics, counted while real work is done, scraped by a real Prometheus, and asked for through its plugin.

Where it is not installed, the second half is skipped: ``apt-get install --no-install-recommends prometheus``.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from purveyor import InstanceSpec, MultiProviderClient, PurveyorError
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_observer import MetricsObserver, serve
from purveyor_prometheus import parse_exposition

SPEC = InstanceSpec(name="web", plan="s-1vcpu-1gb", image="debian-12", region="ams3")


@asynccontextmanager
async def worked(registry: CollectorRegistry) -> AsyncIterator[None]:
    """Some work at two accounts, one of which is out of order at first."""
    async with DigitalOceanSandbox(seed=1) as one, DigitalOceanSandbox(seed=2) as other:
        config = {
            "state": "memory",
            "selection_policy": "round_robin",
            "providers": [
                {
                    "name": name,
                    "type": "digitalocean",
                    "config": {"token": cloud.token, "base_url": cloud.base_url},
                }
                for name, cloud in (("one", one), ("other", other))
            ],
        }
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            client.observe(MetricsObserver(registry))
            one.fault("error_before", path="/v2/customers/my/balance", times=1)
            other.fault("scope", path="/v2/customers/my/balance", times=None)
            await client.get_balances().collect()
            for _ in range(2):
                await client.provision(SPEC)
        yield


COUNTS: dict[str, dict[tuple[str, ...], float]] = {
    'purveyor_calls_total{operation="get_balance"}': {("one", "ok"): 1, ("other", "permission_denied"): 1},
    'purveyor_calls_total{operation="create_instance"}': {("one", "ok"): 1, ("other", "ok"): 1},
    "purveyor_call_retries_total": {("one", "provider_unavailable"): 1},
    "purveyor_selections_total": {("one", "round_robin"): 1, ("other", "round_robin"): 1},
    'purveyor_catalogue_lookups_total{kind="plans"}': {
        ("one", "hit"): 1,
        ("one", "miss"): 1,
        ("other", "hit"): 1,
        ("other", "miss"): 1,
    },
}
"""PromQL to its values, by provider and what else tells the series apart."""

TELLING = ("result", "error", "strategy")


async def test_what_is_served_can_be_read() -> None:
    registry = CollectorRegistry()
    server = serve("0", registry)
    try:
        async with worked(registry):
            answer = await asyncio.to_thread(urllib.request.urlopen, server.address)
            with answer:
                families = parse_exposition(answer.read(), answer.headers["content-type"])
    finally:
        server.close()
    names = {sample.name for family in families for sample in family.samples}
    assert names >= {promql.partition("{")[0] for promql in COUNTS}
    assert "purveyor_call_duration_seconds_bucket" in names


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="not installed: prometheus")
async def test_a_real_prometheus_scrapes_what_was_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    server = serve("0", registry)
    try:
        async with worked(registry), scraping(server.address, tmp_path) as ask:
            for promql, counts in COUNTS.items():
                answer = await ask(promql)
                found = {
                    (
                        one.labels["provider"],
                        next(one.labels[name] for name in TELLING if name in one.labels),
                    ): one.points[-1].value
                    for one in answer.series
                }
                assert found == counts, promql
            slow = await ask(
                "histogram_quantile(0.9, sum by (le) (purveyor_call_duration_seconds_bucket)) < 300"
            )
            assert len(slow.series) == 1, "quantiles can be asked for"
    finally:
        server.close()


@asynccontextmanager
async def scraping(address: str, folder: Path) -> AsyncIterator[Callable[[str], Any]]:
    """A Prometheus that has scraped that address; yields how to ask it."""
    target = address.removeprefix("http://").removesuffix("/metrics")
    (folder / "scrape.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: purveyor, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'scrape.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    config = {"base_url": f"http://127.0.0.1:{port}"}
    providers = [{"name": "mon", "type": "prometheus", "config": config}]
    try:
        async with MultiProviderClient.from_config({"state": "memory", "providers": providers}) as client:

            async def ask(promql: str) -> Any:
                return await client.use("mon", lambda mon, call: mon.api.query(call, promql))

            await scraped(ask)
            yield ask
    finally:
        process.terminate()
        await process.wait()


async def scraped(ask: Callable[[str], Any]) -> None:
    """Until the first scrape, which a new server takes some seconds for."""
    for _ in range(150):
        try:
            if (await ask("purveyor_selections_total")).series:
                return
        except PurveyorError:
            pass  # it is not up yet
        await asyncio.sleep(0.2)
    pytest.fail("nothing was scraped")
