"""What the configuration says of one provider, shaped and checked."""

from __future__ import annotations

from typing import Any

import attrs

from purveyor.model.errors import PurveyorError
from purveyor.spi.call import CommonSettings
from purveyor.spi.hookspecs import ProviderPlugin

__all__ = ["ProviderConfig"]


@attrs.frozen(kw_only=True)
class ProviderConfig:
    """One provider as configured.

    Attributes:
        name: Unique among the configured.
        type: Provider type.
        priority: Lower wins.
        weight: Share in weighted strategies.
        capabilities: Replaces the declared ones; None keeps them.
        settings: What every type takes.
        own: What this type takes, as its ``config_type``; None if the plugin is not usable or the provider disabled.
        plugin: Its type's descriptor.
        error: Why the plugin cannot be used.
        parent: Name of the provider that discovered it; None for one that is configured.
        endpoint: Where it was discovered to be.
        attributes: What was said of it then.
        guarded: Whether its endpoint must be a public address.
    """

    name: str
    type: str
    enabled: bool = True
    priority: int = 0
    weight: int = 100
    capabilities: frozenset[str] | None = None
    settings: CommonSettings = attrs.field(factory=CommonSettings)
    own: Any = None
    plugin: ProviderPlugin | None = None
    error: PurveyorError | None = None
    parent: str | None = None
    endpoint: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    guarded: bool = False
