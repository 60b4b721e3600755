"""What a token may do, from what its answers tell."""

from __future__ import annotations

from purveyor.plugin import CredentialReport
from purveyor_linode import _rows as rows

__all__ = ["NEEDED", "report", "scopes_of"]

NEEDED = (
    "linodes:read_write",
    "images:read_only",
    "stackscripts:read_only",
    "account:read_only",
    "events:read_only",
)
"""Scopes that some operation needs; plans and regions are public."""


def scopes_of(header: str | None) -> tuple[str, ...] | None:
    """The scopes of the header ``X-OAuth-Scopes``, where it says any."""
    words = tuple((header or "").replace(",", " ").split())
    return None if words in {(), ("unknown",)} else words


def report(
    provider: str,
    profile: rows.Profile,
    scopes: tuple[str, ...] | None,
    account: rows.Account | None,
    grants: rows.Grants | None,
) -> CredentialReport:
    """What is known about a token.

    Args:
        provider: Name of the provider.
        profile: Its user.
        scopes: Its scopes, where they are known.
        account: Its user's account; None where it may not be seen.
        grants: What its user may do; None for users who may do everything.
    """
    missing = [] if scopes is None else [scope for scope in NEEDED if not _covered(scope, scopes)]
    if account is None and "account:read_only" not in missing:
        missing.append("account:read_only")
    everywhere = (grants and grants.everywhere) or rows.GlobalGrants(add_linodes=grants is None)
    if not everywhere.add_linodes:
        missing.append("grant:add_linodes")
    whose = (account and (account.company or account.email)) or profile.email
    return CredentialReport(
        provider=provider,
        account=" ".join(filter(None, (profile.username, whose and f"({whose})"))) or None,
        scopes=scopes,
        missing=tuple(missing),
        note="" if grants is None else "the user is restricted: its grants count besides the token's scopes",
    )


def _covered(needed: str, scopes: tuple[str, ...]) -> bool:
    subject, _, access = needed.partition(":")
    enough = {"*", needed, f"{subject}:*", f"{subject}:read_write"}
    return any(scope in enough for scope in scopes) if access else False
