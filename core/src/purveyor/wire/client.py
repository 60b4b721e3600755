"""One client per provider: exchanges with one origin, under one credential."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

from aiohttp import ClientResponse, ClientWebSocketResponse

from purveyor.model.errors import (
    CallTimeoutError,
    ConfigurationError,
    Outcome,
    ProtocolMismatchError,
    PurveyorError,
)
from purveyor.model.values import MiB
from purveyor.policy.limits import retry_after, until_reset
from purveyor.spi.call import Call, Context, Effect, Exchange
from purveyor.wire.address import (
    add_headers,
    checked_base,
    checked_method,
    checked_path,
    checked_proxy,
    checked_query,
)
from purveyor.wire.auth import BasicAuth, BearerAuth, Signer, Unsigned
from purveyor.wire.bodies import encoded
from purveyor.wire.body import read_body
from purveyor.wire.failures import from_status, outcome_of
from purveyor.wire.guards import checked_endpoint
from purveyor.wire.response import Response
from purveyor.wire.transport import Request, Transport, read
from purveyor.wire.websocket import WebSocket

__all__ = ["Client"]

T = TypeVar("T")

_DEFAULTS = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "purveyor"}


class Client:
    """Exchanges with one origin, under one credential.

    Args:
        ctx: The provider's context.
        base_url: Origin, with a prefix if the API has one.
        auth: Credential; it only ever goes to that origin.
        translate: Knows better than the status what an answer that is no success means; None where it does not.
        headers: Headers of all requests.
        max_body: Bytes that an answer may have, before as well as after inflating.
        guarded: Speak to public addresses only, and encrypted; None leaves it to the context. An origin that is
            configured is trusted, one that was discovered is not.

    Raises:
        ConfigurationError: Base URL, proxy or CA file cannot be used.
        UnsafeEndpointError: The base URL is guarded against.
    """

    def __init__(
        self,
        ctx: Context,
        *,
        base_url: str,
        auth: BearerAuth | BasicAuth | None = None,
        translate: Callable[[Response], PurveyorError | None] | None = None,
        headers: Mapping[str, str] | None = None,
        max_body: int = 16 * MiB,
        guarded: bool | None = None,
    ) -> None:
        self._ctx = ctx
        guarded = ctx.guarded if guarded is None else guarded
        if guarded:
            checked_endpoint(base_url, proxy=ctx.settings.proxy)
        self._base = checked_base(base_url, secret=auth is not None)
        self._auth = auth
        self._translate = translate
        self._headers = _DEFAULTS.copy()
        add_headers(self._headers, headers or {})
        self._max_body = max_body
        self._may_sign = False
        proxy = checked_proxy(ctx.settings.proxy, base=self._base, secret=auth is not None)
        self._transport = Transport(proxy=proxy, ca_file=ctx.settings.ca_file, guarded=guarded)

    async def request(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        operation: str = "",
        group: str = "default",
        effect: Effect = Effect.READ,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        sign: Signer | None = None,
        max_body: int | None = None,
    ) -> Response:
        """Send one request, once, and return its answer if that is a success.

        Args:
            call: The call that it belongs to.
            method: HTTP method.
            path: Path below the base URL; see ``purveyor.wire.path``.
            operation: What is being done, for errors.
            group: Operation group, for the limiter.
            effect: What repeating it would do. All but reads go out on a connection of their own.
            params: Query.
            json: Body.
            content: Body as it is, instead; JSON too, unless the headers name another type.
            headers: Headers of this request.
            sign: Signs this request, which then goes out on a connection of its own.
            max_body: Bytes that this answer may have.

        Raises:
            PurveyorError: Its ``outcome`` says whether the provider may have acted.
        """
        limit = self._max_body if max_body is None else max_body
        with self._named(operation):
            body = encoded(json) if content is None and json is not None else content
            request = self._build(
                method, path, operation=operation, params=params, body=body, headers=headers, sign=sign
            )
            request.fresh = sign is not None or effect is not Effect.READ
            async with self._ctx.exchange(call, group, effect) as exchange:
                with _outcome(exchange):
                    response = await _in_time(exchange, self._response(request, sign, exchange, limit))
                    self._judge(response)
                    return response

    @asynccontextmanager
    async def websocket(
        self,
        call: Call,
        path: str,
        *,
        operation: str = "",
        group: str = "default",
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        sign: Signer | None = None,
        max_frame: int = MiB,
    ) -> AsyncIterator[WebSocket]:
        """Open a WebSocket, on a connection of its own; it is closed at the end without waiting for the server.

        The handshake is one exchange. What comes later is bounded by nothing but the caller.

        Args:
            call: The call that it belongs to.
            path: Path below the base URL.
            operation: What is being done, for errors.
            group: Operation group, for the limiter.
            params: Query.
            headers: Headers of the handshake.
            sign: Signs the handshake.
            max_frame: Bytes that one message may have.

        Raises:
            PurveyorError: The server answered otherwise, or not at all.
        """
        async with AsyncExitStack() as stack:
            with self._named(operation):
                request = self._build(
                    "GET", path, operation=operation, params=params, body=None, headers=headers, sign=sign
                )
                async with self._ctx.exchange(call, group, Effect.READ) as exchange:
                    with _outcome(exchange):
                        upgraded = self._upgraded(request, sign, exchange, max_frame, stack)
                        socket = WebSocket(await _in_time(exchange, upgraded))
            yield socket
            await socket.say_goodbye()

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        await self._transport.aclose()

    @contextmanager
    def _named(self, operation: str) -> Iterator[None]:
        try:
            yield
        except PurveyorError as error:
            error.provider = error.provider or self._ctx.provider
            error.operation = error.operation or operation or None
            raise

    def _build(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: Mapping[str, str | int] | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        sign: Signer | None,
    ) -> Request:
        if sign is not None and not self._may_sign:
            self._keep_from_view()
        sent = self._headers.copy()
        if body is not None:
            sent["content-type"] = "application/json"
        if headers:
            add_headers(sent, headers)
        if self._auth:
            add_headers(sent, dict([self._auth.pair]))
        return Request(
            method=checked_method(method),
            path=checked_path(path),
            url=self._base + path + checked_query(params),
            operation=operation,
            headers=sent,
            body=body,
        )

    def _keep_from_view(self) -> None:
        """Refuse to sign what can be read, and sent once more, by others on the way."""
        try:
            checked_base(self._base, secret=True)
            checked_proxy(self._ctx.settings.proxy, base=self._base, secret=True)
        except ConfigurationError as error:
            error.outcome = Outcome.NOT_SENT
            raise
        self._may_sign = True  # neither of them changes

    async def _sign(self, request: Request, sign: Signer) -> None:
        unsigned = Unsigned(
            method=request.method,
            path=unquote(request.path) if "%" in request.path else request.path,
            query=request.url.partition("?")[2],
            body=request.body or b"",
        )
        add_headers(request.headers, await sign(unsigned))

    async def _response(
        self, request: Request, sign: Signer | None, exchange: Exchange, limit: int
    ) -> Response:
        if sign is not None:
            await self._sign(request, sign)
        async with self._transport.send(request, exchange.sending) as answer:
            return await self._read(request, answer, exchange, limit)

    async def _upgraded(
        self,
        request: Request,
        sign: Signer | None,
        exchange: Exchange,
        max_frame: int,
        stack: AsyncExitStack,
    ) -> ClientWebSocketResponse:
        async def judge(answer: ClientResponse) -> None:
            if answer.status == 101:
                exchange.answered(answer.status, _joined(answer.headers))
                return
            response = await self._read(request, answer, exchange, self._max_body)
            self._judge(response)
            raise response.mismatch("it opens no WebSocket")

        if sign is not None:
            await self._sign(request, sign)
        return await stack.enter_async_context(
            self._transport.upgrade(request, max_frame, exchange.sending, judge)
        )

    async def _read(
        self, request: Request, answer: ClientResponse, exchange: Exchange, limit: int
    ) -> Response:
        headers = _joined(answer.headers)
        exchange.answered(answer.status, headers)
        return Response(
            status=answer.status,
            headers=headers,
            body=await read_body(partial(read, answer), headers.get("content-encoding", ""), limit),
            method=request.method,
            path=request.path,
            operation=request.operation,
            provider=self._ctx.provider,
        )

    def _judge(self, response: Response) -> None:
        if 200 <= response.status < 300:
            return
        error = self._translated(response) or from_status(response)
        error.outcome = error.outcome or outcome_of(response.status)
        if error.retry_after is None:
            error.retry_after = self._wait(response)
        raise error

    def _wait(self, response: Response) -> float | None:
        """Seconds until requests are taken again, where the answer tells."""
        if response.status != 429 and response.status < 500:
            return None
        now = self._ctx.clock.now()
        asked = retry_after(response.headers, now)
        return until_reset(response.headers, now) if asked is None and response.status == 429 else asked

    def _translated(self, response: Response) -> PurveyorError | None:
        try:
            return self._translate(response) if self._translate else None
        except ProtocolMismatchError:
            return None  # An error page in another format says no more than its status.


async def _in_time(exchange: Exchange, work: Awaitable[T]) -> T:
    with suppress(TimeoutError):
        async with asyncio.timeout(exchange.timeout):
            return await work
    raise CallTimeoutError(f"no whole answer within {exchange.timeout:g} s")


@contextmanager
def _outcome(exchange: Exchange) -> Iterator[None]:
    """Write what is known about the effect into an error, and whether the server refused into the record."""
    try:
        yield
    except PurveyorError as error:
        error.outcome = error.outcome or exchange.outcome
        if error.outcome is Outcome.REFUSED:
            exchange.refused()
        raise


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        known = joined.get(name.lower())
        joined[name.lower()] = value if known is None else f"{known}, {value}"
    return joined
