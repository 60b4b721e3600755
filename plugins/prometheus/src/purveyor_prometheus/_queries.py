"""The PromQL for hosts (node_exporter) and containers (cAdvisor), after the community's node and Kubernetes mixins.

A name is ``kind.field``: what it gives fills that field of ``ResourceMetrics``. ``$window`` stands for the range of
rates, ``$labels`` for further labels to keep, each with a comma before it. What ``host.down`` gives is told as errors.

What is measured alike several times is taken once: a file system that is mounted twice (by device), and a container
that was just restarted, whose old series are still there.
"""

from __future__ import annotations

from collections.abc import Mapping

from purveyor.plugin import ResourceKind

__all__ = ["DOWN", "QUERIES", "prepared"]

_FILES = 'fstype!="",fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|autofs|nsfs|rootfs"'
_NET = 'device!~"lo|veth.+"'


def _files(measured: str) -> str:
    used = f"({measured}) unless node_filesystem_readonly == 1"
    return f"sum without (device) (max without (mountpoint, fstype) ({used}))"


def _containers(each: str, expression: str) -> str:
    """A Kubernetes container is known by its pod, so that restarts do not matter; another by its name."""
    pods = expression.replace("$which", 'image!="",container!="",container!="POD"')
    plain = expression.replace("$which", 'image!="",container="",pod="",name!=""')
    return (
        f"{each} by (instance, node, namespace, pod, container$labels) ({pods})"
        f" or {each} by (instance, node, name$labels) ({plain})"
    )


DOWN = "down"
"""The one field that is none: whatever its query gives cannot be reached by the server at present."""

QUERIES: Mapping[str, str] = {
    "host.down": "up == 0 and on (job, instance) last_over_time(node_memory_MemTotal_bytes[1h])",
    "host.time": "timestamp(node_memory_MemTotal_bytes)",
    "host.cpu_used": (
        'sum without (cpu, mode) (rate(node_cpu_seconds_total{mode!~"idle|iowait|steal"}[$window]))'
    ),
    "host.cpu_limit": 'count without (cpu, mode) (node_cpu_seconds_total{mode="idle"})',
    "host.memory_used": (
        "node_memory_MemTotal_bytes - (node_memory_MemAvailable_bytes or (node_memory_Buffers_bytes"
        " + node_memory_Cached_bytes + node_memory_MemFree_bytes + node_memory_Slab_bytes))"
    ),
    "host.memory_limit": "node_memory_MemTotal_bytes",
    "host.storage_used": _files(
        f"node_filesystem_size_bytes{{{_FILES}}} - node_filesystem_avail_bytes{{{_FILES}}}"
    ),
    "host.storage_limit": _files(f"node_filesystem_size_bytes{{{_FILES}}}"),
    "host.network_received": f"sum without (device) (rate(node_network_receive_bytes_total{{{_NET}}}[$window]))",
    "host.network_sent": f"sum without (device) (rate(node_network_transmit_bytes_total{{{_NET}}}[$window]))",
    "container.time": _containers("max", "timestamp(container_memory_working_set_bytes{$which})"),
    "container.cpu_used": _containers("sum", "rate(container_cpu_usage_seconds_total{$which}[$window])"),
    "container.cpu_limit": _containers(
        "max", "(container_spec_cpu_quota{$which} > 0) / container_spec_cpu_period{$which}"
    ),
    "container.memory_used": _containers("max", "container_memory_working_set_bytes{$which}"),
    "container.memory_limit": _containers("max", "container_spec_memory_limit_bytes{$which} > 0"),
    "container.storage_used": _containers("max", "sum without (device) (container_fs_usage_bytes{$which})"),
    "container.network_received": _containers(
        "sum", 'rate(container_network_receive_bytes_total{interface!="lo",$which}[$window])'
    ),
    "container.network_sent": _containers(
        "sum", 'rate(container_network_transmit_bytes_total{interface!="lo",$which}[$window])'
    ),
}


def prepared(
    kind: ResourceKind, *, window: float, labels: tuple[str, ...], instead: Mapping[str, str]
) -> dict[str, str]:
    """The queries of one kind, by the field that they fill.

    Args:
        kind: What is measured.
        window: Seconds over which rates are taken.
        labels: Further labels of containers to keep.
        instead: Queries to use in place of ours, by their whole names; empty ones are left out.
    """
    chosen = {**QUERIES, **instead}
    more = "".join(f", {label}" for label in labels)
    found: dict[str, str] = {}
    for name, promql in chosen.items():
        whose, _, field = name.partition(".")
        if whose == kind.value and promql.strip():
            found[field] = promql.replace("$window", f"{round(window * 1000)}ms").replace("$labels", more)
    return found
