import asyncio
from contextlib import AsyncExitStack

import pytest

from purveyor.model.errors import PurveyorError
from purveyor.model.values import Secret
from purveyor.spi.call import Call, Exchange
from purveyor.wire import BearerAuth, Client
from purveyor_testing.context import plain_context

from ._server import Server


class Ask:
    """Sends requests and keeps what became of the last one."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.call = Call(deadline=0.0)

    def client(self, url: str, *, timeout: float = 20.0, settings=None, **options) -> Client:
        context = plain_context(provider="do-ams", type="digitalocean", timeout=timeout, **(settings or {}))
        client = Client(context, base_url=url, **{"auth": BearerAuth(Secret("canary-token")), **options})
        self._stack.push_async_callback(client.aclose)
        return client

    async def error(
        self, client: Client, method: str = "GET", path: str = "/v2/droplets", **options
    ) -> PurveyorError:
        """The error that a request ends in."""
        with pytest.raises(PurveyorError) as caught:
            await client.request(self.call, method, path, **{"operation": "list_instances", **options})
        return caught.value

    @property
    def exchange(self) -> Exchange:
        return self.call.exchanges[-1]


@pytest.fixture
async def stack():
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def ask(stack):
    return Ask(stack)


@pytest.fixture
def serve(stack):
    """Starts a server that follows a script."""

    async def start(script, **options) -> Server:
        return await stack.enter_async_context(Server(script, **options))

    return start


@pytest.fixture
async def leap(monkeypatch):
    """Lets an hour pass at once on the loop's clock."""
    loop, passed = asyncio.get_running_loop(), []
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + sum(passed))
    return lambda: passed.append(3600.0)


@pytest.fixture(autouse=True)
async def no_task_is_left_behind():
    yield
    assert asyncio.all_tasks() == {asyncio.current_task()}
