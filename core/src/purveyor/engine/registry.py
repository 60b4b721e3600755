"""Who is configured: providers that are built when first used, in snapshots that never change."""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import os
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

import attrs

from purveyor.engine.configured import ProviderConfig
from purveyor.engine.gate import Gate
from purveyor.engine.guards import GuardBook
from purveyor.engine.observing import Observers
from purveyor.engine.secrets import resolve_secret
from purveyor.engine.shop import Shop
from purveyor.model.errors import (
    NoEnabledProvidersError,
    PluginError,
    ProviderInactiveError,
    ProviderNotFoundError,
    ProviderUnavailableError,
    PurveyorError,
    UnsupportedOperationError,
)
from purveyor.model.values import Secret
from purveyor.model.views import ProviderInfo
from purveyor.policy.retry import RetryPolicy
from purveyor.spi.call import Clock, Context, SecretRef
from purveyor.spi.deployments import Deployments, Discovery
from purveyor.spi.facets import FACETS, Billing, Catalog, Compute, Credentials, Marks, Metrics, Provider
from purveyor.spi.hookspecs import Marking, ProviderPlugin

__all__ = ["Asked", "Member", "Registry", "Surroundings"]


_CLOSE_SECONDS = 10.0
_log = logging.getLogger("purveyor")


@attrs.frozen(kw_only=True)
class Surroundings:
    """What comes from outside: time, chance, ids, the host, the environment, and who observes.

    Attributes:
        host: What tells this host from others.
        boot: What tells this run of it from earlier ones, in each of which monotonic seconds can be compared; empty
            where nothing does.
    """

    clock: Clock
    random: random.Random
    ids: Callable[[], str]
    host: str = "here"
    boot: str = ""
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    environ: Mapping[str, str] = attrs.field(default=os.environ, repr=False)
    observers: Observers = attrs.field(factory=Observers, repr=False)


class Member:
    """One configured provider, its gate, and the provider object once it is needed."""

    def __init__(self, config: ProviderConfig, around: Surroundings, book: GuardBook | None = None) -> None:
        self.config = config
        self.name = config.name
        self.gate = Gate(
            config.name,
            config.settings,
            around.clock,
            around.random,
            around.retry,
            observers=around.observers,
            book=book,
            # Another endpoint under the same name is another provider.
            key=f"{config.name}|{config.type} {config.settings.base_url or ''}",
            rates=config.plugin.rates if config.plugin else {},
        )
        self._around = around
        self._provider: Provider | None = None
        self._building = asyncio.Lock()
        self._over = ""  # why it is never built again
        self._closed = False

    @property
    def capabilities(self) -> frozenset[str]:
        """Configured, or else declared by the type."""
        declared = self.config.plugin.capabilities if self.config.plugin else frozenset()
        return declared if self.config.capabilities is None else self.config.capabilities

    @property
    def facets(self) -> frozenset[str]:
        """Names of what it offers."""
        plugin = self.config.plugin
        if plugin is None:
            return frozenset()
        return plugin.facets if self.config.parent is None else plugin.discovered_facets

    @property
    def visibility_grace(self) -> float:
        """Seconds until a machine that was made is surely visible."""
        configured = self.config.settings.visibility_grace
        declared = self.config.plugin.visibility_grace if self.config.plugin else 0.0
        return declared if configured is None else configured

    @property
    def late_commit_bound(self) -> float:
        """Seconds after which a request that timed out surely has no effect any more."""
        configured = self.config.settings.late_commit_bound
        declared = self.config.plugin.late_commit_bound if self.config.plugin else 0.0
        return declared if configured is None else configured

    @property
    def marking(self) -> Marking:
        """How its machines are found again."""
        return self.config.plugin.marking if self.config.plugin else Marking.TAG

    @property
    def info(self) -> ProviderInfo:
        """What one sees of it."""
        config = self.config
        return ProviderInfo(
            name=self.name,
            type=config.type,
            enabled=config.enabled,
            priority=config.priority,
            weight=config.weight,
            capabilities=_sorted(self.capabilities),
            facets=_in_order(self.facets),
            parent=config.parent,
            endpoint=config.endpoint,
            attributes=config.attributes,
            health=self.gate.health.health,
            error=config.error,
        )

    async def provider(self) -> Provider:
        """The provider object, built on first use.

        Raises:
            PluginError: Its plugin is broken.
            MissingCredentialsError: A secret is not there.
            ProviderUnavailableError: It was discovered, and is gone again; or the client is closed.
        """
        async with self._building:
            if self._provider is None and not self._over:
                self._provider = await self._build()
            if self._closed:  # maybe only while it was being built
                await self._let_go()
            if self._provider is None:
                raise ProviderUnavailableError(self._over, provider=self.name)
            return self._provider

    async def compute(self) -> Compute:
        """Its machines; see ``_facet`` for what can go wrong. What it refuses to make goes onto the blocklist."""
        return cast("Compute", Shop(cast("Compute", await self._facet("compute")), self.gate))

    async def catalog(self) -> Catalog:
        """What it sells."""
        return cast("Catalog", await self._facet("catalog"))

    async def credentials(self) -> Credentials:
        """Whether it knows us."""
        return cast("Credentials", await self._facet("credentials"))

    async def billing(self) -> Billing:
        """What it costs."""
        return cast("Billing", await self._facet("billing"))

    async def metrics(self) -> Metrics:
        """What is in use."""
        return cast("Metrics", await self._facet("metrics"))

    async def deployments(self) -> Deployments:
        """What runs there."""
        return cast("Deployments", await self._facet("deployments"))

    async def discovery(self) -> Discovery:
        """Whom it can find."""
        return cast("Discovery", await self._facet("discovery"))

    async def retire(self) -> None:
        """Close it for good as soon as nothing goes on there any more."""
        self._over = "it is gone, or has moved; ask again"
        await self.gate.unused()
        await self.aclose()

    async def marks(self) -> Marks:
        """What it keeps of marks."""
        return cast("Marks", await self._facet("marks"))

    async def aclose(self) -> None:
        """Give back the provider, if it was ever built, for good."""
        self._over = self._over or "the client is closed"
        self._closed = True
        try:
            await self.gate.aclose()
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        """One that cannot let go does not keep the others."""
        provider, self._provider = self._provider, None
        if provider is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await provider.aclose()
        except Exception as exc:  # noqa: BLE001 - whatever a plugin raises
            _log.warning("%s: closing it failed with %s", self.name, type(exc).__name__)

    async def _facet(self, name: str) -> Provider:
        """The provider, if it has that facet (which is checked when it is built).

        Raises:
            UnsupportedOperationError: Its type does not have it.
        """
        provider = await self.provider()
        if name not in self.facets:
            raise UnsupportedOperationError(f"its type does not offer {name}", provider=self.name)
        return provider

    async def _build(self) -> Provider:
        config = self.config
        if config.error is not None:
            raise copy.copy(config.error) from config.error  # one that is raised is written into
        plugin = cast("ProviderPlugin", config.plugin)

        async def resolve(ref: SecretRef) -> Secret:
            return await resolve_secret(ref, self.name, self._around.environ)

        context = Context(
            provider=self.name,
            type=config.type,
            settings=config.settings,
            clock=self._around.clock,
            random=self._around.random,
            ids=self._around.ids,
            # Loggers live for ever, so those that come and go share one.
            log=logging.getLogger(f"purveyor.provider.{config.parent or self.name}"),
            resolve=resolve,
            exchange=self.gate.exchange,
            guarded=config.guarded,
        )
        try:
            provider = await plugin.factory(config.own, context)
        except PurveyorError as error:
            error.provider = error.provider or self.name
            raise
        except Exception as exc:
            msg = f"plugin {config.type!r} failed to build a provider: {type(exc).__name__}"
            raise PluginError(msg, provider=self.name) from exc
        missing = [name for name in self.facets if not _has(provider, FACETS[name])]
        if missing:
            msg = (
                f"plugin {config.type!r} declares {', '.join(missing)} but its provider does not implement it"
            )
            raise PluginError(msg, provider=self.name)
        return provider


@functools.lru_cache
def _sorted(words: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(words))


@functools.lru_cache
def _in_order(facets: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in FACETS if name in facets)


def _has(provider: Provider, facet: type) -> bool:
    """Whether it has a facet's methods. Python remembers what it found of a class, but not of an object."""
    return issubclass(type(provider), facet) or isinstance(provider, facet)


@attrs.frozen
class Asked:
    """Whom a view asks.

    Attributes:
        members: Those who are known.
        arriving: Those who are still to be found; the error of a search that fails goes under its name.
    """

    members: Sequence[Member]
    arriving: Mapping[str, Callable[[], Awaitable[Sequence[Member]]]] = attrs.field(factory=dict)


class Registry:
    """An immutable snapshot of the configured providers, in the order of the configuration."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members: Mapping[str, Member] = {member.name: member for member in members}

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def get(self, name: str) -> Member:
        """The enabled provider of that name.

        Raises:
            ProviderNotFoundError: None is configured.
            ProviderInactiveError: It is disabled.
        """
        if name not in self._members:
            configured = [member.name for member in self if member.config.parent is None]
            raise ProviderNotFoundError(
                f"no provider is called {name!r}; configured are {', '.join(configured) or 'none'}",
                details={"requested_provider": name, "available_providers": configured},
            )
        member = self._members[name]
        if not member.config.enabled:
            raise ProviderInactiveError(
                f"provider {name!r} is disabled; set 'enabled: true' to use it",
                provider=name,
                field="enabled",
            )
        return member

    def enabled(self, names: Iterable[str] | None = None) -> list[Member]:
        """The enabled providers, or those of them that are named.

        Raises:
            ProviderNotFoundError: A name is not configured.
            ProviderInactiveError: A named one is disabled.
            NoEnabledProvidersError: There is none.
        """
        if isinstance(names, str):
            names = (names,)
        if names is not None:
            return [self.get(name) for name in dict.fromkeys(names)]
        members = [member for member in self if member.config.enabled]
        if not members:
            raise NoEnabledProvidersError(
                f"none of {', '.join(self._members)} is enabled; set 'enabled: true' on one"
                if self._members
                else "no provider is configured; add one below 'providers'",
                details={"available_providers": list(self._members)},
            )
        return members

    async def find(self, name: str, seconds: float = 0.0) -> Member:  # noqa: ARG002 - for those who search
        """The same, after a search of so many seconds where the name is one of those that are discovered."""
        return self.get(name)

    def split(self, text: str) -> tuple[str, str] | None:
        """Name of the provider and bare id of ``provider/id``; None for a bare id.

        Both may hold slashes: the longest name of a provider counts that the text begins with.
        """
        end = len(text)
        while (end := text.rfind("/", 0, end)) > 0:
            if text[:end] in self._members:
                return text[:end], text[end + 1 :]
        name, slash, bare = text.partition("/")
        return (name, bare) if slash else None

    def asked(
        self,
        facet: str | None,
        names: Iterable[str] | None = None,
        *,
        seconds: float,  # noqa: ARG002 - for those who search
    ) -> Asked:
        """Whom a view asks: the enabled, or those that are named, if they have the facet.

        Args:
            facet: Name of the facet; None for whatever it has.
            names: Only these; None for all.
            seconds: How long a search for providers may take.

        Raises:
            SelectionError: As ``enabled`` and ``offering``.
        """
        return Asked(self.enabled(names) if facet is None else self.offering(facet, names))

    def offering(self, facet: str, names: Iterable[str] | None = None) -> list[Member]:
        """The enabled providers that have a facet; one whose plugin is broken counts, so that its error is seen.

        Raises:
            UnsupportedOperationError: None of them has it; says who does.
        """
        wanted = self.enabled(names)
        having = [member for member in wanted if facet in member.facets or member.config.error]
        if wanted and not having:
            others = [member.name for member in self if facet in member.facets]
            raise UnsupportedOperationError(
                f"{', '.join(member.name for member in wanted)} cannot do this: no facet {facet!r}; "
                f"{', '.join(others) or 'no configured provider'} has it",
                details={"facet": facet, "available_providers": others},
            )
        return having
