"""Every GPU document, read through a provider, against an independent reading of it."""

import pytest

from purveyor.plugin import ProtocolMismatchError, ProviderUnavailableError, ResourceKind
from purveyor_dcgm._fields import FIELDS

from ._build import ROOT, Saying, address, expectations, listed, provider

pytestmark = pytest.mark.skipif(not expectations(), reason="the recorded documents are not here")

MIB = 2**20
REFUSED = {
    "dcgm_synthetic/empty.txt": ProviderUnavailableError,
    "dcgm_synthetic/html_error.txt": ProtocolMismatchError,
    "dcgm_synthetic/truncated_mid_line.txt": ProtocolMismatchError,
}


def expected_gpu(row):
    return {
        "utilization": None if row["util_pct"] is None else row["util_pct"] / 100,
        "memory": memory(row),
        "reserved": None if row["fb_reserved_mib"] is None else row["fb_reserved_mib"] * MIB,
        "power": row["power_w"],
        "temperature": row["temp_c"],
        "energy": None if row["energy_mj"] is None else row["energy_mj"] / 1000,
        "error": row["xid"],
        "engine": row["gr_engine_ratio"],
        "index": row["gpu"],
        "model": row["model"],
        "host": row["host"],
        "bus": row["pci_bus_id"],
        "driver": row["driver"],
        "containers": tuple(sorted("/".join(pod) for pod in row["pods"])),
        "mig": {
            part: (one["profile"], memory(one), one["gr_engine_ratio"]) for part, one in row["mig"].items()
        },
    }


def memory(row):
    used, free = row["fb_used_mib"], row["fb_free_mib"]
    return None if used is None else used * MIB, None if None in {used, free} else (used + free) * MIB


def shown_gpu(gpu, host, instances):
    return {
        "utilization": gpu.utilization,
        "memory": (gpu.memory_used, gpu.memory_limit),
        "reserved": gpu.memory_reserved,
        "power": gpu.power,
        "temperature": gpu.temperature,
        "energy": gpu.energy,
        "error": gpu.error,
        "engine": gpu.engine_active,
        "index": gpu.index,
        "model": gpu.model or None,
        "host": host.labels.get("Hostname"),
        "bus": gpu.labels.get("pci_bus_id"),
        "driver": gpu.labels.get("DCGM_FI_DRIVER_VERSION"),
        "containers": gpu.containers,
        "mig": {
            one.id.rpartition("/")[2]: (one.profile, (one.memory_used, one.memory_limit), one.engine_active)
            for one in instances
        },
    }


@pytest.mark.parametrize("expected", expectations(), ids=lambda one: one["file"].rpartition("/")[2])
async def test_every_gpu_is_read_exactly(expected):
    async with Saying(body=(ROOT / "exposition" / expected["file"]).read_bytes()) as server:
        made = await provider(targets=[address(server)])
        items, errors = await listed(made)
    assert [type(error) for error in errors] == [
        REFUSED[name] for name in REFUSED if name == expected["file"]
    ]
    hosts = [one for one in items.values() if one.kind is ResourceKind.HOST]
    shown = {
        gpu.id: shown_gpu(gpu, host, [one for one in host.gpus if one.id.startswith(f"{gpu.id}/")])
        for host in hosts
        for gpu in host.gpus
        if not gpu.profile
    }
    assert shown == {row["uuid"]: expected_gpu(row) for row in expected["gpus"]}
    power = [gpu.power for one in items.values() for gpu in one.gpus if gpu.power is not None]
    assert (sum(power) if power else None) == pytest.approx(expected["total_power_w"]), "over all rows, once"
    numbers = [int(gpu.index) for host in hosts for gpu in host.gpus]
    assert numbers == sorted(numbers)


async def test_both_generations_of_names_say_the_same():
    read = {}
    for name in ("h100x8_k8s", "h100x8_dcgm46_names"):
        body = (ROOT / "exposition" / "dcgm_synthetic" / f"{name}.txt").read_bytes()
        async with Saying(body=body) as server:
            items, _ = await listed(await provider(targets=[address(server)]))
        read[name] = [one.gpus for one in items.values()]
    assert read["h100x8_k8s"] == read["h100x8_dcgm46_names"]
    assert len(read["h100x8_k8s"][0]) == 8


def test_our_names_are_those_of_the_vendors_table():
    rows = [
        line.split("\t") for line in (ROOT / "dcgm_field_aliases_4.6.tsv").read_text("utf-8").splitlines()
    ]
    newer = {old: new for old, new, *_ in rows}
    for one in FIELDS.values():
        (oldest,) = [name for name in one.names if name.startswith("DCGM_") and name not in newer.values()]
        names = [name for name in one.names if name.startswith("DCGM_")]
        assert names == [newer[oldest], oldest] if oldest in newer else [oldest]
