"""The user and the account: profile, grants, settings, and SSH keys."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox._checks import is_key
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._grants import grants_row
from purveyor_linode.sandbox._image_data import gravatar
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import InvalidError, invalid, not_found, reply
from purveyor_linode.sandbox._world import USERNAME, World
from purveyor_testing.sandbox import Answer, Call, Route

_CAPABILITIES = [
    "Linodes",
    "NodeBalancers",
    "Block Storage",
    "Kubernetes",
    "Cloud Firewall",
    "Machine Images",
]


@attrs.define(eq=False)
class Account:
    """Answers for /profile and most of /account."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        key, read, write = "/v4/profile/sshkeys/{key}", "account:read_only", "account:read_write"
        nothing: tuple[str, ...] = ("type", "entity.type")
        return (
            Route("GET", "/v4/profile", self.profile),
            Route("GET", "/v4/profile/grants", self.grants),
            Route("GET", "/v4/profile/sshkeys", self.keys, read),
            Route("POST", "/v4/profile/sshkeys", self.add_key, write),
            Route("GET", key, self.key, read),
            Route("PUT", key, self.rename_key, write),
            Route("DELETE", key, self.delete_key, write),
            Route("GET", "/v4/account/settings", self.settings, read),
            Route("GET", "/v4/account/availability", self.availability, read),
            Route("GET", "/v4/account/notifications", lambda call: page(call, [], nothing), read),
            Route("GET", "/v4/account/maintenance", lambda call: page(call, [], nothing), read),
        )

    # The user.

    def profile(self, call: Call) -> Answer:
        """GET /profile: needs no scope at all."""
        restricted = call.token in self.world.grants
        return reply(
            {
                "uid": 4_000_000 + len(self.world.grants) * restricted,
                "username": USERNAME,
                "email": "sandbox@example.com",
                "verified_phone_number": None,
                "timezone": "GMT",
                "email_notifications": True,
                "referrals": {"code": "", "url": "", "total": 0, "completed": 0, "pending": 0, "credit": 0},
                "ip_whitelist_enabled": False,
                "lish_auth_method": "password_keys",
                "authorized_keys": None,
                "two_factor_auth": True,
                "restricted": restricted,
                "authentication_type": "password",
                "user_type": "default",
                "avatar_url": f"https://gravatar.com/avatar/{gravatar(USERNAME)}",
            }
        )

    def grants(self, call: Call) -> Answer:
        """GET /profile/grants: unrestricted users have none."""
        grants = self.world.grants.get(call.token)
        if grants is not None:
            return reply(grants_row(grants, list(self.world.linodes.values())))
        if self.world.behaviour.unrestricted_grants == 204:
            return Answer(204)
        raise invalid("Grants are not available for unrestricted users")

    # SSH keys.

    def keys(self, call: Call) -> Answer:
        """GET /profile/sshkeys."""
        return page(call, list(self.world.keys.values()), ("label",))

    def add_key(self, call: Call) -> Answer:
        """POST /profile/sshkeys {label, ssh_key}."""
        body = call.json()
        label, key = body.get("label"), body.get("ssh_key")
        problems = []
        if not isinstance(label, str) or not 1 <= len(label) <= 64:
            problems.append(("label", "Length must be 1-64 characters"))
        if not is_key(key):
            problems.append(("ssh_key", "SSH Key is not valid"))
        if problems:
            raise InvalidError(problems)
        id_ = self.world.chance.number("key", 450_000)
        row = {"id": id_, "label": label, "ssh_key": key, "created": self.world.time()}
        self.world.keys[id_] = row
        call.effect("created", "ssh_key", id_)
        return reply(row)

    def _find(self, call: Call) -> Row:
        id_ = call.params["key"]
        if not id_.isdecimal() or int(id_) not in self.world.keys:
            raise not_found()
        return self.world.keys[int(id_)]

    def key(self, call: Call) -> Answer:
        """GET /profile/sshkeys/{id}."""
        return reply(self._find(call))

    def rename_key(self, call: Call) -> Answer:
        """PUT /profile/sshkeys/{id} {label}."""
        row, label = self._find(call), call.json().get("label")
        if not isinstance(label, str) or not 1 <= len(label) <= 64:
            raise invalid("Length must be 1-64 characters", "label")
        row["label"] = label
        call.effect("changed", "ssh_key", row["id"])
        return reply(row)

    def delete_key(self, call: Call) -> Answer:
        """DELETE /profile/sshkeys/{id}."""
        row = self._find(call)
        del self.world.keys[row["id"]]
        call.effect("deleted", "ssh_key", row["id"])
        return reply()

    # The account.

    def settings(self, call: Call) -> Answer:
        """GET /account/settings."""
        del call
        return reply(
            {
                "managed": False,
                "network_helper": True,
                "longview_subscription": None,
                "backups_enabled": False,
                "object_storage": "disabled",
                "interfaces_for_new_linodes": "legacy_config_default_but_linode_allowed",
                "maintenance_policy": "linode/migrate",
            }
        )

    def availability(self, call: Call) -> Answer:
        """GET /account/availability: what the account may use where."""
        rows = [{"region": id_, "available": _CAPABILITIES, "unavailable": []} for id_ in self.world.regions]
        return page(call, rows)
