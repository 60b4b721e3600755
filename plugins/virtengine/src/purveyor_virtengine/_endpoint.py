"""One provider that was found: what it tells anybody, and what it tells the owner of a lease."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from functools import partial

from purveyor.plugin import (
    Balance,
    Call,
    Context,
    CostReport,
    CostRequest,
    Deployment,
    DeploymentActionRequest,
    DeploymentEvent,
    DeploymentListRequest,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentStatus,
    EventsRequest,
    Invoice,
    LogLine,
    LogsRequest,
    MetricsHistoryRequest,
    MetricsRequest,
    MetricsStreamRequest,
    Operation,
    OperationRequest,
    Outcome,
    Page,
    ProtocolMismatchError,
    ProviderFacts,
    ProviderUnavailableError,
    PurveyorError,
    Raw,
    ResourceKind,
    ResourceMetrics,
    Shell,
    ShellRequest,
)
from purveyor.wire import Client, intact, to_page, to_pages
from purveyor_virtengine import _actions as actions
from purveyor_virtengine import _daemon_rows as daemon_rows
from purveyor_virtengine import _mapping as mapping
from purveyor_virtengine import _measures as measures
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._api import Public, Signed
from purveyor_virtengine._errors import NoRouteError, translate_daemon
from purveyor_virtengine._home import Found
from purveyor_virtengine._picture import picture
from purveyor_virtengine._shell import open_shell
from purveyor_virtengine._streams import follow_logs, read_logs, watch_metrics

__all__ = ["Endpoint"]


class ClosedError(ProviderUnavailableError):
    """It was closed while somebody was listening; nobody will open it again."""

    retryable = False


class Endpoint:
    """One provider that was found.

    Args:
        found: Who and where it is.
        ctx: Its context.
    """

    def __init__(self, found: Found, ctx: Context) -> None:
        self._found, self._ctx, self._home = found, ctx, found.home
        self._client = Client(ctx, base_url=found.endpoint, translate=translate_daemon)
        self._public = Public(self._client)
        self._closed = False

    async def check_health(self, call: Call) -> None:
        """Return if the daemon says that it is up; nothing is signed for that."""
        await self._public.health(call)

    async def aclose(self) -> None:
        """Close all connections; those to the chain are its parent's."""
        self._closed = True
        await self._client.aclose()

    # Deployments.

    async def list_deployments(
        self, request: DeploymentListRequest, call: Call
    ) -> AsyncGenerator[Page[Deployment], None]:
        """What the leases say of this provider."""
        yield await self._picture(call, closed=request.closed)

    async def get_deployment(self, request: DeploymentRequest, call: Call) -> Deployment:
        """What the leases say of one, with what the daemon sees of it, if it tells."""
        known = request.known or await self._known(request.id, call)
        if self._home.signer is None or known.status is not DeploymentStatus.ACTIVE:
            return known
        try:
            signed = await self._signed(call, request.id, now=False)
            return mapping.enriched(known, await signed.status(call))
        except NoRouteError:
            return known

    async def perform_action(self, request: DeploymentActionRequest, call: Call) -> Operation:
        """Do something to one deployment; return as soon as the daemon has taken it."""
        body = actions.body_of(request)
        signed = await self._signed(call, request.id)
        told = await signed.act(call, actions.effect_of(request.action), body)
        refusal = actions.refusal(request, told)
        if refusal is not None:
            call.exchanges[-1].refused()
            raise refusal
        return actions.operation(self._ctx.provider, request, told)

    async def get_operation(self, request: OperationRequest, call: Call) -> Operation:
        """How far an action has come, by the newest event that names it."""
        known = request.operation
        walk = (await self._signed(call, known.deployment, now=False)).events(call, "get_operation")
        async with aclosing(walk):
            async for fetched in walk:
                events = (row[0] for row in fetched.rows if isinstance(row, tuple))
                found = actions.progress(known, events)
                if found is not None:
                    return found
        return known

    async def list_events(
        self, request: EventsRequest, call: Call
    ) -> AsyncGenerator[Page[DeploymentEvent], None]:
        """Stream what happened to one deployment."""
        walk = (await self._signed(call, request.id)).events(call, "list_events")

        def model(provider: str, row: daemon_rows.Event, _: Raw) -> DeploymentEvent:
            return measures.event(provider, request.id, row)

        async with aclosing(to_pages(self._ctx.provider, walk, model)) as pages:
            async for page in pages:
                yield page

    async def get_metrics_history(
        self, request: MetricsHistoryRequest, call: Call
    ) -> tuple[ResourceMetrics, ...]:
        """What one deployment used."""
        signed = await self._signed(call, request.id, now=False)
        start, end, interval = _time(request.start), _time(request.end), f"{max(request.interval, 1):.0f}s"
        fetched = await signed.history(call, start, end, interval)

        def model(_: str, row: daemon_rows.Moment, __: Raw) -> ResourceMetrics:
            return self._metrics(request.id, row.metrics, row.timestamp)

        points = intact(to_page(self._ctx.provider, fetched.rows, model))
        return tuple(sorted(points, key=lambda point: point.time))

    async def stream_metrics(
        self, request: MetricsStreamRequest, call: Call
    ) -> AsyncGenerator[ResourceMetrics, None]:
        """What one deployment uses, as it changes."""
        open_ = partial(self._signed, deployment=request.id, now=False)
        async with aclosing(watch_metrics(self._ctx, open_, request.interval, call)) as found:
            async for metrics in found:
                yield self._metrics(request.id, metrics)

    def stream_logs(self, request: LogsRequest, call: Call) -> AsyncIterator[LogLine]:
        """The lines of one deployment."""
        open_ = partial(self._signed, deployment=request.id)
        if request.follow:
            return follow_logs(self._ctx, open_, request, call)
        return read_logs(open_, request, call)

    def open_shell(self, request: ShellRequest, call: Call) -> AbstractAsyncContextManager[Shell]:
        """A shell in one service."""
        return open_shell(self._ctx, partial(self._signed, deployment=request.id), request, call)

    async def get_facts(self, call: Call) -> ProviderFacts:
        """What the daemon says of itself.

        Raises:
            ProtocolMismatchError: It says that it is somebody else, so nothing of it is believed.
        """
        info = await self._public.info(call)
        for told, known in ((info.address, self._found.provider), (info.chain_id, self._found.chain_id)):
            if told not in {"", known}:
                raise ProtocolMismatchError(f"the provider says that it is {told!r:.100}, and not {known}")
        return measures.facts(
            self._ctx.provider,
            info,
            await self._public.pricing(call),
            await self._public.capacity(call),
            await self._public.attributes(call),
        )

    # Metrics.

    async def list_metrics(
        self, request: MetricsRequest, call: Call
    ) -> AsyncGenerator[Page[ResourceMetrics], None]:
        """What each deployment here uses; one that the daemon does not measure is an error, and never zero."""
        if request.kinds is not None and ResourceKind.DEPLOYMENT not in request.kinds:
            return
        for deployment in await self._deployments(call):
            if request.ids is None or deployment in request.ids:
                try:
                    signed = await self._signed(call, deployment, now=False)
                    told = await signed.metrics(call, "list_metrics")
                except PurveyorError as error:
                    yield Page((), (error,))
                else:
                    yield Page((self._metrics(deployment, told),))

    # Billing.

    async def get_balance(self, call: Call) -> Balance:
        """What the unpaid invoices come to; a provider without a lease is not asked.

        Raises:
            UnsupportedOperationError: They are in several currencies.
        """
        unpaid: list[daemon_rows.Invoice] = []
        if await self._deployments(call):
            walk = (await self._signed(call, None, now=False)).invoices(call)
            async with aclosing(walk):
                async for fetched in walk:
                    page = to_page(self._ctx.provider, fetched.rows, lambda _, row, __: row)
                    unpaid += [row for row in intact(page) if row.status in measures.UNPAID]
        return measures.balance(self._ctx.provider, unpaid)

    async def list_invoices(self, call: Call) -> AsyncGenerator[Page[Invoice], None]:
        """Stream all invoices; a provider without a lease is not asked."""
        if await self._deployments(call):
            walk = (await self._signed(call, None, now=False)).invoices(call)
            async with aclosing(to_pages(self._ctx.provider, walk, measures.invoice)) as pages:
                async for page in pages:
                    yield page

    async def get_costs(self, request: CostRequest, call: Call) -> CostReport:
        """What the daemon wants for each day of a period; a provider without a lease is not asked."""
        items = []
        if await self._deployments(call):
            signed = await self._signed(call, None, now=False)
            fetched = await signed.usage(call, _time(request.start), _time(request.end))
            page = to_page(self._ctx.provider, fetched.rows, lambda _, row, raw: measures.cost_item(row, raw))
            items = [item for item in intact(page) if item is not None]
        return CostReport(
            provider=self._ctx.provider, start=request.start, end=request.end, items=tuple(items)
        )

    # What all of it needs.

    async def _signed(self, call: Call, deployment: str | None, *, now: bool = True) -> Signed:
        """What signs, once the leases have named this provider; there is no other way to a signature."""
        if self._closed:
            raise ClosedError("the client is closed", outcome=Outcome.NOT_SENT)
        sign = self._home.sign
        leases = await self._home.leases.vouch(
            call, self._found.provider, self._found.endpoint, deployment, now=now
        )
        name = "" if deployment is None else _daemons_name(self._found.deployment_format, leases[0].id)
        return Signed(self._client, sign, name, self._found.veid_score)

    async def _deployments(self, call: Call) -> list[str]:
        leases = await self._home.leases.at(call, self._found.provider)
        return list(dict.fromkeys(str(lease.id.dseq) for lease in leases))

    async def _picture(self, call: Call, *, closed: bool) -> Page[Deployment]:
        provider = self._found.provider
        parent = self._ctx.provider.removesuffix(f"/{provider}")
        return await picture(self._home, parent, call, closed=closed, provider=provider)

    async def _known(self, deployment: str, call: Call) -> Deployment:
        for closed in (False, True):
            for one in (await self._picture(call, closed=closed)).items:
                if one.id == deployment:
                    return one
        raise DeploymentNotFoundError(
            f"no lease names {self._found.provider} for deployment {deployment!r:.80}",
            outcome=Outcome.NOT_SENT,
        )

    def _metrics(
        self, deployment: str, told: daemon_rows.Metrics, time: datetime | None = None
    ) -> ResourceMetrics:
        now = time or self._ctx.clock.now()
        return measures.resource_metrics(self._ctx.provider, deployment, told, now)


def _daemons_name(pattern: str, lease: rows.LeaseId) -> str:
    return pattern.format(
        owner=lease.owner, dseq=lease.dseq, gseq=lease.gseq, oseq=lease.oseq, provider=lease.provider
    )


def _time(moment: datetime) -> str:
    """RFC 3339 with a Z: a plus would be read as a space."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
