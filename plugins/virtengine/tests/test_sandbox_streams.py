"""Logs, shells and metrics as they come over WebSockets."""

import asyncio
import json
import struct

import aiohttp
import pytest

from ._sandbox_client import world

VEID = {"X-VEID-Score": "80"}
STDOUT, STDERR, RESULT, FAILURE, STDIN, RESIZE = range(100, 106)


@pytest.fixture
async def pair():
    async with world(behaviour={"rate_limit": 0}) as both:
        yield both


@pytest.fixture
def id_(cloud):
    return cloud.chain.leases[0].dseq


@pytest.fixture
def web(daemon, id_):
    return f"{daemon.origin}/api/v1/deployments/{id_}"


async def until(holds):
    """Give the server, which runs on this loop, its turns."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - there is nobody to tell us
            await asyncio.sleep(0.001)


async def texts(socket, count):
    return [(await socket.receive_str(timeout=5)) for _ in range(count)]


# Logs.


async def test_a_log_is_one_text_with_levels_as_they_are(cloud, me, daemon, id_, web):
    cloud.advance(5)
    daemon.say(id_, "disk is full", "Error")
    lines = (await me.text(f"{web}/logs")).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "2026-01-01T00:00:05Z Error disk is full"
    assert (await me.text(f"{web}/logs?tail=1&level=info")) == ""  # filtered after the tail is cut
    assert (await me.text(f"{web}/logs?level=ERROR")).count("\n") == 1
    assert (await me.text(f"{web}/logs?search=DISK")).count("\n") == 1
    assert (await me.text(f"{web}/logs?tail=0")).count("\n") == 6
    async with me.asked("GET", f"{web}/logs?download=1") as answer:
        assert answer.headers["Content-Disposition"] == f'attachment; filename="deployment-{id_}-logs.txt"'
        assert answer.content_type == "text/plain"


async def test_a_daemon_keeps_two_thousand_lines(me, daemon, id_, web):
    for number in range(2100):
        daemon.say(id_, f"line {number}")
    lines = (await me.text(f"{web}/logs?tail=0")).splitlines()
    assert (len(lines), lines[0][-8:]) == (2000, "line 100")
    assert len((await me.text(f"{web}/logs")).splitlines()) == 200


async def test_refusals_of_logs_are_plain_text(me, web, daemon):
    async with me.asked("GET", f"{web}/logs", sign=False) as answer:
        assert (answer.status, answer.content_type) == (401, "text/plain")
        assert await answer.text() == "missing signed request headers\n"
    daemon.ownership = "unavailable"
    assert await me.text(f"{web}/logs", status=403) == "lease query unavailable\n"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await me.socket(f"{web}/logs")
    assert caught.value.status == 403


async def test_following_gives_the_tail_and_then_what_is_written(me, daemon, id_, web):
    async with me.socket(f"{web}/logs?tail=1") as socket:
        assert await texts(socket, 1) == ["2026-01-01T00:00:00Z INFO request served"]
        await until(lambda: daemon.deployment(id_).log.listeners)
        daemon.say(id_, "two\nlines", "warn")
        assert await texts(socket, 1) == ["2026-01-01T00:00:00Z WARN two\nlines"]
    await until(lambda: not daemon.deployment(id_).log.listeners)


async def test_only_a_literal_zero_ends_the_following(me, daemon, id_, web):
    async with me.socket(f"{web}/logs?follow=0&tail=2") as socket:
        assert [one.type async for one in socket] == [aiohttp.WSMsgType.TEXT] * 2
        assert socket.close_code == 1006  # without a close frame
    async with me.socket(f"{web}/logs?follow=false&tail=1") as socket:
        await texts(socket, 1)
        await until(lambda: daemon.deployment(id_).log.listeners)


async def test_a_follower_sees_only_what_it_asked_for(me, daemon, id_, web):
    async with me.socket(f"{web}/logs?level=error&search=disk") as socket:
        await until(lambda: daemon.deployment(id_).log.listeners)
        for words, level in (("disk", "info"), ("cpu", "error"), ("Disk", "ERROR")):
            daemon.say(id_, words, level)
        assert (await texts(socket, 1))[0].endswith("ERROR Disk")


async def test_a_log_answers_neither_pings_nor_goodbyes(me, daemon, id_, web):
    async with me.socket(f"{web}/logs?tail=1", autoping=False) as socket:
        await texts(socket, 1)
        await socket.ping()
        daemon.say(id_, "after the ping")
        await until(lambda: daemon.deployment(id_).log.listeners)
        daemon.say(id_, "still no pong")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT
        await socket.close()
        assert socket.close_code == 1006


async def test_lines_between_tail_and_follow_are_kept_and_never_sent(me, daemon, id_, web):
    daemon.lines_between = 2
    async with me.socket(f"{web}/logs?tail=1") as socket:
        await texts(socket, 1)
        await until(lambda: daemon.deployment(id_).log.listeners)
        daemon.say(id_, "afterwards")
        assert (await texts(socket, 1))[0].endswith("afterwards")
    assert (await me.text(f"{web}/logs")).count("written between") == 2


async def test_who_is_slow_misses_what_does_not_fit(me, daemon, id_, web):
    async with me.socket(f"{web}/logs?tail=1") as socket:
        await texts(socket, 1)
        await until(lambda: daemon.deployment(id_).log.listeners)
        for number in range(60):  # at once, so that nobody can listen in between
            daemon.say(id_, f"{number}")
        await texts(socket, 50)
        await asyncio.sleep(0)
        daemon.say(id_, "the next")
        assert (await texts(socket, 1))[0].endswith("the next")


async def test_a_daemon_that_dies_cuts_the_stream_and_keeps_its_lines(me, daemon, id_, web):
    port = daemon.port
    async with me.socket(f"{web}/logs?tail=1") as socket:
        await texts(socket, 1)
        await daemon.stop()
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSED
    with pytest.raises(aiohttp.ClientConnectorError):
        await me.socket(f"{web}/logs")
    daemon.say(id_, "written meanwhile")
    await daemon.start()
    assert daemon.port == port
    async with me.socket(f"{web}/logs?tail=1") as socket:
        assert (await texts(socket, 1))[0].endswith("written meanwhile")


async def test_the_same_signature_does_not_open_a_second_stream(me, web):
    headers = me.wallet_headers("GET", f"{web}/logs")
    async with me.socket(f"{web}/logs", sign=False, headers=headers) as socket:
        await texts(socket, 1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await me.socket(f"{web}/logs", sign=False, headers=headers)
    assert caught.value.status == 401


async def test_a_deployment_may_chatter_by_itself(me, daemon, web):
    daemon.chatter_seconds = 0.001
    async with me.socket(f"{web}/logs?tail=1") as socket:
        assert len(await texts(socket, 5)) == 5
        daemon.chatter_seconds = None  # aiohttp's goodbye waits for as long as something comes


async def test_connections_are_counted_until_they_are_gone(me, daemon, web):
    socket = await me.socket(f"{web}/logs")
    await texts(socket, 5)
    assert daemon.connections == 1
    await socket.close()
    await until(lambda: daemon.connections == 0)


# Shells.


async def session(me, web, body=None, **options):
    return await me.post(f"{web}/shell/session", body or {}, **{"headers": VEID, **options})


async def test_a_session_is_a_token_for_ten_minutes(cloud, me, web, id_):
    opened = await session(me, web, {"container": "web"})
    assert opened == {
        "token": opened["token"],
        "expires_at": "2026-01-01T00:10:00Z",
        "deployment": str(id_),
        "container": "web",
        "session_ttl": 600,
    }
    assert len(bytes.fromhex(opened["token"])) == 32


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (None, "missing VEID score"),
        ("high", "invalid VEID score"),
        ("79", "VEID score 79 below minimum 80"),
    ],
)
async def test_a_score_is_asked_for_and_believed(me, web, score, words):
    url = f"{web}/shell/session"
    headers = {} if score is None else {"X-VEID-Score": score}
    assert await me.text(url, method="POST", status=403, headers=headers) == f"{words}\n"


@pytest.fixture
async def open_shell(me, web):
    async def opened(**more):
        token = (await session(me, web))["token"]
        socket = await me.socket(f"{web}/shell?token={token}", headers=VEID, **more)
        assert await socket.receive_bytes(timeout=5) == b"dConnected to VirtEngine shell.\r\n"
        return socket

    return opened


async def typed(socket, text, count=1):
    await socket.send_bytes(bytes([STDIN]) + text)
    return [await socket.receive_bytes(timeout=5) for _ in range(count)]


async def test_a_shell_echoes_lines_and_ends_with_a_code(open_shell):
    socket = await open_shell()
    await socket.send_bytes(bytes([STDIN]) + b"hel")
    assert await typed(socket, b"lo\n") == [bytes([STDOUT]) + b"hello\r\n"]
    assert await typed(socket, b"err oh\r") == [bytes([STDERR]) + b"oh\r\n"]
    assert await typed(socket, b"\x03") == [bytes([STDOUT]) + b"^C\r\n"]
    assert await typed(socket, b"exit 3\n") == [bytes([RESULT]) + b'{"exit_code":3}']
    assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1000


async def test_keys_that_come_together_are_taken_one_after_the_other(open_shell):
    socket = await open_shell()
    answers = await typed(socket, b"one\rtw\x03three\r\x04four\r", count=4)
    assert answers == [
        bytes([STDOUT]) + b"one\r\n",
        bytes([STDOUT]) + b"^C\r\n",
        bytes([STDOUT]) + b"three\r\n",
        bytes([RESULT]) + b'{"exit_code":0}',
    ]


async def test_a_shell_knows_its_size(open_shell):
    socket = await open_shell()
    assert await typed(socket, b"size\n") == [bytes([STDOUT]) + b"80x24\r\n"]
    await socket.send_bytes(bytes([RESIZE]) + struct.pack(">HH", 132, 50))
    assert await typed(socket, b"size\n") == [bytes([STDOUT]) + b"132x50\r\n"]
    assert await typed(socket, b"\x04") == [bytes([RESULT]) + b'{"exit_code":0}']


async def test_a_shell_may_break(open_shell):
    assert await typed(await open_shell(), b"fail\n") == [bytes([FAILURE])]


async def test_text_and_empty_frames_are_ignored_and_pings_answered(open_shell):
    socket = await open_shell(autoping=False)
    await socket.send_str("nothing")
    await socket.send_bytes(b"")
    await socket.send_bytes(bytes([STDIN]))
    await socket.ping(b"?")
    assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.PONG
    assert await typed(socket, b"flood 100000\n") == [bytes([STDOUT]) + b"x" * 100_000]


async def test_the_shell_of_todays_daemon_only_echoes(open_shell, daemon):
    daemon.shell = "echo"
    assert await typed(await open_shell(), b"exit 3\n") == [bytes([STDOUT]) + b"exit 3\n"]


async def test_what_a_token_is_not_good_for(cloud, me, web, daemon):
    token = (await session(me, web))["token"]
    other = f"{daemon.origin}/api/v1/deployments/{cloud.chain.leases[1].dseq}"
    daemon.hmac_secret = "s"
    for url, words in (
        (f"{web}/shell", "missing session token"),
        (f"{web}/shell?token=1", "invalid session token"),
        (f"{other}/shell?token={token}", "session deployment mismatch"),
    ):
        assert await me.text(url, status=401, headers=VEID) == f"{words}\n"
    assert await me.text(f"{web}/shell?token={token}", status=400, headers=VEID) == "Bad Request\n"
    cloud.advance(601)
    assert await me.text(f"{web}/shell?token={token}", status=401, headers=VEID) == "session expired\n"
    assert {one.query.get("token", "****") for one in cloud.log} == {"****"}


async def test_a_shell_that_has_expired_says_so_at_the_next_frame(cloud, open_shell):
    socket = await open_shell()
    cloud.advance(601)
    assert await typed(socket, b"still here\n") == [bytes([STDOUT]) + b"still here\r\n"]
    closing = await socket.receive(timeout=5)
    assert (closing.type, closing.data, closing.extra) == (aiohttp.WSMsgType.CLOSE, 1008, "session expired")


# Metrics.


async def test_metrics_stream_where_there_is_one(me, daemon, id_, web):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await me.socket(f"{web}/metrics/stream")
    assert caught.value.status == 404
    daemon.metrics_stream = True
    async with me.socket(f"{web}/metrics/stream") as socket:
        first = json.loads(await socket.receive_str(timeout=5))
        assert set(first) == {"timestamp", "cpu", "memory", "storage", "network"}
        assert set(first["cpu"]) == {"used", "limit", "percent", "unit"}
        await until(lambda: daemon.deployment(id_).samples.listeners)
        daemon.deployment(id_).samples.add({"cpu": 1})
        assert await texts(socket, 1) == ['{"cpu":1}']
