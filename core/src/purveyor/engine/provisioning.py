"""Making machines, and moving on only when nothing was bought."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import attrs

from purveyor.engine.choosing import Chooser, Turn, Wish
from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.model.errors import (
    AllProvidersFailedError,
    CallTimeoutError,
    NoCompatibleProvidersError,
    Outcome,
    PurveyorError,
    UncertainOutcomeError,
)
from purveyor.model.instance import Instance, InstanceSpec
from purveyor.model.selection import Attempt, Candidate, Provisioned, Rejection
from purveyor.policy.retry import ONE_TRY
from purveyor.spi.call import Call, Effect, Mark
from purveyor.spi.facets import Compute, CreateRequest
from purveyor.state.store import Store

__all__ = ["Provisioner"]

_log = logging.getLogger("purveyor")


@attrs.define
class _Search:
    """The search for one machine, and what was tried so far."""

    spec: InstanceSpec
    name: str
    turn: Turn
    owner: str
    deadline: float
    attempts: list[Attempt] = attrs.field(factory=list)


class Provisioner:
    """Carries choices out."""

    def __init__(self, registry: Registry, chooser: Chooser, store: Store, around: Surroundings) -> None:
        self._registry = registry
        self._chooser = chooser
        self._store = store
        self._around = around

    async def make(self, wish: Wish, names: Sequence[str], *, deadline: float) -> Provisioned:
        """Make one machine for each name, each at the first candidate that gives one.

        Raises:
            NoCompatibleProvidersError: Nobody could.
            UncertainOutcomeError: One may have been made; nobody else was asked for it.
            AllProvidersFailedError: Everybody refused.
            PurveyorError: Nothing was made: the first refusal that no other provider would do better at.
        """
        owner = await self._owner()  # what cannot be remembered is not bought
        now = self._around.clock.monotonic()
        # Half of the time is for looking, so that a provider that hangs leaves the others time to answer.
        choice = await self._chooser.choose(wish, now + (deadline - now) / 2)
        if not choice.candidates:
            raise _nobody(choice.rejected)
        turns = []
        for _ in names:
            turns.append(await self._chooser.take(choice))
            choice.picked[turns[-1].first.provider] += 1
        searches = [
            _Search(wish.spec, name, turn, owner, deadline) for name, turn in zip(names, turns, strict=True)
        ]
        # Whatever goes wrong with one, the others are waited for: none goes on buying unseen.
        results = await asyncio.gather(*(self._one(search) for search in searches), return_exceptions=True)
        attempts = [attempt for search in searches for attempt in search.attempts]
        found = [_result(name, result) for name, result in zip(names, results, strict=True)]
        return _sum_up(found, attempts, turns[0])

    async def _one(self, search: _Search) -> Instance | PurveyorError:
        """One machine, or the error that ended the search for it."""
        for candidate in search.turn.order():
            result, attempt = await self._attempt(search, candidate)
            search.attempts.append(attempt)
            if isinstance(result, Instance):
                return result
            if not result.may_fail_over:
                return _final(attempt, result, tuple(search.attempts))
            _log.warning("%s: %s; nothing was bought there", attempt.provider, result.message)
        return _everybody(search.attempts)

    async def _attempt(
        self, search: _Search, candidate: Candidate
    ) -> tuple[Instance | PurveyorError, Attempt]:
        clock = self._around.clock
        member = self._registry.get(candidate.provider)
        mark = Mark(search.owner, self._around.ids())
        began, today = clock.monotonic(), clock.now()
        _log.info("%s: creating %s (%s, %s)", member.name, search.name, candidate.plan, mark.text)
        result: Instance | PurveyorError
        try:
            result = _priced(await self._create(member, search, candidate, mark), candidate)
            _log.info("%s: made %s, its id is %s", member.name, search.name, result.id)
        except PurveyorError as error:
            error.details.setdefault("mark", mark.text)
            result = error
        attempt = Attempt(
            provider=member.name,
            operation="create_instance",
            started_at=today,
            seconds=clock.monotonic() - began,
            error=result if isinstance(result, PurveyorError) else None,
        )
        return result, attempt

    async def _create(self, member: Member, search: _Search, candidate: Candidate, mark: Mark) -> Instance:
        request = _request(search.spec, search.name, candidate, member)
        compute = await _ready(member, search.deadline)

        async def work(call: Call) -> Instance:
            made: object = await compute.create_instance(request, call)
            if not isinstance(made, Instance):
                msg = f"create_instance returned {type(made).__name__}, not Instance"
                raise TypeError(msg)
            return made

        # Somebody else may answer at once; only the last one is worth waiting for.
        last = len(search.attempts) + 1 == len(search.turn.choice.candidates)
        policy = None if last else ONE_TRY
        return await member.gate.call(
            "create_instance", Effect.ONCE, work, deadline=search.deadline, mark=mark, policy=policy
        )

    async def _owner(self) -> str:
        """The owner id of this state: minted once, never configured."""
        fresh = self._around.ids()[:10].encode()
        at = self._around.clock.now().timestamp()
        return (await self._store.update("identity", "owner", lambda old: old or fresh, at)).decode()


async def _ready(member: Member, deadline: float) -> Compute:
    """The provider's machines; what goes wrong before it is even built has bought nothing."""
    try:
        async with asyncio.timeout_at(deadline):
            return await member.compute()
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


def _result(name: str, result: Instance | BaseException) -> Instance | PurveyorError:
    """What a search came to; one that broke for a reason that nobody thought of is an error like any other."""
    if isinstance(result, Instance):
        return result
    if not isinstance(result, Exception):
        raise result
    error = result
    if not isinstance(error, PurveyorError):
        error = PurveyorError(f"the request failed with {type(result).__name__}", operation="create_instance")
        error.__cause__ = result
    error.details.setdefault("name", name)
    return error


def _priced(instance: Instance, candidate: Candidate) -> Instance:
    """At the catalogue's price, where the provider tells none with the machine."""
    if instance.price_per_hour is not None:
        return instance
    return attrs.evolve(
        instance, price_per_hour=candidate.price_per_hour, price_per_month=candidate.price_per_month
    )


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


def _final(attempt: Attempt, error: PurveyorError, attempts: tuple[Attempt, ...]) -> PurveyorError:
    """What to say when the search must end here."""
    error.attempts = attempts
    if error.outcome not in {Outcome.UNKNOWN, Outcome.MADE}:
        return error
    uncertain = UncertainOutcomeError(
        f"the machine may have been made, the answer is lost ({error.message}); "
        f"look for the mark {error.details.get('mark')} before trying again",
        provider=attempt.provider,
        operation=attempt.operation,
        attempts=attempts,
        outcome=Outcome.UNKNOWN,
        details=error.details,
    )
    uncertain.__cause__ = error
    return uncertain


def _nobody(rejected: Sequence[Rejection]) -> NoCompatibleProvidersError:
    reasons = {rejection.provider: rejection.reason for rejection in rejected}
    return NoCompatibleProvidersError(
        "no provider can serve this request: " + "; ".join(f"{name}: {why}" for name, why in reasons.items()),
        details={"rejected": reasons},
    )


def _sum_up(
    results: Sequence[Instance | PurveyorError],
    attempts: Sequence[Attempt],
    first: Turn,
) -> Provisioned:
    """What came of all of it; raises if nothing was made, doubt before everything else."""
    instances = tuple(result for result in results if isinstance(result, Instance))
    failures = tuple(result for result in results if isinstance(result, PurveyorError))
    if not instances:
        raise next((error for error in failures if isinstance(error, UncertainOutcomeError)), failures[0])
    return Provisioned(
        instances=instances,
        failures=failures,
        attempts=tuple(attempts),
        explanation=first.choice.explanation(first.facts),
    )


def _everybody(attempts: Sequence[Attempt]) -> PurveyorError:
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    if len(errors) == 1:
        errors[0].attempts = tuple(attempts)
        return errors[0]
    return AllProvidersFailedError(
        "every provider refused: " + "; ".join(str(error) for error in errors),
        operation="create_instance",
        attempts=tuple(attempts),
        outcome=Outcome.REFUSED,
        details={"failures": {error.provider: error.message for error in errors}},
    )
