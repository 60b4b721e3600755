"""From answers and scraped samples to what each resource uses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from purveyor.plugin import Labels, MetricSeries, ResourceKind, ResourceMetrics
from purveyor_prometheus._config import SourceSettings

__all__ = ["Key", "Measured", "Places", "from_series", "identity", "merged", "resource"]

SOURCES: Mapping[ResourceKind, str] = {
    ResourceKind.HOST: "node_exporter",
    ResourceKind.CONTAINER: "cadvisor",
}

AMOUNTS = (
    "cpu_used",
    "cpu_limit",
    "memory_used",
    "memory_limit",
    "storage_used",
    "storage_limit",
    "network_received",
    "network_sent",
)


Key = tuple[ResourceKind, str]
"""What a resource is, and its id."""


@attrs.define
class Measured:
    """What is known of one resource, field by field.

    Attributes:
        labels: Labels that tell what it is.
        fields: Amounts by their names in ``ResourceMetrics``.
        time: Seconds since 1970, where it is known.
    """

    labels: Mapping[str, str]
    fields: dict[str, float | None] = attrs.field(factory=dict)
    time: float | None = None


def identity(kind: ResourceKind, labels: Mapping[str, str]) -> str | None:
    """The id of the resource that these labels tell of; None if they tell of none.

    A host is known by its address, a container by ``namespace/pod/container`` or else by its host's address and name.
    """
    instance = labels.get("instance")
    if kind is ResourceKind.HOST:
        return instance or None
    if labels.get("container"):
        parts = (labels.get("namespace"), labels.get("pod"), labels["container"])
        return "/".join(part for part in parts if part)
    return "/".join(part for part in (instance, labels["name"]) if part) if labels.get("name") else None


def from_series(kind: ResourceKind, answers: Mapping[str, Iterable[MetricSeries]]) -> dict[str, Measured]:
    """What the queries of one kind say, by resource.

    Args:
        kind: What was asked about.
        answers: Field to the series that its query gave.
    """
    found: dict[str, Measured] = {}
    for field, series in answers.items():
        for one in series:
            name = identity(kind, one.labels)
            if name is None or not one.points:
                continue
            measured = found.setdefault(name, Measured(one.labels))
            asked, value = one.points[-1]
            if field == "time":
                measured.time = value
            else:
                measured.time = asked if measured.time is None else measured.time
                measured.fields.setdefault(field, value)
    return found


class Places:
    """Which machine and which deployment a resource belongs to, by the settings.

    A resource is asked about by its id, its labels, and other names that it goes by, such as that of its host.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def instance(self, name: str, labels: Mapping[str, str], *others: str) -> str | None:
        """The machine, as ``provider/id``."""
        told = labels.get(self._settings.instance_label or "") or None
        if told and self._settings.instance_provider:
            return f"{self._settings.instance_provider}/{told}"
        if told and all(told.partition("/")):
            return told
        return _first(self._settings.instances, name, labels, others)

    def deployment(self, name: str, labels: Mapping[str, str], *others: str) -> str | None:
        """The deployment."""
        told = labels.get(self._settings.deployment_label or "")
        return told or _first(self._settings.deployments, name, labels, others)


def _first(
    table: Mapping[str, str], name: str, labels: Mapping[str, str], others: Iterable[str]
) -> str | None:
    """What the table says of a resource: the special before the general."""
    return next((table[key] for key in _keys(name, labels, others) if key in table), None) if table else None


def _keys(name: str, labels: Mapping[str, str], others: Iterable[str]) -> Iterator[str]:
    yield name
    yield from (f"{label}={value}" for label, value in sorted(labels.items()))
    yield from others
    address = labels.get("instance", "")
    yield address
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        yield host.strip("[]")


def resource(
    kind: ResourceKind, name: str, measured: Measured, *, provider: str, places: Places, now: datetime
) -> ResourceMetrics:
    """What one resource uses, as everybody sees it."""
    amounts: dict[str, Any] = {field: measured.fields.get(field) for field in AMOUNTS}
    return ResourceMetrics(
        provider=provider,
        id=name,
        time=_moment(measured.time, now),
        source=SOURCES[kind],
        kind=kind,
        instance_id=places.instance(name, measured.labels),
        deployment=places.deployment(name, measured.labels),
        labels=Labels(measured.labels),
        **amounts,
    )


def _moment(seconds: float | None, now: datetime) -> datetime:
    if seconds is None or not math.isfinite(seconds):
        return now
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return now


def merged(first: ResourceMetrics, second: ResourceMetrics) -> ResourceMetrics:
    """One resource that was measured in two ways: what the first does not know is taken from the second."""
    names = (*AMOUNTS, "instance_id", "deployment")
    missing: dict[str, Any] = {
        field: getattr(second, field) for field in names if getattr(first, field) is None
    }
    return attrs.evolve(first, labels=Labels({**second.labels, **first.labels}), **missing)
