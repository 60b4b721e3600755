"""One client per provider: exchanges with one origin, under one credential."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from purveyor.model.errors import (
    CallTimeoutError,
    ConfigurationError,
    Outcome,
    ProtocolMismatchError,
    PurveyorError,
)
from purveyor.model.values import MiB, Secret
from purveyor.policy.limits import retry_after, until_reset
from purveyor.spi.call import Call, Context, Effect, Exchange
from purveyor.wire.address import (
    checked_base,
    checked_header,
    checked_method,
    checked_path,
    checked_proxy,
    checked_query,
)
from purveyor.wire.bodies import encoded
from purveyor.wire.body import read_body
from purveyor.wire.failures import from_status, outcome_of
from purveyor.wire.response import Response
from purveyor.wire.transport import Request, Transport, read

__all__ = ["BasicAuth", "BearerAuth", "Client"]

_DEFAULTS = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "purveyor"}


class BearerAuth:
    """A token that goes into a header of each request.

    Args:
        token: The token.
        scheme: Word before it; empty for none.
        header: Name of the header.
    """

    def __init__(self, token: Secret, *, scheme: str = "Bearer", header: str = "Authorization") -> None:
        self._token, self._scheme, self._header = token, scheme, header
        checked_header(*self.pair)

    @property
    def pair(self) -> tuple[str, str]:
        """Name and value of the header, with the token shown: pass it on, never store or print it."""
        return self._header, f"{self._scheme} {self._token.reveal()}".strip(" ")

    def __repr__(self) -> str:
        return f"BearerAuth({self._header}: ****)"


class BasicAuth:
    """A user name and a password that go into a header of each request.

    Args:
        username: The user name; it cannot hold a colon.
        password: The password.

    Raises:
        ConfigurationError: The user name holds a colon.
    """

    def __init__(self, username: str, password: Secret) -> None:
        if ":" in username:
            raise ConfigurationError("a user name must not hold a colon", field="username")
        self._username, self._password = username, password

    @property
    def pair(self) -> tuple[str, str]:
        """Name and value of the header, with the password in it: pass it on, never store or print it."""
        text = f"{self._username}:{self._password.reveal()}"
        return "Authorization", f"Basic {b64encode(text.encode()).decode()}"

    def __repr__(self) -> str:
        return "BasicAuth(****)"


class Client:
    """Exchanges with one origin, under one credential.

    Args:
        ctx: The provider's context.
        base_url: Origin, with a prefix if the API has one.
        auth: Credential; it only ever goes to that origin.
        translate: Knows better than the status what an answer that is no success means; None where it does not.
        headers: Headers of all requests.
        max_body: Bytes that an answer may have, before as well as after inflating.

    Raises:
        ConfigurationError: Base URL, proxy or CA file cannot be used.
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
    ) -> None:
        self._ctx = ctx
        self._base = checked_base(base_url, secret=auth is not None)
        self._auth = auth
        self._translate = translate
        self._headers = _DEFAULTS | _checked(headers)
        self._max_body = max_body
        proxy = checked_proxy(ctx.settings.proxy, base=self._base, secret=auth is not None)
        self._transport = Transport(proxy=proxy, ca_file=ctx.settings.ca_file)

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
        headers: Mapping[str, str] | None = None,
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
            headers: Headers of this request.
            max_body: Bytes that this answer may have.

        Raises:
            PurveyorError: Its ``outcome`` says whether the provider may have acted.
        """
        limit = self._max_body if max_body is None else max_body
        try:
            request = self._build(
                method, path, operation=operation, effect=effect, params=params, json=json, headers=headers
            )
            async with self._ctx.exchange(call, group, effect) as exchange:
                return await self._exchange(request, exchange, limit)
        except PurveyorError as error:
            error.provider = error.provider or self._ctx.provider
            error.operation = error.operation or operation or None
            raise

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        await self._transport.aclose()

    def _build(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        effect: Effect,
        params: Mapping[str, str | int] | None,
        json: Any,
        headers: Mapping[str, str] | None,
    ) -> Request:
        kind = {} if json is None else {"content-type": "application/json"}
        credential = dict([checked_header(*self._auth.pair)] if self._auth else [])
        return Request(
            method=checked_method(method),
            path=checked_path(path),
            url=self._base + path + checked_query(params),
            operation=operation,
            headers=self._headers | kind | _checked(headers) | credential,
            body=None if json is None else encoded(json),
            fresh=effect is not Effect.READ,
        )

    async def _exchange(self, request: Request, exchange: Exchange, limit: int) -> Response:
        try:
            response = await self._response(request, exchange, limit)
            self._judge(response)
            return response
        except PurveyorError as error:
            error.outcome = error.outcome or exchange.outcome
            if error.outcome is Outcome.REFUSED:
                exchange.refused()
            raise

    async def _response(self, request: Request, exchange: Exchange, limit: int) -> Response:
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(exchange.timeout),
                self._transport.send(request, exchange.sending) as answer,
            ):
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
        raise CallTimeoutError(f"no whole answer within {exchange.timeout:g} s")

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


def _checked(headers: Mapping[str, str] | None) -> dict[str, str]:
    return dict(checked_header(name, value) for name, value in (headers or {}).items())


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        known = joined.get(name.lower())
        joined[name.lower()] = value if known is None else f"{known}, {value}"
    return joined
