"""What the plugin host loads: the descriptor. ``prometheus_client`` is imported when an observer is made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache

from purveyor.plugin import ConfigurationError, Observer, ObserverPlugin, hookimpl

ADDRESS = "PURVEYOR_OBSERVER_ADDRESS"

_log = logging.getLogger("purveyor.observer")


def start(environ: Mapping[str, str]) -> Observer:
    """The one observer of this process, served where the environment says.

    Raises:
        ConfigurationError: The environment's address is none.
    """
    address = environ.get(ADDRESS)
    if address:
        try:
            _served(address)
        except OSError as error:  # another process of ours may have it; work goes on all the same
            _log.warning("%s: metrics cannot be served at %s: %s", ADDRESS, address, error.strerror or error)
        except ConfigurationError as error:
            raise ConfigurationError(f"{ADDRESS}: {error.message}", field=ADDRESS) from None
    return _observer()


@cache
def _observer() -> Observer:
    """A registry can have the metrics once, however many clients there are."""
    from purveyor_observer._metrics import MetricsObserver  # noqa: PLC0415 - brings prometheus_client

    return MetricsObserver()


@cache
def _served(address: str) -> object:
    from purveyor_observer._serving import serve  # noqa: PLC0415 - likewise

    return serve(address)


@hookimpl
def purveyor_register_observers() -> list[ObserverPlugin]:
    """Offer the observer ``observer``."""
    return [ObserverPlugin(name="observer", factory=start)]
