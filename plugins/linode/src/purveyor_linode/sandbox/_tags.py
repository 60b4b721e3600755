"""Tags and what carries them; here only Linodes do."""

from collections.abc import Iterable

import attrs

from purveyor_linode.sandbox import _checks as checks
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import InvalidError, invalid, not_found, reply
from purveyor_linode.sandbox._world import Linode, World
from purveyor_testing.sandbox import Answer, Call, Route


@attrs.define(eq=False)
class Tags:
    """Answers for /tags."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one = "/v4/tags/{tag}"
        return (
            Route("GET", "/v4/tags", self.index, "account:read_only"),
            Route("POST", "/v4/tags", self.create, "account:read_write"),
            Route("GET", one, self.tagged, "account:read_only"),
            Route("DELETE", one, self.delete, "account:read_write"),
        )

    def index(self, call: Call) -> Answer:
        """GET /tags."""
        return page(call, [{"label": tag} for tag in self.world.all_tags()])

    def create(self, call: Call) -> Answer:
        """POST /tags {label, linodes?}: refused where it exists."""
        body = call.json()
        tag: str = body.get("label", "")
        if problems := list(checks.tags([tag])):
            raise InvalidError([("label", reason) for _, reason in problems])
        if tag in self.world.all_tags():
            raise invalid("Tag already exists", "label")
        linodes = [self._linode(id_) for id_ in body.get("linodes") or []]
        self.world.tags.add(tag)
        call.effect("created", "tag", tag)
        for linode in linodes:
            linode.change(tags=sorted({*linode.tags, tag}))
            call.effect("changed", "linode", linode.id, linode.tags)
        return reply({"label": tag})

    def _linode(self, id_: object) -> Linode:
        found = self.world.linodes.get(id_) if isinstance(id_, int) else None
        if found is None:
            raise invalid(f"Invalid Linode ID {id_}")
        return found

    def _find(self, call: Call) -> str:
        tag = call.params["tag"]
        if tag not in self.world.all_tags():
            raise not_found()
        return tag

    def tagged(self, call: Call) -> Answer:
        """GET /tags/{label}: each with its type."""
        tag = self._find(call)
        return page(call, [{"type": "linode", "data": one.row} for one in self.world.carrying(tag)])

    def delete(self, call: Call) -> Answer:
        """DELETE /tags/{label}: from everything that carries it, too."""
        tag = self._find(call)
        for linode in self.world.carrying(tag):
            linode.change(tags=[one for one in linode.tags if one != tag])
        self.world.tags.discard(tag)
        call.effect("deleted", "tag", tag)
        return reply()
