"""What shows who asks: a credential in the headers of every request, or a signature of each."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping

import attrs

from purveyor.model.errors import ConfigurationError
from purveyor.model.values import Secret
from purveyor.wire.address import checked_header

__all__ = ["BasicAuth", "BearerAuth", "Signer", "Unsigned"]


class BearerAuth:
    """A token that goes into a header of each request.

    Args:
        token: The token.
        scheme: Word before it; empty for none.
        header: Name of the header.
    """

    def __init__(self, token: Secret, *, scheme: str = "Bearer", header: str = "Authorization") -> None:
        self._token, self._scheme, self._header = token, scheme, header
        checked_header(*self.pair)

    @property
    def pair(self) -> tuple[str, str]:
        """Name and value of the header, with the token shown: pass it on, never store or print it."""
        return self._header, f"{self._scheme} {self._token.reveal()}".strip(" ")

    def __repr__(self) -> str:
        return f"BearerAuth({self._header}: ****)"


class BasicAuth:
    """A user name and a password that go into a header of each request.

    Args:
        username: The user name; it cannot hold a colon.
        password: The password.

    Raises:
        ConfigurationError: The user name holds a colon.
    """

    def __init__(self, username: str, password: Secret) -> None:
        if ":" in username:
            raise ConfigurationError("a user name must not hold a colon", field="username")
        self._username, self._password = username, password

    @property
    def pair(self) -> tuple[str, str]:
        """Name and value of the header, with the password in it: pass it on, never store or print it."""
        text = f"{self._username}:{self._password.reveal()}"
        return "Authorization", f"Basic {b64encode(text.encode()).decode()}"

    def __repr__(self) -> str:
        return "BasicAuth(****)"


@attrs.define(kw_only=True)  # not frozen: one is made for every request, and that takes twice as long
class Unsigned:
    """What a signature is made for.

    Attributes:
        method: In upper case.
        path: Below the base URL, percent-decoded. A prefix of the base URL is not part of it: who has one takes it off.
        query: As it is sent, without its question mark.
        body: Exactly the bytes that are sent.
    """

    method: str
    path: str
    query: str
    body: bytes = attrs.field(repr=False)


Signer = Callable[[Unsigned], Awaitable[Mapping[str, str]]]
"""Makes the headers that sign one request. It is asked anew for every attempt, right before sending."""
