"""Signed requests, as the provider daemon checks them: by a wallet, or by HMAC.

A wallet's signature names neither host nor query and is good for five minutes, at every provider. So each one is made
for one attempt, and who may see it is decided by the leases; see ``_provider``.

Sources: ``pkg/provider_daemon/auth/cosmos_verify.go`` and ``portal_api.go`` of virtengine/virtengine.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from functools import lru_cache
from os import urandom

from purveyor.plugin import Clock, Secret
from purveyor.wire import Unsigned, unsendable
from purveyor_virtengine._canonical import canonical_body, text_of
from purveyor_virtengine._keys import Key, address_of

__all__ = ["HmacSigner", "WalletSigner"]

_UNFIT = re.compile(r'[\x00-\x1f\x7f"\\\ud800-\udfff]')
"""What would break the signed text, which the daemon puts together without escapes."""


class WalletSigner:
    """Signs requests with a wallet: a fresh nonce and signature each.

    Args:
        key: What signs.
        prefix: What addresses of the chain begin with.
        chain_id: Name of the chain.
        clock: Time; the daemon allows five minutes of age and a minute of future.
        nonce: Makes 32 hexadecimal digits that were never used before.

    Attributes:
        principal: The wallet's address.
    """

    def __init__(
        self,
        key: Key,
        *,
        prefix: str,
        chain_id: str,
        clock: Clock,
        nonce: Callable[[], str] = lambda: urandom(16).hex(),
    ) -> None:
        self.principal = address_of(key.public, prefix)
        self._key, self._clock, self._nonce = key, clock, nonce
        self._public = b2a_base64(key.public, newline=False).decode()
        # The sign document of Cosmos' MsgSignData with sorted keys; only the data changes.
        self._before = (
            f'{{"account_number":"0","chain_id":{text_of(chain_id)},"fee":{{"amount":[],"gas":"0"}},"memo":"",'
            '"msgs":[{"type":"sign/MsgSignData","value":{"data":"'
        ).encode()
        self._after = f'","signer":"{self.principal}"}}}}],"sequence":"0"}}'.encode()

    async def __call__(self, request: Unsigned) -> Mapping[str, str]:
        """The headers of one attempt; the query is not covered.

        Raises:
            ValidationError: The path holds what cannot be signed.
            InvalidCredentialsError: A signer that is somewhere else did not sign.
        """
        nonce, stamp = self._nonce(), int(self._clock.now().timestamp() * 1000)
        signature = await self._key.sign(self.document(request, stamp=stamp, nonce=nonce))
        return {
            "x-ve-address": self.principal,
            "x-ve-timestamp": str(stamp),
            "x-ve-nonce": nonce,
            "x-ve-signature": b2a_base64(signature, newline=False).decode(),
            "x-ve-pubkey": self._public,
        }

    def document(self, request: Unsigned, *, stamp: int, nonce: str) -> bytes:
        """The bytes that are signed; ``stamp`` is in milliseconds since 1970."""
        body_hash = hashlib.sha256(canonical_body(request.body)).hexdigest() if request.body else ""
        inner = (
            f'{{"method":"{request.method}","path":"{_checked(request.path)}","timestamp":{stamp},'
            f'"nonce":"{nonce}","body_hash":"{body_hash}"}}'
        )
        return self._before + b2a_base64(inner.encode(), newline=False) + self._after

    def __repr__(self) -> str:
        return f"WalletSigner({self.principal})"


class HmacSigner:
    """Signs requests with a shared secret. There is no nonce, and the body is not covered.

    Args:
        secret: The secret.
        principal: Who asks.
        clock: Time; the daemon allows five minutes of difference.
    """

    def __init__(self, secret: Secret, *, principal: str, clock: Clock) -> None:
        self.principal = principal
        self._secret, self._clock = secret, clock

    async def __call__(self, request: Unsigned) -> Mapping[str, str]:
        """The headers of one attempt; the query is covered byte for byte. See ``WalletSigner``."""
        stamp = str(int(self._clock.now().timestamp()))
        text = "\n".join((request.method, _checked(request.path), request.query, self.principal, stamp))
        signature = hmac.new(self._secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
        return {"x-ve-principal": self.principal, "x-ve-timestamp": stamp, "x-ve-signature": signature}

    def __repr__(self) -> str:
        return f"HmacSigner({self.principal}: ****)"


@lru_cache(maxsize=1024)  # the paths of a wallet's deployments are asked for again and again
def _checked(path: str) -> str:
    if _UNFIT.search(path):
        raise unsendable(
            "the path holds a quote, a backslash or another character that cannot be signed", "path"
        )
    return path
