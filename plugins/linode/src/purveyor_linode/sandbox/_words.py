"""How Linode says yes and no."""

from collections.abc import Iterable, Mapping

from purveyor_testing.sandbox import Answer, Refusal, Scopes, Why, compact

_NO_ROOM = (
    "The Linode plan you chose is not currently available in the selected region. "
    "Please select another region or plan type, or contact Support for assistance."
)

REFUSALS: Mapping[Why, tuple[int, str]] = {
    "unauthorized": (401, "Invalid Token"),
    "scope": (401, "Your OAuth token is not authorized to use this endpoint."),
    "not_found": (404, "Not found"),
    "bad_body": (400, "Request body is not valid JSON"),
    "rate_limit": (429, "Too many requests"),
    "no_capacity": (403, _NO_ROOM),
    "quota": (400, "Account Limit reached. Please open a support ticket."),
    "broken": (500, "Internal server error"),
}

BROKEN = {408: "Please try again", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
"""What a broken cloud says where no words were asked for."""

BUSY = "Linode busy."
JSON = {"Content-Type": "application/json"}

Problem = tuple[str | None, str]
"""The field, if any, and the reason."""


class InvalidError(Refusal):
    """400 with everything that is wrong: a field and a reason each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(400, "; ".join(reason for _, reason in self.problems))


def invalid(reason: str, field: str | None = None) -> InvalidError:
    """400 with one reason."""
    return InvalidError([(field, reason)])


def not_found() -> Refusal:
    """404."""
    return Refusal(*REFUSALS["not_found"])


def forbidden() -> Refusal:
    """403 for a user without the grant."""
    return Refusal(403, "Unauthorized")


def reply(value: object = None) -> Answer:
    """200 with a JSON value, already rendered or not; nothing is ``{}``."""
    body = value if isinstance(value, bytes) else compact({} if value is None else value)
    return Answer(200, body, JSON)


def errors(refusal: Refusal) -> bytes:
    """The body of a refusal: ``{"errors": [{"reason", "field"}]}``."""
    problems = refusal.problems if isinstance(refusal, InvalidError) else [(None, refusal.message)]
    rows = [{"reason": reason, **({} if field is None else {"field": field})} for field, reason in problems]
    return compact({"errors": rows})


def has(scopes: Scopes, needed: str) -> bool:
    """Whether scopes include others, separated by spaces; who may write may read."""
    return scopes is None or all(
        one in scopes or one.replace(":read_only", ":read_write") in scopes for one in needed.split()
    )
