"""Facets of providers that rent containers, and of those that are found rather than configured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import attrs

from purveyor.model.deployment import (
    Deployment,
    DeploymentAction,
    DeploymentEvent,
    LogLine,
    Operation,
    ProviderFacts,
    ShellOutput,
)
from purveyor.model.metrics import ResourceMetrics
from purveyor.model.views import Page
from purveyor.spi.call import Call

__all__ = [
    "DeploymentActionRequest",
    "DeploymentListRequest",
    "DeploymentRequest",
    "Deployments",
    "Discovered",
    "Discovery",
    "DiscoveryRequest",
    "EventsRequest",
    "LogsRequest",
    "MetricsHistoryRequest",
    "MetricsStreamRequest",
    "OperationRequest",
    "Shell",
    "ShellRequest",
]


@attrs.frozen(kw_only=True)
class DeploymentListRequest:
    """Deployments that fit.

    Attributes:
        closed: Also those that are over.
    """

    closed: bool = False


@attrs.frozen(kw_only=True)
class DeploymentRequest:
    """One deployment.

    Attributes:
        known: What the provider's parent told of it just now, so that nobody need ask it again.
    """

    id: str
    known: Deployment | None = None


@attrs.frozen(kw_only=True)
class DeploymentActionRequest:
    """Something to do to one deployment.

    Attributes:
        parameters: What the action needs, such as ``cpus``, ``memory``, ``storage`` and ``gpus`` for resize, in the
            units of ``Resources``.
    """

    id: str
    action: DeploymentAction
    parameters: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class OperationRequest:
    """An action that is under way: what ``perform_action`` returned."""

    operation: Operation


@attrs.frozen(kw_only=True)
class EventsRequest:
    """What happened to one deployment."""

    id: str


@attrs.frozen(kw_only=True)
class MetricsHistoryRequest:
    """What one deployment used from ``start`` up to ``end``, both aware, UTC.

    Attributes:
        interval: Seconds between two points.
    """

    id: str
    start: datetime
    end: datetime
    interval: float = 300.0


@attrs.frozen(kw_only=True)
class MetricsStreamRequest:
    """What one deployment uses, again and again.

    Attributes:
        interval: Seconds between two measurements, where the provider must be asked for each.
    """

    id: str
    interval: float = 5.0


@attrs.frozen(kw_only=True)
class LogsRequest:
    """Lines that one deployment wrote.

    Attributes:
        follow: Go on with what it writes from now on, and connect again where a connection breaks.
        tail: At most so many of the newest lines there are; None for all that the provider keeps.
        service: Only this service's.
    """

    id: str
    follow: bool = False
    tail: int | None = None
    service: str | None = None


@attrs.frozen(kw_only=True)
class ShellRequest:
    """A shell in one service of a deployment.

    Attributes:
        service: None where there is only one.
        command: What to run, word by word; empty for the service's own shell.
        columns: Width of the terminal; None where there is no terminal.
        rows: Its height, likewise.
    """

    id: str
    service: str | None = None
    command: tuple[str, ...] = ()
    columns: int | None = None
    rows: int | None = None


class Shell(Protocol):
    """A shell that runs. Iterate it for what it writes; the iteration ends when the shell does."""

    @property
    def exit_code(self) -> int | None:
        """What the shell ended with, once it has ended; None where the provider does not tell."""
        ...

    def __aiter__(self) -> AsyncIterator[ShellOutput]:
        """What it writes, as it comes."""
        ...

    async def send(self, data: bytes) -> None:
        """Type something into it."""
        ...

    async def send_eof(self) -> None:
        """Say that there will be no more input, as Ctrl-D does."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """Say how large the terminal is now."""
        ...


@runtime_checkable
class Deployments(Protocol):
    """Deployments. A provider that discovers others lists what runs at them, each item under the name of its provider.

    An id that is not there is a ``DeploymentNotFoundError``, what the provider's API does not have is an
    ``UnsupportedOperationError``, and a provider that cannot check whose the deployment is raises an
    ``OwnershipUnverifiedError``.
    """

    def list_deployments(self, request: DeploymentListRequest, call: Call) -> AsyncIterator[Page[Deployment]]:
        """Stream all deployments, page by page, each once."""
        ...

    async def get_deployment(self, request: DeploymentRequest, call: Call) -> Deployment:
        """Tell all about one deployment."""
        ...

    async def perform_action(self, request: DeploymentActionRequest, call: Call) -> Operation:
        """Do something to one deployment; return as soon as the provider has accepted it.

        Raises:
            InvalidActionError: The provider has no such action, or it lacks a parameter.
        """
        ...

    async def get_operation(self, request: OperationRequest, call: Call) -> Operation:
        """How far an action has come."""
        ...

    def list_events(self, request: EventsRequest, call: Call) -> AsyncIterator[Page[DeploymentEvent]]:
        """Stream what happened to one deployment, newest first, each once."""
        ...

    async def get_metrics_history(
        self, request: MetricsHistoryRequest, call: Call
    ) -> tuple[ResourceMetrics, ...]:
        """What one deployment used over time, oldest first."""
        ...

    def stream_metrics(self, request: MetricsStreamRequest, call: Call) -> AsyncIterator[ResourceMetrics]:
        """What one deployment uses, as it changes, for ever; asks again and again where nothing is streamed."""
        ...

    def stream_logs(self, request: LogsRequest, call: Call) -> AsyncIterator[LogLine]:
        """The lines of one deployment, oldest first, no line twice and none lost that the provider kept.

        ``call.deadline`` is that of the whole stream: infinite where it is followed. An iterator that is closed or
        cancelled leaves nothing open.
        """
        ...

    def open_shell(self, request: ShellRequest, call: Call) -> AbstractAsyncContextManager[Shell]:
        """Open a shell; it is never opened anew by itself. Closed at the end, also when cancelled.

        ``call.deadline`` is for the opening.
        """
        ...

    async def get_facts(self, call: Call) -> ProviderFacts:
        """What the provider says of itself: capacity, prices, abilities."""
        ...


@attrs.frozen(kw_only=True)
class DiscoveryRequest:
    """Everybody that can be found."""


@attrs.frozen(kw_only=True)
class Discovered:
    """One provider that was found.

    It becomes a provider of the same type, called ``parent/name`` and built by the same factory, with health, limits and
    connections of its own. It is kept as it is while all of this stays the same.

    Attributes:
        name: Unique below its parent: letters, digits, ``.``, ``_`` and ``-``, at most 128.
        endpoint: Where it is, for people.
        settings: Its own settings, of the type's ``config_type``.
        attributes: What is said about it; keys may repeat.
    """

    name: str
    endpoint: str
    settings: Any = attrs.field(repr=False)
    attributes: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class Discovery(Protocol):
    """Finding providers."""

    def discover(self, request: DiscoveryRequest, call: Call) -> AsyncIterator[Page[Discovered]]:
        """Stream everybody that is there now, page by page, each once.

        Whoever is not among them is gone, so a list that breaks off must raise.
        """
        ...
