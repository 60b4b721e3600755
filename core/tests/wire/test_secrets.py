"""Whatever goes wrong, no error, representation or log record holds what is secret."""

import asyncio
import logging
import traceback

import pytest

from purveyor.model.values import Secret
from purveyor.spi.call import Effect
from purveyor.wire import BearerAuth

from ._certificates import self_signed
from ._server import always, answer, once

CANARY = "canary"


async def reset(peer):
    await peer.read()
    await peer.reset()


async def silent(peer):
    await peer.read()
    await peer.gone()


async def echo(peer):
    """Repeats the token in everything that it can say."""
    arrival = await peer.read()
    token = arrival.headers["authorization"]
    await peer.write(
        answer(403, f"the token {token} is bad".encode(), f"x-echo: {token}", f"location: /?{token}")
    )


SCRIPTS = {
    "reset": reset,
    "silent": silent,
    "echo": echo,
    "hang up": once(b""),
    "no HTTP": once(b"canary is not HTTP\r\n\r\n"),
    "bad header": once(b"HTTP/1.1 200 OK\r\ncanary\r\n\r\n"),
    "bad chunk": once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n"),
    "bad gzip": once(answer(200, b"canary", "content-encoding: gzip")),
    "odd coding": once(answer(200, b"canary", "content-encoding: canary")),
    "cut": once(answer(200, b"canary")[:-2]),
    "too large": once(answer(200, b"canary" * 1000)),
    "redirect": once(answer(302, b"canary", "location: https://canary:canary@127.0.0.1/?canary")),
    **{str(status): once(answer(status, b"canary")) for status in (400, 401, 404, 409, 429, 500, 503)},
}


def everything_said(error: BaseException) -> str:
    """All that anyone could print of an error and of those that led to it, none of which is a stranger's."""
    said, queue, seen = [], [error], set()
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        assert type(one).__module__.partition(".")[0] in {"purveyor", "builtins", "ssl", "zlib"}
        said += [str(one), repr(one), repr(one.args), repr(vars(one))]
        queue += [one.__cause__, one.__context__]
    return "\n".join(said + traceback.format_exception(error))


@pytest.fixture
def records(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "asyncio", "purveyor"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.parametrize("story", SCRIPTS)
@pytest.mark.parametrize("effect", [Effect.READ, Effect.ONCE])
async def test_no_secret_is_in_an_error_or_a_log(ask, serve, records, story, effect):
    asyncio.get_running_loop().set_debug(True)
    server = await serve(SCRIPTS[story])
    client = ask.client(server.url, timeout=0.05 if story == "silent" else 20.0, max_body=1000)
    error = await ask.error(
        client,
        "POST",
        params={"key": CANARY},
        json={"password": CANARY},
        headers={"x-key": CANARY},
        effect=effect,
    )
    assert CANARY not in everything_said(error)
    assert CANARY not in records.text
    assert all(CANARY not in repr(vars(record)) for record in records.records)


async def test_no_secret_is_in_an_error_of_connecting(ask, serve, records, tmp_path):
    server = await serve(always(answer()), tls=self_signed(tmp_path)[1])
    for url in (server.url, server.url.replace("https", "http"), "http://127.0.0.1:9"):
        error = await ask.error(ask.client(url), params={"key": CANARY}, headers={"x-key": CANARY})
        assert CANARY not in everything_said(error)
    assert CANARY not in records.text


@pytest.mark.parametrize("answered", [None, 407])
async def test_no_password_of_a_proxy_is_in_an_error_or_a_log(ask, serve, records, answered):
    proxy = await serve(once(b"" if answered is None else answer(answered, CANARY.encode())))
    settings = {"proxy": proxy.url.replace("//", f"//user:{CANARY}@")}
    error = await ask.error(ask.client("https://127.0.0.1:9", settings=settings))
    assert CANARY not in everything_said(error)
    assert CANARY not in records.text


async def test_no_secret_is_in_what_a_program_holds(ask, serve):
    server = await serve(always(answer(200, b'{"default_password": "canary"}', "x-echo: canary")))
    auth = BearerAuth(Secret(CANARY))
    client = ask.client(server.url, auth=auth)
    response = await client.request(ask.call, "GET", "/", params={"key": CANARY})
    for thing in (auth, client, response, response.mismatch("it is odd")):
        assert CANARY not in f"{thing!r} {thing}"
