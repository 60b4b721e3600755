"""The sandbox's Prometheus beside a real one that scrapes the same sandbox.

Where it is not installed, this test is skipped: ``apt-get install --no-install-recommends prometheus``.
"""

import math
import shutil
import subprocess
from contextlib import asynccontextmanager

import pytest

from purveyor.plugin import PurveyorError, ResourceKind
from purveyor_prometheus._queries import prepared
from purveyor_prometheus.sandbox import PrometheusSandbox

from ._build import call, eventually, listed, provider
from .test_real_servers import free_port

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="not installed: prometheus")

WINDOW = 8.0
CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    metrics_path: /node/metrics
    static_configs: [{{targets: ["{instance}"]}}]
  - job_name: cadvisor
    metrics_path: /cadvisor/metrics
    static_configs: [{{targets: ["{instance}"]}}]
"""
EXPRESSIONS = [
    "up",
    "-up",
    "up == 0",
    "up == up",
    "up == on (job) up",
    "node_load1 > 0.1",
    "0.1 < node_load1",
    "2 * up + 1",
    "2 + 3 * 4 - 1",
    "1 / 0",
    "vector(time() / time())",
    "sum(up)",
    "sum by (job) (up)",
    "avg without (cpu) (node_cpu_seconds_total)",
    "max(node_filesystem_size_bytes) by (device)",
    "min without (mode, cpu) (node_cpu_seconds_total)",
    "count by (__name__) (up)",
    "node_memory_MemTotal_bytes unless on (instance) up{job='nobody'}",
    "node_memory_MemTotal_bytes unless on (instance) up",
    "up and on (instance) node_load1",
    "node_filesystem_avail_bytes / node_filesystem_size_bytes",
    "node_load1 - ignoring (job) nothing_of_this_name",
    "increase(node_network_receive_bytes_total[8s])",
    "delta(node_memory_MemAvailable_bytes[8s])",
    "last_over_time(node_load1[8s])",
    "max_over_time(node_load1[8s])",
    "sum_over_time(up[8s]) / count_over_time(up[8s])",
    'container_memory_working_set_bytes{image!~"nginx.*|postgres.*",name=~"k8s.+"}',
    '{__name__=~"node_memory_.+"}',
]
REFUSED = ["up + on (instance) up", "sum(up", "nofunc(up)", "1 == 1", "rate(up)", "{job=''}", "up[5m] + 1"]


def started(command, folder):
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


@asynccontextmanager
async def both(folder):
    """Our server, and a real one that scrapes what it scrapes, once that has seen enough."""
    async with PrometheusSandbox(seed=3, scrape_interval=1.0) as ours:
        instance = ours.origin.removeprefix("http://")
        (folder / "scrape.yml").write_text(CONFIGURATION.format(instance=instance))
        port = free_port()
        command = [
            "prometheus",
            f"--config.file={folder / 'scrape.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        process = started(command, folder)
        try:
            here = await provider(ours.base_url, window=WINDOW)
            there = await provider(f"http://127.0.0.1:{port}", window=WINDOW)

            async def filled():
                try:
                    seen = await there.api.query(call(), f"sum(count_over_time(up[{WINDOW:g}s]))")
                except PurveyorError:
                    return False
                return seen.value is not None and seen.value >= 2 * WINDOW

            await eventually(filled)
            yield here, there
        finally:
            process.terminate()
            process.wait()


def told(answer):
    return {(one.name, one.labels): one.points[-1].value for one in answer.series}


async def test_both_give_the_same_for_everything_that_the_plugin_asks_and_more(tmp_path):
    asked = [
        promql
        for kind in (ResourceKind.HOST, ResourceKind.CONTAINER)
        for promql in prepared(kind, window=WINDOW, labels=(), instead={}).values()
    ]
    async with both(tmp_path) as (here, there):
        for promql in [*asked, *EXPRESSIONS]:
            ours = await here.api.query(call(), promql)
            theirs = await there.api.query(call(), promql)
            assert ours.kind == theirs.kind, promql
            mine, real = told(ours), told(theirs)
            assert mine.keys() == real.keys(), promql
            for series, value in real.items():
                near = math.inf if promql.startswith("delta") else abs(value) * 0.1 + 1e-6
                assert mine[series] == pytest.approx(value, abs=near), (promql, series)
        for promql in REFUSED:
            kinds = []
            for one in (here, there):
                with pytest.raises(PurveyorError) as caught:
                    await one.api.query(call(), promql)
                kinds.append((type(caught.value), caught.value.details["error_type"]))
            assert kinds[0] == kinds[1], promql

        mine, errors = await listed(here)
        assert errors == []
        real, errors = await listed(there)
        assert errors == []
        assert mine.keys() == real.keys()
        for name, one in real.items():
            assert mine[name].cpu_used == pytest.approx(one.cpu_used, rel=0.1)
            assert mine[name].memory_used == pytest.approx(one.memory_used, rel=0.01)
