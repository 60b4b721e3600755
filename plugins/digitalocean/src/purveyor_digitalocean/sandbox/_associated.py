"""Destroying a droplet with what belongs to it."""

from collections.abc import Iterable

import attrs

from purveyor_digitalocean.sandbox._words import PENDING, not_found, unprocessable
from purveyor_digitalocean.sandbox._world import Row, World
from purveyor_testing.sandbox import Answer, Call, Refusal, Route

_NONE_HERE = ("reserved_ips", "floating_ips", "volumes", "volume_snapshots")


@attrs.define(eq=False)
class Associated:
    """Answers below /v2/droplets/{id}/destroy_with_associated_resources; here only snapshots belong to one."""

    world: World
    _destroyed: dict[str, Row] = attrs.field(factory=dict, init=False)

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        path = "/v2/droplets/{id}/destroy_with_associated_resources"
        return (
            Route("GET", path, self.associated, "droplet:read"),
            Route("DELETE", f"{path}/selective", self.destroy, "droplet:delete"),
            Route("DELETE", f"{path}/dangerous", self.destroy_dangerously, "droplet:delete"),
            Route("GET", f"{path}/status", self.destroy_status, "droplet:read"),
            Route("POST", f"{path}/retry", self.destroy_retry, "droplet:delete"),
        )

    def associated(self, call: Call) -> Answer:
        """What costs money besides the droplet: here only snapshots."""
        droplet = self.world.droplet(call.params["id"])
        images = [self.world.images[id_] for id_ in droplet.row["snapshot_ids"]]
        snapshots = [{"id": str(one["id"]), "name": one["name"], "cost": "0.05"} for one in images]
        return Answer.json({**_empty(), "snapshots": snapshots})

    def destroy(self, call: Call) -> Answer:
        """Destroy the droplet and the snapshots that the body names."""
        wanted = {str(one) for one in call.json().get("snapshots") or []}
        return self._destroy(call, wanted)

    def destroy_dangerously(self, call: Call) -> Answer:
        """Destroy the droplet and everything; takes a header that says one means it."""
        if call.headers.get("X-Dangerous", "").lower() != "true":
            raise unprocessable("X-Dangerous header is required.")
        droplet = self.world.droplet(call.params["id"])
        return self._destroy(call, {str(id_) for id_ in droplet.row["snapshot_ids"]})

    def _destroy(self, call: Call, wanted: set[str]) -> Answer:
        droplet = self.world.droplet(call.params["id"])
        if droplet.busy:
            raise unprocessable(PENDING)
        at = self.world.time()
        doomed = [id_ for id_ in droplet.row["snapshot_ids"] if str(id_) in wanted]
        images = [self.world.images.pop(id_) for id_ in doomed]
        for image in images:
            call.effect("deleted", "image", image["id"])
        self.world.delete(droplet, call)
        gone = [{"id": str(one["id"]), "name": one["name"], "destroyed_at": at} for one in images]
        self._destroyed[call.params["id"]] = {
            "droplet": {"id": str(droplet.id), "name": droplet.row["name"], "destroyed_at": at},
            "resources": {**_empty(), "snapshots": gone},
            "completed_at": at,
            "failures": 0,
        }
        return Answer(202)

    def destroy_status(self, call: Call) -> Answer:
        """How the destruction went."""
        status = self._destroyed.get(call.params["id"])
        if status is None:
            raise not_found()
        return Answer.json(status)

    def destroy_retry(self, call: Call) -> Answer:
        """Nothing ever fails here, so there is nothing to try again."""
        del call
        raise Refusal(409, "The request could not be completed due to a conflict.")


def _empty() -> Row:
    return {key: [] for key in _NONE_HERE}
