"""Scenarios 4 to 6: machines, and what is known of them when answers are lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from purveyor.model.errors import (
    InstanceNotFoundError,
    Outcome,
    PurveyorError,
    UncertainOutcomeError,
    ValidationError,
)
from purveyor.model.instance import Action, InstanceStatus
from purveyor.plugin import (
    ActionRequest,
    InstanceRequest,
    Mark,
    Marking,
    MarkRequest,
)
from purveyor_testing.conformance._bench import DOUBTS, REFUSALS, Bench, ids_of
from purveyor_testing.context import MARK, plain_call

__all__ = ["Machines"]


class Machines(Bench):
    """The life of a machine, marks, outcomes."""

    # 4. The life of a machine.

    async def test_4_1_a_whole_life(self) -> None:
        """Made, ready, listed once, stopped, started, rebooted, deleted, gone; deleting again is fine."""
        async with self.cloud(speed="fast") as cloud, self.client(cloud) as client:
            one = (await client.provision(self.with_key(), wait=True)).instance
            where = f"it/{one.id}"
            assert one.ready
            assert (one.name, one.provider) == (self.spec.name, "it")
            assert one.plan
            assert one.region
            assert one.created_at
            listed = (await client.list_instances().collect()).items
            assert [found.id for found in listed] == [one.id]
            assert (
                await client.perform_action(where, Action.STOP, wait=True)
            ).status is InstanceStatus.STOPPED
            assert (
                await client.perform_action(where, Action.START, wait=True)
            ).status is InstanceStatus.RUNNING
            assert (
                await client.perform_action(where, Action.REBOOT, wait=True)
            ).status is InstanceStatus.RUNNING
            await client.delete_instance(where)
            await client.delete_instance(where)
            assert [
                found for found in (await client.list_instances().collect()).items if not _going(found)
            ] == []

    async def test_4_2_converging_actions_are_content_with_what_is(self) -> None:
        """Starting what runs is success."""
        async with self.cloud(speed="fast") as cloud, self.client(cloud) as client:
            one = (await client.provision(self.with_key(), wait=True)).instance
            await client.perform_action(f"it/{one.id}", Action.START, wait=True)

    async def test_4_3_a_missing_parameter_is_named_before_anything_is_sent(self) -> None:
        """Resizing needs a plan."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            with pytest.raises(ValidationError) as caught:
                await provider.perform_action(ActionRequest(id="1", action=Action.RESIZE), plain_call())
            assert caught.value.field == "plan"
            assert cloud.log == []

    @pytest.mark.parametrize(
        "hostile", ["999999999", "../account", "1?x=y", "1/actions", "%2e%2e", "1\r\nX: y", ""]
    )
    async def test_4_4_unknown_and_hostile_ids_find_nothing(self, hostile: str) -> None:
        """And reach no other path."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            with pytest.raises((InstanceNotFoundError, ValidationError)):
                await provider.get_instance(InstanceRequest(hostile), plain_call())
            assert all(entry.path.endswith("/999999999") for entry in cloud.log)

    # 5. Marks.

    async def test_5_1_a_machine_is_found_by_its_mark_and_by_no_other(self) -> None:
        """This is what makes a lost answer harmless."""
        async with self.cloud() as cloud, self.client(cloud) as client, self.provider(cloud) as provider:
            made = await provider.create_instance(await self.resolved(client), plain_call())
            assert await ids_of(provider.find_by_mark(MarkRequest(MARK), plain_call())) == [made.id]
            other = Mark("owner00001", "intent0000000002")
            assert await ids_of(provider.find_by_mark(MarkRequest(other), plain_call())) == []

    async def test_5_2_nothing_is_made_without_a_mark(self) -> None:
        """An unmarked machine could never be found again."""
        async with self.cloud() as cloud, self.client(cloud) as client, self.provider(cloud) as provider:
            request = await self.resolved(client)
            with pytest.raises(PurveyorError):
                await provider.create_instance(request, plain_call(mark=None))
            assert self.made(cloud) == 0

    # 6. Outcomes.

    @pytest.mark.parametrize("fault", REFUSALS)
    async def test_6_1_a_refusal_says_that_nothing_was_made(self, fault: str) -> None:
        """Only then may somebody else be asked."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=None)
            with pytest.raises(PurveyorError) as caught:
                await client.provision(self.spec)
            assert caught.value.outcome is Outcome.REFUSED
            assert caught.value.elsewhere
            assert self.made(cloud) == 0

    @pytest.mark.parametrize("fault", DOUBTS)
    async def test_6_2_a_lost_or_unreadable_answer_is_doubt_until_it_is_settled(self, fault: str) -> None:
        """A machine that is there is found; while it may still come, nothing makes a second one."""
        async with self.cloud() as cloud, self.client(cloud, late_commit_bound=1000) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=None, **DOUBTS[fault])
            with suppress(UncertainOutcomeError):
                assert (await client.provision(self.spec, deadline=1)).complete
                assert self.made(cloud) == 1
            if self.descriptor.marking is Marking.TAG:
                assert self.sent(cloud) == 1
            assert self.made(cloud) <= 1

    async def test_6_3_a_dead_server_has_not_been_sent_anything(self) -> None:
        """So somebody else may be asked."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            await client.explain(self.spec)
            await cloud.stop()
            with pytest.raises(PurveyorError) as caught:
                await client.provision(self.spec, deadline=2)
            assert caught.value.outcome is Outcome.NOT_SENT

    async def test_6_4_a_cancelled_create_leaves_nothing_running(self) -> None:
        """No task, and the client goes on."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            await client.explain(self.spec)
            before = asyncio.all_tasks()
            cloud.fault("hang", method=self.create[0], path=self.create[1])
            task = asyncio.create_task(client.provision(self.spec))
            while not self.sent(cloud):  # noqa: ASYNC110 - the log is no event
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(10):
                while any(map(_is_ours, asyncio.all_tasks() - before)):  # noqa: ASYNC110 - tasks are no event
                    await asyncio.sleep(0)  # what is still being written down
            assert self.sent(cloud) == 1

    @pytest.mark.parametrize("fault", [fault for fault in DOUBTS if fault != "late_effect"])
    async def test_6_5_a_lost_answer_makes_one_machine_all_the_same(self, fault: str) -> None:
        """It is found by its mark, or surely does not exist and is made then."""
        async with self.cloud() as cloud, self.client(cloud, timeout=1) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=1, **DOUBTS[fault])
            made = await client.provision(self.spec, key="once")
            again = await client.provision(self.spec, key="once")
            assert self.made(cloud) == 1
            assert made.instance.id == again.instance.id
            (intent,) = await client.list_intents()
            assert (intent.state.owns_machine, intent.instance_id) == (True, made.instance.id)


def _is_ours(task: asyncio.Task[Any]) -> bool:
    """Whether a task runs code of these packages; the sandbox's server has tasks of its own."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame is not None and frame.f_globals["__name__"].startswith("purveyor")


def _going(instance: Any) -> bool:
    return instance.status in {InstanceStatus.DELETING, InstanceStatus.DELETED}
