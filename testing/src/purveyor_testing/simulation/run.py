"""Running worlds: one by its seed, or many on all cores."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import multiprocessing
import random
from collections.abc import Iterator
from typing import Any

import attrs

from purveyor.plugin import Marking, Page
from purveyor_testing.simulation.process import Process
from purveyor_testing.simulation.time import HostLoop
from purveyor_testing.simulation.world import Start, World

__all__ = ["Failure", "clear", "simulate", "simulate_many", "start", "tell"]

_BATCH = 100


@attrs.frozen
class Failure:
    """A world in which something did not hold.

    Attributes:
        seed: Gives the same world again.
        broken: What did not hold.
    """

    seed: int
    broken: tuple[str, ...]


class _Listener(logging.Handler):
    """Puts what the core logs into a world's history."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.note("    log: {}", record.getMessage())


def simulate(seed: int, *, tight: bool | None = None) -> Failure | None:
    """Run one world; tells what did not hold in it, if anything.

    Args:
        seed: Everything is drawn from it.
        tight: Only a world in which nothing but the last look can see what is late, or only another one.
    """
    broken = _run(seed, None, tight=tight)
    return Failure(seed, broken) if broken else None


def tell(seed: int) -> tuple[tuple[str, ...], list[str]]:
    """Run one world; what did not hold, and everything that happened."""
    history: list[str] = []
    return _run(seed, history), history


def _run(seed: int, history: list[str] | None, *, tight: bool | None = None) -> tuple[str, ...]:
    chance = random.Random(seed)  # noqa: S311 - it is to repeat
    loop = HostLoop()  # type: ignore[abstract]  # there are no sockets
    world = World(chance, loop, history, tight=tight, start=start())
    with _listening(world, interested=history is not None):
        try:
            loop.run_until_complete(world.story())
        except Exception as exc:  # noqa: BLE001 - a world that breaks is a failure like any other
            world.judge.fail(f"the world broke: {exc!r}")
        clear(loop)
    return tuple(world.judge.broken)


@contextlib.contextmanager
def _listening(world: World, *, interested: bool) -> Iterator[None]:
    """What the core logs goes into the world's history and nowhere else."""
    log = logging.getLogger("purveyor")
    if not interested:
        before, log.disabled = log.disabled, True
        try:
            yield
        finally:
            log.disabled = before
        return
    level, propagates = log.level, log.propagate
    log.setLevel(logging.DEBUG)
    log.propagate = False
    listener = _Listener(world)
    log.addHandler(listener)
    try:
        yield
    finally:
        log.removeHandler(listener)
        log.setLevel(level)
        log.propagate = propagates


@functools.cache
def start() -> Start:
    """The catalogues of everybody that there may be: fetching them is no news."""
    catalogues: dict[str, tuple[float, Page[Any]]] = {}
    for marking in Marking:
        chance = random.Random(0)  # noqa: S311 - nothing depends on it
        loop = HostLoop()  # type: ignore[abstract]  # there are no sockets
        accounts = tuple((f"c{number}", marking) for number in range(4))
        world = World(chance, loop, tight=False, providers=accounts)
        world.faults.stop()
        first = Process(world, world.hosts[0], "first")
        loop.run_until_complete(first.run(functools.partial(_fetch, catalogues)))
    return Start(catalogues)


async def _fetch(catalogues: dict[str, tuple[float, Page[Any]]], process: Process) -> None:
    async with process.client(lives=False) as client:
        for view in (client.list_plans, client.list_images, client.list_regions):
            await view().collect()
        catalogues.update({key: (at - 60, page) for key, (at, page) in client._cache._parsed.items()})  # noqa: SLF001 - as it does


def clear(loop: HostLoop) -> None:
    """End what dead processes have left."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def simulate_many(seeds: range, jobs: int) -> Iterator[tuple[int, list[Failure]]]:
    """Run many worlds in that many processes; tells after each batch how many it was and what failed."""
    batches = [seeds[at : at + _BATCH] for at in range(0, len(seeds), _BATCH)]
    with multiprocessing.get_context("spawn").Pool(jobs, _begin) as pool:
        yield from pool.imap_unordered(_batch, batches)


def _begin() -> None:
    """Make a process ready: what stays for ever is not searched for garbage, of which worlds leave a lot."""
    start()
    gc.freeze()
    gc.set_threshold(20_000)


def _batch(seeds: range) -> tuple[int, list[Failure]]:
    return len(seeds), [failure for failure in map(simulate, seeds) if failure is not None]
