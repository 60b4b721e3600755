"""What stands on the chain: providers, deployments, leases, blocks."""

import copy
import random
from collections.abc import Iterator
from typing import Any, Literal

import attrs

from purveyor_testing.sandbox import Clock
from purveyor_virtengine.sandbox._keys import from_bech32

LeaseState = Literal["active", "insufficient_funds", "closed"]
LEASE_STATES: tuple[LeaseState, ...] = ("active", "insufficient_funds", "closed")

GIB = 1024**3
FIRST_HEIGHT = 412_000
"""Of the block at which a sandbox begins."""


@attrs.define(eq=False)
class Provider:
    """A provider as it has announced itself."""

    owner: str
    host_uri: str
    attributes: list[tuple[str, str]] = attrs.field(factory=list)
    """A list: keys may repeat."""
    email: str = ""
    website: str = ""
    row: dict[str, Any] | None = None
    """What the REST shows instead, for rows that no real node would send."""


@attrs.define(eq=False, kw_only=True)
class Lease:
    """A contract between an owner and a provider over one group of a deployment."""

    owner: str
    dseq: int
    gseq: int = 1
    oseq: int = 1
    provider: str
    state: LeaseState = "active"
    denom: str = "uve"
    price: str = "9.75"
    """Per block."""
    created_at: int
    """A height."""
    closed_on: int = 0
    """A height; 0 while it is not closed."""
    name: str = "web"
    """Of the group that is leased."""
    cpu: int = 1500
    """Millicores of each replica."""
    memory: int = 2 * GIB
    """Bytes of each replica."""
    storage: int = 10 * GIB
    """Bytes of each replica."""
    gpu: int = 0
    count: int = 1
    """Replicas."""

    @property
    def key(self) -> bytes:
        """What the store sorts by."""
        numbers = self.dseq.to_bytes(8, "big") + self.gseq.to_bytes(4, "big") + self.oseq.to_bytes(4, "big")
        return from_bech32(self.owner) + numbers + from_bech32(self.provider)

    def close(self, height: int) -> None:
        """End it."""
        self.state, self.closed_on = "closed", height


@attrs.define(eq=False)
class Chain:
    """The state that honest nodes agree on. `fork` makes one that they do not."""

    clock: Clock = attrs.field(repr=False)
    seed: int = 1
    chain_id: str = "virtengine-1"
    prefix: str = "ve"
    block_seconds: float = 5.0
    """Mean time between two blocks."""
    providers: dict[str, Provider] = attrs.field(factory=dict)
    """By owner."""
    leases: list[Lease] = attrs.field(factory=list)
    began: float = attrs.field(init=False)
    """Time of the first block, epoch seconds."""

    @began.default
    def _now(self) -> float:
        return self.clock.now

    def fork(self) -> "Chain":
        """Another truth, to be changed at will; time is the same."""
        twin = copy.copy(self)
        twin.providers = {owner: copy.deepcopy(one) for owner, one in self.providers.items()}
        twin.leases = copy.deepcopy(self.leases)
        return twin

    def height(self, lag: float = 0.0) -> int:
        """The newest block, as a node sees it that is `lag` seconds behind."""
        now = self.clock.now - lag
        height = FIRST_HEIGHT + int((now - self.began) // self.block_seconds)
        return height if self.block_time(height) <= now else height - 1

    def block_time(self, height: int) -> float:
        """When a block was made: steady on average, never quite on time. Epoch seconds."""
        late = random.Random(f"{self.seed}/block/{height}").uniform(0, 0.2)  # noqa: S311 - no secret
        late = 0.0 if height == FIRST_HEIGHT else late
        return self.began + (height - FIRST_HEIGHT + late) * self.block_seconds

    def leased(self, *, owner: str | None = None, provider: str | None = None) -> Iterator[Lease]:
        """Leases in the order of the store."""
        for lease in sorted(self.leases, key=lambda one: one.key):
            if owner in (None, lease.owner) and provider in (None, lease.provider):
                yield lease

    def names(self, owner: str, provider: str) -> bool:
        """Whether an active lease binds them: the only reason to sign anything for that provider."""
        return any(one.state == "active" for one in self.leased(owner=owner, provider=provider))
