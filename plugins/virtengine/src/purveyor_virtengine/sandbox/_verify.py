"""Who signed a request: the wallet scheme and HMAC, checked as the Go daemon checks them, with its words.

Source: virtengine ``pkg/provider_daemon/auth/cosmos_verify.go`` and ``pkg/provider_daemon/portal_api.go``.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from purveyor_testing.sandbox import Call
from purveyor_virtengine.sandbox._canonical import body_hash, canonical
from purveyor_virtengine.sandbox._keys import account_bytes, from_bech32

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MAX_AGE, FUTURE_DRIFT, HMAC_DRIFT = 300.0, 60.0, 300
"""Seconds."""

Scheme = Literal["wallet", "hmac"]


class UnsignedError(Exception):
    """401, in the daemon's words."""


class PanicError(Exception):
    """The daemon's handler dies, and the connection with it."""


@attrs.frozen
class Claim:
    """What a request says about who sent it; nothing of it is checked."""

    scheme: Scheme
    address: str
    timestamp: str
    nonce: str = ""
    signature: str = attrs.field(default="", repr=False)
    public_key: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        needed = [self.address, self.timestamp, self.signature]
        return all(needed if self.scheme == "hmac" else [*needed, self.nonce, self.public_key])


_WALLET = (
    ("X-VE-Address", "ve_address"),
    ("X-VE-Timestamp", "ve_ts"),
    ("X-VE-Nonce", "ve_nonce"),
    ("X-VE-Signature", "ve_sig"),
    ("X-VE-PubKey", "ve_pub"),
)
_HMAC = (("X-VE-Principal", "principal"), ("X-VE-Timestamp", "ts"), ("X-VE-Signature", "sig"))


def claim_of(call: Call) -> Claim | None:
    """The wallet's claim if there is one, else an HMAC principal's; headers win over the query."""

    def read(header: str, key: str) -> str:
        return call.headers.get(header, "").strip() or call.query.get(key, "").strip()

    address, timestamp, nonce, signature, public_key = (read(*names) for names in _WALLET)
    if address:
        return Claim("wallet", address, timestamp, nonce, signature, public_key)
    principal, timestamp, signature = (read(*names) for names in _HMAC)
    return Claim("hmac", principal, timestamp, signature=signature) if principal or signature else None


def sign_bytes(call: Call, claim: Claim, chain_id: str) -> bytes:
    """What the wallet must have signed: neither host nor query nor headers are in it."""
    inner = (
        f'{{"method":"{call.method.upper()}","path":"{unquote(call.path)}","timestamp":{int(claim.timestamp)},'
        f'"nonce":"{claim.nonce}","body_hash":"{body_hash(call.body)}"}}'
    )
    value = {"signer": claim.address, "data": b64encode(inner.encode()).decode()}
    document = {
        "chain_id": chain_id,
        "account_number": "0",
        "sequence": "0",
        "fee": {"gas": "0", "amount": []},
        "msgs": [{"type": "sign/MsgSignData", "value": value}],
        "memo": "",
    }
    return canonical(document).encode()


def check_wallet(call: Call, claim: Claim, *, chain_id: str, now: float, seen: Mapping[str, float]) -> None:
    """Refuse a claim that does not hold; `seen` are the nonces known here, as ``address:nonce``."""
    if not chain_id:
        raise UnsignedError("wallet auth chain id is required")
    if not claim.whole:
        raise UnsignedError("missing wallet authentication headers")
    _check_age(claim, now)
    if seen.get(f"{claim.address}:{claim.nonce}", 0.0) > now:
        raise UnsignedError("nonce already used")
    signature = _decoded(claim.signature, "invalid signature encoding")
    public_key = _decoded(claim.public_key, "invalid public key encoding")
    _check_account(claim.address, public_key)
    if not _is_signed(public_key, signature, sign_bytes(call, claim, chain_id)):
        raise UnsignedError("signature verification failed")


def _check_age(claim: Claim, now: float) -> None:
    moment = _integer(claim.timestamp) / 1000
    if now - moment > MAX_AGE:
        raise UnsignedError("request timestamp too old")
    if moment > now + FUTURE_DRIFT:
        raise UnsignedError("request timestamp in future")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise UnsignedError("invalid timestamp")
    return int(text)


def _decoded(text: str, words: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise UnsignedError(words) from error


def _check_account(address: str, public_key: bytes) -> None:
    try:
        account = from_bech32(address)
    except ValueError as error:
        raise UnsignedError("invalid address") from error
    if len(public_key) != 33:
        raise PanicError("length of pubkey is incorrect")
    if account != account_bytes(public_key):
        raise UnsignedError("address does not match public key")


def _is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or s > ORDER // 2:
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public_key)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def hmac_of(call: Call, claim: Claim, secret: str) -> str:
    """What an HMAC principal must have sent: the query counts byte for byte, the body does not."""
    parts = (call.method, unquote(call.path), call.raw_query, claim.address, claim.timestamp)
    return hmac.new(secret.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def check_hmac(call: Call, claim: Claim, *, secret: str, now: float) -> None:
    """Refuse a claim that does not hold."""
    moment = _integer(claim.timestamp)
    if abs(moment - int(now)) > HMAC_DRIFT:
        raise UnsignedError("request timestamp out of range")
    if not secret:
        raise UnsignedError("hmac secret not configured")
    if not hmac.compare_digest(hmac_of(call, claim, secret).encode(), claim.signature.lower().encode()):
        raise UnsignedError("invalid signature")
