"""Hosts and containers from samples, and where they belong."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from purveyor.plugin import Labels, MetricSeries, Point, ResourceKind, Sample
from purveyor_prometheus._config import Settings
from purveyor_prometheus._exposition import parse_exposition
from purveyor_prometheus._mapping import AMOUNTS, Measured, Places, from_series, identity, merged, resource
from purveyor_prometheus._queries import QUERIES, prepared
from purveyor_prometheus._rates import Rates
from purveyor_prometheus._samples import COUNTERS, WANTED, containers, host

EXPOSITION = Path(__file__).parents[4] / "shared" / "data" / "exposition"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def samples(text):
    found = defaultdict(list)
    for family in parse_exposition(text.encode(), "text/plain; version=0.0.4"):
        for sample in family.samples:
            found[sample.name].append(sample)
    return found


def counters(found):
    return {name: found[name] for name in COUNTERS & found.keys()}


def after(first, second, elapsed=10.0):
    rates = Rates(300)
    rates.step(counters(samples(first)), 0.0)
    found = samples(second)
    return found, rates.step(counters(found), elapsed)


HOST = """\
node_cpu_seconds_total{{cpu="0",mode="idle"}} {idle}
node_cpu_seconds_total{{cpu="0",mode="user"}} {user}
node_cpu_seconds_total{{cpu="0",mode="iowait"}} {idle}
node_cpu_seconds_total{{cpu="1",mode="idle"}} {idle}
node_cpu_seconds_total{{cpu="1",mode="system"}} {user}
node_memory_MemTotal_bytes 1000
node_memory_MemAvailable_bytes 400
node_filesystem_size_bytes{{device="/dev/vda1",fstype="ext4",mountpoint="/"}} 500
node_filesystem_avail_bytes{{device="/dev/vda1",fstype="ext4",mountpoint="/"}} 300
node_filesystem_readonly{{device="/dev/vda1",fstype="ext4",mountpoint="/"}} 0
node_filesystem_size_bytes{{device="/dev/vda1",fstype="ext4",mountpoint="/bind"}} 500
node_filesystem_avail_bytes{{device="/dev/vda1",fstype="ext4",mountpoint="/bind"}} 300
node_filesystem_size_bytes{{device="/dev/sr0",fstype="udf",mountpoint="/cd"}} 700
node_filesystem_avail_bytes{{device="/dev/sr0",fstype="udf",mountpoint="/cd"}} 0
node_filesystem_readonly{{device="/dev/sr0",fstype="udf",mountpoint="/cd"}} 1
node_filesystem_size_bytes{{device="tmpfs",fstype="tmpfs",mountpoint="/run"}} 900
node_filesystem_avail_bytes{{device="tmpfs",fstype="tmpfs",mountpoint="/run"}} 900
node_network_receive_bytes_total{{device="lo"}} {bytes}
node_network_receive_bytes_total{{device="eth0"}} {bytes}
node_network_receive_bytes_total{{device="vethab12"}} {bytes}
node_network_transmit_bytes_total{{device="eth0"}} {bytes}
"""


def test_a_host_after_two_scrapes():
    found, rates = after(HOST.format(idle=100, user=50, bytes=0), HOST.format(idle=105, user=55, bytes=2000))
    assert host("a:9100", found, rates).fields == {
        "cpu_used": 1.0,
        "cpu_limit": 2.0,
        "memory_used": 600.0,
        "memory_limit": 1000.0,
        "storage_used": 200.0,
        "storage_limit": 500.0,
        "network_received": 200.0,
        "network_sent": 200.0,
    }


def test_a_host_after_one_scrape_has_no_rates():
    fields = host("a:9100", samples(HOST.format(idle=1, user=1, bytes=1)), {}).fields
    assert [name for name, value in fields.items() if value is None] == [
        "cpu_used",
        "network_received",
        "network_sent",
    ]


def test_an_old_kernel_has_no_available_memory():
    old = "\n".join(
        f"node_memory_{name}_bytes {value}"
        for name, value in {
            "MemTotal": 1000,
            "MemFree": 100,
            "Buffers": 50,
            "Cached": 200,
            "Slab": 50,
        }.items()
    )
    assert host("a:1", samples(old), {}).fields["memory_used"] == 600.0
    less = old.replace("node_memory_Slab_bytes 50", "")
    assert host("a:1", samples(less), {}).fields["memory_used"] is None


def test_what_says_nothing_of_a_host_gives_none():
    assert host("a:1", samples("up 1"), {}) is None
    bare = host("a:1", samples("node_memory_MemTotal_bytes 1"), {}).fields
    assert {name for name, value in bare.items() if value is not None} == {"memory_limit"}


CADVISOR = """\
container_cpu_usage_seconds_total{{cpu="total",id="/",image="",name=""}} {cpu} {at}
container_cpu_usage_seconds_total{{cpu="cpu00",id="/docker/1",image="nginx",name="web"}} {cpu} {at}
container_cpu_usage_seconds_total{{cpu="cpu01",id="/docker/1",image="nginx",name="web"}} {cpu} {at}
container_memory_working_set_bytes{{id="/docker/1",image="nginx",name="web"}} 300 {at}
container_spec_memory_limit_bytes{{id="/docker/1",image="nginx",name="web"}} 0 {at}
container_spec_cpu_quota{{id="/docker/1",image="nginx",name="web"}} 150000
container_spec_cpu_period{{id="/docker/1",image="nginx",name="web"}} 100000
container_fs_usage_bytes{{device="/dev/a",id="/docker/1",image="nginx",name="web"}} 10 {at}
container_fs_usage_bytes{{device="/dev/b",id="/docker/1",image="nginx",name="web"}} 20 {at}
container_network_receive_bytes_total{{id="/docker/1",image="nginx",interface="eth0",name="web"}} {cpu} {at}
container_network_receive_bytes_total{{id="/docker/1",image="nginx",interface="lo",name="web"}} {cpu} {at}
container_cpu_usage_seconds_total{{container="",id="/kubepods/p",image="",namespace="shop",pod="p-1"}} {cpu} {at}
container_cpu_usage_seconds_total{{container="POD",id="/kubepods/p/0",image="pause",name="k8s_POD",namespace="shop",pod="p-1"}} {cpu} {at}
container_cpu_usage_seconds_total{{container="app",id="/kubepods/p/1",image="app",name="a1",namespace="shop",pod="p-1"}} {cpu} {at}
container_memory_working_set_bytes{{container="app",id="/kubepods/p/1",image="app",name="a1",namespace="shop",pod="p-1"}} 70 {at}
container_memory_working_set_bytes{{container="app",id="/kubepods/p/2",image="app",name="a2",namespace="shop",pod="p-1"}} 80 {at}
container_spec_memory_limit_bytes{{container="app",id="/kubepods/p/1",image="app",name="a1",namespace="shop",pod="p-1"}} 100 {at}
container_spec_cpu_quota{{container="app",id="/kubepods/p/1",image="app",name="a1",namespace="shop",pod="p-1"}} -1
container_spec_cpu_period{{container="app",id="/kubepods/p/1",image="app",name="a1",namespace="shop",pod="p-1"}} 100000
container_network_receive_bytes_total{{container="",id="/kubepods/p",image="pause",interface="eth0",name="x",namespace="shop",pod="p-1"}} {cpu} {at}
"""


def test_containers_by_name_and_by_pod():
    found, rates = after(CADVISOR.format(cpu=0, at=100_000), CADVISOR.format(cpu=10, at=110_000), 1.0)
    got = containers("a:8080", found, rates)
    assert set(got) == {"a:8080/web", "shop/p-1/app"}
    web, app = got["a:8080/web"], got["shop/p-1/app"]
    assert web.fields == {
        "cpu_used": 2.0,
        "cpu_limit": 1.5,
        "memory_used": 300.0,
        "memory_limit": None,
        "storage_used": 30.0,
        "network_received": 1.0,
        "network_sent": None,
    }
    assert web.time == 110.0
    assert (app.fields["cpu_used"], app.fields["memory_used"]) == (1.0, 80.0)
    assert (app.fields["cpu_limit"], app.fields["memory_limit"]) == (None, 100.0)
    assert app.fields["network_received"] is None


def test_the_real_text_of_cadvisor():
    path = EXPOSITION / "cadvisor" / "prometheus_metrics_whitelist_filtered.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    got = containers("a:8080", samples(path.read_text()), {})
    (measured,) = got.values()
    assert measured.labels["name"] == "testcontaineralias"
    known = {name for name, value in measured.fields.items() if value is not None}
    assert {"memory_used", "cpu_limit", "storage_used"} <= known
    assert measured.fields["cpu_used"] is None
    assert measured.fields["memory_limit"] is None, "zero stands for none"


def test_every_field_has_a_query_and_every_query_a_field():
    for kind in (ResourceKind.HOST, ResourceKind.CONTAINER):
        fields = set(prepared(kind, window=300, labels=(), instead={}))
        assert fields - {"time", "down"} <= set(AMOUNTS)
        assert not set(AMOUNTS) - fields - {"storage_limit"}
    assert not any(
        "$" in text for text in prepared(ResourceKind.CONTAINER, window=1, labels=(), instead={}).values()
    )
    assert all(name in "".join(QUERIES.values()) for name in WANTED)


def test_queries_can_be_replaced_and_left_out():
    got = prepared(
        ResourceKind.HOST,
        window=60,
        labels=("rack",),
        instead={"host.cpu_used": "x[$window]$labels", "host.time": ""},
    )
    assert got["cpu_used"] == "x[60000ms], rack"
    assert "time" not in got
    with pytest.raises(ValueError, match=r"host\.cpu"):
        Settings(queries={"host.cpu": "1"})


# Where things belong.


def test_a_resource_is_known_by_its_labels():
    host_, container = ResourceKind.HOST, ResourceKind.CONTAINER
    assert identity(host_, {"instance": "a:1"}) == "a:1"
    assert identity(host_, {"job": "node"}) is None
    assert identity(container, {"instance": "a:1", "name": "web"}) == "a:1/web"
    assert identity(container, {"namespace": "n", "pod": "p", "container": "c", "instance": "a:1"}) == "n/p/c"
    assert identity(container, {"instance": "a:1"}) is None


@pytest.mark.parametrize(
    ("settings", "labels", "instance", "deployment"),
    [
        ({}, {}, None, None),
        ({"instances": {"10.0.0.5": "do/1"}}, {}, "do/1", None),
        ({"instances": {"10.0.0.5": "do/1", "10.0.0.5:9100": "do/2"}}, {}, "do/2", None),
        ({"instances": {"10.0.0.5": "do/1", "node=web-1": "do/3"}}, {"node": "web-1"}, "do/3", None),
        ({"instance_label": "pv"}, {"pv": "do/4"}, "do/4", None),
        ({"instance_label": "pv"}, {"pv": "4"}, None, None),
        ({"instance_label": "pv", "instance_provider": "do"}, {"pv": "4"}, "do/4", None),
        ({"deployment_label": "app"}, {"app": "shop"}, None, "shop"),
        ({"deployments": {"namespace=shop": "store"}}, {"namespace": "shop"}, None, "store"),
        ({"deployments": {"10.0.0.5": "store"}, "deployment_label": "app"}, {"app": ""}, None, "store"),
    ],
)
def test_machines_and_deployments_are_found_by_address_or_label(settings, labels, instance, deployment):
    labels = {"instance": "10.0.0.5:9100", **labels}
    places = Places(Settings(**settings))
    assert places.instance("10.0.0.5:9100", labels) == instance
    assert places.deployment("10.0.0.5:9100", labels) == deployment


def test_an_ipv6_address_is_found_without_its_brackets():
    places = Places(Settings(instances={"fd00::5": "do/6"}))
    assert places.instance("[fd00::5]:9100", {"instance": "[fd00::5]:9100"}) == "do/6"


def test_a_machine_must_be_named_with_its_provider():
    with pytest.raises(ValueError, match="provider/id"):
        Settings(instances={"10.0.0.5": "123"})


def series(value, at=5.0, **labels):
    return MetricSeries(labels=Labels(labels), points=(Point(at, value),))


def test_fields_are_joined_by_resource_and_the_first_of_two_counts():
    got = from_series(
        ResourceKind.HOST,
        {
            "time": [series(3.0, instance="a:1")],
            "cpu_used": [series(1.0, instance="a:1", job="x"), series(2.0, instance="a:1", job="y")],
            "memory_used": [series(7.0, instance="b:1"), series(8.0, job="stray")],
        },
    )
    assert {name: (one.fields, one.time) for name, one in got.items()} == {
        "a:1": ({"cpu_used": 1.0}, 3.0),
        "b:1": ({"memory_used": 7.0}, 5.0),
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_amount_is_no_data(value):
    made = resource(
        ResourceKind.HOST,
        "a:1",
        Measured({"instance": "a:1"}, {"cpu_used": value}, time=1e300),
        provider="mon",
        places=Places(Settings()),
        now=NOW,
    )
    assert made.cpu_used is None
    assert made.time == NOW


def test_gaps_are_filled_and_nothing_is_overwritten():
    def one(**fields):
        measured = Measured({"instance": "a:1"}, fields)
        return resource(
            ResourceKind.HOST, "a:1", measured, provider="mon", places=Places(Settings()), now=NOW
        )

    got = merged(one(cpu_used=0.0, memory_used=None), one(cpu_used=9.0, memory_used=5.0))
    assert (got.cpu_used, got.memory_used) == (0.0, 5.0)
    assert attrs.evolve(got, cpu_used=None, memory_used=None) == one()


def test_a_reading_is_a_sample():
    assert Sample("a", Labels(), 1.0).timestamp is None
