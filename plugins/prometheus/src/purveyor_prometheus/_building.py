"""From settings to a provider: addresses and credentials checked, clients made."""

from __future__ import annotations

from purveyor.plugin import ConfigurationError, Context, SecretRef
from purveyor.wire import BasicAuth, BearerAuth, Client
from purveyor_prometheus._api import Api
from purveyor_prometheus._config import Settings
from purveyor_prometheus._errors import translate
from purveyor_prometheus._exposition import ACCEPT
from purveyor_prometheus._provider import Prometheus
from purveyor_prometheus._replicas import Replicas
from purveyor_prometheus._scrape import Scraper, hurried, where

__all__ = ["build"]

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer of the API."""


async def build(settings: Settings, ctx: Context) -> Prometheus:
    """A provider.

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
    return Prometheus(
        settings,
        ctx,
        api=await _api(addresses, settings, ctx) if addresses else None,
        scrapers=[
            Scraper(place, clients[place.origin], ctx, settings)
            for place in map(where, dict.fromkeys(settings.targets))
        ],
        clients=clients.values(),
    )


async def _api(addresses: list[str], settings: Settings, ctx: Context) -> Api:
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
    return Api(Replicas(clients, ctx.clock))


async def _target_clients(settings: Settings, ctx: Context) -> dict[str, Client]:
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
