"""A round of 1,000 scraped hosts, from socket to ``ResourceMetrics``, in one process.

Beside it for 100 of them: plain aiohttp with the official Python client's parser, which is given the same 16 requests at a
time. Then the same 1,000 with one host that hangs and one that lies among them.

Run it alone: ``python benchmarks/scraping.py``. The hosts are a process of its own: each is a port of 127.0.0.1 that says
500 samples of node_exporter, other values every time.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from multiprocessing.connection import Connection

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from purveyor import MultiProviderClient

HOSTS = (10, 100, 1000)
PEER_HOSTS = 100
AT_A_TIME = 16
ROUNDS = 5
SCRAPE_TIMEOUT = 2.0
MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
GAUGES = 300


def document(host: int, round_: int) -> bytes:
    """What one host says: 500 samples, some of which we read."""
    lines: list[str] = []

    def family(name: str, kind: str, series: Sequence[tuple[str, float]]) -> None:
        lines.extend((f"# HELP {name} As the kernel counts it.", f"# TYPE {name} {kind}"))
        lines.extend(f"{name}{labels} {value:.6g}" for labels, value in series)

    at = 100.0 * round_ + host / 7
    cpus = [(f'{{cpu="{cpu}",mode="{mode}"}}', 1e5 + at + cpu) for cpu in range(16) for mode in MODES]
    family("node_cpu_seconds_total", "counter", cpus)
    for name in ("MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "Slab"):
        size = 64e9 if name == "MemTotal" else 1e9 + at
        family(f"node_memory_{name}_bytes", "gauge", [("", size)])
    for name, value in (("avail_bytes", 4e9 + at), ("size_bytes", 8e9), ("readonly", 0)):
        disks = [
            (f'{{device="/dev/sd{disk}",fstype="ext4",mountpoint="/srv/{disk}"}}', value)
            for disk in "abcdefgh"
        ]
        family(f"node_filesystem_{name}", "gauge", disks)
    for way in ("receive", "transmit"):
        wires = [(f'{{device="eth{host}_{port}"}}', 1e9 + 1000 * at) for port in range(21)]
        family(f"node_network_{way}_bytes_total", "counter", wires)
    for field in range(GAUGES):
        family(f"node_more_field_{field}", "gauge", [("", at + field)])
    return ("\n".join(lines) + "\n").encode()


def answer(body: bytes) -> bytes:
    """The whole HTTP answer."""
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def serve(port: Connection, hosts: int) -> None:
    """All hosts, then one that hangs and one that lies."""

    async def start(bodies: Sequence[bytes]) -> int:
        answers = cycle([answer(body) for body in bodies])

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    if bodies:
                        writer.write(next(answers))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        number: int = server.sockets[0].getsockname()[1]
        return number

    ports = [await start([document(host, round_) for round_ in range(2)]) for host in range(hosts)]
    port.send((ports, await start([]), await start([b"node_memory_MemTotal_bytes 1\n<html>" * 1000])))
    await asyncio.Event().wait()


def run_hosts(port: Connection, hosts: int) -> None:
    """The process of the hosts."""
    more_files()
    asyncio.run(serve(port, hosts))


def more_files() -> None:
    """A thousand connections need more open files than many systems allow by default."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))


@contextmanager
def hosts_serving(hosts: int) -> Iterator[tuple[list[str], str, str]]:
    """Addresses of the good ones, of the one that hangs, and of the one that lies."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=run_hosts, args=(theirs, hosts), daemon=True
    )
    process.start()
    theirs.close()
    try:
        ports, hung, lying = ours.recv()
        yield [f"127.0.0.1:{one}" for one in ports], f"127.0.0.1:{hung}", f"127.0.0.1:{lying}"
    finally:
        process.terminate()
        process.join()


def client(targets: Sequence[str]) -> MultiProviderClient:
    """One provider that scrapes them all."""
    settings = {
        "targets": list(targets),
        "scrape_pause": 0,
        "scrape_timeout": SCRAPE_TIMEOUT,
        "max_concurrency": AT_A_TIME,
    }
    config = {"state": "memory", "providers": [{"name": "lab", "type": "prometheus", "config": settings}]}
    return MultiProviderClient.from_config(config, health_interval=None)


async def rounds(targets: Sequence[str], good: int) -> list[tuple[float, float]]:
    """Each round, of which the first one knows nothing yet: seconds until everybody who is well has told, and of the processor."""
    found = []
    async with client(targets) as one:
        for _ in range(ROUNDS):
            gc.collect()
            began, worked = time.perf_counter(), time.process_time()
            last, count = (0.0, 0.0), 0
            async for each in one.list_metrics():
                assert each.memory_limit == 64e9
                count, last = count + 1, (time.perf_counter() - began, time.process_time() - worked)
            assert count == good, (count, good)
            found.append(last)
    return found


async def peer(targets: Sequence[str]) -> float:
    """Seconds of the processor for plain aiohttp and the official parser for one round; nothing is computed from the samples."""
    slots = asyncio.Semaphore(AT_A_TIME)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def get(target: str) -> None:
            async with slots, session.get(f"http://{target}/metrics") as got:
                list(text_string_to_metric_families(await got.text()))

        await asyncio.gather(*(get(target) for target in targets))
        gc.collect()
        worked = time.process_time()
        await asyncio.gather(*(get(target) for target in targets))
        return time.process_time() - worked


def tell(what: str, times: Sequence[tuple[float, float]], hosts: int) -> float:
    """One line; the medians of the rounds after the first. The processor's seconds are what is left of a busy machine."""
    usual, worked = (statistics.median(column) for column in zip(*times[1:], strict=True))
    print(
        f"{what:28} first {times[0][0]:6.3f} s (processor {times[0][1]:6.3f}), then {usual:6.3f} s "
        f"(processor {worked:6.3f}): {worked / hosts * 1e3:.2f} ms a host"
    )
    return worked


async def main() -> None:
    """Everything."""
    with hosts_serving(max(HOSTS)) as (targets, hung, lying):
        usual = {
            count: tell(f"{count} hosts", await rounds(targets[:count], count), count) for count in HOSTS
        }
        theirs = await peer(targets[:PEER_HOSTS])
        print(
            f"{'aiohttp and prometheus_client':34} {PEER_HOSTS} hosts in {theirs:.3f} s of the processor: {theirs / usual[PEER_HOSTS]:.1f} times as long"
        )
        most = max(HOSTS)
        ill = [*targets[: most // 2], hung, lying, *targets[most // 2 :]]
        held = tell("1000, one hung, one lying", await rounds(ill, most), most)
        print(f"target: {most} hosts in under 3 s")
        print(
            f"linear: 1000 hosts take {usual[1000] / usual[10]:.0f} times the processor's time of 10 (100 would be exactly so)"
        )
        print(f"two that are ill: {held / usual[most]:.2f} of the processor's time without them (target: 1)")


if __name__ == "__main__":
    more_files()
    asyncio.run(main())
