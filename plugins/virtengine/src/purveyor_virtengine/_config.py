"""Settings of one wallet on one chain, and of each provider that is found there."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Any

import attrs

from purveyor.plugin import SecretRef

__all__ = ["BASE_URL", "Settings"]

BASE_URL = "https://api.virtengine.com"
"""REST of the main network's chain."""

NAMES = ("owner", "dseq", "gseq", "oseq", "provider")
"""What ``deployment_format`` may be made of."""

Check = Callable[[Any, Any, Any], None]


def _fitting(pattern: str, what: str) -> Check:
    def check(_settings: object, _field: object, value: str | None) -> None:
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            msg = f"must be {what}, not {value!r:.80}"
            raise ValueError(msg)

    return check


def _above_zero(_settings: object, _field: object, value: float) -> None:
    if value <= 0:
        msg = f"must be above zero, not {value:g}"
        raise ValueError(msg)


def _made_of_names(_settings: object, _field: object, value: str) -> None:
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError:
        parts = []
    used = [name for _, name, _, _ in parts if name is not None]
    plain = all(
        re.fullmatch("[a-zA-Z0-9_~-]*", text) and not spec and not conversion
        for text, _, spec, conversion in parts
    )
    if not plain or not {"dseq"} <= {*used} <= {*NAMES}:
        msg = (
            f"must hold {{dseq}} and may hold {', '.join(NAMES)} in braces, with letters, digits, - and _ between"
            f" them, not {value!r:.80}"
        )
        raise ValueError(msg)


ADDRESS = _fitting("[a-z]{1,83}1[02-9ac-hj-np-z]{7,90}", "an address such as ve1w4wd…")


@attrs.frozen(kw_only=True)
class Settings:
    """Settings of one wallet on one chain. ``base_url``, which all provider types have, is the chain's REST.

    Attributes:
        nodes: Further REST servers of the same chain; they are asked when the one before does not answer well.
        api_key: Key for a gateway in front of the nodes (``x-api-key``).
        chain_id: Name of the chain, which each signature holds.
        prefix: What addresses of this chain begin with.
        owner: Whose leases are shown; the wallet's address unless given.
        key: Private key of the wallet, 64 hexadecimal digits.
        mnemonic: Words to make the private key of, instead; needs the extra ``mnemonic``.
        derivation: Which key to make of the words.
        signer: ``module:name`` of a function that signs instead, for remote and hardware wallets.
        public_key: The signer's public key, Base64 of 33 bytes.
        hmac_secret: For providers that take HMAC instead of wallets.
        principal: The name that goes with ``hmac_secret``.
        veid_score: Score that shells ask for (``X-VEID-Score``).
        deployment_format: How providers call a lease in their paths.
        leases_ttl: Seconds that leases are remembered.
    """

    nodes: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    api_key: SecretRef | None = None
    chain_id: str = attrs.field(
        default="virtengine-1", validator=_fitting(r"[\w.-]{1,50}", "a chain's name such as virtengine-1")
    )
    prefix: str = attrs.field(default="ve", validator=_fitting("[a-z]{1,83}", "lower-case letters"))
    owner: str | None = attrs.field(default=None, validator=ADDRESS)
    key: SecretRef | None = None
    mnemonic: SecretRef | None = None
    derivation: str = attrs.field(
        default="m/44'/118'/0'/0/0",
        validator=_fitting(r"m(/\d{1,10}'?)+", "a derivation path such as m/44'/118'/0'/0/0"),
    )
    signer: str | None = attrs.field(default=None, validator=_fitting(r"[\w.]+:\w+", "module:name"))
    public_key: str | None = None
    hmac_secret: SecretRef | None = None
    principal: str | None = attrs.field(default=None, validator=_fitting(r"[!-~]{1,200}", "one word"))
    veid_score: int | None = None
    deployment_format: str = attrs.field(default="{dseq}", validator=_made_of_names)
    leases_ttl: float = attrs.field(default=15.0, validator=_above_zero)
