"""One call to a provider, and everything that a plugin gets to carry it out with."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

import attrs

from purveyor.model.errors import Outcome
from purveyor.model.values import Secret

__all__ = [
    "Call",
    "Clock",
    "CommonSettings",
    "Context",
    "Effect",
    "Exchange",
    "LoopClock",
    "Mark",
    "SecretRef",
]


class Effect(Enum):
    """What repeating a request would do."""

    READ = "read"
    """Nothing: retried freely."""
    IDEMPOTENT = "idempotent"
    """The same as doing it once, such as deleting by id: retried until gone."""
    CONVERGE = "converge"
    """Reaches a state; "already so" is success, such as powering on."""
    ONCE = "once"
    """Something new each time, such as buying a machine: sent once."""


@attrs.frozen
class Mark:
    """What finds a machine again when the answer to its creation is lost.

    Attributes:
        owner: Id of the state folder that the intent belongs to.
        intent: Id of the one machine that is wanted.
    """

    owner: str
    intent: str

    @property
    def text(self) -> str:
        """The mark as one word of lower-case letters, digits and hyphens, at most 40 long."""
        return f"pv-{self.owner}-{self.intent}"


@attrs.define
class Exchange:
    """One request to a server and its answer, as far as it has come.

    Whoever talks to the server keeps this record true: ``sending()`` before the first byte may leave,
    ``answered()`` as soon as status and headers are there.

    Attributes:
        timeout: Seconds that the exchange may take.
        status: Status of the answer, once there is one.
        outcome: What is known about the effect so far.
        admitted: It has waited for its turn, which is ours to give; what takes long from here on is the server's doing.
    """

    group: str
    effect: Effect
    timeout: float
    outcome: Outcome = Outcome.NOT_SENT
    status: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    admitted: bool = False

    @property
    def sent(self) -> bool:
        """Whether the server may have seen it."""
        return self.status is not None or self.outcome is not Outcome.NOT_SENT

    def sending(self) -> None:
        """From now on the request may have arrived."""
        self.outcome = Outcome.UNKNOWN

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers (names in lower case) of the answer are there."""
        self.status, self.headers = status, headers

    def refused(self) -> None:
        """The server said that it did not act."""
        self.outcome = Outcome.REFUSED


@attrs.frozen(kw_only=True)
class Call:
    """The circumstances of one facet method's call.

    Attributes:
        deadline: When it must be over, in seconds of the context's clock.
        mark: What a created machine must carry.
        attempt: 1 for the first try, 2 for the first retry, and so on.
        exchanges: What was exchanged on behalf of this call, oldest first.
    """

    deadline: float
    mark: Mark | None = None
    attempt: int = 1
    exchanges: list[Exchange] = attrs.field(factory=list, eq=False, repr=False)

    @property
    def outcome(self) -> Outcome:
        """What is known about the effect of the call's ``once`` requests, the most doubtful first."""
        outcomes = {exchange.outcome for exchange in self.exchanges if exchange.effect is Effect.ONCE}
        for outcome in (Outcome.UNKNOWN, Outcome.MADE, Outcome.REFUSED):
            if outcome in outcomes:
                return outcome
        return Outcome.NOT_SENT


class Clock(Protocol):
    """Time, passed in so that a run can be repeated."""

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    def now(self) -> datetime:
        """The time of day; aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        ...


class LoopClock:
    """The running event loop's time and the system's time of day."""

    def monotonic(self) -> float:
        """Seconds of the running loop."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """The system's time of day."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(seconds)


@attrs.frozen
class SecretRef:
    """Where a secret is: ``env:NAME``, ``file:PATH``, a plugin's own scheme, or the secret itself."""

    reference: str = attrs.field(repr=False)


def _above_zero(_settings: object, _field: object, value: float) -> None:
    if value <= 0:
        msg = f"must be above zero, not {value:g}"
        raise ValueError(msg)


def _not_negative(_settings: object, _field: object, value: float | None) -> None:
    if value is not None and value < 0:
        msg = f"cannot be negative: {value:g}"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class CommonSettings:
    """Settings that every provider type takes beside its own.

    Attributes:
        base_url: Origin (and prefix) to use instead of the vendor's.
        region: Slug or place to use for requests that name none.
        timeout: Seconds that one exchange may take.
        proxy: Proxy for all exchanges, such as ``http://127.0.0.1:3128``; the environment's is ignored.
        ca_file: PEM file of certificate authorities to trust instead of the system's.
        visibility_grace: Seconds until a machine that was made is listed; None for the type's own.
        late_commit_bound: Seconds after which a request that timed out has no effect any more; None likewise.
        max_concurrency: Exchanges under way at a time.
        allow_private: Names of providers that this one discovers which may be in the local network, and may be spoken
            to over plain http. All others must be at public addresses.
    """

    base_url: str | None = None
    region: str | None = None
    timeout: float = attrs.field(default=30.0, validator=_above_zero)
    proxy: str | None = None
    ca_file: str | None = None
    visibility_grace: float | None = attrs.field(default=None, validator=_not_negative)
    late_commit_bound: float | None = attrs.field(default=None, validator=_not_negative)
    max_concurrency: int = attrs.field(default=16, validator=_above_zero)
    allow_private: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Context:
    """All that a plugin gets from its host.

    Attributes:
        provider: Name of the configured provider.
        type: Its provider type.
        settings: What every type takes.
        guarded: Whether the endpoint was discovered, and no exception is made for it: it must be at a public address,
            and ``wire.Client`` holds it to that.
        clock: Time.
        random: Chance.
        ids: Mints ids of 16 lower-case letters and digits.
        log: Logger of this provider.
        resolve: Fetches a secret.
        exchange: Opens one exchange with a server: waits for the limiter's token of the operation group, bounds the
            time by the call's deadline, and afterwards hands the headers to the limiter. Use as
            ``async with ctx.exchange(call, group, effect) as exchange``.
    """

    provider: str
    type: str
    settings: CommonSettings
    clock: Clock
    random: random.Random
    ids: Callable[[], str]
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    resolve: Callable[[SecretRef], Awaitable[Secret]]
    exchange: Callable[[Call, str, Effect], AbstractAsyncContextManager[Exchange]]
    guarded: bool = False
