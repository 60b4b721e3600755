"""Strategies: pure decisions about the order in which candidates are tried.

Every strategy gets the same facts and may use any of them. The order is total and repeats: ties fall to priority,
then to the name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any

import attrs

from purveyor.model.errors import ValidationError
from purveyor.model.selection import Candidate, Facts

__all__ = [
    "STRATEGIES",
    "Strategy",
    "find_strategy",
    "next_in_turn",
    "normalise_strategy",
    "steady",
]


Ranks = Callable[[Sequence[Candidate], Facts], Sequence[Any]]
"""A rank for each candidate, side by side; the lowest comes first."""


@attrs.frozen
class Strategy:
    """One way to put candidates into order.

    Attributes:
        ranks: How it ranks them.
        note: Why a candidate stands where it stands.
    """

    ranks: Ranks
    note: Callable[[Candidate, Facts], str]

    def __call__(self, candidates: Iterable[Candidate], facts: Facts) -> list[Candidate]:
        """All of them in the order in which they are tried, each with the reason."""
        known = steady(candidates)
        ranked = sorted(zip(self.ranks(known, facts), known, strict=True), key=itemgetter(0))
        return [attrs.evolve(candidate, note=self.note(candidate, facts)) for _, candidate in ranked]

    def pick(self, candidates: Sequence[Candidate], facts: Facts) -> Candidate:
        """Who comes first; the others are not put into order for it.

        Args:
            candidates: At least one, as ``steady`` gives them.
            facts: What else counts.
        """
        ranks = self.ranks(candidates, facts)
        return candidates[ranks.index(min(ranks))]


def steady(candidates: Iterable[Candidate]) -> list[Candidate]:
    """By priority, then by name: the order that candidates of one rank keep."""
    return sorted(candidates, key=attrgetter("priority", "provider"))


def _by_priority(candidates: Sequence[Candidate], _facts: Facts) -> list[int]:
    return [candidate.priority for candidate in candidates]


def _by_default(candidates: Sequence[Candidate], facts: Facts) -> list[int]:
    """The default provider, then others of the default type, then the rest; each by priority."""
    provider, kind = facts.default_provider, facts.default_type
    return [0 if one.provider == provider else 1 if one.type == kind else 2 for one in candidates]


def _default_note(candidate: Candidate, facts: Facts) -> str:
    notes = ("the default provider", "of the default type", "beside the default")
    return notes[_by_default([candidate], facts)[0]]


def _by_price(candidates: Sequence[Candidate], _facts: Facts) -> list[tuple[str, Decimal]]:
    """Each currency for itself; those without a price last."""
    prices = (candidate.price_per_hour for candidate in candidates)
    return [(price.currency, price.amount) if price else _NO_PRICE for price in prices]


_NO_PRICE = ("~", Decimal(0))


def _by_inflight(candidates: Sequence[Candidate], facts: Facts) -> list[int]:
    return [facts.inflight.get(candidate.provider, 0) for candidate in candidates]


def _by_latency(candidates: Sequence[Candidate], facts: Facts) -> list[float]:
    """Unmeasured ones come first, so that everyone is measured once."""
    return [facts.latency.get(candidate.provider, 0.0) for candidate in candidates]


def _latency_note(candidate: Candidate, facts: Facts) -> str:
    seconds = facts.latency.get(candidate.provider)
    return "not measured yet" if seconds is None else f"{seconds * 1000:.0f} ms"


def _by_chance(candidates: Sequence[Candidate], facts: Facts) -> list[float]:
    """Heavier ones earlier: weighted sampling without replacement."""
    draw = random.Random(facts.seed).random  # noqa: S311 - fairness, not secrecy
    return [-(draw() ** (1 / candidate.weight)) for candidate in candidates]


def _by_turn(candidates: Sequence[Candidate], facts: Facts) -> list[int]:
    return [facts.served.get(candidate.provider, 0) for candidate in candidates]


def _by_weighted_turn(candidates: Sequence[Candidate], facts: Facts) -> list[int]:
    return _deadlines([candidate.weight for candidate in candidates], _by_turn(candidates, facts))


def _weight_note(candidate: Candidate, facts: Facts) -> str:
    return f"weight {candidate.weight}, {_served_note(candidate, facts)}"


def _served_note(candidate: Candidate, facts: Facts) -> str:
    return f"served {facts.served.get(candidate.provider, 0)}"


def _deadlines(weights: Sequence[int], turns: Sequence[int]) -> list[int]:
    """Whose turn it is, by earliest deadline.

    The k-th turn of a share s belongs into the slots from floor((k-1)/s) to ceil(k/s). Among the turns whose window
    has opened, the one that closes first comes first; this keeps every count within one of its share after any number
    of picks (Baruah et al., *Proportionate progress*, 1996).
    """
    total, following = sum(weights), sum(turns) + 1
    rest, late = total - 1, (max(turns, default=0) + 2) * total  # no window closes as late as that
    return [
        # ceil((turn + 1) / share) - 1, later if the window has not opened; whether it has is asked without dividing.
        ((due := turn * total) + rest) // weight + (0 if due < following * weight else late)
        for weight, turn in zip(weights, turns, strict=True)
    ]


def next_in_turn(served: Mapping[str, int], chosen: str, weights: Mapping[str, int]) -> dict[str, int]:
    """The counts after one more pick; they start again at zero when a whole cycle is done, so they stay small."""
    counts = {name: served.get(name, 0) + (name == chosen) for name in weights}
    total, slot = sum(weights.values()), sum(counts.values())
    done = all(counts[name] * total == weights[name] * slot for name in weights)
    return dict.fromkeys(weights, 0) if done else counts


_PRIORITY = Strategy(_by_priority, lambda one, _: f"priority {one.priority}")

STRATEGIES: Mapping[str, Strategy] = {
    "capability": _PRIORITY,
    "default": Strategy(_by_default, _default_note),
    "explicit": _PRIORITY,
    "least_inflight": Strategy(
        _by_inflight, lambda one, facts: f"{facts.inflight.get(one.provider, 0)} in flight"
    ),
    "lowest_latency": Strategy(_by_latency, _latency_note),
    "lowest_price": Strategy(_by_price, lambda one, _: f"{one.price_per_hour or 'no price'} an hour"),
    "priority": _PRIORITY,
    "random": Strategy(_by_chance, lambda one, _: f"drawn, weight {one.weight}"),
    "round_robin": Strategy(_by_turn, _served_note),
    "weighted_round_robin": Strategy(_by_weighted_turn, _weight_note),
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


def find_strategy(
    name: str, brought: Callable[[str], Strategy | None] = lambda _: None
) -> tuple[str, Strategy]:
    """The strategy of that name: our own, or one that ``brought`` knows.

    Raises:
        ValidationError: There is none.
    """
    normal = normalise_strategy(name)
    strategy = STRATEGIES.get(normal) or brought(normal)
    if strategy is None:
        raise ValidationError(
            f"no strategy is called {name!r}; there are {', '.join(sorted(STRATEGIES))}",
            field="strategy",
            details={"available_strategies": sorted(STRATEGIES)},
        )
    return normal, strategy
