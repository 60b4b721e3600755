"""StackScripts: everybody's public ones, the marketplace's among them, and the account's own."""

import re
from collections.abc import Iterable, Iterator

import attrs

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._image_data import gravatar
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import InvalidError, Problem, has, not_found, reply
from purveyor_linode.sandbox._world import USERNAME, World
from purveyor_testing.sandbox import Answer, Call, Route

SCRIPTS = "/v4/linode/stackscripts"
_FIELDS = ("label", "description", "deployments_total", "is_public", "rev_note", "mine", "username")
_FIELD = re.compile(r"<UDF\s+([^>]*?)/?>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*\"([^\"]*)\"")
_NAMES = {"manyof": "manyOf"}


@attrs.define(eq=False)
class Scripts:
    """Answers for /linode/stackscripts."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        one = f"{SCRIPTS}/{{script}}"
        return (
            Route("GET", SCRIPTS, self.index, "stackscripts:read_only"),
            Route("POST", SCRIPTS, self.create, "stackscripts:read_write"),
            Route("GET", one, self.show, "stackscripts:read_only"),
            Route("PUT", one, self.update, "stackscripts:read_write"),
            Route("DELETE", one, self.delete, "stackscripts:read_write"),
        )

    def _visible(self, call: Call) -> list[Row]:
        all_ = has(call.scopes, "stackscripts:read_only")
        return [row for row in self.world.scripts.values() if all_ or not row["mine"]]

    def index(self, call: Call) -> Answer:
        """GET /linode/stackscripts."""
        return page(call, self._visible(call), _FIELDS)

    def _find(self, call: Call, *, own: bool = False) -> Row:
        rows = self._visible(call)
        found = next((row for row in rows if str(row["id"]) == call.params["script"]), None)
        if found is None or (own and not found["mine"]):
            raise not_found()
        return found

    def show(self, call: Call) -> Answer:
        """GET /linode/stackscripts/{id}."""
        return reply(self._find(call))

    def create(self, call: Call) -> Answer:
        """POST /linode/stackscripts {label, images, script}."""
        body = call.json()
        if problems := list(self._problems(body)):
            raise InvalidError(problems)
        row = self.world.add_script(self._row(body))
        call.effect("created", "stackscript", row["id"])
        return reply(row)

    def _problems(self, body: Row) -> Iterator[Problem]:
        for field in ("label", "images", "script"):
            if not body.get(field):
                yield field, f"{field} is required"
        images = body.get("images") or []
        if not isinstance(images, list) or any(one not in {*self.world.images, "any/all"} for one in images):
            yield "images", "images is not valid"
        if not str(body.get("script") or "#!").startswith("#!"):
            yield "script", "Script must begin with a shebang (example: #!/bin/bash)."

    def _row(self, body: Row) -> Row:
        return {
            "username": USERNAME,
            "user_gravatar_id": gravatar(USERNAME),
            "label": body["label"],
            "description": body.get("description") or "",
            "ordinal": 0,
            "logo_url": "",
            "images": body["images"],
            "deployments_total": 0,
            "deployments_active": 0,
            "is_public": bool(body.get("is_public")),
            "mine": True,
            "created": self.world.time(),
            "updated": self.world.time(),
            "rev_note": body.get("rev_note") or "",
            "script": body["script"],
            "user_defined_fields": _fields(body["script"]),
        }

    def update(self, call: Call) -> Answer:
        """PUT /linode/stackscripts/{id}."""
        row, body = self._find(call, own=True), call.json()
        fields = ("label", "description", "images", "is_public", "rev_note", "script")
        row.update({key: body[key] for key in fields if key in body})
        row.update(updated=self.world.time(), user_defined_fields=_fields(row["script"]))
        call.effect("changed", "stackscript", row["id"])
        return reply(row)

    def delete(self, call: Call) -> Answer:
        """DELETE /linode/stackscripts/{id}."""
        row = self._find(call, own=True)
        del self.world.scripts[row["id"]]
        call.effect("deleted", "stackscript", row["id"])
        return reply()


def _fields(script: str) -> list[Row]:
    """The user-defined fields that a script's comments declare."""
    tags = (_ATTRIBUTE.findall(tag) for tag in _FIELD.findall(script))
    return [{_NAMES.get(key.lower(), key.lower()): value for key, value in tag} for tag in tags]
