"""What the observer counts, and that it stays within bounds."""

import shutil
import subprocess
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from purveyor.plugin import (
    BreakerChanged,
    CallFinished,
    CallRetried,
    CatalogKind,
    CatalogueLooked,
    ConfigurationError,
    ProviderPicked,
)
from purveyor_observer import MetricsObserver, _plugin, serve
from purveyor_observer._metrics import MOST, SECONDS


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def observer(registry):
    return MetricsObserver(registry)


def finished(**fields):
    return CallFinished(
        **{"provider": "do", "operation": "list_plans", "seconds": 0.3, "attempts": 1, **fields}
    )


EVENTS = [
    finished(),
    finished(),
    finished(error="RATE_LIMITED", seconds=400.0),
    CallRetried(provider="do", operation="list_plans", attempt=2, seconds=0.2, error="RATE_LIMITED"),
    ProviderPicked(strategy="priority", provider="do"),
    CatalogueLooked(provider="do", kind=CatalogKind.PLANS, hit=True),
    CatalogueLooked(provider="do", kind=CatalogKind.PLANS, hit=False),
    BreakerChanged(provider="do", before="closed", after="open"),
]


def test_each_event_moves_its_metric(observer, registry):
    for event in EVENTS:
        observer(event)

    def value(name, **labels):
        return registry.get_sample_value(name, {"provider": "do", **labels})

    call = {"operation": "list_plans"}
    assert value("purveyor_calls_total", **call, result="ok") == 2
    assert value("purveyor_calls_total", **call, result="rate_limited") == 1
    assert value("purveyor_call_duration_seconds_count", **call) == 3
    assert value("purveyor_call_duration_seconds_sum", **call) == pytest.approx(400.6)
    assert value("purveyor_call_duration_seconds_bucket", **call, le="0.5") == 2
    assert value("purveyor_call_duration_seconds_bucket", **call, le="300.0") == 2
    assert value("purveyor_call_retries_total", **call, error="rate_limited") == 1
    assert value("purveyor_selections_total", strategy="priority") == 1
    assert value("purveyor_catalogue_lookups_total", kind="plans", result="hit") == 1
    assert value("purveyor_catalogue_lookups_total", kind="plans", result="miss") == 1
    assert [value("purveyor_breaker_state", state=one) for one in ("closed", "open", "half_open")] == [
        0,
        1,
        0,
    ]
    observer(BreakerChanged(provider="do", before="open", after="half_open"))
    assert value("purveyor_breaker_state", state="open") == 0
    assert value("purveyor_breaker_state", state="half_open") == 1


def test_an_event_of_a_kind_that_is_not_known_is_nothing(observer):
    observer(object())


def series(registry, name):
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_labels_are_bounded_and_nothing_is_lost(observer, registry):
    for number in range(MOST + 200):
        observer(finished(provider=f"p{number}"))
    observer(finished(provider="p0"))
    calls = series(registry, "purveyor_calls_total")
    assert len(calls) == MOST + 1
    assert sum(calls.values()) == MOST + 201


@given(
    st.lists(
        st.tuples(st.text(max_size=5), st.floats(0, 1e6), st.none() | st.sampled_from(["A", "B"])),
        max_size=30,
    )
)
def test_every_call_is_counted_once_whatever_it_is_called(calls):
    registry = CollectorRegistry()
    observer = MetricsObserver(registry)
    for operation, seconds, error in calls:
        observer(finished(operation=operation, seconds=seconds, error=error))
    assert sum(series(registry, "purveyor_calls_total").values()) == len(calls)
    assert sum(series(registry, "purveyor_call_duration_seconds_count").values()) == len(calls)
    assert len(series(registry, "purveyor_call_duration_seconds_bucket")) <= len(calls) * (len(SECONDS) + 1)


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="not installed: promtool, of the package prometheus"
)
def test_promtool_finds_nothing_wrong_with_the_names(observer, registry):
    for event in EVENTS:
        observer(event)
    text = generate_latest(registry).decode()
    # prometheus_client adds when each counter began, as a gauge of its own, without being asked.
    ours = "\n".join(line for line in text.splitlines() if "_created" not in line) + "\n"
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=ours, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def read(address):
    with urllib.request.urlopen(address, timeout=5) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0", ":0"])
def test_it_is_served_where_one_says(observer, registry, address):
    observer(finished())
    server = serve(address, registry)
    try:
        assert server.address.startswith("http://127.0.0.1:")
        assert "purveyor_calls_total{" in read(server.address)
    finally:
        server.close()
    with pytest.raises(OSError, match="refused"):
        read(server.address)


@pytest.mark.parametrize("address", ["", "here", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_what_is_no_address_is_refused_with_an_example(address):
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:9464"):
        serve(address)


@pytest.fixture
def fresh(monkeypatch):
    """The plugin as in a process that has just begun; servers end with the test."""
    registry, servers = CollectorRegistry(), []

    def keep(address):
        servers.append(serve(address, registry))
        return servers[-1]

    _plugin._observer.cache_clear()
    _plugin._served.cache_clear()
    monkeypatch.setattr("purveyor_observer._metrics.MetricsObserver.__init__.__defaults__", (registry,))
    monkeypatch.setattr("purveyor_observer._serving.serve", keep)
    yield servers
    for server in servers:
        server.close()
    _plugin._observer.cache_clear()
    _plugin._served.cache_clear()


def test_the_plugin_serves_where_the_environment_says_once_for_all_clients(fresh):
    (plugin,) = _plugin.purveyor_register_observers()
    environ = {_plugin.ADDRESS: "127.0.0.1:0"}
    one, other = plugin.factory(environ), plugin.factory(environ)
    assert one is other
    assert len(fresh) == 1
    one(finished())
    assert 'result="ok"' in read(fresh[0].address)


def test_without_an_address_nothing_is_served(fresh):
    (plugin,) = _plugin.purveyor_register_observers()
    plugin.factory({})(finished())
    assert fresh == []


def test_an_address_that_is_taken_is_logged_and_one_that_is_none_is_refused(fresh, caplog):
    (plugin,) = _plugin.purveyor_register_observers()
    plugin.factory({_plugin.ADDRESS: "127.0.0.1:0"})
    taken = fresh[0].address.removeprefix("http://").removesuffix("/metrics")
    plugin.factory({_plugin.ADDRESS: taken})(finished())
    assert f"metrics cannot be served at {taken}: Address already in use" in caplog.text
    with pytest.raises(ConfigurationError, match=_plugin.ADDRESS):
        plugin.factory({_plugin.ADDRESS: "nowhere"})
