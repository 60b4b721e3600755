"""Endpoints that are read directly: who they are, one bounded reading, and what two readings tell."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import chain
from urllib.parse import parse_qsl, urlsplit

import attrs

from purveyor.plugin import (
    Call,
    ConfigurationError,
    Context,
    Effect,
    Exchange,
    Labels,
    MetricFamily,
    ProtocolMismatchError,
    PurveyorError,
    ResourceKind,
    Sample,
)
from purveyor.wire import Client, Response
from purveyor_prometheus._config import Settings
from purveyor_prometheus._errors import naming
from purveyor_prometheus._exposition import parse_exposition
from purveyor_prometheus._exposition_grammar import ExpositionLimits
from purveyor_prometheus._mapping import Key, Measured
from purveyor_prometheus._rates import Rates
from purveyor_prometheus._samples import COUNTERS, WANTED, containers, host

__all__ = ["Scraped", "Scraper", "Where", "hurried", "where"]

LARGE = 1024 * 1024
"""Bytes of text that are read beside the event loop."""

_PORTS = {"http": 80, "https": 443}


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


@attrs.frozen
class Scraped:
    """What one reading told.

    Attributes:
        resources: What it says, by kind and id.
        rates: Whether there are rates in it, or nothing that could have any.
    """

    resources: Mapping[Key, Measured]
    rates: bool


class Scraper:
    """One endpoint, and its counters as they were last read.

    Args:
        place: Where it is.
        client: A client of its origin.
        ctx: The provider's context.
        settings: Bounds, and labels to keep.

    Attributes:
        place: Where it is.
        ailing: Whether it could not be read the last time.
    """

    def __init__(self, place: Where, client: Client, ctx: Context, settings: Settings) -> None:
        self.place = place
        self.ailing = False
        self._client = client
        self._ctx = ctx
        self._settings = settings
        self._rates = Rates(settings.window)

    async def measure(self, call: Call) -> Scraped:
        """Read it; a first reading is followed by a second one, so that there are rates.

        Raises:
            PurveyorError: It cannot be read; the message names it.
        """
        first = await self.scrape(call)
        pause = self._settings.scrape_pause
        left = call.deadline - self._ctx.clock.monotonic()
        if first.rates or not 0 < pause < left / 2:
            return first
        await self._ctx.clock.sleep(pause)
        try:
            return await self.scrape(call)
        except PurveyorError:
            return first  # It was well a moment ago; the next round will tell.

    async def scrape(self, call: Call) -> Scraped:
        """Read it once.

        Raises:
            PurveyorError: It cannot be read; the message names it.
        """
        self.ailing = True
        with self._named():
            told = self._told(_known(await self._families(call)))
        self.ailing = False
        return told

    async def families(self, call: Call) -> list[MetricFamily]:
        """Read it once and tell all that it says, with time and address.

        Raises:
            PurveyorError: It cannot be read; the message names it.
        """
        with self._named():
            found = await self._families(call)
        now = self._ctx.clock.now()
        return [family._replace(time=now) for family in found]

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

    async def _families(self, call: Call) -> list[MetricFamily]:
        answer = await self._answer(call)
        content_type = answer.headers.get("content-type")
        most = self._settings.scrape_max_samples
        if len(answer.body) <= LARGE:
            families = parse_exposition(answer.body, content_type, source=self.place.address)
        else:
            # Limits of its own make the reader share nothing with those of the event loop.
            limits = ExpositionLimits(body=len(answer.body), samples=most)
            read = partial(parse_exposition, limits=limits, source=self.place.address)
            families = await asyncio.to_thread(read, answer.body, content_type)
        if sum(len(family.samples) for family in families) > most:
            raise ProtocolMismatchError(f"it has more than {most} samples")
        return families

    def _told(self, samples: Mapping[str, Sequence[Sample]]) -> Scraped:
        counters = [one for name in COUNTERS for one in samples.get(name, ())]
        rates: Mapping[tuple[str, Labels], float] = self._rates.step(counters, self._ctx.clock.monotonic())
        machine = host(self.place.instance, samples, rates)
        inside = containers(self.place.instance, samples, rates, keep=self._settings.labels)
        resources: dict[Key, Measured] = {(ResourceKind.CONTAINER, name): one for name, one in inside.items()}
        if machine is not None:
            resources[ResourceKind.HOST, self.place.instance] = machine
        if not resources:
            raise ProtocolMismatchError("there is nothing of node_exporter or cAdvisor in it")
        return Scraped(resources, rates=bool(rates) or not counters)


def _known(families: Sequence[MetricFamily]) -> dict[str, list[Sample]]:
    """The samples that we know, by name, each series once."""
    found: dict[str, dict[Labels, Sample]] = defaultdict(dict)
    for sample in chain.from_iterable(family.samples for family in families):
        if sample[0] in WANTED:
            found[sample.name].setdefault(sample.labels, sample)
    return {name: list(each.values()) for name, each in found.items()}
