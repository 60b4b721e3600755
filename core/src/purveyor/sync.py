"""The blocking door: the same client without ``async``.

Each client runs its own event loop in a thread of its own, so it may be used from any thread, and from inside a
running loop too (where it blocks that loop).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from purveyor import client
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
    ShellOutput,
)
from purveyor.model.errors import PurveyorError
from purveyor.model.instance import Action, Instance, InstanceSpec
from purveyor.model.metrics import ResourceKind, ResourceMetrics
from purveyor.model.selection import Explanation, Provisioned
from purveyor.model.views import ProviderHealth, ProviderInfo, View
from purveyor.spi import deployments as spi

__all__ = ["MultiProviderClient", "Shell", "ViewStream"]

T = TypeVar("T")
READ, PROVISION = client.READ_SECONDS, client.PROVISION_SECONDS


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="purveyor-sync", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result; an interruption (Ctrl-C) cancels the work and waits for its end."""
        if self.loop.is_closed():
            work.close()
            raise PurveyorError("the client is closed")
        begun: Future[asyncio.Task[Any] | None] = Future()

        async def whole() -> T:
            begun.set_result(asyncio.current_task())
            return await work

        future: Future[T] = asyncio.run_coroutine_threadsafe(whole(), self.loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                task = begun.result()
                if task is not None:
                    self.loop.call_soon_threadsafe(task.cancel)
                wait([future])
            raise

    def close(self) -> None:
        """End what is still running, then the loop and the thread; may be called twice."""
        if not self.loop.is_closed():
            self.run(_sweep())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


async def _sweep() -> None:
    """Cancel all other tasks and close the iterations that were left."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class ViewStream(Generic[T]):
    """A view that is still coming in; see :class:`purveyor.engine.views.ViewStream`."""

    def __init__(self, loop: _Loop, stream: AsyncViewStream[T]) -> None:
        self._loop = loop
        self._stream = stream

    @property
    def failures(self) -> dict[str, PurveyorError]:
        """What is missing, after the iteration."""
        return self._stream.failures

    def __iter__(self) -> Iterator[T]:
        """Items in the order in which they arrive."""
        return _iterate(self._loop, self._stream.__aiter__())

    def collect(self) -> View[T]:
        """Everything; see the async twin."""
        return self._loop.run(self._stream.collect())


class Shell:
    """A shell that runs, until the ``with`` block ends; see :class:`purveyor.plugin.Shell`."""

    def __init__(self, loop: _Loop, opening: AbstractAsyncContextManager[spi.Shell]) -> None:
        self._loop = loop
        self._opening = opening
        self._shell: spi.Shell | None = None

    def __enter__(self) -> Self:
        self._shell = self._loop.run(self._entered())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._left(kind, error, trace))

    def __iter__(self) -> Iterator[ShellOutput]:
        """What it writes, as it comes."""

        async def pieces() -> AsyncGenerator[ShellOutput, None]:
            async for piece in self._opened:
                yield piece

        return _iterate(self._loop, pieces())

    @property
    def exit_code(self) -> int | None:
        """What the shell ended with, once it has; None where the provider does not tell."""
        return self._opened.exit_code

    def send(self, data: bytes) -> None:
        """Type something into it."""
        self._loop.run(self._opened.send(data))

    def send_eof(self) -> None:
        """Say that there will be no more input."""
        self._loop.run(self._opened.send_eof())

    def resize(self, columns: int, rows: int) -> None:
        """Say how large the terminal is now."""
        self._loop.run(self._opened.resize(columns, rows))

    @property
    def _opened(self) -> spi.Shell:
        if self._shell is None:
            raise PurveyorError("the shell is not open: use it in a 'with' block")
        return self._shell

    async def _entered(self) -> spi.Shell:
        return await self._opening.__aenter__()

    async def _left(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)


def _iterate(loop: _Loop, items: AsyncGenerator[T, None]) -> Iterator[T]:
    async def step() -> T:
        return await anext(items)

    try:
        while True:
            try:
                yield loop.run(step())
            except StopAsyncIteration:
                return
    finally:
        if not loop.loop.is_closed():  # which ended the iteration too
            loop.run(_close(items))


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


class MultiProviderClient:
    """The blocking twin of :class:`purveyor.MultiProviderClient`, method by method; read there what each does."""

    def __init__(self, build: Callable[[], client.MultiProviderClient]) -> None:
        """Wrap the client that ``build`` makes; ``from_file`` and ``from_config`` are easier."""
        self._client = build()
        self._loop: _Loop | None = None
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
                provider=provider,
                type=type,
                strategy=strategy,
                seed=seed,
                wait=wait,
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
        return _iterate(self._running(), stream)

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
        return _iterate(self._running(), stream)

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

    def _view(self, stream: AsyncViewStream[T]) -> ViewStream[T]:
        return ViewStream(self._running(), stream)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._running().run(work)

    def _running(self) -> _Loop:
        with self._starting:
            if self._loop is None:
                self._loop = _Loop()
            return self._loop
