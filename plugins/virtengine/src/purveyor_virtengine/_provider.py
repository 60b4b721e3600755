"""The chain as a provider: who can be found there, and what runs where. Each provider that is found speaks for itself."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import NoReturn

import attrs

from purveyor.plugin import (
    Call,
    Context,
    Deployment,
    DeploymentActionRequest,
    DeploymentEvent,
    DeploymentListRequest,
    DeploymentNotFoundError,
    DeploymentRequest,
    Discovered,
    DiscoveryRequest,
    EventsRequest,
    LogLine,
    LogsRequest,
    MetricsHistoryRequest,
    MetricsStreamRequest,
    Operation,
    OperationRequest,
    Page,
    ProtocolMismatchError,
    ProviderFacts,
    PurveyorError,
    ResourceMetrics,
    Shell,
    ShellRequest,
    UnsupportedOperationError,
)
from purveyor.wire import Row
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._config import Settings
from purveyor_virtengine._home import Found, Home
from purveyor_virtengine._picture import picture
from purveyor_virtengine._registered import attributes_of, endpoint_of

__all__ = ["VirtEngine"]


class VirtEngine:
    """One wallet on one chain.

    Args:
        settings: Its settings.
        ctx: Its context.
        home: The chain and the wallet.
    """

    def __init__(self, settings: Settings, ctx: Context, home: Home) -> None:
        self._ctx, self._home = ctx, home
        self._shared = attrs.asdict(settings, recurse=False)

    async def check_health(self, call: Call) -> None:
        """Return if a node of this chain answers; nodes without REST for its modules can tell that, too."""
        await self._home.chain.block(call)

    async def aclose(self) -> None:
        """Close all connections to the nodes."""
        await self._home.chain.aclose()

    # Discovery.

    async def discover(self, request: DiscoveryRequest, call: Call) -> AsyncGenerator[Page[Discovered], None]:
        """Stream everybody who is registered and says where he is."""
        del request
        walk = self._home.chain.providers(call)
        async with aclosing(walk):
            async for fetched in walk:
                read = [self._found(row) for row in fetched.rows]
                yield Page(
                    tuple(one for one in read if isinstance(one, Discovered)),
                    tuple(one for one in read if isinstance(one, PurveyorError)),
                )

    def _found(self, row: Row[rows.ChainProvider]) -> Discovered | PurveyorError | None:
        """One provider, or what is wrong with its row; None for one that says nowhere to go to."""
        if isinstance(row, PurveyorError):
            return row
        address, endpoint = row[0].owner, endpoint_of(row[0])
        if not re.fullmatch("[a-z0-9]{1,128}", address):
            return ProtocolMismatchError(f"{address!r:.80} is no address of a provider")
        if endpoint is None:
            return None
        settings = Found(**self._shared, provider=address, endpoint=endpoint, home=self._home)
        return Discovered(
            name=address, endpoint=endpoint, settings=settings, attributes=attributes_of(row[0])
        )

    # Deployments.

    async def list_deployments(
        self, request: DeploymentListRequest, call: Call
    ) -> AsyncGenerator[Page[Deployment], None]:
        """What the leases say, each item under the name of its provider."""
        yield await picture(self._home, self._ctx.provider, call, closed=request.closed)

    async def get_deployment(self, request: DeploymentRequest, call: Call) -> Deployment:
        """What the leases say of one; of the first provider, if it runs at several."""
        for closed in (False, True):
            for one in (await picture(self._home, self._ctx.provider, call, closed=closed)).items:
                if one.id == request.id:
                    return one
        raise DeploymentNotFoundError(f"{self._home.leases.owner} has no deployment {request.id!r:.80}")

    async def perform_action(self, request: DeploymentActionRequest, call: Call) -> Operation:
        """Only the providers can."""
        self._refuse(request, call)

    async def get_operation(self, request: OperationRequest, call: Call) -> Operation:
        """Only the providers can."""
        self._refuse(request, call)

    def list_events(self, request: EventsRequest, call: Call) -> AsyncIterator[Page[DeploymentEvent]]:
        """Only the providers can."""
        self._refuse(request, call)

    async def get_metrics_history(
        self, request: MetricsHistoryRequest, call: Call
    ) -> tuple[ResourceMetrics, ...]:
        """Only the providers can."""
        self._refuse(request, call)

    def stream_metrics(self, request: MetricsStreamRequest, call: Call) -> AsyncIterator[ResourceMetrics]:
        """Only the providers can."""
        self._refuse(request, call)

    def stream_logs(self, request: LogsRequest, call: Call) -> AsyncIterator[LogLine]:
        """Only the providers can."""
        self._refuse(request, call)

    def open_shell(self, request: ShellRequest, call: Call) -> AbstractAsyncContextManager[Shell]:
        """Only the providers can."""
        self._refuse(request, call)

    async def get_facts(self, call: Call) -> ProviderFacts:
        """Only the providers can."""
        self._refuse(call)

    def _refuse(self, *_: object) -> NoReturn:
        raise UnsupportedOperationError(
            f"{self._ctx.provider} is the chain; ask one of the providers that it found, such as"
            f" {self._ctx.provider}/ve1…",
            provider=self._ctx.provider,
        )
