"""Deployments at the providers: finding them, changing them, listening to them."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, TypeVar

import attrs

from purveyor.engine.discovery import Directory
from purveyor.engine.doubt import doubt_told
from purveyor.engine.gate import closable
from purveyor.engine.listing import listing
from purveyor.engine.registry import Asked, Member, Surroundings
from purveyor.engine.views import Show, ViewStream
from purveyor.model.deployment import (
    Deployment,
    DeploymentAction,
    DeploymentEvent,
    DeploymentStatus,
    LogLine,
    Operation,
    OperationState,
    ProviderFacts,
)
from purveyor.model.errors import (
    ApiError,
    CallTimeoutError,
    DeploymentNotFoundError,
    PurveyorError,
    UnsupportedOperationError,
    ValidationError,
)
from purveyor.model.metrics import ResourceMetrics
from purveyor.model.views import Page, View
from purveyor.spi.call import Call, Effect
from purveyor.spi.deployments import (
    DeploymentActionRequest,
    DeploymentListRequest,
    DeploymentRequest,
    Deployments,
    EventsRequest,
    LogsRequest,
    MetricsHistoryRequest,
    MetricsStreamRequest,
    OperationRequest,
    Shell,
    ShellRequest,
)

__all__ = ["Workloads"]

T = TypeVar("T")

_CONVERGING = frozenset({DeploymentAction.START, DeploymentAction.STOP})
"""Actions that may be repeated; all others are done once."""

_FIRST_POLL, _SLOWEST_POLL = 1.0, 5.0


class Workloads:
    """What can be done with deployments. Deadlines are moments of the clock, durations are called seconds."""

    def __init__(self, directory: Directory, around: Surroundings) -> None:
        self._directory = directory
        self._around = around

    def view(
        self, providers: Iterable[str] | None, *, closed: bool, details: bool, seconds: float
    ) -> ViewStream[Deployment]:
        """Every deployment; a provider that discovers others tells of theirs, and these add what they know.

        One that cannot be asked is a failure, while its deployments are there as its discoverer sees them.
        """
        clock = self._around.clock
        request = DeploymentListRequest(closed=closed)

        def asked() -> Asked:
            if providers is not None:
                return self._directory.asked(None, providers, seconds=seconds)
            every = self._directory.offering("deployments")
            return Asked([one for one in every if one.config.parent is None])

        async def pages(member: Member, call: Call) -> AsyncIterator[Page[Deployment]]:
            return (await member.deployments()).list_deployments(request, call)

        async def source(member: Member, show: Show[Deployment]) -> None:
            deadline = clock.monotonic() + seconds
            told = listing("list_deployments", pages, seconds=seconds, clock=clock)
            if not details or "discovery" not in member.facets:
                await told(member, show)
                return
            found: list[Page[Deployment]] = []
            async with _beside(self._look_around(member, seconds)) as looking:
                await told(member, found.append)
                failure = await looking
            broken = [failure] if failure else []
            show(Page((), tuple(broken + [error for page in found for error in page.unreadable])))
            items = [one for page in found for one in page.items]
            await self._add_details(member, items, show, stream.failures, deadline)

        stream = ViewStream(asked, source, self._around.clock.now)
        return stream

    async def _look_around(self, searcher: Member, seconds: float) -> PurveyorError | None:
        """Find the providers if that is due; what went wrong with it."""
        if self._directory.is_due(searcher):
            try:
                await self._directory.search(searcher, seconds)
            except PurveyorError as error:
                return error
        return None

    async def _add_details(
        self,
        searcher: Member,
        found: Sequence[Deployment],
        show: Show[Deployment],
        failures: dict[str, PurveyorError],
        deadline: float,
    ) -> None:
        """Show what the providers themselves know of their deployments, all of them asked at the same time."""
        below = {one.name: one for one in self._directory.below(searcher.name)}
        shares: dict[str, list[Deployment]] = defaultdict(list)
        for one in found:
            shares[one.provider if one.status is not DeploymentStatus.CLOSED else ""].append(one)

        async def tell(name: str, share: Sequence[Deployment]) -> None:
            for one in share:
                shown = one
                if name in below and name not in failures:
                    try:
                        shown = await self._ask(below[name], one.id, known=one, deadline=deadline)
                    except PurveyorError as error:
                        failures[name] = error
                show(Page((shown,)))

        await asyncio.gather(*(tell(name, share) for name, share in shares.items()))

    async def get(self, deployment_id: str, *, deadline: float) -> Deployment:
        """The deployment that ``provider/id`` names, or a bare id that only one provider has."""
        member, bare, known = await self._locate(deployment_id, deadline)
        return await self._ask(member, bare, known=known, deadline=deadline)

    async def _ask(
        self, member: Member, bare: str, *, known: Deployment | None, deadline: float
    ) -> Deployment:
        async def work(call: Call) -> Deployment:
            request = DeploymentRequest(id=bare, known=known)
            return await (await member.deployments()).get_deployment(request, call)

        return await member.gate.call("get_deployment", Effect.READ, work, deadline=deadline)

    async def act(
        self,
        request: DeploymentActionRequest,
        *,
        wait: bool,
        deadline: float,
    ) -> Operation:
        """Do something to one deployment; what became of it, or at least that it was accepted."""
        action = request.action
        member, bare, _ = await self._locate(request.id, deadline, sure=True)
        request = attrs.evolve(request, id=bare)

        async def work(call: Call) -> Operation:
            return await (await member.deployments()).perform_action(request, call)

        effect = Effect.CONVERGE if action in _CONVERGING else Effect.ONCE
        with doubt_told(effect, action):
            operation = await member.gate.call("perform_action", effect, work, deadline=deadline)
        if wait:
            operation = await self._follow(member, operation, deadline)
        if operation.state in {OperationState.FAILED, OperationState.CANCELLED}:
            raise ApiError(
                f"the {action.value} of {bare} {operation.state.value}: {operation.message or 'no reason given'}",
                provider=member.name,
                operation="perform_action",
                details={"id": bare, "operation": operation.id},
            )
        return operation

    async def _follow(self, member: Member, operation: Operation, deadline: float) -> Operation:
        """Ask again and again until it is over.

        Raises:
            CallTimeoutError: It is not over by the deadline.
            UnsupportedOperationError: The provider gave it no id, so nobody can ask.
        """
        clock, pause = self._around.clock, _FIRST_POLL

        async def work(call: Call) -> Operation:
            return await (await member.deployments()).get_operation(
                OperationRequest(operation=operation), call
            )

        while not operation.over:
            if operation.id is None:
                raise UnsupportedOperationError(
                    f"the {operation.action.value} was accepted, but the provider gave no id to follow it by",
                    provider=member.name,
                    details={"available_providers": []},
                )
            if clock.monotonic() + pause >= deadline:
                raise CallTimeoutError(
                    f"the {operation.action.value} is still {operation.state.value}; it goes on, look at it later",
                    provider=member.name,
                    details={"id": operation.deployment, "operation": operation.id},
                )
            await clock.sleep(pause)
            pause = min(pause * 1.5, _SLOWEST_POLL)
            operation = await member.gate.call("get_operation", Effect.READ, work, deadline=deadline)
        return operation

    async def events(self, deployment_id: str, limit: int, *, deadline: float) -> tuple[DeploymentEvent, ...]:
        """The newest events of one deployment, newest first."""
        member, bare, _ = await self._locate(deployment_id, deadline)

        async def work(call: Call) -> tuple[DeploymentEvent, ...]:
            found: list[DeploymentEvent] = []
            pages = (await member.deployments()).list_events(EventsRequest(id=bare), call)
            async with aclosing(closable(pages)) as every:
                async for page in every:
                    found.extend(page.items)
                    for error in page.unreadable:
                        raise error
                    if len(found) >= limit:
                        break
            return tuple(found[:limit])

        return await member.gate.call("list_events", Effect.READ, work, deadline=deadline)

    async def history(
        self, request: MetricsHistoryRequest, *, deadline: float
    ) -> tuple[ResourceMetrics, ...]:
        """What one deployment used over time."""
        member, bare, _ = await self._locate(request.id, deadline)
        request = attrs.evolve(request, id=bare)

        async def work(call: Call) -> tuple[ResourceMetrics, ...]:
            return await (await member.deployments()).get_metrics_history(request, call)

        return await member.gate.call("get_metrics_history", Effect.READ, work, deadline=deadline)

    async def facts(self, provider: str, *, deadline: float) -> ProviderFacts:
        """What a provider says of itself."""
        member = await self._directory.find(provider, deadline - self._around.clock.monotonic())

        async def work(call: Call) -> ProviderFacts:
            return await (await member.deployments()).get_facts(call)

        return await member.gate.call("get_facts", Effect.READ, work, deadline=deadline)

    def logs(
        self, request: LogsRequest, *, seconds: float | None, patience: float
    ) -> AsyncGenerator[LogLine, None]:
        """The lines of one deployment, for so many seconds; ``patience`` is for finding it."""

        def begin(at: Deployments, bare: str, call: Call) -> AsyncIterator[LogLine]:
            return at.stream_logs(attrs.evolve(request, id=bare), call)

        return self._streamed("stream_logs", request.id, begin, seconds, patience)

    def metrics(
        self, request: MetricsStreamRequest, *, seconds: float | None, patience: float
    ) -> AsyncGenerator[ResourceMetrics, None]:
        """What one deployment uses, as it changes, for so many seconds."""

        def begin(at: Deployments, bare: str, call: Call) -> AsyncIterator[ResourceMetrics]:
            return at.stream_metrics(attrs.evolve(request, id=bare), call)

        return self._streamed("stream_metrics", request.id, begin, seconds, patience)

    async def _streamed(
        self,
        operation: str,
        deployment_id: str,
        begin: Callable[[Deployments, str, Call], AsyncIterator[T]],
        seconds: float | None,
        patience: float,
    ) -> AsyncGenerator[T, None]:
        now = self._around.clock.monotonic()
        member, bare, _ = await self._locate(deployment_id, now + patience)

        async def work(call: Call) -> AsyncIterator[T]:
            return begin(await member.deployments(), bare, call)

        deadline = math.inf if seconds is None else now + seconds
        items = member.gate.stream(operation, work, deadline=deadline)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    @asynccontextmanager
    async def shell(self, request: ShellRequest, *, deadline: float) -> AsyncIterator[Shell]:
        """A shell in one deployment; the deadline is for its opening."""
        member, bare, _ = await self._locate(request.id, deadline, sure=True)
        with member.gate.used():
            async with AsyncExitStack() as stack:

                async def work(call: Call) -> Shell:
                    opening = (await member.deployments()).open_shell(attrs.evolve(request, id=bare), call)
                    return await stack.enter_async_context(opening)

                yield await member.gate.call("open_shell", Effect.READ, work, deadline=deadline)

    async def _locate(
        self, deployment_id: str, deadline: float, *, sure: bool = False
    ) -> tuple[Member, str, Deployment | None]:
        """Where a deployment is, its bare id there, and what was told of it if somebody had to be asked.

        ``sure`` means that nobody else can have one of that id, for changing it.
        """
        left = deadline - self._around.clock.monotonic()
        named = await self._directory.locate(deployment_id, left)
        if named is not None and "discovery" not in named[0].facets:
            return *named, None
        name, bare = (named[0].name, named[1]) if named else (None, deployment_id)
        known = await self._search(bare, name, deadline, sure=sure)
        left = deadline - self._around.clock.monotonic()
        return await self._directory.find(known.provider, left), bare, known

    async def _search(self, bare: str, provider: str | None, deadline: float, *, sure: bool) -> Deployment:
        """The one deployment with this bare id."""
        seconds = deadline - self._around.clock.monotonic()
        view = await self.view(
            None if provider is None else [provider], closed=False, details=False, seconds=seconds
        ).collect()
        return _only(
            bare, attrs.evolve(view, items=tuple(one for one in view.items if one.id == bare)), sure=sure
        )


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Something that goes on meanwhile, and ends with the block at the latest."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _only(bare: str, view: View[Deployment], *, sure: bool) -> Deployment:
    """The one that there is.

    Raises:
        DeploymentNotFoundError: There is none.
        ValidationError: There are several, or there may be, and it is to be changed.
    """
    unsure = f"; {', '.join(view.failures)} could not be asked" if view.failures else ""
    if not view.items:
        raise DeploymentNotFoundError(f"no provider has a deployment {bare!r}{unsure}", details={"id": bare})
    owners = ", ".join(f"{one.provider}/{one.id}" for one in view.items)
    if len(view.items) > 1:
        raise ValidationError(
            f"several providers have a deployment {bare!r}: say which, {owners}", field="id"
        )
    if sure and unsure:
        raise ValidationError(
            f"other providers may have a deployment {bare!r} too{unsure}: say which, {owners}", field="id"
        )
    return view.items[0]
