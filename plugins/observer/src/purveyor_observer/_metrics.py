"""From events to metrics, named by Prometheus' conventions, with a bounded number of series."""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from purveyor.plugin import (
    BreakerChanged,
    CallFinished,
    CallRetried,
    CatalogueLooked,
    Event,
    ProviderPicked,
)

__all__ = ["MetricsObserver"]

M = TypeVar("M", Counter, Gauge, Histogram)

MOST = 1000
"""Combinations of labels that one metric may have; one more stands for all others."""

OTHER = "other"

STATES = ("closed", "open", "half_open")

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the durations: from an answer on the same machine to a machine that is being made."""


class _Bounded(Generic[M]):
    """A metric whose combinations of labels are limited, and remembered, since looking one up costs most."""

    def __init__(self, metric: M, labels: int, most: int = MOST) -> None:
        self._metric: M = metric
        self._most = most
        self._other = (OTHER,) * labels
        self._known: dict[tuple[str, ...], M] = {}

    def of(self, *labels: str) -> M:
        """The series with these labels."""
        found = self._known.get(labels)
        if found is None:
            kept = labels if len(self._known) < self._most else self._other
            found = self._metric.labels(*kept)
            if kept is labels:
                self._known[labels] = found
        return found


class MetricsObserver:
    """Counts what it is told; hand it to ``client.observe``.

    Args:
        registry: Where the metrics are; each registry can have them once.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, told: str, *labels: str) -> _Bounded[Counter]:
            return _Bounded(Counter(name, told, labels, registry=registry), len(labels))

        self._calls = counter(
            "purveyor_calls_total", "Calls to providers that are over.", "provider", "operation", "result"
        )
        self._retries = counter(
            "purveyor_call_retries_total", "Tries after the first.", "provider", "operation", "error"
        )
        self._selections = counter(
            "purveyor_selections_total",
            "Requests for which a provider was chosen first.",
            "strategy",
            "provider",
        )
        self._lookups = counter(
            "purveyor_catalogue_lookups_total",
            "Catalogues that were wanted, and remembered or not.",
            "provider",
            "kind",
            "result",
        )
        labels = ("provider", "operation")
        self._durations = _Bounded(
            Histogram(
                "purveyor_call_duration_seconds",
                "From a call's beginning to its end, all tries and waits included.",
                labels,
                buckets=SECONDS,
                registry=registry,
            ),
            len(labels),
        )
        self._breakers = _Bounded(
            Gauge(
                "purveyor_breaker_state",
                "1 for the state that a provider's circuit breaker is in.",
                ("provider", "state"),
                registry=registry,
            ),
            2,
            MOST * len(STATES),
        )

    def __call__(self, event: Event) -> None:
        """Count one event; of a kind that is not known here, nothing."""
        match event:
            case CallFinished():
                result = (event.error or "ok").lower()
                self._calls.of(event.provider, event.operation, result).inc()
                self._durations.of(event.provider, event.operation).observe(event.seconds)
            case CallRetried():
                self._retries.of(event.provider, event.operation, event.error.lower()).inc()
            case BreakerChanged():
                for state in STATES:
                    self._breakers.of(event.provider, state).set(state == event.after)
            case ProviderPicked():
                self._selections.of(event.strategy, event.provider).inc()
            case CatalogueLooked():
                result = "hit" if event.hit else "miss"
                self._lookups.of(event.provider, event.kind.value, result).inc()
