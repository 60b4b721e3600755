"""From the API's errors to ours. What the API itself says comes as JSON with an ``errorType``; the rest is a proxy's.

VictoriaMetrics puts the status into ``errorType`` (``"422"``) and uses 422 for every fault of a query.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from purveyor.plugin import (
    ApiError,
    CallTimeoutError,
    ConfigurationError,
    MissingCredentialsError,
    NotFoundError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    ValidationError,
)
from purveyor.wire import Response

__all__ = ["naming", "of_the_request", "translate"]

LONGEST = 300
"""Characters of a server's own words that are passed on."""

BY_TYPE: Mapping[str, type[PurveyorError]] = {
    "bad_data": ValidationError,
    "execution": ApiError,
    "timeout": CallTimeoutError,
    "canceled": CallTimeoutError,
    "internal": ProviderUnavailableError,
    "unavailable": ProviderUnavailableError,
    "not_found": NotFoundError,
    "not_acceptable": ApiError,
    "400": ValidationError,
    "422": ValidationError,
    "429": RateLimitError,
    "503": ProviderUnavailableError,
}


class _Body(msgspec.Struct):
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""


def translate(response: Response) -> PurveyorError | None:
    """Our error for an answer that is no success; None where the API itself has not spoken."""
    return _from_body(response) if is_json(response) else None


def is_json(response: Response) -> bool:
    """Whether the answer says that it is JSON."""
    return "json" in response.headers.get("content-type", "").partition(";")[0]


def _from_body(response: Response) -> PurveyorError | None:
    try:
        body = msgspec.json.decode(response.body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    kind = BY_TYPE.get(body.error_type)
    if kind is None:
        return None
    words = " ".join(body.error.split()) or f"the server answered {response.status} and gave no reason"
    return kind(
        words if len(words) <= LONGEST else words[: LONGEST - 1] + "…",
        field="query" if kind is ValidationError else None,
        details={"error_type": body.error_type, "status": response.status},
    )


def of_the_request(error: PurveyorError) -> bool:
    """Whether an equal server would say the same: the request itself is at fault, not the one that was asked."""
    if isinstance(error, ConfigurationError | MissingCredentialsError):
        return True
    judged = isinstance(error, ValidationError | ApiError | NotFoundError)
    return judged and ("error_type" in error.details or error.field is not None)


def naming(error: PurveyorError, target: str) -> PurveyorError:
    """The same error, which says whom it was about."""
    if "target" not in error.details:
        error.details["target"] = target
        error.message = f"{target}: {error.message}"
    return error
