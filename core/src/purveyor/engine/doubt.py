"""Actions that are done once and may have been done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from purveyor.model.deployment import DeploymentAction
from purveyor.model.errors import Outcome, PurveyorError, UncertainOutcomeError
from purveyor.model.instance import Action
from purveyor.spi.call import Effect

__all__ = ["doubt_told"]


@contextmanager
def doubt_told(effect: Effect, action: Action | DeploymentAction) -> Iterator[None]:
    """Make a lost answer to what must not be repeated say so.

    Raises:
        UncertainOutcomeError: Instead of an error that leaves it open whether the action was carried out.
    """
    try:
        yield
    except PurveyorError as error:
        if effect is Effect.ONCE and error.outcome is Outcome.UNKNOWN:
            raise UncertainOutcomeError(
                f"the {action.value} may have been carried out, the answer is lost ({error.message}); look before trying again",
                provider=error.provider,
                operation=error.operation,
                outcome=Outcome.UNKNOWN,
                details=error.details,
            ) from error
        raise
