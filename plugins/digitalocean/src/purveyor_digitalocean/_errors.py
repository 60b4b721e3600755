"""From DigitalOcean's errors to ours: the status decides, the words refine.

An answer says ``{"id", "message", "request_id"?}``, or in newer services ``{"error", "messages", "root_causes"}``. The
id only repeats the status, is empty or misspelt at times, and counts for nothing here. What is not JSON does not come
from the API but from something in front of it: its status alone counts, and a 404 of that kind says of no machine that
it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from purveyor.plugin import (
    ConflictError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    InvalidActionError,
    NotFoundError,
    PurveyorError,
    QuotaExceededError,
    ResourceBusyError,
    ValidationError,
)
from purveyor.wire import AlreadySoError, Response, kind_of, one_line

__all__ = ["translate"]

BY_STATUS: Mapping[int, type[PurveyorError]] = {409: ResourceBusyError, 412: ConflictError}
"""Statuses that mean something else than elsewhere."""

REFINED = frozenset({400, 403, 409, 412, 422})
"""Statuses whose words tell more."""

BY_WORDS: tuple[tuple[str, type[PurveyorError], str | None], ...] = (
    # Pattern, error, field at fault; the first that is found counts.
    (r"pending event|event (?:is )?(?:already )?in progress", ResourceBusyError, None),
    (r"is (?:already )?powered o(?:n|ff)", AlreadySoError, None),
    (r"already in use on your account", ConflictError, "ssh_keys"),
    (
        r"droplet limit|limit (?:has been |is )?(?:exceeded|reached)|currently restricted",
        QuotaExceededError,
        None,
    ),
    (r"account (?:is|has been) (?:locked|suspended)", QuotaExceededError, None),
    (r"image\b.* not available in", ValidationError, "image"),
    (r"because it has a smaller disk", ValidationError, "plan"),
    (r"(?:size|region|droplet)\b.* (?:not|un) ?available", InsufficientResourcesError, None),
    (r"too large to fit", InsufficientResourcesError, "plan"),
    (r"capacity|sold out|temporarily disabled", InsufficientResourcesError, None),
)
"""All seen in public reports, in these words or nearly so."""

FIELDS: tuple[tuple[str, str], ...] = (
    # What a message speaks of, the special before the general; answers have no list of fields.
    (r"user.?data", "user_data"),
    (r"\bkeys?\b", "ssh_keys"),
    (r"\btags?\b", "tags"),
    (r"\bimages?\b", "image"),
    (r"\bsizes?\b", "plan"),
    (r"\bregions?\b", "region"),
    (r"\bnames?\b|hostname", "name"),
)

_SCOPE = re.compile(r"\b[a-z][a-z0-9_]*:(?:create|read|update|delete|admin)\b")


def translate(response: Response) -> PurveyorError | None:
    """Our error for an answer that is no success; None where there is nothing to know but its status.

    Raises:
        ProtocolMismatchError: The answer is not JSON.
    """
    body = response.json()
    if response.status < 400 or not isinstance(body, dict):
        return None
    words = _words(body)
    kind, field = _refined(response, words, BY_STATUS.get(response.status) or kind_of(response.status))
    return kind(
        words or f"DigitalOcean answered {response.status} and gave no reason",
        field=field,
        details=_details(response, body, words),
    )


def _refined(
    response: Response, words: str, kind: type[PurveyorError]
) -> tuple[type[PurveyorError], str | None]:
    if kind is NotFoundError and response.path.startswith("/v2/droplets/"):
        return InstanceNotFoundError, None
    if response.status in REFINED:
        for pattern, error, field in BY_WORDS:
            if re.search(pattern, words, re.IGNORECASE):
                return error, field
    if kind is not ValidationError:
        return kind, None
    field = next((field for pattern, field in FIELDS if re.search(pattern, words, re.IGNORECASE)), None)
    return (InvalidActionError if response.path.endswith("/actions") else ValidationError), field


def _words(body: Mapping[str, Any]) -> str:
    parts = [body.get("message"), *_texts(body.get("messages")), *_texts(body.get("root_causes"))]
    return one_line(
        [part for part in parts if isinstance(part, str) and part] or [str(body.get("error") or "")]
    )


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _details(response: Response, body: Mapping[str, Any], words: str) -> dict[str, Any]:
    request_id = body.get("request_id") or response.headers.get("x-request-id")
    scope = _SCOPE.search(words) if response.status == 403 else None
    found = {"status": response.status, "request_id": request_id, "scope": scope and scope[0]}
    return {key: value for key, value in found.items() if value}
