"""Sums over many resources: no data is never zero, and nothing counts twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from purveyor import GpuMetrics, ResourceKind, ResourceMetrics, total_metrics
from purveyor.model.metrics import units_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def resource(id: str = "a", **fields: Any) -> ResourceMetrics:  # noqa: A002
    return ResourceMetrics(**{"provider": "mon", "id": id, "time": NOW, "source": "test", **fields})


def container(id: str, **fields: Any) -> ResourceMetrics:  # noqa: A002
    return resource(id, kind=ResourceKind.CONTAINER, **fields)


def test_sums_and_who_told() -> None:
    (total,) = total_metrics(
        [
            resource("a", cpu_used=1.5, cpu_limit=4.0, memory_used=10.0),
            resource("b", cpu_used=0.0, cpu_limit=4.0),
            resource("c", cpu_limit=2.0, time=NOW - timedelta(seconds=30)),
        ]
    )
    assert (total.resources, total.cpu_used, total.cpu_limit) == (3, 1.5, 10.0)
    assert total.told == {"cpu_used": 2, "cpu_limit": 3, "memory_used": 1}
    assert total.lacks("cpu_used")
    assert not total.lacks("cpu_limit")
    assert total.storage_used is None, "nobody told, which is not zero"
    assert not total.lacks("storage_used")
    assert (total.oldest, total.newest) == (NOW - timedelta(seconds=30), NOW)


def test_nothing_gives_nothing() -> None:
    assert total_metrics([]) == ()


def test_hosts_and_what_runs_on_them_are_never_added_up() -> None:
    host, inside = total_metrics([container("web", cpu_used=1.0), resource("a", cpu_used=3.0)])
    assert (host.kind, host.cpu_used) == (ResourceKind.HOST, 3.0)
    assert (inside.kind, inside.cpu_used) == (ResourceKind.CONTAINER, 1.0)


def test_by_provider_and_by_deployment() -> None:
    some = [
        resource("a", memory_used=1.0, deployment="shop"),
        resource("b", memory_used=2.0, provider="lab"),
        resource("c", memory_used=4.0, provider="lab", deployment="shop"),
    ]
    by_provider = total_metrics(some, by=lambda one: one.provider)
    assert [(one.group, one.memory_used) for one in by_provider] == [("lab", 6.0), ("mon", 1.0)]
    by_deployment = total_metrics(some, by=lambda one: one.deployment)
    assert [(one.group, one.memory_used) for one in by_deployment] == [(None, 2.0), ("shop", 5.0)]


def test_a_machine_that_two_sources_tell_of_is_one_machine() -> None:
    (total,) = total_metrics(
        [
            resource("10.0.0.5:9100", instance_id="do/1", memory_used=5.0),
            resource("10.0.0.5:9400", instance_id="do/1", memory_used=6.0, gpus=(GpuMetrics(id="g"),)),
            resource("10.0.0.6:9100", instance_id="do/2", memory_used=1.0),
        ]
    )
    assert (total.resources, total.memory_used, total.gpu_limit) == (2, 6.0, 1)


def test_containers_on_one_machine_stay_apart() -> None:
    (total,) = total_metrics([container(name, instance_id="do/1", cpu_used=1.0) for name in ("web", "db")])
    assert (total.resources, total.cpu_used) == (2, 2.0)


def test_gpus_count_whole_and_once_however_they_are_divided_or_shared() -> None:
    whole = GpuMetrics(id="g0", utilization=0.5, memory_used=10.0, memory_limit=80.0)
    divided = GpuMetrics(id="g1", memory_limit=80.0)
    parts = [
        GpuMetrics(id=f"g1/{at}", profile="1g.10gb", memory_used=3.0, memory_limit=10.0) for at in (7, 8)
    ]
    lost = [GpuMetrics(id="g2/7", profile="1g.10gb", memory_used=1.0, memory_limit=10.0)]
    (total,) = total_metrics([resource("a", gpus=(whole, whole, divided, *parts, *lost))])
    assert (total.gpu_limit, total.gpu_used) == (3, 0.5)
    assert total.lacks("gpu_used"), "two of three do not tell under MIG"
    assert (total.gpu_memory_used, total.gpu_memory_limit) == (10.0 + 6.0 + 1.0, 80.0 + 80.0 + 10.0)


def test_no_gpus_is_zero_only_where_somebody_looked() -> None:
    assert total_metrics([resource()])[0].gpu_limit is None
    assert total_metrics([resource(gpus=())])[0].gpu_limit == 0
    assert total_metrics([resource(gpus=())])[0].gpu_used is None


AMOUNT = st.none() | st.floats(0, 1e12)
RESOURCES = st.lists(
    st.builds(
        resource,
        id=st.sampled_from("abc"),
        kind=st.sampled_from(ResourceKind),
        provider=st.sampled_from(["x", "y"]),
        instance_id=st.sampled_from([None, "do/1", "do/2"]),
        **dict.fromkeys(units_of(ResourceMetrics), AMOUNT),
    ),
    max_size=8,
)


@given(RESOURCES)
def test_a_sum_is_there_exactly_if_somebody_told_and_never_exceeds_what_was_told(
    some: list[ResourceMetrics],
) -> None:
    totals = total_metrics(some)
    assert sum(total.resources for total in totals) <= len(some)
    for total in totals:
        members = [one for one in some if one.kind is total.kind]
        for field in units_of(ResourceMetrics):
            told = [value for one in members if (value := getattr(one, field)) is not None]
            found = getattr(total, field)
            assert (found is None) is (not told)
            assert total.told.get(field, 0) <= len(told)
            if found is not None:
                assert max(told) * (total.kind is not ResourceKind.HOST) <= found <= sum(told) * (1 + 1e-9)


@given(RESOURCES)
def test_groups_part_what_there_is(some: list[ResourceMetrics]) -> None:
    plain = [one for one in some if one.instance_id is None]
    parted = total_metrics(plain, by=lambda one: one.provider)
    assert sum(total.resources for total in parted) == len(plain)
