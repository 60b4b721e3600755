"""Making machines, and moving on only when nothing was bought."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from purveyor.engine.choosing import Choice, Chooser, Wish
from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.model.errors import (
    AllProvidersFailedError,
    NoCompatibleProvidersError,
    Outcome,
    PurveyorError,
    UncertainOutcomeError,
)
from purveyor.model.instance import Instance, InstanceSpec
from purveyor.model.selection import Attempt, Candidate, Provisioned, Rejection
from purveyor.policy.retry import ONE_TRY
from purveyor.spi.call import Call, Effect, Mark
from purveyor.spi.facets import CreateRequest
from purveyor.state.store import Store

__all__ = ["Provisioner"]

_log = logging.getLogger("purveyor")


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
        choice = await self._chooser.choose(wish, deadline)
        if not choice.candidates:
            raise _nobody(choice.rejected)
        orders = []
        for _ in names:
            orders.append(await self._chooser.order(choice, take=True))
            choice.picked[orders[-1][0].provider] += 1
        tries = [
            self._one(wish.spec, name, order, deadline) for name, order in zip(names, orders, strict=True)
        ]
        results = await asyncio.gather(*tries)
        return _sum_up(
            [result for result, _ in results], [a for _, some in results for a in some], choice, orders[0]
        )

    async def _one(
        self, spec: InstanceSpec, name: str, order: Sequence[Candidate], deadline: float
    ) -> tuple[Instance | PurveyorError, list[Attempt]]:
        """One machine, or the error that ended the search for it."""
        attempts: list[Attempt] = []
        for candidate in order:
            made, attempt = await self._attempt(spec, name, candidate, deadline, last=candidate is order[-1])
            attempts.append(attempt)
            if made is not None:
                return made, attempts
            if attempt.error is not None and not attempt.error.may_fail_over:
                return _final(attempt, attempt.error, tuple(attempts)), attempts
            _log.warning("%s: %s; nothing was bought there", attempt.provider, attempt.error)
        return _everybody(attempts), attempts

    async def _attempt(
        self, spec: InstanceSpec, name: str, candidate: Candidate, deadline: float, *, last: bool
    ) -> tuple[Instance | None, Attempt]:
        clock = self._around.clock
        member = self._registry.get(candidate.provider)
        mark = Mark(await self._owner(), self._around.ids())
        request = _request(spec, name, candidate, member)
        began, today = clock.monotonic(), clock.now()
        _log.info("%s: creating %s (%s, %s)", member.name, name, candidate.plan, mark.text)

        async def work(call: Call) -> Instance:
            return await (await member.compute()).create_instance(request, call)

        made, error = None, None
        try:
            # Somebody else may answer at once; only the last one is worth waiting for.
            made = await member.gate.call(
                "create_instance",
                Effect.ONCE,
                work,
                deadline=deadline,
                mark=mark,
                policy=None if last else ONE_TRY,
            )
        except PurveyorError as exc:
            exc.details.setdefault("mark", mark.text)
            error = exc
        seconds = clock.monotonic() - began
        attempt = Attempt(
            provider=member.name, operation="create_instance", started_at=today, seconds=seconds, error=error
        )
        return made, attempt

    async def _owner(self) -> str:
        """The owner id of this state: minted once, never configured."""
        fresh = self._around.ids()[:10].encode()
        at = self._around.clock.now().timestamp()
        return (await self._store.update("identity", "owner", lambda old: old or fresh, at)).decode()


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
    choice: Choice,
    order: list[Candidate],
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
        explanation=choice.explanation(order),
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
