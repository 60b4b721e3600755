"""Hosts and the processes on them, each of which may die at any step."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from purveyor import MultiProviderClient
from purveyor.engine.registry import Surroundings
from purveyor.model.guards import BreakerPhase
from purveyor.model.intent import Intent
from purveyor.policy.breaker import OPEN_SECONDS
from purveyor.state.store import Store
from purveyor_testing.simulation.disk import SLOW_DISK, Disk, DiskThread, Door, Row
from purveyor_testing.simulation.time import BOOTED_AT

if TYPE_CHECKING:
    from purveyor_testing.simulation.world import World

__all__ = ["PROCESS", "CrashedError", "Host", "Locks", "Process"]

PROCESS: ContextVar[Process] = ContextVar("PROCESS")
"""The process that the current task belongs to."""

_START = datetime(2026, 1, 1, tzinfo=UTC)


class CrashedError(BaseException):
    """The process is dead: nothing that it does reaches anybody any more."""


@attrs.define(eq=False)
class Host:
    """A machine with a journal.

    Attributes:
        boot: Counts its boots.
        booted: When it was booted last, in true seconds.
        skew: How wrong its time of day is.
        locks: Holders that live.
        copied: Whether its journal was copied from another host.
        left: What it said then, by intent.
        gone: Whether nothing is started on it any more.
    """

    name: str
    disk: Disk
    boot: int = 0
    booted: float = 0.0
    skew: timedelta = timedelta()
    locks: set[str] = attrs.field(factory=set)
    processes: list[Process] = attrs.field(factory=list)
    copied: bool = False
    left: dict[str, Row] = attrs.field(factory=dict)
    gone: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether its journal is another host's."""
        return self.copied and self.disk.mounted().host() not in {None, self.name}


class SharedStore(Store):
    """A store in memory that the processes of a host share."""

    @property
    def is_shared(self) -> bool:
        """Other processes have the same disk."""
        return True


class Locks:
    """What ``purveyor.state.holders.Holders`` does with files, done in memory."""

    def __init__(self, process: Process, name: str) -> None:
        self.name = name
        self._process = process

    @property
    def has_entered(self) -> bool:
        """Whether the lock is taken."""
        return self.name in self._process.host.locks

    def enter(self) -> None:
        """Take the lock."""
        self._process.point("")
        if self._process.stands:
            raise OSError("the lock is lost")
        self._process.host.locks.add(self.name)

    def lives(self, holder: str) -> bool:
        """Whether another holder still has its lock."""
        return holder in self._process.host.locks

    def leave(self) -> None:
        """Give the lock back."""
        self._process.host.locks.discard(self.name)


class _Clock:
    """A host's clock, as long as the process lives."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._loop = process.world.loop
        self._booted = process.host.booted
        self._read: tuple[float, timedelta] | None = None
        self._now = _START

    def monotonic(self) -> float:
        return self._loop.now - self._booted

    def now(self) -> datetime:
        read = self._loop.now, self._process.host.skew
        if read != self._read:  # asked for again and again at one moment
            self._read, self._now = read, _START + timedelta(seconds=read[0]) + read[1]
        return self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._process.point("")


class Process:
    """One run of a program on a host.

    Attributes:
        dies_at: The step at which it dies; None if it lives to its end.
        takes_power: Whether the host loses its power at that step.
        stops_at: Before which change of an intent it stands still, and for how many seconds; None if it never does.
        stands: Whether it stands still, and others see no lock of its.
    """

    def __init__(
        self, world: World, host: Host, name: str, dies_at: int | None = None, *, takes_power: bool = False
    ) -> None:
        self.world = world
        self.host = host
        self.name = name
        self.dies_at = dies_at
        self.takes_power = takes_power
        self.stops_at: tuple[int, float] | None = None
        self.alive = True
        self.stands = False
        self.steps = 0
        self.lock = Locks(self, world.new_id())
        self._task: asyncio.Task[None] | None = None
        self._client: MultiProviderClient | None = None
        host.processes.append(self)

    def client(self, *, lives: bool) -> MultiProviderClient:
        """A client on this host; one that ``lives`` looks after what is due by itself."""
        world, host = self.world, self.host
        store = SharedStore if world.guards_shared else Store
        thread = DiskThread(world.loop, world.chance)
        self._client = MultiProviderClient(
            world.setup.configuration,
            plugins=world.setup.plugins,
            around=Surroundings(
                clock=_Clock(self),
                random=world.chance,
                ids=world.new_id,
                host=host.name,
                boot=f"{host.name}-{host.boot}",
                environ={},
            ),
            store=store(None, thread, connect=lambda: Door(host.disk, self.point)),  # type: ignore[arg-type, return-value]
            holders=self.lock,  # type: ignore[arg-type]
            health_interval=1e9 if lives else None,
        )
        self._client._cache._parsed.update(world.catalogues)  # noqa: SLF001 - reading them each time is no news
        if self.stops_at is not None:
            journal = self._client._journal  # noqa: SLF001 - there is no door between deciding and writing
            journal.change = self._halting(journal.change)  # type: ignore[method-assign, assignment]
        return self._client

    def _halting(self, change: Callable[..., Awaitable[Intent]]) -> Callable[..., Awaitable[Intent]]:
        """The same changes of intents, before one of which the process stands still."""

        async def halt(*args: Any, **changes: Any) -> Intent:
            number, seconds = self.stops_at or (0, 0.0)
            self.stops_at = number - 1, seconds
            # What it does with other intents needs the lock: only a write can be too late and harmless.
            if number <= 1 and seconds and self.host.disk.held_by(self.lock.name) <= 1:
                self.stops_at = 0, 0.0
                await self._stand(seconds)
            return await change(*args, **changes)

        return halt

    async def _stand(self, seconds: float) -> None:
        """Stand still for a while, as after ``SIGSTOP``, on a file system that gives the lock to others meanwhile."""
        self.world.note("{} stands still for {} s, and its lock is lost", self.name, seconds)
        self.stands = True
        self.host.locks.discard(self.lock.name)
        await asyncio.sleep(seconds)
        self.point("")
        self.world.note("{} goes on", self.name)
        self.stands = False
        self.host.locks.add(self.lock.name)

    def breaker(self, provider: str, *, written: bool) -> BreakerPhase:
        """What the process knew of a provider's circuit breaker when it let a call out.

        Args:
            provider: Its name.
            written: The call was written down since, which takes a slow disk some time. What has opened meanwhile does
                not count; it is open for a minute at least.
        """
        assert self._client is not None  # noqa: S101 - nobody else calls providers
        gate = self._client._registry.get(provider).gate  # noqa: SLF001 - asking must change nothing
        now, breaker = gate.now, gate.book.state(gate._key).breaker  # noqa: SLF001 - likewise
        phase = breaker.phase(now)
        if written and phase is BreakerPhase.OPEN and breaker.open_until - now > OPEN_SECONDS - SLOW_DISK:
            return BreakerPhase.CLOSED
        return phase

    def point(self, step: str) -> None:
        """A step is taken, or, without a name, somebody looks whether the process lives.

        Raises:
            CrashedError: It does not, or not any more.
        """
        if not self.alive:
            raise CrashedError
        if step:
            self.steps += 1
            if self.steps == self.dies_at:
                self.world.note(
                    "{} dies {}{}", self.name, step, ", power is lost" if self.takes_power else ""
                )
                self.world.power_off(self.host) if self.takes_power else self.die()
                raise CrashedError

    def die(self) -> None:
        """End at once, as by ``kill -9``."""
        if self.alive:
            self.alive = False
            self.host.locks.discard(self.lock.name)
            if self._task is not None:
                self.world.loop.call_soon(self._task.cancel)

    async def run(self, program: Callable[[Process], Awaitable[None]]) -> None:
        """Run a program to its end, or until the process dies."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        context.run(BOOTED_AT.set, self.host.booted)
        self._task = self.world.loop.create_task(self._whole(program), context=context)
        await self._task

    async def _whole(self, program: Callable[[Process], Awaitable[None]]) -> None:
        try:
            await program(self)
        except (CrashedError, asyncio.CancelledError):
            if self.alive:
                raise
        self.die()
