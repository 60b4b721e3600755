"""Configuration: found, read, checked as a whole, every mistake reported with its path.

See ``docs/configuration.md`` for the settings.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from purveyor.config._shapes import FromEnvironment, Mistake, Shaper
from purveyor.engine.configured import ProviderConfig
from purveyor.engine.plugins import PluginHost
from purveyor.engine.secrets import SCHEMES, scheme_of
from purveyor.model.errors import ConfigurationError, PluginError
from purveyor.policy.selection import STRATEGIES, normalise_strategy
from purveyor.spi.call import CommonSettings, SecretRef

__all__ = ["Configuration", "Limits", "load_configuration"]


def _positive(_self: Any, _field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and value <= 0:
        msg = f"must be above zero, not {value}"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class Limits:
    """A guard on spending.

    Attributes:
        max_price_per_hour: Most that all machines together may cost an hour, in the provider's currency.
        max_instances: Most machines that may exist at all providers together.
    """

    max_price_per_hour: Decimal | None = attrs.field(default=None, validator=_positive)
    max_instances: int | None = attrs.field(default=None, validator=_positive)


@attrs.frozen(kw_only=True)
class Configuration:
    """Everything that can be configured, checked.

    Attributes:
        state_dir: Folder of the state; None keeps it in memory.
        observers: Names of the plugins whose observers are told what happens.
    """

    providers: tuple[ProviderConfig, ...] = ()
    selection_policy: str = "default"
    default_provider_type: str | None = None
    default_provider_instance: str | None = None
    state_dir: Path | None = None
    limits: Limits = attrs.field(factory=Limits)
    observers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class _ProviderEntry:
    """One entry of ``providers`` as written."""

    name: str
    type: str
    enabled: bool = True
    priority: int = 0
    weight: int = attrs.field(default=100, validator=_positive)
    capabilities: list[str] | None = None
    config: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class _Document:
    """The whole file as written, in its one normal form."""

    selection_policy: str | None = None
    default_provider_type: str | None = None
    default_provider_instance: str | None = None
    state_dir: str | None = None
    state: str | None = None
    limits: Limits = attrs.field(factory=Limits)
    observers: list[str] = attrs.field(factory=list)
    providers: list[Any] = attrs.field(factory=list)


def load_configuration(
    data: Any,
    plugins: PluginHost,
    *,
    environ: Mapping[str, str] = os.environ,
    source: str = "the configuration",
) -> Configuration:
    """Check plain values as a whole.

    Args:
        data: What ``read_file`` gave, or the same written as a dict.
        plugins: Where provider types come from; only those of enabled providers are loaded.
        environ: Where ``${VAR}`` is looked up.
        source: What to call it in errors.

    Raises:
        ConfigurationError: With every mistake in ``details["mistakes"]``.
    """
    mistakes: list[Mistake] = []
    shaper = Shaper(mistakes)
    try:
        written = _expand(data, "", environ, mistakes)
    except RecursionError:
        raise _wrong([Mistake("", "is nested too deeply")], source) from None
    document, listed = _document(written, shaper)
    entries = _entries(document, listed, shaper)
    _check_names(entries, document, mistakes)
    providers = [_provider(entry, path, plugins, shaper) for path, entry in entries]
    if document.state not in {None, "memory"}:
        mistakes.append(Mistake("state", f"can only be 'memory', not {document.state!r}"))
    policy = _policy(document, plugins, mistakes)
    _check_observers(document, plugins, mistakes)
    if mistakes:
        raise _wrong(mistakes, source)
    return Configuration(
        providers=tuple(providers),
        selection_policy=policy,
        default_provider_type=document.default_provider_type,
        default_provider_instance=document.default_provider_instance,
        state_dir=_state_dir(document),
        limits=document.limits,
        observers=tuple(dict.fromkeys(document.observers)),
    )


def _document(written: Any, shaper: Shaper) -> tuple[_Document, str]:
    """The document in its normal form, and where its list of providers stands in what was written."""
    normal, inner, prefix = _normal_form(written)
    mistakes = shaper.mistakes
    before = len(mistakes)
    document = shaper.shape(normal, _Document, "")
    for at in range(before, len(mistakes)):  # the paths are to be those of what was written
        if re.split(r"[.\[]", mistakes[at].path)[0] in inner:
            mistakes[at] = attrs.evolve(mistakes[at], path=prefix + mistakes[at].path)
    if document is None:  # go on with what can be read, so that all mistakes are told at once
        some = normal.get("providers") if isinstance(normal, Mapping) else None
        document = _Document(providers=some if isinstance(some, list) else [])
    return document, f"{prefix}providers" if "providers" in inner else "providers"


def _entries(document: _Document, listed: str, shaper: Shaper) -> list[tuple[str, _ProviderEntry]]:
    """The providers that can be read at all, each with its path."""
    entries = []
    for index, entry in enumerate(document.providers):
        path = f"{listed}[{index}]"
        shaped = shaper.shape(entry, _ProviderEntry, path) or _readable(entry, f"unnamed-{index}")
        entries += [(path, shaped)] if shaped else []
    return entries


def _policy(document: _Document, plugins: PluginHost, mistakes: list[Mistake]) -> str:
    """The strategy's normal name, one of ours or of a plugin's."""
    written = document.selection_policy or "default"
    policy = normalise_strategy(written)
    try:
        if policy not in STRATEGIES and plugins.strategy(policy) is None:
            mistakes.append(Mistake.unknown("selection_policy", "strategy", written, STRATEGIES))
    except PluginError as error:
        mistakes.append(Mistake("selection_policy", error.message))
    return policy


def _check_observers(document: _Document, plugins: PluginHost, mistakes: list[Mistake]) -> None:
    for index, name in enumerate(document.observers):
        path = f"observers[{index}]"
        try:
            if not plugins.offers_observer(name):
                hint = f"pip install purveyor-{name}"
                mistakes.append(Mistake(path, f"no plugin offers the observer {name!r}; {hint}"))
        except PluginError as error:
            mistakes.append(Mistake(path, error.message))


def _readable(entry: Any, stand_in: str) -> _ProviderEntry | None:
    """What can be read of an entry that has a mistake; None if that is too little to look for others."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        return None
    name, settings = entry.get("name"), entry.get("config", {})
    return _ProviderEntry(
        name=name if isinstance(name, str) else stand_in,
        type=entry["type"],
        enabled=entry.get("enabled") is not False and isinstance(settings, Mapping),
        config=dict(settings) if isinstance(settings, Mapping) else {},
    )


def _provider(entry: _ProviderEntry, path: str, plugins: PluginHost, shaper: Shaper) -> ProviderConfig:
    """One provider, with its own settings checked by its type's rules if it is enabled."""
    common_names = {field.name for field in attrs.fields(CommonSettings)}
    common = {key: value for key, value in entry.config.items() if key in common_names}
    own = {key: value for key, value in entry.config.items() if key not in common_names}
    result = ProviderConfig(
        name=entry.name,
        type=entry.type,
        enabled=entry.enabled,
        priority=entry.priority,
        weight=entry.weight,
        capabilities=None if entry.capabilities is None else frozenset(entry.capabilities),
        settings=shaper.shape(common, CommonSettings, f"{path}.config") or CommonSettings(),
    )
    if not entry.enabled:
        return result
    try:
        plugin = plugins.provider_type(entry.type)
    except PluginError as error:  # broken, not misnamed: the other providers go on
        return attrs.evolve(result, error=error)
    except ConfigurationError as error:
        shaper.mistakes.append(Mistake(f"{path}.type", error.message))
        return result
    try:
        shaped = shaper.shape(own, plugin.config_type, f"{path}.config", also=common_names)
    except Exception as exc:  # noqa: BLE001 - the plugin's own class is at fault, whatever it raises
        msg = f"the settings of plugin {entry.type!r} cannot be read: {type(exc).__name__}"
        return attrs.evolve(result, error=PluginError(msg, provider=entry.name, field="config"))
    for field, reference in _references(shaped):
        scheme = scheme_of(reference)
        if scheme is not None and scheme not in SCHEMES:
            near = difflib.get_close_matches(scheme, SCHEMES, n=1)
            known = " and ".join(f"{name}:" for name in SCHEMES)
            hint = f"did you mean '{near[0]}:'?" if near else f"there are {known}"
            # Not quoted: what is before the colon may be a part of the secret itself.
            shaper.mistakes.append(
                Mistake(f"{path}.config.{field}", f"what is before ':' is no source of secrets; {hint}")
            )
    return attrs.evolve(result, own=shaped, plugin=plugin)


def _references(settings: Any) -> Iterator[tuple[str, str]]:
    for field in attrs.fields(type(settings)) if settings is not None else ():
        value = getattr(settings, field.name)
        if isinstance(value, SecretRef):
            yield field.name, value.reference


def _normal_form(data: Any) -> tuple[Any, AbstractSet[str], str]:
    """The flat form, from it, from the nested form, or from the host factory project's.

    Besides, which of its keys were nested, and the path under which they were written.
    """
    for key in ("provider", "providers"):
        nested = data.get(key) if isinstance(data, Mapping) else None
        if isinstance(nested, Mapping):
            outer = {name: value for name, value in data.items() if name != key}
            return {**outer, **nested}, set(map(str, nested)), f"{key}."
    return data, frozenset(), ""


def _expand(value: Any, path: str, environ: Mapping[str, str], mistakes: list[Mistake]) -> Any:
    """Put the environment's values in place of ``${VAR}`` and ``${VAR:-default}``."""
    if isinstance(value, Mapping):
        return {
            key: _expand(one, f"{path}.{key}".lstrip("."), environ, mistakes) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_expand(one, f"{path}[{index}]", environ, mistakes) for index, one in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if environ.get(name):
            return environ[name]
        if default is None:
            mistakes.append(
                Mistake(path, f"the environment variable {name} is not set; ${{{name}:-…}} gives a default")
            )
        return default or ""

    text = re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}", replace, value)
    return value if text == value else FromEnvironment(text)


def _check_names(
    entries: list[tuple[str, _ProviderEntry]], document: _Document, mistakes: list[Mistake]
) -> None:
    seen: dict[str, str] = {}
    for path, entry in entries:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", entry.name):
            mistakes.append(
                Mistake(f"{path}.name", f"{entry.name!r}: letters, digits, '.', '_' and '-', at most 63")
            )
        if entry.name in seen:
            mistakes.append(
                Mistake(f"{path}.name", f"{entry.name!r} is already the name of {seen[entry.name]}")
            )
        seen.setdefault(entry.name, path)
    types = {entry.type for _, entry in entries}
    default_type = document.default_provider_type
    if default_type is not None and default_type not in types:
        mistakes.append(
            Mistake.unknown("default_provider_type", "type of a configured provider", default_type, types)
        )
    default = document.default_provider_instance
    if default is not None and default not in seen:
        mistakes.append(Mistake.unknown("default_provider_instance", "provider", default, seen))


def _state_dir(document: _Document) -> Path | None:
    if document.state == "memory":
        return None
    if document.state_dir is not None:
        return Path(document.state_dir).expanduser()
    import platformdirs  # noqa: PLC0415 - only needed when no folder is named

    return platformdirs.user_state_path("purveyor")


def _wrong(mistakes: list[Mistake], source: str) -> ConfigurationError:
    lines = [f"{mistake.path or '(top)'}: {mistake.message}" for mistake in mistakes]
    many = f"{len(lines)} mistakes in {source}:\n  " + "\n  ".join(lines)
    return ConfigurationError(
        f"{source}: {lines[0]}" if len(lines) == 1 else many,
        field=mistakes[0].path or None,
        details={"mistakes": [attrs.asdict(mistake) for mistake in mistakes]},
    )
