"""Choosing one of 1,000 providers.

Run it alone: ``python benchmarks/choosing.py``. A pick is what a strategy needs to say who comes first. Beside it stands
what comes with it when a machine is made: collecting the facts, and for strategies that go in turn reading and writing
the counts, which is a transaction; and once for each request, everybody's verdict and an order with all reasons.
Medians; the providers come in no order.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

from _servers import account, catalogue_pages, serving

from purveyor import Candidate, InstanceSpec, Money, MultiProviderClient
from purveyor.engine.choosing import Wish
from purveyor.engine.configured import ProviderConfig
from purveyor.engine.guards import GuardBook
from purveyor.engine.registry import Member, Surroundings
from purveyor.engine.sifting import sift
from purveyor.model.errors import InsufficientResourcesError, QuotaExceededError
from purveyor.model.selection import Facts
from purveyor.policy.selection import STRATEGIES, Strategy, steady
from purveyor.spi.call import Call, Effect, LoopClock

PROVIDERS = 1_000
TARGET = 200.0
GUARDED_TARGET = 300.0
TIMES = 300


def candidates(chance: random.Random) -> list[Candidate]:
    """Candidates that differ in everything that counts."""
    found = [
        Candidate(
            provider=f"account-{number}",
            type=chance.choice(("digitalocean", "linode")),
            plan="small",
            image="debian",
            price_per_hour=Money(Decimal(chance.randrange(5, 500)) / 1000),
            priority=chance.randrange(5),
            weight=chance.randrange(1, 200),
        )
        for number in range(PROVIDERS)
    ]
    chance.shuffle(found)
    return found


def facts(some: list[Candidate], chance: random.Random) -> Facts:
    """Everything is known about everybody."""
    names = [one.provider for one in some]
    return Facts(
        served={name: chance.randrange(4) for name in names},
        inflight={name: chance.randrange(8) for name in names},
        latency={name: chance.random() for name in names},
        default_type="linode",
        default_provider=names[-1],
        seed=7,
    )


def micros(work: Callable[[], object], times: int = TIMES) -> float:
    """Median microseconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


async def async_micros(work: Callable[[], Awaitable[object]], times: int) -> float:
    """Median microseconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def strategies() -> None:
    """The decisions alone."""
    chance = random.Random(1)
    some = candidates(chance)
    known, ready = facts(some, chance), steady(some)
    print(f"{PROVIDERS} providers, µs; median of {TIMES}; the target for a pick is {TARGET:.0f}")
    print(f"  {'once a request, for all strategies: steady':44} {micros(lambda: steady(some)):8.0f}")
    for name, strategy in STRATEGIES.items():
        picking = micros(partial(strategy.pick, ready, known))
        ordering = micros(partial(strategy, ready, known), TIMES // 10)
        verdict = "met" if picking < TARGET else "MISSED"
        print(f"  {name:22} pick {picking:6.0f}  {verdict:6}   in order, with reasons {ordering:7.0f}")


async def guarded() -> None:
    """The same with what the guards say of everybody: for one in ten something is known."""
    chance = random.Random(2)
    some = candidates(chance)
    known, ready = facts(some, chance), steady(some)
    around = Surroundings(clock=LoopClock(), random=chance, ids=str)
    book = GuardBook(None, around.clock)
    members = {}
    for number, one in enumerate(ready):
        member = Member(ProviderConfig(name=one.provider, type=one.type), around, book)
        members[one.provider] = member
        await member.gate.hear()
        if number % 20 == 0:
            await member.gate.refused(QuotaExceededError("full"), "small", None)
        if number % 20 == 1:
            await member.gate.refused(InsufficientResourcesError("sold out"), "large", None)
            call = Call(deadline=around.clock.monotonic() + 9)
            async with member.gate.exchange(call, "create", Effect.ONCE) as exchange:
                exchange.answered(429, {"retry-after": "60"})
    for name in ("priority", "lowest_price", "weighted_round_robin"):

        def pick(strategy: Strategy = STRATEGIES[name]) -> None:
            sifted = sift(ready, members, 30.0, keep_last=False)
            assert len(sifted.candidates) == PROVIDERS * 9 // 10
            strategy.pick(sifted.candidates, known)

        spent = micros(pick)
        verdict = "met" if spent < GUARDED_TARGET else "MISSED"
        print(f"  {name:22} pick {spent:6.0f}  {verdict:6}   with health, limits and blocklist")


async def chooser() -> None:
    """What the engine does with them, its catalogues being known already."""
    spec = InstanceSpec(name="web", plan="s-1vcpu-1gb", image="ubuntu-24-04-x64", region="ams3")
    with serving(catalogue_pages()) as port:
        providers = [account("digitalocean", port, f"account-{number}") for number in range(PROVIDERS)]
        async with MultiProviderClient.from_config({"state": "memory", "providers": providers}) as client:
            explained = await client.explain(spec, deadline=300)
            assert len(explained.candidates) == PROVIDERS, explained.rejected[:1]
            deadline = asyncio.get_running_loop().time() + 300
            engine = client._chooser  # noqa: SLF001 - the parts of what the client does
            for name in ("priority", "weighted_round_robin"):
                wish = Wish(spec=spec, strategy=name)
                choice = await engine.choose(wish, deadline)
                judging = await async_micros(partial(engine.choose, wish, deadline), 10)
                taking = await async_micros(partial(engine.take, choice), 50)
                print(
                    f"  the engine, {name:22} everybody's verdict {judging:7.0f}, once a request;"
                    f" a pick with its facts and counts {taking:6.0f}, for each machine"
                )


if __name__ == "__main__":
    strategies()
    asyncio.run(guarded())
    asyncio.run(chooser())
