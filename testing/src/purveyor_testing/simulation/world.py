"""One world: hosts, clouds, callers, and what happens to them, all drawn from one seed."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs

from purveyor import MultiProviderClient
from purveyor.model.errors import ConflictError, PurveyorError
from purveyor.plugin import InstanceSpec, Marking, Page
from purveyor_testing.simulation.cloud import Cloud
from purveyor_testing.simulation.disk import Disk
from purveyor_testing.simulation.faults import Faults
from purveyor_testing.simulation.judge import OPEN, Judge
from purveyor_testing.simulation.moving import claim, move
from purveyor_testing.simulation.process import CrashedError, Host, Process
from purveyor_testing.simulation.provider import Setup, setup
from purveyor_testing.simulation.time import HostLoop

__all__ = ["Start", "Wanted", "World"]

_PATIENT = 600.0
"""Deadline of a caller that gets what it wants unless something is wrong, in seconds."""
_LONG = 4 * 3600.0
"""After which everything that was put off is due, whatever the clocks say."""


@attrs.define
class Wanted:
    """A request that callers make again and again until they have what they want.

    Attributes:
        key: Under which they do; None for a request that nobody can make again.
    """

    key: str | None
    name: str
    count: int


@attrs.frozen
class Start:
    """What is known when a world begins.

    Attributes:
        catalogues: What all clients remember, by the key that they remember it under, and since when.
    """

    catalogues: Mapping[str, tuple[float, Page[Any]]] = attrs.field(factory=dict)


class World:
    """Everything there is."""

    def __init__(
        self,
        chance: random.Random,
        loop: HostLoop,
        history: list[str] | None = None,
        *,
        tight: bool | None = None,
        start: Start | None = None,
        providers: tuple[tuple[str, Marking], ...] = (),
    ) -> None:
        """Draw a world.

        Args:
            chance: What it is drawn from.
            loop: Where it takes place.
            history: Where to write what happens.
            tight: Only one in which nothing but the last look can see what is late, or only another one.
            start: What is known when it begins; None for nothing.
            providers: Who there is; drawn if nobody is named.
        """
        start = start or Start()
        self.catalogues = start.catalogues
        self.loop = loop
        self.chance = chance
        self.faults = Faults.drawn(chance, tight=tight)
        kinds = [Marking.TAG] if self.faults.tight else list(Marking)
        self.small = chance.random() < 0.6
        self.setup: Setup = setup(providers or _providers(chance, kinds, small=self.small))
        self._history = history
        self.clouds = {
            name: Cloud(name, marking, self.faults, lambda: loop.now, loop.call_later, self.note)
            for name, marking in self.setup.accounts.items()
        }
        for cloud in self.clouds.values():
            for _ in range(chance.randint(6, 9) if self.faults.hasty else chance.choice((0, 1, 3))):
                cloud.add("other")
        self.judge = Judge(self)
        fragile = chance.random() < 0.3
        self.power_fails = fragile
        self.halting = False
        self.at_once = False
        self.wanted: dict[str, list[Wanted]] = {}
        # Where nothing can be written, nothing can be shared.
        self.guards_shared = chance.random() < (0.6 if self.faults.stormy else 0.2) and not self.faults.full
        self.hosts: list[Host] = []
        for _ in range(1 if self.small or chance.random() < 0.75 else 2):
            self.add_host()
        loop.set_exception_handler(self._lost)

    def new_id(self) -> str:
        """Sixteen letters and digits."""
        return f"{self.chance.getrandbits(64):016x}"

    def note(self, text: str, *facts: Any) -> None:
        """Put something into the history, if anybody reads it."""
        if self._history is not None:
            self._history.append(f"{self.loop.now:9.2f}  {text.format(*facts)}")

    def add_host(self) -> Host:
        """One with an empty disk."""
        number = len(self.hosts)
        fails = self._failing(f"h{number}")
        host = Host(f"h{number}", Disk(number, self.chance, fragile=self.power_fails, fails=fails))
        self.hosts.append(host)
        return host

    def _failing(self, name: str) -> Callable[[], bool]:
        """Whether the disk of a host of that name does not take what is written to it now."""
        faults, (began, ended) = self.faults, self.faults.trouble()

        def fails() -> bool:
            failed = faults.rough and began <= self.loop.now < ended and faults.happens(faults.full)
            if failed:
                self.note("the disk of {} is full", name)
            return failed

        return fails

    def power_off(self, host: Host) -> None:
        """All processes of a host die, and what was not synced may be lost. It boots again at once."""
        for process in host.processes:
            process.die()
        host.disk.lose_power()
        host.boot += 1
        host.booted = self.loop.now

    def _lost(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something ended in a task that nobody waits for."""
        error = context.get("exception")
        if error is not None and not isinstance(error, CrashedError):
            self.judge.fail(f"a task failed with {error!r}")

    # The story

    async def story(self) -> None:
        """All that happens, until everything has come to rest."""
        chance = self.chance
        for host in self.hosts:
            self.wanted[host.name] = [
                Wanted(f"k{number}", f"web-{host.name}-{number}", self._some(1, 1, 1, 1, 1, 2, 3))
                for number in range(self._some(1, 1, 1, 1, 2))
            ]
        callers = [self._caller(host, one) for host in self.hosts for one in self.wanted[host.name]]
        first = self.wanted[self.hosts[0].name][0]
        # The same program is started a second time beside the first.
        if not self.small and chance.random() < 0.2:
            self.halting = first.count == 1
            self.at_once = chance.random() < 0.5
            callers.append(self._caller(self.hosts[0], first, "again"))
        if not self.small and chance.random() < 0.12:
            callers.append(self._move(self.hosts[0], Wanted(first.key, "web-moved", 1)))
        callers += [
            self._bystander(host) for host in self.hosts if chance.random() < (0.05 if self.small else 0.2)
        ]
        if chance.random() < (0.1 if self.small else 0.3):
            callers.append(self._nature())
        await asyncio.gather(*callers)
        self.faults.stop()
        self.note("nothing goes wrong any more")
        await asyncio.sleep(60)
        for host in self.hosts:
            if not host.gone:
                await Process(self, host, f"{host.name}/end").run(
                    functools.partial(self.end, self.wanted[host.name])
                )

    async def _move(self, host: Host, wanted: Wanted) -> None:
        """A host's journal is copied and claimed elsewhere, where something is wanted under the same key."""
        new = await move(self, host, wanted)
        self.wanted[new.name] = [wanted]
        await self._caller(new, wanted)

    def _some(self, *numbers: int) -> int:
        """One of these numbers; the first in a small world."""
        return numbers[0] if self.small else self.chance.choice(numbers)

    async def _caller(self, host: Host, wanted: Wanted, name: str = "") -> None:
        """Starts a program, and starts it again with the same key."""
        chance = self.chance
        for attempt in range(self._some(1, 1, 1, 2, 3)):
            if attempt or not self.at_once:
                await asyncio.sleep(chance.choice((0, 0.3, 3, 30)) * chance.random())
            if host.gone:
                return
            process = self.process(host, f"{host.name}/{wanted.key}.{name}{attempt}")
            if self.halting and not name and not attempt:
                process.stops_at = chance.randint(1, 4), chance.choice((5.0, 20.0, 60.0))
            await process.run(functools.partial(self.want, wanted))

    def process(self, host: Host, name: str) -> Process:
        """One that may die."""
        chance = self.chance
        dies_at = chance.randint(1, chance.choice((25, 60))) if chance.random() < 0.5 else None
        power = self.power_fails and chance.random() < 0.5
        return Process(self, host, name, dies_at, takes_power=power)

    async def want(self, wanted: Wanted, process: Process) -> None:
        """A program that asks for machines, and may do something more while it runs."""
        chance = self.chance
        client = process.client(lives=chance.random() < 0.2)
        async with client:
            await self._own(process, client)
            deadline = chance.choice((3.0, 15.0, 40.0, 120.0))
            # Nobody can ask for the same again. Who is to stand still must not: what it plans to send is not on the disk.
            if not self.small and process.stops_at is None and chance.random() < 0.1:
                wanted = attrs.evolve(wanted, key=None, name=f"{wanted.name}-once")
            work = asyncio.ensure_future(
                self.provision(process, client, wanted, deadline, wait=chance.random() < 0.3)
            )
            if chance.random() < 0.1:
                await asyncio.sleep(chance.random() * chance.choice((2, 20, 60)))
                work.cancel()
                self.note("{} is cancelled", process.name)
            await asyncio.wait([work])
            if not work.cancelled():
                work.result()
            if chance.random() < 0.1:
                await self.meddle(process, client)
            if chance.random() < 0.1:
                await asyncio.sleep(chance.random() * 60)

    async def _own(self, process: Process, client: MultiProviderClient) -> None:
        """Claim a journal that a loss of power has made another host's again."""
        try:
            await claim(process, client)
        except PurveyorError as error:
            self.note("{} is told {}: {}", process.name, error.code, error)

    async def provision(
        self, process: Process, client: MultiProviderClient, wanted: Wanted, deadline: float, *, wait: bool
    ) -> PurveyorError | None:
        """Ask for the machines; None if all are there."""
        spec = InstanceSpec(name=wanted.name, plan="small", image="linux")
        self.note("{} wants {} of {} within {} s", process.name, wanted.count, wanted.key, deadline)
        try:
            made = await client.provision(
                spec, count=wanted.count, key=wanted.key, wait=wait, deadline=deadline
            )
        except PurveyorError as error:
            self.note("{} is told {}: {}", process.name, error.code, error)
            return self._sane(error)
        process.point("before telling the caller")
        self.note("{} is told {}", process.name, [one.id for one in made.instances])
        self.judge.reported(process.host, made)
        if len(made.instances) > wanted.count:
            self.judge.fail(f"{wanted.key} was to be {wanted.count}, and is {len(made.instances)}")
        for failure in made.failures:
            self._sane(failure)
        return made.failures[0] if len(made.instances) < wanted.count else None

    def _sane(self, error: PurveyorError) -> PurveyorError:
        """The error, if it is one that a caller can make something of."""
        if type(error) is PurveyorError:
            self.judge.fail(f"a caller was told {error!r} because of {error.__cause__!r}")
        return error

    async def _bystander(self, host: Host) -> None:
        """Looks after the journal beside the callers."""
        chance = self.chance
        await asyncio.sleep(chance.random() * 60)
        if host.gone:
            return
        process = self.process(host, f"{host.name}/beside")

        async def tend(process: Process) -> None:
            async with process.client(lives=chance.random() < 0.5) as client:
                for _ in range(chance.randint(1, 3)):
                    await self.meddle(process, client)
                    await asyncio.sleep(chance.random() * 30)

        await process.run(tend)

    async def meddle(self, process: Process, client: MultiProviderClient) -> None:
        """Do one of the things that people do to a journal."""
        what = self.chance.choice((self._resolve, self._reconcile, self._delete))
        try:
            await what(process, client)
        except PurveyorError as error:
            self.note("{} is told {}: {}", process.name, error.code, error)
            self._sane(error)

    async def _resolve(self, process: Process, client: MultiProviderClient) -> None:
        intents = await client.list_intents()
        if intents:
            intent = self.chance.choice(intents)
            tombstone = self.chance.random() < 0.5
            self.note("{} {} {}", process.name, "gives up" if tombstone else "resolves", intent.id)
            if tombstone:
                self.judge.unwanted.add(intent.id)
            await client.resolve_intent(intent.id, tombstone=tombstone, deadline=self.chance.choice((5, 60)))

    async def _reconcile(self, process: Process, client: MultiProviderClient) -> None:
        chance = self.chance
        apply = chance.random() < 0.5
        self.note("{} reconciles{}", process.name, " and applies" if apply else "")
        told = await client.reconcile(apply=apply, deadline=60)
        self.note(
            "{} finds {}", process.name, [(one.kind.value, one.id, one.action) for one in told.findings]
        )
        extra = [f"{one.provider}/{one.id}" for one in told.findings if one.instance]
        if extra and chance.random() < 0.5:
            self.note("{} deletes {}", process.name, extra)
            self.judge.unwanted.update(one.id for one in told.findings if one.instance)
            await client.reconcile(delete_orphans=extra, min_age=timedelta(), deadline=60)

    async def _delete(self, process: Process, client: MultiProviderClient) -> None:
        owner = process.host.disk.owner()
        intents = [
            one for one in await client.list_intents() if one.owner == owner and one.state.owns_machine
        ]
        if intents:
            intent = self.chance.choice(intents)
            self.note("{} deletes {}", process.name, intent.instance_id)
            self.judge.unwanted.add(intent.instance_id or "")
            await client.delete_instance(f"{intent.provider}/{intent.instance_id}", deadline=30)

    async def _nature(self) -> None:
        """What befalls hosts and machines from outside."""
        chance = self.chance
        for _ in range(chance.randint(1, 3)):
            await asyncio.sleep(chance.random() * 40)
            if chance.random() < 0.5:
                host = chance.choice(self.hosts)
                host.skew = timedelta(seconds=chance.choice((-3600, -60, 60, 3600)))
                self.note("the clock of {} is {} off", host.name, host.skew)
                continue
            cloud = chance.choice(list(self.clouds.values()))
            living = [one for one in cloud.machines.values() if one.gone is None and one.mark is not None]
            if living:
                cloud.delete(chance.choice(living), "somebody")

    async def end(self, all_wanted: list[Wanted], process: Process) -> None:
        """Nothing goes wrong any more: everybody comes back once, and gets what is due."""
        async with process.client(lives=False) as client:
            await claim(process, client)
            left = process.host.left.keys()
            if left and not left <= {one.id for one in await client.list_intents()}:
                self.judge.fail(f"what was left in the journal of {process.host.name} is not told any more")
            for wanted in all_wanted:
                # What is sold out is blocked for a while, and a machine that was given up has its name until then; a
                # breaker lets one call through before all.
                for pause in (0.0, _LONG, 60.0):
                    await asyncio.sleep(pause)
                    trouble = await self.provision(process, client, wanted, _PATIENT, wait=False)
                    if trouble is None:
                        break
                if trouble is not None and not self._excused(trouble):
                    self.judge.fail(f"{wanted.key} came back in fair weather and was told {trouble!r}")
            await asyncio.sleep(_LONG)
            for _ in range(2):  # the first one may find a breaker that lets one call through before all
                found = await client.reconcile(apply=True, deadline=_PATIENT)
                await asyncio.sleep(60)  # what is due is looked after beside
                if not any(one.state.value in OPEN for one in await client.list_intents()):
                    break
            if found.findings or found.failures:
                found = await client.reconcile(deadline=_PATIENT)
            if found.failures:
                self.judge.fail(f"reconciling failed in fair weather: {found.failures}")
            self.judge.conclude(process.host, found.findings)

    def _excused(self, trouble: PurveyorError) -> bool:
        """Whether nobody could have got a machine: that of the key is gone."""
        gone = isinstance(trouble, ConflictError) and "gone" in trouble.message
        return gone or "was deleted; use another key" in trouble.message


def _providers(
    chance: random.Random, kinds: list[Marking], *, small: bool
) -> tuple[tuple[str, Marking], ...]:
    """One to three providers; two of them may be the same account."""
    if small:
        return (("c0", chance.choice(kinds)),)
    accounts = [(f"c{number}", chance.choice(kinds)) for number in range(chance.choice((1, 1, 1, 2, 2, 3)))]
    if chance.random() < 0.1:
        accounts.append(accounts[0])
    return tuple(accounts)
