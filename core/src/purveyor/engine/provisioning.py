"""Requests for machines: one intent for each, all of a request under one key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from purveyor.engine.buying import Buyer
from purveyor.engine.choosing import Chooser, Wish
from purveyor.engine.machines import Machines
from purveyor.engine.registry import Registry, Surroundings
from purveyor.engine.sending import Search
from purveyor.engine.settling import Settler
from purveyor.engine.together import together
from purveyor.engine.turns import Turns
from purveyor.model.errors import PurveyorError, UncertainOutcomeError
from purveyor.model.instance import Instance
from purveyor.model.intent import Intent
from purveyor.model.selection import Provisioned
from purveyor.policy.intents import check_key, digest
from purveyor.state.journal import Admission, Hold, Journal

__all__ = ["Provisioner"]


class Provisioner:
    """Makes the machines of a request, each exactly once."""

    def __init__(
        self,
        registry: Registry,
        chooser: Chooser,
        journal: Journal,
        settler: Settler,
        machines: Machines,
        around: Surroundings,
    ) -> None:
        self._chooser = chooser
        self._journal = journal
        self._around = around
        self._buyer = Buyer(registry, journal, settler, machines, around)

    async def make(
        self,
        wish: Wish,
        names: Sequence[str],
        *,
        key: str | None,
        wait: bool,
        deadline: float,
        admit: Admission | None = None,
    ) -> Provisioned:
        """One machine for each name: made before under this key, or made now at the first candidate that gives one.

        Args:
            wish: What is wanted and how it is chosen.
            names: The machines' names.
            key: The caller's; None mints one.
            wait: Whether machines must run before they count as made.
            deadline: In the clock's seconds.
            admit: Refuses new machines that are too many.

        Raises:
            ConflictError: The key was used for another request, or its machine is gone.
            NoCompatibleProvidersError: Nobody could.
            UncertainOutcomeError: One may have been made; nobody else was asked for it.
            AllProvidersFailedError: Everybody refused.
            StateUnavailableError: It cannot be written down what is bought, so nothing is.
            PurveyorError: Nothing was made: the first refusal that no other provider would do better at.
        """
        is_minted = key is None
        key = self._around.ids() if key is None else key
        check_key(key)
        wanted = digest(wish.spec, len(names), (await self._journal.identity()).secret)
        places = dict(enumerate(names))
        if is_minted and admit is None:
            opened: Sequence[Intent | Hold] = await self._journal.plan(key, places, wanted)
        else:
            opened = await self._open(key, places, wanted, admit)
        fresh = sum(isinstance(one, Hold) for one in opened)
        turns = Turns(self._chooser, wish, fresh, self._around.clock, deadline)

        def search(opened: Intent | Hold, position: int) -> Search:
            name = names[position]

            async def reopen() -> Intent | Hold:
                return await self._journal.look(key, position, name, wanted, admit)

            return Search(wish.spec, name, opened, reopen, not is_minted, turns, wait, deadline)

        searches = [search(one, position) for position, one in enumerate(opened)]
        try:
            found = await together([self._bought(search) for search in searches])
        except asyncio.CancelledError:
            for hold in (one for one in opened if isinstance(one, Hold)):
                hold.release()  # whoever was cancelled before its first step has never entered it
            raise
        return _sum_up(key, found, searches, turns)

    async def _open(
        self, key: str, places: Mapping[int, str], wanted: Mapping[str, str], admit: Admission | None
    ) -> Sequence[Intent | Hold]:
        """The intents of a key. Those of one request, and what counts against a limit, are written down together."""
        if admit is not None or len(places) > 1:
            return await self._journal.open(key, places, wanted, admit)
        return [await self._journal.look(key, *one, wanted) for one in places.items()]

    async def _bought(self, search: Search) -> Instance | PurveyorError:
        """What a search comes to: whatever goes wrong with one, the others are waited for, and none goes on buying unseen."""
        try:
            return await self._buyer.buy(search)
        except PurveyorError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - a reason that nobody thought of is an error like any other
            error = PurveyorError(
                f"the request failed with {type(exc).__name__}", operation="create_instance"
            )
            error.__cause__ = exc
        error.details.setdefault("name", search.name)
        return error


def _sum_up(
    key: str, results: Sequence[Instance | PurveyorError], searches: Sequence[Search], turns: Turns
) -> Provisioned:
    """What came of all of it; raises if nothing was made, doubt before everything else."""
    instances = tuple(result for result in results if isinstance(result, Instance))
    failures = tuple(result for result in results if isinstance(result, PurveyorError))
    if not instances:
        raise next((error for error in failures if isinstance(error, UncertainOutcomeError)), failures[0])
    late = tuple(search.late for search in searches if search.late is not None)
    attempts = tuple(attempt for search in searches for attempt in search.attempts)
    return Provisioned(
        key=key,
        instances=instances,
        failures=failures + late,
        attempts=attempts,
        warnings=tuple(warning for search in searches for warning in search.warnings),
        explanation=turns.explanation if attempts else None,
    )
