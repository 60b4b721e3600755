"""Guards that do not hold tests up: what is sent here in seconds would otherwise wait for minutes."""

from __future__ import annotations

import importlib
from typing import Any

import attrs

from purveyor.policy import breaker

__all__ = ["without_breaker", "without_rates"]


def without_rates(kind: str) -> tuple[Any, str, object]:
    """What to set, where and under which name, so that a type of provider states no limits."""
    module = importlib.import_module(f"purveyor_{kind}._plugin")
    return module, "PLUGIN", attrs.evolve(module.PLUGIN, rates={})


def without_breaker() -> tuple[Any, str, object]:
    """The same, so that no circuit breaker opens."""
    return breaker, "OPENS_AFTER", 1_000_000_000
