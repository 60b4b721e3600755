"""Private keys, public keys and addresses: secp256k1 by libsecp256k1, addresses in bech32."""

from __future__ import annotations

import hashlib
import hmac
import inspect
from base64 import b64decode
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Protocol, TypeAlias, cast

import bech32
from coincurve import PrivateKey, PublicKey

from purveyor.plugin import ConfigurationError, InvalidCredentialsError, Outcome, PurveyorError, Secret

__all__ = [
    "Key",
    "LocalKey",
    "RemoteKey",
    "Sign",
    "address_of",
    "derived",
    "from_hex",
    "from_mnemonic",
    "load_sign",
    "public_bytes",
]

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1: s and ORDER - s sign the same, and chains only take the lower one."""

HARDENED = 2**31
"""Numbers from here on are written with a quote."""

Sign: TypeAlias = Callable[[bytes], bytes | Awaitable[bytes]]
"""Signs bytes: ECDSA over their SHA-256, answered as r and s, 64 bytes. It may be a coroutine function."""


class Key(Protocol):
    """What signs."""

    @property
    def public(self) -> bytes:
        """The public key, compressed: 33 bytes."""
        ...

    async def sign(self, document: bytes) -> bytes:
        """Signature over the SHA-256 of a document: r and s, 64 bytes, the lower s."""
        ...


class LocalKey:
    """A private key in this process. Signatures are deterministic (RFC 6979) and have the lower s.

    Args:
        private: 32 bytes.

    Raises:
        ConfigurationError: They are no private key.
    """

    def __init__(self, private: bytes) -> None:
        self._private = _private(private)
        self.public = self._private.public_key.format(compressed=True)

    async def sign(self, document: bytes) -> bytes:
        """See ``Key.sign``."""
        return self._private.sign_recoverable(hashlib.sha256(document).digest(), None)[:64]

    def __repr__(self) -> str:
        return "LocalKey(****)"


class RemoteKey:
    """A key that is somewhere else, such as in a hardware wallet. What it answers is checked before it is used.

    Args:
        sign: Signs.
        public: Its public key, compressed: 33 bytes.

    Raises:
        ConfigurationError: That is no public key.
    """

    def __init__(self, sign: Sign, public: bytes) -> None:
        self._sign = sign
        self.public = _public(public)

    async def sign(self, document: bytes) -> bytes:
        """See ``Key.sign``.

        Raises:
            InvalidCredentialsError: The signer fails, or its answer is no signature by this key.
        """
        signature = _with_lower_s(await self._asked(document))
        if signature is None or not _is_signed_by(self.public, signature, document):
            raise _unsigned("the signer's answer is not a signature by public_key")
        return signature

    async def _asked(self, document: bytes) -> Any:
        try:
            answer = self._sign(document)
            return await answer if inspect.isawaitable(answer) else answer
        except PurveyorError:
            raise
        except Exception as error:
            raise _unsigned(f"the signer failed with {type(error).__name__}") from error


def _unsigned(message: str) -> InvalidCredentialsError:
    return InvalidCredentialsError(message, field="signer", outcome=Outcome.NOT_SENT)


def from_hex(secret: Secret) -> LocalKey:
    """The key of 64 hexadecimal digits.

    Raises:
        ConfigurationError: The text is something else.
    """
    text = secret.reveal().strip().removeprefix("0x")
    try:
        return LocalKey(bytes.fromhex(text))
    except ValueError:
        pass  # Raised below, where the text is in no trace.
    raise ConfigurationError("key must be 64 hexadecimal digits", field="key")


def from_mnemonic(secret: Secret, derivation: str) -> LocalKey:
    """The key that wallets make of the words of BIP 39 and a path of BIP 32.

    Raises:
        ConfigurationError: They are no such words, or the extra is not installed.
    """
    try:
        mnemonic = import_module("mnemonic")
    except ImportError as error:
        way_out = "pip install 'purveyor-virtengine[mnemonic]'"
        raise ConfigurationError(f"mnemonic needs an extra: {way_out}", field="mnemonic") from error
    words = " ".join(secret.reveal().split())
    known = mnemonic.Mnemonic("english")
    if not known.check(words):
        raise ConfigurationError(
            "mnemonic must be 12 to 24 English words, the last of which fits", field="mnemonic"
        )
    return LocalKey(derived(known.to_seed(words), derivation))


def derived(seed: bytes, derivation: str) -> bytes:
    """A private key below a seed (BIP 32), such as that of ``m/44'/118'/0'/0/0``.

    Raises:
        ConfigurationError: The path cannot be followed.
    """
    digest = _digest(b"Bitcoin seed", seed)
    for step in derivation.split("/")[1:]:
        number = int(step.rstrip("'")) + (HARDENED if step.endswith("'") else 0)
        if number >= 2 * HARDENED:
            raise ConfigurationError(f"derivation has a step that is too large: {step}", field="derivation")
        parent = _private(digest[:32])
        told = b"\0" + parent.secret if number >= HARDENED else parent.public_key.format(compressed=True)
        below = _digest(digest[32:], told + number.to_bytes(4, "big"))
        digest = parent.add(below[:32]).secret + below[32:]
    return digest[:32]


def _digest(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha512)


def load_sign(name: str) -> Sign:
    """The function that ``module:name`` stands for.

    Raises:
        ConfigurationError: There is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"signer {name} cannot be imported: {error}", field="signer") from error
    if not callable(found):
        raise ConfigurationError(f"signer {name} is not a function", field="signer")
    return cast(Sign, found)  # What it answers is checked.


def public_bytes(text: str) -> bytes:
    """The public key in Base64.

    Raises:
        ConfigurationError: It is not Base64.
    """
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise ConfigurationError("public_key must be Base64 of 33 bytes", field="public_key") from error


def address_of(public: bytes, prefix: str) -> str:
    """The account's address of a compressed public key.

    Raises:
        ConfigurationError: This Python cannot compute RIPEMD-160.
    """
    try:
        digest = hashlib.new("ripemd160", hashlib.sha256(public).digest()).digest()
    except ValueError as error:
        raise ConfigurationError(
            "this Python's OpenSSL has no RIPEMD-160, which addresses are made with", field="key"
        ) from error
    words = bech32.convertbits(digest, 8, 5)
    return bech32.bech32_encode(prefix, words or ())


def _private(data: bytes) -> PrivateKey:
    try:
        if len(data) == 32:
            return PrivateKey(data)
    except ValueError:
        pass  # Raised below, where the key is in no trace.
    raise ConfigurationError("key is not a private key of secp256k1", field="key")


def _public(data: bytes) -> bytes:
    try:
        if len(data) == 33:
            return PublicKey(data).format(compressed=True)
    except ValueError:
        pass
    raise ConfigurationError("public_key must be a compressed key of secp256k1, 33 bytes", field="public_key")


def _with_lower_s(signature: Any) -> bytes | None:
    if not isinstance(signature, bytes) or len(signature) != 64:
        return None
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, ORDER - s).to_bytes(32, "big") if 0 < s < ORDER else None


def _is_signed_by(public: bytes, signature: bytes, document: bytes) -> bool:
    return any(_recovered(signature + bytes([number]), document) == public for number in range(4))


def _recovered(signature: bytes, document: bytes) -> bytes | None:
    try:
        found: bytes = PublicKey.from_signature_and_message(signature, document).format(compressed=True)
        return found
    except ValueError:
        return None
