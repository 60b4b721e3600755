"""10,000 droplets from bytes to models, side by side with libcloud on the same bytes.

Run it alone: ``python benchmarks/mapping.py``. It sends nothing.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import requests
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

from purveyor.wire import Response, to_page
from purveyor_digitalocean import _mapping as mapping
from purveyor_digitalocean._decoding import DROPLETS, read_list

DROPLET_COUNT = 10_000
PER_PAGE = 200
ROUNDS = 7

REGIONS = ["ams3", "blr1", "fra1", "lon1", "nyc1", "nyc2", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1"]
FEATURES = ["private_networking", "backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]
SIZES = [f"s-{cpus}vcpu-{memory}gb" for cpus, memory in ((1, 1), (1, 2), (2, 2), (2, 4), (4, 8), (8, 16))]


def droplet(number: int) -> dict[str, Any]:
    """A row with every key that the API gives; about 1.8 KB."""
    region = REGIONS[number % len(REGIONS)]
    return {
        "id": 480_000_000 + number,
        "name": f"web-{number:05}",
        "memory": 1024,
        "vcpus": 1,
        "disk": 25,
        "locked": False,
        "status": "active" if number % 10 else "off",
        "kernel": None,
        "created_at": f"2026-03-{number % 28 + 1:02}T18:37:44Z",
        "features": ["monitoring", "droplet_agent", "private_networking", "ipv6"],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [67512819],
        "image": {
            "id": 155133621,
            "name": "24.04 (LTS) x64",
            "distribution": "Ubuntu",
            "slug": "ubuntu-24-04-x64",
            "public": True,
            "regions": REGIONS,
            "created_at": "2026-02-11T17:19:31Z",
            "min_disk_size": 7,
            "type": "base",
            "size_gigabytes": 0.76,
            "description": "Ubuntu 24.04 (LTS) x64",
            "tags": [],
            "status": "available",
        },
        "volume_ids": [],
        "size": {
            "slug": SIZES[number % len(SIZES)],
            "memory": 1024,
            "vcpus": 1,
            "disk": 25,
            "transfer": 1.0,
            "price_monthly": 6.0,
            "price_hourly": 0.00892999954521656,
            "regions": REGIONS,
            "available": True,
            "description": "Basic",
            "disk_info": [{"type": "local", "size": {"amount": 25, "unit": "gib"}}],
        },
        "size_slug": SIZES[number % len(SIZES)],
        "networks": {
            "v4": [
                {
                    "ip_address": f"10.116.{number // 250 % 250}.{number % 250}",
                    "netmask": "255.255.240.0",
                    "gateway": "",
                    "type": "private",
                },
                {
                    "ip_address": f"198.18.{number // 250 % 250}.{number % 250}",
                    "netmask": "255.255.240.0",
                    "gateway": "198.18.0.1",
                    "type": "public",
                },
            ],
            "v6": [
                {
                    "ip_address": f"2001:db8::{number:x}",
                    "netmask": 64,
                    "gateway": "2001:db8::1",
                    "type": "public",
                }
            ],
        },
        "region": {
            "name": region,
            "slug": region,
            "features": FEATURES,
            "available": True,
            "sizes": SIZES,
        },
        "tags": ["web", "env:prod"],
        "vpc_uuid": "760e09ef-dc84-11e8-981e-3cfdfeaae000",
    }


def bodies() -> list[bytes]:
    """The droplets in pages, as they would come."""
    rows = [droplet(number) for number in range(DROPLET_COUNT)]
    pages = [rows[at : at + PER_PAGE] for at in range(0, DROPLET_COUNT, PER_PAGE)]
    last = f"https://api.digitalocean.com/v2/droplets?page={len(pages)}&per_page={PER_PAGE}"
    envelope = {"links": {"pages": {"last": last}}, "meta": {"total": DROPLET_COUNT}}
    return [json.dumps({"droplets": page, **envelope}).encode() for page in pages]


def ours(pages: Sequence[bytes]) -> list[Any]:
    """Bytes to instances."""
    found: list[Any] = []
    for body in pages:
        fetched = read_list(Response(status=200, body=body), DROPLETS)
        found.extend(to_page("do", fetched.rows, mapping.instance).items)
    return found


def libcloud_path() -> Callable[[Sequence[bytes]], list[Any]]:
    """Bytes to nodes: the driver's own ``list_nodes``, with answers that are there already instead of a network."""
    driver: Any = get_driver(Provider.DIGITAL_OCEAN)("token")

    def theirs(pages: Sequence[bytes]) -> list[Any]:
        def request(_url: str, params: dict[str, int] | None = None) -> Any:
            answer = requests.Response()
            answer.status_code, answer.encoding = 200, "utf-8"
            answer._content = pages[(params or {"page": 1})["page"] - 1]  # noqa: SLF001
            return driver.connection.responseCls(answer, driver.connection)

        driver.connection.request = request
        return list(driver.list_nodes())

    return theirs


def measure(work: Callable[[Sequence[bytes]], list[Any]], pages: Sequence[bytes]) -> float:
    """Milliseconds of one round; giving the result back to the system does not count."""
    gc.collect()
    started = time.perf_counter()
    found = work(pages)
    seconds = time.perf_counter() - started
    assert len(found) == DROPLET_COUNT
    return seconds * 1000


def main() -> None:
    """Measure both, print the ratio."""
    pages = bodies()
    size = sum(map(len, pages)) / 1e6
    peer = libcloud_path()
    rounds = [(measure(ours, pages), measure(peer, pages)) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{DROPLET_COUNT:,} droplets, {size:.1f} MB in {len(pages)} pages, median of {ROUNDS}")
    print(f"purveyor {mine:7.1f} ms   with each row's own bytes")
    print(f"libcloud {theirs:7.1f} ms")
    print(f"ratio    {theirs / mine:7.1f}")


if __name__ == "__main__":
    main()
