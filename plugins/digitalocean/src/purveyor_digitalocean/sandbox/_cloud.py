"""The sandbox itself: DigitalOcean's routes, words, limits and headers on top of the kit."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import attrs

from purveyor_digitalocean.sandbox._account import Account
from purveyor_digitalocean.sandbox._actions import SECONDS, Actions
from purveyor_digitalocean.sandbox._associated import Associated
from purveyor_digitalocean.sandbox._behaviour import Behaviour
from purveyor_digitalocean.sandbox._billing import Billing
from purveyor_digitalocean.sandbox._catalogue import Catalogue
from purveyor_digitalocean.sandbox._create import Order
from purveyor_digitalocean.sandbox._droplets import Droplets
from purveyor_digitalocean.sandbox._metrics import Metrics
from purveyor_digitalocean.sandbox._paging import REAL_ORIGIN, Pager
from purveyor_digitalocean.sandbox._tags import Tags
from purveyor_digitalocean.sandbox._words import IDS, REFUSALS
from purveyor_digitalocean.sandbox._world import World
from purveyor_testing.sandbox import Answer, Call, Refusal, Route, Sandbox, SlidingWindow, Why


@attrs.define(eq=False, kw_only=True, slots=False)
class DigitalOceanSandbox(Behaviour, Sandbox):
    """DigitalOcean's API v2 on loopback: ``async with DigitalOceanSandbox(seed=1) as cloud:``."""

    token: str = attrs.field(default="dop_v1_sandbox", repr=False)

    world: World = attrs.field(init=False, repr=False)
    _droplets: Droplets = attrs.field(init=False, repr=False)
    _hourly: SlidingWindow = attrs.field(init=False, repr=False)
    _minutely: SlidingWindow = attrs.field(init=False, repr=False)
    _keys: SlidingWindow = attrs.field(init=False, repr=False)

    name: ClassVar[str] = "digitalocean"
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = REFUSALS

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.world = World(self.clock, self.chance, self)
        self._droplets = Droplets(self.world, self._pager)
        self._hourly = SlidingWindow(self.hourly_limit, 3600)
        self._minutely = SlidingWindow(self.minute_limit, 60)
        self._keys = SlidingWindow(self.keys_limit, 60)

    @property
    def _pager(self) -> Pager:
        return Pager(lambda: self.origin if self.own_links else REAL_ORIGIN)

    # What tests arrange.

    def seed_droplets(
        self,
        count: int,
        *,
        size: str = "s-1vcpu-1gb",
        image: str = "ubuntu-24-04-x64",
        region: str = "ams3",
        tags: Iterable[str] = (),
        monitoring: bool = False,
    ) -> list[int]:
        """Put running droplets into the account, whatever its limit; returns their ids."""
        world = self.world
        found = world.image(image)
        if found is None:
            raise ValueError(f"no image {image!r}")
        body = {"monitoring": monitoring}
        order = Order((), world.sizes[size], found, world.regions[region], tuple(tags), body)
        return self._droplets.seed(count, order)

    def fail_actions(self, type_: str, times: int = 1) -> None:
        """Let the next actions of a type end errored; ``create`` leaves a droplet that never starts."""
        if type_ not in SECONDS and type_ != "create":
            raise ValueError(f"no action {type_!r}; there are create, {', '.join(SECONDS)}")
        self.world.doomed[type_] += times

    # What DigitalOcean does its own way.

    def routes(self) -> Iterable[Route]:
        """API v2."""
        world, pager = self.world, self._pager
        rooms = (
            Actions(world, pager),  # before droplets: /v2/droplets/actions is no droplet
            self._droplets,
            Associated(world),
            Catalogue(world, pager),
            Account(world, pager),
            Tags(world, pager),
            Billing(world, pager),
            Metrics(world),
        )
        return [route for room in rooms for route in room.routes()]

    def control_routes(self) -> Iterable[Route]:
        """``POST {control_url}/fail_actions {"type": "create", "times": 1}``."""
        return (Route("POST", "/fail_actions", self._fail_actions),)

    def _fail_actions(self, call: Call) -> Answer:
        body: dict[str, Any] = call.json()
        self.fail_actions(str(body.get("type")), int(body.get("times", 1)))
        return Answer(204)

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """``{"id", "message", "request_id"}``."""
        id_ = IDS.get(refusal.status, "server_error")
        body = {"id": id_, "message": refusal.message, "request_id": call.request_id}
        over = {"ratelimit-remaining": "0"} if refusal.status == 429 else {}
        return Answer.json(body, refusal.status, {**over, **refusal.headers})

    def admit(self, call: Call) -> None:
        """Two limits for every token, and one of its own for listing SSH keys (DigitalOcean API docs)."""
        now = self.clock.now
        hourly = self._hourly.take(call.token, now)
        if not hourly.allowed:
            raise self.refusal("rate_limit")  # without retry-after: ratelimit-reset has to do
        minutely = self._minutely.take(call.token, now)
        if minutely.allowed and call.method == "GET" and call.path.rstrip("/") == "/v2/account/keys":
            minutely = self._keys.take(call.token, now)
        if not minutely.allowed:
            refusal = self.refusal("rate_limit")
            refusal.headers["retry-after"] = str(int(minutely.wait) + 1)
            raise refusal

    def headers(self, call: Call) -> Mapping[str, str]:
        """Rate limit of the hour, request id, and what the edge adds."""
        standing = self._hourly.peek(call.token, self.clock.now)
        return {
            "Server": "cloudflare",
            "x-gateway": "Edge-Gateway",
            "x-response-from": "service",
            "x-request-id": call.request_id,
            "ratelimit-limit": str(standing.limit),
            "ratelimit-remaining": str(standing.remaining),
            "ratelimit-reset": str(int(standing.reset_at)),
        }
