"""Regions and types: plausible rows in the real API's shape.

Ids and prices look like the real ones and are not kept in step with them.
"""

from typing import Any

Row = dict[str, Any]

_CORE = (
    "Linodes",
    "Block Storage Encryption",
    "Disk Encryption",
    "Backups",
    "NodeBalancers",
    "Block Storage",
    "Kubernetes",
    "Cloud Firewall",
    "Vlans",
    "VPCs",
    "Managed Databases",
    "Metadata",
    "Placement Group",
    "StackScripts",
    "Maintenance Policy",
)
_EDGE = ("Linodes", "Disk Encryption", "Cloud Firewall", "Distributed Plans")
GPU, PREMIUM, VPU = "GPU Linodes", "Premium Plans", "NETINT Quadra T1U"

# id, label, country, what it has besides the usual
_REGIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("ap-west", "Mumbai, IN", "in", (GPU,)),
    ("ca-central", "Toronto, CA", "ca", ()),
    ("ap-southeast", "Sydney, AU", "au", ()),
    ("us-iad", "Washington, DC", "us", (PREMIUM,)),
    ("us-ord", "Chicago, IL", "us", (PREMIUM, GPU)),
    ("fr-par", "Paris, FR", "fr", (PREMIUM, GPU)),
    ("us-sea", "Seattle, WA", "us", (PREMIUM, GPU)),
    ("br-gru", "Sao Paulo, BR", "br", (PREMIUM,)),
    ("nl-ams", "Amsterdam, NL", "nl", (PREMIUM,)),
    ("se-sto", "Stockholm, SE", "se", (PREMIUM,)),
    ("jp-osa", "Osaka, JP", "jp", (PREMIUM, GPU)),
    ("us-mia", "Miami, FL", "us", (PREMIUM, VPU)),
    ("id-cgk", "Jakarta, ID", "id", (PREMIUM,)),
    ("us-lax", "Los Angeles, CA", "us", (PREMIUM, VPU)),
    ("gb-lon", "London 2, UK", "gb", (PREMIUM,)),
    ("us-central", "Dallas, TX", "us", ()),
    ("us-west", "Fremont, CA", "us", ()),
    ("us-southeast", "Atlanta, GA", "us", (GPU,)),
    ("us-east", "Newark, NJ", "us", (GPU,)),
    ("eu-west", "London, UK", "gb", ()),
    ("ap-south", "Singapore, SG", "sg", (GPU,)),
    ("eu-central", "Frankfurt, DE", "de", (GPU,)),
    ("ap-northeast", "Tokyo 2, JP", "jp", ()),
)
# Small sites at the edge: no metadata service, and hence no user data.
_DISTRIBUTED = (("us-den-10", "Edge - Denver, CO", "us"), ("de-ham-1", "Edge - Hamburg, DE", "de"))


def regions() -> list[Row]:
    """GET /regions."""
    core = [_region(id_, label, country, (*_CORE, *more)) for id_, label, country, more in _REGIONS]
    edge = [_region(id_, label, country, _EDGE, "distributed") for id_, label, country in _DISTRIBUTED]
    return core + edge


def _region(id_: str, label: str, country: str, has: tuple[str, ...], site_type: str = "core") -> Row:
    number = sum(id_.encode()) % 200
    return {
        "id": id_,
        "label": label,
        "country": country,
        "capabilities": list(has),
        "monitors": {"alerts": [], "metrics": []},
        "status": "ok",
        "resolvers": {
            "ipv4": ",".join(f"198.18.{number}.{host}" for host in range(5, 10)),
            "ipv6": ",".join(f"2001:db8:{number:x}::{host}" for host in range(5, 10)),
        },
        "placement_group_limits": {"maximum_pgs_per_customer": 100, "maximum_linodes_per_pg": 5},
        "site_type": site_type,
    }


# id, label, memory GB, disk GB, vcpus, GPUs, transfer GB, network Mbit/s, USD a month, USD a month of backups
_TYPES: tuple[tuple[str, str, int, int, int, int, int, int, float, float], ...] = (
    ("g6-nanode-1", "Nanode 1GB", 1, 25, 1, 0, 1000, 1000, 5, 2),
    ("g6-standard-1", "Linode 2GB", 2, 50, 1, 0, 2000, 2000, 12, 2.5),
    ("g6-standard-2", "Linode 4GB", 4, 80, 2, 0, 4000, 4000, 24, 5),
    ("g6-standard-4", "Linode 8GB", 8, 160, 4, 0, 5000, 5000, 48, 10),
    ("g6-standard-6", "Linode 16GB", 16, 320, 6, 0, 8000, 6000, 96, 20),
    ("g6-standard-8", "Linode 32GB", 32, 640, 8, 0, 16000, 7000, 192, 40),
    ("g6-standard-16", "Linode 64GB", 64, 1280, 16, 0, 20000, 9000, 384, 80),
    ("g6-standard-20", "Linode 96GB", 96, 1920, 20, 0, 20000, 10000, 576, 120),
    ("g6-standard-24", "Linode 128GB", 128, 2560, 24, 0, 20000, 11000, 768, 160),
    ("g7-highmem-1", "Linode 24GB", 24, 20, 2, 0, 5000, 5000, 60, 5),
    ("g7-highmem-2", "Linode 48GB", 48, 40, 2, 0, 6000, 6000, 120, 10),
    ("g7-highmem-4", "Linode 90GB", 90, 90, 4, 0, 7000, 7000, 240, 20),
    ("g7-highmem-8", "Linode 150GB", 150, 200, 8, 0, 8000, 8000, 480, 40),
    ("g6-dedicated-2", "Dedicated 4GB", 4, 80, 2, 0, 4000, 4000, 36, 5),
    ("g6-dedicated-4", "Dedicated 8GB", 8, 160, 4, 0, 5000, 5000, 72, 10),
    ("g6-dedicated-8", "Dedicated 16GB", 16, 320, 8, 0, 6000, 6000, 144, 20),
    ("g6-dedicated-16", "Dedicated 32GB", 32, 640, 16, 0, 7000, 7000, 288, 40),
    ("g6-dedicated-32", "Dedicated 64GB", 64, 1280, 32, 0, 8000, 8000, 576, 80),
    ("g6-dedicated-48", "Dedicated 96GB", 96, 1920, 48, 0, 9000, 9000, 864, 120),
    ("g6-dedicated-56", "Dedicated 256GB", 256, 5000, 56, 0, 11000, 11000, 2304, 200),
    ("g7-premium-2", "Premium 4GB", 4, 80, 2, 0, 4000, 4000, 43, 5),
    ("g7-premium-4", "Premium 8GB", 8, 160, 4, 0, 5000, 5000, 86, 10),
    ("g7-premium-8", "Premium 16GB", 16, 320, 8, 0, 6000, 6000, 173, 20),
    ("g7-premium-16", "Premium 32GB", 32, 640, 16, 0, 7000, 7000, 346, 40),
    ("g7-premium-32", "Premium 64GB", 64, 1280, 32, 0, 8000, 8000, 691, 80),
    ("g1-gpu-rtx6000-1", "Dedicated 32GB + RTX6000 GPU x1", 32, 640, 8, 1, 16000, 10000, 1000, 40),
    ("g1-gpu-rtx6000-2", "Dedicated 64GB + RTX6000 GPU x2", 64, 1280, 16, 2, 20000, 10000, 2000, 80),
    ("g2-gpu-rtx4000a1-s", "RTX4000 Ada x1 Small", 16, 500, 4, 1, 0, 10000, 350, 20),
    ("g2-gpu-rtx4000a2-m", "RTX4000 Ada x2 Medium", 64, 1000, 16, 2, 0, 10000, 892, 80),
    ("g1-accelerated-netint-vpu-t1u1-s", "Netint Quadra T1U x1 Small", 16, 300, 8, 0, 0, 16000, 280, 20),
)
_DEARER = (("id-cgk", 1.2), ("br-gru", 1.4))


def types() -> list[Row]:
    """GET /linode/types: prices, dearer in two regions except for GPUs."""
    return [_type(*one) for one in _TYPES]


def _type(
    id_: str,
    label: str,
    memory: int,
    disk: int,
    vcpus: int,
    gpus: int,
    transfer: int,
    network_out: int,
    monthly: float,
    backups: float,
) -> Row:
    class_ = id_.split("-")[1]
    dearer = () if class_ in ("gpu", "accelerated") else _DEARER
    return {
        "id": id_,
        "label": label,
        "price": _price(monthly),
        "region_prices": [{"id": region, **_price(monthly, factor)} for region, factor in dearer],
        "addons": {
            "backups": {
                "price": _price(backups),
                "region_prices": [{"id": region, **_price(backups, factor)} for region, factor in dearer],
            }
        },
        "memory": memory * 1024,
        "disk": disk * 1024,
        "transfer": transfer,
        "vcpus": vcpus,
        "gpus": gpus,
        "accelerated_devices": 1 if class_ == "accelerated" else 0,
        "network_out": network_out,
        "class": class_,
        "successor": None,
    }


def _price(monthly: float, factor: float = 1.0) -> Row:
    """Dollars a month, and a 667th of them an hour."""
    return {
        "hourly": round(monthly * factor * 0.0015, 4 if factor == 1.0 else 3),
        "monthly": round(float(monthly * factor), 2),
    }


NEEDS = {"gpu": GPU, "premium": PREMIUM, "accelerated": VPU}
"""The capability that a region needs for types of a class; other types can be had everywhere."""


def has_room(region: Row, type_: Row) -> bool:
    """Whether new Linodes of a type can be had in a region."""
    needed = NEEDS.get(type_["class"])
    return needed is None or needed in region["capabilities"]


def availability(region: Row, types: list[Row]) -> list[Row]:
    """GET /regions/{id}/availability: only types that are not to be had everywhere are named."""
    limited = [one for one in types if one["class"] in NEEDS]
    return [
        {"region": region["id"], "plan": one["id"], "available": has_room(region, one)} for one in limited
    ]
