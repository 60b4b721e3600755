"""A provider daemon's API on the wire: what anybody may ask, and what is signed.

Source: ``pkg/provider_daemon/portal_api.go`` of virtengine/virtengine, which is what daemons serve, and
``api/openapi/portal_api.yaml``, which promises more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

from purveyor.plugin import (
    Call,
    DeploymentNotFoundError,
    Effect,
    KiB,
    MiB,
    ProviderUnavailableError,
    UnsupportedOperationError,
)
from purveyor.wire import Client, Fetched, Response, Row, Signer, Walk, WebSocket, by_cursor, path
from purveyor_virtengine import _daemon_rows as daemon_rows
from purveyor_virtengine._canonical import written
from purveyor_virtengine._decoding import read_list, read_one
from purveyor_virtengine._errors import NoRouteError

__all__ = ["ALL_LINES", "Public", "Signed"]

R = TypeVar("R")

MAX_LINE = MiB
"""Bytes of one line of a log, or of one piece of a shell's output."""
MAX_LOG = 64 * MiB
ALL_LINES = 1_000_000
"""More than any daemon keeps. It takes 0 for all, too, but 0 may mean none elsewhere."""
PER_PAGE = 100
MAX_PAGES = 1_000

DOWN = frozenset({"down", "unhealthy", "offline"})


class Public:
    """What a daemon tells anybody; nothing is signed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def health(self, call: Call) -> None:
        """Return if the daemon answers that it is up: in plain text, or in JSON that does not say ``down``.

        Raises:
            ProviderUnavailableError: It says that it is down.
        """
        response = await self._get(call, "check_health", "/api/v1/health", 64 * KiB)
        if "json" in response.headers.get("content-type", ""):
            told = read_one(response, daemon_rows.Health)[0].status.lower()
            if told in DOWN:
                raise ProviderUnavailableError(f"the provider says that it is {told}")

    async def info(self, call: Call) -> daemon_rows.Info:
        """Who it says that it is."""
        return await self._told(call, "info", daemon_rows.Info)

    async def pricing(self, call: Call) -> daemon_rows.Pricing:
        """What it asks for."""
        return await self._told(call, "pricing", daemon_rows.Pricing)

    async def capacity(self, call: Call) -> daemon_rows.Capacity:
        """What it has."""
        return await self._told(call, "capacity", daemon_rows.Capacity)

    async def attributes(self, call: Call) -> daemon_rows.Attributes:
        """What else it says; a map here, where the chain has a list."""
        return await self._told(call, "attributes", daemon_rows.Attributes)

    async def _told(self, call: Call, what: str, row: type[R]) -> R:
        """What it says of itself; nothing where it does not have the route."""
        try:
            response = await self._get(call, "get_facts", f"/api/v1/provider/{what}", MiB)
        except NoRouteError:
            return row()
        return read_one(response, row)[0]

    async def _get(self, call: Call, operation: str, route: str, max_body: int) -> Response:
        return await self._client.request(call, "GET", route, operation=operation, max_body=max_body)


class Signed:
    """What a daemon only tells those who sign. Whoever makes one has asked the leases first.

    Args:
        client: The daemon's.
        sign: Signs each request.
        deployment: What the daemon calls the deployment; empty for what belongs to no deployment.
        veid_score: What shells ask for.
    """

    def __init__(
        self, client: Client, sign: Signer, deployment: str = "", veid_score: int | None = None
    ) -> None:
        self._client, self._sign, self._deployment = client, sign, deployment
        self._veid = {} if veid_score is None else {"x-veid-score": str(veid_score)}

    # One deployment.

    async def status(self, call: Call) -> daemon_rows.Status:
        """How the deployment is; the Go daemon has no such route."""
        return read_one(await self._get(call, "get_deployment", self._route("/status")), daemon_rows.Status)[
            0
        ]

    async def metrics(self, call: Call, operation: str) -> daemon_rows.Metrics:
        """What it uses."""
        with _measured():
            response = await self._get(call, operation, self._route("/metrics"))
        return read_one(response, daemon_rows.Metrics)[0]

    async def history(
        self, call: Call, start: str, end: str, interval: str
    ) -> Fetched[Row[daemon_rows.Moment]]:
        """What it used; times in RFC 3339, the interval as Go writes durations."""
        params: dict[str, str | int] = {"start": start, "end": end, "interval": interval}
        route = self._route("/metrics/history")
        with _measured():
            response = await self._get(call, "get_metrics_history", route, params)
        return read_list(response, "series", daemon_rows.Moment)

    def events(self, call: Call, operation: str) -> Walk[daemon_rows.Event]:
        """What happened to it, newest first."""
        return self._walk(call, operation, self._route("/events"), "events", daemon_rows.Event)

    async def act(self, call: Call, effect: Effect, body: Mapping[str, Any]) -> daemon_rows.Accepted:
        """Do something to it. An answer that is a success can still say that nothing was done."""
        response = await self._client.request(
            call,
            "POST",
            self._route("/actions"),
            operation="perform_action",
            effect=effect,
            content=written(body),
            sign=self._sign,
        )
        return read_one(response, daemon_rows.Accepted)[0]

    async def logs(self, call: Call, tail: int, service: str | None) -> Response:
        """The newest lines that the daemon keeps."""
        params: dict[str, str | int] = {"tail": tail}
        params |= {} if service is None else {"container": service}
        route = self._route("/logs")
        return await self._get(call, "stream_logs", route, params, accept="*/*", max_body=MAX_LOG)

    def follow(self, call: Call, service: str | None) -> AbstractAsyncContextManager[WebSocket]:
        """All lines that the daemon keeps, and then each new one."""
        params: dict[str, str | int] = {"tail": ALL_LINES, "follow": 1}
        params |= {} if service is None else {"container": service}
        return self._socket(call, "stream_logs", "/logs", params)

    def watch(self, call: Call) -> AbstractAsyncContextManager[WebSocket]:
        """Metrics as they change; no daemon is known that has this route."""
        return self._socket(call, "stream_metrics", "/metrics/stream", {})

    async def shell_session(self, call: Call, service: str | None) -> str:
        """Leave to open a shell, for ten minutes."""
        response = await self._client.request(
            call,
            "POST",
            self._route("/shell/session"),
            operation="open_shell",
            effect=Effect.IDEMPOTENT,
            content=written({} if service is None else {"container": service}),
            headers=self._veid,
            sign=self._sign,
        )
        token = read_one(response, daemon_rows.ShellSession)[0].token
        if not token:
            raise response.mismatch("it holds no token")
        return token

    def shell(self, call: Call, token: str, service: str | None) -> AbstractAsyncContextManager[WebSocket]:
        """The shell itself."""
        params: dict[str, str | int] = {"token": token}
        params |= {} if service is None else {"container": service}
        return self._socket(call, "open_shell", "/shell", params, self._veid)

    # The account.

    async def usage(self, call: Call, start: str, end: str) -> Fetched[Row[daemon_rows.Usage]]:
        """What was used day by day, and what it costs."""
        params: dict[str, str | int] = {"start": start, "end": end, "interval": "24h"}
        response = await self._get(call, "get_costs", "/api/v1/usage/history", params)
        return read_list(response, "series", daemon_rows.Usage)

    def invoices(self, call: Call) -> Walk[daemon_rows.Invoice]:
        """All invoices."""
        return self._walk(call, "list_invoices", "/api/v1/invoices", "invoices", daemon_rows.Invoice)

    # Requests.

    def _route(self, below: str) -> str:
        return path(f"/api/v1/deployments/{{}}{below}", self._deployment)

    async def _get(
        self,
        call: Call,
        operation: str,
        route: str,
        params: Mapping[str, str | int] | None = None,
        *,
        accept: str = "application/json",
        max_body: int | None = None,
    ) -> Response:
        return await self._client.request(
            call,
            "GET",
            route,
            operation=operation,
            params=params,
            headers={"accept": accept},
            sign=self._sign,
            max_body=max_body,
        )

    def _walk(self, call: Call, operation: str, route: str, key: str, row: type[R]) -> Walk[R]:
        async def fetch(cursor: str | None) -> Fetched[Row[R]]:
            params: dict[str, str | int] = {"limit": PER_PAGE} | (
                {} if cursor is None else {"cursor": cursor}
            )
            return read_list(await self._get(call, operation, route, params), key, row)

        return by_cursor(fetch, max_pages=MAX_PAGES)

    def _socket(
        self,
        call: Call,
        operation: str,
        below: str,
        params: Mapping[str, str | int],
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[WebSocket]:
        return self._client.websocket(
            call,
            self._route(below),
            operation=operation,
            params=params,
            headers=headers,
            sign=self._sign,
            max_frame=MAX_LINE,
        )


@contextmanager
def _measured() -> Iterator[None]:
    """The daemon that is shipped measures nothing, and says of every deployment that it is not there."""
    try:
        yield
    except DeploymentNotFoundError as error:
        reason = error.message
    else:
        return
    raise UnsupportedOperationError(f"the provider has no metrics of this deployment ({reason})")
