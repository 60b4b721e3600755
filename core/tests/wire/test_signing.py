"""Signatures: one for each attempt, made for exactly what is sent, and shown to nobody else."""

import pytest

from purveyor.model.errors import ConfigurationError, Outcome, PermissionDeniedError
from purveyor.model.values import KiB
from purveyor.spi.call import Effect
from purveyor.wire import Unsigned

from ._frames import CLOSE, accept, frame
from ._server import always, answer, once


class Wallet:
    """Signs by counting, and remembers what it was asked to sign."""

    def __init__(self):
        self.asked: list[Unsigned] = []

    async def sign(self, unsigned):
        self.asked.append(unsigned)
        return {"X-Signature": f"nr {len(self.asked)}"}


@pytest.fixture
def wallet():
    return Wallet()


async def test_a_signature_is_made_for_exactly_what_is_sent(ask, serve, wallet):
    server = await serve(always(answer()))
    client = ask.client(server.url + "/stripped", auth=None)
    await client.request(
        ask.call, "post", "/a%20b/c%2Fd", params={"q": "x y"}, content=b'{"a":1}', sign=wallet.sign
    )
    (arrival,) = server.arrivals
    assert wallet.asked == [Unsigned(method="POST", path="/a b/c/d", query="q=x%20y", body=b'{"a":1}')]
    assert arrival.target == "/stripped/a%20b/c%2Fd?q=x%20y"
    assert (arrival.body, arrival.headers["x-signature"]) == (b'{"a":1}', "nr 1")
    assert arrival.headers["content-type"] == "application/json"


async def test_each_request_has_a_signature_and_a_connection_of_its_own(ask, serve, wallet):
    server = await serve(always(answer()))
    client = ask.client(server.url, auth=None)
    for _ in range(3):
        await client.request(ask.call, "GET", "/", sign=wallet.sign)
    assert [one.headers["x-signature"] for one in server.arrivals] == ["nr 1", "nr 2", "nr 3"]
    assert len(server.peers) == 3


async def test_a_websocket_is_signed_anew_each_time_it_is_opened(ask, serve, wallet):
    async def script(peer):
        await accept(peer)
        await peer.write(frame(kind=CLOSE))

    server = await serve(script)
    client = ask.client(server.url, auth=None)
    for _ in range(2):
        async with client.websocket(ask.call, "/logs", sign=wallet.sign) as socket:
            assert await socket.receive() is None
    assert [one.headers["x-signature"] for one in server.arrivals] == ["nr 1", "nr 2"]
    assert wallet.asked[0] == Unsigned(method="GET", path="/logs", query="", body=b"")


@pytest.mark.parametrize("address", ["http://192.0.2.1:8080", "http://provider.example"])
async def test_nothing_is_signed_that_can_be_read_on_the_way(ask, wallet, address):
    client = ask.client(address, auth=None)
    error = await ask.error(client, sign=wallet.sign)
    assert (type(error), error.outcome) == (ConfigurationError, Outcome.NOT_SENT)
    with pytest.raises(ConfigurationError):
        async with client.websocket(ask.call, "/logs", sign=wallet.sign):
            pass
    assert wallet.asked == []


async def test_a_wallet_that_refuses_means_that_nothing_was_sent(ask, serve):
    async def refuse(unsigned):
        raise PermissionDeniedError("the wallet is locked")

    server = await serve(always(answer()))
    error = await ask.error(ask.client(server.url), "POST", effect=Effect.ONCE, sign=refuse)
    assert (type(error), error.outcome) == (PermissionDeniedError, Outcome.NOT_SENT)
    assert server.arrivals == []


async def test_a_signature_does_not_go_where_a_redirect_leads(ask, serve, wallet):
    elsewhere = await serve(always(answer()))
    server = await serve(once(answer(307, b"", f"location: {elsewhere.url}/")))
    await ask.error(ask.client(server.url), "POST", content=b"{}", sign=wallet.sign)
    assert elsewhere.peers == []


async def test_a_signer_cannot_put_a_line_break_into_a_header(ask, serve):
    async def split(unsigned):
        return {"X-Signature": "a\r\nX-Other: b"}

    server = await serve(always(answer()))
    error = await ask.error(ask.client(server.url), sign=split)
    assert error.outcome is Outcome.NOT_SENT
    assert server.arrivals == []


@pytest.mark.parametrize(
    "headers",
    [[f"x-h{number}: 1" for number in range(2_000)], ["x-long: " + "x" * 64 * KiB]],
    ids=["many", "long"],
)
async def test_headers_are_bounded(ask, serve, headers):
    server = await serve(once(answer(200, b"{}", *headers)))
    error = await ask.error(ask.client(server.url))
    assert "not HTTP" in error.message
