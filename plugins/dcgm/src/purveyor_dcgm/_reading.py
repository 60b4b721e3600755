"""Reads what dcgm-exporter writes, which is nearly an exposition document: it escapes neither labels nor help texts.

A document that a strict reader takes is read by it. Another one is read line by line with what is known of the
exporter's template: a label ends where the next one begins, or the braces do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from purveyor.plugin import Labels, MetricFamily, ProtocolMismatchError, Sample
from purveyor_dcgm._fields import OURS
from purveyor_prometheus import ExpositionLimits, parse_exposition

__all__ = ["Reader"]

_DEFAULT = ExpositionLimits()
_LONGEST = 65_536
"""Characters that one sample may take."""

_LINE = re.compile(r"(\w+)\{(.*)\}[ \t]+(\S+)(?:[ \t]+(-?[0-9]{1,19}))?[ \t\r]*", re.ASCII | re.DOTALL)
_LABEL = re.compile(
    r'[ \t]*([a-zA-Z_]\w*)="(.*?)"[ \t]*(?:,(?=[ \t]*[a-zA-Z_]\w*="|[ \t]*\Z)|\Z)', re.ASCII | re.DOTALL
)


class Reader:
    """Reads one document, as ``parse_exposition`` does; for an endpoint.

    Attributes:
        refused: What a strict reader said of it, if it had to be read in the other way.
        cut: Whether some of it could not be read in that way either.
    """

    def __init__(self) -> None:
        self.refused: ProtocolMismatchError | None = None
        self.cut = False

    def __call__(
        self,
        data: bytes,
        content_type: str | None = None,
        *,
        limits: ExpositionLimits = _DEFAULT,
        source: str = "",
    ) -> Sequence[MetricFamily]:
        """The families of the document.

        Raises:
            ProtocolMismatchError: There is nothing of dcgm-exporter in it that can be read.
        """
        try:
            return parse_exposition(data, content_type, limits=limits, source=source)
        except ProtocolMismatchError as error:
            if error.details.get("line") is None:
                raise  # another format, or too large
            found, unread = _by_line(data.decode(errors="replace"), limits)
            if not found:
                raise
            self.refused = error
            # OpenMetrics has a last line, which tells; the other format has none.
            self.cut = unread or "openmetrics" in (content_type or "")
        return found


def _by_line(text: str, limits: ExpositionLimits) -> tuple[list[MetricFamily], bool]:
    """All samples that can be read, and whether there are others. A label may go over several lines."""
    found: dict[str, list[Sample]] = {}
    lines = text.split("\n")
    held, unread = "", bool(lines[-1]) and not lines[-1].startswith(OURS)
    for line in lines:
        begins = line.startswith((*OURS, "#"))
        unread, held = unread or bool(held and begins), "" if begins else held
        if not held and not line.startswith(OURS):
            continue
        sample = _sample(held + line, limits)
        if sample is not None:
            found.setdefault(sample.name, []).append(sample)
        held = "" if sample is not None else f"{held}{line}\n"
        if len(held) > _LONGEST:
            unread, held = True, ""
    families = [MetricFamily(name, samples=samples) for name, samples in found.items()]
    return families, unread or bool(held)


def _sample(text: str, limits: ExpositionLimits) -> Sample | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    name, inside, value, time = match.groups()
    labels = _labels(inside, limits)
    try:
        number = float(value)
    except ValueError:
        return None
    if labels is None or "_" in value:
        return None
    return Sample(name, labels, number, None if time is None else int(time) / 1000)


def _labels(text: str, limits: ExpositionLimits) -> Labels | None:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        name, value = match.groups()
        if name in found or len(found) >= limits.labels or len(value) > limits.label_length:
            return None
        found[name] = value
        at = match.end()
    return Labels(found)
