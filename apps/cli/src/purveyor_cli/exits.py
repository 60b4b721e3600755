"""Exit codes, and which error ends in which.

A provider's refusal is a failure; what could have been known without asking anybody is a usage error.
"""

from __future__ import annotations

from collections.abc import Iterable

from purveyor import (
    ConfigurationError,
    MissingCredentialsError,
    NoEnabledProvidersError,
    Outcome,
    ProviderInactiveError,
    ProviderNotFoundError,
    PurveyorError,
    UncertainOutcomeError,
    ValidationError,
)

__all__ = ["FAILED", "INTERRUPTED", "OK", "PARTIAL", "UNCERTAIN", "USAGE", "of_error", "of_result"]

OK, FAILED, USAGE, PARTIAL, UNCERTAIN, INTERRUPTED = 0, 1, 2, 3, 4, 130

_USAGE = (
    ConfigurationError,
    MissingCredentialsError,
    NoEnabledProvidersError,
    ProviderInactiveError,
    ProviderNotFoundError,
)


def of_error(error: PurveyorError) -> int:
    """The exit code of a command that this error ended."""
    if isinstance(error, UncertainOutcomeError):
        return UNCERTAIN
    if isinstance(error, _USAGE):
        return USAGE
    own = error.provider is None or error.outcome is Outcome.NOT_SENT
    return USAGE if isinstance(error, ValidationError) and own else FAILED


def of_result(failures: Iterable[PurveyorError]) -> int:
    """The exit code of a command that brought something, and these failures."""
    codes = {of_error(error) for error in failures}
    return UNCERTAIN if UNCERTAIN in codes else PARTIAL if codes else OK
