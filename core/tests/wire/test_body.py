"""Bodies are read within bounds, and inflated once at most."""

import gzip
import json
import tracemalloc

import pytest

from purveyor.model.errors import Outcome, ProtocolMismatchError
from purveyor.model.values import MiB

from ._server import JSON, always, answer, once

GZIP = "content-encoding: gzip"


def chunked(body: bytes, size: int, *headers) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    head = "\r\n".join(["HTTP/1.1 200 OK", "transfer-encoding: chunked", *headers, "", ""])
    return head.encode() + coded


async def test_gzip_is_asked_for_and_nothing_else(ask, serve):
    server = await serve(once(answer()))
    await ask.client(server.url).request(ask.call, "GET", "/v2/droplets")
    assert server.arrivals[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000])
async def test_gzip_is_inflated(ask, serve, size, coding):
    body = bytes(number % 251 for number in range(size))
    server = await serve(once(answer(200, gzip.compress(body), f"content-encoding: {coding}")))
    response = await ask.client(server.url).request(ask.call, "GET", "/v2/droplets")
    assert response.body == body


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
async def test_gzip_may_come_in_pieces(ask, serve, pieces):
    body = b"purveyor" * 100
    server = await serve(once(chunked(gzip.compress(body), pieces, GZIP)))
    response = await ask.client(server.url).request(ask.call, "GET", "/v2/droplets")
    assert response.body == body


async def test_an_empty_body_needs_no_gzip(ask, serve):
    server = await serve(once(answer(200, b"", GZIP)))
    response = await ask.client(server.url).request(ask.call, "GET", "/v2/droplets")
    assert response.body == b""


GOOD = gzip.compress(b"{}")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(GOOD), ["content-encoding: gzip, gzip"]),
        (gzip.compress(GOOD), [GZIP, GZIP]),
        (GOOD, ["content-encoding: br"]),
        (GOOD, ["content-encoding: deflate"]),
        (b"{}", [GZIP]),
        (GOOD[:-3], [GZIP]),
        (GOOD + b"more", [GZIP]),
        (GOOD + GOOD, [GZIP]),
    ],
    ids=[
        "double",
        "double in two headers",
        "brotli",
        "deflate",
        "no gzip",
        "cut",
        "garbage behind",
        "two members",
    ],
)
async def test_an_answer_coded_in_another_way_is_refused(ask, serve, body, headers):
    server = await serve(once(answer(200, body, *headers)))
    error = await ask.error(ask.client(server.url))
    assert (type(error), error.outcome, error.provider) == (ProtocolMismatchError, Outcome.UNKNOWN, "do-ams")


@pytest.mark.parametrize("status", [200, 500])
async def test_a_gzip_bomb_costs_little_memory(ask, serve, status):
    bomb = answer(status, gzip.compress(bytes(300 * MiB), compresslevel=9), GZIP)
    server = await serve(once(bomb))
    client = ask.client(server.url)
    tracemalloc.start()
    try:
        error = await ask.error(client)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (type(error), error.outcome) == (ProtocolMismatchError, Outcome.UNKNOWN)
    assert peak < 32 * MiB


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "gzip"])
async def test_a_body_may_be_as_large_as_agreed_and_not_a_byte_larger(ask, serve, coded):
    body = b"x" * 1000
    data = answer(200, gzip.compress(body), GZIP) if coded else answer(200, body)
    client = ask.client((await serve(always(data))).url)
    assert (await client.request(ask.call, "GET", "/", max_body=1000)).body == body
    assert type(await ask.error(client, max_body=999)) is ProtocolMismatchError


async def test_the_compressed_bytes_are_bounded_as_well(ask, serve):
    body = gzip.compress(b"{}" + bytes(100), compresslevel=0)
    server = await serve(once(answer(200, body, GZIP)))
    client = ask.client(server.url, max_body=len(body) - 1)
    assert type(await ask.error(client)) is ProtocolMismatchError


async def test_an_answer_without_end_is_given_up(ask, serve):
    async def endless(peer):
        await peer.read()
        await peer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.write(b"x" * 65_536)

    server = await serve(endless)
    assert type(await ask.error(ask.client(server.url))) is ProtocolMismatchError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in to the hotel's network, canary</html>",
        b'{"droplets": [{"id": 1, "canary',
        b"[" * 100_000,
        b"\xff\xfe{",
    ],
    ids=["empty", "HTML", "cut", "deep", "no text"],
)
async def test_an_answer_that_is_not_json_is_named_but_never_quoted(ask, serve, body):
    server = await serve(once(answer(200, body, "content-type: text/html; charset=utf-8")))
    response = await ask.client(server.url).request(
        ask.call, "GET", "/v2/droplets", operation="list_instances"
    )
    with pytest.raises(ProtocolMismatchError) as caught:
        response.json()
    error = caught.value
    assert (error.provider, error.operation, error.outcome) == ("do-ams", "list_instances", Outcome.UNKNOWN)
    for fact in ("list_instances", "HTTP 200", "text/html", "GET /v2/droplets"):
        assert fact in error.message
    assert "canary" not in error.message
    assert error.__context__ is None


async def test_a_decoder_says_what_it_misses(ask, serve):
    server = await serve(once(answer(200, json.dumps({"droplets": None}).encode(), JSON)))
    response = await ask.client(server.url).request(ask.call, "GET", "/v2/droplets")
    assert response.json() == {"droplets": None}
    assert "droplets is null" in response.mismatch("droplets is null").message
