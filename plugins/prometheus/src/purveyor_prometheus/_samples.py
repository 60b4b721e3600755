"""What node_exporter and cAdvisor say when they are read directly: the same sums as our PromQL, without a server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from purveyor.plugin import ResourceKind, Sample
from purveyor_prometheus._mapping import Measured, identity

__all__ = ["COUNTERS", "WANTED", "containers", "host"]

_Rated = tuple[Sample, float | None]
_Group = Mapping[str, Sequence[_Rated]]
Samples = Mapping[str, Sequence[Sample]]
Rates = Mapping[str, Sequence[float | None]]
"""Of counters by name, in the order of their samples; None where there is none yet."""

COUNTERS = frozenset(
    {
        "node_cpu_seconds_total",
        "node_network_receive_bytes_total",
        "node_network_transmit_bytes_total",
        "container_cpu_usage_seconds_total",
        "container_network_receive_bytes_total",
        "container_network_transmit_bytes_total",
    }
)
"""Series that rates are taken of."""

GAUGES = frozenset(
    {
        "node_memory_MemTotal_bytes",
        "node_memory_MemAvailable_bytes",
        "node_memory_Buffers_bytes",
        "node_memory_Cached_bytes",
        "node_memory_MemFree_bytes",
        "node_memory_Slab_bytes",
        "node_filesystem_size_bytes",
        "node_filesystem_avail_bytes",
        "node_filesystem_readonly",
        "container_memory_working_set_bytes",
        "container_spec_memory_limit_bytes",
        "container_spec_cpu_quota",
        "container_spec_cpu_period",
        "container_fs_usage_bytes",
    }
)
WANTED = COUNTERS | GAUGES
"""Series that are kept of a scrape."""

_RESTING = frozenset({"idle", "iowait", "steal"})
_NO_DISK = frozenset(
    {"", "tmpfs", "ramfs", "devtmpfs", "overlay", "squashfs", "iso9660", "autofs", "nsfs", "rootfs"}
)
_IDENTITY = ("node", "namespace", "pod", "container", "name")


def host(instance: str, samples: Samples, rates: Rates) -> Measured | None:
    """What node_exporter says of its host; None if nothing."""
    if not any(name.startswith("node_") for name in samples):
        return None
    cpus = "node_cpu_seconds_total"
    modes = [one.labels.get("mode") for one in samples.get(cpus, ())]
    rated = zip(modes, rates.get(cpus, ()), strict=False)
    used, size = _disks(samples)
    return Measured(
        {"instance": instance},
        {
            "cpu_used": _sum(rate for mode, rate in rated if mode not in _RESTING),
            "cpu_limit": float(modes.count("idle")) or None,
            "memory_used": _memory(samples),
            "memory_limit": _one(samples, "node_memory_MemTotal_bytes"),
            "storage_used": used,
            "storage_limit": size,
            "network_received": _traffic(samples, rates, "node_network_receive_bytes_total"),
            "network_sent": _traffic(samples, rates, "node_network_transmit_bytes_total"),
        },
    )


def _one(samples: Samples, name: str) -> float | None:
    found = samples.get(name, ())
    return found[0].value if found else None


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _memory(samples: Samples) -> float | None:
    total, free = (_one(samples, f"node_memory_Mem{which}_bytes") for which in ("Total", "Available"))
    if free is None:
        parts = [
            _one(samples, f"node_memory_{name}_bytes") for name in ("Buffers", "Cached", "MemFree", "Slab")
        ]
        free = None if None in parts else _sum(parts)
    return None if total is None or free is None else total - free


def _disks(samples: Samples) -> tuple[float | None, float | None]:
    """Bytes in use and in all, each device once; what cannot be written to does not count."""
    fixed = {one.labels for one in samples.get("node_filesystem_readonly", ()) if one.value == 1}
    free = {one.labels: one.value for one in samples.get("node_filesystem_avail_bytes", ())}
    used: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for one in samples.get("node_filesystem_size_bytes", ()):
        if one.labels.get("fstype", "") in _NO_DISK or one.labels in fixed:
            continue
        device = one.labels.get("device", "")
        sizes[device] = max(one.value, sizes.get(device, 0.0))
        if one.labels in free:
            used[device] = max(one.value - free[one.labels], used.get(device, 0.0))
    return _sum(used.values()), _sum(sizes.values())


def _traffic(samples: Samples, rates: Rates, name: str) -> float | None:
    """Of what leaves the machine; a veth leads to one of its containers."""
    devices = (one.labels.get("device", "") for one in samples.get(name, ()))
    rated = zip(devices, rates.get(name, ()), strict=False)
    return _sum(
        rate for device, rate in rated if device != "lo" and (device[:4] != "veth" or device == "veth")
    )


def containers(
    instance: str, samples: Samples, rates: Rates, *, keep: Iterable[str] = ()
) -> dict[str, Measured]:
    """What cAdvisor says of each container.

    Args:
        instance: Address of the target.
        samples: Its samples by name.
        rates: Rates of its counters.
        keep: Further labels to keep.
    """
    found: dict[str, Measured] = {}
    groups: dict[str, dict[str, list[_Rated]]] = defaultdict(lambda: defaultdict(list))
    for name, each in samples.items():
        rated = zip_longest(each, rates.get(name, ())) if name.startswith("container_") else ()
        for one, rate in rated:
            labels = {"instance": instance, **one.labels}
            known = identity(ResourceKind.CONTAINER, labels) if _is_container(labels) else None
            if known is not None:
                kept = {key: labels[key] for key in ("instance", *_IDENTITY, *keep) if labels.get(key)}
                found.setdefault(known, Measured(kept))
                groups[known][name].append((one, rate))
    for known, group in groups.items():
        found[known].fields = _container(group)
        found[known].time = max(
            (one.timestamp for each in group.values() for one, _ in each if one.timestamp is not None),
            default=None,
        )
    return found


def _is_container(labels: Mapping[str, str]) -> bool:
    """Rows without an image are sums over control groups; POD is what holds a pod's network."""
    if not labels.get("image") or labels.get("container") == "POD":
        return False
    return bool(labels.get("container")) or not labels.get("pod")


def _container(group: _Group) -> dict[str, float | None]:
    return {
        "cpu_used": _sum(rate for _, rate in group.get("container_cpu_usage_seconds_total", ())),
        "cpu_limit": _quota(group),
        "memory_used": _most(group, "container_memory_working_set_bytes"),
        # Zero stands for none.
        "memory_limit": _most(group, "container_spec_memory_limit_bytes") or None,
        "storage_used": _files(group.get("container_fs_usage_bytes", ())),
        "network_received": _wires(group, "container_network_receive_bytes_total"),
        "network_sent": _wires(group, "container_network_transmit_bytes_total"),
    }


def _most(group: _Group, name: str) -> float | None:
    """The largest: right after a restart the old container's row is still there."""
    return max((one.value for one, _ in group.get(name, ())), default=None)


def _quota(group: _Group) -> float | None:
    periods = {one.labels: one.value for one, _ in group.get("container_spec_cpu_period", ())}
    cores = [
        one.value / periods[one.labels]
        for one, _ in group.get("container_spec_cpu_quota", ())
        if one.value > 0 and periods.get(one.labels)
    ]
    return max(cores, default=None)


def _files(samples: Iterable[_Rated]) -> float | None:
    sums: dict[frozenset[tuple[str, str]], float] = defaultdict(float)
    for one, _ in samples:
        sums[frozenset(item for item in one.labels.items() if item[0] != "device")] += one.value
    return max(sums.values(), default=None)


def _wires(group: _Group, name: str) -> float | None:
    return _sum(rate for one, rate in group.get(name, ()) if one.labels.get("interface") != "lo")
