"""Who could serve a wish, in which order they are tried, and why the others cannot."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import attrs

from purveyor.engine.catalogue import CatalogueCache
from purveyor.engine.gate import Gate
from purveyor.engine.registry import Member, Registry, Surroundings
from purveyor.engine.sifting import Sifted, sift
from purveyor.engine.together import together
from purveyor.model.catalog import CatalogKind
from purveyor.model.errors import PurveyorError, ValidationError
from purveyor.model.instance import InstanceSpec
from purveyor.model.selection import Candidate, Explanation, Facts, Rejection
from purveyor.policy.resolve import Catalogue, Unfit, resolve
from purveyor.policy.selection import Strategy, find_strategy, next_in_turn, steady
from purveyor.spi.events import ProviderPicked
from purveyor.state.store import Store

__all__ = ["Choice", "Chooser", "Defaults", "Turn", "Wish"]

_CURSORS = "cursor"


@attrs.frozen(kw_only=True)
class Defaults:
    """What the configuration says about choosing."""

    strategy: str = "priority"
    provider_type: str | None = None
    provider: str | None = None


@attrs.frozen(kw_only=True)
class Wish:
    """What is wanted and how it is to be chosen.

    Attributes:
        provider: Only this provider.
        type: Only providers of this type.
        strategy: None for the configured one.
        seed: Makes a random choice repeat; None draws one.
    """

    spec: InstanceSpec
    provider: str | None = None
    type: str | None = None
    strategy: str | None = None
    seed: int | None = None


@attrs.define(kw_only=True)
class Choice:
    """Who is in question for one wish, in steady order.

    Attributes:
        last_resort: Its breaker is to let a call through all the same: there is nobody else.
        picked: What this wish has placed so far.
    """

    name: str
    strategy: Strategy
    candidates: list[Candidate]
    unfit: tuple[Rejection, ...]
    sifted: Sifted
    members: dict[str, Member]
    seed: int
    last_resort: Gate | None = None
    picked: Counter[str] = attrs.field(factory=Counter)

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """Who is out, and why."""
        return (*self.unfit, *self.sifted.rejections())

    def explanation(self, facts: Facts) -> Explanation:
        """The choice as these facts decide it, for people and programs."""
        return Explanation(
            strategy=self.name,
            candidates=tuple(self.strategy(self.candidates, facts)),
            rejected=self.rejected,
            seed=self.seed if self.name == "random" else None,
        )


@attrs.frozen
class Turn:
    """One pick of a choice, and the facts that decided it.

    Attributes:
        suppressed: Who was left out of the order, since failing over to it would pass its retry budget.
    """

    choice: Choice
    facts: Facts
    first: Candidate
    suppressed: list[str] = attrs.field(factory=list)

    def order(self) -> Iterator[Candidate]:
        """The candidates in the order of trying; they are put into order when the first one was not enough."""
        yield self.first
        for candidate in self.choice.strategy(self.choice.candidates, self.facts)[1:]:
            if self.choice.members[candidate.provider].gate.affords_more:
                yield candidate
            else:
                self.suppressed.append(candidate.provider)


class Chooser:
    """Weighs the providers against a wish."""

    def __init__(
        self,
        registry: Registry,
        cache: CatalogueCache,
        store: Store,
        around: Surroundings,
        defaults: Defaults,
        brought: Callable[[str], Strategy | None],
    ) -> None:
        """Weigh with our own strategies, and with those that ``brought`` finds by name."""
        self._registry = registry
        self._brought = brought
        self._cache = cache
        self._store = store
        self._around = around
        self._defaults = defaults

    async def explain(self, wish: Wish, *, deadline: float) -> Explanation:
        """Who could serve the wish, in the order of trying, who could not and why. Buys nothing, moves no turn."""
        choice = await self.choose(wish, deadline)
        key = _turn_key(choice.name, _turn_weights(choice))
        row = await self._store.get(_CURSORS, key) if key else None
        return choice.explanation(self._facts(choice, _served(row.value if row else None)))

    async def choose(self, wish: Wish, deadline: float) -> Choice:
        """Everybody's verdict on a wish, not ordered yet."""
        wanted = wish.strategy or ("explicit" if wish.provider else self._defaults.strategy)
        name, strategy = find_strategy(wanted, self._brought)
        if name == "explicit" and wish.provider is None:
            raise ValidationError("strategy 'explicit' needs a provider to be named", field="provider")
        if wish.provider:
            members = [await self._registry.find(wish.provider)]
        else:  # of those that were discovered, only who sells machines is worth a word
            members = [one for one in self._registry if not one.config.parent or "compute" in one.facets]
        self._registry.enabled(None if wish.provider is None else [wish.provider])
        verdicts = await together([self._judge(member, wish, deadline) for member in members])
        known = {member.name: member for member in members}
        fits = steady(verdict for verdict in verdicts if isinstance(verdict, Candidate))
        patience = deadline - self._around.clock.monotonic()
        sifted = sift(fits, known, patience, keep_last=wish.provider is not None)
        return Choice(
            name=name,
            strategy=strategy,
            candidates=sifted.candidates,
            unfit=tuple(verdict for verdict in verdicts if isinstance(verdict, Rejection)),
            sifted=sifted,
            members=known,
            seed=wish.seed if wish.seed is not None else self._around.random.getrandbits(32),
            last_resort=sifted.last_resort,
        )

    async def take(self, choice: Choice) -> Turn:
        """Pick one of the candidates, of which there is at least one, and count it, with nobody in between."""
        if choice.last_resort is not None:
            await choice.last_resort.let_through()
            choice.last_resort = None  # the other machines of this wish hear of it from the breaker
        turn = await self._take(choice)
        if self._around.observers:
            self._around.observers.tell(ProviderPicked(strategy=choice.name, provider=turn.first.provider))
        return turn

    async def _take(self, choice: Choice) -> Turn:
        turns: list[Turn] = []

        def pick(served: Mapping[str, int]) -> Turn:
            facts = self._facts(choice, served)
            return Turn(choice, facts, choice.strategy.pick(choice.candidates, facts))

        weights = _turn_weights(choice)
        if not weights:
            return pick({})

        def change(before: bytes | None) -> bytes:
            served = _served(before)
            turns[:] = [pick(served)]
            return json.dumps(next_in_turn(served, turns[0].first.provider, weights)).encode()

        at = self._around.clock.now().timestamp()
        await self._store.update(_CURSORS, _turn_key(choice.name, weights), change, at)
        return turns[0]

    def _facts(self, choice: Choice, served: Mapping[str, int]) -> Facts:
        inflight = Counter({name: member.gate.inflight for name, member in choice.members.items()})
        inflight.update(choice.picked)
        told = ((name, member.gate.health.latency) for name, member in choice.members.items())
        return Facts(
            served=served,
            inflight=inflight,
            latency={name: seconds for name, seconds in told if seconds is not None},
            default_type=self._defaults.provider_type,
            default_provider=self._defaults.provider,
            seed=choice.seed + choice.picked.total(),
        )

    async def _judge(self, member: Member, wish: Wish, deadline: float) -> Candidate | Rejection:
        """Whether a provider can serve the wish, and what exactly would be bought there."""
        reason = _excluded(member, wish)
        if reason is not None:
            return reason
        await member.gate.hear()
        try:
            catalogue = await self._catalogue(member, deadline)
        except PurveyorError as error:
            return Rejection(provider=member.name, code=error.code.lower(), reason=error.message)
        fit = resolve(wish.spec, catalogue)
        if isinstance(fit, Unfit):
            return Rejection(provider=member.name, code=fit.field, reason=fit.reason)
        return Candidate(
            provider=member.name,
            type=member.config.type,
            plan=fit.plan.id,
            image=fit.image.id,
            region=fit.region,
            price_per_hour=fit.price_per_hour,
            price_per_month=fit.plan.price_per_month,
            priority=member.config.priority,
            weight=member.config.weight,
        )

    async def _catalogue(self, member: Member, deadline: float) -> Catalogue:
        kinds = (CatalogKind.PLANS, CatalogKind.IMAGES, CatalogKind.REGIONS)
        plans, images, regions = self._cache.at_hand(member, kinds) or await asyncio.gather(
            *(self._cache.get(member, kind, deadline=deadline) for kind in kinds)
        )
        return Catalogue(
            plans=plans.items,
            images=images.items,
            regions=regions.items,
            default_region=member.config.settings.region,
        )


def _excluded(member: Member, wish: Wish) -> Rejection | None:
    """Why a provider is out before its catalogue is even looked at."""

    def out(code: str, reason: str) -> Rejection:
        return Rejection(provider=member.name, code=code, reason=reason)

    config = member.config
    if not config.enabled:
        return out("disabled", "it is disabled in the configuration")
    if config.error is not None:
        return out("plugin", config.error.message)
    if wish.type is not None and config.type != wish.type:
        return out("type", f"its type is {config.type}, not {wish.type}")
    lacking = sorted(wish.spec.capabilities - member.capabilities)
    if lacking:
        return out("capability", f"it lacks {', '.join(lacking)}")
    absent = [facet for facet in ("compute", "catalog") if facet not in member.facets]
    return out("facet", f"its type has no {' and no '.join(absent)}") if absent else None


def _served(value: bytes | None) -> dict[str, int]:
    """How often each was chosen so far; a damaged count begins anew."""
    try:
        counts = json.loads(value or b"{}")
        return {str(name): int(count) for name, count in counts.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _turn_weights(choice: Choice) -> dict[str, int]:
    """Weights of the strategies that go in turn; nothing for the others."""
    if choice.name not in {"weighted_round_robin", "round_robin"}:
        return {}
    return {c.provider: c.weight if choice.name == "weighted_round_robin" else 1 for c in choice.candidates}


def _turn_key(strategy: str, weights: Mapping[str, int]) -> str:
    """Under which the turns of these candidates are counted; empty where nothing is."""
    return f"{strategy} " + " ".join(f"{name}:{weights[name]}" for name in sorted(weights)) if weights else ""
