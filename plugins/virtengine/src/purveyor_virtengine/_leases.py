"""Whose deployments are where: what is remembered of the leases, and who is vouched for by them.

A signature is good at every provider, so it must only reach those that the leases name, at the address that the chain has
for them now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

import attrs

from purveyor.plugin import (
    Call,
    Clock,
    DeploymentNotFoundError,
    NotFoundError,
    Outcome,
    ProviderUnavailableError,
)
from purveyor.wire import Row
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._chain import OPEN, Chain
from purveyor_virtengine._registered import endpoint_of

__all__ = ["Leases", "MovedError"]

T = TypeVar("T")


class MovedError(ProviderUnavailableError):
    """The provider is not where it was: what is there now may be somebody else's."""

    retryable = False


Rows = tuple[Row[rows.LeaseRow], ...]


@attrs.frozen
class _Read(Generic[T]):
    """What was read, and when the reading began."""

    at: float
    found: T


class Leases:
    """The open leases of one owner.

    Args:
        chain: Where they are.
        owner: Whose.
        clock: Time.
        ttl: Seconds that they are remembered.
    """

    def __init__(self, chain: Chain, owner: str, clock: Clock, ttl: float) -> None:
        self.owner = owner
        self._chain, self._clock, self._ttl = chain, clock, ttl
        self._known: _Read[Rows] | None = None
        self._places: dict[str, _Read[str | None]] = {}
        self._reading = asyncio.Lock()

    async def fresh(self, call: Call) -> Rows:
        """All of them as they are now; those that cannot be read as their errors."""
        return await self._rows(call, 0.0)

    async def at(self, call: Call, provider: str) -> list[rows.Lease]:
        """The active ones at one provider, as they were not long ago."""
        return _of(await self._rows(call, self._ttl), provider)

    async def vouch(
        self, call: Call, provider: str, endpoint: str, deployment: str | None = None, *, now: bool = False
    ) -> list[rows.Lease]:
        """The active ones of a deployment (None: of any) at a provider that is still where it was.

        Args:
            call: The call that it belongs to.
            provider: Who would get a signature.
            endpoint: Where.
            deployment: What about.
            now: Whether what was read not long ago is too old.

        Raises:
            DeploymentNotFoundError: There are none; nothing may be signed for this provider.
            MovedError: The chain has another address for the provider.
        """
        ages = (0.0,) if now else (self._ttl, 0.0)
        for age in ages:  # a lease may be younger than what is remembered
            if found := _of(await self._rows(call, age), provider, deployment):
                await self._check_place(call, provider, endpoint, age)
                return found
        what = f"deployment {deployment:.40}" if deployment else "anything"
        raise DeploymentNotFoundError(
            f"no active lease of {self.owner} names {provider} for {what}", outcome=Outcome.NOT_SENT
        )

    async def _rows(self, call: Call, age: float) -> Rows:
        """What was read at most that many seconds ago. Who waits for somebody else's reading may take it as new."""
        oldest = self._clock.monotonic() - age
        async with self._reading:
            if self._known is None or self._known.at < oldest:
                begun = self._clock.monotonic()
                self._known = _Read(begun, tuple([row async for row in self._read(call)]))
            return self._known.found

    async def _read(self, call: Call) -> AsyncGenerator[Row[rows.LeaseRow], None]:
        for state in OPEN:
            walk = self._chain.leases(call, "leases", owner=self.owner, state=state)
            async with aclosing(walk):
                async for fetched in walk:
                    for row in fetched.rows:
                        yield row

    async def _check_place(self, call: Call, provider: str, endpoint: str, age: float) -> None:
        oldest = self._clock.monotonic() - age
        known = self._places.get(provider)
        if known is None or known.at < oldest:
            begun = self._clock.monotonic()
            known = self._places[provider] = _Read(begun, await self._place(call, provider))
        if known.found != endpoint:
            told = "is registered no more" if known.found is None else f"has moved to {known.found!r:.200}"
            raise MovedError(f"{provider} {told}; nothing was sent", outcome=Outcome.NOT_SENT)

    async def _place(self, call: Call, provider: str) -> str | None:
        try:
            row = await self._chain.provider(call, provider)
        except NotFoundError:
            return None
        return endpoint_of(row) if row.owner == provider else None


def _of(found: Rows, provider: str, deployment: str | None = None) -> list[rows.Lease]:
    """Those that are active: what cannot be paid any more vouches for nobody."""
    leases = [row[0].lease for row in found if isinstance(row, tuple)]
    return [
        one
        for one in leases
        if one.id.provider == provider and deployment in {None, str(one.id.dseq)} and one.state == "active"
    ]
