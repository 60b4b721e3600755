"""Types, regions, availability and kernels: public, and hence no proof that a token works."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox._catalogue_data import availability
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._image_data import kernels
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import not_found, reply
from purveyor_linode.sandbox._world import World
from purveyor_testing.sandbox import Answer, Call, Route

PUBLIC = "*"
"""The scope of what needs no token."""
_TYPE = (
    "label",
    "class",
    "disk",
    "memory",
    "vcpus",
    "gpus",
    "transfer",
    "network_out",
    "accelerated_devices",
)
_KERNEL = ("architecture", "deprecated", "kvm", "label", "pvops", "version")


@attrs.define(eq=False)
class Catalogue:
    """Answers for what anybody can choose from."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        regions, kernels = "/v4/regions", "/v4/linode/kernels"
        return (
            Route("GET", "/v4/linode/types", self.types, PUBLIC),
            Route("GET", "/v4/linode/types/{type}", self.type, PUBLIC),
            Route("GET", regions, self.regions, PUBLIC),
            Route("GET", f"{regions}/availability", self.availability, PUBLIC),
            Route("GET", f"{regions}/{{region}}", self.region, PUBLIC),
            Route("GET", f"{regions}/{{region}}/availability", self.availability_in, PUBLIC),
            Route("GET", kernels, self.kernels, PUBLIC),
            Route("GET", f"{kernels}/{{kernel}}", self.kernel, PUBLIC),
            Route("GET", f"{kernels}/{{owner}}/{{kernel}}", self.kernel, PUBLIC),
        )

    def types(self, call: Call) -> Answer:
        """GET /linode/types: never in pages."""
        return page(call, list(self.world.types.values()), _TYPE, whole=True)

    def type(self, call: Call) -> Answer:
        """GET /linode/types/{id}."""
        return reply(_find(self.world.types, call.params["type"]))

    def regions(self, call: Call) -> Answer:
        """GET /regions: never in pages."""
        return page(call, list(self.world.regions.values()), ("country", "site_type"), whole=True)

    def region(self, call: Call) -> Answer:
        """GET /regions/{id}."""
        return reply(_find(self.world.regions, call.params["region"]))

    def availability(self, call: Call) -> Answer:
        """GET /regions/availability: in pages, and only types that are not to be had everywhere."""
        rows = [row for region in self.world.regions.values() for row in self._in(region)]
        return page(call, rows, ("region", "plan", "available"))

    def availability_in(self, call: Call) -> Answer:
        """GET /regions/{id}/availability: a bare array."""
        return reply(self._in(_find(self.world.regions, call.params["region"])))

    def _in(self, region: Row) -> list[Row]:
        return availability(region, list(self.world.types.values()))

    def kernels(self, call: Call) -> Answer:
        """GET /linode/kernels."""
        return page(call, kernels(), _KERNEL)

    def kernel(self, call: Call) -> Answer:
        """GET /linode/kernels/{id}: with its slash as it is, or encoded."""
        return reply(_find({row["id"]: row for row in kernels()}, slashed(call, "kernel")))


def _find(rows: dict[str, Row], id_: str) -> Row:
    if id_ not in rows:
        raise not_found()
    return rows[id_]


def slashed(call: Call, name: str) -> str:
    """An id with a slash in it, however the path spells it."""
    owner = call.params.get("owner")
    return call.params[name] if owner is None else f"{owner}/{call.params[name]}"
