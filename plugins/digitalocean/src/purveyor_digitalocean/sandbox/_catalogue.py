"""Sizes, regions, images and marketplace apps: what can be had."""

from collections.abc import Iterable

import attrs

from purveyor_digitalocean.sandbox._catalogue_data import ONE_CLICKS
from purveyor_digitalocean.sandbox._paging import Pager
from purveyor_digitalocean.sandbox._words import not_found, unprocessable
from purveyor_digitalocean.sandbox._world import Row, World
from purveyor_testing.sandbox import Answer, Call, Route


@attrs.define(eq=False)
class Catalogue:
    """Answers for what the account can choose from."""

    world: World
    pager: Pager

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        image = "/v2/images/{image}"
        return (
            Route("GET", "/v2/sizes", self.sizes, "sizes:read regions:read"),
            Route("GET", "/v2/regions", self.regions, "regions:read"),
            Route("GET", "/v2/1-clicks", self.one_clicks),
            Route("GET", "/v2/images", self.images, "image:read"),
            Route("GET", image, self.image, "image:read"),
            Route("PUT", image, self.rename_image, "image:update"),
            Route("DELETE", image, self.delete_image, "image:delete"),
        )

    def sizes(self, call: Call) -> Answer:
        """GET /v2/sizes."""
        return self.pager.page(call, "sizes", list(self.world.sizes.values()))

    def regions(self, call: Call) -> Answer:
        """GET /v2/regions; without sizes:read the sizes inside are left out."""
        rows = list(self.world.regions.values())
        if call.scopes is not None and "sizes:read" not in call.scopes:
            rows = [{**row, "sizes": []} for row in rows]
        return self.pager.page(call, "regions", rows)

    def one_clicks(self, call: Call) -> Answer:
        """GET /v2/1-clicks: never in pages."""
        type_ = call.query.get("type")
        return Answer.json({"1_clicks": [row for row in ONE_CLICKS if type_ in (None, row["type"])]})

    def images(self, call: Call) -> Answer:
        """GET /v2/images: `type` asks for a category, which is not the attribute `type`."""
        type_, tag = call.query.get("type"), call.query.get("tag_name")
        rows = [row for row in self.world.images.values() if row["status"] != "deleted"]
        if call.query.get("private") == "true":
            rows = [row for row in rows if not row["public"]]
        if type_ is not None:
            rows = [row for row in rows if self._category(row) == type_]
        if tag is not None:
            rows = [row for row in rows if tag in row["tags"]]
        return self.pager.page(call, "images", rows)

    def _category(self, row: Row) -> str | None:
        if not row["public"]:
            return None
        return "application" if row["slug"] in self.world.applications else "distribution"

    def image(self, call: Call) -> Answer:
        """GET /v2/images/{id or slug}."""
        return Answer.json({"image": self._find(call)})

    def _find(self, call: Call) -> Row:
        row = self.world.image(call.params["image"])
        if row is None:
            raise not_found()
        return row

    def _own(self, call: Call) -> Row:
        row = self._find(call)
        if row["public"]:
            raise not_found()
        return row

    def rename_image(self, call: Call) -> Answer:
        """PUT /v2/images/{id}."""
        row, body = self._own(call), call.json()
        if not isinstance(body.get("name", ""), str):
            raise unprocessable("Name is invalid.")
        row.update({key: body[key] for key in ("name", "description") if key in body})
        call.effect("changed", "image", row["id"])
        return Answer.json({"image": row})

    def delete_image(self, call: Call) -> Answer:
        """DELETE /v2/images/{id}."""
        row = self._own(call)
        del self.world.images[row["id"]]
        for droplet in self.world.droplets.values():
            if row["id"] in droplet.row["snapshot_ids"]:
                droplet.change(snapshot_ids=[one for one in droplet.row["snapshot_ids"] if one != row["id"]])
        call.effect("deleted", "image", row["id"])
        return Answer(204)
