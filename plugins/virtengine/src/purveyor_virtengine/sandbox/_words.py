"""How the daemon says no: Go's own ways, and those of the OpenAPI description."""

from typing import NoReturn

from purveyor_testing.sandbox import Answer, Refusal

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class InsteadError(Refusal):
    """A refusal that knows its whole answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, answer.body.decode(errors="replace").strip(), answer.headers)
        self.answer = answer


def text(status: int, message: str) -> InsteadError:
    """``http.Error``: plain text with a line end."""
    headers = {**TEXT, "X-Content-Type-Options": "nosniff"}
    return InsteadError(Answer(status, f"{message}\n".encode(), headers))


def nowhere() -> InsteadError:
    """The router knows no such path."""
    return text(404, "404 page not found")


def wrong_method() -> InsteadError:
    """The router knows the path, with other methods: no body at all."""
    return InsteadError(Answer(405))


def moved(path: str) -> InsteadError:
    """The router wants the path cleaned first."""
    return InsteadError(Answer(301, b"", {"Location": path}))


def fall_over() -> NoReturn:
    """The handler panics; Go's server recovers and drops the connection."""
    raise InsteadError(Answer(manner="reset"))


def described(refusal: Refusal) -> dict[str, object]:
    """The error of the OpenAPI description, which no daemon is known to send."""
    code = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
    word = code.get(refusal.status, "error")
    return {"error": word, "message": refusal.message, "code": word.upper(), "details": {}}
