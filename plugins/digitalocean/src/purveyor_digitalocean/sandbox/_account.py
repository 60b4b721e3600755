"""The account and its SSH keys."""

import base64
import binascii
import hashlib
from collections.abc import Iterable

import attrs

from purveyor_digitalocean.sandbox._paging import Pager
from purveyor_digitalocean.sandbox._words import not_found, unprocessable
from purveyor_digitalocean.sandbox._world import Row, World
from purveyor_testing.sandbox import Answer, Call, Route


@attrs.define(eq=False)
class Account:
    """Answers for /v2/account and /v2/account/keys."""

    world: World
    pager: Pager

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        key = "/v2/account/keys/{key}"
        return (
            Route("GET", "/v2/account", self.show, "account:read"),
            Route("GET", "/v2/account/keys", self.keys, "ssh_key:read"),
            Route("POST", "/v2/account/keys", self.add_key, "ssh_key:create"),
            Route("GET", key, self.key, "ssh_key:read"),
            Route("PUT", key, self.rename_key, "ssh_key:update"),
            Route("DELETE", key, self.delete_key, "ssh_key:delete"),
        )

    def show(self, call: Call) -> Answer:
        """GET /v2/account."""
        del call
        account = {
            "droplet_limit": self.world.behaviour.droplet_limit,
            "floating_ip_limit": 3,
            "reserved_ip_limit": 3,
            "volume_limit": 100,
            "email": "sandbox@example.com",
            "name": "Sandbox",
            "uuid": self.world.account_uuid,
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"uuid": self.world.account_uuid[::-1], "name": "My Team"},
        }
        return Answer.json({"account": account})

    def keys(self, call: Call) -> Answer:
        """GET /v2/account/keys."""
        return self.pager.page(call, "ssh_keys", list(self.world.keys.values()))

    def add_key(self, call: Call) -> Answer:
        """POST /v2/account/keys: the same key only once, whatever its name."""
        body = call.json()
        name, public = body.get("name"), body.get("public_key")
        if not isinstance(name, str) or not name:
            raise unprocessable("Name can't be blank")
        fingerprint = _fingerprint(public)
        if self.world.key(fingerprint) is not None:
            raise unprocessable("SSH Key is already in use on your account")
        id_ = self.world.chance.number("key", 45_000_000)
        row = self.world.keys[id_] = {
            "id": id_,
            "fingerprint": fingerprint,
            "public_key": public,
            "name": name,
        }
        call.effect("created", "ssh_key", id_)
        return Answer.json({"ssh_key": row}, 201)

    def _find(self, call: Call) -> Row:
        row = self.world.key(call.params["key"])
        if row is None:
            raise not_found()
        return row

    def key(self, call: Call) -> Answer:
        """GET /v2/account/keys/{id or fingerprint}."""
        return Answer.json({"ssh_key": self._find(call)})

    def rename_key(self, call: Call) -> Answer:
        """PUT /v2/account/keys/{id or fingerprint}."""
        row, name = self._find(call), call.json().get("name")
        if not isinstance(name, str) or not name:
            raise unprocessable("Name can't be blank")
        row["name"] = name
        call.effect("changed", "ssh_key", row["id"])
        return Answer.json({"ssh_key": row})

    def delete_key(self, call: Call) -> Answer:
        """DELETE /v2/account/keys/{id or fingerprint}."""
        row = self._find(call)
        del self.world.keys[row["id"]]
        call.effect("deleted", "ssh_key", row["id"])
        return Answer(204)


def _fingerprint(public_key: object) -> str:
    """The MD5 fingerprint, as ``ssh-keygen -l -E md5`` prints it without its prefix."""
    try:
        kind, blob = str(public_key).split()[:2]
        data = base64.b64decode(blob, validate=True)
    except (ValueError, binascii.Error):
        kind, data = "", b""
    # The blob repeats the type, after its length in four bytes (RFC 4253).
    if not kind or not data[4:].startswith(kind.encode()):
        raise unprocessable("Key invalid, key should be of the format `type key [comment]`")
    return hashlib.md5(data, usedforsecurity=False).digest().hex(":")
