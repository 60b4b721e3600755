"""What the async door offers for deployments; the client is made of such parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from purveyor._door import PROVISION_SECONDS, READ_SECONDS, Door, check_period
from purveyor.engine.deployments import Workloads
from purveyor.engine.views import ViewStream
from purveyor.model.deployment import (
    Deployment,
    DeploymentAction,
    DeploymentEvent,
    LogLine,
    Operation,
    ProviderFacts,
)
from purveyor.model.metrics import ResourceMetrics
from purveyor.spi.deployments import (
    DeploymentActionRequest,
    LogsRequest,
    MetricsHistoryRequest,
    MetricsStreamRequest,
    Shell,
    ShellRequest,
)

__all__ = ["Deployed"]


class Deployed(Door):
    """The part of the client that is about deployments."""

    _workloads: Workloads

    def list_deployments(
        self,
        providers: Iterable[str] | None = None,
        *,
        closed: bool = False,
        deadline: float = READ_SECONDS,
    ) -> ViewStream[Deployment]:
        """Every deployment everywhere, once for each provider that it runs at; ``closed`` adds those that are over."""
        return self._workloads.view(providers, closed=closed, details=True, seconds=deadline)

    async def get_deployment(self, deployment_id: str, *, deadline: float = READ_SECONDS) -> Deployment:
        """One deployment, by ``provider/id``, or by its bare id where only one provider has it.

        Raises:
            DeploymentNotFoundError: There is none.
            ValidationError: Several providers have one of this id.
        """
        return await self._workloads.get(deployment_id, deadline=self._deadline(deadline))

    async def perform_deployment_action(
        self,
        deployment_id: str,
        action: DeploymentAction,
        parameters: Mapping[str, str] | None = None,
        *,
        wait: bool = False,
        deadline: float = PROVISION_SECONDS,
    ) -> Operation:
        """Do something to one deployment.

        Args:
            deployment_id: ``provider/id``, or a bare id that only one provider has.
            action: What to do.
            parameters: What the action needs, such as ``cpus`` and ``memory`` for resize.
            wait: Return only when the action is over.
            deadline: Seconds for all of it.

        Raises:
            ApiError: The action failed.
            UncertainOutcomeError: It may have been carried out and the answer is lost.
        """
        request = DeploymentActionRequest(id=deployment_id, action=action, parameters=dict(parameters or {}))
        return await self._workloads.act(request, wait=wait, deadline=self._deadline(deadline))

    async def list_deployment_events(
        self, deployment_id: str, *, limit: int = 100, deadline: float = READ_SECONDS
    ) -> tuple[DeploymentEvent, ...]:
        """What happened to one deployment, newest first, at most so many."""
        return await self._workloads.events(deployment_id, limit, deadline=self._deadline(deadline))

    async def get_deployment_metrics(
        self,
        deployment_id: str,
        start: datetime,
        end: datetime,
        *,
        interval: float = 300.0,
        deadline: float = READ_SECONDS,
    ) -> tuple[ResourceMetrics, ...]:
        """What one deployment used from ``start`` up to ``end``, both aware, every ``interval`` seconds."""
        check_period(start, end)
        request = MetricsHistoryRequest(id=deployment_id, start=start, end=end, interval=interval)
        return await self._workloads.history(request, deadline=self._deadline(deadline))

    def stream_deployment_metrics(
        self, deployment_id: str, *, interval: float = 5.0, deadline: float | None = None
    ) -> AsyncGenerator[ResourceMetrics, None]:
        """What one deployment uses, as it changes, until it is closed (``aclose``) or the deadline passes."""
        request = MetricsStreamRequest(id=deployment_id, interval=interval)
        return self._workloads.metrics(request, seconds=deadline, patience=READ_SECONDS)

    def stream_logs(
        self,
        deployment_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        service: str | None = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """The lines of one deployment, oldest first; wrap it in ``contextlib.aclosing`` to leave it before its end.

        Args:
            deployment_id: ``provider/id``, or a bare id that only one provider has.
            follow: Go on with new lines, through lost connections, without a line twice.
            tail: At most so many of those that are there.
            service: Only this service's.
            deadline: Seconds for all of it; None for none.
        """
        request = LogsRequest(id=deployment_id, follow=follow, tail=tail, service=service)
        return self._workloads.logs(request, seconds=deadline, patience=READ_SECONDS)

    def open_shell(
        self,
        deployment_id: str,
        command: Iterable[str] = (),
        *,
        service: str | None = None,
        columns: int | None = None,
        rows: int | None = None,
        deadline: float = READ_SECONDS,
    ) -> AbstractAsyncContextManager[Shell]:
        """A shell in one deployment, as an async context manager; a lost one is not opened again.

        Args:
            deployment_id: ``provider/id``, or a bare id that only one provider has.
            command: What to run, word by word; nothing for the service's own shell.
            service: Where, if there are several.
            columns: Width of the terminal, if there is one.
            rows: Its height.
            deadline: Seconds for the opening.
        """
        request = ShellRequest(
            id=deployment_id, command=tuple(command), service=service, columns=columns, rows=rows
        )
        return self._workloads.shell(request, deadline=self._deadline(deadline))

    async def get_provider_facts(self, provider: str, *, deadline: float = READ_SECONDS) -> ProviderFacts:
        """What one provider says of itself: capacity, prices, abilities."""
        return await self._workloads.facts(provider, deadline=self._deadline(deadline))
