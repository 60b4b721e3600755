"""Lists of droplets in which each is there once, GPU droplets among them.

The plain list leaves GPU droplets out; ``type=gpus`` lists only them and cannot be combined with a tag. Rows move from
page to page while others come and go.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from purveyor.plugin import Call, ProtocolMismatchError
from purveyor.wire import Fetched, Row, Walk, has_tag, tagged, unique
from purveyor_digitalocean._api import Api
from purveyor_digitalocean._rows import Droplet

__all__ = ["every", "marked"]

_LIST = "list_instances"
_GPUS = {"type": "gpus"}


def every(api: Api, call: Call, tag: str | None) -> Walk[Droplet]:
    """All droplets, or those with a tag, as fast as the API gives them."""
    gpus = api.droplets(call, _LIST, _GPUS)
    if tag is None:
        return _each_once(_side_by_side(api.droplets(call, _LIST), gpus))
    named = api.droplets(call, _LIST, {"tag_name": tag})
    return _each_once(_side_by_side(named, tagged(gpus, tag)))


def marked(api: Api, call: Call, mark: str) -> Walk[Droplet]:
    """The droplets with a mark, one page after the other, so that none can slip from one to another unseen."""
    operation = "find_by_mark"
    named = api.droplets(call, operation, {"tag_name": mark}, overlap=1)
    gpus = api.droplets(call, operation, _GPUS, overlap=1)
    return _each_once(_chain(_showing(named, mark), tagged(gpus, mark)))


async def _chain(*walks: Walk[Droplet]) -> Walk[Droplet]:
    for walk in walks:
        async with aclosing(walk):
            async for fetched in walk:
                yield fetched


async def _side_by_side(first: Walk[Droplet], second: Walk[Droplet]) -> Walk[Droplet]:
    """The first list as it comes, then the second one, which is short and fetched meanwhile."""
    ahead = asyncio.ensure_future(_all(second))
    try:
        # The second one sets out first: where many lists wait for their turns, none lies about half done.
        await asyncio.sleep(0)
        async with aclosing(first):
            async for fetched in first:
                yield fetched
        for fetched in await ahead:
            yield fetched
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)


async def _all(walk: Walk[Droplet]) -> list[Fetched[Row[Droplet]]]:
    async with aclosing(walk):
        return [fetched async for fetched in walk]


def _each_once(walk: Walk[Droplet]) -> Walk[Droplet]:
    return unique(walk, lambda droplet: droplet.id)


async def _showing(walk: Walk[Droplet], mark: str) -> Walk[Droplet]:
    async with aclosing(walk):
        async for fetched in walk:
            yield Fetched([_checked(row, mark) for row in fetched.rows])


def _checked(row: Row[Droplet], mark: str) -> Row[Droplet]:
    """What is listed under a mark must show it, or somebody else's machine could be taken for ours."""
    if isinstance(row, ProtocolMismatchError) or has_tag(row[0], mark):
        return row
    name = str(row[0].id)
    return ProtocolMismatchError(
        f"row {name} is listed under the tag {mark} and does not show it; the token may lack the scope tag:read",
        operation="find_by_mark",
        details={"row": name, "field": "tags"},
    )
