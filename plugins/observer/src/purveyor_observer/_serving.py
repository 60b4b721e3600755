"""Serving the metrics over HTTP, from a thread of its own."""

from __future__ import annotations

from threading import Thread
from typing import Protocol

import attrs
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from purveyor.plugin import ConfigurationError

__all__ = ["MetricsServer", "serve"]

HOST = "127.0.0.1"
"""Where nobody says otherwise: metrics tell much about what is done where."""


class _Server(Protocol):
    @property
    def server_port(self) -> int: ...

    def shutdown(self) -> None: ...

    def server_close(self) -> None: ...


@attrs.define
class MetricsServer:
    """A running server.

    Attributes:
        address: Of the metrics.
    """

    address: str
    _server: _Server
    _thread: Thread

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(address: str, registry: CollectorRegistry = REGISTRY) -> MetricsServer:
    """Serve a registry's metrics until the program ends, or the server is closed.

    Args:
        address: Host and port, such as ``127.0.0.1:9464``, or the port alone; port 0 takes a free one.
        registry: What to serve.

    Raises:
        ConfigurationError: The address is none.
        OSError: It cannot be listened on.
    """
    host, port = _parts(address)
    server, thread = start_http_server(port, host, registry)
    shown = f"[{host}]" if ":" in host else host
    return MetricsServer(f"http://{shown}:{server.server_port}/metrics", server, thread)


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise ConfigurationError(f"{address!r:.80} is no address to serve at; it looks like {HOST}:9464")
    return host.strip("[]") or HOST, int(port)
