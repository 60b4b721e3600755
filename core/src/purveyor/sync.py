"""The blocking door: the same client without ``async``.

Each client runs its own event loop in a thread of its own, so it may be used from any thread, and from inside a
running loop too (where it blocks that loop).
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from purveyor import client
from purveyor._blocking import Loop, Shell, ViewStream, iterate
from purveyor._door import PROVISION_SECONDS, READ_SECONDS
from purveyor.engine.catalogue import CachedCatalogue
from purveyor.engine.plugins import PluginInfo
from purveyor.engine.views import ViewStream as AsyncViewStream
from purveyor.model.account import Balance, CostReport, CredentialReport, Invoice
from purveyor.model.catalog import App, CatalogKind, Image, Plan, Region
from purveyor.model.deployment import (
    Deployment,
    DeploymentAction,
    DeploymentEvent,
    LogLine,
    Operation,
    ProviderFacts,
)
from purveyor.model.instance import Action, Instance, InstanceSpec
from purveyor.model.intent import Intent, Reconciliation
from purveyor.model.metrics import ResourceKind, ResourceMetrics
from purveyor.model.selection import Explanation, Provisioned
from purveyor.model.views import ProviderHealth, ProviderInfo
from purveyor.spi import deployments as spi
from purveyor.spi.call import Call
from purveyor.spi.events import Observer

__all__ = ["MultiProviderClient", "Shell", "ViewStream"]

T = TypeVar("T")
READ, PROVISION = READ_SECONDS, PROVISION_SECONDS


class MultiProviderClient:
    """The blocking twin of :class:`purveyor.MultiProviderClient`, method by method; read there what each does."""

    def __init__(self, build: Callable[[], client.MultiProviderClient]) -> None:
        """Wrap the client that ``build`` makes; ``from_file`` and ``from_config`` are easier."""
        self._client = build()
        self._loop: Loop | None = None
        self._starting = threading.Lock()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **options: Any) -> Self:
        """A client from settings written as a dict; options as the async twin's."""
        return cls(lambda: client.MultiProviderClient.from_config(config, **options))

    @classmethod
    def from_file(cls, path: str | Path | None = None, **options: Any) -> Self:
        """A client from a configuration file; options as the async twin's."""
        return cls(lambda: client.MultiProviderClient.from_file(path, **options))

    def __enter__(self) -> Self:
        self._run(self._client.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back connections, files and the thread; may be called twice."""
        if self._loop is not None and not self._loop.loop.is_closed():
            try:
                self._loop.run(self._client.aclose())
            finally:
                self._loop.close()

    def plugins(self) -> tuple[PluginInfo, ...]:
        return self._client.plugins()

    def providers(self) -> tuple[ProviderInfo, ...]:
        return self._client.providers()

    def provider(self, name: str) -> ProviderInfo:
        return self._client.provider(name)

    def discover(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[ProviderInfo]:
        return self._view(self._client.discover(providers, deadline=deadline))

    def check_health(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[ProviderHealth]:
        return self._view(self._client.check_health(providers, deadline=deadline))

    def validate_credentials(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[CredentialReport]:
        return self._view(self._client.validate_credentials(providers, deadline=deadline))

    def list_plans(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[Plan]:
        return self._view(self._client.list_plans(providers, deadline=deadline))

    def list_images(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[Image]:
        return self._view(self._client.list_images(providers, deadline=deadline))

    def list_regions(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[Region]:
        return self._view(self._client.list_regions(providers, deadline=deadline))

    def list_apps(self, providers: Iterable[str] | None = None, *, deadline: float = READ) -> ViewStream[App]:
        return self._view(self._client.list_apps(providers, deadline=deadline))

    def cached_catalogues(self) -> list[CachedCatalogue]:
        return self._run(self._client.cached_catalogues())

    def clear_cache(self, kind: CatalogKind | None = None, provider: str | None = None) -> int:
        return self._run(self._client.clear_cache(kind, provider))

    def list_instances(
        self, providers: Iterable[str] | None = None, *, tag: str | None = None, deadline: float = READ
    ) -> ViewStream[Instance]:
        return self._view(self._client.list_instances(providers, tag=tag, deadline=deadline))

    def get_instance(self, instance_id: str, *, deadline: float = READ) -> Instance:
        return self._run(self._client.get_instance(instance_id, deadline=deadline))

    def delete_instance(self, instance_id: str, *, force: bool = False, deadline: float = PROVISION) -> None:
        self._run(self._client.delete_instance(instance_id, force=force, deadline=deadline))

    def perform_action(
        self,
        instance_id: str,
        action: Action,
        parameters: Mapping[str, str] | None = None,
        *,
        wait: bool = False,
        deadline: float = PROVISION,
    ) -> Instance:
        return self._run(
            self._client.perform_action(instance_id, action, parameters, wait=wait, deadline=deadline)
        )

    def wait_until_ready(self, instance: Instance, *, deadline: float = PROVISION) -> Instance:
        return self._run(self._client.wait_until_ready(instance, deadline=deadline))

    def explain(
        self,
        spec: InstanceSpec,
        *,
        provider: str | None = None,
        type: str | None = None,  # noqa: A002 - the configuration's word
        strategy: str | None = None,
        seed: int | None = None,
        deadline: float = READ,
    ) -> Explanation:
        return self._run(
            self._client.explain(
                spec, provider=provider, type=type, strategy=strategy, seed=seed, deadline=deadline
            )
        )

    def check_limits(self, explanation: Explanation, count: int = 1, *, deadline: float = READ) -> None:
        self._run(self._client.check_limits(explanation, count, deadline=deadline))

    def provision(
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
        deadline: float = PROVISION,
    ) -> Provisioned:
        return self._run(
            self._client.provision(
                spec,
                count=count,
                key=key,
                provider=provider,
                type=type,
                strategy=strategy,
                seed=seed,
                wait=wait,
                deadline=deadline,
            )
        )

    def list_intents(self) -> list[Intent]:
        return self._run(self._client.list_intents())

    def get_intent(self, intent_id: str) -> Intent:
        return self._run(self._client.get_intent(intent_id))

    def resolve_intent(
        self, intent_id: str, *, tombstone: bool = False, deadline: float = PROVISION
    ) -> Intent:
        return self._run(self._client.resolve_intent(intent_id, tombstone=tombstone, deadline=deadline))

    def claim_journal(self) -> str:
        return self._run(self._client.claim_journal())

    def reconcile(
        self,
        *,
        apply: bool = False,
        delete_orphans: Iterable[str] = (),
        min_age: timedelta = timedelta(hours=1),
        owner: str | None = None,
        adopt: bool = False,
        deadline: float = PROVISION,
    ) -> Reconciliation:
        return self._run(
            self._client.reconcile(
                apply=apply,
                delete_orphans=delete_orphans,
                min_age=min_age,
                owner=owner,
                adopt=adopt,
                deadline=deadline,
            )
        )

    def get_balances(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[Balance]:
        return self._view(self._client.get_balances(providers, deadline=deadline))

    def list_invoices(
        self, providers: Iterable[str] | None = None, *, deadline: float = READ
    ) -> ViewStream[Invoice]:
        return self._view(self._client.list_invoices(providers, deadline=deadline))

    def get_costs(
        self,
        start: datetime,
        end: datetime,
        providers: Iterable[str] | None = None,
        *,
        deadline: float = READ,
    ) -> ViewStream[CostReport]:
        return self._view(self._client.get_costs(start, end, providers, deadline=deadline))

    def list_metrics(
        self,
        providers: Iterable[str] | None = None,
        *,
        kinds: Iterable[ResourceKind] | None = None,
        deadline: float = READ,
    ) -> ViewStream[ResourceMetrics]:
        return self._view(self._client.list_metrics(providers, kinds=kinds, deadline=deadline))

    def list_deployments(
        self, providers: Iterable[str] | None = None, *, closed: bool = False, deadline: float = READ
    ) -> ViewStream[Deployment]:
        return self._view(self._client.list_deployments(providers, closed=closed, deadline=deadline))

    def get_deployment(self, deployment_id: str, *, deadline: float = READ) -> Deployment:
        return self._run(self._client.get_deployment(deployment_id, deadline=deadline))

    def perform_deployment_action(
        self,
        deployment_id: str,
        action: DeploymentAction,
        parameters: Mapping[str, str] | None = None,
        *,
        wait: bool = False,
        deadline: float = PROVISION,
    ) -> Operation:
        return self._run(
            self._client.perform_deployment_action(
                deployment_id, action, parameters, wait=wait, deadline=deadline
            )
        )

    def list_deployment_events(
        self, deployment_id: str, *, limit: int = 100, deadline: float = READ
    ) -> tuple[DeploymentEvent, ...]:
        return self._run(self._client.list_deployment_events(deployment_id, limit=limit, deadline=deadline))

    def get_deployment_metrics(
        self,
        deployment_id: str,
        start: datetime,
        end: datetime,
        *,
        interval: float = 300.0,
        deadline: float = READ,
    ) -> tuple[ResourceMetrics, ...]:
        return self._run(
            self._client.get_deployment_metrics(
                deployment_id, start, end, interval=interval, deadline=deadline
            )
        )

    def stream_deployment_metrics(
        self, deployment_id: str, *, interval: float = 5.0, deadline: float | None = None
    ) -> Iterator[ResourceMetrics]:
        stream = self._client.stream_deployment_metrics(deployment_id, interval=interval, deadline=deadline)
        return iterate(self._running(), stream)

    def stream_logs(
        self,
        deployment_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        service: str | None = None,
        deadline: float | None = None,
    ) -> Iterator[LogLine]:
        stream = self._client.stream_logs(
            deployment_id, follow=follow, tail=tail, service=service, deadline=deadline
        )
        return iterate(self._running(), stream)

    def open_shell(
        self,
        deployment_id: str,
        command: Iterable[str] = (),
        *,
        service: str | None = None,
        columns: int | None = None,
        rows: int | None = None,
        deadline: float = READ,
    ) -> Shell:
        loop = self._running()

        async def opening() -> AbstractAsyncContextManager[spi.Shell]:  # on the loop, whose clock counts
            return self._client.open_shell(
                deployment_id, command, service=service, columns=columns, rows=rows, deadline=deadline
            )

        return Shell(loop, loop.run(opening()))

    def get_provider_facts(self, provider: str, *, deadline: float = READ) -> ProviderFacts:
        return self._run(self._client.get_provider_facts(provider, deadline=deadline))

    def observe(self, observer: Observer) -> None:
        self._client.observe(observer)

    def use(self, provider: str, work: Callable[[Any, Call], Awaitable[T]], *, deadline: float = READ) -> T:
        return self._run(self._client.use(provider, work, deadline=deadline))

    def _view(self, stream: AsyncViewStream[T]) -> ViewStream[T]:
        return ViewStream(self._running(), stream)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._running().run(work)

    def _running(self) -> Loop:
        with self._starting:
            if self._loop is None:
                self._loop = Loop()
            return self._loop
