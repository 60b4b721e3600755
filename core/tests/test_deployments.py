"""Deployments: told by the chain, completed by their providers, found by their ids, changed, heard and entered."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from purveyor.model.deployment import DeploymentAction, LogLine, OperationState
from purveyor.model.errors import (
    ApiError,
    CallTimeoutError,
    DeploymentNotFoundError,
    OwnershipUnverifiedError,
    ProviderNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    UncertainOutcomeError,
    ValidationError,
)
from purveyor.model.views import Health
from purveyor.plugin import Effect

from ._chain import HANG, down
from ._cloud import virtual

THREE = {"one": "https://one.example", "two": "https://two.example", "three": "https://three.example"}
LEASES = [("one", "7"), ("two", "7"), ("two", "8")]


@pytest.fixture
def chain(chains):
    found = chains.add()
    found.providers, found.leases = THREE, LEASES
    return found


def ids(items) -> set[str]:
    return {f"{one.provider}/{one.id}" for one in items}


async def read(lines, got) -> None:
    async for line in lines:
        got.append(line.message)


class TestTheList:
    @virtual
    async def test_is_told_once_by_the_chain_and_completed_by_the_providers_with_leases(self, chains, chain):
        async with chains.client() as client:
            view = await client.list_deployments().collect()
        assert view.complete
        assert ids(view.items) == {"ve/one/7", "ve/two/7", "ve/two/8"}
        assert {one.name for one in view.items} == {"told by its provider"}
        assert (chain.count("list_deployments"), chain.count("get_deployment")) == (1, 3)
        assert chain.count("get_deployment", "ve/three") == 0
        assert ids(chain.known) == ids(view.items)

    @virtual
    async def test_shows_what_the_chain_knows_of_those_that_cannot_be_asked(self, chains, chain):
        chain.wrong["ve/two", "get_deployment"] = down()
        async with chains.client() as client:
            view = await client.list_deployments(deadline=5).collect()
        assert ids(view.items) == {"ve/one/7", "ve/two/7", "ve/two/8"}
        assert set(view.failures) == {"ve/two"}
        assert [one.name for one in view.items if one.provider == "ve/two"] == ["", ""]

    @virtual
    async def test_is_there_within_the_deadline_when_some_of_fifty_are_dead_and_some_hang(
        self, chains, chain
    ):
        chain.providers = {f"p{number:02d}": "https://x.example" for number in range(50)}
        chain.leases = [(name, "1") for name in chain.providers]
        for number in range(15):
            chain.wrong[f"ve/p{number:02d}", "get_deployment"] = down() if number < 10 else HANG
        async with chains.client() as client:
            view = await client.list_deployments(deadline=10).collect()
            assert asyncio.get_running_loop().time() <= 10.5
        assert len(view.items) == 50
        assert sum(one.name == "told by its provider" for one in view.items) == 35
        assert set(view.failures) == {f"ve/p{number:02d}" for number in range(15)}

    @virtual
    async def test_shows_leases_at_providers_that_nobody_can_find(self, chains, chain):
        chain.leases = [("gone", "9")]
        async with chains.client() as client:
            view = await client.list_deployments().collect()
        assert (ids(view.items), view.complete) == ({"ve/gone/9"}, True)

    @virtual
    async def test_is_the_chains_own_when_the_providers_cannot_be_found(self, chains, chain):
        chain.wrong["ve", "discover"] = down("no registry")
        async with chains.client() as client:
            view = await client.list_deployments(deadline=5).collect()
        assert ids(view.items) == {"ve/one/7", "ve/two/7", "ve/two/8"}
        assert "no registry" in view.failures["ve"].message

    @virtual
    async def test_of_a_chain_that_is_down_is_a_failure_beside_the_others(self, chains, chain):
        other = chains.add("bare", type="bare")
        other.leases = [("x", "3")]
        chain.wrong["ve", "list_deployments"] = down()
        async with chains.client() as client:
            view = await client.list_deployments(deadline=5).collect()
            assert asyncio.all_tasks() - {asyncio.current_task()} == set(client._background)
        assert (set(view.failures), len(view.items)) == ({"ve"}, 1)

    @virtual
    async def test_of_one_that_is_named_is_its_own(self, chains, chain):
        async with chains.client() as client:
            view = await client.list_deployments(["ve/two"]).collect()
        assert ids(view.items) == {"ve/two/7", "ve/two/8"}
        assert chain.count("list_deployments", "ve/two") == 1
        assert chain.count("list_deployments", "ve") == 0

    @virtual
    async def test_of_the_chain_by_its_name_is_everything_on_it(self, chains, chain):
        async with chains.client() as client:
            assert len((await client.list_deployments(["ve"]).collect()).items) == 3

    @virtual
    async def test_may_be_cancelled_anywhere_and_leaves_nothing(self, chains, chain):
        for steps in range(60):
            async with chains.client() as client:
                task = asyncio.create_task(client.list_deployments().collect())
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            assert asyncio.all_tasks() == {asyncio.current_task()}


class TestAnId:
    @virtual
    async def test_with_the_providers_whole_name_asks_that_provider_alone(self, chains, chain):
        async with chains.client() as client:
            found = await client.get_deployment("ve/two/8")
        assert (found.provider, found.id) == ("ve/two", "8")
        assert chain.count("list_deployments") == 0

    @pytest.mark.parametrize("written", ["8", "ve/8"])
    def test_that_only_one_has_needs_no_more(self, chains, chain, written):
        @virtual
        async def story():
            async with chains.client() as client:
                assert (await client.get_deployment(written)).provider == "ve/two"

        story()

    @pytest.mark.parametrize("written", ["7", "ve/7"])
    def test_that_two_have_is_refused_with_both_names(self, chains, chain, written):
        @virtual
        async def story():
            async with chains.client() as client:
                with pytest.raises(ValidationError, match="ve/one/7, ve/two/7"):
                    await client.get_deployment(written)

        story()

    @pytest.mark.parametrize("written", ["99", "ve/99", "ve/one/99"])
    def test_that_nobody_has_is_not_found(self, chains, chain, written):
        @virtual
        async def story():
            async with chains.client() as client:
                with pytest.raises(DeploymentNotFoundError):
                    await client.get_deployment(written)

        story()

    @pytest.mark.parametrize("written", ["ve/nobody/7", "else/7", "else/one/7", "ve/a/b/7"])
    def test_at_a_provider_that_nobody_knows_is_told_apart(self, chains, chain, written):
        @virtual
        async def story():
            async with chains.client() as client:
                with pytest.raises(ProviderNotFoundError):
                    await client.get_deployment(written)

        story()

    @virtual
    async def test_is_not_taken_for_the_only_one_when_it_is_to_be_changed_and_somebody_is_silent(
        self, chains, chain
    ):
        other = chains.add("bare", type="bare")
        other.wrong["bare", "list_deployments"] = down()
        async with chains.client() as client:
            assert (await client.get_deployment("8", deadline=5)).provider == "ve/two"
            with pytest.raises(ValidationError, match="bare could not be asked"):
                await client.perform_deployment_action("8", DeploymentAction.STOP, deadline=5)

    @virtual
    async def test_is_looked_for_no_longer_than_the_deadline(self, chains, chain):
        chain.wrong["ve", "discover"] = HANG
        async with chains.client() as client:
            with pytest.raises(CallTimeoutError):
                await client.get_deployment("ve/two/8", deadline=5)
            assert asyncio.get_running_loop().time() < 6


class TestAnAction:
    @virtual
    async def test_is_accepted_first_and_followed_if_wanted(self, chains, chain):
        async with chains.client() as client:
            begun = await client.perform_deployment_action("ve/two/8", DeploymentAction.RESTART)
            assert begun.state is OperationState.PENDING
            done = await client.perform_deployment_action("ve/two/8", DeploymentAction.RESTART, wait=True)
            assert (done.state, done.message) == (OperationState.SUCCEEDED, "so it is")
        assert chain.count("get_operation") == 2

    @virtual
    async def test_that_fails_is_an_error_that_says_why(self, chains, chain):
        chain.outcome = OperationState.FAILED
        async with chains.client() as client:
            with pytest.raises(ApiError, match="the stop of 8 failed: so it is") as caught:
                await client.perform_deployment_action("ve/two/8", DeploymentAction.STOP, wait=True)
        assert caught.value.provider == "ve/two"

    @virtual
    async def test_that_is_not_over_by_the_deadline_goes_on_without_us(self, chains, chain):
        chain.steps = 1000
        async with chains.client() as client:
            with pytest.raises(CallTimeoutError, match="still running; it goes on"):
                await client.perform_deployment_action("8", DeploymentAction.STOP, wait=True, deadline=20)

    @pytest.mark.parametrize(
        ("action", "tries"),
        [(DeploymentAction.RESTART, 1), (DeploymentAction.RESIZE, 1), (DeploymentAction.STOP, 3)],
    )
    def test_is_sent_again_only_if_that_changes_nothing(self, chains, chain, action, tries):
        @virtual
        async def story():
            chain.wrong["ve/two", "perform_action"] = down("cut off")
            async with chains.client() as client:
                kind = UncertainOutcomeError if tries == 1 else ProviderUnavailableError
                with pytest.raises(kind):
                    await client.perform_deployment_action("ve/two/8", action, deadline=30)
            assert (chain.count("perform_action") > 1) == (tries > 1)
            assert chain.count("perform_action", "ve/two") == chain.count("perform_action")

        story()

    def test_of_those_that_may_be_repeated_is_agreed_with_the_plugin(self):
        from purveyor.engine.deployments import _CONVERGING

        assert {DeploymentAction.START, DeploymentAction.STOP} == _CONVERGING
        assert Effect.CONVERGE is not Effect.ONCE


class TestALog:
    @virtual
    async def test_comes_line_by_line_from_the_provider_and_ends(self, chains, chain):
        async with chains.client() as client:
            assert [line async for line in client.stream_logs("8")] == [LogLine(one) for one in chain.lines]
            assert client.provider("ve/two").health is Health.ONLINE
        assert chain.open == 0
        assert {who for who, done in chain.asked if done == "stream_logs"} == {"ve/two"}

    @virtual
    async def test_is_opened_again_only_before_its_first_line(self, chains, chain):
        chain.wrong["ve/two", "stream_logs"] = down()
        async with chains.client() as client:
            with pytest.raises(ProviderUnavailableError):
                await anext(client.stream_logs("ve/two/8", deadline=30))
            assert chain.count("stream_logs") > 1
            chain.wrong.clear()
            chain.asked.clear()
            chain.ends = [down("broken off")]
            got = []
            with pytest.raises(ProviderUnavailableError, match="broken off") as caught:
                await read(client.stream_logs("ve/two/8"), got)
            assert (tuple(got), chain.count("stream_logs")) == (chain.lines, 1)
            assert (caught.value.provider, caught.value.operation) == ("ve/two", "stream_logs")
            assert client.provider("ve/two").health is not Health.ONLINE
        assert chain.open == 0

    @pytest.mark.parametrize(
        "error", [OwnershipUnverifiedError("lease query unavailable"), RateLimitError("slow")]
    )
    def test_that_is_refused_is_the_providers_error(self, chains, chain, error):
        @virtual
        async def story():
            chain.wrong["ve/two", "stream_logs"] = error
            async with chains.client() as client:
                with pytest.raises(type(error)):
                    await anext(client.stream_logs("ve/two/8", deadline=30))
            assert (chain.count("stream_logs") == 1) == isinstance(error, OwnershipUnverifiedError)

        story()

    @virtual
    async def test_is_followed_for_as_long_as_wanted(self, chains, chain):
        async with chains.client() as client:
            got = []
            with pytest.raises(CallTimeoutError):
                await read(client.stream_logs("ve/two/8", follow=True, deadline=60), got)
            assert tuple(got) == chain.lines
            assert 60 <= asyncio.get_running_loop().time() < 61
        assert chain.open == 0

    @pytest.mark.parametrize("follow", [True, False])
    def test_may_be_cancelled_anywhere_and_leaves_nothing(self, chains, chain, follow):
        @virtual
        async def story():
            for steps in range(0, 90, 2):
                async with chains.client() as client:

                    async def follow_it(client=client):
                        async with contextlib.aclosing(client.stream_logs("8", follow=follow)) as lines:
                            async for _ in lines:
                                pass

                    task = asyncio.create_task(follow_it())
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                    assert chain.open == 0
                assert asyncio.all_tasks() == {asyncio.current_task()}

        story()


class TestAShell:
    @virtual
    async def test_says_what_comes_and_ends_with_its_code(self, chains, chain):
        async with (
            chains.client() as client,
            client.open_shell("8", ["ls", "-l"], columns=80, rows=24) as shell,
        ):
            assert (shell.request.id, shell.request.command) == ("8", ("ls", "-l"))
            await shell.send(b"out")
            await shell.send(b"!err")
            await shell.resize(100, 30)
            await shell.send_eof()
            assert [(one.data, one.stderr) async for one in shell] == [(b"out", False), (b"!err", True)]
            assert (shell.exit_code, shell.sizes) == (7, [(100, 30)])
            assert chain.open == 1
        assert chain.open == 0

    @virtual
    async def test_keeps_its_provider_open_though_that_is_gone(self, chains, chain):
        async with chains.client() as client:
            async with client.open_shell("ve/two/8"):
                chain.providers = {}
                await client.discover().collect()
                await asyncio.sleep(1)
                assert chain.closed == []
            await asyncio.sleep(1)
            assert chain.closed == [("ve/two", THREE["two"])]

    @virtual
    async def test_is_closed_when_what_is_done_in_it_fails(self, chains, chain):
        async with chains.client() as client:
            with pytest.raises(ZeroDivisionError):
                async with client.open_shell("8"):
                    raise ZeroDivisionError
        assert chain.open == 0

    @virtual
    async def test_that_does_not_open_in_time_is_given_up(self, chains, chain):
        chain.wrong["ve/two", "open_shell"] = HANG
        async with chains.client() as client:
            with pytest.raises(CallTimeoutError):
                async with client.open_shell("ve/two/8", deadline=10):
                    pass
        assert chain.open == 0


class TestTheRest:
    @virtual
    async def test_events_come_newest_first_and_no_more_than_wanted(self, chains, chain):
        async with chains.client() as client:
            events = await client.list_deployment_events("8", limit=25)
        assert [one.id for one in events] == [f"{number // 10}-{number % 10}" for number in range(25)]
        assert chain.count("list_events") == 3

    @virtual
    async def test_what_it_used_is_asked_of_its_provider(self, chains, chain):
        start = datetime(2026, 1, 1, tzinfo=UTC)
        async with chains.client() as client:
            (point,) = await client.get_deployment_metrics("8", start, start + timedelta(hours=1))
            assert (point.provider, point.time) == ("ve/two", start)
            with pytest.raises(ValidationError):
                await client.get_deployment_metrics("8", start, start)

    @virtual
    async def test_what_it_uses_comes_again_and_again(self, chains, chain):
        async with (
            chains.client() as client,
            contextlib.aclosing(client.stream_deployment_metrics("8")) as points,
        ):
            times = [(await anext(points)).time for _ in range(3)]
        assert [round((one - times[0]).total_seconds()) for one in times] == [0, 5, 10]

    @virtual
    async def test_what_a_provider_says_of_itself(self, chains, chain):
        async with chains.client() as client:
            assert (await client.get_provider_facts("ve/three")).name == "Gpu One"
