"""Plans, images, regions and apps, remembered: fetched once for everybody who asks at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from purveyor.engine.observing import Observers
from purveyor.engine.registry import Member
from purveyor.model.catalog import App, CatalogKind, Image, Plan, Region
from purveyor.model.errors import CallTimeoutError, RateLimitError, StateUnavailableError
from purveyor.model.values import Raw
from purveyor.model.views import Page
from purveyor.spi.call import Call, Clock, Effect
from purveyor.spi.events import CatalogueLooked
from purveyor.spi.facets import CatalogRequest
from purveyor.state.store import Store

__all__ = ["TTL", "CachedCatalogue", "CatalogueCache"]

TTL: Mapping[CatalogKind, float] = {
    CatalogKind.PLANS: 3600.0,
    CatalogKind.IMAGES: 3600.0,
    CatalogKind.REGIONS: 3600.0,
    CatalogKind.APPS: 6 * 3600.0,
}
"""Seconds until a catalogue is fetched again."""

_ROWS: Mapping[CatalogKind, type] = {
    CatalogKind.PLANS: Plan,
    CatalogKind.IMAGES: Image,
    CatalogKind.REGIONS: Region,
    CatalogKind.APPS: App,
}

_SPACE = "catalogue"
_log = logging.getLogger("purveyor")


@attrs.frozen(kw_only=True)
class CachedCatalogue:
    """One remembered catalogue: whose, which, how old in seconds, how many rows."""

    provider: str
    kind: CatalogKind
    age: float
    rows: int


class CatalogueCache:
    """Catalogues by provider and kind, in the state store and so shared by processes."""

    def __init__(self, store: Store, clock: Clock, observers: Observers | None = None) -> None:
        self._observers = Observers() if observers is None else observers
        self._store = store
        self._clock = clock
        self._flights: dict[str, asyncio.Task[Page[Any]]] = {}
        # Asking the state and reading what it says cost more than most choices do.
        self._parsed: dict[str, tuple[float, Page[Any]]] = {}

    def at_hand(self, member: Member, kinds: Sequence[CatalogKind]) -> list[Page[Any]] | None:
        """A provider's catalogues of these kinds, if all of them are in memory and young enough."""
        found = []
        for kind in kinds:
            page = self._at_hand(_key(member, kind), kind)
            if page is None:
                return None
            found.append(page)
        for kind in kinds:
            self._tell(member, kind, hit=True)
        return found

    async def get(self, member: Member, kind: CatalogKind, *, deadline: float) -> Page[Any]:
        """A provider's catalogue: remembered if young enough, fetched otherwise.

        Raises:
            PurveyorError: It had to be fetched and could not.
        """
        key = _key(member, kind)
        remembered = self._at_hand(key, kind) or await self._recall(key, kind)
        self._tell(member, kind, hit=remembered is not None)
        if remembered is not None:
            return remembered
        flight = self._flights.get(key)
        if flight is None:
            return await asyncio.shield(self._start(member, kind, key, deadline))
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(flight)
        except (CallTimeoutError, RateLimitError):  # whoever began it had less time than we have
            if self._clock.monotonic() >= deadline:
                raise
            return await self.get(member, kind, deadline=deadline)
        except TimeoutError:
            raise CallTimeoutError(
                "the deadline passed before the provider answered",
                provider=member.name,
                operation=f"list_{kind.value}",
            ) from None

    async def listing(self) -> list[CachedCatalogue]:
        """What is remembered at present."""
        now = self._clock.now().timestamp()
        found = []
        for key, row in (await self._store.items(_SPACE)).items():
            with contextlib.suppress(ValueError, TypeError):  # damaged, or of a kind that is unknown here
                kind, provider, _ = key.split("|", 2)
                found.append(
                    CachedCatalogue(
                        provider=provider,
                        kind=CatalogKind(kind),
                        age=max(0.0, now - row.at),
                        rows=len(json.loads(row.value)),
                    )
                )
        return found

    async def clear(self, kind: CatalogKind | None = None, provider: str | None = None) -> int:
        """Forget all catalogues, or those of a kind, of a provider, or both; says how many."""

        def meant(key: str) -> bool:
            its_kind, its_provider, _ = key.split("|", 2)
            return (kind is None or kind.value == its_kind) and provider in {None, its_provider}

        # Another process may have cleared the state before, and ours are in memory still.
        keys = {key for key in (*await self._store.items(_SPACE), *self._parsed) if meant(key)}
        await self._store.delete(_SPACE, tuple(keys))
        for key in keys:
            self._parsed.pop(key, None)
        return len(keys)

    async def aclose(self) -> None:
        """End the fetches under way."""
        for flight in list(self._flights.values()):
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)

    def _start(self, member: Member, kind: CatalogKind, key: str, deadline: float) -> asyncio.Task[Page[Any]]:
        """Fetch in a task of its own: one caller's cancellation must not take the answer away from the others."""
        flight = asyncio.create_task(self._fetch(member, kind, key, deadline))
        self._flights[key] = flight
        flight.add_done_callback(functools.partial(self._landed, key))
        return flight

    def _landed(self, key: str, flight: asyncio.Task[Page[Any]]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # seen, even if every caller has gone

    def _tell(self, member: Member, kind: CatalogKind, *, hit: bool) -> None:
        if self._observers:
            self._observers.tell(CatalogueLooked(provider=member.name, kind=kind, hit=hit))

    def _at_hand(self, key: str, kind: CatalogKind) -> Page[Any] | None:
        at, page = self._parsed.get(key, (0.0, None))
        return page if self._is_young(at, kind) else None

    def _is_young(self, at: float, kind: CatalogKind) -> bool:
        return 0 <= self._clock.now().timestamp() - at < TTL[kind]

    async def _recall(self, key: str, kind: CatalogKind) -> Page[Any] | None:
        try:
            row = await self._store.get(_SPACE, key)
        except StateUnavailableError as error:
            _log.debug("catalogues are not remembered: %s", error)
            return None
        if row is None or not self._is_young(row.at, kind):
            return None
        try:
            page = Page(tuple(_converter().structure(one, _ROWS[kind]) for one in json.loads(row.value)))
        except (ValueError, TypeError, KeyError, AttributeError, ExceptionGroup) as exc:
            # Written by another version, or damaged: fetch it again.
            _log.debug("a remembered catalogue cannot be read: %s", type(exc).__name__)
            return None
        self._parsed[key] = row.at, page
        return page

    async def _fetch(self, member: Member, kind: CatalogKind, key: str, deadline: float) -> Page[Any]:
        async def work(call: Call) -> Page[Any]:
            method = getattr(await member.catalog(), f"list_{kind.value}")
            page: object = await method(CatalogRequest(), call)
            if not isinstance(page, Page):
                msg = f"list_{kind.value} returned {type(page).__name__}, not Page"
                raise TypeError(msg)
            return page

        page = await member.gate.call(f"list_{kind.value}", Effect.READ, work, deadline=deadline)
        if not page.unreadable:
            self._parsed[key] = self._clock.now().timestamp(), page
            await self._remember(key, page.items)
        return page

    async def _remember(self, key: str, rows: Iterable[Any]) -> None:
        try:
            value = json.dumps(_converter().unstructure(list(rows))).encode()
            await self._store.put(_SPACE, key, value, self._clock.now().timestamp())
        except (StateUnavailableError, TypeError, ValueError) as error:  # the latter for rows of wrong types
            _log.warning("catalogues are not remembered: %s", error)


def _key(member: Member, kind: CatalogKind) -> str:
    """Another endpoint under the same name is another catalogue."""
    config = member.config
    return f"{kind.value}|{member.name}|{config.type} {config.settings.base_url or ''}"


@functools.cache
def _converter() -> Any:
    from cattrs.preconf.json import make_converter  # noqa: PLC0415 - heavy, and only needed with a catalogue at hand

    converter = make_converter()
    converter.register_unstructure_hook(Raw, lambda raw: raw.data.decode("utf-8", "surrogateescape"))
    converter.register_structure_hook(Raw, lambda text, _: Raw(text.encode("utf-8", "surrogateescape")))
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda text, _: Decimal(text))
    return converter
