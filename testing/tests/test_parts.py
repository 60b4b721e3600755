"""Clock, limiter, chance, machines, and the guard around the network."""

import asyncio
import socket
import time

import aiohttp
import pytest

from purveyor_testing.loopback import OutsideLoopbackError, only_loopback
from purveyor_testing.sandbox import PUBLIC, PUBLIC6, Clock, Machine, SlidingWindow, address_in, rfc3339


def test_a_stepped_clock_stands_still():
    clock = Clock("stepped")
    assert rfc3339(clock.now) == "2026-01-01T00:00:00Z"
    clock.advance(61.5)
    assert rfc3339(clock.now, fraction=True) == "2026-01-01T00:01:01.500000Z"
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


def test_a_running_clock_agrees_with_the_wall():
    assert abs(Clock("fast").now - time.time()) < 60


def test_fast_shortens_lifecycles_only():
    assert Clock("fast").lifecycle(60) == 0.6
    assert Clock("real").lifecycle(60) == Clock("stepped").lifecycle(60) == 60


def test_things_fall_due_in_order_and_at_their_moment():
    clock, seen = Clock("stepped"), []
    start = clock.now

    def note(name):
        seen.append((name, clock.now - start))

    clock.after(5, lambda: note("later"))
    clock.after(2, lambda: (note("first"), clock.after(1, lambda: note("child"))))
    clock.after(20, lambda: note("never"))
    clock.advance(10)
    assert seen == [("first", 2), ("child", 3), ("later", 5)]


def test_sliding_window():
    window = SlidingWindow(2, 60)
    assert [window.take("a", now).allowed for now in (0, 10, 20)] == [True, True, False]
    refused = window.peek("a", 20)
    assert (refused.remaining, refused.reset_at, refused.wait) == (0, 60, 40)
    assert window.take("b", 20).remaining == 1
    assert window.take("a", 60).allowed
    assert not window.take("a", 69).allowed


async def test_loopback_lets_the_machine_talk_to_itself(cloud):
    with only_loopback() as attempts:
        async with aiohttp.ClientSession() as session:
            assert (await session.get(f"{cloud.base_url}/things")).status == 401
            assert (await session.get(cloud.base_url.replace("127.0.0.1", "localhost"))).status == 401
        left, right = socket.socketpair()
        left.close()
        right.close()
    assert attempts == []


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_loopback_refuses_other_addresses(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with only_loopback() as attempts, socket.socket(family) as sock:
        for connect in (sock.connect, sock.connect_ex):
            with pytest.raises(OutsideLoopbackError, match=f"{address}:443 is outside loopback"):
                connect((address, 443))
        assert attempts == [f"{address}:443"] * 2


def test_loopback_refuses_names_and_datagrams():
    with only_loopback(), socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(OutsideLoopbackError, match=r"api\.example\.com"):
            socket.getaddrinfo("api.example.com", 443)
        with pytest.raises(OutsideLoopbackError, match=r"192\.0\.2\.1:53"):
            sock.sendto(b"x", ("192.0.2.1", 53))
    assert socket.getaddrinfo("127.0.0.1", 80)


def test_a_machines_row_is_written_anew_only_when_it_changes():
    machine = Machine({"id": 7, "tags": ["a"]}, number=1, created_at=0.0, found_at=0.0, listed_at=0.0)
    first = machine.rendered()
    assert first == b'{"id":7,"tags":["a"]}'
    assert machine.rendered() is first
    machine.change(tags=["b"])
    assert (machine.id, machine.tags, machine.rendered()) == (7, ("b",), b'{"id":7,"tags":["b"]}')


def test_machines_have_addresses_of_their_own_that_lead_nowhere():
    addresses = {address_in(PUBLIC, number) for number in range(1000)}
    assert len(addresses) == 1000
    assert address_in(PUBLIC, 1) == "198.18.0.17"
    assert address_in(PUBLIC6, 1) == "2001:db8::11"


async def test_loopback_reaches_into_asyncio():
    with only_loopback():
        with pytest.raises(OutsideLoopbackError, match=r"192\.0\.2\.1:80"):
            await asyncio.open_connection("192.0.2.1", 80)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(OutsideLoopbackError, match=r"api\.example\.com"):
                await session.get("http://api.example.com/")
