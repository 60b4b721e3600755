"""Equal servers stand in for one another, and say together what was wrong with each."""

import pytest

from purveyor.model.errors import (
    CallTimeoutError,
    NotFoundError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
)
from purveyor.spi.call import Call, LoopClock
from purveyor.wire import Replicas

from ._server import always, answer

GOOD = always(answer(200, b'{"up": 1}'))
DEAD = always(answer(503, b"", "connection: close"))
NOT_HERE = always(answer(404, b""))
FULL = always(answer(429, b""))


async def hung(peer):
    await peer.read()
    await peer.gone()


@pytest.fixture
def equals(ask, serve):
    """Replicas that follow one script each, and their servers."""

    async def start(*scripts, of_the_request=lambda _: False, **options):
        servers = [await serve(script) for script in scripts]
        clients = [(server.url, ask.client(server.url)) for server in servers]
        return Replicas(clients, LoopClock(), of_the_request=of_the_request, **options), servers

    return start


def call(seconds: float = 20.0) -> Call:
    return Call(deadline=LoopClock().monotonic() + seconds)


async def get(replicas: Replicas, during: Call | None = None):
    """What was read, and who gave it."""
    return await replicas.get(
        during or call(), "/status", {"at": 1}, lambda told, address: (told.json(), address), operation="look"
    )


async def failure(replicas: Replicas) -> PurveyorError:
    with pytest.raises(PurveyorError) as caught:
        await get(replicas)
    return caught.value


async def test_the_first_one_is_asked_as_long_as_it_answers(equals):
    replicas, (first, second) = await equals(GOOD, GOOD)
    assert [await get(replicas) for _ in range(2)] == [({"up": 1}, first.url)] * 2
    assert [one.target for one in first.arrivals] == ["/status?at=1"] * 2
    assert second.arrivals == []


async def test_a_dead_one_is_passed_over_and_not_asked_first_again(equals):
    replicas, (dead, good) = await equals(DEAD, GOOD)
    for _ in range(3):
        assert await get(replicas) == ({"up": 1}, good.url)
    assert (len(dead.arrivals), len(good.arrivals)) == (1, 3)


async def test_an_answer_that_cannot_be_read_is_no_answer(equals):
    replicas, (_, good) = await equals(always(answer(200, b"<html>")), GOOD)
    assert (await get(replicas))[1] == good.url


async def test_one_that_hangs_takes_its_share_of_the_time_only(equals):
    replicas, (_, good) = await equals(hung, GOOD)
    assert (await get(replicas, call(1.0)))[1] == good.url


async def test_all_were_asked_when_the_first_ones_error_is_raised_with_each_reason(equals):
    replicas, servers = await equals(DEAD, FULL)
    error = await failure(replicas)
    assert type(error) is ProviderUnavailableError
    assert error.operation == "look"
    assert [*error.details["replicas"]] == [one.url for one in servers]
    assert "429" in error.details["replicas"][servers[1].url]


async def test_what_is_wrong_with_the_request_is_asked_of_one_only(equals):
    wrong = {"of_the_request": lambda error: isinstance(error, NotFoundError)}
    replicas, (_, second) = await equals(NOT_HERE, GOOD, **wrong)
    assert type(await failure(replicas)) is NotFoundError
    assert second.arrivals == []


async def test_an_error_that_says_least_is_raised_only_where_there_is_no_other(equals):
    options = {"least": NotFoundError, "called": "nodes"}
    replicas, servers = await equals(NOT_HERE, FULL, **options)
    error = await failure(replicas)
    assert type(error) is RateLimitError
    assert [*error.details["nodes"]] == [one.url for one in servers]
    replicas, _ = await equals(NOT_HERE, NOT_HERE, **options)
    assert type(await failure(replicas)) is NotFoundError


async def test_errors_can_name_the_server_that_they_are_about(equals):
    def naming(error: PurveyorError, address: str) -> None:
        error.message = f"{address}: {error.message}"

    replicas, (first, second) = await equals(hung, DEAD, naming=naming)
    with pytest.raises(CallTimeoutError) as caught:
        await get(replicas, call(1.0))
    assert caught.value.message.startswith(first.url)
    assert caught.value.details["replicas"][second.url].startswith(second.url)


async def test_closing_closes_all_and_may_be_done_twice(equals):
    replicas, servers = await equals(DEAD, GOOD)
    await get(replicas)
    await replicas.aclose()
    await replicas.aclose()
    assert type(await failure(replicas)) is ProviderUnavailableError
    assert [len(one.arrivals) for one in servers] == [1, 1]
