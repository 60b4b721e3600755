"""Signed requests, as the provider daemon checks them: by a wallet, or by HMAC.

A wallet's signature names neither host nor query and is good for five minutes, at every provider. So each one is made
for one attempt, and who may see it is decided by the leases; see ``_provider``.

Sources: ``pkg/provider_daemon/auth/cosmos_verify.go`` and ``portal_api.go`` of virtengine/virtengine.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any

from purveyor.plugin import Clock, Secret
from purveyor.wire import Unsigned, unsendable
from purveyor_virtengine._keys import Key, address_of

__all__ = ["HmacSigner", "WalletSigner", "canonical_body"]

_UNFIT = re.compile(r'[\x00-\x1f\x7f"\\\ud800-\udfff]')
"""What would break the signed text, which the daemon puts together without escapes."""

_ESCAPED = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
"""What Go writes as an escape and Python does not."""


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
        nonce: Callable[[], str] = lambda: token_hex(16),
    ) -> None:
        self.principal = address_of(key.public, prefix)
        self._key, self._clock, self._nonce = key, clock, nonce
        self._public = b64encode(key.public).decode()
        # The sign document of Cosmos' MsgSignData with sorted keys; only the data changes.
        self._before = (
            f'{{"account_number":"0","chain_id":{_text(chain_id)},"fee":{{"amount":[],"gas":"0"}},"memo":"",'
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
            "x-ve-signature": b64encode(signature).decode(),
            "x-ve-pubkey": self._public,
        }

    def document(self, request: Unsigned, *, stamp: int, nonce: str) -> bytes:
        """The bytes that are signed; ``stamp`` is in milliseconds since 1970."""
        body_hash = hashlib.sha256(canonical_body(request.body)).hexdigest() if request.body else ""
        inner = (
            f'{{"method":"{request.method}","path":"{_checked(request.path)}","timestamp":{stamp},'
            f'"nonce":"{nonce}","body_hash":"{body_hash}"}}'
        )
        return self._before + b64encode(inner.encode()) + self._after

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


def canonical_body(body: bytes) -> bytes:
    """A body as the daemon hashes it: what is JSON with sorted keys and as Go writes it, all else as it is.

    Numbers keep the digits that they were written with.
    """
    for write in (_quickly, _exactly):
        with suppress(ValueError, RecursionError):
            return write(body.decode()).encode()
    return body


def _quickly(text: str) -> str:
    """What most bodies need: there is nothing in them that Python would write otherwise but a few letters."""
    if "-0" in text:
        raise ValueError("zero is written in more than one way")
    return _SORTED.encode(_WHOLE_NUMBERS.decode(text)).translate(_ESCAPED)


def _exactly(text: str) -> str:
    return _written(_EXACT.decode(text))


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _refuse(word: str) -> Any:
    msg = f"{word} is not for us to write"
    raise ValueError(msg)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """As Go decodes it: halves of a surrogate pair become U+FFFD, and of equal keys the last one counts."""
    return {_whole(key): value for key, value in pairs}


def _whole(text: str) -> str:
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        # Sorting by code points is sorting by UTF-8 bytes.
        return "{" + ",".join([f"{_text(key)}:{_written(value[key])}" for key in sorted(value)]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, _Number):
        return value
    return _text(_whole(value)) if isinstance(value, str) else _WORDS[value]


def _text(text: str) -> str:
    return _encoded(text).translate(_ESCAPED)


_WORDS = {True: "true", False: "false", None: "null"}
_encoded = json.JSONEncoder(ensure_ascii=False).encode
_EXACT = json.JSONDecoder(
    parse_int=_Number, parse_float=_Number, parse_constant=_refuse, object_pairs_hook=_object
)
_WHOLE_NUMBERS = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)
_SORTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _checked(path: str) -> str:
    if _UNFIT.search(path):
        raise unsendable(
            "the path holds a quote, a backslash or another character that cannot be signed", "path"
        )
    return path
