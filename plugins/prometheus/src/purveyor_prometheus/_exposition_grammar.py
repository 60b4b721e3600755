"""What names, labels, numbers and metadata look like in the text formats."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import NamedTuple

import attrs

from purveyor.plugin import Labels, MetricType

# Enough to turn away what cannot be a number before float() looks, which is more generous: it takes 1_000.
NUMBER_CHARACTERS = "0123456789.+-eEinfatyINFATY"

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
_QUOTED = r'"((?:[^"\\]|\\.)*+)"'
_BRACES = r'\{((?:[^"{}]|"(?:[^"\\]|\\.)*+")*+)\}'


class Dialect(Enum):
    """Which of the two text formats a document is in."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


class BadLine(Exception):  # noqa: N818 - it never leaves the reader
    """A line that a collector should refuse; the message says why."""


@attrs.frozen(kw_only=True)
class ExpositionLimits:
    """What a document may be at most.

    Attributes:
        body: Bytes of the whole document.
        samples: Samples of the whole document.
        labels: Labels of one sample.
        label_length: Characters of one label's name or value.
    """

    body: int = 64 * 2**20
    samples: int = 500_000
    labels: int = 64
    label_length: int = 16_384


class SampleLine(NamedTuple):
    """The parts of one sample's line, as they are written."""

    series: str
    value: str
    timestamp: str | None
    exemplar: tuple[str, str, str | None] | None


METRIC_NAME = re.compile(_NAME, re.ASCII)
LABEL_NAME = re.compile(_LABEL, re.ASCII)
_SERIES = re.compile(rf"({_NAME})?[ \t]*(?:{_BRACES})?", re.ASCII)
_LINES = {
    Dialect.TEXT: re.compile(
        rf"[ \t]*(?P<series>(?:{_NAME})?+[ \t]*+{_BRACES}|{_NAME}(?=[ \t]))[ \t]*"
        r"(?P<value>[^ \t{]+)(?:[ \t]+(?P<time>[^ \t]+))?[ \t]*",
        re.ASCII,
    ),
    Dialect.OPENMETRICS: re.compile(
        rf"(?P<series>(?:{_NAME})?+(?:{_BRACES})?) (?P<value>\{{[^{{}}]+\}}|[^ {{]+)(?: (?P<time>[^ #][^ ]*))?"
        rf"(?P<exemplar> # {_BRACES} ([^ ]+)(?: ([^ ]+))?)?",
        re.ASCII,
    ),
}
_ITEMS = {
    Dialect.TEXT: re.compile(
        rf"[ \t]*(?:({_LABEL})|{_QUOTED})[ \t]*(?:=[ \t]*{_QUOTED}[ \t]*)?(,?)[ \t]*", re.ASCII
    ),
    Dialect.OPENMETRICS: re.compile(rf"(?:({_LABEL})|{_QUOTED})(?:={_QUOTED})?(,?)", re.ASCII),
}
_NOTES = {
    Dialect.TEXT: re.compile(
        rf"[ \t]*#[ \t]+(HELP|TYPE)[ \t]+(?:({_NAME})|{_QUOTED})(?:[ \t]+(.*))?", re.ASCII
    ),
    Dialect.OPENMETRICS: re.compile(rf"# (HELP|TYPE|UNIT) (?:({_NAME})|{_QUOTED}) (.*)", re.ASCII),
}
_LIKE_METADATA = re.compile(r"[ \t]*#[ \t]+(?:HELP|TYPE)[ \t]+[^ \t]")
_ESCAPE = re.compile(r'\\([\\n"])')
_HELP_ESCAPE = re.compile(r"\\([\\n])")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)

_TYPES = {kind.value: kind for kind in MetricType}
TYPES = {
    Dialect.TEXT: {**_TYPES, "untyped": MetricType.UNKNOWN, "gauge_histogram": MetricType.GAUGE_HISTOGRAM},
    Dialect.OPENMETRICS: _TYPES,
}

_SUFFIXES = {
    "total": (MetricType.COUNTER,),
    "created": (MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.SUMMARY),
    "bucket": (MetricType.HISTOGRAM, MetricType.GAUGE_HISTOGRAM),
    "count": (MetricType.HISTOGRAM, MetricType.GAUGE_HISTOGRAM, MetricType.SUMMARY),
    "sum": (MetricType.HISTOGRAM, MetricType.GAUGE_HISTOGRAM, MetricType.SUMMARY),
    "gcount": (MetricType.GAUGE_HISTOGRAM,),
    "gsum": (MetricType.GAUGE_HISTOGRAM,),
    "info": (MetricType.INFO,),
}


@attrs.define
class Declared:
    """What HELP, TYPE and UNIT say, by the family's name; the last word counts."""

    types: dict[str, MetricType] = attrs.field(factory=dict)
    helps: dict[str, str] = attrs.field(factory=dict)
    units: dict[str, str] = attrs.field(factory=dict)
    order: dict[str, object] = attrs.field(factory=dict)

    def owner_of(self, name: str) -> str:
        """The family that a sample of this name belongs to: one that allows its suffix, or its own."""
        if name not in self.types:
            base, _, suffix = name.rpartition("_")
            if self.types.get(base) in _SUFFIXES.get(suffix, ()):
                return base
        return name


def number(text: str) -> float:
    """A value as Go writes it.

    Raises:
        BadLine: It is none.
    """
    if text.strip(NUMBER_CHARACTERS):
        raise BadLine(f"{text[:40]!r} is not a number")
    try:
        return float(text)
    except ValueError:
        raise BadLine(f"{text[:40]!r} is not a number") from None


def seconds(text: str, dialect: Dialect) -> float:
    """A timestamp: whole milliseconds in the text format, seconds in OpenMetrics.

    Raises:
        BadLine: It is none.
    """
    if dialect is Dialect.TEXT:
        if not _WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
            raise BadLine(f"{text[:40]!r} is not a timestamp in milliseconds")
        return float(text) / 1000
    value = number(text)
    if not math.isfinite(value):
        raise BadLine(f"{text!r} is not a timestamp")
    return value


def unescape(text: str) -> str:
    """A label's value without its escapes; a backslash before anything else stays."""
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def sample_line(line: str, dialect: Dialect) -> SampleLine:
    """Take one sample's line apart.

    Raises:
        BadLine: It is none.
    """
    match = _LINES[dialect].fullmatch(line)
    if match is None or not match["series"]:
        raise BadLine(f"{line[:60]!r} is neither a sample nor a comment")
    exemplar = None
    if dialect is Dialect.OPENMETRICS and match["exemplar"]:
        inside, value, time = match.groups()[-3:]
        exemplar = (inside, value, time)
    return SampleLine(match["series"], match["value"], match["time"], exemplar)


def series(text: str, dialect: Dialect, limits: ExpositionLimits) -> tuple[str, Labels]:
    """Name and labels of a series, written as ``name{label="value"}`` or ``{"name", label="value"}``.

    Raises:
        BadLine: It is none, or it has too many labels or too long ones.
    """
    match = _SERIES.fullmatch(text)
    name, inside = (match[1], match[2]) if match else (None, None)
    quoted, found = labels(inside, dialect, limits) if inside else (None, Labels())
    if bool(name) == bool(quoted):
        raise BadLine(f"{text[:60]!r} has no name, or two")
    return name or quoted or "", found


def labels(text: str, dialect: Dialect, limits: ExpositionLimits) -> tuple[str | None, Labels]:
    """What stands between braces: a quoted name, if one is there, and the labels.

    Raises:
        BadLine: That is not what it is.
    """
    item, at, quoted = _ITEMS[dialect], 0, None
    found: dict[str, str] = {}
    comma = ","
    while at < len(text):
        if dialect is Dialect.OPENMETRICS and quoted:
            at += len(text[at:]) - len(text[at:].lstrip(" "))
        match = item.match(text, at)
        if match is None or not (comma or dialect is Dialect.TEXT):
            raise BadLine(f"{text[at : at + 40]!r} is not a label")
        plain, name, value, comma = match.groups()
        if value is None:
            if plain or found or quoted or not name:
                raise BadLine(f"{match[0][:40]!r} has no value")
            quoted = unescape(name)
        else:
            _add(found, plain or unescape(name or ""), unescape(value), limits)
        at = match.end()
    if comma and dialect is Dialect.OPENMETRICS and text:
        raise BadLine("a comma at the end of the labels")
    return quoted, Labels(found)


def _add(found: dict[str, str], name: str, value: str, limits: ExpositionLimits) -> None:
    if not name or name == "__name__" or name in found:
        raise BadLine(f"label {name[:40]!r} is reserved, empty or there twice")
    if len(name) > limits.label_length or len(value) > limits.label_length:
        raise BadLine(f"label {name[:40]!r} is longer than {limits.label_length} characters")
    if len(found) >= limits.labels:
        raise BadLine(f"more than {limits.labels} labels")
    found[name] = value


def note(line: str, declared: Declared, dialect: Dialect) -> None:
    """Take in one line that begins with ``#``.

    Raises:
        BadLine: It is neither a comment, where these are allowed, nor good metadata.
    """
    match = _NOTES[dialect].fullmatch(line)
    if match is not None:
        kind, plain, name, text = match.groups()
        _declare(kind, plain or unescape(name), text, declared, dialect)
    elif dialect is Dialect.OPENMETRICS or _LIKE_METADATA.match(line):
        raise BadLine(f"{line[:60]!r} is not good metadata")


def _declare(kind: str, name: str, text: str | None, declared: Declared, dialect: Dialect) -> None:
    declared.order.setdefault(name)
    if kind == "HELP":
        declared.helps[name] = unescape_help(text or "", dialect)
    elif kind == "UNIT":
        if text and not name.endswith(f"_{text}"):
            raise BadLine(f"unit {text[:40]!r} does not end the name {name[:60]!r}")
        declared.units[name] = text or ""
    elif text is not None:
        known = TYPES[dialect].get(text if dialect is Dialect.OPENMETRICS else text.strip(" \t").lower())
        if known is None:
            raise BadLine(f"{text[:40]!r} is not a type")
        declared.types[name] = known


def unescape_help(text: str, dialect: Dialect) -> str:
    """A help text without its escapes; only OpenMetrics escapes quotes in it."""
    escape = _HELP_ESCAPE if dialect is Dialect.TEXT else _ESCAPE
    return escape.sub(_unescaped, text) if "\\" in text else text
