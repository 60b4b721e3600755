"""Where secrets come from. Their values are fetched when a provider is first used, not when it is configured."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path

from purveyor.model.errors import MissingCredentialsError
from purveyor.model.values import Secret
from purveyor.spi.call import SecretRef

__all__ = ["SCHEMES", "resolve_secret", "scheme_of"]

SCHEMES = ("env", "file")

_SCHEME = re.compile(r"([a-z][a-z0-9+-]{1,15}):(?=\S)")


def scheme_of(reference: str) -> str | None:
    """The reference's scheme; None if it is the secret itself."""
    match = _SCHEME.match(reference)
    return match.group(1) if match else None


async def resolve_secret(ref: SecretRef, provider: str, environ: Mapping[str, str] = os.environ) -> Secret:
    """Fetch the secret that a provider's setting refers to.

    Raises:
        MissingCredentialsError: It is not where the reference says; names the place, never the value.
    """
    scheme, _, place = ref.reference.partition(":")
    if scheme_of(ref.reference) == "env":
        value = environ.get(place, "")
        way_out = f"the environment variable {place} is not set"
    elif scheme_of(ref.reference) == "file":
        value = await asyncio.to_thread(_read, place)
        way_out = f"the file {place} cannot be read or is empty"
    else:
        value, way_out = ref.reference, "its secret is empty"
    if not value.strip():
        raise MissingCredentialsError(
            f"{way_out}; the configuration of this provider asks for it",
            provider=provider,
            details={"reference": f"{scheme}:{place}"} if scheme_of(ref.reference) else {},
        )
    return Secret(value.strip())


def _read(place: str) -> str:
    try:
        return Path(place).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
