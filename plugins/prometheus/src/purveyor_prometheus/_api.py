"""Prometheus' HTTP API, as Prometheus 2 and 3, VictoriaMetrics and what imitates them speak it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeVar

import attrs

from purveyor.plugin import Call, Labels, MetricSeries, Outcome, Point, ValidationError
from purveyor.wire import Replicas, Response, path
from purveyor_prometheus._decoding import Answer, Metadata, Target, Targets, decoded, result

__all__ = ["MAX_POINTS", "Api"]

T = TypeVar("T")

MAX_STEPS = 11_000
"""Steps that a range may have in one request."""
MAX_POINTS = 1_000_000
"""Points of one series that are asked for at most, over all requests."""


class Api:
    """The operations of the API; each is one request, unless it says otherwise.

    Args:
        replicas: Whom to ask.
    """

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def query(
        self, call: Call, promql: str, *, time: float | None = None, limit: int | None = None
    ) -> Answer:
        """Evaluate an expression at one time.

        Args:
            call: The call that it belongs to.
            promql: The expression.
            time: Seconds since 1970; None for the server's now.
            limit: Series that are returned at most; kept here, because older servers ignore it.

        Raises:
            ValidationError: The expression is wrong; the server's words say where.
        """
        params: dict[str, str | int] = {"query": promql}
        params |= {} if time is None else {"time": _moment(time)}
        answer = await self._replicas.get(call, "/api/v1/query", params, result, operation="query")
        return attrs.evolve(answer, series=answer.series[:limit])

    async def query_range(self, call: Call, promql: str, *, start: float, end: float, step: float) -> Answer:
        """Evaluate an expression at every multiple of ``step`` from ``start`` up to ``end``.

        Times are multiples of ``step`` so that two calls whose ranges overlap agree. One request is made for every
        11,001 points.

        Args:
            call: The call that it belongs to.
            promql: The expression.
            start: Seconds since 1970.
            end: Seconds since 1970; inclusive.
            step: Seconds; milliseconds count.

        Raises:
            ValidationError: The expression or the range is wrong.
        """
        points: dict[tuple[str, Labels], list[Point]] = {}
        found: dict[tuple[str, Labels], MetricSeries] = {}
        warnings: dict[str, None] = {}
        for first, last in _windows(start, end, step):
            params = {"query": promql, "start": _moment(first), "end": _moment(last), "step": _moment(step)}
            answer = await self._replicas.get(
                call, "/api/v1/query_range", params, result, operation="query_range"
            )
            warnings |= dict.fromkeys(answer.warnings)
            for series in answer.series:
                key = (series.name, series.labels)
                found.setdefault(key, series)
                points.setdefault(key, []).extend(
                    point for point in series.points if _within(point, first, last)
                )
        return Answer(
            kind="matrix",
            series=tuple(attrs.evolve(found[key], points=tuple(points[key])) for key in found),
            warnings=tuple(warnings),
        )

    async def series(
        self, call: Call, matchers: Iterable[str], *, start: float | None = None, end: float | None = None
    ) -> list[dict[str, str]]:
        """The label sets, each once, that any of the matchers fits; one request for each matcher."""
        sets: dict[Labels, None] = {}
        for matcher in matchers:
            params = {"match[]": matcher} | _between(start, end)
            rows = await self._get(call, "/api/v1/series", params, list[dict[str, str]], "series")
            sets |= dict.fromkeys(map(Labels, rows))
        return [dict(one) for one in sets]

    async def labels(self, call: Call, *, start: float | None = None, end: float | None = None) -> list[str]:
        """The names of all labels."""
        return await self._get(call, "/api/v1/labels", _between(start, end), list[str], "labels")

    async def label_values(self, call: Call, name: str) -> list[str]:
        """All values of one label."""
        route = path("/api/v1/label/{}/values", _spelled(name))
        return await self._get(call, route, {}, list[str], "label_values")

    async def targets(self, call: Call, *, state: str = "active") -> list[Target]:
        """What the server scrapes.

        Args:
            call: The call that it belongs to.
            state: ``active``, ``dropped`` or ``any``.
        """
        found = await self._get(call, "/api/v1/targets", {"state": state}, Targets, "targets")
        return [*(found.active_targets or ()), *(found.dropped_targets or ())]

    async def metadata(self, call: Call, *, metric: str | None = None) -> dict[str, list[Metadata]]:
        """Type, help and unit of metrics; empty where the server keeps none, such as VictoriaMetrics."""
        params = {} if metric is None else {"metric": metric}
        return await self._get(call, "/api/v1/metadata", params, dict[str, list[Metadata]], "metadata")

    async def targets_metadata(self, call: Call, metric: str) -> list[Metadata]:
        """What each target says about a metric."""
        params = {"metric": metric}
        return await self._get(call, "/api/v1/targets/metadata", params, list[Metadata], "targets_metadata")

    async def build_info(self, call: Call) -> dict[str, str]:
        """Version and the like; empty where the server does not tell."""
        return await self._get(call, "/api/v1/status/buildinfo", {}, dict[str, str], "build_info")

    async def check(self, call: Call) -> None:
        """Return if the API answers a query that costs it nothing."""
        await self.query(call, "vector(1)")

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        await self._replicas.aclose()

    async def _get(
        self, call: Call, route: str, params: Mapping[str, str | int], kind: type[T], operation: str
    ) -> T:
        read = partial(_read, kind=kind)
        return await self._replicas.get(call, route, params, read, operation=operation)


def _read(response: Response, _: str, *, kind: type[T]) -> T:
    data, _warnings = decoded(response, kind)
    return data


def _windows(start: float, end: float, step: float) -> list[tuple[float, float]]:
    """First and last time of each request; all are multiples of the step, reckoned in milliseconds."""
    every = round(step * 1000) if math.isfinite(step) else 0
    if every < 1:
        raise ValidationError("step must be a millisecond at least", field="step", outcome=Outcome.NOT_SENT)
    if not (math.isfinite(start) and math.isfinite(end) and start <= end):
        raise ValidationError("end must not be before start", field="end", outcome=Outcome.NOT_SENT)
    first, last = -(-round(start * 1000) // every), round(end * 1000) // every
    if last - first >= MAX_POINTS:
        raise ValidationError(
            f"the range has more than {MAX_POINTS:,} points: a longer step is needed",
            field="step",
            outcome=Outcome.NOT_SENT,
        )
    starts = range(first, last + 1, MAX_STEPS + 1)
    return [(one * every / 1000, min(one + MAX_STEPS, last) * every / 1000) for one in starts]


def _within(point: Point, first: float, last: float) -> bool:
    """Some servers widen a range for the sake of their cache."""
    return first - 0.0005 <= point.timestamp <= last + 0.0005


def _moment(seconds: float) -> str:
    if not math.isfinite(seconds):
        raise ValidationError("a time must be a number", field="time", outcome=Outcome.NOT_SENT)
    return f"{seconds:.3f}"


def _between(start: float | None, end: float | None) -> dict[str, str | int]:
    given = {"start": start, "end": end}
    return {name: _moment(value) for name, value in given.items() if value is not None}


def _spelled(name: str) -> str:
    """A label's name for a path: what is not plain is written as ``U__…``, as the API wants it."""
    if name.isascii() and name.replace("_", "a").isalnum() and not name[:1].isdigit():
        return name
    rest = (
        letter if letter.isascii() and letter.isalnum() else "__" if letter == "_" else f"_{ord(letter):x}_"
        for letter in name
    )
    return "U__" + "".join(rest)
