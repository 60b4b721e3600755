"""Prometheus for Purveyor: PromQL, scraped endpoints, and a fast reader of the exposition formats.

The reader is loaded when it is first used, so that whoever only looks for plugins need not wait for it. What brings an HTTP
client is in :mod:`purveyor_prometheus.sources`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from purveyor_prometheus._config import SourceSettings

if TYPE_CHECKING:
    from purveyor_prometheus._exposition import ExpositionReader, iter_exposition, parse_exposition
    from purveyor_prometheus._exposition_grammar import ExpositionLimits

__all__ = ["ExpositionLimits", "ExpositionReader", "SourceSettings", "iter_exposition", "parse_exposition"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("purveyor_prometheus._exposition"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
