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


@pytest.fixture(params=["prometheus", "victoria"])
async def base_url(request, exporters, tmp_path):
    plain, kube = exporters
    scrape = tmp_path / "scrape.yml"
    scrape.write_text(CONFIGURATION.format(plain=address(plain), kube=address(kube)))
    server = f"127.0.0.1:{free_port()}"
    command = {
        "prometheus": [
            "prometheus",
            f"--config.file={scrape}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={server}",
            "--log.level=warn",
        ],
        "victoria": [
            "victoria-metrics",
            f"-storageDataPath={tmp_path / 'data'}",
            f"-httpListenAddr={server}",
            f"-promscrape.config={scrape}",
            "-search.latencyOffset=0s",
            "-retentionPeriod=100y",
        ],
    }[request.param]
    process = started(command, tmp_path)
    try:
        yield f"http://{server}"
    finally:
        process.terminate()
        process.wait(10)


def started(command, folder):
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


async def eventually(check, seconds=40.0):
    """Wait until that gives something."""
    end = time.monotonic() + seconds
    while True:
        found = await check()
        if found:
            return found
        assert time.monotonic() < end, "it did not come about in time"
        await asyncio.sleep(0.2)


def bare(resource):
    """Without what only a server knows, and without times."""
    gpus = tuple(attrs.evolve(gpu, time=None, labels={}) for gpu in resource.gpus)
    return resource.id, resource.kind, gpus


async def test_what_a_server_tells_is_what_the_exporters_say(exporters, base_url):
    plain, kube = exporters
    direct, _ = await listed(await provider(targets=[address(plain), address(kube)]))
    made = await provider(base_url, instance_label="droplet", instance_provider="do")

    async def look():
        try:
            items, errors = await listed(made)
        except ProviderUnavailableError:
            return None
        assert errors == []
        return items if items.keys() == direct.keys() else None

    items = await eventually(look)
    assert {name: bare(one) for name, one in items.items()} == {
        name: bare(one) for name, one in direct.items()
    }
    assert items[address(plain)].instance_id == "do/42"
    assert items[address(kube)].instance_id is None
    for one in items.values():
        assert abs(one.time.timestamp() - time.time()) < 30
        assert all(gpu.time is not None for gpu in one.gpus)

    # Time passes: jobs end, others begin; what a server still knows of the old ones is not shown.
    plain.advance(7 * 86_400)
    kube.advance(7 * 86_400)
    later, _ = await listed(await provider(targets=[address(plain), address(kube)]))
    assert later.keys() != direct.keys()

    async def look_again():
        items, errors = await listed(made)
        return errors == [] and {name: bare(one) for name, one in items.items()} == {
            name: bare(one) for name, one in later.items()
        }

    assert await eventually(look_again)

    # An exporter that reloads says nothing and is told of, and the other one is unharmed.
    plain.reload(1e6)

    async def look_at_the_reload():
        items, errors = await listed(made, kinds=frozenset({ResourceKind.HOST}))
        return set(items) == {address(kube)} and [error.details["target"] for error in errors] == [
            address(plain)
        ]

    assert await eventually(look_at_the_reload)
    await made.check_health(call())
