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
from _servers import droplet
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

from purveyor.wire import Response, to_page
from purveyor_digitalocean import _mapping as mapping
from purveyor_digitalocean._decoding import DROPLETS, read_list

DROPLET_COUNT = 10_000
PER_PAGE = 200
ROUNDS = 7


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
    print(f"purveyor {mine:7.1f} ms   with each row's own bytes at hand")
    print(f"libcloud {theirs:7.1f} ms")
    print(f"ratio    {theirs / mine:7.1f}")


if __name__ == "__main__":
    main()
