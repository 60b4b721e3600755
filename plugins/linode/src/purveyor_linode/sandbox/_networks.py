"""Addresses as the API shows them."""

import ipaddress
from typing import Any

from purveyor_testing.sandbox import PUBLIC, PUBLIC6, address_in

_PRIVATE = ipaddress.ip_network("192.168.128.0/17")


def addresses4(index: int, *, private: bool) -> list[str]:
    """The IPv4 addresses of the Linode with that running number; the private one comes first or last."""
    public = [address_in(PUBLIC, index)]
    if not private:
        return public
    return [*public, private4(index)] if index % 2 else [private4(index), *public]


def private4(index: int) -> str:
    """Its private address."""
    return address_in(_PRIVATE, index)


def address6(index: int) -> str:
    """Its IPv6 address, without the prefix that a Linode's row shows."""
    return address_in(PUBLIC6, index)


def is_private(address: str) -> bool:
    """Whether an IPv4 address is private to the data centre."""
    return ipaddress.ip_address(address) in _PRIVATE


def row4(address: str, linode: dict[str, Any]) -> dict[str, Any]:
    """An IPv4 address as the API shows it."""
    private = is_private(address)
    id_, label = linode["id"], linode["label"]
    owner = {"id": id_, "type": "linode", "label": label, "url": f"/v4/linode/instances/{id_}"}
    return {
        "address": address,
        "gateway": None if private else "198.18.0.1",
        "subnet_mask": "255.255.128.0" if private else "255.255.255.0",
        "prefix": 17 if private else 24,
        "type": "ipv4",
        "public": not private,
        "rdns": None if private else f"{address.replace('.', '-')}.ip.linodeusercontent.com",
        "linode_id": id_,
        "interface_id": None,
        "region": linode["region"],
        "vpc_nat_1_1": None,
        "reserved": False,
        "assigned_entity": owner,
    }


def row6(address: str, linode: dict[str, Any], *, public: bool) -> dict[str, Any]:
    """An IPv6 address as the API shows it."""
    return {
        "address": address,
        "gateway": "fe80::1",
        "subnet_mask": "ffff:ffff:ffff:ffff::",
        "prefix": 64,
        "type": "ipv6",
        "rdns": None,
        "linode_id": linode["id"],
        "region": linode["region"],
        "public": public,
    }
