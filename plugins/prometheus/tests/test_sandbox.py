"""The sandbox: a host, its containers and a Prometheus, asked through the plugin and by hand."""

import asyncio
import contextlib
import itertools
import math
from datetime import UTC, datetime

import aiohttp
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import (
    Call,
    InvalidCredentialsError,
    MetricsRequest,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    ResourceKind,
    SecretRef,
    ValidationError,
)
from purveyor_prometheus import parse_exposition
from purveyor_prometheus._config import Settings
from purveyor_prometheus._mapping import AMOUNTS
from purveyor_prometheus._plugin import build
from purveyor_prometheus._queries import QUERIES, prepared
from purveyor_prometheus.sandbox import PrometheusSandbox
from purveyor_prometheus.sandbox._evaluation import change
from purveyor_prometheus.sandbox._promql import BadQueryError, parse
from purveyor_prometheus.sandbox._world import Wave
from purveyor_testing.context import plain_context

MINUTE = 60.0


@attrs.frozen
class SandboxClock:
    """The sandbox's own time."""

    server: PrometheusSandbox

    def monotonic(self):
        return self.server.clock.now

    def now(self):
        return datetime.fromtimestamp(self.server.clock.now, UTC)

    async def sleep(self, seconds):
        self.server.advance(seconds)


def call(server):
    return Call(deadline=server.clock.now + 1e6)


@contextlib.asynccontextmanager
async def plugin(server, *, base_url=True, **settings):
    """The provider, in the sandbox's time."""
    ctx = plain_context(provider="mon", base_url=server.base_url if base_url else None, timeout=5.0)
    made = await build(
        Settings(**{"scrape_pause": 0.0, **settings}), attrs.evolve(ctx, clock=SandboxClock(server))
    )
    try:
        yield made
    finally:
        await made.aclose()


async def listed(server, made):
    items, errors = {}, []
    async for page in made.list_metrics(MetricsRequest(), call(server)):
        items |= {one.id: one for one in page.items}
        errors += page.unreadable
    return items, errors


async def ask(server, path, status=200, *, method="GET", **how):
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.base_url + path, **how) as got,
    ):
        assert got.status == status, await got.text()
        return await (got.json() if got.content_type == "application/json" else got.text())


@pytest.fixture
async def server():
    async with PrometheusSandbox(seed=1, speed="stepped") as one:
        yield one


async def test_promql_alone_scraping_alone_and_both_agree(server):
    """From readings a minute apart, taken at the very moments at which the simulated server scrapes too."""
    async with (
        plugin(server, base_url=False, targets=server.targets) as scraping,
        plugin(server, window=MINUTE) as asking,
        plugin(server, window=MINUTE, targets=server.targets) as both,
    ):
        first, _ = await listed(server, scraping)
        assert all(one.cpu_used is None for one in first.values()), "one reading gives no rate"
        await listed(server, both)
        server.advance(MINUTE)
        scraped, errors = await listed(server, scraping)
        assert errors == []
        asked, errors = await listed(server, asking)
        assert errors == []
        together, errors = await listed(server, both)
        assert errors == []
    assert scraped.keys() == asked.keys() == together.keys()
    instance = server.origin.removeprefix("http://")
    assert set(asked) == {
        instance,
        f"{instance}/web",
        f"{instance}/db",
        "shop/cart-0/cart",
        "shop/mail-0/mail",
    }
    for name, one in asked.items():
        for field in AMOUNTS:
            told, counted = getattr(one, field), getattr(scraped[name], field)
            assert (told is None) is (counted is None), (name, field)
            if told is None:
                continue
            assert counted == pytest.approx(told, rel=1e-9), (name, field)
            assert getattr(together[name], field) == pytest.approx(told, rel=1e-9), (name, field)
    host = asked[instance]
    assert host.kind is ResourceKind.HOST
    inside = [one for one in asked.values() if one.kind is ResourceKind.CONTAINER]
    assert sum(one.cpu_used for one in inside) < host.cpu_used < host.cpu_limit == 8
    assert sum(one.memory_used for one in inside) < host.memory_used < host.memory_limit
    assert asked["shop/mail-0/mail"].cpu_limit is None, "no limit is no data"


async def test_the_world_lives(server):
    async with plugin(server, window=MINUTE) as made:
        before, _ = await listed(server, made)
        server.advance(600)
        after, _ = await listed(server, made)
    for name, one in before.items():
        assert one.cpu_used != after[name].cpu_used
        assert one.memory_used != after[name].memory_used


async def test_the_same_seed_is_the_same_world_and_another_is_not():
    texts = []
    for seed in (1, 1, 2):
        async with PrometheusSandbox(seed=seed, speed="stepped") as one:
            texts.append(await ask(one, "/node/metrics"))
    assert texts[0] == texts[1] != texts[2]


async def test_a_container_that_restarts_counts_from_zero_and_rates_stay_sane(server):
    async with plugin(server, window=300.0) as made:
        before = (await listed(server, made))[0]["shop/cart-0/cart"].cpu_used
        server.restart("shop/cart-0/cart")
        server.advance(45)
        (cpu,) = [
            sample.value
            for family in parse_exposition((await ask(server, "/cadvisor/metrics")).encode())
            for sample in family.samples
            if sample.name == "container_cpu_usage_seconds_total" and sample.labels.get("pod") == "cart-0"
        ]
        assert 0 < cpu < 45 * 0.5
        after = (await listed(server, made))[0]["shop/cart-0/cart"].cpu_used
        assert 0 < after == pytest.approx(before, rel=0.5)
        server.restart()
        server.advance(15)
        assert all(one.cpu_used >= 0 for one in (await listed(server, made))[0].values())
    with pytest.raises(ValueError, match="no container 'nobody'; there are web"):
        server.restart("nobody")


async def test_an_exporter_that_is_down_is_told_of_by_the_server_and_by_the_target(server):
    await ask(server, "/__sandbox__/turn", 204, method="POST", json={"job": "node", "up": False})
    server.advance(15)
    async with plugin(server) as made:
        items, errors = await listed(server, made)
        assert [error.details["target"] for error in errors] == [server.origin.removeprefix("http://")]
        (host,) = (one for one in items.values() if one.kind is ResourceKind.HOST)
        assert host.memory_used is None
        assert host.cpu_used is not None, "its rates go on for as long as their window reaches back"
        unhealthy = [one.last_error for one in await made.api.targets(call(server)) if one.health == "down"]
        assert len(unhealthy) == 1
    async with plugin(server, base_url=False, targets=server.targets) as made:
        _, errors = await listed(server, made)
        assert isinstance(errors[0], ProviderUnavailableError)
    server.turn("node", up=True)
    server.advance(15)
    async with plugin(server) as made:
        items, errors = await listed(server, made)
        assert (len(items), errors) == (5, [])


async def test_what_the_plugin_offers_of_the_api_is_there(server):
    async with plugin(server) as made:
        api = made.api
        at = call(server)
        assert (await api.query(at, "1 + 2 * 3")).value == 7
        assert (await api.query(at, '"hello"')).text == "hello"
        assert {one.labels["job"] for one in await api.targets(at)} == {"node", "cadvisor"}
        assert {one["job"] for one in await api.series(at, ["up", "node_load1"])} == {"node", "cadvisor"}
        assert "mountpoint" in await api.labels(at)
        assert await api.label_values(at, "job") == ["cadvisor", "node"]
        assert (await api.metadata(at, metric="node_load1"))["node_load1"][0].type == "gauge"
        assert [one.type for one in await api.targets_metadata(at, "node_cpu_seconds_total")] == ["counter"]
        assert (await api.build_info(at))["version"].startswith("2.")
        now = server.clock.now
        answer = await api.query_range(
            at, "sum(rate(node_cpu_seconds_total[1m]))", start=now - 600, end=now, step=15
        )
        (series,) = answer.series
        assert len(series.points) == 41
        assert all(value == pytest.approx(8, rel=0.01) for _, value in series.points), (
            "all modes of 8 CPUs together"
        )
        past = await api.query(at, "up", time=now - 7 * 3600)
        assert past.series == (), "before its history began"


async def test_several_selectors_in_one_request_all_count(server):
    found = await ask(server, "/api/v1/series?match[]=up&match[]=node_load1")
    assert {one["__name__"] for one in found["data"]} == {"up", "node_load1"}
    form = {"query": "vector(1)"}
    found = await ask(server, "/api/v1/query", method="POST", data=form)
    assert found["data"]["result"][0]["value"][1] == "1"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "no expression found in input"),
        ("up(", 'unknown function with name "up"'),
        ("nofunc(up)", '1:1: parse error: unknown function with name "nofunc"'),
        ("topk(3, up)", 'unknown function with name "topk"'),
        ("sum((up", "unclosed left parenthesis"),
        ("rate(up)", "expected type range vector"),
        ("sum(up[5m])", "expected type instant vector"),
        ("up offset 5m", "unexpected name 'offset'"),
        ("rate(up[5m:1m])", "unexpected"),
        ('{job=""}', "at least one non-empty matcher"),
        ('up{job=~"("}', "error parsing regexp"),
        ("1 == 1", "must use BOOL modifier"),
        ("1 and up", 'set operator "and" not allowed'),
        ("up * on(job) group_left up", "unexpected"),
        ("up @ 5", "unexpected"),
    ],
)
async def test_what_it_does_not_know_is_refused_in_prometheus_words(server, query, reason):
    answer = await ask(server, "/api/v1/query", 400, params={"query": query})
    assert answer["status"] == "error"
    assert answer["errorType"] == "bad_data"
    assert reason in answer["error"]
    assert answer["error"].startswith('invalid parameter "query": 1:')
    async with plugin(server) as made:
        with pytest.raises(ValidationError):
            await made.api.query(call(server), query)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"start": "0", "end": "11001", "step": "1"}, "exceeded maximum resolution of 11,000 points"),
        ({"start": "5", "end": "1", "step": "1"}, "end timestamp must not be before start time"),
        ({"start": "1", "end": "5", "step": "0"}, "zero or negative query resolution"),
        ({"start": "1", "end": "5"}, 'invalid parameter "step": cannot parse "" to a valid duration'),
        ({"start": "yesterday", "end": "5", "step": "1"}, 'cannot parse "yesterday" to a valid timestamp'),
        (
            {"start": "1", "end": "5", "step": "1", "query": "up[5m]"},
            'invalid expression type "range vector"',
        ),
    ],
)
async def test_a_range_that_cannot_be_is_refused(server, params, reason):
    answer = await ask(server, "/api/v1/query_range", 400, params={"query": "up", **params})
    assert answer["errorType"] == "bad_data"
    assert reason in answer["error"]


async def test_an_execution_that_fails_says_which_series_clash(server):
    answer = await ask(server, "/api/v1/query", 422, params={"query": "up + on(instance) up"})
    assert answer["errorType"] == "execution"
    assert "many-to-many matching not allowed" in answer["error"]


async def test_credentials_are_not_needed_but_must_be_right(server):
    await ask(server, "/api/v1/query?query=up")
    assert await ask(server, "/-/healthy") == "Prometheus Server is Healthy.\n"
    assert await ask(server, "/api/v1/nope", 404) == "404 page not found\n"
    async with plugin(server, token=SecretRef(server.token)) as made:
        await made.check_health(call(server))
    async with plugin(server, token=SecretRef("wrong")) as made:
        with pytest.raises(InvalidCredentialsError):
            await made.check_health(call(server))
    server.open = False
    async with plugin(server) as made:
        with pytest.raises(InvalidCredentialsError):
            await made.check_health(call(server))


FAULTS = {
    "error_before": PurveyorError,
    "rate_limit": PurveyorError,
    "reset_before": PurveyorError,
    "reset_after": PurveyorError,
    "truncate": PurveyorError,
    "garbage": ProtocolMismatchError,
    "html": PurveyorError,
    "empty": ProtocolMismatchError,
    "redirect": PurveyorError,
    "bomb": PurveyorError,
    "no_capacity": PurveyorError,
    "quota": PurveyorError,
}


@pytest.mark.parametrize(("fault", "kind"), FAULTS.items())
async def test_a_fault_of_one_target_leaves_the_other_alone(server, fault, kind):
    server.fault(fault, path="/node/metrics", times=None)
    async with plugin(server, base_url=False, targets=server.targets) as made:
        items, errors = await listed(server, made)
    assert len(items) == 4
    assert [type(error) for error in errors if isinstance(error, kind)]
    assert "/node/metrics" in errors[0].message


@pytest.mark.parametrize(("fault", "kind"), [*FAULTS.items(), ("wrong_types", ProtocolMismatchError)])
async def test_a_fault_of_the_api_is_a_typed_error(server, fault, kind):
    server.fault(fault, path="/api/v1/query", times=None)
    async with plugin(server) as made:
        with pytest.raises(kind):
            await made.api.query(call(server), "sum without (mode) (node_cpu_seconds_total)")


async def test_a_target_that_hangs_costs_its_own_time_only(server):
    server.fault("hang", path="/node/metrics", times=None)
    async with plugin(server, base_url=False, targets=server.targets, scrape_timeout=0.2) as made:
        items, errors = await listed(server, made)
    assert (len(items), len(errors)) == (4, 1)


def test_every_query_of_the_plugin_is_understood():
    for kind in (ResourceKind.HOST, ResourceKind.CONTAINER):
        for promql in prepared(kind, window=300, labels=("zone",), instead={}).values():
            parse(promql)
    assert len(QUERIES) == 18


@given(st.text("up{}[]()=~!\"'\\/+-*<>, \n1.5emsonbyrate_orand#€", max_size=40))
def test_any_text_is_understood_or_refused(text):
    with contextlib.suppress(BadQueryError):
        parse(text)


@given(
    st.floats(0.1, 10), st.floats(0, 0.1), st.floats(10, 1e4), st.floats(0, 1), st.floats(0, 1e6), st.data()
)
def test_a_counter_is_what_its_wave_brought_and_never_falls(mean, swing, period, phase, start, data):
    wave = Wave(mean, swing, period, phase)
    steps = sorted(data.draw(st.lists(st.floats(0, 1e5), min_size=2, max_size=10)))
    totals = [wave.between(start, start + step) for step in steps]
    assert all(one <= after + 1e-6 for one, after in itertools.pairwise(totals))
    assert wave.between(start, start + 1e-3) == pytest.approx(wave.at(start) * 1e-3, rel=0.2, abs=1e-6)


@given(st.floats(0, 1e3), st.integers(2, 50), st.sampled_from([1.0, 15.0]))
def test_a_steady_counter_has_its_own_rate_wherever_the_window_lies(slope, count, every):
    points = [(at * every, 1e6 + slope * at * every) for at in range(count)]
    end = (count - 1) * every
    gained = change(points, 0.0, end, counter=True)
    assert gained == pytest.approx(slope * end, rel=1e-6, abs=1e-3)
    assert change(points[:1], 0.0, end, counter=True) is None


def test_a_reset_counts_from_zero():
    points = [(0.0, 100.0), (10.0, 110.0), (20.0, 5.0), (30.0, 15.0)]
    assert change(points, 0.0, 30.0, counter=True) == pytest.approx(25)
    assert change(points, 0.0, 30.0, counter=False) == pytest.approx(-85)
    assert not math.isnan(change([(0.0, 0.0), (1.0, 0.0)], 0.0, 1.0, counter=True))


async def test_control_endpoints_restart(server):
    await ask(server, "/__sandbox__/restart", 204, method="POST", json={"name": "web"})
    await ask(server, "/__sandbox__/restart", 400, method="POST", json={"name": "nobody"})
    await ask(server, "/__sandbox__/turn", 400, method="POST", json={"job": "nothing"})
    ready = server.ready()
    assert await asyncio.gather(ask(server, "/node/metrics"), ask(server, "/cadvisor/metrics"))
    assert ready["node"].endswith("/node/metrics")
    assert ready["cadvisor"].endswith("/cadvisor/metrics")
