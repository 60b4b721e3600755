"""Servers in a process of their own, so that they cost the measured side nothing."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web

EMPTY = b'{"droplets":[],"links":{},"meta":{"total":0}}'


def droplet(number: int) -> dict[str, Any]:
    """One row as DigitalOcean's API shows it, with made-up values."""
    regions = ["ams3", "blr1", "fra1", "lon1", "nyc1", "nyc3", "sfo3", "sgp1", "tor1"]
    size = {
        "slug": "s-1vcpu-1gb",
        "memory": 1024,
        "vcpus": 1,
        "disk": 25,
        "transfer": 1.0,
        "price_monthly": 6.0,
        "price_hourly": 0.00893,
        "regions": regions,
        "available": True,
        "description": "Basic",
    }
    image = {
        "id": 112929454,
        "name": "24.04 (LTS) x64",
        "distribution": "Ubuntu",
        "slug": "ubuntu-24-04-x64",
        "public": True,
        "regions": regions,
        "created_at": "2024-04-25T10:00:00Z",
        "min_disk_size": 7,
        "type": "base",
        "size_gigabytes": 0.6,
        "description": "Ubuntu 24.04 (LTS) x64",
        "tags": [],
        "status": "available",
    }
    v4 = [
        {"ip_address": f"10.1.{number // 250 % 250}.{number % 250}", "netmask": "255.255.0.0", "type": "private"},
        {
            "ip_address": f"198.18.{number // 250 % 250}.{number % 250}",
            "netmask": "255.255.240.0",
            "gateway": "198.18.0.1",
            "type": "public",
        },
    ]
    v6 = [{"ip_address": f"2001:db8::{number:x}", "netmask": 64, "gateway": "2001:db8::1", "type": "public"}]
    return {
        "id": 400_000_000 + number,
        "name": f"node-{number}",
        "memory": 1024,
        "vcpus": 1,
        "disk": 25,
        "locked": False,
        "status": "active",
        "kernel": None,
        "created_at": "2026-02-03T04:05:06Z",
        "features": ["monitoring", "droplet_agent", "ipv6", "private_networking"],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": image,
        "volume_ids": [],
        "size": size,
        "size_slug": "s-1vcpu-1gb",
        "networks": {"v4": v4, "v6": v6},
        "region": {"name": "Amsterdam 3", "slug": "ams3", "features": ["ipv6"], "available": True, "sizes": []},
        "tags": ["bench"],
        "vpc_uuid": "00000000-0000-4000-8000-000000000000",
    }


def droplet_pages(count: int, per_page: int = 200) -> list[bytes]:
    """All pages of a listing, rendered."""
    last = -(-count // per_page)
    pages = []
    for page in range(1, last + 1):
        rows = [droplet(number) for number in range((page - 1) * per_page, min(page * per_page, count))]
        base = f"https://api.digitalocean.com/v2/droplets?per_page={per_page}&page="
        links = {"next": f"{base}{page + 1}", "last": f"{base}{last}"} if page < last else {"first": f"{base}1"}
        pages.append(json.dumps({"droplets": rows, "links": {"pages": links}, "meta": {"total": count}}).encode())
    return pages


def _app(pages: list[bytes], seconds: float) -> web.Application:
    async def droplets(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        page = int(request.query.get("page", "1"))
        # As the real API does, the default list leaves GPU droplets out; this account has none.
        body = pages[page - 1] if request.query.get("type") != "gpus" and page <= len(pages) else EMPTY
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v2/droplets", droplets)
    return app


def _serve(pipe: Any, pages: list[bytes], seconds: float) -> None:
    async def main() -> None:
        runner = web.AppRunner(_app(pages, seconds), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.to_thread(pipe.recv)  # until the other side has had enough
        await runner.cleanup()

    asyncio.run(main())


@contextmanager
def droplet_server(pages: list[bytes], seconds: float) -> Iterator[int]:
    """A loopback server that takes ``seconds`` for each page; yields its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, pages, seconds))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("enough")
        process.join()


def account(name: str, port: int) -> Mapping[str, Any]:
    """A configured DigitalOcean account at that server."""
    return {
        "name": name,
        "type": "digitalocean",
        "config": {"token": "benchmark", "base_url": f"http://127.0.0.1:{port}"},
    }
