"""The async door: one client over many providers."""

from __future__ import annotations

import asyncio
import base64
import math
import os
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from purveyor._deployed import Deployed
from purveyor._door import PROVISION_SECONDS, READ_SECONDS
from purveyor._intended import Intended
from purveyor.config import Configuration, find_file, load_configuration, read_file
from purveyor.engine.catalogue import CachedCatalogue, CatalogueCache
from purveyor.engine.choosing import Chooser, Defaults, Wish
from purveyor.engine.deployments import Workloads
from purveyor.engine.discovery import Directory
from purveyor.engine.guards import GuardBook
from purveyor.engine.intents import Intents
from purveyor.engine.machines import Machines
from purveyor.engine.plugins import PluginHost, PluginInfo
from purveyor.engine.pricing import PriceList
from purveyor.engine.provisioning import Provisioner
from purveyor.engine.reconciling import Reconciler
from purveyor.engine.registry import Member, Surroundings
from purveyor.engine.settling import Settler
from purveyor.engine.spending import SpendingGuard
from purveyor.engine.views import Memory
from purveyor.engine.writes import Writes
from purveyor.model.instance import Action, Instance, InstanceSpec
from purveyor.model.selection import Explanation, Provisioned
from purveyor.model.views import ProviderInfo
from purveyor.policy.validation import instance_names, validate_spec
from purveyor.spi.call import Call, Effect, LoopClock
from purveyor.spi.events import Observer
from purveyor.state.holders import Holders
from purveyor.state.identity import Origin
from purveyor.state.journal import Admission, Journal
from purveyor.state.place import this_boot, this_host
from purveyor.state.store import Store

__all__ = ["CachedCatalogue", "MultiProviderClient", "PluginInfo"]

T = TypeVar("T")

DISCOVERY_SECONDS = 300.0
"""Age at which discovered providers are looked for anew."""
HEALTH_SECONDS = 60.0
"""Between two health checks of every provider while a client is open."""

_ID_BYTES = 10  # of which base 32 makes the 16 letters and digits of an id


def _surroundings() -> Surroundings:
    return Surroundings(
        clock=LoopClock(),
        random=random.SystemRandom(),
        ids=lambda: base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode().lower(),
        host=this_host(),
        boot=this_boot(),
    )


class MultiProviderClient(Intended, Deployed):
    """One client over all configured providers.

    Use it as an async context manager. Times that it takes (``deadline``) are seconds from the call. Every method may
    raise a :class:`~purveyor.PurveyorError`; what is said beside a method is what is special there.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        plugins: PluginHost | None = None,
        around: Surroundings | None = None,
        store: Store | None = None,
        holders: Holders | None = None,
        health_interval: float | None = HEALTH_SECONDS,
        discovery_interval: float | None = DISCOVERY_SECONDS,
    ) -> None:
        """Make a client; nothing is sent or opened before the first call.

        Args:
            configuration: What ``load_configuration`` gave.
            plugins: The host that it was loaded with.
            around: Clock, random source and ids; None for the real ones.
            store: Where to remember; None for the configured folder.
            holders: Who else works on that folder's intents; None for the folder's locks.
            health_interval: Seconds between health checks in the background; None for none, and for no settling of old
                doubts in the background either.
            discovery_interval: Seconds until discovered providers are looked for anew; None for only once.
        """
        self._around = around or _surroundings()
        self._plugins = plugins or PluginHost()
        self._guard = SpendingGuard(
            configuration.limits.max_price_per_hour, configuration.limits.max_instances
        )
        self._store = store or Store(configuration.state_dir)
        for name in configuration.observers:
            self.observe(self._plugins.observer(name))
        book = GuardBook(self._store, self._around.clock)
        self._registry = Directory(
            (Member(provider, self._around, book) for provider in configuration.providers),
            self._around,
            math.inf if discovery_interval is None else discovery_interval,
            book,
        )
        self._cache = CatalogueCache(self._store, self._around.clock, self._around.observers)
        defaults = Defaults(
            strategy=configuration.selection_policy,
            provider_type=configuration.default_provider_type,
            provider=configuration.default_provider_instance,
        )
        self._chooser = Chooser(
            self._registry, self._cache, self._store, self._around, defaults, self._plugins.strategy
        )
        prices = PriceList(self._cache, self._around.clock)
        self._machines = Machines(self._registry, prices, self._around)
        self._journal = self._open_journal(holders or Holders(self._store.folder, self._around.ids()))
        self._settler = Settler(self._registry, self._journal, self._store, self._around)
        self._intents = Intents(self._registry, self._journal, self._settler)
        self._provisioner = Provisioner(
            self._registry, self._chooser, self._journal, self._settler, self._machines, self._around
        )
        self._reconciler = Reconciler(
            self._registry, self._journal, self._settler, self._machines, self._around
        )
        self._writes = Writes(self._around.clock)
        self._workloads = Workloads(self._registry, self._around)
        self._seen: Memory[Instance] = Memory()
        self._health_interval = health_interval
        self._discovery_interval = discovery_interval
        self._background: list[asyncio.Task[None]] = []

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        *,
        plugins: PluginHost | None = None,
        environ: Mapping[str, str] = os.environ,
        around: Surroundings | None = None,
        health_interval: float | None = HEALTH_SECONDS,
        discovery_interval: float | None = DISCOVERY_SECONDS,
    ) -> Self:
        """A client from the settings of a configuration file, written as a dict.

        Raises:
            ConfigurationError: Lists every mistake with its path.
        """
        host = plugins or PluginHost(environ=environ)
        configuration = load_configuration(config, host, environ=environ)
        around = attrs.evolve(around or _surroundings(), environ=environ)
        return cls(
            configuration,
            plugins=host,
            around=around,
            health_interval=health_interval,
            discovery_interval=discovery_interval,
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path | None = None,
        *,
        plugins: PluginHost | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """A client from a configuration file; None looks for it where the command does.

        Raises:
            ConfigurationError: There is no file, or it lists every mistake with its path.
        """
        host = plugins or PluginHost(environ=environ)
        found = find_file(path, environ)
        configuration = load_configuration(read_file(found), host, environ=environ, source=str(found))
        return cls(configuration, plugins=host, around=attrs.evolve(_surroundings(), environ=environ))

    async def __aenter__(self) -> Self:
        if not self._background:
            if self._health_interval is not None:
                for work in (self._watch_health(self._health_interval), self._settler.keep_running()):
                    self._background.append(asyncio.create_task(work))
            if self._discovery_interval is not None and self._registry.searchers:
                self._background.append(asyncio.create_task(self._registry.keep_fresh()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give what is being changed a few seconds, then give back connections and files; may be called twice."""
        async with AsyncExitStack() as stack:  # closes all of them, whatever happens to one
            stack.push_async_callback(self._store.aclose)
            stack.push_async_callback(self._journal.aclose)
            stack.push_async_callback(self._registry.aclose)
            stack.push_async_callback(self._cache.aclose)
            stack.push_async_callback(self._end_background)
            stack.push_async_callback(self._writes.aclose)

    async def _end_background(self) -> None:
        background, self._background = self._background, []
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)

    # Providers

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin, each tried out."""
        return self._plugins.listing(load=True)

    def providers(self) -> tuple[ProviderInfo, ...]:
        """Every configured provider, in the order of the configuration."""
        return tuple(member.info for member in self._registry)

    def provider(self, name: str) -> ProviderInfo:
        """One configured provider, enabled or not."""
        for info in self.providers():
            if info.name == name:
                return info
        return self._registry.get(name).info

    # Machines

    async def get_instance(self, instance_id: str, *, deadline: float = READ_SECONDS) -> Instance:
        """One machine, by ``provider/id``, or by its bare id where only one provider has it.

        Raises:
            InstanceNotFoundError: There is none.
            ValidationError: Several providers have a machine with that bare id.
        """
        return await self._machines.find(instance_id, deadline=self._deadline(deadline))

    async def delete_instance(
        self, instance_id: str, *, force: bool = False, deadline: float = PROVISION_SECONDS
    ) -> None:
        """Delete one machine, by ``provider/id``; one that is gone already is success.

        Raises:
            ConflictError: It carries the tag ``protected``, and ``force`` is not set.
        """
        until = self._deadline(deadline)
        with self._change():
            where = await self._machines.delete(instance_id, force=force, deadline=until)
            await self._settler.instance_deleted(*where, until)

    async def perform_action(
        self,
        instance_id: str,
        action: Action,
        parameters: Mapping[str, str] | None = None,
        *,
        wait: bool = False,
        deadline: float = PROVISION_SECONDS,
    ) -> Instance:
        """Do something to one machine; returns it as it is afterwards.

        Args:
            instance_id: ``provider/id``.
            action: What to do.
            parameters: ``plan`` for resize, ``image`` for rebuild, ``name`` for snapshot and rename.
            wait: Return only when the machine has reached what the action is for and is not busy any more.
            deadline: Seconds for all of it.
        """
        with self._change():
            return await self._machines.act(
                instance_id, action, parameters or {}, wait=wait, deadline=self._deadline(deadline)
            )

    async def wait_until_ready(self, instance: Instance, *, deadline: float = PROVISION_SECONDS) -> Instance:
        """Wait until a machine runs, is not busy and has an address.

        Raises:
            CallTimeoutError: It is not by then; it exists and is billed.
        """
        return await self._machines.ready(instance, deadline=self._deadline(deadline))

    async def explain(
        self,
        spec: InstanceSpec,
        *,
        provider: str | None = None,
        type: str | None = None,  # noqa: A002 - the configuration's word
        strategy: str | None = None,
        seed: int | None = None,
        deadline: float = READ_SECONDS,
    ) -> Explanation:
        """Where a request would go and why; buys nothing.

        Args:
            spec: What is wanted.
            provider: Only this provider.
            type: Only providers of this type.
            strategy: Instead of the configured one.
            seed: Makes a random choice repeat.
            deadline: Seconds.
        """
        validate_spec(spec)
        wish = Wish(spec=spec, provider=provider, type=type, strategy=strategy, seed=seed)
        return await self._chooser.explain(wish, deadline=self._deadline(deadline))

    async def check_limits(
        self, explanation: Explanation, count: int = 1, *, deadline: float = READ_SECONDS
    ) -> None:
        """Refuse if ``count`` more machines would pass the configured limits, wherever they are made.

        Raises:
            QuotaExceededError: They would, or what exists cannot be seen whole.
        """
        if self._guard.active:
            self._guard.check(await self.list_instances(deadline=deadline).collect(), explanation, count)

    async def provision(
        self,
        spec: InstanceSpec,
        *,
        count: int = 1,
        key: str | None = None,
        provider: str | None = None,
        type: str | None = None,  # noqa: A002 - the configuration's word
        strategy: str | None = None,
        seed: int | None = None,
        wait: bool = False,
        deadline: float = PROVISION_SECONDS,
    ) -> Provisioned:
        """Make machines where the strategy says, each exactly once; move on only when nothing was bought for certain.

        An answer that is lost is settled first: the machine is found and kept, or surely does not exist. That may take
        as long as the provider's ``late_commit_bound`` and ``visibility_grace`` together.

        Args:
            spec: What is wanted.
            count: How many; above one the names are ``NAME-1`` to ``NAME-count``.
            key: Names this request for ever: asking again with it gives the same machines, or goes on where an earlier
                call stopped. None mints one, which the result tells.
            provider: Only this provider.
            type: Only providers of this type.
            strategy: Instead of the configured one.
            seed: Makes a random choice repeat.
            wait: Return only when they run and have an address; one that comes up broken is deleted and made elsewhere.
            deadline: Seconds for all of it.

        Raises:
            ConflictError: The key was used for another request, or its machine is gone.
            UncertainOutcomeError: A machine may have been made, and the deadline came before that was known; nobody else
                was asked. The same request with ``details["key"]`` goes on.
            StateUnavailableError: The journal cannot be written, so nothing was bought.
            NoCompatibleProvidersError: Nobody could serve the request.
            AllProvidersFailedError: Everybody refused.
            QuotaExceededError: The configured limits would be passed.
        """
        validate_spec(spec)
        names = instance_names(spec.name, count)
        wish = Wish(spec=spec, provider=provider, type=type, strategy=strategy, seed=seed)
        until = self._deadline(deadline)
        with self._change():
            admit = await self._admission(wish, deadline) if self._guard.active else None
            return await self._provisioner.make(wish, names, key=key, wait=wait, deadline=until, admit=admit)

    # Beyond the facets

    def observe(self, observer: Observer) -> None:
        """Tell it of every event from now on, as it happens; see :mod:`purveyor.spi.events`. It must not wait."""
        self._around.observers.add(observer)

    async def use(
        self, provider: str, work: Callable[[Any, Call], Awaitable[T]], *, deadline: float = READ_SECONDS
    ) -> T:
        """Look at something that only one type of provider has: ``use("mon", lambda mon, call: mon.api.labels(call))``.

        Args:
            provider: Its name.
            work: Is given the provider object and a call. It is repeated where that helps, so it must not change anything.
            deadline: Seconds.
        """
        member = self._registry.get(provider)

        async def one(call: Call) -> T:
            return await work(await member.provider(), call)

        return await member.gate.call("use", Effect.READ, one, deadline=self._deadline(deadline))

    # Below here: how

    def _open_journal(self, holders: Holders) -> Journal:
        around = self._around
        origin = Origin(clock=around.clock, ids=around.ids, host=around.host, boot=around.boot)
        return Journal(self._store, holders, origin)

    async def _admission(self, wish: Wish, seconds: float) -> Admission:
        plan = await self._chooser.explain(wish, deadline=self._deadline(seconds))
        asked_at = self._around.clock.now()
        existing = await self.list_instances(deadline=seconds).collect()
        return self._guard.admission(existing, plan, asked_at)
