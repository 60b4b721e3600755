"""Regions, sizes, images and marketplace apps: plausible rows in the real API's shape.

Slugs and prices look like the real ones and are not kept in step with them.
"""

import struct
from typing import Any

Row = dict[str, Any]

_BASIC = ("private_networking", "backups", "ipv6", "metadata", "install_agent")
_FULL = (*_BASIC, "storage", "image_transfer")

# slug, name, whether new droplets can be made there
_REGIONS: tuple[tuple[str, str, bool], ...] = (
    ("nyc1", "New York 1", True),
    ("sfo1", "San Francisco 1", False),
    ("nyc2", "New York 2", True),
    ("ams2", "Amsterdam 2", False),
    ("sgp1", "Singapore 1", True),
    ("lon1", "London 1", True),
    ("nyc3", "New York 3", True),
    ("ams3", "Amsterdam 3", True),
    ("fra1", "Frankfurt 1", True),
    ("tor1", "Toronto 1", True),
    ("sfo2", "San Francisco 2", True),
    ("blr1", "Bangalore 1", True),
    ("sfo3", "San Francisco 3", True),
    ("syd1", "Sydney 1", True),
    ("atl1", "Atlanta 1", True),
)
_OPEN = tuple(slug for slug, _, available in _REGIONS if available)
_GPU_H100 = ("nyc2", "tor1", "ams3")
_GPU_ADA = ("tor1",)

# slug, memory MB, vcpus, disk GB, transfer TB, USD a month, USD an hour, description, regions
_SIZES: tuple[tuple[str, int, int, int, float, float, float, str, tuple[str, ...]], ...] = (
    ("512mb", 512, 1, 20, 1.0, 5.0, 0.00744, "Legacy Basic", ()),
    (
        "s-1vcpu-512mb-10gb",
        512,
        1,
        10,
        0.5,
        4.0,
        0.00595,
        "Basic",
        ("ams3", "fra1", "nyc1", "sfo3", "sgp1", "syd1"),
    ),
    ("s-1vcpu-1gb", 1024, 1, 25, 1.0, 6.0, 0.00893, "Basic", _OPEN),
    ("s-1vcpu-1gb-amd", 1024, 1, 25, 1.0, 7.0, 0.01042, "Basic AMD", _OPEN),
    ("s-1vcpu-1gb-intel", 1024, 1, 25, 1.0, 7.0, 0.01042, "Basic Intel", _OPEN),
    ("s-1vcpu-2gb", 2048, 1, 50, 2.0, 12.0, 0.01786, "Basic", _OPEN),
    ("s-1vcpu-2gb-amd", 2048, 1, 50, 2.0, 14.0, 0.02083, "Basic AMD", _OPEN),
    ("s-2vcpu-2gb", 2048, 2, 60, 3.0, 18.0, 0.02679, "Basic", _OPEN),
    ("s-2vcpu-2gb-amd", 2048, 2, 60, 3.0, 21.0, 0.03125, "Basic AMD", _OPEN),
    ("s-2vcpu-4gb", 4096, 2, 80, 4.0, 24.0, 0.03571, "Basic", _OPEN),
    ("s-2vcpu-4gb-intel", 4096, 2, 80, 4.0, 28.0, 0.04167, "Basic Intel", _OPEN),
    ("c-2", 4096, 2, 25, 4.0, 42.0, 0.0625, "CPU-Optimized", _OPEN),
    ("c2-2vcpu-4gb", 4096, 2, 50, 4.0, 47.0, 0.06994, "CPU-Optimized 2x SSD", _OPEN),
    ("s-4vcpu-8gb", 8192, 4, 160, 5.0, 48.0, 0.07143, "Basic", _OPEN),
    ("s-4vcpu-8gb-amd", 8192, 4, 160, 5.0, 56.0, 0.08333, "Basic AMD", _OPEN),
    ("g-2vcpu-8gb", 8192, 2, 25, 4.0, 63.0, 0.09375, "General Purpose", _OPEN),
    ("gd-2vcpu-8gb", 8192, 2, 50, 4.0, 68.0, 0.10119, "General Purpose 2x SSD", _OPEN),
    ("m-2vcpu-16gb", 16384, 2, 50, 4.0, 84.0, 0.125, "Memory-Optimized", _OPEN),
    ("c-4", 8192, 4, 50, 5.0, 84.0, 0.125, "CPU-Optimized", _OPEN),
    ("s-8vcpu-16gb", 16384, 8, 320, 6.0, 96.0, 0.14286, "Basic", _OPEN),
    ("g-4vcpu-16gb", 16384, 4, 50, 5.0, 126.0, 0.1875, "General Purpose", _OPEN),
    ("so-2vcpu-16gb", 16384, 2, 300, 4.0, 131.0, 0.19494, "Storage-Optimized", ("fra1", "nyc1", "sfo3")),
    ("m-4vcpu-32gb", 32768, 4, 100, 6.0, 168.0, 0.25, "Memory-Optimized", _OPEN),
    ("c-8", 16384, 8, 100, 6.0, 168.0, 0.25, "CPU-Optimized", _OPEN),
    ("g-8vcpu-32gb", 32768, 8, 100, 6.0, 252.0, 0.375, "General Purpose", _OPEN),
    ("m-8vcpu-64gb", 65536, 8, 200, 7.0, 336.0, 0.5, "Memory-Optimized", _OPEN),
    ("c-16", 32768, 16, 200, 7.0, 336.0, 0.5, "CPU-Optimized", ("ams3", "fra1", "nyc3", "sfo3")),
    ("g-16vcpu-64gb", 65536, 16, 200, 7.0, 504.0, 0.75, "General Purpose", ("ams3", "fra1", "nyc3", "sfo3")),
    ("m-16vcpu-128gb", 131072, 16, 400, 8.0, 672.0, 1.0, "Memory-Optimized", ("ams3", "nyc3")),
    ("c-32", 65536, 32, 400, 9.0, 672.0, 1.0, "CPU-Optimized", ("nyc3",)),
    ("g-40vcpu-160gb", 163840, 40, 500, 9.0, 1260.0, 1.875, "General Purpose", ()),
    ("gpu-4000adax1-20gb", 32768, 8, 500, 10.0, 565.44, 0.76, "RTX 4000 Ada GPU Droplet - 1X", _GPU_ADA),
    ("gpu-l40sx1-48gb", 65536, 8, 500, 10.0, 1168.08, 1.57, "L40S GPU Droplet - 1X", _GPU_ADA),
    ("gpu-h100x1-80gb", 245760, 20, 720, 15.0, 2522.16, 3.39, "H100 GPU - 1X", _GPU_H100),
    ("gpu-h100x8-640gb", 1966080, 160, 2046, 60.0, 17796.48, 23.92, "H100 GPU - 8X", ("nyc2",)),
    ("gpu-mi300x1-192gb", 245760, 20, 720, 15.0, 1480.56, 1.99, "AMD MI300X - 1X", ()),
)

# size -> number of GPUs, model, GiB of memory each
_GPUS: dict[str, tuple[int, str, int]] = {
    "gpu-4000adax1-20gb": (1, "nvidia_rtx4000_ada", 20),
    "gpu-l40sx1-48gb": (1, "nvidia_l40s", 48),
    "gpu-h100x1-80gb": (1, "nvidia_h100", 80),
    "gpu-h100x8-640gb": (8, "nvidia_h100", 640),
    "gpu-mi300x1-192gb": (1, "amd_mi300x", 192),
}

# slug, name, distribution, GB needed, GB of the image, description
_DISTRIBUTIONS: tuple[tuple[str, str, str, int, float, str], ...] = (
    ("ubuntu-20-04-x64", "20.04 (LTS) x64", "Ubuntu", 7, 0.67, "Ubuntu 20.04 (LTS) x64"),
    ("ubuntu-22-04-x64", "22.04 (LTS) x64", "Ubuntu", 7, 0.74, "Ubuntu 22.04 (LTS) x64"),
    ("ubuntu-24-04-x64", "24.04 (LTS) x64", "Ubuntu", 7, 0.76, "Ubuntu 24.04 (LTS) x64"),
    ("ubuntu-25-04-x64", "25.04 x64", "Ubuntu", 10, 0.83, "Ubuntu 25.04 x64"),
    ("debian-11-x64", "11 x64", "Debian", 7, 0.62, "Debian 11 x64"),
    ("debian-12-x64", "12 x64", "Debian", 7, 0.55, "Debian 12 x64"),
    ("debian-13-x64", "13 x64", "Debian", 7, 0.58, "Debian 13 x64"),
    ("fedora-41-x64", "41 x64", "Fedora", 15, 1.36, "Fedora 41 x64"),
    ("fedora-42-x64", "42 x64", "Fedora", 15, 1.41, "Fedora 42 x64"),
    ("centos-stream-9-x64", "9 Stream x64", "CentOS", 10, 2.12, "CentOS 9 Stream x64"),
    ("almalinux-9-x64", "AlmaLinux 9", "AlmaLinux", 10, 1.95, "AlmaLinux 9 x64"),
    ("rockylinux-9-x64", "9 x64", "Rocky Linux", 10, 1.87, "Rocky Linux 9 x64"),
    ("gpu-h100x1-base", "NVIDIA AI/ML Ready", "Ubuntu", 100, 18.92, "NVIDIA AI/ML Ready"),
)

_APPS: tuple[tuple[str, str], ...] = (
    ("docker-20-04", "Docker 25.0.3 on Ubuntu 22.04"),
    ("wordpress-20-04", "WordPress 6.4 on Ubuntu 22.04"),
    ("nodejs-20-04", "NodeJS 18.16.1 on Ubuntu 22.04"),
    ("lamp-20-04", "LAMP on Ubuntu 22.04"),
    ("lemp-20-04", "LEMP on Ubuntu 22.04"),
    ("gitlabenterprise-20-04", "GitLab Enterprise Edition 16.8 on Ubuntu 22.04"),
    ("mongodb-20-04", "MongoDB 7.0 on Ubuntu 22.04"),
    ("openlitespeed-20-04", "OpenLiteSpeed on Ubuntu 22.04"),
)

ONE_CLICKS: list[Row] = [
    *({"slug": slug, "type": "droplet"} for slug, _ in _APPS),
    *(
        {"slug": slug, "type": "kubernetes"}
        for slug in ("monitoring", "metrics-server", "ingress-nginx", "argocd")
    ),
]


def _float32(value: float) -> float:
    """Prices come out of the real API as if they had been through a 32-bit float."""
    noisy: float = struct.unpack("f", struct.pack("f", value))[0]
    return noisy


def _gib(amount: int) -> Row:
    return {"amount": amount, "unit": "gib"}


def sizes() -> list[Row]:
    """Every size, cheapest first, as GET /v2/sizes has them."""
    rows = []
    for slug, memory, vcpus, disk, transfer, monthly, hourly, description, regions in _SIZES:
        row = {
            "slug": slug,
            "memory": memory,
            "vcpus": vcpus,
            "disk": disk,
            "transfer": transfer,
            "price_monthly": _float32(monthly),
            "price_hourly": _float32(hourly),
            "regions": sorted(regions),
            "available": bool(regions),
            "description": description,
            "disk_info": [{"type": "local", "size": _gib(disk)}],
        }
        if slug in _GPUS:
            count, model, vram = _GPUS[slug]
            row["gpu_info"] = {"count": count, "model": model, "vram": _gib(vram)}
        rows.append(row)
    return rows


def regions() -> list[Row]:
    """Every region, as GET /v2/regions has them."""
    return [
        {
            "name": name,
            "slug": slug,
            "features": list(_FULL if available else _BASIC),
            "available": available,
            "sizes": [size[0] for size in _SIZES if slug in size[8]],
        }
        for slug, name, available in _REGIONS
    ]


def _image(slug: str, name: str, distribution: str, need: int, size: float, description: str) -> Row:
    return {
        "name": name,
        "distribution": distribution,
        "slug": slug,
        "public": True,
        "regions": sorted(slug for slug, _, _ in _REGIONS),
        "created_at": "2025-04-17T16:26:10Z",
        "min_disk_size": need,
        "type": "base" if need != 100 else "snapshot",
        "size_gigabytes": size,
        "description": description,
        "tags": [],
        "status": "available" if slug not in ("ubuntu-20-04-x64", "debian-11-x64") else "retired",
    }


def distributions() -> list[Row]:
    """Base images, still without ids."""
    return [_image(*row) for row in _DISTRIBUTIONS]


def applications() -> list[Row]:
    """Marketplace images, still without ids."""
    return [{**_image(slug, name, "Ubuntu", 25, 2.9, name), "type": "snapshot"} for slug, name in _APPS]
