"""``purveyor scrape`` against exporters on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from purveyor_prometheus.sandbox import PrometheusSandbox

TEXT = b"""\
# HELP jobs_total Jobs that were done.
# TYPE jobs_total counter
jobs_total{queue="mail"} 3
jobs_total{queue="web"} +Inf
# TYPE load gauge
load NaN
# TYPE waits histogram
waits_bucket{le="+Inf"} 2
waits_sum 0.5
waits_count 2
"""


@pytest.fixture
def exporter() -> Iterator[PrometheusSandbox]:
    """A host; its node_exporter is at ``targets[0]``."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = PrometheusSandbox(speed="stepped")
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def target(exporter: PrometheusSandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """An exporter that says TEXT."""
    monkeypatch.setattr("purveyor_prometheus.sandbox._world.Target.text", lambda *_: TEXT.decode())
    return exporter.targets[0]


def test_json_has_each_metric_with_its_samples_and_says_what_json_cannot(
    cli: Any, home: Path, target: str
) -> None:
    result = cli("scrape", target)
    assert (result.code, result.err) == (0, "")
    document = result.json
    assert (document["failures"], document["complete"]) == ({}, True)
    jobs, load, waits = document["items"]
    assert (jobs["id"], jobs["type"], jobs["help"], jobs["provider"]) == (
        "jobs_total",
        "counter",
        "Jobs that were done.",
        None,
    )
    assert [(one["labels"], one["value"]) for one in jobs["samples"]] == [
        ({"queue": "mail"}, 3.0),
        ({"queue": "web"}, "+Inf"),
    ]
    assert load["samples"][0]["value"] == "NaN"
    assert [one["name"] for one in waits["samples"]] == ["waits_bucket", "waits_sum", "waits_count"]
    assert jobs["source"] == target
    assert jobs["time"].endswith("Z")
    assert list(home.iterdir()) == [], "it needs no configuration and leaves nothing"


def test_people_see_values_before_labels(cli: Any, home: Path, target: str) -> None:
    result = cli("scrape", target, "--format", "table")
    assert result.out.splitlines() == [
        "jobs_total  counter  Jobs that were done.",
        '    3  queue="mail"',
        '  inf  queue="web"',
        "load  gauge",
        "  nan  ",
        "waits  histogram",
        '    2  _bucket le="+Inf"',
        "  0.5  _sum",
        "    2  _count",
    ]
    assert "3 metrics, 6 samples." in result.err
    brief = cli("scrape", target, "--brief", "--format", "table")
    assert brief.out.splitlines() == [
        "jobs_total  counter  Jobs that were done.",
        "load  gauge",
        "waits  histogram",
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--prefix", "jobs", "--prefix", "load"], ["jobs_total", "load"]),
        (["--label", "queue=mail"], ["jobs_total"]),
        (["--type", "gauge", "--type", "histogram"], ["load", "waits"]),
        (["--prefix", "waits_s"], ["waits"]),
        (["--prefix", "nothing"], []),
    ],
)
def test_filters(cli: Any, home: Path, target: str, options: list[str], names: list[str]) -> None:
    items = cli("scrape", target, *options).json["items"]
    assert [one["id"] for one in items] == names
    assert all(one["samples"] for one in items)


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("error_before", "PROVIDER_UNAVAILABLE", "answered 500"),
        ("html", "PROVIDER_UNAVAILABLE", "answered 502"),
        ("garbage", "PROTOCOL_MISMATCH", "line 1"),
        ("redirect", "PROTOCOL_MISMATCH", "302"),
        ("bomb", "PROTOCOL_MISMATCH", "bytes"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(
    cli: Any, home: Path, exporter: PrometheusSandbox, fault: str, code: str, reason: str
) -> None:
    exporter.fault(fault, path="/node/metrics", times=None)
    result = cli("scrape", exporter.targets[0])
    assert result.code == 1
    assert result.error["code"] == code
    assert reason in result.error["message"]
    assert exporter.targets[0] in result.error["message"]


def test_a_target_that_hangs_ends_at_the_deadline(cli: Any, home: Path, exporter: PrometheusSandbox) -> None:
    exporter.fault("hang", path="/node/metrics", times=None)
    result = cli("scrape", exporter.targets[0], "--deadline", "0.3")
    assert (result.code, result.error["code"]) == (1, "TIMEOUT")


def test_nobody_there(cli: Any, home: Path) -> None:
    result = cli("scrape", "127.0.0.1:9", "--format", "table")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: scrape: http://127.0.0.1:9/metrics: the server cannot be reached")


@pytest.mark.parametrize(
    "line",
    [
        ["ftp://x/metrics"],
        ["http://alice:canary@127.0.0.1:9/metrics"],
        ["127.0.0.1:9", "--username", "alice"],
        ["127.0.0.1:9", "--token", "env:NOWHERE"],
        ["127.0.0.1:9", "--label", "mode"],
        [],
    ],
)
def test_what_is_wrong_on_the_line_is_a_usage_error(cli: Any, home: Path, line: list[str]) -> None:
    result = cli("scrape", *line)
    assert result.code == 2
    assert "canary" not in result.out + result.err
    assert "Traceback" not in result.err


def test_credentials_reach_the_target_and_nobody_else(
    cli: Any, home: Path, exporter: PrometheusSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", exporter.token)
    result = cli("scrape", exporter.targets[0], "--token", "env:CANARY", "--brief")
    assert result.code == 0
    assert exporter.token not in result.out
    result = cli("scrape", "http://192.0.2.1:9100", "--token", "env:CANARY")
    assert result.code == 2, "not over plain HTTP to another machine"
