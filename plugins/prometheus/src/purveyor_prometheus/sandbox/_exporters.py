"""What a host and its containers say: the families of node_exporter and of cAdvisor."""

from collections.abc import Callable, Mapping, Sequence

from purveyor_prometheus.sandbox._machine import GIB, MIB, Container, Machine
from purveyor_prometheus.sandbox._world import Family, Labels, Life, Wave

MODES: Mapping[str, float] = {"user": 0.7, "system": 0.25, "softirq": 0.04, "irq": 0.005, "nice": 0.005}
"""Shares of the time that a CPU works."""
WAITING = 0.004
"""Share of the time in which it waits for the disk."""

Curve = Callable[[float], float]


def _same(value: float) -> Curve:
    number = float(value)
    return lambda _: number


def _counted(wave: Wave, life: Life, *, whole: bool = False) -> Curve:
    """A counter of what a wave brings, since the last start."""

    def value(moment: float) -> float:
        total = wave.between(life.since(moment), moment)
        return float(int(total)) if whole else total

    return value


def _mode(machine: Machine, mode: str) -> Curve:
    """Seconds that one CPU has spent in a mode since the host was started."""

    def value(moment: float) -> float:
        start = machine.life.since(moment)
        worked = sum(wave.between(start, moment) for wave in machine.working) / machine.cpus
        if mode == "idle":
            return (1 - WAITING) * (moment - start) - worked
        return WAITING * (moment - start) if mode == "iowait" else MODES.get(mode, 0.0) * worked

    return value


def host_families(machine: Machine) -> tuple[Family, ...]:
    """What node_exporter says."""
    return (*_processor(machine), *_memory(machine), *_disks(machine), *_wires(machine), *_rest(machine))


def _processor(machine: Machine) -> Sequence[Family]:
    modes = {mode: _mode(machine, mode) for mode in ("idle", "iowait", *MODES, "steal")}
    series = tuple(
        ({"cpu": str(cpu), "mode": mode}, value)
        for cpu in range(machine.cpus)
        for mode, value in sorted(modes.items())
    )

    def load(moment: float) -> float:
        return round(sum(wave.at(moment) for wave in machine.working), 2)

    return (
        Family("node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.", series),
        Family("node_load1", "gauge", "1m load average.", (({}, load),)),
    )


def _memory(machine: Machine) -> Sequence[Family]:
    cached, buffers, slab = 3 * GIB, 0.2 * GIB, 0.5 * GIB

    def available(moment: float) -> float:
        return machine.memory - machine.memory_used(moment)

    def free(moment: float) -> float:
        return available(moment) - cached - buffers - slab

    amounts: Mapping[str, Curve] = {
        "Buffers": _same(int(buffers)),
        "Cached": _same(cached),
        "MemAvailable": available,
        "MemFree": free,
        "MemTotal": _same(machine.memory),
        "Slab": _same(slab),
    }
    return [
        Family(
            f"node_memory_{name}_bytes", "gauge", f"Memory information field {name}_bytes.", (({}, value),)
        )
        for name, value in amounts.items()
    ]


def _disks(machine: Machine) -> Sequence[Family]:
    """One disk that is mounted twice, one that cannot be written to, and one that is memory."""
    root, again = (
        {"device": "/dev/vda1", "fstype": "ext4", "mountpoint": mount} for mount in ("/", "/var/lib/docker")
    )
    image = {"device": "/dev/loop0", "fstype": "squashfs", "mountpoint": "/snap/core/1"}
    volatile = {"device": "tmpfs", "fstype": "tmpfs", "mountpoint": "/run"}
    sealed = {"device": "/dev/vdb1", "fstype": "xfs", "mountpoint": "/media/archive"}

    def free(moment: float) -> float:
        age = moment - machine.life.starts[0]
        return float(int(max(0.6 * machine.disk - machine.filling * age, 0.0)))

    archive = 50.0 * GIB
    size = (
        (root, machine.disk),
        (again, machine.disk),
        (image, 64.0 * MIB),
        (volatile, GIB),
        (sealed, archive),
    )
    left = ((root, free), (again, free), (image, _same(0.0)), (volatile, _same(GIB)), (sealed, _same(0.0)))
    fixed = ((root, 0.0), (again, 0.0), (image, 1.0), (volatile, 0.0), (sealed, 1.0))
    family = "node_filesystem"
    return (
        Family(
            f"{family}_avail_bytes", "gauge", "Filesystem space available to non-root users in bytes.", left
        ),
        Family(
            f"{family}_readonly",
            "gauge",
            "Filesystem read-only status.",
            tuple((labels, _same(value)) for labels, value in fixed),
        ),
        Family(
            f"{family}_size_bytes",
            "gauge",
            "Filesystem size in bytes.",
            tuple((labels, _same(value)) for labels, value in size),
        ),
    )


def _wires(machine: Machine) -> Sequence[Family]:
    inside = Wave(1e5, 0, 1, 0)
    ways = {"receive": machine.received, "transmit": machine.sent}
    return [
        Family(
            f"node_network_{way}_bytes_total",
            "counter",
            f"Network device statistic {way}_bytes.",
            tuple(
                ({"device": device}, _counted(wave, machine.life, whole=True))
                for device, wave in (("eth0", outside), ("lo", inside), ("veth0a1b2c3", inside))
            ),
        )
        for way, outside in ways.items()
    ]


def _rest(machine: Machine) -> Sequence[Family]:
    name = {
        "domainname": "(none)",
        "machine": "x86_64",
        "nodename": "sandbox",
        "release": "6.1.0-32-amd64",
        "sysname": "Linux",
        "version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.129-1",
    }
    return (
        Family(
            "node_boot_time_seconds", "gauge", "Node boot time, in unixtime.", (({}, machine.life.since),)
        ),
        Family("node_time_seconds", "gauge", "System time in seconds since epoch (1970).", (({}, float),)),
        Family(
            "node_uname_info",
            "gauge",
            "Labeled system information as provided by the uname system call.",
            ((name, _same(1.0)),),
        ),
    )


def container_families(machine: Machine) -> tuple[Family, ...]:
    """What cAdvisor says: of each container, of the whole host, and of each pod's network."""
    whole = {"id": "/"}
    every = machine.containers

    def gauge(name: str, told: str, of: Callable[[Container], Curve | None]) -> Family:
        found = ((one.labels, of(one)) for one in every)
        return Family(name, "gauge", told, tuple((labels, value) for labels, value in found if value))

    def worked(moment: float) -> float:
        start = machine.life.since(moment)
        return sum(wave.between(start, moment) for wave in machine.working)

    cpu = [({"cpu": "total", **whole}, worked)] + [
        ({"cpu": "total", **one.labels}, _counted(one.cores, one.life)) for one in every
    ]
    return (
        Family(
            "container_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed in seconds.",
            tuple(cpu),
        ),
        Family(
            "container_fs_usage_bytes",
            "gauge",
            "Number of bytes that are consumed by the container on this filesystem.",
            tuple(({"device": "/dev/vda1", **one.labels}, _same(one.storage)) for one in every),
        ),
        gauge(
            "container_memory_working_set_bytes",
            "Current working set in bytes.",
            lambda one: lambda moment: float(int(one.memory.at(moment))),
        ),
        *(_container_wires(every, way) for way in ("receive", "transmit")),
        gauge(
            "container_spec_cpu_period",
            "CPU period of the container.",
            lambda one: _same(100_000.0) if one.core_limit else None,
        ),
        gauge(
            "container_spec_cpu_quota",
            "CPU quota of the container.",
            lambda one: _same(one.core_limit * 100_000) if one.core_limit else None,
        ),
        gauge(
            "container_spec_memory_limit_bytes",
            "Memory limit for the container.",
            lambda one: _same(one.memory_limit or 0),
        ),
        gauge(
            "container_start_time_seconds",
            "Start time of the container since unix epoch in seconds.",
            lambda one: one.life.since,
        ),
    )


def _container_wires(every: Sequence[Container], way: str) -> Family:
    """A pod's containers share one network, which cAdvisor tells of under the name POD."""
    series: list[tuple[Labels, Curve]] = []
    for one in every:
        labels = dict(one.labels)
        if one.in_pod:
            labels |= {
                "container": "POD",
                "id": labels["id"].rsplit("/", 1)[0],
                "image": "registry.k8s.io/pause:3.9",
                "name": labels["name"].replace(f"k8s_{labels['container']}_", "k8s_POD_"),
            }
        wave = one.received if way == "receive" else one.sent
        series.append(({**labels, "interface": "eth0"}, _counted(wave, one.life, whole=True)))
        if not one.in_pod:
            series.append(({**labels, "interface": "lo"}, _counted(Wave(5e3, 0, 1, 0), one.life, whole=True)))
    words = {"receive": "received", "transmit": "transmitted"}[way]
    told = f"Cumulative count of bytes {words}"
    return Family(f"container_network_{way}_bytes_total", "counter", told, tuple(series))
