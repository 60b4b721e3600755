"""What may be written into a request: base URLs, paths, headers, links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from purveyor.model.errors import (
    ConfigurationError,
    InstanceNotFoundError,
    Outcome,
    ProtocolMismatchError,
    PurveyorError,
    ValidationError,
)

__all__ = [
    "add_headers",
    "address_of",
    "checked_base",
    "checked_header",
    "checked_method",
    "checked_path",
    "checked_proxy",
    "checked_query",
    "link_params",
    "numbered_path",
    "origin",
    "path",
    "unsendable",
]

_PATH = re.compile(r"/(?!/)[\w.~!$&'()*+,;=:%/-]*", re.ASCII)
_DOTS = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def path(template: str, *parts: object) -> str:
    """Fill each ``{}`` of a path with one part, percent-encoded whole.

    Example:
        ``path("/v2/tags/{}/resources", "a/b")`` is ``/v2/tags/a%2Fb/resources``.

    Raises:
        ValidationError: A part is empty, a dot segment, or holds a control character.
    """
    return template.format(*map(_segment, parts))


def _segment(part: object) -> str:
    text = str(part)
    if text in {"", ".", ".."} or _UNFIT.search(text):
        raise unsendable(f"{text!r:.80} cannot be a part of a path", "path")
    return quote(text, safe="")


def numbered_path(template: str, machine: str) -> str:
    """Path of one machine whose ids are numbers, so that nothing else finds its way into the path of a deletion.

    Raises:
        InstanceNotFoundError: No machine has such an id.
    """
    if not re.fullmatch("[0-9]+", machine):
        raise unsendable(
            f"no machine has the id {machine!r:.80}; ids are numbers", "id", InstanceNotFoundError
        )
    return path(template, machine)


def unsendable(message: str, field: str, kind: type[PurveyorError] = ValidationError) -> PurveyorError:
    """The error for a request that is not sent because a field of it is wrong."""
    return kind(message, field=field, outcome=Outcome.NOT_SENT)


def checked_query(params: Mapping[str, str | int] | None) -> str:
    """The query of a request, with its question mark if there is one.

    Raises:
        ValidationError: It holds what is no character.
    """
    if not params:
        return ""
    with suppress(UnicodeEncodeError):
        return f"?{urlencode(params, quote_via=quote)}"
    raise unsendable("the query holds what is no character", "params")


@lru_cache(maxsize=1024)  # a client asks for the same few paths again and again
def checked_path(text: str) -> str:
    """The path itself, if it stays below the base URL and is only a path.

    Raises:
        ValidationError: It is an address, leaves the origin, or carries a query.
    """
    if not _PATH.fullmatch(text) or _DOTS.search(text):
        reason = "start with one slash, encode each part with path(), give the query as params"
        raise unsendable(f"not a path below the base URL ({reason})", "path")
    return text


@lru_cache(maxsize=32)
def checked_method(text: str) -> str:
    """The method, if it is a plain word."""
    if not (text.isascii() and text.isalpha()):
        raise unsendable("not an HTTP method", "method")
    return text.upper()


def checked_header(name: str, value: str) -> tuple[str, str]:
    """One header, if it cannot become two.

    Raises:
        ValidationError: Name or value hold what a header must not; the value is never shown.
    """
    lower = _header_name(name)
    if not (value.isascii() and value.replace("\t", " ").isprintable()):
        raise unsendable(
            f"header {name} holds a line break or another character that no header may hold", "headers"
        )
    return lower, value


def add_headers(to: dict[str, str], headers: Mapping[str, str]) -> None:
    """Add headers, their names in lower case, if none of them can become two; see ``checked_header``."""
    together = "".join(headers.values())
    if not (together.isascii() and together.isprintable()):
        for name, value in headers.items():
            checked_header(name, value)
    for name, value in headers.items():
        to[_header_name(name)] = value


@lru_cache(maxsize=256)
def _header_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise unsendable("not a header name", "headers")
    return text.lower()


def checked_base(url: str, *, secret: bool) -> str:
    """A base URL without its closing slash.

    Args:
        url: The address.
        secret: Whether a credential travels to it.

    Raises:
        ConfigurationError: It is no address, holds a user name, or would show the credential on the network.
    """
    parts = _address("base_url", url)
    if parts.username is not None:
        raise ConfigurationError("base_url must not hold a user name or password", field="base_url")
    if secret and _in_clear(parts):
        way_out = "use https://, or a loopback address such as http://127.0.0.1:8080 for a local server"
        raise ConfigurationError(
            f"base_url {origin(url)} would show the token on the network: {way_out}", field="base_url"
        )
    return parts.geturl().rstrip("/")


def checked_proxy(url: str | None, *, base: str, secret: bool) -> str | None:
    """A proxy's address, if there is one.

    Raises:
        ConfigurationError: It is no address, or would be shown the credential.
    """
    if url is None:
        return None
    parts = _address("proxy", url)
    if secret and base.startswith("http:") and _in_clear(parts):
        raise ConfigurationError(
            "the proxy would be shown the token: use an https:// base_url", field="proxy"
        )
    return url


def _address(field: str, url: str) -> SplitResult:
    parts = address_of(url)
    if parts is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise ConfigurationError(f"{field} must look like https://host or https://host:port", field=field)
    return parts


def _in_clear(parts: SplitResult) -> bool:
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def address_of(url: str) -> SplitResult | None:
    """The parts of an address; None if it is none."""
    if not url.isascii() or _UNFIT.search(url) or not {" ", "\\"}.isdisjoint(url):
        return None
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if known else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origin(url: str) -> str:
    """Scheme, host and port of an address, for messages; a relative one has no origin of its own."""
    parts = address_of(url)
    if parts is None:
        return (
            "the same origin" if url.startswith("/") and not url.startswith("//") else "an unreadable address"
        )
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def link_params(url: str) -> dict[str, str]:
    """The query of a link to another page; its host is ignored on purpose, so that no answer can lead us elsewhere.

    Raises:
        ProtocolMismatchError: The link is not an address.
    """
    with suppress(ValueError):
        return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=100))
    raise ProtocolMismatchError("the link to the next page is not an address")
