"""One request for one machine: written down, sent, and what came of it noted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.engine.settling import Settler, mark_of, uncertain
from purveyor.engine.turns import Turns
from purveyor.model.errors import (
    CallTimeoutError,
    ConflictError,
    Outcome,
    ProviderUnavailableError,
    PurveyorError,
    StateUnavailableError,
)
from purveyor.model.instance import Instance, InstanceSpec
from purveyor.model.intent import Intent, IntentState
from purveyor.model.selection import Attempt, Candidate
from purveyor.policy.retry import RetryPolicy
from purveyor.spi.call import Call, Effect
from purveyor.spi.facets import Compute, CreateRequest
from purveyor.spi.hookspecs import Marking
from purveyor.state.journal import Hold, Journal

__all__ = ["Search", "Sender"]

_log = logging.getLogger("purveyor")


@attrs.define
class Search:
    """The search for one machine, and what came of it so far.

    Attributes:
        opened: Its intent: held, if it is new.
        reopen: Looks at the intent again.
        shared: Whether others may use its key.
        turns: Who is asked.
        wait: Whether the machine must run before the search is over.
        deadline: In the clock's seconds.
        attempts: What was tried, oldest first.
        warnings: What the caller should know although the machine was made.
        late: Why the machine is not ready, where that was waited for.
    """

    spec: InstanceSpec
    name: str
    opened: Intent | Hold
    reopen: Callable[[], Awaitable[Intent | Hold]]
    shared: bool
    turns: Turns
    wait: bool
    deadline: float
    attempts: list[Attempt] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)
    late: PurveyorError | None = None


class Sender:
    """Sends what searches ask for, each request only once it is on the disk."""

    def __init__(self, registry: Registry, journal: Journal, settler: Settler, around: Surroundings) -> None:
        self._registry = registry
        self._journal = journal
        self._settler = settler
        self._around = around

    async def send(
        self, hold: Hold, search: Search, candidate: Candidate, policy: RetryPolicy | None
    ) -> Instance:
        """The machine that one candidate makes.

        Raises:
            PurveyorError: Its outcome says whether one may have been made.
        """
        member = self._registry.get(candidate.provider)
        mark = mark_of(hold.intent)
        request = _request(search.spec, search.name, candidate, member)
        compute = await self._ready(hold, member, search.deadline, policy)
        _log.info("%s: creating %s (%s, %s)", member.name, search.name, candidate.plan, mark.text)

        async def work(call: Call) -> Instance:
            await self._write_down(hold, member, call)
            made: object = await compute.create_instance(request, call)
            if not isinstance(made, Instance):
                msg = f"create_instance returned {type(made).__name__}, not Instance"
                raise TypeError(msg)
            return made

        made = await member.gate.call(
            "create_instance", Effect.ONCE, work, deadline=search.deadline, mark=mark, policy=policy
        )
        if f"{member.config.type}/{made.id}" in hold.intent.discarded:
            raise ProviderUnavailableError(
                f"the provider gives {made.id} again for this key, which was deleted; use another key",
                provider=member.name,
                operation="create_instance",
                outcome=Outcome.REFUSED,
            )
        return made

    async def _ready(
        self, hold: Hold, member: Member, deadline: float, policy: RetryPolicy | None
    ) -> Compute:
        """The provider's machines; what goes wrong before anything is sent has bought nothing."""
        try:
            async with asyncio.timeout_at(deadline):
                compute = await member.compute()
            await self._settler.check_marks(member, mark_of(hold.intent), deadline, policy)
        except PurveyorError as error:
            error.outcome = Outcome.NOT_SENT
            raise
        except TimeoutError:
            raise CallTimeoutError(
                "the deadline passed while the provider was being set up",
                provider=member.name,
                operation="create_instance",
                outcome=Outcome.NOT_SENT,
            ) from None
        return compute

    async def _write_down(self, hold: Hold, member: Member, call: Call) -> None:
        """On the disk before the first byte goes out; what cannot be written is not sent.

        Of two requests for one name the other may be carried out once the machine of the first is deleted; and a late
        arrival of the first must not end the search for that of the second.
        """
        doubts = hold.intent.doubts
        others = tuple(doubt for doubt in doubts if doubt.provider != member.name)
        named_again = hold.intent.state is IntentState.UNKNOWN and member.marking is Marking.NAME
        if named_again or len(others) < len(doubts):
            doubts = (*others, self._settler.doubt(member))
        try:
            await hold.move(
                IntentState.SENT,
                durable=True,
                provider=member.name,
                type=member.config.type,
                base_url=member.config.settings.base_url,
                instance_id=None,
                marked="marks" in member.facets,
                sent_at=self._around.clock.now(),
                quiet_after=call.deadline,
                boot=self._around.boot,
                doubts=doubts,
                error=None,
            )
        except PurveyorError as error:
            error.outcome = Outcome.NOT_SENT
            raise

    async def confirm(self, hold: Hold, search: Search, made: Instance) -> None:
        """Note whose machine it is.

        Raises:
            UncertainOutcomeError: Another process has taken the intent over meanwhile, and may keep another machine.
        """
        holder = hold.intent.holder if search.wait else ""
        trouble = await self.note(
            hold,
            search,
            IntentState.CONFIRMED,
            durable=True,
            instance_id=made.id,
            holder=holder,
            **self._journal.quiet(),
        )
        if isinstance(trouble, ConflictError) and not await self._is_known(hold.intent, made):
            raise uncertain(hold.intent, trouble)

    async def _is_known(self, intent: Intent, made: Instance) -> bool:
        """Whether the journal says that a machine is the intent's; what cannot be read says nothing."""
        with contextlib.suppress(PurveyorError):
            return (await self._journal.get(intent.id)).instance_id == made.id
        return False

    async def note(
        self, hold: Hold, search: Search, state: IntentState, **changes: Any
    ) -> PurveyorError | None:
        """Write down what is known now. If that fails, the journal says less than is true, and never something wrong."""
        await hold.written()
        if hold.intent.state is IntentState.PLANNED:
            return None  # what was to be sent was never written down, so it was not sent
        try:
            await hold.move(state, **changes)
        except (StateUnavailableError, ConflictError) as error:
            warning = f"intent {hold.intent.id} could not be written as {state.value}: {error.message}"
            search.warnings.append(warning)
            _log.warning(warning)
            return error
        return None


def _request(spec: InstanceSpec, name: str, candidate: Candidate, member: Member) -> CreateRequest:
    extra = {**spec.per_provider.get(member.config.type, {}), **spec.per_provider.get(member.name, {})}
    return CreateRequest(
        name=name,
        plan=candidate.plan,
        image=candidate.image,
        region=candidate.region,
        ssh_keys=spec.ssh_keys,
        user_data=spec.user_data,
        tags=spec.tags,
        extra=extra,
    )
