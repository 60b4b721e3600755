"""Guards against endpoints that a stranger wrote: nothing is sent anywhere but to a public address."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from purveyor.model.errors import ConfigurationError, Outcome, UnsafeEndpointError
from purveyor.wire.address import address_of, origin

__all__ = ["GuardedResolver", "checked_endpoint", "guarded_socket", "why_not_public"]

_NOT_PUBLIC = tuple(
    (ip_network(network), reason)
    for network, reason in (
        # IANA's registries of special addresses; what is not routed at all is left out of the reasons.
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a provider's customers"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "this host"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved, such as for tunnels"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a tunnel"),
        ("3fff::/20", "for documentation"),
    )
)
_GLOBAL = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")


def why_not_public(address: str) -> str | None:
    """Why nothing may be sent to an address; None if it is a public one.

    An IPv4 address that is mapped into IPv6 or reached through NAT64 counts as what it is.

    Args:
        address: As the system resolved it; a zone behind it does not matter.
    """
    try:
        found = _embedded(ip_address(address.partition("%")[0]))
    except ValueError:
        return "no address"
    for network, reason in _NOT_PUBLIC:
        if found.version == network.version and found in network:
            return reason
    return None if found.version == 4 or found in _GLOBAL else "not routed"


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def checked_endpoint(url: str, *, proxy: str | None) -> None:
    """Hold a discovered endpoint to ``https://``, without a user name, and not at an address that is not public.

    Raises:
        UnsafeEndpointError: It is something else.
        ConfigurationError: There is a proxy, which would look the name up by itself.
    """
    if proxy is not None:
        raise ConfigurationError(
            "a proxy would look up discovered endpoints where nobody can check the addresses; name the providers "
            "below 'allow_private' that it may be trusted with",
            field="proxy",
        )
    parts = address_of(url)
    if parts is None or parts.scheme not in {"http", "https"}:
        raise _unsafe("is no address such as https://host:port", origin(url))
    if parts.scheme != "https":
        raise _unsafe("is not encrypted", origin(url))
    if parts.username is not None:
        raise _unsafe("holds a user name or password", origin(url))
    host = parts.hostname or ""
    if _is_literal(host):
        _check(host, origin(url))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _check(address: str, what: str) -> None:
    reason = why_not_public(address)
    if reason is not None:
        raise _unsafe(f"leads to {address}, which is {reason}", what)


def _unsafe(reason: str, what: str) -> UnsafeEndpointError:
    return UnsafeEndpointError(
        f"the discovered endpoint {what} {reason}; name the provider below 'allow_private' if it is yours",
        outcome=Outcome.NOT_SENT,
        details={"endpoint": what},
    )


class GuardedResolver(AbstractResolver):
    """Looks names up, and refuses a name if any of its addresses is not public."""

    def __init__(self) -> None:
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a name; the connection is made to one of these, and not to what a second look-up gives.

        Raises:
            UnsafeEndpointError: One of them is not public.
        """
        found = await self._system.resolve(host, port, family)
        for one in found:
            _check(one["host"], host)
        return found

    async def close(self) -> None:
        """Nothing to give back."""


def guarded_socket(
    info: tuple[int, int, int, str, tuple[Any, ...]],
) -> socket.socket:
    """A socket for one connection, if that goes to a public address: the last look, whatever led here.

    Raises:
        UnsafeEndpointError: It does not.
    """
    family, kind, protocol, _, address = info
    _check(str(address[0]), str(address[0]))
    return socket.socket(family, kind, protocol)
