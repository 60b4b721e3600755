"""Numbers and names that look random and repeat with the seed."""

import random
import uuid

import attrs


@attrs.define(eq=False)
class Seeded:
    """One stream of chance per purpose, so that using one does not shift another."""

    seed: int
    _streams: dict[str, random.Random] = attrs.field(factory=dict, init=False)
    _last: dict[str, int] = attrs.field(factory=dict, init=False)

    def stream(self, purpose: str) -> random.Random:
        """The random numbers of one purpose."""
        if purpose not in self._streams:
            self._streams[purpose] = random.Random(f"{self.seed}/{purpose}")  # noqa: S311 - no secret here
        return self._streams[purpose]

    def number(self, purpose: str, first: int) -> int:
        """A growing id with gaps, as shared clouds hand them out."""
        step = self.stream(purpose).randint(1, 9)
        self._last[purpose] = self._last.get(purpose, first) + step
        return self._last[purpose]

    def uuid(self, purpose: str) -> str:
        """A version 4 UUID."""
        return str(uuid.UUID(int=self.stream(purpose).getrandbits(128), version=4))

    def data(self, purpose: str, size: int) -> bytes:
        """Bytes."""
        return self.stream(purpose).randbytes(size)
