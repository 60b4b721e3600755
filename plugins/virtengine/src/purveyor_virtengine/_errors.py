"""From the chain's and the daemons' errors to ours: two tables, and what their words refine.

The chain answers with gRPC's codes. The daemons have four shapes: ``{"error": …}``, plain text, nothing at all, and the
``message`` that their description promises. What looks the same by its status can mean three things: that a daemon does
not have this route, that the deployment is not there, and that the daemon cannot check whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from purveyor.plugin import (
    CallTimeoutError,
    DeploymentNotFoundError,
    InvalidActionError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    OwnershipUnverifiedError,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    ResourceBusyError,
    UnsupportedOperationError,
    ValidationError,
)
from purveyor.wire import Response, kind_of, one_line

__all__ = ["NoRestError", "NoRouteError", "of_the_request", "translate_chain", "translate_daemon"]


class NoRouteError(UnsupportedOperationError):
    """The server does not have this route; what was asked about may well be there."""


class NoRestError(NoRouteError):
    """The node serves no REST for this module. It says nothing of what is on the chain."""


# The chain.

BY_CODE: Mapping[int, type[PurveyorError]] = {
    3: ValidationError,
    4: CallTimeoutError,
    5: NotFoundError,
    7: PermissionDeniedError,
    8: RateLimitError,
    12: NoRestError,
    14: ProviderUnavailableError,
    16: InvalidCredentialsError,
}
"""gRPC's codes; all others mean what their status means."""


def translate_chain(response: Response) -> PurveyorError | None:
    """Our error for a node's answer that is no success; None where there is nothing to know but its status."""
    body = _json(response)
    code = body.get("code") if isinstance(body, dict) and "message" in body else None
    words = _words(body) if isinstance(code, int) else ""
    if "invalid key" in words:
        return ProtocolMismatchError(
            f"the node does not know its own page key: {words}", details={"status": response.status}
        )
    kind = BY_CODE.get(code) if isinstance(code, int) else None
    if kind is None and response.status in {404, 501}:
        kind = NoRestError
    if kind is NoRestError:
        words = f"this node serves no REST at {response.path} (HTTP {response.status}); another node may"
    if kind is None or not words:
        return None
    return kind(words, details={"status": response.status, "grpc_code": code})


def of_the_request(error: PurveyorError) -> bool:
    """Whether an equal node would say the same: the request itself is at fault."""
    return isinstance(error, ValidationError | NotFoundError) and error.details.get("grpc_code") is not None


# The daemons.

BY_WORDS: tuple[tuple[frozenset[int], str, type[PurveyorError], str | None], ...] = (
    # Statuses, pattern, error, field at fault; the first row that fits counts.
    (frozenset({401}), r"timestamp", InvalidCredentialsError, "clock"),
    (frozenset({401}), r"session", PermissionDeniedError, None),
    (frozenset({403}), r"lease query unavailable", OwnershipUnverifiedError, None),
    (frozenset({403}), r"VEID score", PermissionDeniedError, "veid_score"),
    (frozenset({400}), r"action", InvalidActionError, "action"),
    (frozenset({404}), r"", DeploymentNotFoundError, None),
    (frozenset({409}), r"busy|progress|conflict|resource", ResourceBusyError, None),
    # Not the bare phrase, which is a proxy's when it finds no daemon behind it.
    (
        frozenset({503}),
        r"^(?!service( temporarily)? unavailable).*((unavailable|not configured)$|feature unavailable)",
        UnsupportedOperationError,
        None,
    ),
)

KONG = "no Route matched"

HINTS: Mapping[str | None, str] = {
    "clock": "this machine's clock and the provider's differ too much",
    "veid_score": "veid_score in the configuration states one",
}


def translate_daemon(response: Response) -> PurveyorError | None:
    """Our error for a daemon's answer that is no success; None where there is nothing to know but its status."""
    body = _json(response)
    words = _words(body) if body is not None else _text(response)
    if _is_no_route(response, body, words):
        return NoRouteError(
            f"this provider has no route {response.method} {response.path}",
            details={"status": response.status},
            outcome=Outcome.REFUSED,
        )
    if not words:
        return None
    row = next(
        (row for row in BY_WORDS if response.status in row[0] and re.search(row[1], words, re.IGNORECASE)),
        None,
    )
    kind, field = (row[2], row[3]) if row else (kind_of(response.status), None)
    hint = f" ({HINTS[field]})" if field in HINTS else ""
    return kind(
        words + hint,
        field=field,
        details={"status": response.status},
        outcome=Outcome.REFUSED if kind is UnsupportedOperationError else None,
    )


def _is_no_route(response: Response, body: Any, words: str) -> bool:
    if response.status in {405, 501}:
        return True
    if response.status != 404:
        return False
    # Kong, which the daemon's own samples put in front, says it in JSON.
    return words in {"", "404 page not found", "Not Found"} if body is None else words.startswith(KONG)


def _json(response: Response) -> Any:
    """The body's values; None where it is not JSON."""
    with suppress(ProtocolMismatchError):
        return response.json()
    return None


def _text(response: Response) -> str:
    """The words of an answer in plain text; a page of something in front has none."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    return one_line([response.body.decode(errors="replace")]) if kind in {"", "text/plain"} else ""


def _words(body: Any) -> str:
    return one_line(dict.fromkeys(_told(body)))


def _told(body: Any) -> Iterator[str]:
    """What it says: the first of ``message`` and ``error``, which may be an object with a ``message``."""
    if isinstance(body, str):
        yield body
    if isinstance(body, dict):
        for key in ("message", "error"):
            if body.get(key):
                yield from _told(body[key])
                return
