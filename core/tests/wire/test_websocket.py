"""WebSockets: what arrives, what ends them, and what is left when they have ended."""

import asyncio
import itertools
import tracemalloc
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from purveyor.model.errors import (
    CallTimeoutError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
)
from purveyor.model.values import MiB

from ._frames import BINARY, CLOSE, PING, PONG, accept, frame, read_frame
from ._server import answer, once

LOGS = "/api/v1/deployments/412/logs"


def talking(*frames: bytes, then=None):
    """A script that opens a WebSocket and sends these."""

    async def script(peer):
        await accept(peer)
        for one in frames:
            await peer.write(one)
        await (then(peer) if then else peer.gone())

    return script


async def messages(client, call, **options):
    async with client.websocket(call, LOGS, operation="stream_logs", **options) as socket:
        return [one async for one in socket], socket


async def failing(client, call, **options):
    with pytest.raises(PurveyorError) as caught:
        await messages(client, call, **options)
    return caught.value


async def test_messages_come_as_they_were_sent_and_then_the_end(ask, serve):
    server = await serve(talking(frame(b"a"), frame(b"\x64b", BINARY), frame(b"\x03\xe8bye", CLOSE)))
    got, socket = await messages(ask.client(server.url), ask.call)
    assert got == ["a", b"\x64b"]
    assert (socket.close_code, socket.close_reason) == (1000, "bye")
    assert await socket.receive() is None


async def test_the_handshake_is_one_exchange_with_the_credential_and_the_query(ask, serve):
    server = await serve(talking(frame(kind=CLOSE)))
    _, socket = await messages(ask.client(server.url), ask.call, params={"tail": 2})
    (arrival,) = server.arrivals
    assert arrival.target == f"{LOGS}?tail=2"
    assert arrival.headers["authorization"] == "Bearer canary-token"
    assert "sec-websocket-extensions" not in arrival.headers
    assert (ask.exchange.status, len(ask.call.exchanges), socket.close_code) == (101, 1, 1005)


async def test_a_connection_that_is_dropped_is_an_end_without_a_word(ask, serve):
    async def leave(peer):
        return None

    server = await serve(talking(frame(b"last"), then=leave))
    got, socket = await messages(ask.client(server.url), ask.call)
    assert (got, socket.close_code) == (["last"], 1006)


async def test_a_reset_connection_is_an_end_too(ask, serve):
    server = await serve(talking(then=lambda peer: peer.reset()))
    got, socket = await messages(ask.client(server.url), ask.call)
    assert (got, socket.close_code) == ([], 1006)


async def test_pings_are_answered_and_none_are_sent(ask, serve):
    heard = []

    async def listen(peer):
        heard.append(await read_frame(peer))
        await peer.write(frame(kind=CLOSE))
        heard.append(await read_frame(peer))

    server = await serve(talking(frame(b"there?", PING), then=listen))
    await messages(ask.client(server.url), ask.call)
    await asyncio.gather(*server._tasks)
    assert heard == [(PONG, b"there?"), (CLOSE, b"\x03\xe8")]


async def test_what_is_sent_arrives_and_to_a_closed_one_nothing_can_be_sent(ask, serve):
    heard = []

    async def listen(peer):
        heard.extend([await read_frame(peer), await read_frame(peer)])
        await peer.write(frame(kind=CLOSE))

    server = await serve(talking(then=listen))
    async with ask.client(server.url).websocket(ask.call, LOGS) as socket:
        await socket.send(b"\x68ls\n")
        await socket.send("text")
        assert await socket.receive() is None
        with pytest.raises(ProviderUnavailableError):
            await socket.send(b"too late")
    assert heard == [(BINARY, b"\x68ls\n"), (1, b"text")]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, InvalidCredentialsError), (403, PermissionDeniedError), (404, NotFoundError)]
)
async def test_a_refused_handshake_is_translated_with_its_text(ask, serve, status, kind):
    seen = []
    server = await serve(once(answer(status, b"lease query unavailable\n", "content-type: text/plain")))
    error = await failing(ask.client(server.url, translate=lambda one: seen.append(one.body)), ask.call)
    assert isinstance(error, kind)
    assert error.outcome is Outcome.REFUSED
    assert (error.provider, error.operation) == ("do-ams", "stream_logs")
    assert seen == [b"lease query unavailable\n"]


async def test_an_answer_that_opens_nothing_is_a_mismatch(ask, serve):
    server = await serve(once(answer(200, b"hello")))
    error = await failing(ask.client(server.url), ask.call)
    assert isinstance(error, ProtocolMismatchError)
    assert "opens no WebSocket" in error.message


async def test_a_handshake_with_the_wrong_key_is_a_mismatch(ask, serve):
    headers = ("upgrade: websocket", "connection: upgrade", "sec-websocket-accept: AAAA")
    server = await serve(once(answer(101, b"", *headers)))
    assert isinstance(await failing(ask.client(server.url), ask.call), ProtocolMismatchError)


async def test_a_redirect_is_not_followed_and_nothing_arrives_there(ask, serve):
    elsewhere = await serve(talking(frame(kind=CLOSE)))
    server = await serve(once(answer(302, b"", f"location: {elsewhere.url}{LOGS}")))
    error = await failing(ask.client(server.url), ask.call)
    assert isinstance(error, ProtocolMismatchError)
    assert elsewhere.url in error.message
    assert elsewhere.peers == []


async def test_a_server_that_does_not_answer_the_handshake_is_given_up(ask, serve, leap):
    async def silent(peer):
        await peer.read()
        leap()
        await peer.gone()

    server = await serve(silent)
    assert isinstance(await failing(ask.client(server.url), ask.call), CallTimeoutError)


async def test_a_server_that_nobody_runs_was_sent_nothing(ask):
    error = await failing(ask.client("http://127.0.0.1:1"), ask.call)
    assert (type(error), error.outcome) == (ProviderUnavailableError, Outcome.NOT_SENT)


async def test_a_frame_of_a_hundred_megabytes_is_refused_by_its_head(ask, serve):
    async def pour(peer):
        await peer.write(frame(size=100 * MiB))
        for _ in range(100):
            await peer.write(b"x" * MiB)

    server = await serve(talking(then=pour))
    client = ask.client(server.url)
    tracemalloc.start()
    try:
        error = await failing(client, ask.call)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, ProtocolMismatchError)
    assert "larger than agreed" in error.message
    assert peak < 8 * MiB


async def test_a_message_in_many_frames_is_bounded_as_a_whole(ask, serve):
    piece = frame(b"x" * 60_000, 0)
    pieces = [bytes([one[0] & 0x7F]) + one[1:] for one in (frame(b"y"), *[piece] * 40)]
    server = await serve(talking(*pieces))
    assert "larger than agreed" in (await failing(ask.client(server.url), ask.call)).message


@pytest.mark.parametrize("size", [0, 10])
async def test_a_million_frames_that_nobody_reads_stay_at_the_server(ask, serve, size):
    pouring = asyncio.Event()

    async def pour(peer):
        peer.writer.write(frame(b"x" * size) * 1_000_000)
        pouring.set()
        await peer.gone()

    server = await serve(talking(then=pour))
    async with ask.client(server.url).websocket(ask.call, LOGS) as socket:
        await pouring.wait()
        (peer,), left = server.peers, -1
        while left != (left := peer.writer.transport.get_write_buffer_size()):
            for _ in range(100):
                await asyncio.sleep(0)
        assert len(socket._socket._reader._buffer) < 10_000


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", frame(b"\xff", 1), b"\x83\x00"])
async def test_what_is_no_message_ends_it_with_an_error(ask, serve, garbage):
    server = await serve(talking(garbage))
    assert isinstance(await failing(ask.client(server.url), ask.call), ProtocolMismatchError)


async def test_a_server_that_never_reads_does_not_hold_up_the_end(ask, serve):
    done = asyncio.Event()

    async def deaf(peer):
        peer.writer.transport.pause_reading()
        await done.wait()

    server = await serve(talking(frame(b"one"), then=deaf))
    async with ask.client(server.url).websocket(ask.call, LOGS) as socket:
        assert await socket.receive() == "one"
    done.set()  # it is still there, and nobody waited for it


def open_sockets() -> int:
    """How many sockets this process holds."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc here")
    count = 0
    for one in folder.iterdir():
        with suppress(OSError):
            count += str(one.readlink()).startswith("socket:")
    return count


async def test_wherever_it_is_cancelled_no_task_and_no_socket_is_left(ask, serve):
    async def slowly(peer):
        await asyncio.sleep(0)
        await accept(peer)
        for number in range(5):
            await peer.write(frame(b"%d" % number))
            await asyncio.sleep(0)
        await peer.gone()

    server = await serve(slowly)
    client = ask.client(server.url)

    async def follow(got):
        async with client.websocket(ask.call, LOGS) as socket, aclosing(aiter(socket)) as lines:
            async for line in lines:
                got.append(line)

    before, got = open_sockets(), []
    for steps in itertools.count():
        if got == ["0", "1", "2", "3", "4"]:  # the steps led through all of it
            break
        got = []
        task = asyncio.create_task(follow(got))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
    await asyncio.gather(*server._tasks, return_exceptions=True)
    assert open_sockets() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_closed_client_has_closed_its_websockets(ask, serve):
    server = await serve(talking())
    client = ask.client(server.url)
    async with client.websocket(ask.call, LOGS) as socket:
        waiting = asyncio.create_task(socket.receive())
        await asyncio.sleep(0)
        await client.aclose()
        assert await waiting is None
    await asyncio.gather(*server._tasks)
