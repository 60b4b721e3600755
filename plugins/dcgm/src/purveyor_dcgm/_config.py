"""Settings of exporters that are scraped directly, of servers that scrape them, or of both."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from purveyor_prometheus import SourceSettings

__all__ = ["Settings"]


def _label_names(_settings: object, _field: object, value: Mapping[str, str]) -> None:
    for one in value:
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", one):
            msg = f"must have names of labels, not {one!r:.80}"
            raise ValueError(msg)


@attrs.frozen(kw_only=True)
class Settings(SourceSettings):
    """Settings of one provider; where to read, and whose machines these are, is said as for Prometheus.

    Attributes:
        match: Labels that a server's series must have, such as ``cluster: a``; all series without it.
    """

    match: Mapping[str, str] = attrs.field(factory=dict, validator=_label_names)
