"""One address that is scraped: where it is, and one bounded reading of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import attrs
from msgspec.structs import replace

from purveyor.plugin import (
    Call,
    ConfigurationError,
    Context,
    Effect,
    Exchange,
    MetricFamily,
    ProtocolMismatchError,
    PurveyorError,
)
from purveyor.wire import Client, Response
from purveyor_prometheus._errors import naming
from purveyor_prometheus._exposition import parse_exposition
from purveyor_prometheus._exposition_grammar import ExpositionLimits

__all__ = ["Endpoint", "Parse", "Where", "hurried", "where"]

T = TypeVar("T")

LARGE = 1024 * 1024
"""Bytes of text that are read beside the event loop."""

_PORTS = {"http": 80, "https": 443}


class Parse(Protocol):
    """Reads a document as ``parse_exposition`` does."""

    def __call__(
        self,
        data: bytes,
        content_type: str | None = None,
        *,
        limits: ExpositionLimits = ...,
        source: str = ...,
    ) -> Sequence[MetricFamily]:
        """The families of one document."""


@attrs.frozen
class Where:
    """Where an endpoint is.

    Attributes:
        origin: Scheme, host and port.
        path: Path of its metrics.
        params: Its query; what is secret in it is shown nowhere.
        instance: Host and port, as Prometheus names it.
    """

    origin: str
    path: str
    params: Mapping[str, str] = attrs.field(repr=False)
    instance: str

    @property
    def address(self) -> str:
        """What to call it in messages."""
        return self.origin + self.path


def where(target: str) -> Where:
    """Where a target of the settings is.

    Raises:
        ConfigurationError: It is no address.
    """
    parts = None
    try:
        parts = urlsplit(target if "://" in target else f"http://{target}")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    if parts is None or port is None or not parts.hostname or "@" in parts.netloc:
        shown = target.rpartition("@")[2].partition("?")[0]  # without what may be secret in it
        raise ConfigurationError(
            f"a target must look like http://10.0.0.5:9100/metrics or 10.0.0.5:9100, not {ascii(shown)[:200]}",
            field="targets",
        )
    query = parse_qsl(parts.query, keep_blank_values=True)
    if len(dict(query)) != len(query):
        raise ConfigurationError("a target's query cannot name a parameter twice", field="targets")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Where(
        origin=f"{parts.scheme}://{parts.netloc}",
        path=parts.path if parts.path not in {"", "/"} else "/metrics",
        params=dict(query),
        instance=f"{name}:{port}",
    )


def hurried(ctx: Context, seconds: float) -> Context:
    """The same context, whose exchanges take no longer than that; waiting for their turn does not count."""

    @asynccontextmanager
    async def exchange(call: Call, group: str, effect: Effect) -> AsyncIterator[Exchange]:
        async with ctx.exchange(call, group, effect) as record:
            record.timeout = min(record.timeout, seconds)
            yield record

    return attrs.evolve(ctx, exchange=exchange)


class Endpoint:
    """One address that is scraped.

    Args:
        place: Where it is.
        client: A client of its origin.
        ctx: The provider's context.
        max_samples: Samples that a document may have.

    Attributes:
        place: Where it is.
        ailing: Whether it could not be read the last time.
    """

    def __init__(self, place: Where, client: Client, ctx: Context, *, max_samples: int) -> None:
        self.place = place
        self.ailing = False
        self._client = client
        self._ctx = ctx
        self._max_samples = max_samples

    async def read(
        self, call: Call, make: Callable[[Sequence[MetricFamily]], T], parse: Parse = parse_exposition
    ) -> T:
        """Read it once.

        Args:
            call: The call that it belongs to.
            make: Makes something of its families.
            parse: Reads the document; beside the event loop if that is large.

        Raises:
            PurveyorError: It cannot be read, or one of these two refused it; the message names it.
        """
        self.ailing = True
        with self._named():
            found = make(await self._families(call, parse))
        self.ailing = False
        return found

    async def families(self, call: Call) -> list[MetricFamily]:
        """Read it once and tell all that it says, with time and address.

        Raises:
            PurveyorError: It cannot be read; the message names it.
        """
        with self._named():
            found = await self._families(call, parse_exposition)
        now = self._ctx.clock.now()
        return [replace(family, time=now) for family in found]

    async def probe(self, call: Call) -> None:
        """Return if it answers.

        Raises:
            PurveyorError: It does not; the message names it.
        """
        with self._named():
            await self._answer(call)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors say whom they are about."""
        try:
            yield
        except PurveyorError as error:
            error.provider = error.provider or self._ctx.provider
            raise naming(error, self.place.address) from error.__cause__

    async def _answer(self, call: Call) -> Response:
        # A group of its own: one target that asks for patience does not slow the others.
        return await self._client.request(
            call,
            "GET",
            self.place.path,
            operation="scrape",
            group=self.place.origin,
            params=self.place.params,
        )

    async def _families(self, call: Call, parse: Parse) -> Sequence[MetricFamily]:
        answer = await self._answer(call)
        content_type = answer.headers.get("content-type")
        # What is left out by the reader is not counted behind it: only a document of few lines has no need of limits.
        if len(answer.body) <= LARGE and answer.body.count(b"\n") < self._max_samples:
            families = parse(answer.body, content_type, source=self.place.address)
        else:
            # Limits of its own make the reader share nothing with those of the event loop.
            limits = ExpositionLimits(body=len(answer.body), samples=self._max_samples)
            read = partial(parse, limits=limits, source=self.place.address)
            families = await asyncio.to_thread(read, answer.body, content_type)
        if sum(len(family.samples) for family in families) > self._max_samples:
            raise ProtocolMismatchError(f"it has more than {self._max_samples} samples")
        return families
