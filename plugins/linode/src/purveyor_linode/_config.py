"""Settings of one Linode account."""

from __future__ import annotations

import attrs

from purveyor.plugin import SecretRef

__all__ = ["BASE_URL", "Settings"]

BASE_URL = "https://api.linode.com/v4"
"""Linode's own, with the version that all paths stand below."""


@attrs.frozen(kw_only=True)
class Settings:
    """Settings of one Linode account. All but the token concern the machines that are made.

    Attributes:
        token: Personal access token; the README lists the scopes that it needs.
        authorized_users: Names of Linode users whose SSH keys go onto the machines, beside those of each request.
        private_ip: Whether machines get a private IPv4 address.
        backups: Whether automatic backups are made; they cost extra, and snapshots need them.
        firewall_id: Cloud firewall to put machines behind.
        tags: Tags of all machines, beside those of each request.
    """

    token: SecretRef
    authorized_users: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    private_ip: bool = False
    backups: bool = False
    firewall_id: int | None = None
    tags: tuple[str, ...] = attrs.field(default=(), converter=tuple)
