"""Measurements: single samples as they were read, series over time, and what one resource uses.

"No data" is None everywhere, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, NoReturn

import attrs

__all__ = [
    "GpuMetrics",
    "Labels",
    "MetricSeries",
    "Point",
    "ResourceKind",
    "ResourceMetrics",
    "convert_unit",
    "units_of",
]


class Labels(dict[str, str]):
    """Labels of one series: a mapping that never changes, so that many samples share it, and that hashes."""

    __slots__ = ("_hash",)

    def __hash__(self) -> int:  # type: ignore[override]
        try:
            return self._hash
        except AttributeError:
            self._hash: int = hash(frozenset(self.items()))
            return self._hash

    def __reduce__(self) -> tuple[type[Labels], tuple[dict[str, str]]]:
        return Labels, (dict(self),)

    def __repr__(self) -> str:
        return f"Labels({dict(self)!r})"

    def _refuse(self, *_args: object, **_named: object) -> NoReturn:
        msg = "labels never change; make new ones"
        raise TypeError(msg)

    __setitem__ = _refuse
    __delitem__ = _refuse
    __ior__ = _refuse
    clear = _refuse
    pop = _refuse
    popitem = _refuse
    setdefault = _refuse
    update = _refuse


class Point(NamedTuple):
    """One number at one time.

    Attributes:
        timestamp: Seconds since the epoch.
    """

    timestamp: float
    value: float


@attrs.frozen(kw_only=True)
class MetricSeries:
    """One series over time.

    Attributes:
        name: Empty for a computed series.
        points: Oldest first; a time without data has no point.
        unit: What the values are in, where known.
        source: Whom it was asked of.
    """

    labels: Labels
    points: tuple[Point, ...]
    name: str = ""
    unit: str = ""
    source: str = ""


class ResourceKind(Enum):
    """What is measured."""

    HOST = "host"
    CONTAINER = "container"
    DEPLOYMENT = "deployment"


def _reading(value: float | None) -> float | None:
    """What can be an amount: NaN, infinities and what is below zero are no data."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _amount(unit: str) -> Any:
    return attrs.field(default=None, converter=_reading, metadata={"unit": unit})


@attrs.frozen(kw_only=True)
class GpuMetrics:
    """What one GPU, or one MIG instance of it, does.

    Attributes:
        id: Its UUID; a MIG instance's is its parent's with ``/`` and the instance's id behind it.
        index: Its number within the machine, as the source writes it.
        profile: A MIG instance's profile, such as ``1g.10gb``; empty for a whole GPU.
        utilization: Share of the time in which something ran on it, 0 to 1.
        engine_active: Share of the time in which its engines for graphics and compute were busy, 0 to 1.
        memory_used: Bytes.
        memory_limit: Bytes that can be used, those in use included.
        memory_reserved: Bytes beside these that driver and firmware keep to themselves.
        power: Watts of the whole board; its MIG instances have none of their own.
        energy: Joules of the whole board since the driver was loaded.
        temperature: Degrees Celsius.
        error: Number of the last error that the driver reported (XID); it stays until a restart. 0 for none.
        containers: Whom it is given to, as ``namespace/pod/container``; several may share it.
        time: When it was measured, UTC, where it is known apart from its resource's.
    """

    id: str
    index: str = ""
    model: str = ""
    profile: str = ""
    utilization: float | None = _amount("ratio")
    engine_active: float | None = _amount("ratio")
    memory_used: float | None = _amount("bytes")
    memory_limit: float | None = _amount("bytes")
    memory_reserved: float | None = _amount("bytes")
    power: float | None = _amount("watts")
    energy: float | None = _amount("joules")
    temperature: float | None = attrs.field(default=None, converter=_finite, metadata={"unit": "celsius"})
    error: int | None = None
    containers: tuple[str, ...] = ()
    time: datetime | None = None
    labels: Labels = attrs.field(factory=Labels, repr=False)


@attrs.frozen(kw_only=True)
class ResourceMetrics:
    """What one resource uses, at one time. ``(provider, id)`` identifies it.

    A field is None where there is no data: not measured, not known yet, or no limit. :func:`units_of` names the units.

    Attributes:
        provider: Name of the configured provider that told.
        id: The resource's name there: an address, or ``namespace/pod/container``.
        time: When it was measured, UTC.
        source: What it was measured by, such as ``node_exporter`` or ``cadvisor``.
        instance_id: The machine that it is or runs on, as ``provider/id``, where that is known.
        deployment: The deployment that it belongs to, where that is known.
        cpu_used: Cores, averaged since the measurement before.
        cpu_limit: Cores.
        memory_used: Bytes that cannot be taken back.
        memory_limit: Bytes.
        storage_used: Bytes.
        storage_limit: Bytes.
        network_received: Bytes per second.
        network_sent: Bytes per second.
        gpus: None where nobody could look; empty where there are none.
        absent: What was looked for and is not there, such as ``dcgm``: nothing is known of what it would tell.
        labels: What else the source says about it.
    """

    provider: str
    id: str
    time: datetime
    source: str
    kind: ResourceKind = ResourceKind.HOST
    instance_id: str | None = None
    deployment: str | None = None
    cpu_used: float | None = _amount("cores")
    cpu_limit: float | None = _amount("cores")
    memory_used: float | None = _amount("bytes")
    memory_limit: float | None = _amount("bytes")
    storage_used: float | None = _amount("bytes")
    storage_limit: float | None = _amount("bytes")
    network_received: float | None = _amount("bytes/second")
    network_sent: float | None = _amount("bytes/second")
    gpus: tuple[GpuMetrics, ...] | None = None
    absent: tuple[str, ...] = ()
    labels: Labels = attrs.field(factory=Labels, repr=False)


def units_of(kind: type[ResourceMetrics | GpuMetrics]) -> Mapping[str, str]:
    """The unit of every measured field of a class, by the field's name."""
    return dict(_units(kind))


def _units(kind: type[ResourceMetrics | GpuMetrics]) -> Iterator[tuple[str, str]]:
    for field in attrs.fields(kind):
        if "unit" in field.metadata:
            yield field.name, field.metadata["unit"]


# What is measured, and the size of one unit as a fraction of two whole numbers, which keeps most conversions exact.
_UNITS: Mapping[str, tuple[str, int, int]] = {
    "bytes": ("data", 1, 1),
    "kilobytes": ("data", 10**3, 1),
    "megabytes": ("data", 10**6, 1),
    "gigabytes": ("data", 10**9, 1),
    "kibibytes": ("data", 2**10, 1),
    "mebibytes": ("data", 2**20, 1),
    "gibibytes": ("data", 2**30, 1),
    "bits": ("data", 1, 8),
    "ratio": ("share", 1, 1),
    "percent": ("share", 1, 100),
    "seconds": ("time", 1, 1),
    "milliseconds": ("time", 1, 10**3),
    "microseconds": ("time", 1, 10**6),
    "nanoseconds": ("time", 1, 10**9),
    "joules": ("energy", 1, 1),
    "millijoules": ("energy", 1, 10**3),
    "watts": ("power", 1, 1),
    "milliwatts": ("power", 1, 10**3),
    "hertz": ("frequency", 1, 1),
    "megahertz": ("frequency", 10**6, 1),
    "celsius": ("temperature", 1, 1),
    "cores": ("cpu", 1, 1),
    "millicores": ("cpu", 1, 10**3),
}


def convert_unit(value: float | None, unit: str, to: str) -> float | None:
    """A value in another unit of the same kind; None and NaN are no data and give None.

    Units are plain plurals (``mebibytes``, ``millijoules``, ``percent``); ``/second`` behind one makes a rate.

    Raises:
        ValueError: A unit is not known, or the two do not measure the same.
    """
    (kind, times, over), (wanted, times_to, over_to) = _size(unit), _size(to)
    if kind != wanted:
        msg = f"{unit} cannot be given in {to}"
        raise ValueError(msg)
    if value is None or math.isnan(value):
        return None
    up, down = times * over_to, over * times_to
    return value if up == down else value * up / down


def _size(unit: str) -> tuple[str, int, int]:
    plain, slash, per = unit.partition("/")
    if plain not in _UNITS or (slash and per != "second"):
        msg = f"{unit!r} is not a unit that is known here"
        raise ValueError(msg)
    kind, times, over = _UNITS[plain]
    return kind + slash + per, times, over
