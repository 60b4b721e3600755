"""Addresses: unique, and from ranges that lead nowhere (RFC 2544, RFC 3849)."""

import ipaddress
from typing import Any

_PUBLIC = ipaddress.ip_network("198.18.0.0/15")
_PRIVATE = ipaddress.ip_network("10.100.0.0/14")
_PUBLIC6 = ipaddress.ip_network("2001:db8::/32")


def _host(network: ipaddress.IPv4Network | ipaddress.IPv6Network, index: int) -> str:
    return str(network.network_address + 16 + index % (network.num_addresses - 32))


def networks(index: int, *, public: bool, ipv6: bool) -> dict[str, Any]:
    """The addresses of the droplet with that running number."""
    v4 = [{"ip_address": _host(_PRIVATE, index), "netmask": "255.255.0.0", "gateway": "", "type": "private"}]
    if public:
        v4.insert(
            0,
            {
                "ip_address": _host(_PUBLIC, index),
                "netmask": "255.255.240.0",
                "gateway": "198.18.0.1",
                "type": "public",
            },
        )
    return {"v4": v4, "v6": [address6(index)] if ipv6 else []}


def address6(index: int) -> dict[str, Any]:
    """Its public IPv6 address."""
    return {"ip_address": _host(_PUBLIC6, index), "netmask": 64, "gateway": "2001:db8::1", "type": "public"}
