"""Strategies that plugins bring: found by name, isolated when broken."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from purveyor import ConfigurationError, PluginError
from purveyor.config import load_configuration
from purveyor.engine.plugins import PluginHost
from purveyor.model.selection import Candidate, Facts
from purveyor.plugin import StrategyPlugin, hookimpl
from purveyor.policy.selection import find_strategy


def host(name: str, **fields) -> PluginHost:
    """A host with one plugin that registers one strategy."""
    module = types.ModuleType(f"a_strategy_called_{name}")

    @hookimpl
    def purveyor_register_strategies():
        return [StrategyPlugin(name=name, **fields)]

    module.purveyor_register_strategies = purveyor_register_strategies
    sys.modules[module.__name__] = module
    return PluginHost([EntryPoint(name=name, value=module.__name__, group="purveyor")], environ={})


def candidate(provider: str) -> Candidate:
    return Candidate(provider=provider, type="t", plan="p", image="i")


CANDIDATES = [candidate("longest"), candidate("mid"), candidate("a"), candidate("xyz")]


def by_length(candidates, facts):
    return [len(one.provider) for one in candidates]


def test_a_strategy_is_found_by_its_entry_point_and_orders_with_steady_ties():
    plugins = host("shortest_name", ranks=by_length, note=lambda one, _: f"{len(one.provider)} letters")
    name, strategy = find_strategy("Shortest-Name", plugins.strategy)
    ordered = strategy(CANDIDATES, Facts())
    assert name == "shortest_name"
    assert [one.provider for one in ordered] == ["a", "mid", "xyz", "longest"]
    assert ordered[0].note == "1 letters"


def test_the_configuration_takes_it_and_names_one_that_is_not_there():
    plugins = host("shortest_name", ranks=by_length)
    assert (
        load_configuration({"selection_policy": "shortest_name"}, plugins).selection_policy == "shortest_name"
    )
    with pytest.raises(ConfigurationError, match="longest_name"):
        load_configuration({"selection_policy": "longest_name"}, plugins)


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        (lambda candidates, facts: 1 / 0, "ZeroDivisionError"),
        (lambda candidates, facts: [1], "ranked 1 of 4"),
        (lambda candidates, facts: [1, "b", None, 2], "TypeError"),
        (lambda candidates, facts: None, "TypeError"),
    ],
)
def test_a_strategy_that_fails_is_an_error_that_names_its_distribution(ranks, words):
    strategy = host("odd", ranks=ranks).strategy("odd")
    with pytest.raises(PluginError, match=words) as caught:
        strategy(CANDIDATES, Facts())
    assert caught.value.details["distribution"] == "a_strategy_called_odd"


def test_our_own_names_cannot_be_taken():
    plugins = host("priority", ranks=by_length)
    _, strategy = find_strategy("priority", plugins.strategy)
    assert strategy(CANDIDATES, Facts())[0].note == "priority 0"


def test_a_strategy_is_no_provider_type_and_a_broken_plugin_says_why():
    plugins = host("shortest_name", ranks=by_length)
    with pytest.raises(PluginError, match="no provider type"):
        plugins.provider_type("shortest_name")
    with pytest.raises(ConfigurationError, match="plugin API 99"):
        load_configuration({"selection_policy": "old"}, host("old", ranks=by_length, api_version=99))
    assert plugins.strategy("nobody") is None
