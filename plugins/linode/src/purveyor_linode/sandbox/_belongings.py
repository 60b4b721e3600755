"""What belongs to a Linode: addresses, transfer, and lists that are empty here."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._linodes import INSTANCES
from purveyor_linode.sandbox._networks import address6, is_private, private4, row4, row6
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import invalid, not_found, reply
from purveyor_linode.sandbox._world import Linode, World, about
from purveyor_testing.sandbox import Answer, Call, Route

_RATE = 2000
"""Bytes that a running Linode sends each second."""
_FIREWALL = ("created", "id", "label", "tags", "updated")


@attrs.define(eq=False)
class Belongings:
    """Answers below a Linode, and for addresses, volumes and firewalls of the account."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one, scope = f"{INSTANCES}/{{id}}", "linodes:read_only"
        return (
            Route("GET", f"{one}/ips", self.ips, scope),
            Route("POST", f"{one}/ips", self.add_ip, "linodes:read_write"),
            Route("GET", f"{one}/ips/{{address}}", self.ip, scope),
            Route("GET", f"{one}/transfer", self.transfer, scope),
            Route("GET", f"{one}/transfer/{{year}}/{{month}}", self.transfer_of_month, scope),
            Route("GET", f"{one}/volumes", lambda call: self._nothing(call, ("label", "tags")), scope),
            Route("GET", f"{one}/nodebalancers", lambda call: self._nothing(call, ("label",)), scope),
            Route("GET", f"{one}/firewalls", self.firewalls_of, scope),
            Route("GET", "/v4/networking/ips", self.all_ips, "ips:read_only"),
            Route("GET", "/v4/networking/firewalls", self.firewalls, "firewall:read_only"),
            Route("GET", "/v4/networking/firewalls/{firewall}", self.firewall, "firewall:read_only"),
            Route("GET", "/v4/volumes", lambda call: page(call, [], ("label", "tags")), "volumes:read_only"),
        )

    def _linode(self, call: Call) -> Linode:
        return self.world.linode(call.params["id"])

    def _nothing(self, call: Call, fields: tuple[str, ...]) -> Answer:
        self._linode(call)
        return page(call, [], fields)

    # Addresses.

    def ips(self, call: Call) -> Answer:
        """GET …/ips: sorted by kind, unlike the row's ``ipv4``."""
        linode = self._linode(call)
        rows = [row4(address, linode.row) for address in linode.row["ipv4"]]
        public, private = ([row for row in rows if row["public"] is kind] for kind in (True, False))
        inner = address6(linode.number)
        local = f"fe80::{linode.number % 0xFFFF:x}"
        return reply(
            {
                "ipv4": {"public": public, "private": private, "shared": [], "reserved": [], "vpc": []},
                "ipv6": {
                    "slaac": row6(inner, linode.row, public=True),
                    "link_local": row6(local, linode.row, public=False),
                    "global": [],
                    "vpc": [],
                },
            }
        )

    def add_ip(self, call: Call) -> Answer:
        """POST …/ips {type, public}: a private one for all, further public ones for nobody."""
        linode, body = self._linode(call), call.json()
        if body.get("type") != "ipv4":
            raise invalid("Only addresses of type ipv4 are currently supported.")
        address = private4(linode.number)
        if body.get("public", True) or address in linode.row["ipv4"]:
            raise invalid(
                "Additional IPv4 addresses require technical justification.  "
                "Please contact support describing your requirement."
            )
        linode.change(ipv4=[*linode.row["ipv4"], address])
        call.effect("changed", "linode", linode.id, linode.tags)
        self.world.note("linode_addip", about(linode))
        return reply(row4(address, linode.row))

    def ip(self, call: Call) -> Answer:
        """GET …/ips/{address}."""
        linode, address = self._linode(call), call.params["address"]
        if address not in linode.row["ipv4"]:
            raise not_found()
        return reply(row4(address, linode.row))

    def all_ips(self, call: Call) -> Answer:
        """GET /networking/ips."""
        rows = [row4(one, linode.row) for linode in self.world.listed(call) for one in linode.row["ipv4"]]
        return page(call, [row for row in rows if row["public"] or is_private(row["address"])])

    # Transfer: bytes used, but gigabytes of quota.

    def transfer(self, call: Call) -> Answer:
        """GET …/transfer."""
        linode = self._linode(call)
        quota = linode.row["specs"]["transfer"]
        return reply({"used": sent(self.world, linode), "quota": quota, "billable": 0})

    def transfer_of_month(self, call: Call) -> Answer:
        """GET …/transfer/{year}/{month}."""
        out = sent(self.world, self._linode(call))
        return reply({"bytes_in": out // 4, "bytes_out": out, "bytes_total": out + out // 4})

    # Firewalls.

    def _firewall(self, id_: int) -> Row:
        if id_ not in self.world.firewalls:
            raise not_found()
        return self.world.firewalls[id_]

    def firewalls_of(self, call: Call) -> Answer:
        """GET …/firewalls."""
        linode = self._linode(call)
        return page(call, [self._firewall(id_) for id_ in linode.firewalls], _FIREWALL)

    def firewalls(self, call: Call) -> Answer:
        """GET /networking/firewalls."""
        return page(call, list(self.world.firewalls.values()), _FIREWALL)

    def firewall(self, call: Call) -> Answer:
        """GET /networking/firewalls/{id}."""
        id_ = call.params["firewall"]
        return reply(self._firewall(int(id_) if id_.isdecimal() else 0))


def sent(world: World, linode: Linode) -> int:
    """Bytes that a Linode has sent so far."""
    return int(_RATE * (world.clock.now - linode.created_at))


def firewall_row(world: World, label: str) -> Row:
    """A firewall that lets everything through."""
    return {
        "id": world.chance.number("firewall", 500_000),
        "label": label,
        "created": world.time(),
        "updated": world.time(),
        "status": "enabled",
        "rules": {"inbound": [], "inbound_policy": "ACCEPT", "outbound": [], "outbound_policy": "ACCEPT"},
        "tags": [],
        "entities": [],
    }
