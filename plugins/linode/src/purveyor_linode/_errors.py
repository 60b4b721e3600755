"""From Linode's errors to ours: the status decides, the words refine.

An answer says ``{"errors": [{"reason", "field"?}, …]}``; there are no codes. What is not JSON does not come from the API
but from something in front of it: its status alone counts, and a 404 of that kind says of no machine that it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from purveyor.plugin import (
    ConflictError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    InvalidActionError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    ProviderUnavailableError,
    PurveyorError,
    QuotaExceededError,
    ResourceBusyError,
    ValidationError,
)
from purveyor.wire import AlreadySoError, Response, kind_of, one_line

__all__ = ["MaintenanceError", "translate"]


class MaintenanceError(ProviderUnavailableError):
    """The whole API is under maintenance: asking again soon is of no use."""

    retryable = False


BY_STATUS: Mapping[int, type[PurveyorError]] = {409: ResourceBusyError}
"""Statuses that mean something else than elsewhere."""

REFINED = frozenset({400, 403, 409, 422})
"""Statuses whose words tell more."""

BY_WORDS: tuple[tuple[str, type[PurveyorError], str | None], ...] = (
    # Pattern, error, field at fault where the answer names none; the first that is found counts.
    (r"linode busy|pending (?:migration|upgrade)", ResourceBusyError, None),
    (r"already (?:booted|running|powered|offline|off|shut ?down)", AlreadySoError, None),
    (r"(?:is not|isn't) (?:currently )?(?:running|booted|powered on)", AlreadySoError, None),
    (r"must be unique", ConflictError, "name"),
    (
        r"account limit|limit (?:has been |is )?(?:exceeded|reached)|outstanding balance",
        QuotaExceededError,
        None,
    ),
    (r"account must be activated", QuotaExceededError, None),
    (r"metadata|user.?data", ValidationError, "user_data"),
    (r"capacity|no open slots|sold out|out of stock", InsufficientResourcesError, None),
    (r"\b(?:plan|type|region)\b.* (?:not (?:currently )?|un)available", InsufficientResourcesError, None),
)

FIELDS: Mapping[str, str] = {
    "label": "name",
    "type": "plan",
    "authorized_keys": "ssh_keys",
    "authorized_users": "ssh_keys",
    "metadata": "user_data",
}
"""First part of the API's field to ours, where they differ."""

_SCOPE = re.compile(r"not authorized to use this endpoint|scope", re.IGNORECASE)


def translate(response: Response) -> PurveyorError | None:
    """Our error for an answer that is no success; None where there is nothing to know but its status.

    Raises:
        ProtocolMismatchError: The answer is not JSON.
    """
    if response.status == 400 and "html" in response.headers.get("content-type", ""):
        # Not the API's no: whether the API was asked is not known.
        return ProviderUnavailableError(
            "what stands in front of Linode's API could not pass the request on", outcome=Outcome.UNKNOWN
        )
    if response.status == 503 and "x-maintenance-mode" in response.headers:
        return MaintenanceError("Linode's API is under maintenance", details={"status": 503})
    errors = _errors(response.json())
    if response.status < 400 or errors is None:
        return None
    words = _words(errors)
    kind, field = _refined(response, words, BY_STATUS.get(response.status) or kind_of(response.status))
    return kind(
        words or f"Linode answered {response.status} and gave no reason",
        field=_field(errors) or field,
        details=_details(response, kind),
    )


def _refined(
    response: Response, words: str, kind: type[PurveyorError]
) -> tuple[type[PurveyorError], str | None]:
    if kind is InvalidCredentialsError and _SCOPE.search(words):
        return PermissionDeniedError, None
    if kind is NotFoundError and response.path.startswith("/linode/instances/"):
        return InstanceNotFoundError, None
    field = None
    if response.status in REFINED:
        refined = (row for row in BY_WORDS if re.search(row[0], words, re.IGNORECASE))
        _, kind, field = next(refined, ("", kind, None))
    if kind is ValidationError and response.operation == "perform_action":
        kind = InvalidActionError
    return kind, field


def _errors(body: Any) -> Sequence[Mapping[str, Any]] | None:
    listed = body.get("errors") if isinstance(body, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else None


def _words(errors: Sequence[Mapping[str, Any]]) -> str:
    reasons = [reason for one in errors if isinstance(reason := one.get("reason"), str) and reason]
    return one_line(dict.fromkeys(reasons))


def _field(errors: Sequence[Mapping[str, Any]]) -> str | None:
    """Our name of the first field that is named; ``authorized_keys[0]`` and ``metadata.user_data`` have parts."""
    named = next((field for one in errors if isinstance(field := one.get("field"), str) and field), None)
    return named and FIELDS.get(re.split(r"[.\[]", named)[0], named[:80])


def _details(response: Response, kind: type[PurveyorError]) -> dict[str, Any]:
    scope = response.headers.get("x-accepted-oauth-scopes") if kind is PermissionDeniedError else None
    return {"status": response.status} | ({"scope": scope} if scope else {})
