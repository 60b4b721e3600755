"""Ours against the reader of the official Python client: the same samples, bit for bit.

Its text reader gives counters another name, so that ours is compared without the ending that it adds.
"""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purveyor.plugin import MetricFamily, ProtocolMismatchError
from purveyor_prometheus import iter_exposition, parse_exposition

from ._exposition_documents import CONTENT_TYPES, Document, documents

parser = pytest.importorskip("prometheus_client.parser")
openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser")

# The client keeps one of the samples whose times are within one nanosecond.
UNLIKE = {"openmetrics/duplicate_timestamps_0.om.txt"}
GOOD = [document for document in documents() if document.verdict == "ok" and document.name not in UNLIKE]

Row = tuple[str, tuple[tuple[str, str], ...], bytes, bytes]


def bits(value: float | None) -> bytes:
    # All NaNs are one here: none of the formats can tell them apart.
    if value is None:
        return b""
    return b"nan" if value != value else struct.pack(">d", value)  # noqa: PLR0124


def ours(families: Iterable[MetricFamily], *, counters: bool) -> list[Row]:
    return sorted(
        (
            sample.name.removesuffix("_total") if counters else sample.name,
            tuple(sorted(sample.labels.items())),
            bits(sample.value),
            bits(sample.timestamp),
        )
        for family in families
        for sample in family.samples
    )


def theirs(text: str, *, strict: bool) -> list[Row]:
    read = openmetrics.text_string_to_metric_families if strict else parser.text_string_to_metric_families
    return sorted(
        (
            sample.name if strict else sample.name.removesuffix("_total"),
            tuple(sorted(sample.labels.items())),
            bits(float(sample.value)),
            bits(None if sample.timestamp is None else float(sample.timestamp)),
        )
        for family in read(text)
        for sample in family.samples
        if sample.value is not None
    )


@pytest.mark.parametrize("document", GOOD, ids=lambda document: document.name)
def test_real_documents(document: Document) -> None:
    strict = document.format == "om1"
    text = document.data.decode()
    try:
        expected = theirs(text, strict=strict)
    except ValueError as error:
        pytest.skip(f"the client refuses it: {error}")
    read = parse_exposition(document.data, document.content_type)
    assert ours(read, counters=not strict) == expected


names = st.from_regex(r"[a-z_:][a-z0-9_:]{0,8}", fullmatch=True)
label_names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
values = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["+Inf", "-Inf", "NaN", "1e+06", "1.", ".5", "+3", "0000012", "9223372036854775794"]),
)
texts = st.text(
    st.one_of(st.sampled_from('\\"n{}=,# \t'), st.characters(codec="utf-8", exclude_characters="\r\n")),
    max_size=12,
)


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@st.composite
def series_of(draw: st.DrawFn, name: str) -> str:
    labels = draw(st.dictionaries(label_names, st.one_of(texts, st.just("a\nb")), max_size=4))
    inside = ",".join(f'{label}="{escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{inside}}}" if labels or draw(st.booleans()) else name


@st.composite
def text_documents(draw: st.DrawFn) -> str:
    lines = []
    for name in draw(st.lists(names, max_size=6, unique=True)):
        if draw(st.booleans()):
            lines.append(f"# HELP {name} {escaped(draw(texts))}")
        if draw(st.booleans()):
            lines.append(f"# TYPE {name} {draw(st.sampled_from(['counter', 'gauge', 'untyped']))}")
        for _ in range(draw(st.integers(0, 8))):
            stamp = draw(st.one_of(st.just(""), st.integers(-(2**53), 2**53).map(lambda time: f" {time}")))
            lines.append(f"{draw(series_of(name))} {draw(values)}{stamp}")
    return "\n".join(lines) + "\n"


@st.composite
def openmetrics_documents(draw: st.DrawFn) -> str:
    lines = []
    for name in draw(st.lists(st.from_regex(r"[a-z]{3,6}", fullmatch=True), max_size=6, unique=True)):
        lines.append(f"# TYPE {name} gauge")
        lines.append(f"# HELP {name} {escaped(draw(texts))}")
        series = draw(st.lists(series_of(name), max_size=8, unique_by=lambda one: one.replace("{}", "")))
        lines.extend(f"{one} {draw(values)}" for one in series)
    return "\n".join([*lines, "# EOF"]) + "\n"


@settings(max_examples=150, deadline=None)
@given(text_documents())
def test_any_text_document(text: str) -> None:
    # The client takes every line end that Python knows for one; the format knows one only.
    expected = theirs(text, strict=False)
    for _first_and_again in range(2):
        read = parse_exposition(text.encode(), CONTENT_TYPES["text"])
        assert ours(read, counters=True) == expected
    data = text.encode()
    pieces = [data[at : at + 9] for at in range(0, len(data), 9)]
    assert ours(iter_exposition(pieces, CONTENT_TYPES["text"]), counters=True) == expected


@settings(max_examples=150, deadline=None)
@given(openmetrics_documents())
def test_any_openmetrics_document(text: str) -> None:
    try:
        expected = theirs(text, strict=True)
    except ValueError:
        return  # it also refuses two series that differ in the order of their labels only
    for _first_and_again in range(2):
        read = parse_exposition(text.encode(), CONTENT_TYPES["om1"])
        assert ours(read, counters=False) == expected


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), texts.map(str.encode), text_documents().map(str.encode)), st.data())
def test_anything_is_read_or_refused(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    for content_type in (*CONTENT_TYPES.values(), None):
        for body in (data[:cut], data + data[:cut]):
            try:
                parse_exposition(body, content_type)
            except ProtocolMismatchError as error:
                assert error.details["reason"]  # noqa: PT017
