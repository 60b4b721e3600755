"""Recorded answers of Prometheus 2.42 and VictoriaMetrics 1.79: all must be read as what they are.

They are no part of this project; where they are not at hand there is nothing to do.
"""

import csv
import json
import math
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from purveyor.plugin import PurveyorError, ValidationError
from purveyor.wire import Response
from purveyor_prometheus import _decoding as decoding
from purveyor_prometheus._errors import translate

RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "prometheus_api"

LISTS = {
    "/api/v1/series": list[dict[str, str]],
    "/api/v1/labels": list[str],
    "/api/v1/targets": decoding.Targets,
    "/api/v1/targets/metadata": list[decoding.Metadata],
    "/api/v1/metadata": dict[str, list[decoding.Metadata]],
    "/api/v1/status/buildinfo": dict[str, str],
}


def recordings():
    found = []
    for index in sorted(RECORDINGS.glob("index_*.tsv")):
        with index.open(newline="") as rows:
            found += [
                pytest.param(row, id=f"{index.stem[6:]}-{row['name']}")
                for row in csv.DictReader(rows, delimiter="\t")
            ]
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=f"{RECORDINGS} is not there"))]


def answer(row):
    return Response(
        status=int(row["status"]),
        headers={"content-type": row["content_type"]},
        body=(RECORDINGS / row["file"]).read_bytes(),
        path=urlsplit(row["path"]).path,
    )


def kind_of(path):
    return list[str] if path.startswith("/api/v1/label/") else LISTS.get(path, object)


@pytest.mark.parametrize("row", recordings())
def test_every_recorded_answer_is_read(row):
    got = answer(row)
    if "json" not in row["content_type"]:
        assert translate(got) is None
        with pytest.raises(PurveyorError, match="not JSON"):
            decoding.result(got)
    elif got.status >= 300:
        error = translate(got)
        assert error is not None
        assert error.message[:299] == " ".join(json.loads(got.body)["error"].split())[:299]
        # Whatever a person can put right is said to be so; only a deletion is answered otherwise.
        assert isinstance(error, ValidationError) or row["name"] in {"delete_method", "query_manytomany"}
    elif got.path in {"/api/v1/query", "/api/v1/query_range"}:
        check_result(got, decoding.result(got, "here"))
    else:
        data, warnings = decoding.decoded(got, kind_of(got.path))
        raw = json.loads(got.body)["data"]
        assert warnings == ()
        assert isinstance(data, decoding.Targets) or len(data) == len(raw)
        if isinstance(data, decoding.Targets):
            check_targets(data, raw)


def check_result(got, read):
    """The decoder against a plain reading of the same JSON."""
    data = json.loads(got.body)["data"]
    assert read.kind == data["resultType"]
    if read.kind == "string":
        assert read.text == data["result"][1]
    elif read.kind == "scalar":
        assert read.value == float(data["result"][1])
    else:
        rows = {}
        for row in data["result"]:
            points = [row["value"]] if "value" in row else row["values"]
            rows[frozenset(row["metric"].items())] = [(time, float(value)) for time, value in points]
        assert len(read.series) == len(rows)
        for series in read.series:
            name = {"__name__": series.name} if series.name else {}
            expected = rows[frozenset({**series.labels, **name}.items())]
            assert len(series.points) == len(expected)
            for (time, value), (time_too, value_too) in zip(series.points, expected, strict=True):
                assert time == time_too
                assert value == value_too or (math.isnan(value) and math.isnan(value_too))
            assert series.source == "here"


def check_targets(data, raw):
    told = [*(data.active_targets or ()), *(data.dropped_targets or ())]
    assert len(told) == len(raw["activeTargets"] or ()) + len(raw.get("droppedTargets") or ())
    for target, row in zip(told, raw["activeTargets"], strict=False):
        assert (target.health, target.scrape_url) == (row["health"], row["scrapeUrl"])
        assert target.last_error == row["lastError"]
        assert target.last_scrape_duration < 1
