"""Which certificates are trusted, and which proxy is used: what the settings say, and nothing else."""

import asyncio
import os
import ssl
from contextlib import suppress
from unittest.mock import Mock

import pytest

from purveyor.model.errors import CallTimeoutError, ConfigurationError, Outcome, ProviderUnavailableError
from purveyor.spi.call import Effect
from purveyor.wire.failures import UntrustedServerError

from ._certificates import DAY, self_signed
from ._server import Server, always, answer, once


@pytest.fixture
def trusted(tmp_path):
    return self_signed(tmp_path)


async def _pump(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def tunnel(peer):
    """Lets one connection through, as an HTTP proxy does."""
    wish = await peer.read()
    host, _, port = wish.target.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await peer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        await asyncio.gather(_pump(peer.reader, writer), _pump(reader, peer.writer))
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_ca_file_is_trusted(ask, serve, trusted):
    ca_file, tls = trusted
    server = await serve(always(answer()), tls=tls)
    client = ask.client(server.url, settings={"ca_file": ca_file})
    assert (await client.request(ask.call, "GET", "/")).status == 200


async def test_a_certificate_of_a_stranger_is_not_trusted_and_nothing_is_sent(ask, serve, trusted):
    server = await serve(always(answer()), tls=trusted[1])
    error = await ask.error(ask.client(server.url), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (UntrustedServerError, Outcome.NOT_SENT)
    assert "certificate" in error.message
    assert server.arrivals == []


async def test_a_certificate_of_another_host_is_not_trusted_and_nothing_is_sent(ask, serve, tmp_path):
    ca_file, tls = self_signed(tmp_path, "127.0.0.2")
    server = await serve(always(answer()), tls=tls)
    error = await ask.error(ask.client(server.url, settings={"ca_file": ca_file}), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (UntrustedServerError, Outcome.NOT_SENT)
    assert server.arrivals == []


@pytest.mark.parametrize(
    ("certificate", "known", "way_out"),
    [
        ({}, False, "ca_file"),
        ({"address": "127.0.0.2"}, True, "one for this name"),
        ({"left": -DAY / 2}, True, "renew it"),
    ],
    ids=["by a stranger", "for another address", "out of date"],
)
async def test_a_certificate_that_is_not_trusted_is_named_by_its_server_with_the_way_out(
    ask, serve, tmp_path, certificate, known, way_out
):
    ca_file, tls = self_signed(tmp_path, **certificate)
    server = await serve(always(answer()), tls=tls)
    error = await ask.error(ask.client(server.url, settings={"ca_file": ca_file} if known else {}))
    assert (error.provider, error.outcome, error.retryable) == ("do-ams", Outcome.NOT_SENT, False)
    assert f"127.0.0.1:{server.port}" in error.message
    assert way_out in error.message
    assert server.arrivals == []


async def test_a_websocket_is_not_opened_to_whom_nobody_trusts(ask, serve, trusted):
    server = await serve(always(answer()), tls=trusted[1])
    with pytest.raises(UntrustedServerError, match=f"127.0.0.1:{server.port}") as caught:
        async with ask.client(server.url).websocket(ask.call, "/logs"):
            pass
    assert (caught.value.provider, caught.value.outcome) == ("do-ams", Outcome.NOT_SENT)
    assert server.arrivals == []


async def test_all_clients_share_what_they_trust_until_the_file_changes(ask, serve, tmp_path, monkeypatch):
    ca_file, tls = self_signed(tmp_path)
    reading = Mock(wraps=ssl.create_default_context)
    monkeypatch.setattr(ssl, "create_default_context", reading)
    for _ in range(3):
        ask.client("https://api.example.com", settings={"ca_file": ca_file})
    assert reading.call_count == 1
    server = await serve(always(answer()), tls=tls)
    os.utime(self_signed(tmp_path)[0], ns=(1, 1))
    error = await ask.error(ask.client(server.url, settings={"ca_file": ca_file}))
    assert type(error) is UntrustedServerError, "the file names another authority now"


@pytest.mark.parametrize("kind", ["missing", "folder", "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(ask, tmp_path, kind):
    file = tmp_path / "ca.pem"
    if kind == "folder":
        file.mkdir()
    elif kind == "no certificate":
        file.write_text("hello")
    with pytest.raises(ConfigurationError) as caught:
        ask.client("https://api.example.com", settings={"ca_file": str(file)})
    assert caught.value.field == "ca_file"
    assert str(file) in caught.value.message


async def test_an_encrypted_request_goes_through_a_proxy_that_does_not_see_it(ask, serve, trusted):
    ca_file, tls = trusted
    server, proxy = await serve(always(answer()), tls=tls), await serve(tunnel)
    client = ask.client(server.url, settings={"ca_file": ca_file, "proxy": proxy.url})
    await client.request(ask.call, "POST", "/v2/droplets", effect=Effect.ONCE, json={"password": "canary"})
    assert [(arrival.method, arrival.target) for arrival in proxy.arrivals] == [
        ("CONNECT", f"127.0.0.1:{server.port}")
    ]
    assert "canary" not in repr(proxy.arrivals)
    assert server.arrivals[0].headers["authorization"] == "Bearer canary-token"
    await client.aclose()


async def test_a_proxys_password_is_for_the_proxy_alone(ask, serve, trusted):
    ca_file, tls = trusted
    server, proxy = await serve(always(answer()), tls=tls), await serve(tunnel)
    address = proxy.url.replace("//", "//user:password@")
    client = ask.client(server.url, settings={"ca_file": ca_file, "proxy": address})
    await client.request(ask.call, "GET", "/v2/droplets")
    assert proxy.arrivals[0].headers["proxy-authorization"].startswith("Basic ")
    assert "proxy-authorization" not in server.arrivals[0].headers
    await client.aclose()


async def test_a_plain_request_is_handed_to_the_proxy_whole(ask, serve):
    proxy = await serve(always(answer()))
    client = ask.client("http://127.0.0.1:9/v4", settings={"proxy": proxy.url})
    await client.request(ask.call, "GET", "/profile", params={"page": 1})
    assert proxy.arrivals[0].target == "http://127.0.0.1:9/v4/profile?page=1"


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_means_that_nothing_was_sent(ask, serve, status):
    proxy = await serve(once(answer(status, b"canary")))
    client = ask.client("https://127.0.0.1:9", settings={"proxy": proxy.url})
    error = await ask.error(client, "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)
    assert "proxy" in error.message
    assert "canary" not in error.message


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_down_means_that_nothing_was_sent(ask, scheme):
    async with Server(once(b"")) as proxy:
        url = proxy.url
    client = ask.client(f"{scheme}://127.0.0.1:9", settings={"proxy": url})
    error = await ask.error(client, "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)
    assert "proxy" in error.message


async def test_a_proxy_that_falls_silent_means_that_nothing_was_sent(ask, serve, leap):
    async def silent(peer):
        await peer.read()
        leap()
        await peer.gone()

    proxy = await serve(silent)
    client = ask.client("https://127.0.0.1:9", settings={"proxy": proxy.url})
    error = await ask.error(client, "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (CallTimeoutError, Outcome.NOT_SENT)


async def test_an_untrusted_server_behind_a_proxy_is_sent_nothing(ask, serve, trusted):
    server, proxy = await serve(always(answer()), tls=trusted[1]), await serve(tunnel)
    client = ask.client(server.url, settings={"proxy": proxy.url})
    error = await ask.error(client, "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (UntrustedServerError, Outcome.NOT_SENT)
    assert server.arrivals == []


@pytest.mark.parametrize("proxy", ["proxy", "socks5://127.0.0.1", "http://", "http://x:y:z"])
async def test_a_proxy_that_is_no_address_is_refused(ask, proxy):
    with pytest.raises(ConfigurationError) as caught:
        ask.client("https://api.example.com", settings={"proxy": proxy})
    assert caught.value.field == "proxy"


async def test_a_proxy_elsewhere_is_not_shown_a_token_in_the_open(ask):
    with pytest.raises(ConfigurationError) as caught:
        ask.client("HTTP://127.0.0.1", settings={"proxy": "http://proxy.example:3128"})
    assert caught.value.field == "proxy"


async def test_the_environment_names_no_proxy_and_no_password(ask, serve, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = await serve(always(answer()))
    await ask.client(server.url, auth=None).request(ask.call, "GET", "/")
    assert "authorization" not in server.arrivals[0].headers


async def test_cookies_are_forgotten(ask, serve):
    server = await serve(always(answer(200, b"{}", "set-cookie: session=1; path=/")))
    client = ask.client(server.url.replace("127.0.0.1", "localhost"))
    await client.request(ask.call, "GET", "/")
    await client.request(ask.call, "GET", "/")
    assert all("cookie" not in arrival.headers for arrival in server.arrivals)
