"""The HTTP API against servers that answer what they are told."""

import json
from base64 import b64encode
from urllib.parse import parse_qs, urlsplit

import pytest

from purveyor.plugin import (
    ApiError,
    CallTimeoutError,
    ConfigurationError,
    InvalidCredentialsError,
    NotFoundError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    ValidationError,
)
from purveyor_prometheus._api import MAX_POINTS

from ._build import Answering, call, provider, serving


def success(data, **more):
    return json.dumps({"status": "success", "data": data, **more}).encode()


def vector(*rows):
    return success({"resultType": "vector", "result": list(rows)})


def failure(kind, words):
    return json.dumps({"status": "error", "errorType": kind, "error": words}).encode()


def speaking(body, **more):
    return Answering(body, content_type="application/json", **more)


UP = vector({"metric": {"__name__": "up", "instance": "a:1"}, "value": [1.5, "1"]})


def query_of(line):
    return parse_qs(urlsplit(line.split()[1]).query)


async def test_a_query_names_its_source():
    async with serving(speaking(UP)) as (server,):
        made = await provider(server.address)
        answer = await made.api.query(call(), "up", time=1.5)
        (series,) = answer.series
        assert (series.name, dict(series.labels)) == ("up", {"instance": "a:1"})
        assert series.points == ((1.5, 1.0),)
        assert series.source == server.address
        assert query_of(server.requests[0]) == {"query": ["up"], "time": ["1.500"]}
        await made.aclose()
        await made.aclose()


async def test_a_limit_is_kept_though_the_server_ignores_it():
    rows = [{"metric": {"a": str(at)}, "value": [1, "1"]} for at in range(5)]
    async with serving(speaking(vector(*rows))) as (server,):
        made = await provider(server.address)
        assert len((await made.api.query(call(), "up", limit=2)).series) == 2
        await made.aclose()


async def test_warnings_and_infos_are_no_errors():
    body = success({"resultType": "vector", "result": []}, warnings=["partial"], infos=["not a counter"])
    async with serving(speaking(body)) as (server,):
        made = await provider(server.address)
        assert (await made.api.query(call(), "up")).warnings == ("partial", "not a counter")
        await made.aclose()


async def test_a_partial_answer_says_so():
    body = success({"resultType": "vector", "result": []}, isPartial=True)
    async with serving(speaking(body)) as (server,):
        made = await provider(server.address)
        assert (await made.api.query(call(), "up")).warnings == ("the answer is partial",)


async def test_a_native_histogram_counts_its_observations():
    histogram = {"count": "12", "sum": "3.5", "buckets": [[0, "0.5", "1", "12"]]}
    body = vector({"metric": {"job": "a"}, "histogram": [7, histogram]})
    async with serving(speaking(body)) as (server,):
        made = await provider(server.address)
        assert (await made.api.query(call(), "h")).value == 12
        await made.aclose()


async def test_a_long_range_is_asked_for_in_windows():
    def matrix():
        asked = query_of(server.requests[-1])
        start, end = float(asked["start"][0]), float(asked["end"][0])
        values = [[start + at, "1"] for at in range(int(end - start) + 1)]
        # As some servers do, one point too many at each end.
        values = [[start - 1, "1"], *values, [end + 1, "1"]]
        return success({"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": values}]})

    async with serving(speaking(matrix)) as (server,):
        made = await provider(server.address)
        answer = await made.api.query_range(call(), "up", start=1000.4, end=31000.7, step=1)
        (series,) = answer.series
        assert [point.timestamp for point in series.points] == [float(at) for at in range(1001, 31001)]
        asked = [query_of(line) for line in server.requests]
        assert [(one["start"], one["end"]) for one in asked] == [
            (["1001.000"], ["12001.000"]),
            (["12002.000"], ["23002.000"]),
            (["23003.000"], ["31000.000"]),
        ]
        await made.aclose()


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [(0, 1, 0), (0, 1, -1), (2, 1, 1), (0, float("nan"), 1), (0, 1, float("inf")), (0, MAX_POINTS + 5, 1)],
)
async def test_a_range_that_cannot_be_is_not_sent(start, end, step):
    made = await provider("http://127.0.0.1:1")
    with pytest.raises(ValidationError):
        await made.api.query_range(call(), "up", start=start, end=end, step=step)
    await made.aclose()


async def test_what_else_the_api_offers():
    bodies = {
        "/api/v1/series": [{"__name__": "up", "job": "a"}],
        "/api/v1/labels": ["__name__", "job"],
        "/api/v1/label/U__http_2e_code__/values": ["200"],
        "/api/v1/label/job/values": ["a"],
        "/api/v1/targets": {
            "activeTargets": [{"labels": {"job": "a"}, "health": "up"}],
            "droppedTargets": None,
        },
        "/api/v1/metadata": {"up": [{"type": "gauge", "help": "h", "unit": ""}]},
        "/api/v1/targets/metadata": [{"target": {"job": "a"}, "type": "gauge"}],
        "/api/v1/status/buildinfo": {"version": "2.42.0"},
    }

    def body():
        return success(bodies[urlsplit(server.requests[-1].split()[1]).path])

    async with serving(speaking(body)) as (server,):
        made = await provider(server.address)
        api = made.api
        assert await api.series(call(), ["up", "down"], start=1) == [{"__name__": "up", "job": "a"}]
        assert [query_of(line)["match[]"] for line in server.requests] == [["up"], ["down"]]
        assert await api.labels(call()) == ["__name__", "job"]
        assert await api.label_values(call(), "job") == ["a"]
        assert await api.label_values(call(), "http.code_") == ["200"]
        assert [one.health for one in await api.targets(call())] == ["up"]
        assert (await api.metadata(call(), metric="up"))["up"][0].type == "gauge"
        assert (await api.targets_metadata(call(), "up"))[0].target == {"job": "a"}
        assert await api.build_info(call()) == {"version": "2.42.0"}
        await made.aclose()


async def test_credentials_travel_and_are_not_shown():
    async with serving(speaking(UP)) as (server,):
        made = await provider(server.address, username="alice", password="s3cret", tenant="team-a")
        await made.check_health(call())
        assert server.headers["authorization"] == f"Basic {b64encode(b'alice:s3cret').decode()}"
        assert server.headers["x-scope-orgid"] == "team-a"
        await made.aclose()
        made = await provider(server.address, token="canary")
        await made.check_health(call())
        assert server.headers["authorization"] == "Bearer canary"
        await made.aclose()


@pytest.mark.parametrize(
    "settings",
    [
        {"username": "alice"},
        {"password": "s3cret"},
        {"token": "t", "username": "alice", "password": "s3cret"},
        {"username": "a:b", "password": "s3cret"},
        {"scrape_username": "alice"},
        {"targets": ["ftp://x"]},
        {"targets": ["http://user:canary@127.0.0.1:1/metrics"]},
        {"targets": ["http://127.0.0.1:99999/metrics"]},
        {"targets": ["127.0.0.1:1/metrics?collect=cpu&collect=disk"]},
        {"targets": ["10.0.0.5:9100"], "scrape_token": "canary"},
    ],
)
async def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(ConfigurationError) as caught:
        await provider("http://127.0.0.1:1", **settings)
    assert "canary" not in str(caught.value)


async def test_nothing_to_read_is_refused():
    with pytest.raises(ConfigurationError, match="nothing to read"):
        await provider()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, failure("bad_data", "parse error: unclosed parenthesis"), ValidationError),
        (422, failure("422", "unexpected token"), ValidationError),
        (422, failure("execution", "many-to-many matching not allowed"), ApiError),
        (503, failure("timeout", "query timed out in query queue"), CallTimeoutError),
        (500, failure("internal", "opening storage failed"), ProviderUnavailableError),
        (500, failure("unavailable", "TSDB not ready"), ProviderUnavailableError),
        (404, failure("not_found", "no such thing"), NotFoundError),
        (503, failure("new_kind", "whatever"), ProviderUnavailableError),
        (400, b"[1]", ValidationError),
    ],
)
async def test_errors_of_the_api(status, body, kind):
    async with serving(speaking(body, status=status)) as (server,):
        made = await provider(server.address)
        with pytest.raises(kind) as caught:
            await made.api.query(call(), "up")
        assert server.address in str(caught.value)
        assert caught.value.provider == "mon"
        await made.aclose()


HTML = b"<html><body>Sign in</body></html>"


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        (Answering(b"Unauthorized", status=401), InvalidCredentialsError),
        (Answering(b"404 page not found", status=404), NotFoundError),
        (Answering(b"Service Unavailable", status=503), ProviderUnavailableError),
        (Answering(HTML, status=502, content_type="text/html"), ProviderUnavailableError),
        (Answering(HTML, content_type="text/html"), ProtocolMismatchError),
        (Answering(HTML, content_type="application/json"), ProtocolMismatchError),
        (Answering(b"", content_type="application/json"), ProtocolMismatchError),
        (Answering(UP[:-9], content_type="application/json"), ProtocolMismatchError),
        (Answering(UP, content_type="application/json", manner="truncated"), ProviderUnavailableError),
        (Answering(UP, content_type="application/json", manner="hung"), CallTimeoutError),
        (Answering(UP, content_type="application/json", manner="slow"), CallTimeoutError),
        (Answering(b"[" * 100_000, content_type="application/json"), ProtocolMismatchError),
        (speaking(success({"resultType": "new", "result": []})), ProtocolMismatchError),
        (speaking(vector({"metric": {}, "value": [1, "many"]})), ProtocolMismatchError),
        (speaking(vector({"metric": {}, "value": [1, 2]})), ProtocolMismatchError),
        (
            speaking(json.dumps({"status": "error", "errorType": "x", "error": "y"}).encode()),
            ProtocolMismatchError,
        ),
        (Answering(b"", status=302, headers={"Location": "http://10.9.8.7/login"}), ProtocolMismatchError),
    ],
)
async def test_what_is_not_the_api_is_told_with_target_and_reason(server, kind):
    async with serving(server):
        made = await provider(server.address, timeout=0.5)
        with pytest.raises(kind) as caught:
            await made.api.query(call(), "up")
        assert server.address in str(caught.value)
        assert caught.value.details["target"] == server.address
        assert "Sign in" not in str(caught.value)
        await made.aclose()


# Replicas.


async def test_a_dead_replica_is_passed_over_and_remembered():
    async with serving(Answering(b"Service Unavailable", status=503), speaking(UP)) as (dead, good):
        made = await provider(dead.address, replicas=[good.address])
        for _ in range(3):
            answer = await made.api.query(call(), "up")
            assert answer.series[0].source == good.address
        assert (len(dead.requests), len(good.requests)) == (1, 3)
        await made.aclose()


async def test_a_hung_replica_leaves_time_for_the_next():
    async with serving(speaking(UP, manner="hung"), speaking(UP)) as (hung, good):
        made = await provider(hung.address, replicas=[good.address], timeout=30.0)
        answer = await made.api.query(call(1.0), "up")
        assert answer.series[0].source == good.address
        await made.aclose()


async def test_a_wrong_query_is_not_asked_twice():
    wrong = speaking(failure("bad_data", "parse error"), status=400)
    async with serving(wrong, speaking(UP)) as (first, second):
        made = await provider(first.address, replicas=[second.address])
        with pytest.raises(ValidationError, match="parse error"):
            await made.api.query(call(), "up(")
        assert not second.requests
        await made.aclose()


async def test_when_all_replicas_fail_each_reason_is_told():
    async with serving(Answering(b"no", status=503), Answering(HTML, content_type="text/html")) as (one, two):
        made = await provider(one.address, replicas=[two.address])
        with pytest.raises(PurveyorError) as caught:
            await made.api.query(call(), "up")
        assert isinstance(caught.value, ProviderUnavailableError)
        assert set(caught.value.details["replicas"]) == {one.address, two.address}
        await made.aclose()
