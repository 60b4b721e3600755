"""Which operation a call is meant for, and how often that may be asked for."""

import attrs

from purveyor_linode.sandbox._behaviour import Behaviour
from purveyor_linode.sandbox._catalogue import PUBLIC
from purveyor_linode.sandbox._images import IMAGES
from purveyor_linode.sandbox._linodes import INSTANCES
from purveyor_linode.sandbox._scripts import SCRIPTS
from purveyor_linode.sandbox._words import REFUSALS
from purveyor_testing.sandbox import Call, Refusal, Route, SlidingWindow, Verdict

BETA = "/v4beta"
_COLLECTIONS = frozenset(
    {
        INSTANCES,
        "/v4/account/events",
        "/v4/account/invoices",
        "/v4/account/invoices/{invoice}/items",
        "/v4/account/payments",
        "/v4/linode/kernels",
        "/v4/networking/firewalls",
        "/v4/networking/ips",
        "/v4/profile/sshkeys",
        "/v4/regions/availability",
        "/v4/tags",
        "/v4/tags/{tag}",
        "/v4/volumes",
    }
)
"""Paginated GETs with the limit for those."""


def plain(path: str) -> str:
    """A path without what is beta about it: both versions answer alike here."""
    return "/v4" + path.removeprefix(BETA) if path.startswith(f"{BETA}/") else path


@attrs.define(eq=False)
class Operations:
    """Finds routes; the desk will find the same again."""

    _routes: list[Route]
    _last: tuple[Call, Route] | None = None

    def of(self, call: Call) -> Route:
        """The call's route; 404 for a path that nothing serves, 405 where another method would do."""
        if self._last is not None and self._last[0] is call:
            return self._last[1]
        path = plain(call.path)
        for route in self._routes:
            if route.match(call.method, path) is not None:
                self._last = (call, route)
                return route
        if any(route.match(route.method, path) is not None for route in self._routes):
            raise Refusal(405, "Method Not Allowed")
        raise Refusal(*REFUSALS["not_found"])


def is_open(route: Route) -> bool:
    """Whether a route serves somebody without a token: what it shows then is the public part."""
    return route.method == "GET" and (route.scope == PUBLIC or route.template.startswith((IMAGES, SCRIPTS)))


@attrs.define(eq=False)
class Limits:
    """One window per token and operation, counted in groups that each have their own limit."""

    _behaviour: Behaviour
    _windows: dict[str, SlidingWindow] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self._behaviour
        self._windows = {
            "create": SlidingWindow(limits.create_limit, 15),
            "images": SlidingWindow(limits.images_limit, 60),
            "stackscripts": SlidingWindow(limits.stackscripts_limit, 60),
            "stats": SlidingWindow(limits.stats_limit, 60),
            "page": SlidingWindow(limits.page_limit, 60),
            "other": SlidingWindow(limits.other_limit, 60),
        }

    def take(self, token: str, route: Route, now: float) -> Verdict:
        """Count one more."""
        group, key = _group(route), f"{token} {route.method} {_shared(route)}"
        return self._windows[group].take(key, now)

    def peek(self, token: str, route: Route | None, now: float) -> Verdict:
        """How things stand."""
        if route is None:
            return self._windows["other"].peek(token, now)
        return self._windows[_group(route)].peek(f"{token} {route.method} {_shared(route)}", now)


def _shared(route: Route) -> str:
    """What is counted together: creates and clones, everything else by itself."""
    return "create" if _group(route) == "create" else route.template


def _group(route: Route) -> str:
    template = route.template
    if route.method == "POST":
        return "create" if template in (INSTANCES, f"{INSTANCES}/{{id}}/clone") else "other"
    if route.method != "GET":
        return "other"
    if template.startswith(f"{INSTANCES}/{{id}}/stats"):
        return "stats"
    return {IMAGES: "images", SCRIPTS: "stackscripts"}.get(template) or (
        "page" if template in _COLLECTIONS else "other"
    )
