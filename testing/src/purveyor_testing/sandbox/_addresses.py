"""Addresses: unique, and from ranges that lead nowhere (RFC 2544, RFC 3849)."""

from ipaddress import IPv4Network, IPv6Network

PUBLIC = IPv4Network("198.18.0.0/15")
PUBLIC6 = IPv6Network("2001:db8::/32")


def address_in(network: IPv4Network | IPv6Network, index: int) -> str:
    """The address of the machine with that running number."""
    return str(network.network_address + 16 + index % (network.num_addresses - 32))
