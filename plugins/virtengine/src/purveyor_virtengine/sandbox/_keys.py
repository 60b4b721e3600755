"""Accounts: secp256k1 keys and bech32 addresses, written apart from the plugin's so that the two check each other."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _checksum(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(_GENERATOR):
            check ^= factor if top >> bit & 1 else 0
    return check


def _expanded(prefix: str) -> list[int]:
    return [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]


def to_bech32(prefix: str, data: bytes) -> str:
    """Bytes as an address with this prefix (BIP 173)."""
    bits = "".join(f"{one:08b}" for one in data)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    check = _checksum([*_expanded(prefix), *words, *[0] * 6]) ^ 1
    words += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1{''.join(_ALPHABET[one] for one in words)}"


@lru_cache(maxsize=4096)
def from_bech32(address: str) -> bytes:
    """The bytes of an address, whatever its prefix.

    Raises:
        ValueError: It is no bech32, or its checksum is wrong.
    """
    if address not in (address.lower(), address.upper()):
        raise ValueError("mixed case")
    prefix, separator, text = address.lower().rpartition("1")
    if not separator or not prefix or len(text) < 6:
        raise ValueError("no separator")
    words = [_ALPHABET.index(one) for one in text]
    if _checksum([*_expanded(prefix), *words]) != 1:
        raise ValueError("wrong checksum")
    bits = "".join(f"{one:05b}" for one in words[:-6])
    whole, rest = divmod(len(bits), 8)
    if rest > 4 or "1" in bits[whole * 8 :]:
        raise ValueError("wrong padding")
    return bytes(int(bits[at * 8 : at * 8 + 8], 2) for at in range(whole))


def account_bytes(public_key: bytes) -> bytes:
    """The 20 bytes of the account that a compressed public key stands for."""
    return hashlib.new("ripemd160", hashlib.sha256(public_key).digest()).digest()


@attrs.frozen
class Wallet:
    """A key, and the account that it stands for."""

    private_key: str = attrs.field(repr=False)
    """64 hexadecimal digits; worth nothing outside of a sandbox."""
    prefix: str = "ve"
    public: bytes = attrs.field(init=False, repr=False)
    """Compressed: 33 bytes."""
    address: str = attrs.field(init=False)

    @public.default
    def _derive(self) -> bytes:
        key = ec.derive_private_key(int(self.private_key, 16), ec.SECP256K1())
        return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    @address.default
    def _name(self) -> str:
        return to_bech32(self.prefix, account_bytes(self.public))

    @property
    def public_key(self) -> str:
        """In Base64, as it travels."""
        return b64encode(self.public).decode()
