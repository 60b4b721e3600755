"""The simulated world, moved by Hypothesis step by step, so that what breaks it comes out short."""

import asyncio
import functools
import random
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from purveyor.plugin import Marking
from purveyor_testing.simulation.disk import Disk
from purveyor_testing.simulation.faults import CREATE, READ
from purveyor_testing.simulation.process import Host, Process
from purveyor_testing.simulation.run import clear, start
from purveyor_testing.simulation.time import HostLoop
from purveyor_testing.simulation.world import Wanted, World

KEYS = [Wanted("k0", "web", 1), Wanted("k1", "cache", 2)]


class Clouds(RuleBasedStateMachine):
    """Whatever the order, nothing is bought twice and nothing is lost."""

    world: World | None = None

    @initialize(seed=st.integers(0, 1000), kinds=st.lists(st.sampled_from(Marking), min_size=1, max_size=2))
    def begin(self, seed, kinds):
        chance = random.Random(seed)
        providers = tuple((f"c{number}", kind) for number, kind in enumerate(kinds))
        loop = HostLoop()
        self.world = World(chance, loop, tight=True, start=start(), providers=providers)
        self.world.hosts = [Host("h0", Disk(0, chance, fragile=True))]
        self.world.faults.stop()

    @rule(wanted=st.sampled_from(KEYS), dies_at=st.none() | st.integers(1, 40), power=st.booleans())
    def somebody_wants_machines(self, wanted, dies_at, power):
        process = Process(self.world, self.world.hosts[0], "caller", dies_at, takes_power=power)
        self.world.loop.create_task(process.run(functools.partial(self.world.want, wanted)))

    @rule(dies_at=st.none() | st.integers(1, 40))
    def somebody_meddles(self, dies_at):
        async def meddle(process):
            async with process.client(lives=False) as client:
                await self.world.meddle(process, client)

        process = Process(self.world, self.world.hosts[0], "beside", dies_at)
        self.world.loop.create_task(process.run(meddle))

    @rule(kind=st.sampled_from(CREATE))
    def creations_fail(self, kind):
        self.world.faults.create, self.world.faults.create_rate = (kind,), 0.8

    @rule(kind=st.sampled_from(READ))
    def reads_fail(self, kind):
        self.world.faults.read, self.world.faults.read_rate = (kind,), 0.3

    @rule(lag=st.booleans(), shift=st.booleans(), broken=st.booleans())
    def lists_lie(self, lag, shift, broken):
        faults = self.world.faults
        faults.lag, faults.shift, faults.broken = lag, shift, broken / 2

    @rule()
    def the_weather_clears(self):
        self.world.faults.stop()

    @rule(seconds=st.sampled_from((0.5, 5, 30)))
    def time_passes(self, seconds):
        self.world.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(seconds=st.sampled_from((-3600, -30, 30, 3600)))
    def the_clock_jumps(self, seconds):
        self.world.hosts[0].skew = timedelta(seconds=seconds)

    @rule()
    def the_power_fails(self):
        self.world.power_off(self.world.hosts[0])

    @invariant()
    def all_is_well(self):
        assert self.world is None or not self.world.judge.broken

    def teardown(self):
        if self.world is None:
            return
        world, loop = self.world, self.world.loop
        world.faults.stop()
        loop.run_until_complete(asyncio.sleep(1000))
        last = Process(world, world.hosts[0], "end")
        loop.run_until_complete(last.run(functools.partial(world.end, KEYS)))
        clear(loop)
        assert not world.judge.broken


TestClouds = Clouds.TestCase
TestClouds.settings = settings(
    max_examples=100, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
