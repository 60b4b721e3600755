"""What an exporter says: single numbers, as they were read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import msgspec

from purveyor.model.metrics import Labels

__all__ = ["Exemplar", "MetricFamily", "MetricType", "Sample"]


class MetricType(Enum):
    """What a family says that its numbers are."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    GAUGE_HISTOGRAM = "gaugehistogram"
    SUMMARY = "summary"
    INFO = "info"
    STATE_SET = "stateset"
    UNKNOWN = "unknown"


class Exemplar(NamedTuple):
    """One observation that stands for many.

    Attributes:
        timestamp: Seconds since the epoch.
    """

    labels: Labels
    value: float
    timestamp: float | None = None


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One number of one series, as it was read; a msgspec struct, because there are very many.

    Attributes:
        name: Name of the series, suffix included.
        value: As it was read: NaN and infinities too. Its unit is the family's.
        timestamp: Seconds since the epoch, where the source gave one; else it holds for the time of reading.
    """

    name: str
    labels: Labels
    value: float
    timestamp: float | None = None
    exemplar: Exemplar | None = None

    @property
    def series(self) -> tuple[str, Labels]:
        """What tells this series from all others: its name and all its labels."""
        return self.name, self.labels


class MetricFamily(msgspec.Struct, frozen=True, gc=False):
    """Samples that belong together, as one source gave them at one time; a msgspec struct, too.

    Attributes:
        name: Name that its type and help were declared under; a lone sample's own name otherwise.
        unit: The unit that it declares; empty if it declares none.
        samples: In the order in which they were read; a series that was repeated is there twice.
        time: When it was read; None where the reader had only the text.
        source: Whom it was read from, such as an address.
    """

    name: str
    type: MetricType = MetricType.UNKNOWN
    help: str = ""
    unit: str = ""
    samples: Sequence[Sample] = ()
    time: datetime | None = None
    source: str = ""
