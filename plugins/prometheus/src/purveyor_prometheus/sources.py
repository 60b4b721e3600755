"""Where measurements are read: servers with Prometheus' HTTP API and endpoints that are scraped.

Public, for plugins that read other exporters in the same two ways; settings are those of ``SourceSettings``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, TypeVar

from purveyor.plugin import Call, ConfigurationError, Context, PurveyorError, SecretRef
from purveyor.wire import BasicAuth, BearerAuth, Client, Replicas
from purveyor_prometheus._api import Api
from purveyor_prometheus._config import SourceSettings
from purveyor_prometheus._decoding import Answer
from purveyor_prometheus._endpoint import Endpoint, hurried, where
from purveyor_prometheus._errors import naming, of_the_request, translate
from purveyor_prometheus._exposition import ACCEPT
from purveyor_prometheus._mapping import Places

__all__ = ["Answer", "Api", "Endpoint", "Places", "Sources", "as_they_come", "naming", "open_sources"]

T = TypeVar("T")

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer of the API."""

TRIED = 3
"""Targets that may be down before all of them are said to be."""


class Sources:
    """Servers that hold series, endpoints that are scraped, or both.

    Args:
        api: The servers; None for none.
        endpoints: What is scraped.
        clients: Its clients, which are closed at the end.

    Attributes:
        api: The servers' whole API; None where there is no server.
        endpoints: What is scraped.
    """

    def __init__(self, api: Api | None, endpoints: Iterable[Endpoint], clients: Iterable[Client]) -> None:
        self.api = api
        self.endpoints = tuple(endpoints)
        self._clients = tuple(clients)

    async def check(self, call: Call) -> None:
        """Ask a server something that costs it nothing; without one, see whether an endpoint answers.

        Raises:
            PurveyorError: Nobody does.
        """
        if self.api is not None:
            await self.api.check(call)
            return
        failed: PurveyorError | None = None
        for endpoint in self.endpoints[:TRIED]:
            try:
                await endpoint.probe(call)
            except PurveyorError as error:
                failed = error
            else:
                return
        if failed is not None:
            raise failed

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        if self.api is not None:
            await self.api.aclose()
        for client in self._clients:
            await client.aclose()


async def as_they_come(work: Iterable[Coroutine[Any, Any, T]]) -> AsyncGenerator[list[T], None]:
    """Do all of it at the same time; what is done by then is given together."""
    done: asyncio.Queue[asyncio.Task[T]] = asyncio.Queue()
    tasks = [asyncio.create_task(one) for one in work]
    for task in tasks:
        task.add_done_callback(done.put_nowait)
    try:
        left = len(tasks)
        while left:
            batch = [await done.get()]
            while not done.empty():
                batch.append(done.get_nowait())
            left -= len(batch)
            yield [task.result() for task in batch]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def open_sources(settings: SourceSettings, ctx: Context) -> Sources:
    """The sources that settings name; nothing is sent yet.

    Raises:
        ConfigurationError: The settings do not fit together, or an address is none.
    """
    addresses = [address for address in (ctx.settings.base_url, *settings.replicas) if address]
    if not addresses and not settings.targets:
        raise ConfigurationError(
            "there is nothing to read: base_url names a server to query, targets what to scrape",
            field="base_url",
        )
    clients = await _target_clients(settings, ctx)
    return Sources(
        await _api(addresses, settings, ctx) if addresses else None,
        [
            Endpoint(place, clients[place.origin], ctx, max_samples=settings.scrape_max_samples)
            for place in map(where, dict.fromkeys(settings.targets))
        ],
        clients.values(),
    )


async def _api(addresses: list[str], settings: SourceSettings, ctx: Context) -> Api:
    auth = await _auth(ctx, settings.username, settings.password, settings.token, "")
    headers = {"x-scope-orgid": settings.tenant} if settings.tenant else None
    clients = [
        (
            address.rstrip("/"),
            Client(
                ctx, base_url=address, auth=auth, translate=translate, headers=headers, max_body=MAX_ANSWER
            ),
        )
        for address in dict.fromkeys(addresses)
    ]
    return Api(Replicas(clients, ctx.clock, of_the_request=of_the_request, naming=naming))


async def _target_clients(settings: SourceSettings, ctx: Context) -> dict[str, Client]:
    auth = await _auth(
        ctx, settings.scrape_username, settings.scrape_password, settings.scrape_token, "scrape_"
    )
    bounded = hurried(ctx, settings.scrape_timeout)
    return {
        origin: Client(
            bounded,
            base_url=origin,
            auth=auth,
            headers={"accept": ACCEPT},
            max_body=settings.scrape_max_body,
        )
        for origin in {where(target).origin for target in settings.targets}
    }


async def _auth(
    ctx: Context, username: str | None, password: SecretRef | None, token: SecretRef | None, prefix: str
) -> BasicAuth | BearerAuth | None:
    if token is not None and (username is not None or password is not None):
        raise ConfigurationError(
            f"{prefix}token cannot be given beside {prefix}username", field=f"{prefix}token"
        )
    if (username is None) is not (password is None):
        raise ConfigurationError(
            f"{prefix}username and {prefix}password are given together or not at all",
            field=f"{prefix}username",
        )
    if token is not None:
        return BearerAuth(await ctx.resolve(token))
    if username is not None and password is not None:
        return BasicAuth(username, await ctx.resolve(password))
    return None
