"""Logs and metrics that go on and on, shells that do not, and what is left of them: nothing."""

import asyncio
import gc
import itertools
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from purveyor.plugin import (
    ApiError,
    Call,
    DeploymentAction,
    DeploymentActionRequest,
    DeploymentNotFoundError,
    LogsRequest,
    MetricsStreamRequest,
    OwnershipUnverifiedError,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    ShellRequest,
    UnsupportedOperationError,
)
from purveyor_virtengine import _streams
from purveyor_virtengine._leases import MovedError

from ._build import call, until, world


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(_streams, "QUIET_SECONDS", 0.05)


class Log:
    """The log of the furnished deployment, at a provider that lives and dies."""

    def __init__(self, here, endpoint):
        self.cloud, self.daemon = here.cloud, here.cloud.daemons[0]
        self.id = str(here.cloud.chain.leases[0].dseq)
        self.endpoint = endpoint
        self.lines, self.arrived = [], 0

    def say(self, *messages):
        for message in messages:
            self.daemon.say(self.id, message)

    @property
    def written(self):
        return [entry.message for entry in self.daemon.deployment(self.id).log.tail(0)]

    async def read(self, **request):
        wanted = LogsRequest(id=self.id, **request)
        return [line.message async for line in self.endpoint.stream_logs(wanted, call())]

    def followed(self, **request):
        """A task that collects what is told."""

        async def follow():
            wanted = LogsRequest(id=self.id, follow=True, **request)
            async with aclosing(self.endpoint.stream_logs(wanted, Call(deadline=float("inf")))) as lines:
                async for line in lines:
                    self.lines.append(line.message)

        return asyncio.create_task(follow())

    async def all_told(self):
        await until(lambda: len(self.lines) >= len(self.written))

    @property
    def listened(self):
        return self.daemon.deployment(self.id).log.listeners == 1


@pytest.fixture
async def log():
    async with world(behaviour={"rate_limit": 0}) as here:
        yield Log(here, await here.endpoint(here.cloud.daemons[0]))
        assert here.cloud.strays == []


async def end(task):
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


# Logs.


async def test_a_log_is_read_to_its_end(log):
    log.say("one", "two\n  goes on")
    assert (await log.read())[-2:] == ["one", "two\n  goes on"]
    assert await log.read(tail=1) == ["two\n  goes on"]
    assert await log.read(tail=0) == []


async def test_a_followed_log_tells_what_is_there_and_what_comes(log):
    task = log.followed(tail=2)
    await until(lambda: log.listened and len(log.lines) == 2)
    log.say("hello")
    await until(lambda: log.lines[-1] == "hello")
    assert log.lines == [*log.written[-3:-1], "hello"]
    await end(task)
    await until(lambda: not log.listened)


async def test_a_provider_that_dies_in_the_middle_of_a_log_costs_no_line(log):
    task = log.followed()
    await until(lambda: log.listened)
    for life in range(3):
        log.say(*(f"{life}: {number}" for number in range(20)))
        await log.daemon.stop()
        log.say(f"{life}: while it was away")
        await log.daemon.start()
        await until(lambda: log.listened)
    log.say("at last")
    await log.all_told()
    assert log.lines == log.written
    await end(task)
    nonces = [one.nonce for one in log.cloud.signatures]
    assert len(set(nonces)) == len(nonces), "each connection was signed for anew"


async def test_lines_that_the_socket_loses_are_told_all_the_same(log):
    log.daemon.lines_between = 5
    task = log.followed()
    await until(lambda: log.listened)
    log.say(*(f"burst {number}" for number in range(500)))
    await log.all_told()
    assert sorted(log.lines) == sorted(log.written)
    await end(task)


async def test_lines_that_look_the_same_are_all_told(log):
    task = log.followed()
    await until(lambda: log.listened)
    log.say(*["beat"] * 10)
    await log.daemon.stop()
    log.say(*["beat"] * 10)
    await log.daemon.start()
    await until(lambda: log.listened)
    log.say(*["beat"] * 10)
    await log.all_told()
    assert log.lines == log.written
    await end(task)


async def test_a_followed_log_ends_with_its_lease(log):
    task = log.followed()
    await until(lambda: log.listened)
    log.cloud.close(log.cloud.chain.leases[0])
    await log.daemon.stop()
    await log.daemon.start()
    await task
    assert log.lines == log.written


async def test_a_log_that_cannot_be_opened_says_why_at_once(log):
    log.daemon.ownership = "unavailable"
    with pytest.raises(OwnershipUnverifiedError, match="lease query unavailable"):
        await log.followed()
    log.daemon.ownership = "checked"
    await log.daemon.stop()
    with pytest.raises(ProviderUnavailableError):
        await log.followed()


async def test_a_provider_that_takes_its_leave_for_good_ends_the_log(log):
    task = log.followed()
    await until(lambda: log.listened)
    log.daemon.ownership = "unavailable"
    await log.daemon.stop()
    await log.daemon.start()
    with pytest.raises(OwnershipUnverifiedError):
        await task


async def test_a_client_that_is_closed_ends_its_logs(log):
    task = log.followed()
    await until(lambda: log.listened)
    await log.endpoint.aclose()
    with pytest.raises(ProviderUnavailableError, match="closed"):
        await task


async def test_a_provider_that_moves_ends_the_log_and_says_where_it_is(log):
    task = log.followed()
    await until(lambda: log.listened)
    await log.cloud.move(log.daemon)
    with pytest.raises(MovedError) as caught:
        await task
    assert log.daemon.origin in str(caught.value)


async def test_a_server_that_never_reads_cannot_hold_up_the_end(log):
    log.daemon.turn_hostile("silence", path="*/logs")
    task = log.followed()
    await until(lambda: len(log.lines) == len(log.written))
    await end(task)
    await until(lambda: log.daemon.connections == 0)


@pytest.mark.parametrize("way", ["giant_frame", "endless_fragments", "bad_frame", "bad_text"])
async def test_hostile_frames_are_refused_by_name(log, way):
    log.daemon.turn_hostile(way)
    with pytest.raises(ProtocolMismatchError):
        await log.followed()
    await until(lambda: log.daemon.connections == 0)


async def test_a_million_frames_are_only_lines(log):
    log.daemon.turn_hostile("frame_flood", frames=100_000)
    task = log.followed()
    await until(lambda: len(log.lines) > 50_000, 60.0)
    await end(task)


async def test_a_log_without_end_is_cut_off(log):
    log.daemon.turn_hostile("giant_body", size=80 * 1024 * 1024)
    with pytest.raises(ProtocolMismatchError, match="larger than"):
        await log.read()


# Metrics.


async def test_metrics_are_asked_for_where_nothing_is_streamed(log):
    seen = []
    request = MetricsStreamRequest(id=log.id, interval=5.0)
    async with aclosing(log.endpoint.stream_metrics(request, Call(deadline=float("inf")))) as found:
        async for one in found:
            seen.append(one)
            if len(seen) == 3:
                break
    assert {one.id for one in seen} == {log.id}
    assert seen[0].cpu_limit == 3.0
    assert seen[0].network_received is None, "nobody says whether these bytes are a rate"


async def test_metrics_are_taken_as_they_are_told(log):
    log.daemon.metrics_stream = True
    samples = log.daemon.deployment(log.id).samples
    request = MetricsStreamRequest(id=log.id)
    async with aclosing(log.endpoint.stream_metrics(request, Call(deadline=float("inf")))) as found:
        now = await anext(found)
        samples.add({"cpu": {"used": 2.5, "limit": 4, "unit": "cores"}, "timestamp": "2026-01-01T00:00:00Z"})
        then = await anext(found)
        assert (now.cpu_limit, then.cpu_used, then.cpu_limit) == (3.0, 2.5, 4.0)
        await log.daemon.stop()
        await log.daemon.start()
        assert (await anext(found)).cpu_limit == 3.0, "it is opened anew"
    await until(lambda: log.daemon.connections == 0)


async def test_metrics_are_asked_for_where_a_stream_says_nothing(log, monkeypatch):
    monkeypatch.setattr(_streams, "IDLE_SECONDS", 0.05)
    log.daemon.metrics_stream = True
    log.daemon.turn_hostile("silence", path="*/metrics/stream")
    request = MetricsStreamRequest(id=log.id)
    async with aclosing(log.endpoint.stream_metrics(request, Call(deadline=float("inf")))) as found:
        assert (await anext(found)).cpu_limit == 3.0


async def test_metrics_that_nobody_measures_are_no_zeros(log):
    log.daemon.metrics = False
    request = MetricsStreamRequest(id=log.id)
    with pytest.raises(PurveyorError) as caught:
        await anext(log.endpoint.stream_metrics(request, call()))
    assert isinstance(caught.value, UnsupportedOperationError)


# Shells.


async def typed(log, text, **request):
    """What a shell writes, and what it ends with."""
    async with log.endpoint.open_shell(ShellRequest(id=log.id, **request), call()) as shell:
        await shell.send(text)
        written = [one async for one in shell]
    out = b"".join(one.data for one in written if not one.stderr)
    return out, b"".join(one.data for one in written if one.stderr), shell.exit_code


async def test_a_shell_writes_fails_and_ends_as_it_says(log):
    out, errors, code = await typed(log, b"hello\nerr alas\nexit 7\n")
    assert b"hello" in out
    assert errors == b"alas\r\n"
    assert code == 7


async def test_a_shell_knows_the_size_of_its_terminal(log):
    async with log.endpoint.open_shell(ShellRequest(id=log.id, columns=100, rows=30), call()) as shell:
        await shell.send(b"size\n")
        await shell.resize(132, 43)
        await shell.send(b"size\n")
        await shell.send_eof()
        out = b"".join([one.data async for one in shell])
    assert out.endswith(b"100x30\r\n132x43\r\n")
    assert shell.exit_code == 0


async def test_what_is_typed_may_be_long(log):
    out, _, _ = await typed(log, b"x" * 100_000 + b"\nexit 0\n")
    assert b"x" * 100_000 in out


async def test_a_shell_that_breaks_says_so(log):
    with pytest.raises(ApiError, match="the shell failed"):
        await typed(log, b"fail\n")


async def test_a_shell_is_never_opened_again_by_itself(log):
    async with log.endpoint.open_shell(ShellRequest(id=log.id), call()) as shell:
        await shell.send(b"hello\n")
        await anext(aiter(shell))
        before = len(log.cloud.signatures)
        await log.daemon.stop()
        with pytest.raises(ProviderUnavailableError, match="connection to the shell was lost"):
            async for _ in shell:
                pass
        assert shell.exit_code is None
        await log.daemon.start()
        with pytest.raises(ProviderUnavailableError):
            await shell.send(b"anybody?\n")
    assert len(log.cloud.signatures) == before


async def test_the_time_of_a_session_can_be_up(log):
    log.daemon.session_seconds = 0.01

    async def type_on():
        async with log.endpoint.open_shell(ShellRequest(id=log.id), call()) as shell:
            async for _ in shell:
                await shell.send(b"x\n")

    with pytest.raises(PermissionDeniedError, match="expired"):
        await type_on()


async def test_a_command_is_refused_before_anything_is_sent(log):
    with pytest.raises(UnsupportedOperationError, match="take no command"):
        async with log.endpoint.open_shell(ShellRequest(id=log.id, command=("ls",)), call()):
            pass
    assert log.cloud.signatures == []


# Whatever happens, nothing is left.


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def logs_for_a_while(log):
    wanted = LogsRequest(id=log.id, follow=True)
    async with aclosing(log.endpoint.stream_logs(wanted, Call(deadline=float("inf")))) as lines:
        async for _ in lines:
            log.arrived += log.listened


async def metrics_for_a_while(log):
    request = MetricsStreamRequest(id=log.id)
    async with aclosing(log.endpoint.stream_metrics(request, Call(deadline=float("inf")))) as found:
        async for _ in found:
            log.arrived += 1


async def shell_for_a_while(log):
    async with log.endpoint.open_shell(ShellRequest(id=log.id), call()) as shell:
        await shell.send(b"hello\n")
        async for _ in shell:
            log.arrived += 1
            await shell.send(b"hello\n")


class Steps:
    """Runs a coroutine and cancels it where it waits for the ``last`` time."""

    def __init__(self, work, last):
        self._work, self._last, self._taken = work, last, 0

    def __await__(self):
        inner = self._work.__await__()
        try:
            waits = inner.send(None)
            while True:
                self._taken += 1
                if self._taken == self._last:
                    asyncio.current_task().cancel()
                try:
                    got = yield waits
                except BaseException as error:  # noqa: BLE001 - a coroutine is thrown whatever there is
                    waits = inner.throw(error)
                else:
                    waits = inner.send(got)
        except StopIteration as over:
            return over.value


@pytest.mark.parametrize("work", [logs_for_a_while, metrics_for_a_while, shell_for_a_while])
@pytest.mark.parametrize("streamed", [False, True])
async def test_cancelled_at_any_await_it_leaves_no_task_socket_or_file(log, work, streamed):
    log.daemon.metrics_stream, log.daemon.chatter_seconds = streamed, 0.01
    await log.endpoint.check_health(call())
    await log.read()
    gc.collect()
    await until(lambda: log.daemon.connections <= 1)
    tasks, files = asyncio.all_tasks(), open_files()

    async def alone(steps):
        await steps

    for last in itertools.count(1):
        steps = Steps(work(log), last)
        task = asyncio.create_task(alone(steps))
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled(), f"after {last} steps"
        await until(lambda: log.daemon.connections <= 1)
        await until(lambda: len(asyncio.all_tasks()) <= len(tasks))
        if log.arrived >= 100:
            break
    gc.collect()
    await until(lambda: open_files() <= files)
    assert not log.cloud.strays


# Actions.


async def test_an_action_is_followed_by_its_events(log):
    request = DeploymentActionRequest(id=log.id, action=DeploymentAction.RESTART)
    operation = await log.endpoint.perform_action(request, call())
    assert not operation.over


async def test_who_follows_a_stranger_is_told(log):
    with pytest.raises(DeploymentNotFoundError):
        await anext(log.endpoint.stream_logs(LogsRequest(id="1", follow=True), call()))
