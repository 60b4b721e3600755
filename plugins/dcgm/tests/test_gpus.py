"""From samples to GPUs: whatever a machine is like, what is said of it in however many ways is read once."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from purveyor.plugin import Labels, ResourceKind, Sample
from purveyor_dcgm._config import Settings
from purveyor_dcgm._mapping import Mapper
from purveyor_prometheus.sources import Places

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MIB = 2**20
OLD = {
    "utilization": "DCGM_FI_DEV_GPU_UTIL",
    "engine_active": "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
    "memory_used": "DCGM_FI_DEV_FB_USED",
    "memory_free": "DCGM_FI_DEV_FB_FREE",
    "power": "DCGM_FI_DEV_POWER_USAGE",
    "error": "DCGM_FI_DEV_XID_ERRORS",
}
NEW = {
    **OLD,
    "utilization": "DCGM_FI_DEV_GPU_UTIL_RATIO",
    "engine_active": "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO",
    "power": "DCGM_FI_DEV_BOARD_POWER_WATTS",
    "error": "DCGM_FI_DEV_XID_ERROR",
}
BLANKS = [2.0**31 - 16, 2.0**31 - 13, 2.0**47, 2.0**47 + 3, 2.0**63, float("nan"), float("inf")]


def read(samples, instance="node:9400", **settings):
    settings = Settings(targets=["x:1"], **settings)
    return {one.id: one for one in Mapper("lab", Places(settings)).resources(samples, NOW, instance)}


def sample(name, value, time=None, **labels):
    return Sample(name, Labels({"gpu": "0", "UUID": "GPU-0", "Hostname": "node", **labels}), value, time)


values = st.fixed_dictionaries(
    {
        "utilization": st.integers(0, 100),
        "engine_active": st.floats(0, 1),
        "memory_used": st.integers(0, 90_000),
        "memory_free": st.integers(0, 90_000),
        "error": st.integers(0, 200),
    }
)
pods = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True)
units = st.fixed_dictionaries({"values": values, "pods": pods})
machines = st.lists(
    st.fixed_dictionaries(
        {
            "power": st.floats(0, 1000),
            "whole": units,
            "parts": st.lists(units, max_size=3),
            "host": st.just("node"),
        }
    ),
    min_size=1,
    max_size=4,
)


def said(machine, names):
    """All that an exporter says of a machine, repetitions included."""
    for number, gpu in enumerate(machine):
        parts = dict(enumerate(gpu["parts"], 1)) or {None: gpu["whole"]}
        for part, unit in parts.items():
            labels = {"gpu": str(number), "UUID": f"GPU-{number}"}
            labels |= {} if part is None else {"GPU_I_ID": str(part), "GPU_I_PROFILE": "1g.10gb"}
            # Under MIG, old drivers say 0.
            told = {**unit["values"], "power": gpu["power"]} | ({"utilization": 0} if part else {})
            for field, value in told.items():
                for pod in unit["pods"] or [""]:
                    yield sample(names[field], float(value), **labels, namespace="ns" if pod else "", pod=pod)


@given(machine=machines, names=st.sampled_from([OLD, NEW]), seed=st.randoms(use_true_random=False))
def test_every_gpu_and_every_instance_is_there_once_with_what_was_said_of_it(machine, names, seed):
    samples = list(said(machine, names))
    seed.shuffle(samples)
    host = read(samples)["node:9400"]
    shown = {gpu.id: gpu for gpu in host.gpus}
    assert len(shown) == len(host.gpus) == sum(1 + len(gpu["parts"]) for gpu in machine)
    for number, gpu in enumerate(machine):
        parent = shown[f"GPU-{number}"]
        assert parent.power == gpu["power"]
        if gpu["parts"]:
            assert (parent.utilization, parent.memory_used, parent.error) == (None, None, None)
        else:
            assert_unit(parent, gpu["whole"], gpu["whole"]["values"]["utilization"] / 100)
        for part, unit in enumerate(gpu["parts"], 1):
            one = shown[f"GPU-{number}/{part}"]
            assert (one.power, one.energy, one.temperature) == (None, None, None)
            assert_unit(one, unit, unit["values"]["engine_active"])


def assert_unit(shown, unit, utilization):
    told = unit["values"]
    assert shown.utilization == utilization
    assert shown.engine_active == told["engine_active"]
    assert shown.memory_used == told["memory_used"] * MIB
    assert shown.memory_limit == (told["memory_used"] + told["memory_free"]) * MIB
    assert shown.error == told["error"]
    assert shown.containers == tuple(f"ns/{pod}" for pod in sorted(unit["pods"]))


@given(machine=machines)
def test_over_all_rows_every_board_counts_once(machine):
    rows = read(said(machine, OLD)).values()
    power = sum(gpu.power for one in rows for gpu in one.gpus if gpu.power is not None)
    assert power == pytest.approx(sum(gpu["power"] for gpu in machine))


@given(machine=machines)
def test_each_container_has_exactly_what_it_is_given(machine):
    rows = read(said(machine, OLD))
    expected = {}
    for number, gpu in enumerate(machine):
        for part, unit in enumerate(gpu["parts"], 1) if gpu["parts"] else [(None, gpu["whole"])]:
            for pod in unit["pods"]:
                name = f"GPU-{number}/{part}" if part else f"GPU-{number}"
                expected.setdefault(f"ns/{pod}", []).append(name)
    containers = {one.id: one for one in rows.values() if one.kind is ResourceKind.CONTAINER}
    assert {name: [gpu.id for gpu in one.gpus] for name, one in containers.items()} == expected


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("name", sorted({*OLD.values(), *NEW.values()}))
def test_a_blank_is_no_data(name, blank):
    (gpu,) = read([sample(name, blank)])["node:9400"].gpus
    fields = ("utilization", "engine_active", "memory_used", "memory_limit", "power", "error")
    assert [getattr(gpu, field) for field in fields] == [None] * 6


def test_energy_may_be_larger_than_other_fields_blanks():
    energy = sample("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 2.0**47)
    assert read([energy])["node:9400"].gpus[0].energy == 2**47 / 1000
    assert read([replace(energy, value=2.0**63)])["node:9400"].gpus[0].energy is None


@given(value=st.floats(100.1, 1e300))
def test_a_utilization_above_all_is_garbage(value):
    assert read([sample(OLD["utilization"], value)])["node:9400"].gpus[0].utilization is None


def test_only_memory_that_is_told_makes_a_limit():
    (gpu,) = read([sample(OLD["memory_used"], 5.0)])["node:9400"].gpus
    assert (gpu.memory_used, gpu.memory_limit, gpu.memory_reserved) == (5 * MIB, None, None)


def test_a_gpu_that_is_cut_has_no_utilization_even_if_its_driver_says_0():
    part = {"GPU_I_ID": "1", "GPU_I_PROFILE": "1g.10gb"}
    samples = [sample(OLD["utilization"], 0.0), sample(OLD["utilization"], 0.0, **part)]
    parent, instance = read(samples)["node:9400"].gpus
    assert (parent.utilization, instance.utilization) == (None, None)
    samples.append(sample(OLD["engine_active"], 0.25, **part))
    assert [gpu.utilization for gpu in read(samples)["node:9400"].gpus] == [None, 0.25]


def test_what_tells_one_gpu_from_another_is_no_label_of_the_machine():
    host = read([sample(OLD["power"], 1.0, device="nvidia0", pci_bus_id="0:0F:0", cluster="a")])["node:9400"]
    assert host.labels == {"instance": "node:9400", "Hostname": "node", "cluster": "a"}
    assert host.gpus[0].labels == {"device": "nvidia0", "pci_bus_id": "0:0F:0", "cluster": "a"}


def test_the_newest_error_counts_whatever_its_labels():
    old = sample(OLD["error"], 79.0, 100.0, err_code="79", err_msg="GPU has fallen off the bus")
    new = sample(OLD["error"], 13.0, 200.0, err_code="13", err_msg="Graphics Engine Exception")
    for samples in ([old, new], [new, old]):
        (gpu,) = read(samples)["node:9400"].gpus
        assert (gpu.error, gpu.time) == (13, datetime.fromtimestamp(200, UTC))


def test_a_namespace_without_a_pod_holds_nothing():
    rows = read([sample(OLD["power"], 1.0, namespace="gpu-operator", container="exporter", pod="")])
    assert set(rows) == {"node:9400"}
    assert rows["node:9400"].gpus[0].containers == ()


def test_a_pod_that_had_the_gpu_before_has_it_no_more():
    before = [sample(OLD["utilization"], 99.0, 100.0, namespace="ns", pod="before")]
    now = [sample(OLD["utilization"], 1.0, 160.0, namespace="ns", pod="now")]
    rows = read(before + now)
    assert set(rows) == {"node:9400", "ns/now"}
    assert rows["node:9400"].gpus[0].utilization == 0.01
    assert rows["node:9400"].gpus[0].containers == ("ns/now",)


@pytest.mark.parametrize("time", [-5.0, 1e18, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_none(time):
    (host,) = read([sample(OLD["utilization"], 1.0, time)]).values()
    assert (host.time, host.gpus[0].time) == (NOW, None)


def test_an_instance_whose_profile_is_not_told_is_still_no_whole_gpu():
    _, instance = read([sample(OLD["memory_used"], 1.0, GPU_I_ID="3", GPU_I_PROFILE="<<<NULL>>>")])[
        "node:9400"
    ].gpus
    assert (instance.id, instance.profile) == ("GPU-0/3", "unknown")


def test_texts_that_say_why_there_is_none_are_none():
    (gpu,) = read([sample(OLD["memory_used"], 1.0, GPU_I_ID="", GPU_I_PROFILE="<<<NULL>>>")])[
        "node:9400"
    ].gpus
    assert (gpu.id, gpu.profile) == ("GPU-0", "")


def test_switches_links_and_cpus_are_no_gpus():
    link = Sample("DCGM_FI_DEV_NVLINK_X", Labels({"nvlink": "0", "gpu_uuid": "GPU-0"}), 1.0)
    assert read([link, Sample("node_load1", Labels({"UUID": "GPU-9"}), 1.0)]) == {}


def test_one_address_that_tells_of_several_machines_tells_them_apart():
    samples = [sample(OLD["utilization"], 1.0, UUID=f"GPU-{host}", Hostname=host) for host in ("one", "two")]
    assert set(read(samples, "gateway:80")) == {"gateway:80/one", "gateway:80/two"}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("10.0.0.5", "host"),
        ("10.0.0.5:9400", "host"),
        ("Hostname=node", "host"),
        ("node", "host"),
        ("app=mail", "pod"),
    ],
)
def test_a_machine_is_meant_by_address_host_name_or_label(key, kind):
    busy = sample(OLD["utilization"], 1.0, namespace="ns", pod="p", app="mail")
    idle = sample(OLD["utilization"], 1.0, UUID="GPU-1", gpu="1")
    rows = read([busy, idle], "10.0.0.5:9400", instances={key: "do/7"}, deployments={"app=mail": "post"})
    assert rows["ns/p"].instance_id == "do/7" or key == "10.0.0.5:9400"
    assert rows["10.0.0.5:9400"].instance_id == ("do/7" if kind == "host" else None)
    assert (rows["ns/p"].deployment, rows["10.0.0.5:9400"].deployment) == ("post", None)


def test_a_label_may_hold_the_machines_id():
    rows = read([sample(OLD["power"], 1.0, droplet="42")], instance_label="droplet", instance_provider="do")
    assert rows["node:9400"].instance_id == "do/42"


def test_a_whole_rack_is_read_in_its_order():
    numbers = [str(number) for number in range(16)]
    samples = [sample(OLD["power"], 1.0, gpu=number, UUID=f"GPU-{number}") for number in numbers]
    random.Random(1).shuffle(samples)
    assert [gpu.index for gpu in read(samples)["node:9400"].gpus] == numbers
