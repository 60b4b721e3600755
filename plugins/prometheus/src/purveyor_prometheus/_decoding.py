"""From answers of the API to values: the envelope, then what the endpoint has put into it."""

from __future__ import annotations

from typing import TypeVar

import attrs
import msgspec

from purveyor.plugin import Labels, MetricSeries, Point
from purveyor.wire import Response
from purveyor_prometheus._errors import is_json

__all__ = ["Answer", "Metadata", "Target", "Targets", "decoded", "result"]

T = TypeVar("T")

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Metadata(msgspec.Struct, frozen=True):
    """What is known of a metric.

    Attributes:
        metric: Its name; empty where the question was about one.
        target: Labels of the target that tells it, for ``targets_metadata``.
    """

    type: str = "unknown"
    help: str = ""
    unit: str = ""
    metric: str = ""
    target: dict[str, str] = {}


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """One target that the server scrapes.

    Attributes:
        discovered_labels: Labels before relabelling, ``__address__`` among them.
        last_scrape_duration: Seconds.
    """

    labels: dict[str, str] = {}
    discovered_labels: dict[str, str] = {}
    scrape_pool: str = ""
    scrape_url: str = ""
    health: str = "unknown"
    last_error: str = ""
    last_scrape: str = ""
    last_scrape_duration: float = 0.0


class Targets(msgspec.Struct, rename="camel"):
    """All targets of a server."""

    active_targets: list[Target] | None = None
    dropped_targets: list[Target] | None = None


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    warnings: list[str] | None = None
    infos: list[str] | None = None
    partial: bool = msgspec.field(name="isPartial", default=False)


class _Histogram(msgspec.Struct):
    count: str


class _Row(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] | None = None
    histogram: tuple[float, _Histogram] | None = None
    histograms: list[tuple[float, _Histogram]] | None = None


class _Result(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")
    result: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_RESULT = msgspec.json.Decoder(_Result)
_ROWS: msgspec.json.Decoder[list[_Row] | None] = msgspec.json.Decoder(list[_Row] | None)
_SCALAR = msgspec.json.Decoder(tuple[float, str])


@attrs.frozen(kw_only=True)
class Answer:
    """What a query gave.

    Attributes:
        kind: ``vector``, ``matrix``, ``scalar`` or ``string``. VictoriaMetrics gives scalars as a vector.
        series: In the order of their labels; a scalar is one without labels. The values of a native histogram are its
            counts of observations.
        text: What a string query says.
        warnings: What the server wants known; the answer may lack something. Never an error.
    """

    kind: str
    series: tuple[MetricSeries, ...] = ()
    text: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def value(self) -> float | None:
        """The one number that it says, as a scalar or as a vector of one; None where there is none."""
        points = self.series[0].points if len(self.series) == 1 else ()
        return points[-1][1] if points else None


def decoded(response: Response, kind: type[T]) -> tuple[T, tuple[str, ...]]:
    """What an endpoint has put into its envelope, and the warnings beside it.

    Raises:
        ProtocolMismatchError: It is no answer of this API.
    """
    envelope = _envelope(response)
    try:
        data = msgspec.json.decode(envelope.data, type=kind)
    except _UNREADABLE as error:
        raise response.mismatch(_told(error)) from None
    return data, _warnings(envelope)


def result(response: Response, source: str = "") -> Answer:
    """What a query gave.

    Args:
        response: The answer.
        source: Whom it came from.

    Raises:
        ProtocolMismatchError: It is no answer of this API.
    """
    envelope = _envelope(response)
    try:
        told = _RESULT.decode(envelope.data)
        answer = _answer(told, source)
    except _UNREADABLE as error:
        raise response.mismatch(_told(error)) from None
    except ValueError:
        raise response.mismatch("a value is not a number") from None
    if answer is None:
        raise response.mismatch(f"its resultType is {ascii(told.result_type)[:40]}")
    return attrs.evolve(answer, warnings=_warnings(envelope))


def _answer(told: _Result, source: str) -> Answer | None:
    match told.result_type:
        case "string":
            return Answer(kind="string", text=_SCALAR.decode(told.result)[1])
        case "scalar":
            time, value = _SCALAR.decode(told.result)
            alone = MetricSeries(labels=Labels(), points=(Point(time, float(value)),), source=source)
            return Answer(kind="scalar", series=(alone,))
        case "vector" | "matrix":
            rows = sorted(_ROWS.decode(told.result) or (), key=lambda row: sorted(row.metric.items()))
            return Answer(kind=told.result_type, series=tuple(_series(row, source) for row in rows))
    return None


def _series(row: _Row, source: str) -> MetricSeries:
    plain = [*([row.value] if row.value else ()), *(row.values or ())]
    counts = [*([row.histogram] if row.histogram else ()), *(row.histograms or ())]
    read = [*plain, *((time, one.count) for time, one in counts)]
    return MetricSeries(
        name=row.metric.pop("__name__", ""),
        labels=Labels(row.metric),
        points=tuple(sorted(Point(time, float(value)) for time, value in read)),
        source=source,
    )


def _envelope(response: Response) -> _Envelope:
    if not is_json(response):
        raise response.mismatch("it is not JSON")
    try:
        envelope = _ENVELOPE.decode(response.body)
    except _UNREADABLE as error:
        raise response.mismatch(_told(error)) from None
    if envelope.status != "success":
        raise response.mismatch(f"its status is {ascii(envelope.status)[:40]}")
    return envelope


def _warnings(envelope: _Envelope) -> tuple[str, ...]:
    partial = ("the answer is partial",) if envelope.partial else ()
    return (*partial, *(envelope.warnings or ()), *(envelope.infos or ()))


def _told(error: Exception) -> str:
    """What the decoder says, without a value from the answer."""
    if isinstance(error, msgspec.ValidationError):
        return str(error).partition(" - at ")[0][:80]
    return "it is not JSON"
