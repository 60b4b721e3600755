"""WebSockets, bodies that are made while they are sent, and several servers that belong together."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import ClassVar

import aiohttp
import attrs
import pytest

from purveyor_testing.sandbox import Answer, Call, Entry, Route, Sandbox, Socket


@attrs.define(eq=False, kw_only=True, slots=False)
class Talker(Sandbox):
    """It talks on WebSockets."""

    seen: list[str] = attrs.field(factory=list, init=False)
    ended: list[str] = attrs.field(factory=list, init=False)
    secret_params: ClassVar[frozenset[str]] = frozenset({"key"})

    def authenticate(self, call: Call) -> None:
        """Everybody may."""

    def note(self, call: Call, entry: Entry) -> None:
        self.seen.append(f"{entry.seq} {call.path}?{call.raw_query}")

    def routes(self) -> Iterable[Route]:
        return (
            Route("GET", "/echo", lambda _: Answer(101, talk=self._echo)),
            Route("GET", "/raw", lambda _: Answer(101, talk=self._raw)),
            Route("GET", "/mute", lambda _: Answer(101, talk=self._mute)),
            Route("GET", "/parts", lambda _: Answer(200, parts=self._parts)),
            Route("GET", "/ok", lambda _: Answer.json({})),
        )

    def control_routes(self) -> Iterable[Route]:
        return (Route("POST", "/first", lambda _: Answer(204, first=self._first)),)

    async def _first(self) -> None:
        self.ended.append("first")

    async def _echo(self, socket: Socket) -> None:
        while (message := await socket.receive()) is not None:
            if message == "bye":
                await socket.close(1008, "enough")
                return
            if message == "drop":
                return
            await socket.send(message)

    async def _raw(self, socket: Socket) -> None:
        await socket.send_raw(b"\x81\x02hi")
        await socket.receive()

    async def _mute(self, socket: Socket) -> None:
        try:
            await socket.send("hello")
            await asyncio.Event().wait()
        finally:
            self.ended.append("mute")

    async def _parts(self) -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number


@pytest.fixture
async def talker() -> AsyncIterator[Talker]:
    async with Talker() as running:
        yield running


@pytest.fixture
async def web(talker: Talker) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(talker.origin) as session:
        yield session


IMPATIENT = aiohttp.ClientWSTimeout(ws_close=0.05)


async def test_messages_go_both_ways_until_somebody_says_goodbye(web):
    async with web.ws_connect("/echo") as socket:
        await socket.send_str("text")
        assert await socket.receive_str(timeout=5) == "text"
        await socket.send_bytes(b"\0bytes")
        assert await socket.receive_bytes(timeout=5) == b"\0bytes"
        await socket.send_str("bye")
        closing = await socket.receive(timeout=5)
        assert (closing.data, closing.extra) == (1008, "enough")


async def test_who_stops_talking_ends_the_connection_without_a_goodbye(web):
    async with web.ws_connect("/echo") as socket:
        await socket.send_str("drop")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSED
        assert socket.close_code == 1006


async def test_raw_frames_are_sent_as_they_are(web):
    async with web.ws_connect("/raw") as socket:
        assert await socket.receive_str(timeout=5) == "hi"


async def test_a_talk_ends_with_its_client(talker, web):
    async with web.ws_connect("/mute", timeout=IMPATIENT) as socket:
        await socket.receive_str(timeout=5)
        assert talker.connections == 1
    async with asyncio.timeout(5):
        while not talker.ended or talker.connections:  # noqa: ASYNC110 - the server runs on this loop
            await asyncio.sleep(0.001)


async def test_a_talk_ends_with_the_server(talker, web):
    async with web.ws_connect("/mute", timeout=IMPATIENT) as socket:
        await socket.receive_str(timeout=5)
        async with asyncio.timeout(5):
            await talker.stop()
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSED
    assert talker.ended == ["mute"]
    assert talker.connections == 0


async def test_an_upgrade_is_on_record_and_suffers_faults_like_any_call(talker, web):
    talker.fault("error_before", path="/echo")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await web.ws_connect("/echo")
    async with web.ws_connect("/echo"):
        pass
    talker.fault("reset_after", path="/echo", times=None)  # aiohttp tries a second time
    with pytest.raises(aiohttp.ClientError):
        await web.ws_connect("/echo")
    told = [(one.status, one.fault) for one in talker.log]
    assert told == [(500, "error_before"), (101, None), (None, "reset_after"), (None, "reset_after")]


async def test_a_body_may_be_made_while_it_is_sent(web):
    async with web.get("/parts") as answer:
        assert (answer.headers["Transfer-Encoding"], await answer.read()) == ("chunked", b"012")


async def test_a_control_answer_waits_for_what_must_come_first(talker, web):
    async with web.post(f"{talker.control_url}/first") as answer:
        assert (answer.status, talker.ended) == (204, ["first"])


async def test_the_log_hides_credentials_and_the_sandbox_sees_the_query_as_it_came(talker, web):
    async with web.get("/ok?key=secret&b=%20"):
        pass
    assert talker.seen[-1].endswith("/ok?key=secret&b=%20")
    assert talker.log[-1].query == {"key": "****", "b": " "}


async def test_servers_that_belong_together_share_time_and_log():
    async with contextlib.AsyncExitStack() as stack:
        first, second = Talker(speed="stepped"), Talker(speed="stepped")
        for name, server in (("first", first), ("second", second)):
            server.server_name, server.clock, server.truth = name, first.clock, first.truth
            await stack.enter_async_context(server)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for server in (second, first):
            async with session.get(f"{server.origin}/ok"):
                first.advance(1)
        async with session.get(f"{second.control_url}/log") as answer:
            told = json.loads(await answer.text())
    assert [(one["server"], one["at"][17:19]) for one in told] == [("second", "00"), ("first", "01")]
    assert first.log == second.log
