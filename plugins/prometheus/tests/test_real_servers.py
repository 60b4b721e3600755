"""Real servers on loopback, as Debian packages them: Prometheus 2, node_exporter 1, VictoriaMetrics 1.

Where they are not installed, these tests are skipped:
``apt-get install --no-install-recommends prometheus prometheus-node-exporter victoria-metrics``.
"""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest

from purveyor.plugin import (
    ApiError,
    InvalidCredentialsError,
    ProviderUnavailableError,
    ResourceKind,
    Sample,
    ValidationError,
)
from purveyor_prometheus._mapping import AMOUNTS, identity
from purveyor_prometheus._queries import prepared
from purveyor_prometheus._rates import Rates
from purveyor_prometheus._samples import COUNTERS, containers, host

from ._build import call, eventually, listed, provider

BINARIES = ("prometheus", "prometheus-node-exporter", "victoria-metrics")
MISSING = [name for name in BINARIES if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

WINDOW = 8.0
NETWORK = ("network_received", "network_sent")
RESTARTED = "shop/p-1/app"
"""A container whose counters are reset; what is counted between the last reading and a reset is lost."""
CORES = {"web": 0.5, RESTARTED: 0.25}

USERS = "basic_auth_users: {alice: $2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG}\n"
"""Her password is s3cret."""

CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["{node}"], labels: {{droplet: "42"}}}}]
  - job_name: cadvisor
    static_configs: [{{targets: ["{cadvisor}"]}}]
"""


@attrs.frozen
class Servers:
    prometheus: str
    replica: str
    guarded: str
    victoria: str
    node: str
    cadvisor: str


class Cadvisor(BaseHTTPRequestHandler):
    """Two containers that use a known share of the time, one of which is restarted over and over."""

    started = time.time()

    def do_GET(self):
        age = time.time() - self.started
        web = 'id="/docker/1",image="nginx",name="web"'
        app = 'container="app",id="/kubepods/p/1",image="app",name="a1",namespace="shop",pod="p-1"'
        lines = [
            "# TYPE container_cpu_usage_seconds_total counter",
            f'container_cpu_usage_seconds_total{{cpu="total",id="/"}} {age * 2}',
            f'container_cpu_usage_seconds_total{{cpu="total",{web}}} {age * CORES["web"]}',
            f'container_cpu_usage_seconds_total{{cpu="total",{app}}} {age % 30 * CORES[RESTARTED]}',
            "# TYPE container_memory_working_set_bytes gauge",
            f"container_memory_working_set_bytes{{{web}}} 1000",
            f"container_memory_working_set_bytes{{{app}}} 2000",
            "# TYPE container_spec_memory_limit_bytes gauge",
            f"container_spec_memory_limit_bytes{{{web}}} 0",
            f"container_spec_memory_limit_bytes{{{app}}} 4000",
            "# TYPE container_spec_cpu_quota gauge",
            f"container_spec_cpu_quota{{{web}}} 150000",
            "# TYPE container_spec_cpu_period gauge",
            f"container_spec_cpu_period{{{web}}} 100000",
            "# TYPE container_fs_usage_bytes gauge",
            f'container_fs_usage_bytes{{device="a",{web}}} 10',
            f'container_fs_usage_bytes{{device="b",{web}}} 20',
            "# TYPE container_network_receive_bytes_total counter",
            f'container_network_receive_bytes_total{{interface="eth0",{web}}} {age * 100}',
            f'container_network_receive_bytes_total{{interface="lo",{web}}} {age * 100}',
            "",
        ]
        body = "\n".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as got:
            return got.status < 300
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    fake = ThreadingHTTPServer(("127.0.0.1", 0), Cadvisor)
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    node, cadvisor = f"127.0.0.1:{free_port()}", f"127.0.0.1:{fake.server_address[1]}"
    scrape = folder / "scrape.yml"
    scrape.write_text(CONFIGURATION.format(node=node, cadvisor=cadvisor))
    web = folder / "web.yml"
    web.write_text(USERS)
    names = ("prometheus", "replica", "guarded")
    ports = {name: free_port() for name in (*names, "victoria")}
    commands = {"node": ["prometheus-node-exporter", f"--web.listen-address={node}"]}
    for name in names:
        commands[name] = [
            "prometheus",
            f"--config.file={scrape}",
            f"--storage.tsdb.path={folder / name}",
            f"--web.listen-address=127.0.0.1:{ports[name]}",
            "--log.level=warn",
            *([f"--web.config.file={web}"] if name == "guarded" else []),
        ]
    commands["victoria"] = [
        "victoria-metrics",
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{ports['victoria']}",
        f"-promscrape.config={scrape}",
        "-search.latencyOffset=0s",
        "-retentionPeriod=100y",
    ]
    running = []
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        for url in (f"http://{node}/", *(f"{one}/-/ready" for one in urls.values())):
            end = time.monotonic() + 30
            while not answers(url):
                assert time.monotonic() < end, f"{url} did not come up"
                time.sleep(0.1)
        yield Servers(node=node, cadvisor=cadvisor, **urls)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        fake.shutdown()
        fake.server_close()


async def filled(made):
    """The listing, once the server has seen enough for rates of everything."""

    async def look():
        items, errors = await listed(made)
        assert errors == []
        seen = await made.api.query(call(), f'count_over_time(up{{job="cadvisor"}}[{WINDOW:g}s])')
        complete = len(items) == 3 and all(one.cpu_used is not None for one in items.values())
        return items if complete and seen.value >= WINDOW - 1 else None

    return await eventually(look)


@pytest.fixture(params=["prometheus", "victoria"])
def base_url(request, servers):
    return getattr(servers, request.param)


async def test_hosts_and_containers(servers, base_url):
    made = await provider(
        base_url,
        window=WINDOW,
        instance_label="droplet",
        instance_provider="do",
        deployments={"namespace=shop": "s"},
    )
    items = await filled(made)
    host = items[servers.node]
    assert host.kind is ResourceKind.HOST
    assert host.instance_id == "do/42"
    assert 0 < host.cpu_used <= host.cpu_limit * 1.001  # rates are rounded
    assert 0 < host.memory_used < host.memory_limit
    web, app = items[f"{servers.cadvisor}/web"], items[RESTARTED]
    assert web.cpu_used == pytest.approx(CORES["web"], rel=0.3)
    assert (web.cpu_limit, web.memory_used, web.memory_limit, web.storage_used) == (1.5, 1000, None, 30)
    assert web.network_received == pytest.approx(100, rel=0.3)
    assert web.network_sent is None
    assert (app.memory_used, app.memory_limit, app.deployment) == (2000, 4000, "s")
    assert abs(host.time.timestamp() - time.time()) < 30
    await made.aclose()


async def test_scraping_alone_agrees_with_promql(servers, base_url):
    """The same sums, made here and there, at nearly the same time."""
    direct = await provider(targets=[servers.node, servers.cadvisor], scrape_pause=1.0)
    asked = await provider(base_url, window=WINDOW)
    theirs = await filled(asked)
    ours, errors = await listed(direct)
    assert errors == []
    assert ours.keys() == theirs.keys()
    for name, mine in ours.items():
        for field in AMOUNTS:
            told, counted = getattr(theirs[name], field), getattr(mine, field)
            assert (told is None) is (counted is None), (name, field)
            if told is None or (mine.kind is ResourceKind.HOST and field in {"cpu_used", *NETWORK}):
                continue  # what a host does changes from second to second; see below
            if (name, field) == (RESTARTED, "cpu_used"):
                continue
            moves = mine.kind is ResourceKind.HOST or field in {"cpu_used", *NETWORK}
            assert counted == pytest.approx(told, rel=0.3 if moves else 0), (name, field)
        assert mine.source == theirs[name].source


async def test_our_sums_over_the_servers_own_samples_are_promqls(servers):
    """Every sample of the window, taken through what a direct scrape goes through, against one evaluation of PromQL."""
    made = await provider(servers.prometheus, window=WINDOW)
    await filled(made)
    moment = round(time.time() - 1, 3)
    found = await made.api.query(call(), f'{{__name__=~"node_.+|container_.+"}}[{WINDOW:g}s]', time=moment)
    compared = 0
    for kind in (ResourceKind.HOST, ResourceKind.CONTAINER):
        mine = measured_again(found.series, kind, moment)
        for field, promql in prepared(kind, window=WINDOW, labels=(), instead={}).items():
            answer = await made.api.query(call(), promql, time=moment)
            told = {identity(kind, one.labels): one.points[-1].value for one in answer.series}
            if field not in {"time", "down"}:
                expected = {
                    name: fields[field] for name, fields in mine.items() if fields.get(field) is not None
                }
                assert told.keys() == expected.keys(), (kind, field)
                for name, value in expected.items():
                    # Right after a reset PromQL reaches back no further than to zero.
                    near = 0.3 if (name, field) == (RESTARTED, "cpu_used") else 1e-6
                    assert told[name] == pytest.approx(value, rel=near, abs=1e-9), (name, field)
                compared += len(told)
    assert compared >= 15


def stretched(times, end):
    """Seconds to which Prometheus stretches what it has seen: to the window's edges, if these are not too far."""
    usual = (times[-1] - times[0]) / (len(times) - 1)
    gaps = (times[0] - (end - WINDOW), end - times[-1])
    return times[-1] - times[0] + sum(gap if gap < 1.1 * usual else usual / 2 for gap in gaps)


def measured_again(series, kind, end):
    """Fields by resource: rates as means over all steps, and the rest as it was last."""
    scrapes = defaultdict(lambda: defaultdict(list))
    for one in series:
        for point in one.points:
            sample = Sample(one.name, one.labels, point.value, point.timestamp)
            scrapes[one.labels["instance"]][point.timestamp].append(sample)
    found = {}
    for instance, at in scrapes.items():
        rates, sums, before = Rates(300), defaultdict(float), None
        for moment in sorted(at):
            by_name = defaultdict(list)
            for sample in at[moment]:
                by_name[sample.name].append(sample)
            counters = {name: by_name[name] for name in COUNTERS & by_name.keys()}
            for name, stepped in rates.step(counters, moment).items():
                for one, rate in zip(counters[name], stepped, strict=True):
                    if rate is not None:
                        sums[one.series] += rate * (moment - before)
            before = moment
        seconds = max(at) - min(at)
        factor = stretched(sorted(at), end) / WINDOW
        means = {
            name: [
                sums[one.series] / seconds * factor if one.series in sums else None for one in by_name[name]
            ]
            for name in COUNTERS & by_name.keys()
        }
        if kind is ResourceKind.HOST:
            machine = host(instance, {name: each for name, each in by_name.items() if each}, means)
            found |= {instance: machine.fields} if machine else {}
        else:
            found |= {name: one.fields for name, one in containers(instance, by_name, means).items()}
    return found


async def test_counters_that_are_reset_never_give_negative_rates(servers):
    direct = await provider(targets=[servers.cadvisor], scrape_pause=0.6)
    for _ in range(3):
        items, _ = await listed(direct)
        assert 0 <= items[RESTARTED].cpu_used <= CORES[RESTARTED] * 1.3
        await asyncio.sleep(0.6)
    await direct.aclose()


async def test_both_together_show_each_resource_once(servers):
    made = await provider(servers.prometheus, targets=[servers.node], window=WINDOW, scrape_pause=0.6)
    items = await filled(made)
    assert set(items) == {servers.node, f"{servers.cadvisor}/web", "shop/p-1/app"}
    assert items[servers.node].labels["job"] == "node"
    await made.aclose()


async def test_a_range_longer_than_one_request(servers, base_url):
    made = await provider(base_url)
    await filled(made)
    end = time.time()
    past = end - 60  # VictoriaMetrics repeats the point before the newest instead of it
    answer = await made.api.query_range(call(), "vector(time())", start=past - 30_000, end=past, step=1)
    (series,) = answer.series
    times = [point.timestamp for point in series.points]
    assert times == [float(at) for at in range(int(times[0]), int(times[0]) + len(times))]
    assert len(times) in {30_000, 30_001}
    assert all(point.value == point.timestamp for point in series.points)
    up = await made.api.query_range(call(), "up", start=end - 5, end=end, step=1)
    assert {one.labels["job"] for one in up.series} == {"node", "cadvisor"}
    await made.aclose()


async def test_what_else_the_api_offers(servers, base_url):
    made = await provider(base_url)
    await filled(made)
    api = made.api
    assert (await api.query(call(), "1+1")).value == 2
    assert {one.labels["instance"] for one in await api.targets(call())} == {servers.node, servers.cadvisor}
    assert {one["job"] for one in await api.series(call(), ["up", "node_load1"])} == {"node", "cadvisor"}
    assert "instance" in await api.labels(call())
    assert set(await api.label_values(call(), "job")) == {"node", "cadvisor"}
    assert (await api.query(call(), "nothing_of_this_name")).series == ()
    found = await api.query(call(), "node_cpu_seconds_total", limit=1)
    assert len(found.series) == 1
    metadata = await api.metadata(call(), metric="node_cpu_seconds_total")
    build = await api.build_info(call())
    if base_url == servers.prometheus:
        assert metadata["node_cpu_seconds_total"][0].type == "counter"
        assert build["version"].startswith("2.")
        assert (await api.targets_metadata(call(), "up")) is not None
        assert (await api.query(call(), "1/0")).value == float("inf")
    else:
        assert (metadata, build) == ({}, {})
    await made.aclose()


async def test_faults_of_a_query(servers, base_url):
    made = await provider(base_url)
    await filled(made)
    with pytest.raises(ValidationError, match=base_url) as caught:
        await made.api.query(call(), "sum(up")
    assert caught.value.field == "query"
    both = ApiError if base_url == servers.prometheus else ValidationError
    with pytest.raises(both):
        await made.api.query(call(), '{__name__=~"node_cpu_seconds_total|up"} * on() up')
    await made.aclose()


async def test_basic_authentication(servers):
    made = await provider(servers.guarded, username="alice", password="s3cret", window=WINDOW)
    await made.check_health(call())
    await filled(made)
    await made.aclose()
    for wrong in ({"username": "alice", "password": "wrong"}, {"token": "canary"}, {}):
        made = await provider(servers.guarded, **wrong)
        with pytest.raises(InvalidCredentialsError, match=servers.guarded):
            await listed(made)
        await made.aclose()


async def test_replicas_stand_in_for_one_another(servers):
    gone = f"http://127.0.0.1:{free_port()}"
    made = await provider(
        gone, replicas=[servers.guarded, servers.replica, servers.prometheus], window=WINDOW
    )
    await filled(made)
    answer = await made.api.query(call(), "up")
    assert {one.source for one in answer.series} == {servers.replica}
    await made.aclose()
    made = await provider(gone, replicas=[servers.guarded])
    with pytest.raises(ProviderUnavailableError) as caught:
        await made.api.query(call(), "up")
    assert set(caught.value.details["replicas"]) == {gone, servers.guarded}
    await made.aclose()
