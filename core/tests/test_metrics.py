"""The values that measurements are kept in."""

from __future__ import annotations

import copy
import math
import pickle
from datetime import UTC, datetime

import pytest

from purveyor.model.metrics import (
    GpuMetrics,
    Labels,
    ResourceKind,
    ResourceMetrics,
    convert_unit,
    units_of,
)
from purveyor.model.samples import MetricFamily, MetricType, Sample
from purveyor.spi.facets import MetricsRequest

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_labels_are_a_mapping_that_hashes_and_never_changes() -> None:
    labels = Labels(b="2", a="1")
    assert labels == {"a": "1", "b": "2"}
    assert {labels: 1}[Labels(a="1", b="2")] == 1
    for copied in (pickle.loads(pickle.dumps(labels)), copy.copy(labels), copy.deepcopy(labels)):
        assert copied == labels
        assert hash(copied) == hash(labels)
    for change in (
        lambda: labels.update(a="3"),
        lambda: labels.pop("a"),
        labels.clear,
        lambda: labels.setdefault("c", "3"),
        lambda: labels.__setitem__("a", "3"),
        lambda: labels.__delitem__("a"),
        lambda: labels.__ior__({"a": "3"}),
        labels.popitem,
    ):
        with pytest.raises(TypeError):
            change()
    assert labels == {"a": "1", "b": "2"}


def test_a_sample_is_told_from_others_by_its_name_and_all_labels() -> None:
    one, other = Sample("up", Labels(job="a"), 1.0), Sample("up", Labels(job="a"), 0.0, 12.5)
    assert one.series == other.series
    assert one.series != Sample("up", Labels(job="b"), 1.0).series
    assert MetricFamily("up").type is MetricType.UNKNOWN
    assert MetricFamily("up").samples == ()


def test_no_data_is_none_and_never_zero() -> None:
    empty = ResourceMetrics(provider="p", id="web-1", time=NOW, source="node_exporter")
    assert all(getattr(empty, name) is None for name in units_of(ResourceMetrics))
    assert (empty.gpus, empty.absent) == (None, ())
    assert all(getattr(GpuMetrics(id="GPU-1"), name) is None for name in units_of(GpuMetrics))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, -1.0])
def test_what_cannot_be_an_amount_is_no_data(value: float | None) -> None:
    metrics = ResourceMetrics(provider="p", id="i", time=NOW, source="s", cpu_used=value, memory_used=0.0)
    assert metrics.cpu_used is None
    assert metrics.memory_used == 0.0


def test_temperatures_may_be_below_zero() -> None:
    assert GpuMetrics(id="GPU-1", temperature=-3.0).temperature == -3.0
    assert GpuMetrics(id="GPU-1", temperature=math.nan).temperature is None


def test_every_measured_field_has_a_unit() -> None:
    units = units_of(ResourceMetrics)
    assert units["cpu_used"] == units["cpu_limit"] == "cores"
    assert units["network_received"] == "bytes/second"
    assert units_of(GpuMetrics)["energy"] == "joules"
    assert units_of(GpuMetrics)["engine_active"] == "ratio"
    assert units_of(GpuMetrics)["memory_reserved"] == "bytes"


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (40960, "mebibytes", "bytes", 42949672960),
        (6592650443344.0, "millijoules", "joules", 6592650443.344),
        (57.0, "percent", "ratio", 0.57),
        (0.3, "ratio", "ratio", 0.3),
        (2.0, "megabytes/second", "bytes/second", 2e6),
        (8.0, "bits", "bytes", 1.0),
        (250.0, "millicores", "cores", 0.25),
        (None, "percent", "ratio", None),
        (math.nan, "percent", "ratio", None),
    ],
)
def test_units_are_converted(value: float | None, unit: str, to: str, expected: float | None) -> None:
    assert convert_unit(value, unit, to) == expected


@pytest.mark.parametrize(
    ("unit", "to"),
    [("bytes", "seconds"), ("bytes/second", "bytes"), ("apples", "bytes"), ("bytes/hour", "bytes/second")],
)
def test_units_of_different_kinds_are_never_mixed(unit: str, to: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be given|is not a unit"):
        convert_unit(None, unit, to)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, ["a", "b", "c"]),
        ({"ids": frozenset({"a", "c", "other"})}, ["a", "c"]),
        ({"kinds": frozenset({ResourceKind.HOST})}, ["a", "b"]),
        ({"ids": frozenset({"a", "c"}), "kinds": frozenset({ResourceKind.HOST})}, ["a"]),
        ({"ids": frozenset()}, []),
    ],
)
def test_a_request_picks_what_it_asks_for(asked, given) -> None:
    kinds = {"a": ResourceKind.HOST, "b": ResourceKind.HOST, "c": ResourceKind.CONTAINER}
    told = [
        ResourceMetrics(provider="p", id=id_, kind=kind, time=NOW, source="s") for id_, kind in kinds.items()
    ]
    assert [one.id for one in MetricsRequest(**asked).fitting(told)] == given
