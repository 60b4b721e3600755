"""Strategies: pure functions that put candidates into the order in which they are tried.

Every strategy gets the same facts and may use any of them. The order is total and repeats: ties fall to priority,
then to the name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs

from purveyor.model.errors import ValidationError
from purveyor.model.selection import Candidate

__all__ = [
    "STRATEGIES",
    "Facts",
    "Strategy",
    "find_strategy",
    "in_turn",
    "next_in_turn",
    "normalise_strategy",
]


@attrs.frozen(kw_only=True)
class Facts:
    """What strategies may look at beside the candidates.

    Attributes:
        served: Provider to how often this set of candidates has chosen it.
        inflight: Provider to calls under way.
        latency: Provider to seconds of its last answer.
        default_type: Configured default provider type.
        default_provider: Configured default provider.
        seed: Makes chance repeat.
    """

    served: Mapping[str, int] = attrs.field(factory=dict)
    inflight: Mapping[str, int] = attrs.field(factory=dict)
    latency: Mapping[str, float] = attrs.field(factory=dict)
    default_type: str | None = None
    default_provider: str | None = None
    seed: int = 0


Strategy = Callable[[Sequence[Candidate], Facts], list[Candidate]]


def _steady(candidate: Candidate) -> tuple[int, str]:
    return candidate.priority, candidate.provider


def _priority(candidates: Sequence[Candidate], _facts: Facts) -> list[Candidate]:
    return sorted((_note(c, f"priority {c.priority}") for c in candidates), key=_steady)


def _default(candidates: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    """The default provider, then others of the default type, then the rest; each by priority."""

    def rank(candidate: Candidate) -> int:
        if candidate.provider == facts.default_provider:
            return 0
        return 1 if candidate.type == facts.default_type else 2

    notes = ("the default provider", "of the default type", "beside the default")
    return sorted((_note(c, notes[rank(c)]) for c in candidates), key=lambda c: (rank(c), _steady(c)))


def _lowest_price(candidates: Sequence[Candidate], _facts: Facts) -> list[Candidate]:
    def key(candidate: Candidate) -> tuple[str, Decimal]:
        price = candidate.price_per_hour
        return (price.currency, price.amount) if price else ("~", Decimal(0))

    return sorted(
        (_note(c, f"{c.price_per_hour or 'no price'} an hour") for c in candidates),
        key=lambda c: (key(c), _steady(c)),
    )


def _least_inflight(candidates: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    def count(candidate: Candidate) -> int:
        return facts.inflight.get(candidate.provider, 0)

    return sorted(
        (_note(c, f"{count(c)} in flight") for c in candidates), key=lambda c: (count(c), _steady(c))
    )


def _lowest_latency(candidates: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    """Unmeasured ones come first, so that everyone is measured once."""

    def seconds(candidate: Candidate) -> float:
        return facts.latency.get(candidate.provider, 0.0)

    def told(candidate: Candidate) -> str:
        return (
            f"{seconds(candidate) * 1000:.0f} ms"
            if candidate.provider in facts.latency
            else "not measured yet"
        )

    return sorted((_note(c, told(c)) for c in candidates), key=lambda c: (seconds(c), _steady(c)))


def _random(candidates: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    """By chance, heavier ones earlier: weighted sampling without replacement."""
    chance = random.Random(facts.seed)  # noqa: S311 - fairness, not secrecy
    drawn = {c.provider: chance.random() ** (1 / c.weight) for c in sorted(candidates, key=_steady)}
    return sorted(
        (_note(c, f"drawn, weight {c.weight}") for c in candidates), key=lambda c: -drawn[c.provider]
    )


def _weighted_round_robin(candidates: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    ordered = []
    left = {c.provider: c for c in candidates}
    turns = in_turn({name: c.weight for name, c in left.items()}, facts.served)
    for name in turns:
        candidate = left[name]
        ordered.append(_note(candidate, f"weight {candidate.weight}, served {facts.served.get(name, 0)}"))
    return ordered


def _round_robin(candidates: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    by_name = {c.provider: c for c in candidates}
    turns = in_turn(dict.fromkeys(by_name, 1), facts.served)
    return [_note(by_name[name], f"served {facts.served.get(name, 0)}") for name in turns]


def in_turn(weights: Mapping[str, int], served: Mapping[str, int]) -> list[str]:
    """Whose turn it is, by earliest deadline.

    The k-th turn of a share s belongs into the slots from floor((k-1)/s) to ceil(k/s). Among the turns whose window
    has opened, the one that closes first comes first; this keeps every count within one of its share after any number
    of picks (Baruah et al., *Proportionate progress*, 1996).
    """
    total, slot = sum(weights.values()), sum(served.get(name, 0) for name in weights)

    def key(name: str) -> tuple[bool, int, str]:
        weight, turn = weights[name], served.get(name, 0)
        opens = turn * total // weight
        closes = -(-(turn + 1) * total // weight)
        return opens > slot, closes, name

    return sorted(weights, key=key)


def next_in_turn(served: Mapping[str, int], chosen: str, weights: Mapping[str, int]) -> dict[str, int]:
    """The counts after one more pick; they start again at zero when a whole cycle is done, so they stay small."""
    counts = {name: served.get(name, 0) + (name == chosen) for name in weights}
    total, slot = sum(weights.values()), sum(counts.values())
    done = all(counts[name] * total == weights[name] * slot for name in weights)
    return dict.fromkeys(weights, 0) if done else counts


def _note(candidate: Candidate, note: str) -> Candidate:
    return attrs.evolve(candidate, note=note)


STRATEGIES: Mapping[str, Strategy] = {
    "capability": _priority,
    "default": _default,
    "explicit": _priority,
    "least_inflight": _least_inflight,
    "lowest_latency": _lowest_latency,
    "lowest_price": _lowest_price,
    "priority": _priority,
    "random": _random,
    "round_robin": _round_robin,
    "weighted_round_robin": _weighted_round_robin,
}
"""``capability`` and ``explicit`` narrow the candidates before they are ordered; what is left goes by priority."""

HOST_FACTORY_NAMES = {
    "capability_based": "capability",
    "fastest_response": "lowest_latency",
    "first_available": "priority",
    "health_based": "priority",
    "least_connections": "least_inflight",
}


def normalise_strategy(name: str) -> str:
    """A strategy's name in any case, or as the host factory project spells it."""
    lowered = name.lower().replace("-", "_")
    return HOST_FACTORY_NAMES.get(lowered, lowered)


def find_strategy(name: str) -> tuple[str, Strategy]:
    """The strategy of that name.

    Raises:
        ValidationError: There is none.
    """
    normal = normalise_strategy(name)
    if normal not in STRATEGIES:
        raise ValidationError(
            f"no strategy is called {name!r}; there are {', '.join(sorted(STRATEGIES))}",
            field="strategy",
            details={"available_strategies": sorted(STRATEGIES)},
        )
    return normal, STRATEGIES[normal]
