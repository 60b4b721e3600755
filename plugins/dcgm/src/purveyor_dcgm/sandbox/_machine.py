"""A machine with GPUs that lives through time: jobs come and go, boards get warm, errors stick."""

import random
from collections.abc import Iterator, Sequence

import attrs

from purveyor_testing.sandbox import Seeded

STEP = 30.0
"""Seconds of the machine's life from one collection of the exporter to the next, as real exporters have it."""

BOARD_MIB = 80_896
RESERVED_MIB = 663
PROFILES = {
    "1g.10gb": (1, 10_112),
    "1g.20gb": (1, 20_224),
    "2g.20gb": (2, 20_224),
    "3g.40gb": (3, 40_448),
    "4g.40gb": (4, 40_448),
    "7g.80gb": (7, 80_896),
}
"""MIG profiles of an H100 with 80 GB: slices of compute, and MiB of memory."""
SLICES = 7

XIDS = {
    13: "Graphics Engine Exception",
    31: "GPU memory page fault",
    48: "Double Bit ECC Error",
    63: "Row remapping event",
    79: "GPU has fallen off the bus",
}
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes the ends of pods' names of."""
_IDLE_WATTS, _MOST_WATTS = 68.0, 700.0


@attrs.define(eq=False)
class Work:
    """What runs on a GPU, or on one MIG instance of it.

    Attributes:
        limit: MiB that it can use.
        name: Of the pod; empty where nothing runs.
        pods: Pods that share it in time slices.
        load: Share of the time that it wants.
        until: The step at which it ends.
        active: Share of the time that the engines are busy.
        used: MiB.
    """

    limit: int
    name: str = ""
    pods: int = 1
    load: float = 0.0
    until: int = 0
    active: float = 0.0
    used: int = 0

    def step(self, number: int, chance: random.Random) -> None:
        """One step on: the next job, if this one is over, and somewhat more or less to do."""
        if number >= self.until:
            busy = chance.random() < (0.8 if not self.name else 0.3)
            self.name = f"train-{''.join(chance.choices(_LETTERS, k=5))}" if busy else ""
            self.load = chance.uniform(0.35, 1.0) if busy else 0.0
            self.used = round(self.limit * chance.uniform(0.2, 0.98)) if busy else 4
            self.until = number + chance.randrange(10, 200)
        wanted = self.load + (chance.gauss(0.0, 0.05) if self.name else 0.0)
        self.active = min(1.0, max(0.0, wanted))


@attrs.define(eq=False)
class Instance:
    """One MIG instance."""

    id: int
    profile: str
    work: Work


@attrs.define(eq=False)
class Gpu:
    """One GPU.

    Attributes:
        watts: Of the board, now.
        millijoules: Of the board, since the machine came up.
        celsius: Of the board.
        xid: The last error that the driver reported; it stays.
        hpc_job: What a scheduler calls its job, in its user's own words.
    """

    number: int
    uuid: str
    work: Work
    instances: list[Instance] = attrs.field(factory=list)
    watts: float = _IDLE_WATTS
    millijoules: int = 0
    celsius: float = 30.0
    xid: int = 0
    hpc_job: str = ""

    @property
    def active(self) -> float:
        """Share of the time that the engines of the whole board are busy."""
        if not self.instances:
            return self.work.active
        return sum(PROFILES[one.profile][0] * one.work.active for one in self.instances) / SLICES

    def step(self, number: int, chance: random.Random) -> None:
        """One step on."""
        for work in [one.work for one in self.instances] or [self.work]:
            work.step(number, chance)
        self.watts = _IDLE_WATTS + (_MOST_WATTS - _IDLE_WATTS) * self.active * chance.uniform(0.93, 1.0)
        self.millijoules += round(self.watts * STEP * 1000)
        self.celsius += 0.3 * (28.0 + 0.075 * self.watts - self.celsius)
        if self.active > 0 and chance.random() < 0.0003:
            self.xid = chance.choice(list(XIDS))


class Machine:
    """Its GPUs, and how far it has come.

    Args:
        chance: Where its ids and its fate come from.
        gpus: How many it has.
        host: Its name.
    """

    def __init__(self, chance: Seeded, gpus: int, host: str) -> None:
        self.host = host
        self.gpus = [Gpu(number, f"GPU-{chance.uuid('gpu')}", Work(BOARD_MIB)) for number in range(gpus)]
        self._chance = chance
        self._steps = 0
        self.live_to(60)  # nobody meets a machine in the very moment in which it comes up

    def live_to(self, steps: int) -> None:
        """Live on until it has done so many steps."""
        while self._steps < steps:
            self._steps += 1
            for gpu in self.gpus:
                gpu.step(self._steps, self._chance.stream(f"life of {gpu.number}"))

    @property
    def steps(self) -> int:
        """How many steps it has lived."""
        return self._steps

    def partition(self, number: int, profiles: Sequence[str]) -> None:
        """Cut a GPU into MIG instances, or make it whole again; what ran on it is over.

        Raises:
            ValueError: There is no such GPU or profile, or the board has not enough for all of them.
        """
        unknown = [one for one in profiles if one not in PROFILES]
        if unknown:
            raise ValueError(f"no profile {unknown[0]!r}; there are {', '.join(PROFILES)}")
        slices, memory = (sum(PROFILES[one][which] for one in profiles) for which in (0, 1))
        if slices > SLICES or memory > BOARD_MIB:
            raise ValueError(
                f"a board has {SLICES} slices and {BOARD_MIB} MiB: {', '.join(profiles)} want more"
            )
        gpu = self.gpu(number)
        gpu.instances = [
            Instance(at, profile, Work(PROFILES[profile][1])) for at, profile in enumerate(profiles, 1)
        ]
        gpu.work = Work(BOARD_MIB)
        gpu.step(self._steps, self._chance.stream(f"life of {number}"))

    def gpu(self, number: int) -> Gpu:
        """One GPU.

        Raises:
            ValueError: There is none of that number.
        """
        if not 0 <= number < len(self.gpus):
            raise ValueError(f"no GPU {number}; there are {len(self.gpus)}")
        return self.gpus[number]

    def share(self, number: int, pods: int) -> None:
        """Let so many pods have a GPU in time slices, from now on.

        Raises:
            ValueError: There is no such GPU, or no pod at all.
        """
        if pods < 1:
            raise ValueError("at least one pod has a GPU")
        work = self.gpu(number).work
        work.pods = pods
        work.until = max(work.until, self._steps + 100)
        work.name = work.name or "shared"
        work.load = work.load or 0.6

    def works(self) -> Iterator[tuple[Gpu, Instance | None, Work]]:
        """Everything that has lines of its own: GPUs, or the instances that they are cut into."""
        for gpu in self.gpus:
            for instance in gpu.instances:
                yield gpu, instance, instance.work
            if not gpu.instances:
                yield gpu, None, gpu.work
