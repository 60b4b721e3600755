"""The listing: from servers, from targets, from both; and what is bad costs only itself."""

import asyncio
import itertools
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from purveyor.plugin import (
    CallTimeoutError,
    InvalidCredentialsError,
    NotFoundError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    ResourceKind,
    ValidationError,
)
from purveyor_prometheus._queries import prepared

from ._build import Answering, call, listed, node, provider, serving

HTML = b"<html><body>Sign in</body></html>"


def speaking(answers):
    """A Prometheus that knows what it is asked, by a part of the query; nothing of all else."""

    def body():
        query = parse_qs(urlsplit(server.requests[-1].split()[1]).query)["query"][0]
        rows = [row for part, rows in answers.items() if part in query for row in rows]
        rows = [{"metric": labels, "value": [1.5, str(value)]} for labels, value in rows]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()

    server = Answering(body, content_type="application/json")
    return server


def address(server):
    return server.address.removeprefix("http://")


async def test_targets_alone_have_rates_from_two_readings():
    counted = itertools.count(10, 5)
    async with serving(Answering(lambda: node(next(counted)))) as (server,):
        made = await provider(targets=[address(server)], scrape_pause=0.6)
        (found,), errors = await listed_values(made)
        assert errors == []
        assert found.id == address(server)
        assert found.cpu_used == pytest.approx(5 / 0.6, rel=0.3)
        assert (found.cpu_limit, found.memory_used, found.memory_limit) == (1.0, 1e9, 4e9)
        assert (found.storage_used, found.network_sent, found.gpus) == (None, None, None)
        assert server.headers["accept"] == "text/plain;version=0.0.4"
        # What was read once needs no second reading.
        await asyncio.sleep(0.6)
        (again,), _ = await listed_values(made)
        assert again.cpu_used == pytest.approx(5 / 0.6, rel=0.3)
        assert len(server.requests) == 3
        await made.aclose()


async def listed_values(made, **request):
    items, errors = await listed(made, **request)
    return list(items.values()), errors


async def test_without_a_pause_the_first_listing_has_no_rates():
    async with serving(Answering(node())) as (server,):
        made = await provider(targets=[f"{server.address}/metrics"])
        (found,), _ = await listed_values(made)
        assert found.cpu_used is None
        assert found.memory_used == 1e9
        await made.aclose()


async def test_a_target_may_answer_in_openmetrics_which_declares_counters_without_their_ending():
    text = (
        '# TYPE node_cpu_seconds counter\nnode_cpu_seconds_total{cpu="0",mode="idle"} 5\n'
        "# TYPE node_memory_MemTotal_bytes gauge\nnode_memory_MemTotal_bytes 4e+09\n# EOF\n"
    )
    media = "application/openmetrics-text; version=1.0.0"
    async with serving(Answering(text.encode(), content_type=media)) as (server,):
        made = await provider(targets=[address(server)])
        (found,), _ = await listed_values(made)
        assert (found.cpu_limit, found.memory_limit) == (1.0, 4e9)
        await made.aclose()


async def test_a_reset_counts_from_zero():
    counted = iter([1000.0, 3.0])
    async with serving(Answering(lambda: node(next(counted)))) as (server,):
        made = await provider(targets=[address(server)], scrape_pause=0.6)
        (found,), _ = await listed_values(made)
        assert found.cpu_used == pytest.approx(3 / 0.6, rel=0.3)
        await made.aclose()


async def test_a_target_that_dies_between_two_readings_is_still_shown():
    answers = iter([node()])
    async with serving(Answering(lambda: next(answers, HTML))) as (server,):
        made = await provider(targets=[address(server)], scrape_pause=0.1)
        (found,), errors = await listed_values(made)
        assert (found.memory_used, errors) == (1e9, [])
        await made.aclose()


BAD = [
    (Answering(b"Unauthorized", status=401), InvalidCredentialsError, "401"),
    (Answering(b"404 page not found", status=404), NotFoundError, "404"),
    (Answering(b"Service Unavailable", status=503), ProviderUnavailableError, "503"),
    (Answering(HTML, content_type="text/html"), ProtocolMismatchError, "text/html"),
    (Answering(HTML), ProtocolMismatchError, "line 1"),
    (Answering(b""), ProtocolMismatchError, "nothing of node_exporter"),
    (Answering(b"up 1\n"), ProtocolMismatchError, "nothing of node_exporter"),
    (Answering(node()[:-14]), ProtocolMismatchError, "line"),
    (Answering(node(), manner="truncated"), ProviderUnavailableError, "cut"),
    (Answering(node(), manner="hung"), CallTimeoutError, "within"),
    (Answering(node(), manner="slow"), CallTimeoutError, "within"),
    (Answering(b"a 1\n" * 1_000_000), ProtocolMismatchError, "larger than"),
    (Answering(b"a 1\n" * 1_000_000, manner="gzip"), ProtocolMismatchError, "larger than"),
    (Answering(b"x" * 1000, headers={"Content-Encoding": "gzip"}), ProtocolMismatchError, "gzip"),
    (Answering(b"a 1\n" * 20_001), ProtocolMismatchError, "more than 20000 samples"),
    (
        Answering(b"a{%s} 1\n" % b",".join(b'l%d="v"' % at for at in range(1000))),
        ProtocolMismatchError,
        "labels",
    ),
    (Answering(b"\xff\xfe 1\n"), ProtocolMismatchError, "UTF-8"),
    (
        Answering(b"", status=302, headers={"Location": "http://10.9.8.7/"}),
        ProtocolMismatchError,
        "redirects",
    ),
]


async def test_bad_targets_are_told_of_and_cost_the_good_one_nothing():
    good = Answering(node())
    async with serving(good, *(server for server, _, _ in BAD)):
        servers = [good, *(server for server, _, _ in BAD)]
        made = await provider(
            targets=[address(one) for one in servers] + ["127.0.0.1:1"],
            scrape_timeout=2.0,
            scrape_max_body=1_000_000,
            scrape_max_samples=20_000,
        )
        started, first = time.monotonic(), None
        errors = {}
        async for page in made.list_metrics(everything(), call()):
            if page.items:
                first = first or time.monotonic() - started
                assert [one.id for one in page.items] == [address(good)]
            errors |= {error.details["target"]: error for error in page.unreadable}
        assert first < 1.9, "nobody waits for those that hang"
        assert time.monotonic() - started < 5
        assert len(errors) == len(BAD) + 1
        for server, kind, words in BAD:
            error = errors[f"{server.address}/metrics"]
            assert type(error) is kind, error
            assert words in error.message
            assert error.message.startswith(server.address)
            assert error.provider == "mon"
        await made.aclose()


def everything():
    from purveyor.plugin import MetricsRequest

    return MetricsRequest()


async def test_credentials_of_targets_go_to_targets_only():
    server, target = speaking({}), Answering(node())
    async with serving(server, target):
        made = await provider(
            server.address,
            token="for-the-server",
            targets=[address(target)],
            scrape_username="bob",
            scrape_password="for-the-target",
        )
        await listed(made)
        assert server.headers["authorization"] == "Bearer for-the-server"
        assert target.headers["authorization"].startswith("Basic ")
        await made.aclose()


async def test_a_query_of_an_address_is_sent_and_not_shown():
    async with serving(Answering(b"no", status=500)) as (server,):
        made = await provider(targets=[f"{server.address}/probe?token=canary"])
        _, (error,) = await listed_values(made)
        assert server.requests == ["GET /probe?token=canary HTTP/1.1"]
        assert "canary" not in str(error) + repr(error.details)
        await made.aclose()


async def test_a_server_alone():
    host, container = (
        {"instance": "10.0.0.5:9100", "job": "node"},
        {"namespace": "shop", "pod": "p", "container": "c"},
    )
    server = speaking(
        {
            "rate(node_cpu_seconds_total": [(host, 0.5)],
            "timestamp(node_memory_MemTotal_bytes)": [(host, 1700000000)],
            "- (node_memory_MemAvailable_bytes": [(host, "NaN")],
            "rate(container_cpu_usage_seconds_total": [(container, 0.25)],
        }
    )
    async with serving(server):
        made = await provider(
            server.address, instances={"10.0.0.5": "do/7"}, deployments={"namespace=shop": "store"}
        )
        items, errors = await listed(made)
        assert errors == []
        one, other = items["10.0.0.5:9100"], items["shop/p/c"]
        assert (one.cpu_used, one.memory_used, one.kind) == (0.5, None, ResourceKind.HOST)
        assert (one.time.timestamp(), one.instance_id, one.source) == (1700000000, "do/7", "node_exporter")
        assert (other.cpu_used, other.deployment, other.time.timestamp()) == (0.25, "store", 1.5)
        assert set((await listed(made, ids=frozenset({"shop/p/c"})))[0]) == {"shop/p/c"}
        server.requests.clear()
        assert set((await listed(made, kinds=frozenset({ResourceKind.HOST})))[0]) == {"10.0.0.5:9100"}
        assert len(server.requests) == len(prepared(ResourceKind.HOST, window=1, labels=(), instead={}))
        assert await listed(made, kinds=frozenset({ResourceKind.DEPLOYMENT})) == ({}, [])
        await made.aclose()


async def test_a_server_fills_what_a_target_does_not_say():
    target = Answering(node())
    async with serving(target):
        labels = {"instance": address(target), "job": "node"}
        server = speaking(
            {
                "rate(node_cpu_seconds_total": [(labels, 0.5)],
                'count without (cpu, mode) (node_cpu_seconds_total{mode="idle"})': [(labels, 64)],
                "node_filesystem_size_bytes": [(labels, 123), ({"instance": "other:1"}, 5)],
            }
        )
        async with serving(server):
            made = await provider(server.address, targets=[address(target)])
            items, errors = await listed(made)
            assert errors == []
            assert set(items) == {address(target), "other:1"}
            found = items[address(target)]
            assert (found.cpu_used, found.cpu_limit, found.storage_used) == (0.5, 1.0, 123)
            assert found.labels == {"instance": address(target), "job": "node"}
            await made.aclose()


async def test_a_host_that_the_server_cannot_reach_is_an_error_unless_it_speaks_itself():
    async with serving(Answering(node())) as (target,):
        gone, well = (
            {"instance": "10.0.0.9:9100", "job": "node"},
            {"instance": address(target), "job": "node"},
        )
        server = speaking({"up == 0": [(gone, 0), (well, 0)]})
        async with serving(server):
            made = await provider(server.address, targets=[address(target)])
            items, (error,) = await listed(made)
            assert set(items) == {address(target)}
            assert isinstance(error, ProviderUnavailableError)
            assert error.details["target"] == "10.0.0.9:9100"
            assert await listed(made, ids=frozenset({"x"})) == ({}, [])


async def test_a_target_that_asks_for_patience_does_not_slow_the_others():
    patient = Answering(b"slow down", status=429, headers={"Retry-After": "3600"})
    async with serving(patient, Answering(node())) as (one, other):
        made = await provider(targets=[address(one), address(other)])
        about = call()
        async for _ in made.list_metrics(everything(), about):
            pass
        assert {exchange.group for exchange in about.exchanges} == {one.address, other.address}


async def test_a_series_that_is_there_twice_counts_once():
    twice = node() + b'node_cpu_seconds_total{cpu="0",mode="idle"} 7\n'
    async with serving(Answering(twice)) as (server,):
        made = await provider(targets=[address(server)])
        (found,), _ = await listed_values(made)
        assert found.cpu_limit == 1


async def test_a_server_that_is_down_does_not_hide_the_targets():
    async with serving(Answering(node())) as (target,):
        made = await provider("http://127.0.0.1:1", targets=[address(target)])
        items, errors = await listed(made)
        assert set(items) == {address(target)}
        assert [type(error) for error in errors] == [ProviderUnavailableError]
        await made.aclose()


async def test_a_server_alone_that_is_down_is_an_error():
    made = await provider("http://127.0.0.1:1")
    with pytest.raises(ProviderUnavailableError, match=r"http://127\.0\.0\.1:1: "):
        await listed(made)
    await made.aclose()


async def test_a_query_of_ones_own_that_is_wrong_costs_only_its_field():
    labels = {"instance": "a:1"}
    answers = speaking({"rate(node_cpu_seconds_total": [(labels, 1)], "strange": [({"job": "x"}, 1)]})
    plain = answers.body

    def body():
        answers.status = 400 if "wrong" in answers.requests[-1] else 200
        wrong = {"status": "error", "errorType": "bad_data", "error": "parse error"}
        return json.dumps(wrong).encode() if answers.status == 400 else plain()

    answers.body = body
    async with serving(answers):
        made = await provider(
            answers.address, queries={"host.memory_used": "wrong(", "host.memory_limit": "strange"}
        )
        items, errors = await listed(made)
        assert items["a:1"].cpu_used == 1
        assert [(type(error), error.message.split(":")[0]) for error in errors] == [
            (ValidationError, "query host.memory_used"),
            (ProtocolMismatchError, "query host.memory_limit gives series without the label instance"),
        ]
        await made.aclose()


async def test_two_targets_that_tell_of_the_same_host_show_it_once():
    async with serving(Answering(node())) as (server,):
        made = await provider(targets=[address(server), f"{server.address}/other"])
        items, errors = await listed(made)
        assert (len(items), errors) == (1, [])
        await made.aclose()


async def test_health_is_that_of_a_server_or_of_any_target():
    async with serving(speaking({}), Answering(node())) as (server, target):
        for settings in (
            {"base_url": server.address, "targets": ["127.0.0.1:1"]},
            {"targets": ["127.0.0.1:1", address(target)]},
        ):
            made = await provider(**settings)
            await made.check_health(call())
            await made.aclose()
    made = await provider(targets=["127.0.0.1:1"])
    with pytest.raises(PurveyorError, match=r"127\.0\.0\.1:1"):
        await made.check_health(call())
    await made.aclose()


async def test_many_targets_at_once():
    async with serving(*(Answering(node()) for _ in range(200))) as servers:
        made = await provider(targets=[address(one) for one in servers])
        items, errors = await listed(made)
        assert (len(items), errors) == (200, [])
        await made.aclose()


async def test_those_that_hung_take_nobodys_turn():
    hung, good = Answering(node(), manner="hung"), Answering(node())
    async with serving(hung, good):
        made = await provider(targets=[address(hung), address(good)], scrape_timeout=0.6, max_concurrency=1)
        for first in (0.6, 0.0):
            started = time.monotonic()
            pages = made.list_metrics(everything(), call())
            while not (await anext(pages)).items:
                pass
            assert time.monotonic() - started == pytest.approx(first, abs=0.3)
            async for _ in pages:
                pass


async def test_a_listing_that_is_left_leaves_nothing_behind():
    async with serving(Answering(node()), Answering(node(), manner="hung")) as servers:
        made = await provider(targets=[address(one) for one in servers])
        pages = made.list_metrics(everything(), call())
        await anext(pages)
        await pages.aclose()
        assert not [task for task in asyncio.all_tasks() if "_scrape" in repr(task)]
        await made.aclose()
