"""Machines at the providers: finding them, changing them, waiting for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from purveyor.engine.doubt import doubt_told
from purveyor.engine.listing import listing
from purveyor.engine.pricing import PriceList
from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.engine.sharing import Shared
from purveyor.engine.views import Show, Source, ViewStream
from purveyor.engine.waiting import wait_until
from purveyor.model.errors import (
    ConflictError,
    InstanceNotFoundError,
    ValidationError,
)
from purveyor.model.instance import Action, Instance, InstanceStatus
from purveyor.model.views import Page
from purveyor.spi.call import Call, Effect
from purveyor.spi.facets import ActionRequest, InstanceRequest, ListRequest

__all__ = ["PROTECTED", "Machines"]

_PICK_UP_SECONDS = 5.0
"""After which a machine surely shows that it is being worked on, or is through."""

PROTECTED = "protected"
"""The tag of machines that are deleted only by force."""

_EFFECTS = {
    Action.START: Effect.CONVERGE,
    Action.STOP: Effect.CONVERGE,
    Action.POWER_OFF: Effect.CONVERGE,
    Action.RENAME: Effect.CONVERGE,
}
"""What repeating an action would do; all others are done once."""

_GOALS: Mapping[Action, InstanceStatus] = {
    Action.START: InstanceStatus.RUNNING,
    Action.REBOOT: InstanceStatus.RUNNING,
    Action.POWER_CYCLE: InstanceStatus.RUNNING,
    Action.REBUILD: InstanceStatus.RUNNING,
    Action.STOP: InstanceStatus.STOPPED,
    Action.POWER_OFF: InstanceStatus.STOPPED,
}
"""What a machine is when an action has really happened; providers call actions done that did nothing."""


class Machines:
    """What can be done to machines that exist. Deadlines are moments of the clock, not durations."""

    def __init__(self, registry: Registry, prices: PriceList, around: Surroundings) -> None:
        self._registry = registry
        self._prices = prices
        self._around = around
        self._lists: Shared[Instance] = Shared()

    def source(self, tag: str | None, seconds: float) -> Source[Instance]:
        """A view's source: every machine of a provider, with its price, within that many seconds."""

        async def pages(member: Member, call: Call) -> AsyncIterator[Page[Instance]]:
            return (await member.compute()).list_instances(ListRequest(tag=tag), call)

        async def priced(member: Member, found: tuple[Instance, ...], call: Call) -> tuple[Instance, ...]:
            return await self._prices.fill(member, found, deadline=call.deadline)

        return listing(
            "list_instances",
            pages,
            seconds=seconds,
            clock=self._around.clock,
            refine=priced,
            shared=self._lists if tag is None else None,
        )

    async def get(self, member: Member, bare: str, *, deadline: float) -> Instance:
        """One machine of one provider."""

        async def work(call: Call) -> Instance:
            return await (await member.compute()).get_instance(InstanceRequest(bare), call)

        found = await member.gate.call("get_instance", Effect.READ, work, deadline=deadline)
        (priced,) = await self._prices.fill(member, (found,), deadline=deadline)
        return priced

    async def find(self, instance_id: str, *, deadline: float) -> Instance:
        """The machine that ``provider/id`` names, or a bare id that only one provider has."""
        if named := self._registry.split(instance_id):
            return await self.get(await self._registry.find(named[0]), named[1], deadline=deadline)
        return await self._search(instance_id, deadline)

    async def locate(self, instance_id: str, *, deadline: float) -> tuple[Member, str]:
        """Where a machine is and its bare id there; asks the providers only if the id does not say."""
        if named := self._registry.split(instance_id):
            return await self._registry.find(named[0]), named[1]
        found = await self._search(instance_id, deadline, sure=True)
        return self._registry.get(found.provider), found.id

    async def delete(self, instance_id: str, *, force: bool, deadline: float) -> tuple[str, str]:
        """Delete one machine, unless it is protected; one that is gone already is success. Tells provider and id."""
        member, bare = await self.locate(instance_id, deadline=deadline)
        if not force and await self._is_protected(member, bare, deadline):
            raise ConflictError(
                f"instance {bare} carries the tag {PROTECTED!r} and is not deleted; take the tag off, or force it",
                provider=member.name,
                operation="delete_instance",
                field="tags",
            )

        async def work(call: Call) -> None:
            await (await member.compute()).delete_instance(InstanceRequest(bare), call)

        await member.gate.call("delete_instance", Effect.IDEMPOTENT, work, deadline=deadline)
        return member.name, bare

    async def act(
        self, instance_id: str, action: Action, parameters: Mapping[str, str], *, wait: bool, deadline: float
    ) -> Instance:
        """Do something to one machine; the machine afterwards, or when it has settled."""
        member, bare = await self.locate(instance_id, deadline=deadline)
        request = ActionRequest(id=bare, action=action, parameters=dict(parameters))

        async def work(call: Call) -> None:
            await (await member.compute()).perform_action(request, call)

        effect = _EFFECTS.get(action, Effect.ONCE)
        with doubt_told(effect, action):
            await member.gate.call("perform_action", effect, work, deadline=deadline)
        if not wait:
            return await self.get(member, bare, deadline=deadline)
        return await self._wait(member, bare, self._settled(member, action), deadline)

    def _settled(self, member: Member, action: Action) -> Callable[[Instance], bool]:
        """Whether a machine is through with an action.

        A machine that is to end up as it was must be seen to move, or given time in which it surely would have.
        """
        goal, moved = _GOALS.get(action), action in _EFFECTS
        surely = self._around.clock.monotonic() + min(_PICK_UP_SECONDS, member.visibility_grace)

        def settled(one: Instance) -> bool:
            nonlocal moved
            there = not one.busy and goal in {None, one.status}
            moved = moved or not there or self._around.clock.monotonic() >= surely
            return there and moved

        return settled

    async def ready(self, instance: Instance, *, deadline: float) -> Instance:
        """The machine once it runs, is not busy and has an address."""
        member = self._registry.get(instance.provider)
        return await self._wait(
            member, instance.id, lambda one: one.ready, deadline, visibility_grace=member.visibility_grace
        )

    async def _is_protected(self, member: Member, bare: str, deadline: float) -> bool:
        try:
            return PROTECTED in (await self.get(member, bare, deadline=deadline)).tags
        except InstanceNotFoundError:
            return False

    async def _search(self, bare: str, deadline: float, *, sure: bool = False) -> Instance:
        """The machine with this bare id; ``sure`` means that nobody else can have one, for changing it."""

        async def source(member: Member, show: Show[Instance]) -> None:
            with contextlib.suppress(InstanceNotFoundError):
                show(Page((await self.get(member, bare, deadline=deadline),)))

        left = deadline - self._around.clock.monotonic()
        view = await ViewStream(
            lambda: self._registry.asked("compute", seconds=left), source, self._around.clock.now
        ).collect()
        unsure = f"; {', '.join(view.failures)} could not be asked" if view.failures else ""
        if len(view.items) == 1 and not (sure and unsure):
            return view.items[0]
        if view.items:
            owners = ", ".join(f"{one.provider}/{one.id}" for one in view.items)
            raise ValidationError(
                f"other providers may have an instance {bare!r} too{unsure}: say which, {owners}"
                if len(view.items) == 1
                else f"several providers have an instance {bare!r}: say which, {owners}",
                field="id",
            )
        raise InstanceNotFoundError(f"no provider has an instance {bare!r}{unsure}", details={"id": bare})

    async def _wait(
        self,
        member: Member,
        bare: str,
        good: Callable[[Instance], bool],
        deadline: float,
        visibility_grace: float = 0.0,
    ) -> Instance:
        return await wait_until(
            lambda: self.get(member, bare, deadline=deadline),
            good,
            clock=self._around.clock,
            deadline=deadline,
            visibility_grace=visibility_grace,
        )
