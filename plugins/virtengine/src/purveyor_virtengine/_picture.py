"""All deployments of an owner, as the chain shows them: leases, what they are for, and what they cost by the hour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from typing import TypeVar

from purveyor.plugin import Call, Deployment, Page, PurveyorError
from purveyor.wire import Row, Walk
from purveyor_virtengine import _mapping as mapping
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._chain import CLOSED
from purveyor_virtengine._home import Home

__all__ = ["picture"]

R = TypeVar("R")
T = TypeVar("T")

OPERATION = "list_deployments"


async def picture(
    home: Home, parent: str, call: Call, *, closed: bool = False, provider: str | None = None
) -> Page[Deployment]:
    """What runs where; what cannot be read, and why something is not known, stands beside it.

    Args:
        home: The chain, and whose leases.
        parent: Name of the provider that stands for the chain.
        call: The call that it belongs to.
        closed: Whether to show those that are over.
        provider: Only those at this provider, by its address.

    Raises:
        PurveyorError: The leases cannot be read.
    """
    states = ("active", *(CLOSED if closed else ()))
    async with asyncio.TaskGroup() as group:
        leases = group.create_task(_tried(_leases(home, call, closed=closed)))
        orders = group.create_task(_tried(_orders(home, call, states)))
        pace = group.create_task(_tried(home.stopwatch.pace(call)))
    if isinstance(found := leases.result(), PurveyorError):
        raise found
    ordered, paced = orders.result(), pace.result()
    errors = [one for one in (ordered, paced) if isinstance(one, PurveyorError)]
    known = () if isinstance(ordered, PurveyorError) else ordered
    errors += [row for row in (*found, *known) if isinstance(row, PurveyorError)]
    deployments = [row[0] for row in known if not isinstance(row, PurveyorError)]
    items = mapping.deployments(
        parent,
        [
            row
            for row in found
            if not isinstance(row, PurveyorError) and provider in {None, row[0].lease.id.provider}
        ],
        {(one.deployment.id.dseq, part.id.gseq): part for one in deployments for part in one.groups or ()},
        {one.deployment.id.dseq: one.deployment.created_at for one in deployments},
        None if isinstance(paced, PurveyorError) else paced,
    )
    return Page(tuple(items), tuple(errors))


async def _tried(work: Awaitable[T]) -> T | PurveyorError:
    try:
        return await work
    except PurveyorError as error:
        return error


async def _leases(home: Home, call: Call, *, closed: bool) -> Sequence[Row[rows.LeaseRow]]:
    found = [*await home.leases.fresh(call)]
    for state in CLOSED if closed else ():
        found += await _all(home.chain.leases(call, OPERATION, owner=home.leases.owner, state=state))
    return found


async def _orders(home: Home, call: Call, states: Sequence[str]) -> Sequence[Row[rows.Deployment]]:
    owner = home.leases.owner
    return [
        row
        for state in states
        for row in await _all(home.chain.deployments(call, OPERATION, owner=owner, state=state))
    ]


async def _all(walk: Walk[R]) -> list[Row[R]]:
    async with aclosing(walk):
        return [row async for fetched in walk for row in fetched.rows]
