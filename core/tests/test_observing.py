"""What observers are told, and that they cannot harm what they observe. All in virtual time."""

from __future__ import annotations

import asyncio
import logging
import sys
import types
from collections import Counter
from importlib.metadata import EntryPoint

import pytest

from purveyor import ConfigurationError, PermissionDeniedError, PluginError, ProviderUnavailableError
from purveyor.config import load_configuration
from purveyor.engine.observing import Observers
from purveyor.engine.plugins import PluginHost
from purveyor.model.catalog import CatalogKind
from purveyor.model.errors import Outcome
from purveyor.plugin import (
    CallFinished,
    CallRetried,
    CatalogueLooked,
    ObserverPlugin,
    ProviderPicked,
    hookimpl,
)

from ._cloud import HANG, LOST_AFTER, NOT_SENT, SPEC, Fault, refused, virtual


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


class TestEvents:
    @virtual
    async def test_a_call_that_succeeds_is_told_once_with_all_its_tries_and_its_time(self, world):
        cloud = world.add("a")
        cloud.fail("get_balance", NOT_SENT, LOST_AFTER)
        events = []
        async with world.client() as client:
            client.observe(events.append)
            start = asyncio.get_running_loop().time()
            await client.get_balances().collect()
            seconds = asyncio.get_running_loop().time() - start
        (finished,) = of(CallFinished, events)
        assert (finished.provider, finished.operation, finished.attempts) == ("a", "get_balance", 3)
        assert (finished.error, finished.outcome) == (None, None)
        assert finished.seconds == pytest.approx(seconds)
        retried = of(CallRetried, events)
        assert [(one.attempt, one.error) for one in retried] == [
            (2, "PROVIDER_UNAVAILABLE"),
            (3, "PROVIDER_UNAVAILABLE"),
        ]
        assert sum(one.seconds for one in retried) == pytest.approx(seconds)

    @virtual
    async def test_a_call_that_fails_says_with_what_and_what_is_known_of_its_effect(self, world):
        world.add("a").always["get_balance"] = refused(PermissionDeniedError)
        world.add("b").fail("create_instance", refused(PermissionDeniedError))
        events = []
        async with world.client() as client:
            client.observe(events.append)
            await client.get_balances(["a"]).collect()
            with pytest.raises(PermissionDeniedError):
                await client.provision(SPEC, provider="b")
        finished = {one.operation: one for one in of(CallFinished, events)}
        assert finished["get_balance"].error == "PERMISSION_DENIED"
        assert finished["create_instance"].outcome is Outcome.REFUSED

    @virtual
    async def test_a_call_that_is_given_up_is_told_as_cancelled(self, world):
        world.add("a").always["get_balance"] = Fault(seconds=HANG)
        events = []
        async with world.client() as client:
            client.observe(events.append)
            task = asyncio.create_task(client.get_balances().collect())
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        (finished,) = of(CallFinished, events)
        assert (finished.error, finished.attempts, finished.seconds) == ("CANCELLED", 1, 1.0)

    @virtual
    async def test_choices_and_remembered_catalogues_are_told(self, world):
        for name in ("a", "b"):
            world.add(name)
        events = []
        async with world.client(selection_policy="round_robin") as client:
            client.observe(events.append)
            for _ in range(2):
                await client.provision(SPEC)
            await client.explain(SPEC)
        picked = of(ProviderPicked, events)
        assert [one.strategy for one in picked] == ["round_robin"] * 2
        assert {one.provider for one in picked} == {"a", "b"}, "explaining picks nobody"
        looked = Counter((one.kind, one.hit) for one in of(CatalogueLooked, events))
        assert looked[CatalogKind.PLANS, False] == 2
        assert looked[CatalogKind.PLANS, True] == 4

    @virtual
    async def test_several_observers_are_told_the_same(self, world):
        world.add("a")
        one, other = [], []
        async with world.client() as client:
            client.observe(one.append)
            client.observe(other.append)
            await client.get_balances().collect()
        assert one == other != []


class TestIsolation:
    @virtual
    async def test_an_observer_that_raises_is_reported_once_and_harms_nothing(self, world, caplog):
        world.add("a").fail("get_balance", NOT_SENT)

        def broken(event):
            raise SystemExit("canary")

        events = []
        async with world.client() as client:
            client.observe(broken)
            client.observe(events.append)
            with caplog.at_level(logging.WARNING, logger="purveyor"):
                for _ in range(3):
                    view = await client.get_balances().collect()
                    assert view.complete
        assert len(of(CallFinished, events)) == 3
        (record,) = [one for one in caplog.records if "observer" in one.message]
        assert "broken failed with SystemExit" in record.message
        assert "canary" not in record.message

    def test_nobody_observing_is_false_and_ctrl_c_passes(self):
        observers = Observers()
        assert not observers

        def interrupted(event):
            raise KeyboardInterrupt

        observers.add(interrupted)
        assert observers
        with pytest.raises(KeyboardInterrupt):
            observers.tell(ProviderPicked(strategy="s", provider="p"))


def host(name, factory, environ=None, **fields):
    """A host with one plugin that registers one observer."""
    module = types.ModuleType(f"an_observer_called_{name}")

    @hookimpl
    def purveyor_register_observers():
        return [ObserverPlugin(name=name, factory=factory, **fields)]

    module.purveyor_register_observers = purveyor_register_observers
    sys.modules[module.__name__] = module
    return PluginHost([EntryPoint(name=name, value=module.__name__, group="purveyor")], environ=environ or {})


class TestPlugins:
    def test_the_configuration_names_them_and_they_get_the_environment(self):
        made = []
        plugins = host(
            "seen", lambda environ: made.append(environ["WHERE"]) or made.append, {"WHERE": "here"}
        )
        assert load_configuration({"observers": ["seen", "seen"]}, plugins).observers == ("seen",)
        assert made == [], "none is made before a client is"
        assert callable(plugins.observer("seen"))
        assert made == ["here"]

    def test_one_that_is_not_there_is_a_mistake_with_its_path(self):
        with pytest.raises(ConfigurationError, match=r"observers\[0\].*'nobody'.*purveyor-nobody"):
            load_configuration({"observers": ["nobody"]}, host("seen", lambda environ: print))
        with pytest.raises(ConfigurationError, match="plugin API 99"):
            load_configuration({"observers": ["old"]}, host("old", lambda environ: print, api_version=99))

    def test_one_that_cannot_start_says_whose_it_is(self):
        with pytest.raises(PluginError, match=r"'odd'.*ZeroDivisionError"):
            host("odd", lambda environ: 1 / 0).observer("odd")

        def refuse(environ):
            raise ConfigurationError("WHERE is not set", field="WHERE")

        with pytest.raises(ConfigurationError, match="WHERE is not"):
            host("odd", refuse).observer("odd")

    def test_an_observer_is_no_provider_type(self):
        with pytest.raises(PluginError, match="no provider type"):
            host("seen", lambda environ: print).provider_type("seen")


@virtual
async def test_an_observer_sees_a_provider_that_cannot_be_reached(world):
    world.add("a").always["get_balance"] = NOT_SENT
    events = []
    async with world.client() as client:
        client.observe(events.append)
        view = await client.get_balances().collect()
    assert isinstance(view.failures["a"], ProviderUnavailableError)
    (finished,) = of(CallFinished, events)
    assert (finished.attempts, finished.error) == (4, "PROVIDER_UNAVAILABLE")
