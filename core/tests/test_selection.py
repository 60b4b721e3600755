"""Who is asked first: the strategies as pure functions, and their turns as clients share them."""

import asyncio
import random
import subprocess
import sys
from collections import Counter

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purveyor import Candidate, CapacityError, CatalogKind, Money, ValidationError
from purveyor.policy.selection import (
    STRATEGIES,
    Facts,
    find_strategy,
    next_in_turn,
    normalise_strategy,
)
from purveyor.state.store import Store
from purveyor_testing.virtual import InlineThread

from ._cloud import SPEC, Fault, plan, refused, virtual


def candidate(name: str, **traits) -> Candidate:
    return Candidate(provider=name, type="fake", plan="s", image="u", **traits)


def order(strategy: str, candidates, **facts) -> list[str]:
    return [one.provider for one in STRATEGIES[strategy](candidates, Facts(**facts))]


def in_turn(weights, served) -> list[str]:
    """Whose turn it is, and who is asked if that one refuses."""
    candidates = [candidate(name, weight=weight) for name, weight in weights.items()]
    return order("weighted_round_robin", candidates, served=served)


WEIGHTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 1000), min_size=1)


class TestTurns:
    @given(weights=WEIGHTS, picks=st.integers(1, 300))
    def test_after_any_number_of_picks_every_count_is_within_one_of_its_share(self, weights, picks):
        total, served, counts = sum(weights.values()), {}, Counter()
        for number in range(1, picks + 1):
            chosen = in_turn(weights, served)[0]
            served = next_in_turn(served, chosen, weights)
            counts[chosen] += 1
            for name, weight in weights.items():
                assert abs(counts[name] - number * weight / total) < 1

    @given(weights=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1))
    def test_a_whole_cycle_is_exact_and_the_counts_start_again(self, weights):
        served, counts = {}, Counter()
        for _ in range(sum(weights.values())):
            chosen = in_turn(weights, served)[0]
            served = next_in_turn(served, chosen, weights)
            counts[chosen] += 1
            assert sum(served.values()) < sum(weights.values())
        assert counts == weights
        assert set(served.values()) == {0}

    @given(weights=WEIGHTS, served=st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 50)))
    def test_the_order_of_failing_over_names_everybody_once_whatever_was_counted(self, weights, served):
        assert sorted(in_turn(weights, served)) == sorted(weights)
        assert in_turn(weights, served) == in_turn(dict(reversed(weights.items())), served)

    def test_the_heaviest_is_not_asked_in_a_row(self):
        """Smooth: three to one to one is a b a c a, not a a a b c."""
        served, turns = {}, ""
        for _ in range(10):
            chosen = in_turn({"a": 3, "b": 1, "c": 1}, served)[0]
            served = next_in_turn(served, chosen, {"a": 3, "b": 1, "c": 1})
            turns += chosen
        assert "aaa" not in turns
        assert turns[:5] == turns[5:]


class TestStrategies:
    def test_priority_then_name(self):
        many = [candidate("c"), candidate("b", priority=1), candidate("a"), candidate("d", priority=-1)]
        assert order("priority", many) == ["d", "a", "c", "b"]
        assert order("explicit", many) == order("capability", many) == order("priority", many)

    def test_the_default_then_its_type_then_the_rest(self):
        other = attrs.evolve(candidate("b"), type="other")
        many = [candidate("a"), other, candidate("c"), candidate("d", priority=-1)]
        got = order("default", many, default_provider="c", default_type="other")
        assert got == ["c", "b", "d", "a"]
        assert order("default", many) == ["d", "a", "b", "c"]

    def test_prices_of_one_currency_are_compared_and_those_of_two_never(self):
        def price(text):
            return Money(*text.split())

        many = [
            candidate("dear", price_per_hour=price("9 EUR")),
            candidate("none"),
            candidate("cheap", price_per_hour=price("1 USD")),
            candidate("mid", price_per_hour=price("5 USD")),
            candidate("less", price_per_hour=price("2 EUR")),
        ]
        got = order("lowest_price", many)
        assert got == ["less", "dear", "cheap", "mid", "none"]
        moved = [
            attrs.evolve(one, price_per_hour=price("0.001 USD")) if one.provider == "mid" else one
            for one in many
        ]
        assert order("lowest_price", moved)[:2] == ["less", "dear"]

    def test_a_price_that_is_the_same_falls_to_priority_and_name(self):
        same = Money("1.0")
        many = [
            candidate("b", price_per_hour=same),
            candidate("a", price_per_hour=Money("1")),
            candidate("c", priority=-1, price_per_hour=same),
        ]
        assert order("lowest_price", many) == ["c", "a", "b"]

    def test_least_in_flight(self):
        many = [candidate("a"), candidate("b"), candidate("c")]
        assert order("least_inflight", many, inflight={"a": 2, "c": 1}) == ["b", "c", "a"]

    def test_lowest_latency_and_those_not_measured_first(self):
        many = [candidate("a"), candidate("b"), candidate("c")]
        assert order("lowest_latency", many, latency={"a": 0.2, "c": 0.1}) == ["b", "c", "a"]

    def test_random_repeats_from_its_seed_whatever_the_order_of_the_candidates(self):
        many = [candidate(name) for name in "abcdef"]
        for seed in range(20):
            assert order("random", many, seed=seed) == order("random", many[::-1], seed=seed)
        assert len({tuple(order("random", many, seed=seed)) for seed in range(20)}) > 10

    def test_random_keeps_to_the_weights(self):
        """Chi-square over 4000 fixed seeds; 11.34 is the 1 % bound for 3 degrees of freedom."""
        weights = {"a": 10, "b": 20, "c": 30, "d": 40}
        many = [candidate(name, weight=weight) for name, weight in weights.items()]
        counts = Counter(order("random", many, seed=seed)[0] for seed in range(4000))
        expected = {name: 4000 * weight / 100 for name, weight in weights.items()}
        square = sum((counts[name] - share) ** 2 / share for name, share in expected.items())
        assert square < 11.34

    @given(
        names=st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
        data=st.data(),
        strategy=st.sampled_from(sorted(STRATEGIES)),
        seed=st.integers(0, 2**32),
    )
    def test_every_order_is_total_and_repeats_and_says_why(self, names, data, strategy, seed):
        prices = st.none() | st.builds(Money, st.decimals(0, 9, places=2), st.sampled_from(["USD", "EUR"]))
        many = [
            candidate(
                name,
                priority=data.draw(st.integers(-2, 2)),
                weight=data.draw(st.integers(1, 1000)),
                price_per_hour=data.draw(prices),
            )
            for name in names
        ]
        facts = Facts(seed=seed, default_provider=names[0])
        got = STRATEGIES[strategy](many, facts)
        assert sorted(one.provider for one in got) == sorted(names)
        assert [attrs.evolve(one, note="") for one in got] == [
            attrs.evolve(one, note="") for one in STRATEGIES[strategy](many[::-1], facts)
        ]
        assert all(one.note for one in got)

    def test_names(self):
        assert find_strategy("Weighted-Round_ROBIN")[0] == "weighted_round_robin"
        assert normalise_strategy("first_available") == "priority"
        with pytest.raises(ValidationError) as caught:
            find_strategy("nope")
        assert caught.value.details["available_strategies"] == sorted(STRATEGIES)


class TestThroughTheClient:
    @virtual
    async def test_explaining_never_moves_the_turn(self, world):
        for name in "abc":
            world.add(name)
        async with world.client(selection_policy="round_robin") as client:
            for _ in range(3):
                explained = await client.explain(SPEC)
                again = await client.explain(SPEC)
                made = await client.provision(SPEC)
                assert explained == again == made.explanation
                assert made.instance.provider == explained.candidates[0].provider
        assert sorted(len(cloud.created) for cloud in world.clouds.values()) == [1, 1, 1]

    @virtual
    async def test_an_explanation_says_what_would_be_bought_where_and_why_not_elsewhere(self, world):
        world.add("a", priority=2, weight=5)
        world.add("b", priority=1)
        world.add("c", enabled=False)
        world.add("d").regions = ()
        async with world.client(selection_policy="PRIORITY") as client:
            got = await client.explain(attrs.evolve(SPEC, region="eu"))
        assert (got.strategy, got.seed) == ("priority", None)
        assert [(one.provider, one.plan, one.image, one.region) for one in got.candidates] == [
            ("b", "s-1", "u24", "ams"),
            ("a", "s-1", "u24", "ams"),
        ]
        assert got.candidates[0].price_per_hour == Money("0.01")
        assert (got.candidates[1].weight, got.candidates[1].note) == (5, "priority 2")
        assert [(one.provider, one.code) for one in got.rejected] == [("c", "disabled"), ("d", "region")]

    @virtual
    async def test_two_clients_on_one_state_share_the_turns(self, world, tmp_path):
        for name, weight in (("a", 3), ("b", 2), ("c", 1)):
            world.add(name, weight=weight)

        def client():
            store = Store(tmp_path, InlineThread())
            return world.client(store=store, selection_policy="weighted_round_robin")

        async with client() as one, client() as other:
            for number in range(1, 13):
                await (one, other)[number % 2].provision(SPEC)
                for cloud, share in zip(world.clouds.values(), (3, 2, 1), strict=True):
                    assert abs(len(cloud.created) - number * share / 6) < 1

    @virtual
    async def test_many_at_once_from_two_clients_never_leave_their_shares(self, world, tmp_path):
        for name, weight in (("a", 5), ("b", 2), ("c", 1)):
            world.add(name, weight=weight)
            world.clouds[name].always["create_instance"] = Fault(seconds=1)
        stores = [Store(tmp_path, InlineThread()) for _ in range(2)]
        clients = [world.client(store=store, selection_policy="weighted_round_robin") for store in stores]
        await asyncio.gather(*(clients[number % 2].provision(SPEC, count=4) for number in range(8)))
        assert [len(cloud.created) for cloud in world.clouds.values()] == [20, 8, 4]
        for client in clients:
            await client.aclose()

    @virtual
    async def test_other_candidates_are_other_turns(self, world):
        """Who cannot serve a request loses nothing by it."""
        a, b = world.add("a"), world.add("b")
        b.plans = (plan("tiny", cpus=0.5),)
        async with world.client(selection_policy="round_robin") as client:
            for _ in range(4):
                await client.provision(SPEC)
            assert (len(a.created), len(b.created)) == (4, 0)
            b.plans = a.plans
            await client.clear_cache(CatalogKind.PLANS)
            for _ in range(4):
                await client.provision(SPEC)
        assert (len(a.created), len(b.created)) == (6, 2)

    @virtual
    async def test_a_damaged_turn_begins_anew(self, world):
        world.add("a")
        world.add("b")
        async with world.client(selection_policy="round_robin") as client:
            await client.provision(SPEC)
            (key,) = await client._store.items("cursor")
            for damage in (b"{", b"\xff", b"[1]", b'{"a": "x"}', b"null"):
                await client._store.put("cursor", key, damage, 0)
                await client.explain(SPEC)
                assert (await client.provision(SPEC)).instance.provider == "a"

    @virtual
    async def test_random_for_many_is_drawn_for_each_and_repeats_from_its_seed(self, world):
        for name in "abcd":
            world.add(name)

        async def places():
            made = await client.provision(SPEC, count=12, strategy="random", seed=7)
            assert made.explanation.seed == 7
            return [one.provider for one in made.instances]

        async with world.client() as client:
            first = await places()
            assert first == await places()
            assert len(set(first)) == 4

    @virtual
    async def test_many_that_go_to_the_least_busy_are_spread(self, world):
        for name in "abc":
            world.add(name)
        async with world.client(selection_policy="least_inflight") as client:
            await client.provision(SPEC, count=6)
        assert [len(cloud.created) for cloud in world.clouds.values()] == [2, 2, 2]

    @virtual
    async def test_the_quickest_is_known_from_its_answers(self, world):
        for name, seconds in (("slow", 3), ("quick", 1), ("mid", 2)):
            world.add(name).always["get_balance"] = Fault(seconds=seconds)
        async with world.client(selection_policy="FASTEST_RESPONSE") as client:
            await client.explain(SPEC)
            await client.get_balances().collect()
            got = await client.explain(SPEC)
        assert [one.provider for one in got.candidates] == ["quick", "mid", "slow"]

    @virtual
    async def test_the_cheapest(self, world):
        for name, price in (("a", "0.3"), ("b", "0.1"), ("c", "0.2")):
            world.add(name).plans = (plan("s", price),)
        async with world.client(selection_policy="lowest_price") as client:
            world.clouds["b"].fail("create_instance", refused(CapacityError))
            made = await client.provision(SPEC)
        assert [attempt.provider for attempt in made.attempts] == ["b", "c"]

    @virtual
    async def test_what_is_configured_as_capability_replaces_what_is_declared(self, world):
        world.add("a")
        world.add("b", capabilities=["EC2Fleet"])
        async with world.client() as client:
            assert client.provider("a").capabilities == ("fake", "machines")
            assert client.provider("b").facets == ("compute", "catalog", "credentials", "billing", "marks")
            got = await client.explain(attrs.evolve(SPEC, capabilities={"EC2Fleet"}), strategy="capability")
        assert [one.provider for one in got.candidates] == ["b"]
        assert [(one.provider, one.code) for one in got.rejected] == [("a", "capability")]

    @virtual
    async def test_explicit_needs_a_name(self, world):
        world.add("a")
        async with world.client() as client:
            with pytest.raises(ValidationError, match="named"):
                await client.explain(SPEC, strategy="explicit")


PROCESS = """
import asyncio, sys
from pathlib import Path
from purveyor.model.selection import Candidate, Facts
from purveyor.policy.selection import STRATEGIES, next_in_turn
from purveyor.state.store import Store
import json

async def main():
    store, picked = Store(Path(sys.argv[1])), []
    weights = {"a": 3, "b": 1}
    candidates = [
        Candidate(provider=name, type="t", plan="p", image="i", weight=weight) for name, weight in weights.items()
    ]

    def change(before):
        served = json.loads(before or b"{}")
        picked.append(STRATEGIES["weighted_round_robin"].pick(candidates, Facts(served=served)).provider)
        return json.dumps(next_in_turn(served, picked[-1], weights)).encode()

    for _ in range(40):
        await store.update("cursor", "k", change, 0.0)
    await store.aclose()
    print("".join(picked))

asyncio.run(main())
"""


def test_processes_that_start_together_on_a_new_folder_share_the_turns(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "new" / "state")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    picked = "".join(one.communicate(timeout=60)[0].strip() for one in running)
    assert [one.returncode for one in running] == [0, 0, 0]
    assert Counter(picked) == {"a": 90, "b": 30}


@settings(max_examples=30)
@given(weights=WEIGHTS, seed=st.integers(0, 1000))
def test_however_clients_interleave_the_shares_hold(weights, seed):
    """Reading and counting are one step, so that only the order of the steps matters."""
    chance, served, counts = random.Random(seed), {}, Counter()
    for number in range(1, 101):
        if chance.random() < 0.5:
            in_turn(weights, served)  # somebody explains
        chosen = in_turn(weights, served)[0]
        served = next_in_turn(served, chosen, weights)
        counts[chosen] += 1
        assert all(
            abs(counts[name] - number * weight / sum(weights.values())) < 1
            for name, weight in weights.items()
        )
