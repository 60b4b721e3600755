"""One answer, read to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs

from purveyor.model.errors import Outcome, ProtocolMismatchError

__all__ = ["Response"]


@attrs.frozen(kw_only=True)
class Response:
    """One answer, read to its end.

    Attributes:
        status: HTTP status.
        headers: Names in lower case; values of a repeated header are joined by commas.
        body: All of it, inflated.
        method: Method of the request.
        path: Path of the request, without its query.
        operation: What was being done.
        provider: Name of the configured provider.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    method: str = "GET"
    path: str = "/"
    operation: str = ""
    provider: str = ""

    def json(self) -> Any:
        """The body as JSON values.

        Raises:
            ProtocolMismatchError: It is not JSON, such as a page of a proxy.
        """
        if not self.body:
            raise self.mismatch("it is empty")
        # The decoder's error holds the whole body, so ours is raised where no trace of it stays.
        with suppress(ValueError, RecursionError):
            return json.loads(self.body)
        raise self.mismatch("it is not JSON")

    def mismatch(self, reason: str) -> ProtocolMismatchError:
        """The error that says what is wrong with this answer, without quoting it.

        Args:
            reason: Half a sentence, such as ``"droplets[3].memory is missing"``.
        """
        kind = ascii(self.headers.get("content-type", "").partition(";")[0].strip()[:60])
        return ProtocolMismatchError(
            f"{self.operation or 'the request'} got an answer that cannot be used: {reason}"
            f" ({self.method} {self.path}, HTTP {self.status}, content type {kind})",
            provider=self.provider or None,
            operation=self.operation or None,
            outcome=Outcome.UNKNOWN,
        )
