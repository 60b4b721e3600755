"""Servers in a process of their own, so that they cost the measured side nothing."""

from __future__ import annotations

import asyncio
import importlib
import json
import multiprocessing
import random
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from purveyor_testing.proxy import Fate, FaultyProxy
from purveyor_testing.sandbox import Sandbox

Pages = Mapping[str, Sequence[bytes]]
"""Rendered pages by path and page size, such as ``/v2/droplets 200``."""

_HEADERS = """HTTP/1.1 200 OK
Content-Type: application/json
RateLimit-Limit: 5000
RateLimit-Remaining: 4900
RateLimit-Reset: 1900000000
Content-Length: """.replace("\n", "\r\n")
_NOTHING = b'{"droplets":[],"meta":{"total":0},"data":[],"page":1,"pages":1,"results":0}'


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


def linode(number: int) -> dict[str, Any]:
    """One row as Linode's API shows it, with made-up values."""
    return {
        "id": 70_000_000 + number,
        "label": f"node-{number}",
        "group": "",
        "status": "running",
        "created": "2026-02-03T04:05:06",
        "updated": "2026-02-03T04:05:06",
        "type": "g6-nanode-1",
        "ipv4": [
            f"198.18.{number // 250 % 250}.{number % 250}",
            f"192.168.{number // 250 % 250}.{number % 250}",
        ],
        "ipv6": f"2001:db8::{number:x}/128",
        "image": "linode/debian12",
        "region": "nl-ams",
        "site_type": "core",
        "specs": {
            "disk": 25600,
            "memory": 1024,
            "vcpus": 1,
            "gpus": 0,
            "transfer": 1000,
            "accelerated_devices": 0,
        },
        "alerts": {
            "cpu": 90,
            "network_in": 10,
            "network_out": 10,
            "transfer_quota": 80,
            "io": 10000,
            "system_alerts": [],
            "user_alerts": [],
        },
        "backups": {
            "enabled": False,
            "available": False,
            "schedule": {"day": None, "window": None},
            "last_successful": None,
        },
        "hypervisor": "kvm",
        "watchdog_enabled": True,
        "tags": ["bench"],
        "host_uuid": "3a3ddd59d9a78bb8de041391075df44de62bfec8",
        "has_user_data": False,
        "placement_group": None,
        "disk_encryption": "enabled",
        "lke_cluster_id": None,
        "capabilities": ["SMTP Enabled"],
        "interface_generation": "legacy_config",
        "maintenance_policy": "linode/migrate",
        "locks": [],
    }


_NANODE = {
    "id": "g6-nanode-1",
    "label": "Nanode 1GB",
    "price": {"hourly": 0.0075, "monthly": 5.0},
    "region_prices": [],
    "addons": {},
    "memory": 1024,
    "disk": 25600,
    "transfer": 1000,
    "vcpus": 1,
    "gpus": 0,
    "network_out": 1000,
    "class": "nanode",
    "successor": None,
}


def droplet_pages(count: int, per_page: int = 200) -> Pages:
    """All pages of an account's droplets, none of which has a GPU."""
    rows = [droplet(number) for number in range(count)]
    last = -(-count // per_page)
    base = f"https://api.digitalocean.com/v2/droplets?per_page={per_page}&page="
    pages = []
    for page in range(1, last + 1):
        links = (
            {"next": f"{base}{page + 1}", "last": f"{base}{last}"} if page < last else {"first": f"{base}1"}
        )
        some = rows[(page - 1) * per_page : page * per_page]
        pages.append(_json({"droplets": some, "links": {"pages": links}, "meta": {"total": count}}))
    return {f"/v2/droplets {per_page}": pages}


def catalogue_pages() -> Pages:
    """What DigitalOcean sells, as far as it takes to choose."""
    size, image = droplet(0)["size"], droplet(0)["image"]
    region = {
        "name": "Amsterdam 3",
        "slug": "ams3",
        "features": [],
        "available": True,
        "sizes": [size["slug"]],
    }
    return {
        "/v2/sizes 200": [_json({"sizes": [size], "meta": {"total": 1}})],
        "/v2/images distribution 200": [_json({"images": [image], "meta": {"total": 1}})],
        "/v2/images 200": [_json({"images": [], "meta": {"total": 0}})],
        "/v2/regions 200": [_json({"regions": [region], "meta": {"total": 1}})],
    }


def linode_pages(count: int) -> Pages:
    """All pages of an account's Linodes, in the sizes that clients ask for, and the one plan."""
    rows = [linode(number) for number in range(count)]
    pages = {f"/v4/linode/instances {size}": _linode_pages(rows, size) for size in (25, 100, 500)}
    return {**pages, "/v4/linode/types 100": _linode_pages([_NANODE], 100)}


def _linode_pages(rows: Sequence[Mapping[str, Any]], per_page: int) -> list[bytes]:
    pages = [rows[at : at + per_page] for at in range(0, len(rows), per_page)] or [[]]
    totals = {"pages": len(pages), "results": len(rows)}
    return [_json({"data": some, "page": page, **totals}) for page, some in enumerate(pages, 1)]


def chain_pages(ports: Sequence[int], per_page: int) -> Pages:
    """What a VirtEngine chain tells of providers at these ports."""
    rows = [
        {
            "owner": _address(number),
            "host_uri": f"http://127.0.0.1:{port}",
            "attributes": [
                {"key": "region", "value": "eu-north"},
                {"key": "organization", "value": f"Provider {number}"},
                {"key": "capabilities/storage/1/class", "value": "beta2"},
            ],
            "info": {"email": f"ops{number}@example.net", "website": "https://example.net"},
        }
        for number, port in enumerate(ports)
    ]
    last = -(-len(rows) // per_page)
    pages = [
        _json(
            {
                "providers": rows[page * per_page : (page + 1) * per_page],
                "pagination": {"next_key": str(page + 2) if page + 1 < last else None, "total": "0"},
            }
        )
        for page in range(last)
    ]
    block = {
        "block": {"header": {"chain_id": "virtengine-1", "height": "412233", "time": "2026-03-01T00:00:00Z"}}
    }
    return {
        "/virtengine/provider/v1beta4/providers 100": pages,
        "/cosmos/base/tendermint/v1beta1/blocks/latest 100": [_json(block)],
    }


def _address(number: int) -> str:
    """An address of which only its form is looked at."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    tail = "".join(letters[number >> shift & 31] for shift in (10, 5, 0))
    return f"ve1{'q' * 35}{tail}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _answer(pages: Pages, target: str) -> bytes:
    """The whole answer; lists that nobody rendered are empty."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    size = query.get("per_page") or query.get("page_size") or "100"
    kind = " ".join(filter(None, (parts.path, query.get("type"), size)))
    page = int(query.get("page") or query.get("pagination.key") or 1)
    body = pages[kind][page - 1] if kind in pages else _NOTHING
    return f"{_HEADERS}{len(body)}\r\n\r\n".encode() + body


async def _serve(port: Connection, pages: Pages, seconds: float, count: int) -> None:
    answer = cache(partial(_answer, pages))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(seconds)
                writer.write(answer(head.split(b" ", 2)[1].decode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    servers = [await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024) for _ in range(count)]
    port.send([one.sockets[0].getsockname()[1] for one in servers])
    await servers[0].serve_forever()


def _main(port: Connection, pages: Pages, seconds: float, count: int) -> None:
    more_files()
    asyncio.run(_serve(port, pages, seconds, count))


def more_files() -> None:
    """Let this process open as many files as it may; a thousand connections need more than is usual."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _process(main: Callable[..., None], *args: Any) -> Iterator[Any]:
    """A process that sends one thing when it is ready, which is yielded."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=main, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()  # so that a server that cannot start is noticed
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


@contextmanager
def serving(pages: Pages, seconds: float = 0.0) -> Iterator[int]:
    """A loopback server that takes ``seconds`` for each page; yields its port."""
    with serving_at(1, pages, seconds) as (port,):
        yield port


@contextmanager
def serving_at(count: int, pages: Pages, seconds: float = 0.0) -> Iterator[list[int]]:
    """The same at so many ports."""
    with _process(_main, pages, seconds, count) as ports:
        yield ports


async def _play(ready: Connection, sandbox: Callable[[], Sandbox], lost: float) -> None:
    async with (
        sandbox() as cloud,
        FaultyProxy(
            cloud.origin, random.Random(cloud.seed), share=lost, reads=0, mishaps=(Fate.UNANSWERED,)
        ) as proxy,
    ):
        base_url = proxy.origin + cloud.base_path if lost else cloud.base_url
        ready.send({**cloud.ready(), "base_url": base_url})
        await asyncio.Event().wait()


def _cloud(ready: Connection, sandbox: Callable[[], Sandbox], lost: float) -> None:
    asyncio.run(_play(ready, sandbox, lost))


@contextmanager
def playing(sandbox: Callable[[], Sandbox], lost: float = 0.0) -> Iterator[Mapping[str, str]]:
    """A sandbox; yields its ``base_url``, ``token`` and ``control_url``.

    ``lost`` is the share of changing requests that are carried out and whose answers are lost, by the sandbox' seed.
    """
    with _process(_cloud, sandbox, lost) as ready:
        yield ready


def unlimited(kind: str) -> None:
    """Take away what the real cloud allows in a minute, which would be used up in a second."""
    plugin: Any = importlib.import_module(f"purveyor_{kind}._plugin")
    plugin.PLUGIN = attrs.evolve(plugin.PLUGIN, rates={})


def account(kind: str, port: int, name: str = "bench") -> Mapping[str, Any]:
    """A configured account at that server; ``kind`` is ``digitalocean`` or ``linode``."""
    base_url = f"http://127.0.0.1:{port}" + ("/v4" if kind == "linode" else "")
    return {"name": name, "type": kind, "config": {"token": "benchmark", "base_url": base_url}}
