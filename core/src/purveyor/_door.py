"""What the parts of the async door share."""

from __future__ import annotations

from datetime import datetime

from purveyor.engine.registry import Surroundings
from purveyor.model.errors import ValidationError

__all__ = ["PROVISION_SECONDS", "READ_SECONDS", "Door", "check_period"]

READ_SECONDS = 60.0
"""Default deadline of everything that only looks."""
PROVISION_SECONDS = 300.0
"""Default deadline of everything that makes or changes machines."""


class Door:
    """What every part of the client needs."""

    _around: Surroundings

    def _deadline(self, seconds: float) -> float:
        return self._around.clock.monotonic() + seconds


def check_period(start: datetime, end: datetime) -> None:
    """Refuse a period that is none."""
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise ValidationError(
            "start and end must have time zones, and start must be before end", field="start"
        )
