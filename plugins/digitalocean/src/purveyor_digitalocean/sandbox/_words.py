"""How DigitalOcean says no."""

from collections.abc import Mapping

from purveyor_testing.sandbox import Refusal, Why

REFUSALS: Mapping[Why, tuple[int, str]] = {
    "unauthorized": (401, "Unable to authenticate you."),
    "scope": (403, "You are not authorized to perform this operation"),
    "not_found": (404, "The resource you requested could not be found."),
    "bad_body": (400, "error parsing request body"),
    "rate_limit": (429, "API Rate limit exceeded."),
    "no_capacity": (422, "Size is not available in this region."),
    "quota": (422, "creating this/these droplet(s) will exceed your droplet limit"),
    "broken": (500, "Unexpected server-side error"),
}

IDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    422: "unprocessable_entity",
    429: "too_many_requests",
    500: "server_error",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
}
"""The `id` of an error body: a slug of the status (DigitalOcean API docs)."""

PENDING = "Droplet already has a pending event."


def not_found() -> Refusal:
    """404."""
    return Refusal(*REFUSALS["not_found"])


def missing_scope() -> Refusal:
    """403 for a token that may not do this."""
    return Refusal(*REFUSALS["scope"])


def unprocessable(message: str) -> Refusal:
    """422: the answer to anything that is wrong with a request (400 is for bad JSON)."""
    return Refusal(422, message)
