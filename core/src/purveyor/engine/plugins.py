"""The plugin host: finds plugins by entry point, loads them one at a time, isolates what is broken."""

from __future__ import annotations

import difflib
import importlib.metadata
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import attrs
import pluggy

from purveyor.model.errors import ConfigurationError, PluginError, PurveyorError
from purveyor.model.selection import Candidate, Facts
from purveyor.policy.selection import Strategy
from purveyor.spi import hookspecs
from purveyor.spi.events import Observer
from purveyor.spi.facets import FACETS
from purveyor.spi.hookspecs import API_VERSION, PROJECT, ObserverPlugin, ProviderPlugin, StrategyPlugin

__all__ = ["PluginHost", "PluginInfo"]


D = TypeVar("D", ProviderPlugin, StrategyPlugin, ObserverPlugin)


@attrs.frozen(kw_only=True)
class PluginInfo:
    """One installed plugin.

    Attributes:
        name: Entry point's name, which is that of the provider type, strategy or observer that it brings.
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


@attrs.frozen(kw_only=True)
class _Offers:
    """What a plugin brings under its name."""

    provider: ProviderPlugin | None = None
    strategy: StrategyPlugin | None = None
    observer: ObserverPlugin | None = None


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
            environ: Where ``PURVEYOR_PLUGINS`` and ``PURVEYOR_DISABLE_PLUGINS`` are looked up, and what observers get.
        """
        found = importlib.metadata.entry_points(group=PROJECT) if entry_points is None else entry_points
        self._entries: dict[str, list[importlib.metadata.EntryPoint]] = {}
        for entry in found:
            self._entries.setdefault(entry.name, []).append(entry)
        self._environ = environ
        self._allowed = _names(environ.get("PURVEYOR_PLUGINS"))
        self._refused = _names(environ.get("PURVEYOR_DISABLE_PLUGINS")) or frozenset()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._loaded: dict[str, _Offers] = {}
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
        plugin = self._offers(name).provider
        if plugin is None:
            raise self._error(name, f"it registers no provider type called {name!r}")
        return plugin

    def strategy(self, name: str) -> Strategy | None:
        """The strategy of that name that a plugin brings, or None.

        Raises:
            PluginError: A plugin of that name is installed but refused or broken.
        """
        plugin = self._offers(name).strategy if name in self._entries else None
        if plugin is None:
            return None

        def ranks(candidates: Sequence[Candidate], facts: Facts) -> Sequence[Any]:
            try:
                given = list(plugin.ranks(candidates, facts))
                sorted(given)  # what cannot be compared is no rank
            except Exception as exc:
                raise self._error(name, f"its strategy failed with {type(exc).__name__}", exc) from exc
            if len(given) != len(candidates):
                raise self._error(name, f"its strategy ranked {len(given)} of {len(candidates)} candidates")
            return given

        return Strategy(ranks, plugin.note)

    def offers_observer(self, name: str) -> bool:
        """Whether a plugin brings an observer of that name.

        Raises:
            PluginError: A plugin of that name is installed but refused or broken.
        """
        return name in self._entries and self._offers(name).observer is not None

    def observer(self, name: str) -> Observer:
        """A new observer of that name, which a plugin brings.

        Raises:
            PluginError: It cannot be made.
            ConfigurationError: It says that its variables are wrong.
        """
        plugin = self._offers(name).observer
        if plugin is None:
            raise self._error(name, f"it registers no observer called {name!r}")
        try:
            return plugin.factory(self._environ)
        except PurveyorError:
            raise
        except Exception as exc:
            raise self._error(name, f"its observer failed to start with {type(exc).__name__}", exc) from exc

    def _offers(self, name: str) -> _Offers:
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

    def _load(self, name: str) -> _Offers:
        if self._is_refused(name):
            raise self._error(name, "refused by PURVEYOR_PLUGINS or PURVEYOR_DISABLE_PLUGINS")
        owners = {_distribution(entry) for entry in self._entries[name]}
        if len(owners) > 1:
            both = " and ".join(sorted(f"{dist} {version}" for dist, version in owners))
            raise self._error(name, f"{both} both claim this name; uninstall one of them")
        offers = self._register(name, self._entries[name][0].load())
        for plugin in (offers.provider, offers.strategy, offers.observer):
            if plugin is not None and plugin.api_version != API_VERSION:
                raise self._error(
                    name,
                    f"it was written for plugin API {plugin.api_version}; this core speaks {API_VERSION}",
                )
        if offers.provider is not None:
            self._check(name, offers.provider)
        return offers

    def _check(self, name: str, plugin: ProviderPlugin) -> None:
        if unknown := sorted(plugin.facets - FACETS.keys()):
            raise self._error(name, f"it declares {', '.join(unknown)}, which no facet is called")
        if not attrs.has(plugin.config_type):
            raise self._error(name, "its config_type is no attrs class")

    def _register(self, name: str, module: Any) -> _Offers:
        """What of that name is among the descriptors that the module's hooks return."""
        if not self._manager.is_registered(module):
            try:
                self._manager.register(module, name=name)
                self._manager.check_pending()  # a misspelt hook would otherwise be ignored in silence
            except Exception:
                if self._manager.has_plugin(name):  # as older pluggy leaves it even after a wrong signature
                    self._manager.unregister(name=name)
                raise
        hooks = self._manager.hook
        offers = _Offers(
            provider=self._ask(hooks.purveyor_register_providers, module, ProviderPlugin, name),
            strategy=self._ask(hooks.purveyor_register_strategies, module, StrategyPlugin, name),
            observer=self._ask(hooks.purveyor_register_observers, module, ObserverPlugin, name),
        )
        if offers == _Offers():
            raise self._error(name, f"it registers nothing that is called {name!r}")
        return offers

    def _ask(self, hook: pluggy.HookCaller, module: Any, kind: type[D], name: str) -> D | None:
        """The descriptor of that name among those that the module's own implementation of a hook returns."""
        for one in hook.get_hookimpls():
            if one.plugin is module:
                for descriptor in cast("Iterable[Any]", one.function()):
                    if not isinstance(descriptor, kind):
                        reason = f"its hook returned {type(descriptor).__name__}, not {kind.__name__}"
                        raise self._error(name, reason)
                    if descriptor.name == name:
                        return descriptor
        return None

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
            sandbox=loaded.provider.sandbox if loaded and loaded.provider else None,
            error=error,
        )


def _names(text: str | None) -> frozenset[str] | None:
    return frozenset(name.strip() for name in text.split(",") if name.strip()) if text else None


def _distribution(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    dist = entry.dist
    return (dist.name, dist.version) if dist else (entry.value.partition(":")[0], "?")
