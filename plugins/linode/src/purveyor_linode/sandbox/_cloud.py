"""The sandbox itself: Linode's routes, words, limits and headers on top of the kit."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import attrs

from purveyor_linode.sandbox import _words as words
from purveyor_linode.sandbox._account import Account
from purveyor_linode.sandbox._backups import Backups
from purveyor_linode.sandbox._behaviour import Behaviour
from purveyor_linode.sandbox._belongings import Belongings, firewall_row
from purveyor_linode.sandbox._billing import Billing
from purveyor_linode.sandbox._catalogue import PUBLIC, Catalogue
from purveyor_linode.sandbox._create import Order
from purveyor_linode.sandbox._disks import Disks
from purveyor_linode.sandbox._events import Events
from purveyor_linode.sandbox._grants import Level, allows, restricted_to
from purveyor_linode.sandbox._images import Images
from purveyor_linode.sandbox._linodes import Linodes
from purveyor_linode.sandbox._operations import Limits, Operations, is_open, plain
from purveyor_linode.sandbox._power import Power
from purveyor_linode.sandbox._scripts import Scripts
from purveyor_linode.sandbox._stats import Stats
from purveyor_linode.sandbox._tags import Tags
from purveyor_linode.sandbox._world import World
from purveyor_testing.sandbox import Answer, Call, Refusal, Route, Sandbox, Scopes, Why

SPEC_VERSION = "4.229.1"
"""linode-cli asks the package index for a newer self where this is newer than what it knows."""


@attrs.define(eq=False, kw_only=True, slots=False)
class LinodeSandbox(Behaviour, Sandbox):
    """Linode's API v4 on loopback: ``async with LinodeSandbox(seed=1) as cloud:``."""

    world: World = attrs.field(init=False, repr=False)
    _linodes: Linodes = attrs.field(init=False, repr=False)
    _operations: Operations = attrs.field(init=False, repr=False)
    _limits: Limits = attrs.field(init=False, repr=False)

    name: ClassVar[str] = "linode"
    base_path: ClassVar[str] = "/v4"
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = words.REFUSALS

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.world = World(self.clock, self.chance, self)
        self._linodes = Linodes(self.world)
        self._operations = Operations(list(self.routes()))
        self._limits = Limits(self)

    # What tests arrange.

    def seed_linodes(
        self,
        count: int,
        *,
        type: str = "g6-nanode-1",  # noqa: A002 - the API's word
        image: str = "linode/ubuntu24.04",
        region: str = "us-east",
        tags: Iterable[str] = (),
        private_ip: bool = False,
    ) -> list[int]:
        """Put running Linodes into the account, whatever its limit; returns their ids."""
        world = self.world
        body = {"tags": list(tags), "private_ip": private_ip}
        order = Order(None, world.types[type], world.regions[region], world.images[image], body)
        return self._linodes.seed(count, order)

    def seed_firewall(self, label: str = "firewall") -> int:
        """Put a firewall into the account; returns its id."""
        row = firewall_row(self.world, label)
        self.world.firewalls[row["id"]] = row
        id_: int = row["id"]
        return id_

    def fail_jobs(self, action: str, times: int = 1) -> None:
        """Let the next events of an action end failed; ``linode_create`` leaves a Linode that never boots."""
        if not action.startswith(("linode_", "backups_", "password_", "disk_")):
            raise ValueError(f"no action {action!r}; there are linode_create, linode_boot, linode_rebuild, …")
        self.world.doomed[action] += times

    def restrict(
        self,
        token: str,
        *,
        account: Level = None,
        linodes: Level = None,
        add_linodes: bool = False,
        scopes: Iterable[str] | None = None,
    ) -> None:
        """Accept a token of a restricted user, who has only these grants."""
        self.add_token(token, scopes)
        self.world.grants[token] = restricted_to(account=account, linodes=linodes, add_linodes=add_linodes)

    def add_token(self, token: str, scopes: Iterable[str] | None = None) -> None:
        """Accept another token; without scopes, or with ``*``, it may do everything."""
        given = None if scopes is None else frozenset(scopes)
        super().add_token(token, None if given is None or PUBLIC in given else given)

    # What Linode does its own way.

    def routes(self) -> Iterable[Route]:
        """API v4; v4beta is the same here."""
        world = self.world
        rooms = (
            self._linodes,
            Power(world),
            Disks(world),
            Belongings(world),
            Backups(world),
            Stats(world),
            Catalogue(world),
            Images(world),
            Scripts(world),
            Events(self.clock, world.events),
            Account(world),
            Billing(world),
            Tags(world),
        )
        return [route for room in rooms for route in room.routes()]

    def control_routes(self) -> Iterable[Route]:
        """``POST {control_url}/fail_jobs {"action": "linode_create", "times": 1}``."""
        return (Route("POST", "/fail_jobs", self._fail_jobs),)

    def _fail_jobs(self, call: Call) -> Answer:
        body: dict[str, Any] = call.json()
        self.fail_jobs(str(body.get("action")), int(body.get("times", 1)))
        return Answer(204)

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """``{"errors": [{"reason", "field"}]}``, and headers as odd as they have been seen."""
        del call
        if refusal.message == words.REFUSALS["broken"][1] and refusal.status in words.BROKEN:
            refusal = Refusal(refusal.status, words.BROKEN[refusal.status], refusal.headers)
        odd: dict[str, str] = {}
        if refusal.headers.get("Retry-After", "").startswith("-"):
            odd["X-RateLimit-Reset"] = "-1"
        if refusal.status == 429:
            odd["X-RateLimit-Remaining"] = "0"
        if refusal.status == 503 and "maintenance" in refusal.message.lower():
            odd["X-Maintenance-Mode"] = refusal.message
        return Answer(refusal.status, words.errors(refusal), {**words.JSON, **odd, **refusal.headers})

    def _recognise(self, call: Call) -> tuple[str, Scopes] | None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and token in self._tokens
        return (token, self._tokens[token]) if known else None

    def authenticate(self, call: Call) -> None:
        """Tell who asks; what is public is for everybody, whatever token they show."""
        call.path = plain(call.path)
        known = self._recognise(call)
        if known is not None:
            call.token, call.scopes = known
        elif is_open(self._operations.of(call)):
            call.scopes = frozenset()
        else:
            raise self.refusal("unauthorized")

    def admit(self, call: Call) -> None:
        """Limits per token and operation; one without a token counts as an address (here there is one)."""
        verdict = self._limits.take(call.token, self._operations.of(call), self.clock.now)
        if not verdict.allowed:
            raise self.refusal("rate_limit")

    def require(self, call: Call, scope: str) -> None:
        """Scopes first, then the grants of restricted users."""
        route = self._operations.of(call)
        if not is_open(route) and not words.has(call.scopes, scope):
            raise self.refusal("scope")
        grants = self.world.grants.get(call.token)
        if grants is not None and not allows(grants, route):
            raise words.forbidden()

    def headers(self, call: Call) -> Mapping[str, str]:
        """Limits, scopes, versions. Retry-After comes with every answer and proves nothing by itself."""
        known, now = self._recognise(call), self.clock.now
        try:
            route = self._operations.of(call)
        except Refusal:
            route = None
        standing = self._limits.peek(known[0] if known else "", route, now)
        accepted = (route.scope if route else "").replace(" ", ",")
        return {
            "Server": "nginx",
            "Vary": "Authorization, X-Filter",
            "Cache-Control": "max-age=0, no-cache, no-store",
            "X-Spec-Version": SPEC_VERSION,
            "X-Customer-UUID": self.world.account_uuid,
            "X-OAuth-Scopes": _scopes(known),
            "X-Accepted-OAuth-Scopes": accepted or PUBLIC,
            "X-RateLimit-Limit": str(standing.limit),
            "X-RateLimit-Remaining": str(standing.remaining),
            "X-RateLimit-Reset": str(math.ceil(standing.reset_at)),
            "Retry-After": str(math.ceil(standing.reset_at - now)),
        }


def _scopes(known: tuple[str, Scopes] | None) -> str:
    """A recognised token's scopes: this tells a missing scope from a bad token, which get the same status."""
    if known is None:
        return "unknown"
    return PUBLIC if known[1] is None else " ".join(sorted(known[1]))
