"""Real servers scrape the sandbox: what they tell of it is what it says itself.

Where they are not installed, this is skipped: ``apt-get install --no-install-recommends prometheus victoria-metrics``.
"""

import asyncio
import shutil
import socket
import subprocess
import time

import attrs
import pytest

from purveyor.plugin import ProviderUnavailableError, ResourceKind
from purveyor_dcgm.sandbox import DcgmSandbox

from ._build import address, call, listed, provider

BINARIES = ("prometheus", "victoria-metrics")
MISSING = [name for name in BINARIES if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: dcgm
    static_configs:
      - targets: ["{plain}"]
        labels: {{droplet: "42"}}
      - targets: ["{kube}"]
        labels: {{namespace: gpu-operator, pod: dcgm-exporter-x, container: exporter}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
async def exporters():
    """One on a plain machine, one in a pod of its own."""
    async with (
        DcgmSandbox(seed=1, speed="stepped", names="old") as plain,
        DcgmSandbox(seed=2, speed="stepped", names="new", host="gpu-node-2") as kube,
    ):
        plain.partition(3, ["3g.40gb", "1g.10gb"])
        kube.share(0, 3)
        yield plain, kube


@pytest.fixture
async def base_urls(exporters, tmp_path):
    """Of a Prometheus and a VictoriaMetrics that scrape both."""
    plain, kube = exporters
    scrape = tmp_path / "scrape.yml"
    scrape.write_text(CONFIGURATION.format(plain=address(plain), kube=address(kube)))
    servers = [f"127.0.0.1:{free_port()}" for _ in BINARIES]
    commands = [
        [
            "prometheus",
            f"--config.file={scrape}",
            f"--storage.tsdb.path={tmp_path / 'prometheus'}",
            f"--web.listen-address={servers[0]}",
            "--log.level=warn",
        ],
        [
            "victoria-metrics",
            f"-storageDataPath={tmp_path / 'victoria'}",
            f"-httpListenAddr={servers[1]}",
            f"-promscrape.config={scrape}",
            "-search.latencyOffset=0s",
            "-retentionPeriod=100y",
        ],
    ]
    running = []
    try:
        for command in commands:
            running.append(started(command, tmp_path))  # noqa: PERF401 - those that started are ended
        yield [f"http://{server}" for server in servers]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def started(command, folder):
    with (folder / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


async def eventually(made, check, seconds=40.0, **request):
    """Wait until what each of them lists passes the check."""
    end = time.monotonic() + seconds
    for one in made:
        while True:
            try:
                found = await listed(one, **request)
            except ProviderUnavailableError:
                found = ({}, [])  # it is not up yet
            if check(*found):
                break
            assert time.monotonic() < end, found
            await asyncio.sleep(0.2)


def bare(items):
    """Without what only a server knows, and without times."""
    return {
        name: (one.kind, tuple(attrs.evolve(gpu, time=None, labels={}) for gpu in one.gpus))
        for name, one in items.items()
    }


async def test_what_servers_tell_is_what_the_exporters_say(exporters, base_urls):
    plain, kube = exporters
    direct = await provider(targets=[address(plain), address(kube)])
    made = [await provider(url, instance_label="droplet", instance_provider="do") for url in base_urls]
    said, _ = await listed(direct)
    await eventually(made, lambda items, errors: bare(items) == bare(said) and not errors)
    for one in made:
        items, _ = await listed(one)
        assert items[address(plain)].instance_id == "do/42"
        assert items[address(kube)].instance_id is None
        assert all(gpu.time is not None for item in items.values() for gpu in item.gpus)
        assert all(abs(item.time.timestamp() - time.time()) < 30 for item in items.values())

    # Time passes: jobs end, others begin; what a server still knows of the old ones is not shown.
    plain.advance(7 * 86_400)
    kube.advance(7 * 86_400)
    later, _ = await listed(direct)
    assert later.keys() != said.keys()
    await eventually(made, lambda items, errors: bare(items) == bare(later) and not errors)

    # An exporter that reloads says nothing and is told of; the other one is unharmed.
    plain.reload(1e6)
    await eventually(
        made,
        lambda items, errors: (
            set(items) == {address(kube)}
            and [error.details["target"] for error in errors] == [address(plain)]
        ),
        kinds=frozenset({ResourceKind.HOST}),
    )
    for one in made:
        await one.check_health(call())
