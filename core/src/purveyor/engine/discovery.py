"""Providers that are found rather than configured: they come, go and move while calls are under way."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress

import attrs

from purveyor.engine.configured import ProviderConfig
from purveyor.engine.gate import closable
from purveyor.engine.guards import GuardBook
from purveyor.engine.registry import Asked, Member, Registry, Surroundings
from purveyor.model.errors import (
    CallTimeoutError,
    ProtocolMismatchError,
    ProviderNotFoundError,
    PurveyorError,
)
from purveyor.spi.call import Call, CommonSettings, Effect
from purveyor.spi.deployments import Discovered, DiscoveryRequest

__all__ = ["Directory"]

SEARCH_SECONDS = 60.0
"""How long one search may take, whoever waits for it."""
MOST = 20_000
"""Providers that one search may find: what a chain says is not believed without end."""

_log = logging.getLogger("purveyor")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@attrs.frozen
class _Search:
    """What the last search of one provider found.

    Attributes:
        at: When it ended, in the clock's seconds.
        members: Those found, by name.
        unreadable: Why some could not be read.
    """

    at: float
    members: Mapping[str, Member]
    unreadable: tuple[PurveyorError, ...]


class Directory(Registry):
    """The registry as it is now: the configured providers and those that they have discovered.

    Whoever reads it sees one snapshot: it is replaced whole, and nobody in it changes. A provider that is gone, or has
    moved, is closed when the last call to it has ended.
    """

    def __init__(
        self,
        configured: Iterable[Member],
        around: Surroundings,
        max_age: float,
        book: GuardBook | None = None,
    ) -> None:
        """Begin with the configured.

        Args:
            configured: In the order of the configuration.
            around: Time, chance, ids.
            max_age: Seconds after which a search is made again when somebody asks.
            book: Remembers what keeps requests back from those who are found.
        """
        super().__init__(configured)
        self._configured = tuple(self)
        self._around = around
        self._max_age = max_age
        self._book = book
        self._searches: dict[str, _Search] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[asyncio.Task[None], Member] = {}

    @property
    def searchers(self) -> list[Member]:
        """The enabled providers that discover others."""
        return [one for one in self._configured if one.config.enabled and "discovery" in one.facets]

    def below(self, name: str) -> Sequence[Member]:
        """Whom a provider has discovered, as far as is known now."""
        found = self._searches.get(name)
        return tuple(found.members.values()) if found else ()

    def unreadable(self, name: str) -> tuple[PurveyorError, ...]:
        """Why some of those that a provider discovered could not be read."""
        found = self._searches.get(name)
        return found.unreadable if found else ()

    async def find(self, name: str, seconds: float = SEARCH_SECONDS) -> Member:
        """The provider of that name; looked for if it is one of those that are discovered.

        Raises:
            ProviderNotFoundError: There is none.
            ProviderInactiveError: It is disabled.
        """
        searcher = self._searcher_of(name)
        if searcher is not None and name not in self._members:
            await self.search(searcher, seconds)
            if name not in self._members:
                bare = name.removeprefix(f"{searcher.name}/")
                raise ProviderNotFoundError(
                    f"{searcher.name} knows no provider {bare!r:.140}", details={"requested_provider": name}
                )
        return self.get(name)

    async def locate(self, text: str, seconds: float = SEARCH_SECONDS) -> tuple[Member, str] | None:
        """Provider and bare id of ``provider/id``, where a discovered provider's own name holds a slash; None for a bare id.

        Ids at providers that discover others hold no slash, so a second one belongs to the name.
        """
        named = self.split(text)
        if named is None:
            return None
        searcher = next((one for one in self.searchers if one.name == named[0]), None)
        if searcher is not None and "/" in named[1]:
            name, _, bare = text.rpartition("/")
            return await self.find(name, seconds), bare
        return self.get(named[0]), named[1]

    def asked(self, facet: str | None, names: Iterable[str] | None = None, *, seconds: float) -> Asked:
        """Whom a view asks. Where a facet is wanted, a provider that is named stands also for those that it discovers.

        Who was found before is asked at once; a search that was never made, or is old, is made beside that.
        """
        if names is not None:
            return self._asked_by_name(facet, [names] if isinstance(names, str) else names, seconds)
        searchers = [one for one in self.searchers if _may_find(one, facet)]
        members = _able(self.enabled(), facet)
        if not members and not searchers:
            self.offering(str(facet))
        return Asked(members, self._searching(searchers, facet, members, seconds))

    def _asked_by_name(self, facet: str | None, names: Iterable[str], seconds: float) -> Asked:
        members: dict[str, Member] = {}
        searchers: list[Member] = []
        lookups: dict[str, Callable[[], Awaitable[Sequence[Member]]]] = {}
        for name in names:
            if name not in self._members and self._searcher_of(name):
                lookups[name] = self._lookup(name, seconds)
                continue
            members[name] = self.get(name)
            if facet is not None and _may_find(members[name], facet):
                searchers.append(members[name])
                members |= {one.name: one for one in self.below(name)}
        able = _able(members.values(), facet)
        if members and not able and not searchers:
            self.offering(str(facet), members)
        return Asked(able, lookups | self._searching(searchers, facet, able, seconds))

    def _searching(
        self, searchers: Iterable[Member], facet: str | None, asked: Sequence[Member], seconds: float
    ) -> dict[str, Callable[[], Awaitable[Sequence[Member]]]]:
        """The searches that are due, each giving those that nobody has asked yet."""
        already = {one.name for one in asked}

        def search(searcher: Member) -> Callable[[], Awaitable[Sequence[Member]]]:
            async def found() -> Sequence[Member]:
                await self.search(searcher, seconds)
                new = [one for one in self.below(searcher.name) if one.name not in already]
                return _able(new, facet)

            return found

        return {one.name: search(one) for one in searchers if self.is_due(one)}

    def _lookup(self, name: str, seconds: float) -> Callable[[], Awaitable[Sequence[Member]]]:
        async def found() -> Sequence[Member]:
            return [await self.find(name, seconds)]

        return found

    def _searcher_of(self, name: str) -> Member | None:
        """Whose discovered provider this would be, by its name."""
        return next((one for one in self.searchers if name.startswith(f"{one.name}/")), None)

    def is_due(self, searcher: Member) -> bool:
        """Whether what it found is missing or old."""
        last = self._searches.get(searcher.name)
        return last is None or self._around.clock.monotonic() - last.at >= self._max_age

    async def search(self, searcher: Member, seconds: float = SEARCH_SECONDS) -> None:
        """Look who is there; all who want it at the same time share one search.

        Raises:
            CallTimeoutError: It takes longer than that.
            PurveyorError: It failed; those who were found before stay.
        """
        task = self._running.get(searcher.name)
        if task is None:
            task = self._running[searcher.name] = asyncio.create_task(self._search(searcher))
            task.add_done_callback(lambda done: self._searched(searcher.name, done))
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(task)
        except TimeoutError:
            raise CallTimeoutError(
                "the search for its providers takes longer than the deadline allows",
                provider=searcher.name,
                operation="discover",
            ) from None

    def _searched(self, name: str, task: asyncio.Task[None]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()  # told to those who waited, if there were any

    async def _search(self, searcher: Member) -> None:
        found: dict[str, Member] = {}
        unreadable: list[PurveyorError] = []
        before = {one.name: one for one in self.below(searcher.name)}
        settings = attrs.evolve(searcher.config.settings, base_url=None, allow_private=())

        def take(one: Discovered) -> None:
            config = _config(searcher.config, settings, one)
            known = before.get(config.name)
            if not _NAME.fullmatch(one.name):
                unreadable.append(ProtocolMismatchError(f"{one.name!r:.80} is no provider's name"))
            elif config.name not in found:
                same = known is not None and known.config == config
                found[config.name] = known if known and same else Member(config, self._around, self._book)

        async def work(call: Call) -> None:
            found.clear()
            unreadable.clear()
            discovery = await searcher.discovery()
            async with aclosing(closable(discovery.discover(DiscoveryRequest(), call))) as pages:
                async for page in pages:
                    unreadable.extend(page.unreadable)
                    for one in page.items:
                        take(one)
                    if max(len(found), len(unreadable)) > MOST:
                        raise ProtocolMismatchError(f"there are said to be more than {MOST} providers")

        deadline = self._around.clock.monotonic() + SEARCH_SECONDS
        await searcher.gate.call("discover", Effect.READ, work, deadline=deadline)
        self._replace(searcher, _Search(self._around.clock.monotonic(), found, tuple(unreadable)))

    def _replace(self, searcher: Member, search: _Search) -> None:
        """Put a new snapshot in the place of the old one; who has not changed is the same member in both."""
        before = self.below(searcher.name)
        self._searches = {**self._searches, searcher.name: search}
        everybody = [
            one for configured in self._configured for one in (configured, *self.below(configured.name))
        ]
        self._members = {one.name: one for one in everybody}
        gone = [one for one in before if search.members.get(one.name) is not one]
        new = len(search.members) - len(before) + len(gone)
        _log.info(
            "%s: found %d providers; %d new, %d gone", searcher.name, len(search.members), new, len(gone)
        )
        for member in gone:
            self._let_go(member)

    def _let_go(self, member: Member) -> None:
        task = asyncio.create_task(member.retire())
        self._leaving[task] = member
        task.add_done_callback(self._leaving.pop)

    async def keep_fresh(self) -> None:
        """Search again, for ever, wherever somebody has wanted to know before."""
        while True:
            await self._around.clock.sleep(self._max_age)
            known = [one for one in self.searchers if one.name in self._searches]
            await asyncio.gather(*(self._search_quietly(one) for one in known))

    async def _search_quietly(self, searcher: Member) -> None:
        with suppress(PurveyorError):  # the provider's health tells of it
            await self.search(searcher)

    async def aclose(self) -> None:
        """Close everybody, those too that have gone but were still in use."""
        tasks, members = [*self._running.values(), *self._leaving], [*self, *self._leaving.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one.aclose() for one in members))


def _able(members: Iterable[Member], facet: str | None) -> list[Member]:
    """Those who have a facet; one whose plugin is broken counts, so that its error is seen."""
    return [one for one in members if facet is None or facet in one.facets or one.config.error]


def _may_find(member: Member, facet: str | None) -> bool:
    """Whether it discovers providers that have a facet."""
    plugin = member.config.plugin
    if plugin is None or "discovery" not in member.facets:
        return False
    return facet is None or facet in plugin.discovered_facets


def _config(parent: ProviderConfig, settings: CommonSettings, found: Discovered) -> ProviderConfig:
    """The configuration of a discovered provider: its parent's, but for what was discovered."""
    return ProviderConfig(  # written out: thousands are made at a time, and evolving takes twice as long
        name=f"{parent.name}/{found.name}",
        type=parent.type,
        priority=parent.priority,
        weight=parent.weight,
        capabilities=parent.capabilities,
        settings=settings,
        own=found.settings,
        plugin=parent.plugin,
        parent=parent.name,
        endpoint=found.endpoint,
        attributes=found.attributes,
        guarded=found.name not in parent.settings.allow_private,
    )
