"""Reading what node_exporter and dcgm-exporter say, side by side with the official Python client.

Three situations: a process that has read nothing yet, a machine that is seen for the first time while its exporter is
known from others, and the same machine again. Run it alone: ``python benchmarks/exposition.py``. Documents are made up;
where Debian's ``prometheus-node-exporter`` is installed, this machine's own is read, too, from loopback.
"""

from __future__ import annotations

import random
import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable

from prometheus_client.parser import text_string_to_metric_families

from purveyor_prometheus import _exposition as exposition
from purveyor_prometheus import parse_exposition
from purveyor_prometheus._exposition_grammar import Dialect
from purveyor_prometheus._exposition_plain import PlainReader

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ROUNDS = 41
GPU_FIELDS = 25
MODES = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"]


def family(name: str, kind: str, series: Iterable[str]) -> list[str]:
    """One family as exporters write it, with values that nobody has seen before."""
    told = [
        f"# HELP {name} {name.replace('_', ' ').capitalize()}, as the kernel counts it.",
        f"# TYPE {name} {kind}",
    ]
    return told + [f"{one} {random.uniform(0, 1e9):.6g}" for one in series]


def node_exporter(machine: int) -> bytes:
    """A host of 16 CPUs: about 290 families, half of them a lone number, and 570 samples."""
    lines = family(
        "node_cpu_seconds_total",
        "counter",
        [f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}}' for cpu in range(16) for mode in MODES],
    )
    for field in range(30):
        name = f"node_network_field_{field}_total"
        lines += family(name, "counter", [f'{name}{{device="eth{machine}_{port}"}}' for port in range(4)])
    for field in range(12):
        name = f"node_filesystem_field_{field}_bytes"
        mounts = [
            f'device="/dev/sd{disk}{machine}",fstype="ext4",mountpoint="/srv/{disk}"' for disk in "abcd"
        ]
        lines += family(name, "gauge", [f"{name}{{{mount}}}" for mount in mounts])
    for field in range(250):
        name = f"node_memory_and_more_field_{field}_bytes"
        lines += family(name, "gauge", [name])
    return ("\n".join(lines) + "\n").encode()


def dcgm_exporter(machine: int) -> bytes:
    """A machine of eight GPUs: ten labels on every one of 200 samples."""
    gpus = [
        f'{{gpu="{gpu}",UUID="GPU-2265b1f5-91b7-d8f1-cd61-{machine:08}{gpu:04}",pci_bus_id="00000000:{gpu}F:00.0",'
        f'device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3",Hostname="gpu-node-{machine}",'
        f'DCGM_FI_DRIVER_VERSION="580.105.08",container="main",namespace="team-a",pod="train-{machine}-{gpu}"}}'
        for gpu in range(8)
    ]
    lines = []
    for field in range(GPU_FIELDS):
        name = f"DCGM_FI_DEV_FIELD_{field}"
        lines += family(name, "gauge", [name + gpu for gpu in gpus])
    return ("\n".join(lines) + "\n").encode()


def real_node_exporter() -> Callable[[int], bytes] | None:
    """What this machine says, with other labels for each machine; None if the exporter is not installed."""
    if shutil.which("prometheus-node-exporter") is None:
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus-node-exporter", f"--web.listen-address={address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
        try:
            text = _fetched(f"http://{address}/metrics")
        finally:
            exporter.terminate()
    label = re.compile(rb'"([^"]*)"')
    return lambda machine: label.sub(rb'"\g<1>%d"' % machine, text)


def _fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        try:
            with opener.open(url, timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def forget_everything() -> None:
    """As in a process that has read nothing yet."""
    for dialect in Dialect:
        exposition._PLAIN[dialect] = PlainReader(dialect, exposition._DEFAULT)  # noqa: SLF001
        exposition._KNOWN[dialect].clear()  # noqa: SLF001


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of the processor; what else the machine does counts least so."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def compare(title: str, document: Callable[[int], bytes]) -> None:
    """Take turns, so that what else the computer does meets all alike."""
    theirs, nothing_known, first, again = [], [], [], []
    for machine in range(ROUNDS):
        data = document(machine)
        theirs.append(timed(lambda data=data: list(text_string_to_metric_families(data.decode()))))
        forget_everything()
        nothing_known.append(timed(lambda data=data: parse_exposition(data, CONTENT_TYPE)))
        parse_exposition(document(-1), CONTENT_TYPE)
        forget_everything()
        parse_exposition(document(-1), CONTENT_TYPE)
        first.append(timed(lambda data=data: parse_exposition(data, CONTENT_TYPE)))
        parse_exposition(document(machine), CONTENT_TYPE)
        same = document(machine)
        again.append(timed(lambda same=same: parse_exposition(same, CONTENT_TYPE)))
    base = statistics.median(theirs)
    print(f"{title}: prometheus_client {base:.2f} ms")
    for name, times in (("nothing known", nothing_known), ("first sight", first), ("same series", again)):
        ours = statistics.median(times)
        print(f"  {name:14} {ours:6.3f} ms   {base / ours:5.1f} times as fast")


if __name__ == "__main__":
    compare("node_exporter, 16 CPUs", node_exporter)
    compare("dcgm-exporter, 8 GPUs", dcgm_exporter)
    real = real_node_exporter()
    if real is not None:
        compare("node_exporter of this machine", real)
