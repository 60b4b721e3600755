"""Tags and what carries them; here only droplets do."""

from collections.abc import Iterable

import attrs

from purveyor_digitalocean.sandbox._create import check_tags
from purveyor_digitalocean.sandbox._paging import REAL_ORIGIN, Pager
from purveyor_digitalocean.sandbox._words import not_found, unprocessable
from purveyor_digitalocean.sandbox._world import Droplet, Row, World
from purveyor_testing.sandbox import Answer, Call, Route


@attrs.define(eq=False)
class Tags:
    """Answers for /v2/tags."""

    world: World
    pager: Pager

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one = "/v2/tags/{tag}"
        return (
            Route("GET", "/v2/tags", self.index, "tag:read"),
            Route("POST", "/v2/tags", self.create, "tag:create"),
            Route("GET", one, self.show, "tag:read"),
            Route("DELETE", one, self.delete, "tag:delete"),
            Route("POST", f"{one}/resources", self.attach, "tag:create"),
            Route("DELETE", f"{one}/resources", self.detach, "tag:delete"),
        )

    def index(self, call: Call) -> Answer:
        """GET /v2/tags."""
        return self.pager.page(call, "tags", [self._row(tag) for tag in sorted(self.world.tags.values())])

    def create(self, call: Call) -> Answer:
        """POST /v2/tags: making one that exists is no error."""
        (tag,) = check_tags([call.json().get("name")])
        known = tag.lower() in self.world.tags
        (canonical,) = self.world.canonical([tag])
        if not known:
            call.effect("created", "tag", canonical)
        return Answer.json({"tag": self._row(canonical)}, 201)

    def show(self, call: Call) -> Answer:
        """GET /v2/tags/{name}."""
        return Answer.json({"tag": self._row(self._find(call))})

    def delete(self, call: Call) -> Answer:
        """DELETE /v2/tags/{name}: from everything that carries it, too."""
        tag = self._find(call)
        for droplet in self._tagged(tag):
            _untag(droplet, tag)
        del self.world.tags[tag.lower()]
        call.effect("deleted", "tag", tag)
        return Answer(204)

    def attach(self, call: Call) -> Answer:
        """POST /v2/tags/{name}/resources."""
        tag = self._find(call)
        for droplet in self._resources(call):
            droplet.change(tags=sorted({*droplet.tags, tag}))
            call.effect("changed", "droplet", droplet.id, droplet.tags)
        return Answer(204)

    def detach(self, call: Call) -> Answer:
        """DELETE /v2/tags/{name}/resources."""
        tag = self._find(call)
        for droplet in self._resources(call):
            _untag(droplet, tag)
            call.effect("changed", "droplet", droplet.id, droplet.tags)
        return Answer(204)

    def _find(self, call: Call) -> str:
        """The tag of the path, which must be in its canonical case (DigitalOcean API docs)."""
        tag = call.params["tag"]
        if self.world.tags.get(tag.lower()) != tag:
            raise not_found()
        return tag

    def _tagged(self, tag: str) -> list[Droplet]:
        return [one for one in self.world.droplets.values() if tag in one.tags]

    def _resources(self, call: Call) -> list[Droplet]:
        given = call.json().get("resources")
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise unprocessable("Resources must be a list.")
        if any(one.get("resource_type") != "droplet" for one in given):
            raise unprocessable("Resource type is not supported.")
        return [self.world.droplet(str(one.get("resource_id"))) for one in given]

    def _row(self, tag: str) -> Row:
        tagged = self._tagged(tag)
        last = {"last_tagged_uri": f"{REAL_ORIGIN}/v2/droplets/{tagged[-1].id}"} if tagged else {}
        count = {"count": len(tagged), **last}
        others: Row = {kind: {"count": 0} for kind in ("images", "volumes", "volume_snapshots", "databases")}
        return {"name": tag, "resources": {**count, "droplets": count, **others}}


def _untag(droplet: Droplet, tag: str) -> None:
    droplet.change(tags=[one for one in droplet.tags if one != tag])
