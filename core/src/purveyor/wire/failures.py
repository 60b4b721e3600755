"""Everything that can go wrong in an exchange, as our errors: two tables and the seam that uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from http import HTTPStatus

import aiohttp

from purveyor.model.errors import (
    ApiError,
    CallTimeoutError,
    ConflictError,
    InvalidActionError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    ValidationError,
)
from purveyor.spi.call import Effect
from purveyor.wire.address import origin
from purveyor.wire.response import Response

__all__ = [
    "FOREIGN",
    "AlreadySoError",
    "UntrustedServerError",
    "content_if_so",
    "from_foreign",
    "from_status",
    "kind_of",
    "one_line",
    "outcome_of",
]

_REFUSED = frozenset({400, 401, 403, 404, 422, 429})

_BY_STATUS: Mapping[int, type[PurveyorError]] = {
    400: ValidationError,
    401: InvalidCredentialsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: CallTimeoutError,
    409: ConflictError,
    422: ValidationError,
    429: RateLimitError,
}


class UntrustedServerError(ProviderUnavailableError):
    """The server's certificate is not one to trust, and will not be in a moment."""

    retryable = False


FOREIGN = (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)
"""What aiohttp, ssl and the system raise. None of it may go on: some of it carries the request with its headers."""

_BY_TYPE: tuple[tuple[type[Exception], type[PurveyorError], str], ...] = (
    # The first row that fits counts, so the special ones stand above the general ones.
    (aiohttp.ClientHttpProxyError, ProviderUnavailableError, "the proxy does not let the connection through"),
    (aiohttp.ClientProxyConnectionError, ProviderUnavailableError, "the proxy cannot be reached"),
    (aiohttp.ClientConnectorDNSError, ProviderUnavailableError, "the server's name has no address"),
    (aiohttp.ClientSSLError, ProviderUnavailableError, "no TLS connection can be made"),
    (aiohttp.ClientConnectorError, ProviderUnavailableError, "the server cannot be reached"),
    (aiohttp.ClientResponseError, ProtocolMismatchError, "the answer is not HTTP"),
    (aiohttp.http.HttpProcessingError, ProtocolMismatchError, "the answer is not HTTP"),
    (aiohttp.InvalidURL, ProtocolMismatchError, "the address is not acceptable"),
    (aiohttp.ClientPayloadError, ProviderUnavailableError, "the answer was cut"),
    (TimeoutError, CallTimeoutError, "the connection timed out"),
    (Exception, ProviderUnavailableError, "the connection was lost"),
)

_RENEW = "its owner has to renew it, unless this machine's clock is wrong"
_RENAME = "its owner has to serve one for this name, or to say under which name to be found"
_WAYS_OUT = {9: _RENEW, 10: _RENEW, 62: _RENAME, 64: _RENAME}
"""By OpenSSL's verdict: not valid yet and any more; another host's and another address's."""


def from_foreign(error: Exception) -> PurveyorError:
    """Our error for one of ``FOREIGN``; raise it where no ``except`` is open, so that no trace of that one stays."""
    kind, message = _read(error)
    cause = _harmless(error)
    ours = kind(f"{message}: {_reason(cause)}" if cause else message)
    ours.__cause__ = cause
    return ours


def _read(error: Exception) -> tuple[type[PurveyorError], str]:
    if not isinstance(error, aiohttp.ClientConnectorCertificateError):
        return next((kind, message) for foreign, kind, message in _BY_TYPE if isinstance(error, foreign))
    verdict = getattr(error.certificate_error, "verify_code", 0)
    way_out = _WAYS_OUT.get(verdict, "name a file with its authority as ca_file, if you trust that")
    where = f"{error.host}:{error.port}"
    return UntrustedServerError, f"the certificate of {where} is not trusted ({way_out})"


def _harmless(error: Exception) -> OSError | None:
    """The system's own error, which knows nothing of the request."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return cause if isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError) else None


def _reason(cause: OSError) -> str:
    return getattr(cause, "verify_message", "") or cause.strerror or type(cause).__name__


def from_status(response: Response) -> PurveyorError:
    """Our error for a status that is no success, where the plugin knows nothing better."""
    told = f"{response.method} {response.path} answered {_words(response.status)}"
    if response.status < 400:
        target = origin(response.headers.get("location", ""))
        return ProtocolMismatchError(f"{told} and leads to {target}; redirects are not followed")
    return kind_of(response.status)(told)


def kind_of(status: int) -> type[PurveyorError]:
    """What a status of 400 or more means, where the plugin knows nothing better."""
    return _BY_STATUS.get(status, ApiError if status < 500 else ProviderUnavailableError)


def _words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def outcome_of(status: int) -> Outcome:
    """What a status that is no success says about the effect, where the plugin knows nothing better."""
    return Outcome.REFUSED if status in _REFUSED else Outcome.UNKNOWN


def one_line(texts: Iterable[str]) -> str:
    """A vendor's own words, for an error: one line, and not for ever."""
    line = " ".join("; ".join(texts).split())
    return line if len(line) <= 200 else line[:199] + "…"


class AlreadySoError(InvalidActionError):
    """The machine is in the state that the action leads to, or cannot be led out of."""


def content_if_so(effect: Effect) -> AbstractContextManager[None]:
    """Lets ``AlreadySoError`` count as success where the effect is to reach a state, and pass where it is not."""
    return suppress(AlreadySoError) if effect is Effect.CONVERGE else nullcontext()
