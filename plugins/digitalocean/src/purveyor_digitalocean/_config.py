"""Settings of one DigitalOcean account."""

from __future__ import annotations

import attrs

from purveyor.plugin import SecretRef

__all__ = ["BASE_URL", "Settings"]

BASE_URL = "https://api.digitalocean.com"
"""DigitalOcean's own; all paths below it begin with ``/v2``."""


@attrs.frozen(kw_only=True)
class Settings:
    """Settings of one DigitalOcean account. All but the token concern the machines that are made.

    Attributes:
        token: Personal access token (``dop_v1_…``); the README lists the scopes that it needs.
        vpc_uuid: VPC to put machines into, but for those that are asked for outside of ``region``, a setting of every
            provider type; their region's default VPC if None.
        ipv6: Whether machines get a public IPv6 address.
        monitoring: Whether the monitoring agent is installed; without it DigitalOcean has next to no metrics.
        backups: Whether automatic backups are made; they cost extra.
        tags: Tags of all machines, beside those of each request.
    """

    token: SecretRef
    vpc_uuid: str | None = None
    ipv6: bool = False
    monitoring: bool = False
    backups: bool = False
    tags: tuple[str, ...] = attrs.field(default=(), converter=tuple)
