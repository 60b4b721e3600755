"""A host and its containers: who they are, and what they use over time."""

import attrs

from purveyor_prometheus.sandbox._world import Labels, Life, Wave
from purveyor_testing.sandbox import Seeded

GIB = 1024.0**3
MIB = 1024.0**2


@attrs.frozen(eq=False)
class Container:
    """One container: amounts over time, and limits."""

    name: str
    labels: Labels
    """As cAdvisor tells them."""
    cores: Wave
    memory: Wave
    received: Wave
    sent: Wave
    storage: float
    life: Life
    core_limit: float | None = None
    memory_limit: float | None = None

    @property
    def in_pod(self) -> bool:
        """Whether its network belongs to its pod."""
        return "pod" in self.labels


@attrs.frozen(eq=False)
class Machine:
    """One host with all that runs on it."""

    cpus: int
    memory: float
    disk: float
    cores: Wave
    """What the host itself works, without the containers."""
    kept: Wave
    """Bytes that the host itself needs."""
    filling: float
    """Bytes that its disk gains a second."""
    received: Wave
    sent: Wave
    life: Life
    containers: tuple[Container, ...]

    @property
    def working(self) -> tuple[Wave, ...]:
        """All that its CPUs do."""
        return (self.cores, *(one.cores for one in self.containers))

    def memory_used(self, moment: float) -> float:
        """Bytes that cannot be taken back."""
        return float(int(self.kept.at(moment) + sum(one.memory.at(moment) for one in self.containers)))


def make_machine(chance: Seeded, since: float) -> Machine:
    """A host with two containers of Docker and two of Kubernetes, all started at ``since``."""
    dice = chance.stream("machine")

    def wave(mean: float, swing: float) -> Wave:
        return Wave(mean * dice.uniform(0.9, 1.1), swing, dice.uniform(600, 3600), dice.random())

    def container(name: str, labels: Labels, cores: float, memory: float, **limits: float) -> Container:
        return Container(
            name=name,
            labels=labels,
            cores=wave(cores, cores / 3),
            memory=wave(memory, memory / 10),
            received=wave(2e5, 1e5),
            sent=wave(4e5, 2e5),
            storage=dice.randint(20, 400) * MIB,
            life=Life([since]),
            **limits,
        )

    def docker(name: str, image: str) -> Labels:
        return {"id": f"/docker/{dice.getrandbits(256):064x}", "image": image, "name": name}

    def kubernetes(pod: str, namespace: str, image: str, name: str) -> Labels:
        uid = f"{dice.getrandbits(128):032x}"
        return {
            "container": name,
            "id": f"/kubepods/burstable/pod{uid}/{dice.getrandbits(256):064x}",
            "image": image,
            "name": f"k8s_{name}_{pod}_{namespace}_{uid}_0",
            "namespace": namespace,
            "pod": pod,
        }

    return Machine(
        cpus=8,
        memory=32 * GIB,
        disk=200 * GIB,
        cores=wave(0.4, 0.2),
        kept=wave(1.5 * GIB, 0.1 * GIB),
        filling=dice.uniform(500, 2000),
        received=wave(1e6, 5e5),
        sent=wave(2e6, 1e6),
        life=Life([since]),
        containers=(
            container("web", docker("web", "nginx:1.27"), 0.5, 0.3 * GIB, core_limit=1.5, memory_limit=GIB),
            container("db", docker("db", "postgres:17"), 1.2, 4 * GIB),
            container(
                "shop/cart-0/cart",
                kubernetes("cart-0", "shop", "shop/cart:3", "cart"),
                0.3,
                0.4 * GIB,
                core_limit=0.5,
                memory_limit=GIB / 2,
            ),
            container(
                "shop/mail-0/mail",
                kubernetes("mail-0", "shop", "shop/mail:1", "mail"),
                0.1,
                0.2 * GIB,
                memory_limit=GIB / 4,
            ),
        ),
    )
