"""What a plugin can register, and the descriptors that it registers.

Hooks only register: they are called once, when a client is wired, and return frozen descriptors. Objects act.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import attrs
import pluggy

from purveyor.model.selection import Candidate, Facts
from purveyor.spi.call import Context
from purveyor.spi.events import Observer
from purveyor.spi.facets import Provider

__all__ = [
    "API_VERSION",
    "PROJECT",
    "Marking",
    "ObserverPlugin",
    "ProviderPlugin",
    "Rate",
    "StrategyPlugin",
    "hookimpl",
    "purveyor_register_observers",
    "purveyor_register_providers",
    "purveyor_register_strategies",
]

PROJECT = "purveyor"
"""pluggy's project name, and the entry-point group."""

API_VERSION = 1
"""Version of what plugins and core have agreed on."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Marking(Enum):
    """What makes a machine findable, and whether creating it again could make a second one."""

    TOKEN = "token"  # noqa: S105 - a word
    """The provider gives the same machine again for the same mark, however often it is asked to make it."""
    NAME = "name"
    """Names are unique in the account: asking again is refused with ``ConflictError`` once the machine exists."""
    TAG = "tag"
    """Only the tag tells; asking again makes a second machine."""


@attrs.frozen
class Rate:
    """A rate limit as the vendor states it.

    Attributes:
        requests: How many requests may be sent …
        seconds: … in any stretch of so many seconds.
        in_headers: The answers of this group tell what is left of this very limit; where they do, they count instead.
    """

    requests: int
    seconds: float
    in_headers: bool = False


@attrs.frozen(kw_only=True)
class ProviderPlugin:
    """One provider type.

    Attributes:
        name: The provider type, the entry point's name, and ``type:`` in the configuration.
        factory: Builds a provider from its settings; imports what is heavy only when called.
        config_type: attrs class of the type's own settings.
        facets: Names of the facets that its providers implement.
        discovered_facets: Names of the facets that those implement which its providers discover.
        capabilities: What its providers can do, in plain words; a configured list replaces it.
        default_base_url: The vendor's own.
        visibility_grace: Seconds until a machine that was made is listed.
        late_commit_bound: Seconds after which a request that timed out has no effect any more.
        marking: How a machine is found again when the answer to its creation is lost.
        rates: Operation group to the limit that the vendor states for it. ``*`` is a limit of all groups together, and
            says that the headers of every answer are about all of them.
        sandbox: ``module:Class`` of a loopback server that speaks this API.
        api_version: The ``API_VERSION`` that it was written for.
    """

    name: str
    factory: Callable[[Any, Context], Awaitable[Provider]]
    config_type: type
    facets: frozenset[str]
    discovered_facets: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    default_base_url: str | None = None
    visibility_grace: float = 60.0
    late_commit_bound: float = 60.0
    marking: Marking = Marking.TAG
    rates: Mapping[str, Rate] = attrs.field(factory=dict, hash=False)
    sandbox: str | None = None
    api_version: int = API_VERSION


def _no_note(_candidate: Candidate, _facts: Facts) -> str:
    return ""


@attrs.frozen(kw_only=True)
class StrategyPlugin:
    """One way to put candidates into order.

    Attributes:
        name: The entry point's name, and what ``selection_policy`` and ``--strategy`` say.
        ranks: A rank for each candidate, side by side; the lowest comes first, ties fall to priority, then to the name.
            Pure: the same candidates and facts give the same ranks, and ``facts.seed`` is the only chance.
        note: Why a candidate stands where it stands, for explanations.
        api_version: The ``API_VERSION`` that it was written for.
    """

    name: str
    ranks: Callable[[Sequence[Candidate], Facts], Sequence[Any]]
    note: Callable[[Candidate, Facts], str] = _no_note
    api_version: int = API_VERSION


@attrs.frozen(kw_only=True)
class ObserverPlugin:
    """One observer, which is told what happens.

    Attributes:
        name: The entry point's name, and what ``observers`` in the configuration says.
        factory: Makes the observer from the environment's variables, once for each client.
        api_version: The ``API_VERSION`` that it was written for.
    """

    name: str
    factory: Callable[[Mapping[str, str]], Observer]
    api_version: int = API_VERSION


@hookspec
def purveyor_register_providers() -> Iterable[ProviderPlugin]:  # type: ignore[empty-body]
    """Offer provider types.

    Example:
        ```python
        from purveyor.plugin import Call, Context, ProviderPlugin, hookimpl
        import attrs


        @attrs.frozen
        class Settings:
            endpoint: str = "tcp://127.0.0.1:9000"


        class Lamp:
            async def check_health(self, call: Call) -> None: ...
            async def aclose(self) -> None: ...


        async def build(settings: Settings, ctx: Context) -> Lamp:
            return Lamp()


        @hookimpl
        def purveyor_register_providers():
            return [ProviderPlugin(name="lamp", factory=build, config_type=Settings, facets=frozenset())]
        ```
    """


@hookspec
def purveyor_register_strategies() -> Iterable[StrategyPlugin]:  # type: ignore[empty-body]
    """Offer ways to choose among providers.

    Example:
        ```python
        from purveyor.plugin import StrategyPlugin, hookimpl


        def by_length(candidates, facts):
            return [len(candidate.provider) for candidate in candidates]


        @hookimpl
        def purveyor_register_strategies():
            return [StrategyPlugin(name="shortest_name", ranks=by_length)]
        ```
    """


@hookspec
def purveyor_register_observers() -> Iterable[ObserverPlugin]:  # type: ignore[empty-body]
    """Offer observers.

    Example:
        ```python
        from purveyor.plugin import CallFinished, ObserverPlugin, hookimpl


        def slow_calls(environ):
            limit = float(environ.get("SLOW_SECONDS", "5"))

            def observer(event):
                if isinstance(event, CallFinished) and event.seconds > limit:
                    print(event.provider, event.operation, event.seconds)

            return observer


        @hookimpl
        def purveyor_register_observers():
            return [ObserverPlugin(name="slow_calls", factory=slow_calls)]
        ```
    """
