"""A guard for tests: whatever leaves this machine is an error that names the address.

    with only_loopback() as attempts:
        ...
    assert not attempts

It patches Python's sockets, which asyncio and every client built on them use.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


class OutsideLoopbackError(RuntimeError):
    """Something tried to leave loopback.

    It is no OSError on purpose: HTTP clients would take that for an ordinary failure to connect.
    """


@contextmanager
def only_loopback() -> Iterator[list[str]]:
    """Refuse connections, datagrams and name look-ups that leave loopback; yields what was attempted.

    Unix sockets, ``localhost`` and loopback addresses go through.
    """
    attempts: list[str] = []
    with ExitStack() as stack:
        for method in ("connect", "connect_ex"):
            original = getattr(socket.socket, method)
            stack.enter_context(mock.patch.object(socket.socket, method, _guarded_socket(original, attempts)))
        sendto = _guarded_sendto(socket.socket.sendto, attempts)
        stack.enter_context(mock.patch.object(socket.socket, "sendto", sendto))
        for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            original = getattr(socket, function)
            stack.enter_context(mock.patch.object(socket, function, _guarded_lookup(original, attempts)))
        yield attempts


def _refuse(address: str, attempts: list[str]) -> None:
    attempts.append(address)
    raise OutsideLoopbackError(f"{address} is outside loopback")


def _local(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text in ("", "localhost") or text.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or (mapped is not None and mapped.is_loopback)


def _numeric(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _check(sock: socket.socket, address: Any, attempts: list[str]) -> None:
    inet = sock.family in (socket.AF_INET, socket.AF_INET6)
    if inet and isinstance(address, tuple) and not _local(address[0]):
        _refuse(f"{address[0]}:{address[1]}", attempts)


def _guarded_socket(original: Callable[..., Any], attempts: list[str]) -> Callable[..., Any]:
    def guarded(sock: socket.socket, address: Any) -> Any:
        _check(sock, address, attempts)
        return original(sock, address)

    return guarded


def _guarded_sendto(original: Callable[..., Any], attempts: list[str]) -> Callable[..., Any]:
    def guarded(sock: socket.socket, *args: Any) -> Any:
        _check(sock, args[-1], attempts)
        return original(sock, *args)

    return guarded


def _guarded_lookup(original: Callable[..., Any], attempts: list[str]) -> Callable[..., Any]:
    def guarded(host: object, *args: Any, **kwargs: Any) -> Any:
        # An address needs no look-up; connecting to it is judged by itself.
        if host is not None and not _local(host) and not _numeric(host):
            _refuse(str(host), attempts)
        return original(host, *args, **kwargs)

    return guarded
