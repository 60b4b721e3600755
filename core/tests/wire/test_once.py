"""What is sent, is sent once, and to one place only."""

import asyncio

import aiohttp
import pytest

from purveyor.model.errors import Outcome, ProtocolMismatchError, ProviderUnavailableError
from purveyor.spi.call import Effect

from ._server import always, answer, once

METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
WRITES = [Effect.IDEMPOTENT, Effect.CONVERGE, Effect.ONCE]


async def drops_the_second(peer):
    """Answers the first request of a connection, reads the next one, and hangs up."""
    await peer.read()
    await peer.write(answer(204, b""))
    await peer.read()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_aiohttp_by_itself_would_send_again(serve, method):
    server = await serve(drops_the_second)
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.request(method, server.url) as response:
                await response.read()
    assert len(server.arrivals) == 3


@pytest.mark.parametrize("method", METHODS)
async def test_a_read_on_a_dying_connection_arrives_once_and_may_be_retried_by_those_who_decide(
    ask, serve, method
):
    server = await serve(drops_the_second)
    client = ask.client(server.url)
    await client.request(ask.call, "GET", "/first")
    error = await ask.error(client, method, "/second")
    assert [arrival.target for arrival in server.arrivals] == ["/first", "/second"]
    assert len(server.peers) == 1
    assert (type(error), error.retryable, error.outcome) == (ProviderUnavailableError, True, Outcome.UNKNOWN)


@pytest.mark.parametrize("effect", WRITES)
@pytest.mark.parametrize("method", METHODS)
async def test_a_write_never_meets_a_used_connection(ask, serve, method, effect):
    server = await serve(drops_the_second)
    client = ask.client(server.url)
    await client.request(ask.call, "GET", "/first")
    await client.request(ask.call, method, "/second", effect=effect)
    await client.request(ask.call, method, "/third", effect=effect)
    assert [arrival.target for arrival in server.arrivals] == ["/first", "/second", "/third"]
    assert len(server.peers) == 3
    assert [arrival.headers.get("connection") for arrival in server.arrivals] == [None, "close", "close"]


async def test_reads_share_a_connection(ask, serve):
    server = await serve(always(answer()))
    client = ask.client(server.url)
    for _ in range(3):
        await client.request(ask.call, "GET", "/v2/droplets")
    assert (len(server.arrivals), len(server.peers)) == (3, 1)


async def test_a_closed_client_closes_its_connections_and_may_be_closed_again(ask, serve):
    closed = asyncio.Event()

    async def script(peer):
        await peer.read()
        await peer.write(answer())
        await peer.gone()
        closed.set()

    server = await serve(script)
    client = ask.client(server.url)
    await client.request(ask.call, "GET", "/v2/droplets")
    await client.aclose()
    await closed.wait()
    await client.aclose()
    error = await ask.error(client)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)
    assert len(server.peers) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_its_target_named_without_its_query(ask, serve, status):
    other = await serve(always(answer()))
    location = f"location: {other.url}/v2/droplets?session=canary-query"
    server = await serve(once(answer(status, b"", location)))
    error = await ask.error(ask.client(server.url), "POST", effect=Effect.ONCE, json={"password": "x"})
    assert (type(error), error.outcome) == (ProtocolMismatchError, Outcome.UNKNOWN)
    assert other.url in error.message
    assert "canary" not in error.message
    assert other.peers == []


@pytest.mark.parametrize(
    "location", ["", "/elsewhere", "//evil", "https://user:canary@evil/", "http://[", "\xff"]
)
async def test_a_redirect_to_anywhere_else_is_told_without_a_password(ask, serve, location):
    server = await serve(once(answer(302, b"", f"location: {location}")))
    error = await ask.error(ask.client(server.url))
    assert type(error) is ProtocolMismatchError
    assert "canary" not in error.message
