"""SSH keys: the account holds them, machines name them by fingerprint."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Iterable

from purveyor.plugin import Call, ConflictError, NotFoundError
from purveyor.wire import unsendable
from purveyor_digitalocean._api import Api

__all__ = ["Keys", "fingerprint"]


def fingerprint(public_key: str) -> str:
    """The fingerprint that DigitalOcean computes: MD5 of the key itself, as pairs of hexadecimal digits.

    Raises:
        ValidationError: This is no public key.
    """
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        blob = b""
    if not blob or len(public_key.splitlines()) != 1:
        raise unsendable("an SSH key must be one line such as 'ssh-ed25519 AAAA… name'", "ssh_keys")
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


class Keys:
    """The account's SSH keys, as far as they were needed; looking one up is limited to 10 a minute."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: set[str] = set()
        self._lock = asyncio.Lock()

    async def ensure(self, public_keys: Iterable[str], call: Call) -> list[str]:
        """Fingerprints of these keys, all of which the account holds from now on."""
        wanted = {fingerprint(key): key for key in public_keys}
        async with self._lock:
            for name, key in wanted.items():
                if name not in self._known:
                    await self._find_or_add(name, key, call)
                    self._known.add(name)
        return list(wanted)

    def forget(self) -> None:
        """Look again next time: somebody may have deleted a key meanwhile."""
        self._known.clear()

    async def _find_or_add(self, name: str, key: str, call: Call) -> None:
        try:
            await self._api.key(call, name)
        except NotFoundError:
            await self._add(key, call)

    async def _add(self, key: str, call: Call) -> None:
        comment = " ".join(key.split()[2:]) or "purveyor"
        try:
            await self._api.add_key(call, comment, key)
        except ConflictError:
            # Somebody else was faster; the fingerprint is the same.
            return
