"""Addresses as the API shows them."""

import ipaddress
from typing import Any

from purveyor_testing.sandbox import PUBLIC, PUBLIC6, address_in

_PRIVATE = ipaddress.ip_network("10.100.0.0/14")


def networks(index: int, *, public: bool, ipv6: bool) -> dict[str, Any]:
    """The addresses of the droplet with that running number."""
    v4 = [
        {
            "ip_address": address_in(_PRIVATE, index),
            "netmask": "255.255.0.0",
            "gateway": "",
            "type": "private",
        }
    ]
    if public:
        v4.insert(
            0,
            {
                "ip_address": address_in(PUBLIC, index),
                "netmask": "255.255.240.0",
                "gateway": "198.18.0.1",
                "type": "public",
            },
        )
    return {"v4": v4, "v6": [address6(index)] if ipv6 else []}


def address6(index: int) -> dict[str, Any]:
    """Its public IPv6 address."""
    return {
        "ip_address": address_in(PUBLIC6, index),
        "netmask": 64,
        "gateway": "2001:db8::1",
        "type": "public",
    }
