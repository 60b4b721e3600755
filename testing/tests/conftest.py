"""A vendor small enough to see through, for testing the kit itself."""

from collections.abc import AsyncIterator, Iterable

import aiohttp
import attrs
import pytest

from purveyor_testing.sandbox import Answer, Call, Route, Sandbox


@attrs.define(eq=False, kw_only=True, slots=False)
class ToyCloud(Sandbox):
    """Things can be listed and made."""

    things: list[dict[str, object]] = attrs.field(factory=list, init=False)

    def routes(self) -> Iterable[Route]:
        return (
            Route("GET", "/things", self.list_things, "things:read"),
            Route("POST", "/things", self.make_thing, "things:create"),
        )

    def list_things(self, call: Call) -> Answer:
        now = self.clock.now - call.lag
        rows = [one for one in self.things if isinstance(one["made"], float) and one["made"] <= now]
        if call.shift:
            rows = rows[1:]
        return Answer.json({"things": rows})

    def make_thing(self, call: Call) -> Answer:
        thing = {"id": len(self.things) + 1, "name": call.json()["name"], "made": self.clock.now, "on": True}
        self.things.append(thing)
        call.effect("created", "thing", thing["id"], ("a",))
        return Answer.json({"thing": thing}, 201)


@pytest.fixture
async def cloud() -> AsyncIterator[ToyCloud]:
    async with ToyCloud(seed=7, speed="stepped") as running:
        yield running


@pytest.fixture
async def http(cloud: ToyCloud) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the cloud's token, a connection of its own per request, and its own eyes for bodies."""
    session = aiohttp.ClientSession(
        cloud.base_url,
        headers={"Authorization": f"Bearer {cloud.token}"},
        connector=aiohttp.TCPConnector(force_close=True),
        auto_decompress=False,
    )
    async with session:
        yield session
