"""A journal that is copied to another host and claimed there, while the old host goes on or is never seen again."""

from __future__ import annotations

import asyncio
import functools
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from purveyor import MultiProviderClient
from purveyor.model.errors import PurveyorError
from purveyor_testing.simulation.process import Host, Process

if TYPE_CHECKING:
    from purveyor_testing.simulation.world import Wanted, World

__all__ = ["claim", "move"]


async def move(world: World, old: Host, wanted: Wanted) -> Host:
    """Copy a host's journal to a new one, on which it is claimed; processes die at that as at anything else."""
    chance = world.chance
    await asyncio.sleep(chance.random() * chance.choice((1, 10, 40)))
    new = world.add_host()
    new.disk.take_over(old.disk)
    new.copied, new.left = True, new.disk.rows()
    world.note("the journal of {} is copied to {}", old.name, new.name)
    if chance.random() < 0.5:
        world.note("{} is never seen again", old.name)
        old.gone = True
        for process in old.processes:
            process.die()
    for attempt in range(chance.randint(1, 2)):
        process = world.process(new, f"{new.name}/claims{attempt}")
        await process.run(functools.partial(_use, wanted))
    return new


async def claim(process: Process, client: MultiProviderClient) -> None:
    """Make the journal the host's own, if it is another one's."""
    host, world = process.host, process.world
    if not host.is_foreign:
        return
    before = host.disk.owner()
    owner = await client.claim_journal()
    world.note("{} claims the journal, whose owner is {} now", process.name, owner)
    if owner in {before, *(row.owner for row in host.left.values())} or host.disk.owner() != owner:
        world.judge.fail(f"{host.name} has claimed its journal and has not become an owner of its own")


async def _use(wanted: Wanted, process: Process) -> None:
    """What somebody does with such a journal: buys too soon, claims it, and looks after what the old owner has left."""
    host, world = process.host, process.world
    async with process.client(lives=world.chance.random() < 0.5) as client:
        if host.is_foreign and world.chance.random() < 0.5:
            soon = attrs.evolve(wanted, key="soon")
            refusal = await world.provision(process, client, soon, 15.0, wait=False)
            if refusal is None:
                world.judge.fail(f"{process.name} was given a machine by another host's journal")
        try:
            await claim(process, client)
            await _look_after_the_old(process, client)
        except PurveyorError as error:
            world.note("{} is told {}: {}", process.name, error.code, error)


async def _look_after_the_old(process: Process, client: MultiProviderClient) -> None:
    """Nothing of it may be touched, whatever is ordered."""
    host, chance = process.host, process.world.chance
    owners = sorted({row.owner for row in host.left.values()})
    if not owners:
        return
    found = await client.reconcile(owner=owners[0], apply=chance.random() < 0.5, deadline=30)
    theirs = [f"{one.provider}/{one.id}" for one in found.findings]
    process.world.note("{} finds {} of {}", process.name, theirs, owners[0])
    if theirs and chance.random() < 0.5:
        await client.reconcile(owner=owners[0], delete_orphans=theirs, min_age=timedelta(), deadline=30)
    intent = chance.choice(sorted(host.left))
    await client.resolve_intent(intent, tombstone=chance.random() < 0.5, deadline=30)
