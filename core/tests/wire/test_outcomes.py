"""What is known about the effect, for everything that an exchange can end in."""

import asyncio
import socket

import pytest

from purveyor.model.errors import (
    ApiError,
    CallTimeoutError,
    ConflictError,
    InsufficientResourcesError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    RateLimitError,
    ValidationError,
)
from purveyor.spi.call import Effect
from purveyor_testing.context import FixedDay

from ._server import JSON, Server, always, answer, once

NOW = FixedDay().now()
ROWS = [
    (301, ProtocolMismatchError, Outcome.UNKNOWN),
    (304, ProtocolMismatchError, Outcome.UNKNOWN),
    (307, ProtocolMismatchError, Outcome.UNKNOWN),
    (400, ValidationError, Outcome.REFUSED),
    (401, InvalidCredentialsError, Outcome.REFUSED),
    (403, PermissionDeniedError, Outcome.REFUSED),
    (404, NotFoundError, Outcome.REFUSED),
    (408, CallTimeoutError, Outcome.UNKNOWN),
    (409, ConflictError, Outcome.UNKNOWN),
    (418, ApiError, Outcome.UNKNOWN),
    (422, ValidationError, Outcome.REFUSED),
    (425, ApiError, Outcome.UNKNOWN),
    (429, RateLimitError, Outcome.REFUSED),
    (500, ProviderUnavailableError, Outcome.UNKNOWN),
    (502, ProviderUnavailableError, Outcome.UNKNOWN),
    (503, ProviderUnavailableError, Outcome.UNKNOWN),
    (504, ProviderUnavailableError, Outcome.UNKNOWN),
    (599, ProviderUnavailableError, Outcome.UNKNOWN),
]


@pytest.mark.parametrize(("status", "kind", "outcome"), ROWS)
async def test_a_status_says_what_went_wrong_and_whether_anything_was_done(ask, serve, status, kind, outcome):
    server = await serve(once(answer(status, b"" if status == 304 else b"{}")))
    error = await ask.error(
        ask.client(server.url), "POST", effect=Effect.ONCE, operation="create_instance", json={}
    )
    assert type(error) is kind
    assert (error.outcome, ask.exchange.outcome, ask.exchange.status) == (outcome, outcome, status)
    assert (error.provider, error.operation) == ("do-ams", "create_instance")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_success_is_returned_and_the_engine_decides_that_it_was_made(ask, serve, status):
    body = b"" if status == 204 else b'{"droplet": {"id": 1}}'
    server = await serve(once(answer(status, body, JSON, "X-Twice: a", "X-Twice: b")))
    response = await ask.client(server.url).request(
        ask.call, "POST", "/v2/droplets", effect=Effect.ONCE, json={"a": 1}
    )
    assert (response.status, response.body, response.method, response.path) == (
        status,
        body,
        "POST",
        "/v2/droplets",
    )
    assert response.headers["x-twice"] == "a, b"
    assert ask.exchange.headers == response.headers
    assert ask.exchange.outcome is Outcome.UNKNOWN


async def test_an_answer_to_head_has_no_body(ask, serve):
    server = await serve(once(answer(200, b"{}")[:-2]))
    response = await ask.client(server.url).request(ask.call, "HEAD", "/v2/droplets")
    assert (response.headers["content-length"], response.body) == ("2", b"")


async def test_a_change_of_protocol_that_nobody_asked_for_is_no_success(ask, serve):
    server = await serve(
        once(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    )
    error = await ask.error(ask.client(server.url))
    assert (type(error), error.outcome) == (ProtocolMismatchError, Outcome.UNKNOWN)


async def test_a_refused_connection_means_that_nothing_was_sent(ask):
    async with Server(always(b"")) as server:
        url = server.url
    error = await ask.error(ask.client(url), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)
    assert ask.exchange.outcome is Outcome.NOT_SENT
    assert isinstance(error.__cause__, ConnectionRefusedError)


async def test_a_name_without_an_address_means_that_nothing_was_sent(ask, monkeypatch):
    async def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await ask.error(ask.client("https://nowhere.invalid"), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)


async def test_a_failed_tls_handshake_means_that_nothing_was_sent(ask, serve):
    async def not_tls(peer):
        await peer.write(b"HTTP/1.1 400 This is no TLS\r\n\r\n")

    server = await serve(not_tls)
    error = await ask.error(ask.client(server.url.replace("http:", "https:")), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)
    assert server.arrivals == []


async def test_a_timeout_before_the_connection_stands_means_that_nothing_was_sent(ask, serve, leap):
    async def no_handshake(peer):
        leap()
        await peer.gone()

    server = await serve(no_handshake)
    error = await ask.error(ask.client(server.url.replace("http:", "https:")), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (CallTimeoutError, Outcome.NOT_SENT)


@pytest.mark.parametrize("size", [10, 1_000_000], ids=["small body", "large body"])
@pytest.mark.parametrize(
    "moment", ["before reading", "within the request", "after the request", "within the answer"]
)
@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_a_connection_lost_after_it_stood_leaves_doubt(ask, serve, size, moment, ending):
    async def script(peer):
        if moment == "within the request":
            await peer.read_head()
        elif moment != "before reading":
            await peer.read()
        if moment == "within the answer":
            await peer.write(answer(200, b'{"droplet": 1}')[:-4])
        if ending == "reset":
            await peer.reset()

    server = await serve(script)
    error = await ask.error(
        ask.client(server.url), "POST", effect=Effect.ONCE, json={"user_data": "x" * size}
    )
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.UNKNOWN)
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    "silence",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"],
    ids=["at once", "within the headers", "within the body"],
)
async def test_a_server_that_falls_silent_costs_the_timeout_and_leaves_doubt(ask, serve, leap, silence):
    closed = asyncio.Event()

    async def script(peer):
        await peer.read()
        await peer.write(silence)
        leap()
        await peer.gone()
        closed.set()

    server = await serve(script)
    error = await ask.error(ask.client(server.url), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (CallTimeoutError, Outcome.UNKNOWN)
    await closed.wait()


async def test_a_drip_feed_is_bounded_by_the_timeout(ask, serve, leap):
    async def drip(peer):
        await peer.read()
        await peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        for _ in range(100):
            await peer.write(b" ")
            await asyncio.sleep(0)
        leap()
        while True:
            await peer.write(b" ")
            await asyncio.sleep(0)

    server = await serve(drip)
    error = await ask.error(ask.client(server.url))
    assert (type(error), error.outcome) == (CallTimeoutError, Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ProtocolMismatchError),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", ProtocolMismatchError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", ProtocolMismatchError),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", ProtocolMismatchError),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000 + b"\r\n", ProtocolMismatchError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ProtocolMismatchError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", ProviderUnavailableError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", ProviderUnavailableError),
    ],
    ids=[
        "no HTTP",
        "bad header",
        "bad length",
        "long header",
        "many headers",
        "bad chunk",
        "cut chunk",
        "cut body",
    ],
)
async def test_an_answer_that_cannot_be_read_leaves_doubt(ask, serve, data, kind):
    server = await serve(once(data))
    error = await ask.error(ask.client(server.url), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (kind, Outcome.UNKNOWN)


async def test_a_cancelled_call_is_cancelled_at_once_and_its_connection_closed(ask, serve):
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def silent(peer):
        await peer.read()
        arrived.set()
        await peer.gone()
        closed.set()

    server = await serve(silent)
    client = ask.client(server.url)
    task = asyncio.create_task(client.request(ask.call, "POST", "/v2/droplets", effect=Effect.ONCE, json={}))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closed.wait()
    assert ask.exchange.outcome is Outcome.UNKNOWN


async def test_the_plugin_knows_better_than_the_status(ask, serve):
    def translate(response):
        if b"out of capacity" in response.body:
            return InsufficientResourcesError("no such plan here", outcome=Outcome.REFUSED)
        return None

    server = await serve(once(answer(503, b"out of capacity")))
    error = await ask.error(ask.client(server.url, translate=translate), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (InsufficientResourcesError, Outcome.REFUSED)
    assert error.may_fail_over
    assert ask.call.outcome is Outcome.REFUSED


async def test_what_the_plugin_leaves_open_is_filled_from_the_table(ask, serve):
    server = await serve(once(answer(422, b"{}", "retry-after: 5")))
    error = await ask.error(ask.client(server.url, translate=lambda response: ConflictError("taken")), "POST")
    assert (type(error), error.outcome, error.provider) == (ConflictError, Outcome.REFUSED, "do-ams")
    assert error.retry_after is None


async def test_an_error_page_that_the_plugin_cannot_read_counts_by_its_status(ask, serve):
    server = await serve(once(answer(502, b"<html>Bad gateway</html>", "content-type: text/html")))
    client = ask.client(server.url, translate=lambda response: ApiError(response.json()["message"]))
    error = await ask.error(client)
    assert (type(error), error.retryable) == (ProviderUnavailableError, True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("61", 61.0),
        ("3600", 3600.0),
        ("1.5", 1.5),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("9" * 400, None),
        ("Sun, 01 Nov 2026 12:02:03 GMT", 123.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026", None),
    ],
)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_retry_after_is_handed_on_uncapped(ask, serve, status, value, seconds):
    server = await serve(once(answer(status, b"", f"Retry-After: {value}")))
    error = await ask.error(ask.client(server.url))
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "7", "ratelimit-reset": "1"}, 7.0),
        (429, {"ratelimit-reset": str(int(NOW.timestamp()) + 90)}, 90.0),
        (429, {"x-ratelimit-reset": str(int(NOW.timestamp()) + 90)}, 90.0),
        (429, {"retry-after": "-5", "ratelimit-reset": "90"}, 90.0),
        (429, {"ratelimit-reset": str(int(NOW.timestamp()) - 90)}, 1.0),
        (429, {"ratelimit-reset": "999999999999"}, 3600.0),
        (429, {"ratelimit-reset": "-1"}, None),
        (429, {"ratelimit-reset": "1e309"}, None),
        (429, {"retry-after": "1e5"}, None),
        (429, {"retry-after": "nan"}, None),
        (429, {"retry-after": "1e309"}, None),
        (429, {}, None),
        (503, {"ratelimit-reset": "90"}, None),
        (503, {"retry-after": "120"}, 120.0),
        (400, {"retry-after": "7"}, None),
    ],
)
async def test_how_long_to_wait(ask, serve, status, headers, seconds):
    server = await serve(once(answer(status, b"", *(f"{name}: {value}" for name, value in headers.items()))))
    assert (await ask.error(ask.client(server.url))).retry_after == seconds
