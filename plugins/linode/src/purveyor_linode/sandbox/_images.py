"""Images: those of Linode for all, the account's own for tokens with the scope."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox._catalogue import PUBLIC, slashed
from purveyor_linode.sandbox._create import visible_images
from purveyor_linode.sandbox._events import entity
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._image_data import blank
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import invalid, not_found, reply
from purveyor_linode.sandbox._world import USERNAME, Linode, World
from purveyor_testing.sandbox import Answer, Call, Route

IMAGES = "/v4/images"
_FIELDS = ("label", "deprecated", "is_public", "is_shared", "size", "type", "vendor", "status", "tags")
_SECONDS = 60.0
"""How long it takes to make an image of a disk."""


@attrs.define(eq=False)
class Images:
    """Answers for /images; an id's slash may be encoded or not."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        yield Route("GET", IMAGES, self.index, PUBLIC)
        yield Route("POST", IMAGES, self.create, "images:read_write linodes:read_only")
        for one in (f"{IMAGES}/{{image}}", f"{IMAGES}/{{owner}}/{{image}}"):
            yield Route("GET", one, self.show, "images:read_only")
            yield Route("PUT", one, self.update, "images:read_write")
            yield Route("DELETE", one, self.delete, "images:read_write")

    def index(self, call: Call) -> Answer:
        """GET /images."""
        return page(call, list(visible_images(self.world, call).values()), _FIELDS)

    def _find(self, call: Call, *, own: bool = False) -> Row:
        found = visible_images(self.world, call).get(slashed(call, "image"))
        if found is None or (own and found["is_public"]):
            raise not_found()
        return found

    def show(self, call: Call) -> Answer:
        """GET /images/{id}."""
        return reply(self._find(call))

    def create(self, call: Call) -> Answer:
        """POST /images {disk_id, label?}: of a Linode's disk."""
        body = call.json()
        linode, disk = self._disk(body.get("disk_id"))
        id_ = f"private/{self.world.chance.number('image', 30_000_000)}"
        row = {
            **blank(id_, body.get("label") or disk["label"], disk["size"], self.world.time()),
            "description": body.get("description") or "",
            "created_by": USERNAME,
            "tags": sorted(body.get("tags") or []),
            "status": "creating",
            "capabilities": ["cloud-init"] if body.get("cloud_init") else [],
            "regions": [{"region": linode.row["region"], "status": "available"}],
        }
        self.world.images[id_] = row
        call.effect("created", "image", id_)
        self._begin(row)
        return reply(row)

    def _begin(self, row: Row) -> None:
        now, seconds = self.world.clock.now, self.world.lifecycle(_SECONDS)
        about = entity("image", row["id"], row["label"], f"/images/{row['id']}")
        self.world.event("disk_imagize", about, now, now + seconds)
        self.world.clock.after(seconds, lambda: row.update(status="available"))

    def _disk(self, id_: object) -> tuple[Linode, Row]:
        for linode in self.world.linodes.values():
            for disk in linode.disks:
                if disk["id"] == id_:
                    return linode, disk
        raise invalid("disk_id is not valid", "disk_id")

    def update(self, call: Call) -> Answer:
        """PUT /images/{id}."""
        row, body = self._find(call, own=True), call.json()
        row.update({key: body[key] for key in ("label", "description", "tags") if key in body})
        row["updated"] = self.world.time()
        call.effect("changed", "image", row["id"])
        return reply(row)

    def delete(self, call: Call) -> Answer:
        """DELETE /images/{id}."""
        row = self._find(call, own=True)
        del self.world.images[row["id"]]
        call.effect("deleted", "image", row["id"])
        return reply()
