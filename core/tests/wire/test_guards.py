"""Guards against endpoints that a stranger wrote: nothing goes anywhere but to a public address."""

import asyncio
import socket
from ipaddress import IPv4Address, ip_network

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.model.errors import ConfigurationError, Outcome, UnsafeEndpointError
from purveyor.spi.call import Effect
from purveyor.wire import Client
from purveyor.wire.guards import why_not_public
from purveyor_testing.context import plain_context

from ._certificates import self_signed
from ._frames import CLOSE, accept, frame
from ._server import always, answer

PUBLIC, HOST = "93.184.216.34", "provider.example"


@attrs.define
class World:
    """A network in which names have the addresses that a test says, and public addresses are one loopback server."""

    answers: list[list[str]]
    port: int = 0
    asked: list[str] = attrs.field(factory=list)
    connected: list[str] = attrs.field(factory=list)

    async def getaddrinfo(self, host, port, **_):
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        kinds = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (one, port, 0, 0) if kind is socket.AF_INET6 else (one, port))
            for kind, one in zip(kinds, addresses, strict=True)
        ]


@pytest.fixture
def world(monkeypatch):
    """Puts a world's names and addresses in place of the real ones."""

    def build(*answers, port=0):
        here = World(list(answers), port)
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def sock_connect(sock, address):
            here.connected.append(address[0])
            assert address[0] == PUBLIC, "a test never leaves loopback"
            await connect(sock, ("127.0.0.1", here.port))

        monkeypatch.setattr(loop, "getaddrinfo", here.getaddrinfo)
        monkeypatch.setattr(loop, "sock_connect", sock_connect)
        return here

    return build


@pytest.fixture
async def guarded(stack):
    """Clients of discovered providers."""

    def build(url=f"https://{HOST}", **settings) -> Client:
        context = attrs.evolve(plain_context(provider="ve/one", type="ve", **settings), guarded=True)
        client = Client(context, base_url=url)
        stack.push_async_callback(client.aclose)
        return client

    return build


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "this host"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "shared by a provider's customers"),
        ("169.254.169.254", "link-local"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "this host"),
        ("::1", "loopback"),
        ("fd12::1", "private"),
        ("fe80::1%eth0", "link-local"),
        ("ff02::1", "multicast"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::127.0.0.1", "not routed"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b:1::1", "not routed"),
        ("2002:7f00:1::", "a tunnel"),
        ("2001:0:1::1", "reserved, such as for tunnels"),
        ("2001:db8::1", "for documentation"),
        ("host", "no address"),
        ("", "no address"),
    ],
)
def test_an_address_that_is_not_public_is_known_with_the_reason(address, reason):
    assert why_not_public(address) == reason


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34"]
)
def test_a_public_address_may_be_spoken_to(address):
    assert why_not_public(address) is None


@given(st.ip_addresses())
def test_whatever_python_calls_private_is_not_public_here(address):
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert why_not_public(str(address)) is not None or address in ip_network("::ffff:0:0/96")


@given(st.ip_addresses(v=4))
def test_an_address_in_other_clothes_is_the_same_address(address):
    plain = why_not_public(str(address))
    assert why_not_public(f"::ffff:{address}") == plain
    assert why_not_public(f"64:ff9b::{address}") == plain
    assert IPv4Address(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://provider.example",
        "ftp://provider.example",
        "provider.example:8443",
        "https://user@provider.example",
        "https://user:pw@provider.example",
        "https://127.0.0.1",
        "https://[::1]:8443",
        "https://[::ffff:10.0.0.1]",
        "https://169.254.169.254/latest",
        "https://",
        "https:// provider.example",
    ],
)
def test_an_endpoint_that_is_unsafe_as_it_is_written_is_refused_with_the_way_out(guarded, url):
    with pytest.raises(UnsafeEndpointError, match="allow_private") as caught:
        guarded(url)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert "pw" not in str(caught.value)


def test_a_proxy_would_look_up_names_by_itself(guarded):
    with pytest.raises(ConfigurationError, match="allow_private"):
        guarded(proxy="http://127.0.0.1:3128")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["fd00::1"],
        [PUBLIC, "192.168.1.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
    ],
)
async def test_no_connection_is_made_if_any_address_of_the_name_is_not_public(ask, guarded, world, addresses):
    here = world(addresses)
    error = await ask.error(guarded(), "POST", effect=Effect.ONCE)
    assert (type(error), error.outcome) == (UnsafeEndpointError, Outcome.NOT_SENT)
    assert addresses[-1] in error.message
    assert here.connected == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "localhost"])
async def test_loopback_in_whatever_spelling_is_not_connected_to(ask, guarded, monkeypatch, host):
    connected = []

    async def sock_connect(sock, address):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    error = await ask.error(guarded(f"https://{host}"))
    assert error.outcome is Outcome.NOT_SENT
    assert connected == []


@pytest.fixture
def trusted(tmp_path):
    return self_signed(tmp_path, HOST)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.IDEMPOTENT])
async def test_a_name_that_was_public_and_is_loopback_at_the_next_connection_is_not_followed(
    ask, serve, guarded, world, trusted, effect
):
    ca_file, tls = trusted

    async def one_each(peer):
        await peer.read()
        await peer.write(answer(200, b"{}", "connection: close"))

    server = await serve(one_each, tls=tls)
    here = world([PUBLIC], ["127.0.0.1"], port=server.port)
    client = guarded(ca_file=ca_file)
    assert (await client.request(ask.call, "GET", "/", effect=effect)).status == 200
    error = await ask.error(client, "GET", effect=effect)
    assert (type(error), error.outcome) == (UnsafeEndpointError, Outcome.NOT_SENT)
    assert (here.asked, here.connected) == ([HOST, HOST], [PUBLIC])
    assert len(server.peers) == 1


async def test_the_connection_is_made_to_the_address_that_was_checked(ask, serve, guarded, world, trusted):
    server = await serve(always(answer()), tls=trusted[1])
    here = world([PUBLIC], ["127.0.0.1"], port=server.port)
    await guarded(ca_file=trusted[0]).request(ask.call, "GET", "/")
    assert (here.asked, here.connected) == ([HOST], [PUBLIC])


async def test_a_websocket_is_guarded_at_every_connection(ask, serve, guarded, world, trusted):
    async def script(peer):
        await accept(peer)
        await peer.write(frame(kind=CLOSE))

    server = await serve(script, tls=trusted[1])
    here = world([PUBLIC], ["127.0.0.1"], port=server.port)
    client = guarded(ca_file=trusted[0])
    async with client.websocket(ask.call, "/logs") as opened:
        assert await opened.receive() is None
    with pytest.raises(UnsafeEndpointError):
        async with client.websocket(ask.call, "/logs"):
            pass
    assert here.connected == [PUBLIC]


async def test_a_configured_origin_is_trusted_even_in_the_context_of_a_discovered_provider(ask, serve, stack):
    server = await serve(always(answer()))
    context = attrs.evolve(plain_context(), guarded=True)
    client = Client(context, base_url=server.url, guarded=False)
    stack.push_async_callback(client.aclose)
    assert (await client.request(ask.call, "GET", "/")).status == 200


async def test_an_endless_body_of_a_stranger_costs_little_memory(ask, serve, guarded, world, trusted):
    gigabyte = 1024 * 1024 * 1024

    async def pour(peer):
        await peer.read()
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {gigabyte}\r\n\r\n".encode()
        await peer.write(head)
        for _ in range(1024):
            await peer.write(b"x" * 1024 * 1024)

    server = await serve(pour, tls=trusted[1])
    world([PUBLIC], port=server.port)
    error = await ask.error(guarded(ca_file=trusted[0]))
    assert "larger than" in error.message
