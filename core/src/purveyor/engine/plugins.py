"""The plugin host: finds plugins by entry point, loads them one at a time, isolates what is broken."""

from __future__ import annotations

import difflib
import importlib.metadata
import os
from collections.abc import Iterable, Mapping
from typing import Any, cast

import attrs
import pluggy

from purveyor.model.errors import ConfigurationError, PluginError
from purveyor.spi import hookspecs
from purveyor.spi.facets import FACETS
from purveyor.spi.hookspecs import API_VERSION, PROJECT, ProviderPlugin

__all__ = ["PluginHost", "PluginInfo"]


@attrs.frozen(kw_only=True)
class PluginInfo:
    """One installed plugin.

    Attributes:
        name: Entry point's name, which is its provider type.
        distribution: The package that brought it.
        state: ``available`` (not loaded yet), ``loaded``, ``refused`` (by the environment) or ``failed``.
        sandbox: ``module:Class`` of a loopback server that speaks its API, where a loaded plugin brings one.
        error: Why it failed.
    """

    name: str
    distribution: str
    version: str
    state: str = "available"
    sandbox: str | None = None
    error: PluginError | None = None


class PluginHost:
    """Everything that is installed; imports only what is asked for.

    Nothing here is global: each client has a host of its own.
    """

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Host the given entry points, or those of the environment.

        Args:
            entry_points: What to host; None for all of group ``purveyor``.
            environ: Where ``PURVEYOR_PLUGINS`` and ``PURVEYOR_DISABLE_PLUGINS`` are looked up.
        """
        found = importlib.metadata.entry_points(group=PROJECT) if entry_points is None else entry_points
        self._entries: dict[str, list[importlib.metadata.EntryPoint]] = {}
        for entry in found:
            self._entries.setdefault(entry.name, []).append(entry)
        self._allowed = _names(environ.get("PURVEYOR_PLUGINS"))
        self._refused = _names(environ.get("PURVEYOR_DISABLE_PLUGINS")) or frozenset()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._loaded: dict[str, ProviderPlugin] = {}
        self._failed: dict[str, PluginError] = {}

    def listing(self, *, load: bool = False) -> tuple[PluginInfo, ...]:
        """Every installed plugin, sorted by name; with ``load``, tried out."""
        if load:
            for name in self._entries:
                self._try(name)
        return tuple(self._info(name) for name in sorted(self._entries))

    def provider_type(self, name: str) -> ProviderPlugin:
        """The descriptor of a provider type.

        Raises:
            ConfigurationError: No plugin of that name is installed.
            PluginError: It is installed but refused or broken.
        """
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"pip install purveyor-{name}"
            raise ConfigurationError(
                f"no plugin offers the provider type {name!r}; {hint}",
                field="type",
                details={"requested_type": name, "available_types": sorted(self._entries)},
            )
        self._try(name)
        if name in self._failed:
            raise self._failed[name]
        return self._loaded[name]

    def _try(self, name: str) -> None:
        if name in self._loaded or name in self._failed:
            return
        try:
            self._loaded[name] = self._load(name)
        except PluginError as error:
            self._failed[name] = error
        except BaseException as exc:  # a plugin may even exit; it must not take the others along
            if isinstance(exc, KeyboardInterrupt):
                raise
            self._failed[name] = self._error(name, f"{type(exc).__name__}: {exc}", exc)

    def _load(self, name: str) -> ProviderPlugin:
        if self._is_refused(name):
            raise self._error(name, "refused by PURVEYOR_PLUGINS or PURVEYOR_DISABLE_PLUGINS")
        owners = {_distribution(entry) for entry in self._entries[name]}
        if len(owners) > 1:
            both = " and ".join(sorted(f"{dist} {version}" for dist, version in owners))
            raise self._error(name, f"{both} both claim this name; uninstall one of them")
        plugin = self._register(name, self._entries[name][0].load())
        if plugin.api_version != API_VERSION:
            raise self._error(
                name, f"it was written for plugin API {plugin.api_version}; this core speaks {API_VERSION}"
            )
        if unknown := sorted(plugin.facets - FACETS.keys()):
            raise self._error(name, f"it declares {', '.join(unknown)}, which no facet is called")
        if not attrs.has(plugin.config_type):
            raise self._error(name, "its config_type is no attrs class")
        return plugin

    def _register(self, name: str, module: Any) -> ProviderPlugin:
        """The descriptor of that name among those that the module's hook returns."""
        if not self._manager.is_registered(module):
            try:
                self._manager.register(module, name=name)
                self._manager.check_pending()  # a misspelt hook would otherwise be ignored in silence
            except Exception:
                if self._manager.has_plugin(name):  # as older pluggy leaves it even after a wrong signature
                    self._manager.unregister(name=name)
                raise
        for hook in self._manager.hook.purveyor_register_providers.get_hookimpls():
            if hook.plugin is module:
                for plugin in cast("Iterable[Any]", hook.function()):
                    if not isinstance(plugin, ProviderPlugin):
                        raise self._error(
                            name, f"its hook returned {type(plugin).__name__}, not ProviderPlugin"
                        )
                    if plugin.name == name:
                        return plugin
        raise self._error(name, f"it registers no provider type called {name!r}")

    def _error(self, name: str, reason: str, cause: BaseException | None = None) -> PluginError:
        dist, version = _distribution(self._entries[name][0])
        error = PluginError(
            f"plugin {name!r} of {dist} {version} cannot be used: {reason}",
            field="type",
            details={"plugin": name, "distribution": dist, "version": version},
        )
        error.__cause__ = cause
        return error

    def _is_refused(self, name: str) -> bool:
        return name in self._refused or (self._allowed is not None and name not in self._allowed)

    def _info(self, name: str) -> PluginInfo:
        dist, version = _distribution(self._entries[name][0])
        if self._is_refused(name):
            return PluginInfo(name=name, distribution=dist, version=version, state="refused")
        error = self._failed.get(name)
        loaded = self._loaded.get(name)
        return PluginInfo(
            name=name,
            distribution=dist,
            version=version,
            state="failed" if error else "loaded" if loaded else "available",
            sandbox=loaded.sandbox if loaded else None,
            error=error,
        )


def _names(text: str | None) -> frozenset[str] | None:
    return frozenset(name.strip() for name in text.split(",") if name.strip()) if text else None


def _distribution(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    dist = entry.dist
    return (dist.name, dist.version) if dist else (entry.value.partition(":")[0], "?")
