"""Jobs: accepted one after the other per Linode, picked up a little later, and over after a while."""

from collections.abc import Callable, Sequence

import attrs

from purveyor_linode.sandbox._events import Event
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._words import BUSY, invalid
from purveyor_linode.sandbox._world import Linode, World, about

Stage = tuple[str, float]
"""A status and for how many seconds."""


@attrs.frozen
class Job:
    """What is to be done to a Linode."""

    action: str
    """The action of its event."""
    stages: Sequence[Stage]
    final: str
    """The status that it leaves behind."""
    outcome: Callable[[], None] = lambda: None
    secondary: Row | None = None


def check_free(world: World, linode: Linode) -> None:
    """Refuse while another job is scheduled or under way, or has hardly ended."""
    if linode.busy_until > world.clock.now:
        raise invalid(BUSY)


def begin(world: World, linode: Linode, job: Job) -> Event:
    """Accept a job: it starts when it is picked up."""
    stages = [(status, _seconds(world, seconds, job)) for status, seconds in job.stages]
    return plan(world, linode, attrs.evolve(job, stages=stages), world.behaviour.pickup_seconds)


def _seconds(world: World, seconds: float, job: Job) -> float:
    whole = world.behaviour.job_seconds
    return seconds if whole is None else seconds * whole / (sum(one for _, one in job.stages) or 1.0)


def plan(world: World, linode: Linode, job: Job, delay: float) -> Event:
    """Let a job start after so many seconds, and run through its stages."""
    now = world.clock.now
    starts = now + world.lifecycle(delay)
    ends = starts + world.lifecycle(sum(seconds for _, seconds in job.stages))
    event = world.event(job.action, about(linode), starts, ends, job.secondary)
    linode.pending = [one for one in linode.pending if one.ends > now] + [event]
    linode.busy_until = max(linode.busy_until, ends + world.lifecycle(world.behaviour.linger_seconds))
    _Run(world, linode, job, event).schedule(delay)
    return event


@attrs.define(eq=False)
class _Run:
    """One job on its way; it stops where the Linode is deleted."""

    world: World
    linode: Linode
    job: Job
    event: Event
    _before: str = ""

    def schedule(self, delay: float) -> None:
        for status, seconds in self.job.stages:
            self._after(delay, lambda status=status: self._enter(status))  # type: ignore[misc]
            delay += seconds
        self._after(delay, self._end)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self.world.clock.after(self.world.lifecycle(seconds), lambda: self._alive() and action())  # type: ignore[func-returns-value]

    def _alive(self) -> bool:
        return self.linode.id in self.world.linodes and self.linode.status != "deleting"

    def _enter(self, status: str) -> None:
        self._before = self._before or self.linode.status
        self.linode.change(status=status)

    def _end(self) -> None:
        if self.event.doomed:
            rest = self._before if self._before in ("running", "offline") else "offline"
            self.linode.change(status=rest, updated=self.world.time())
            return
        self.job.outcome()
        self.linode.change(status=self.job.final, updated=self.world.time())


def delete(world: World, linode: Linode) -> None:
    """Take a Linode away: at once it is ``deleting``, and a little later it is gone."""
    now = world.clock.now
    for event in linode.pending:
        event.stop(now)
    linode.busy_until = float("inf")
    linode.change(status="deleting", updated=world.time())
    seconds = world.lifecycle(world.behaviour.delete_seconds)
    world.event("linode_delete", about(linode), now, now + seconds)
    world.clock.after(seconds, lambda: world.remove(linode))
