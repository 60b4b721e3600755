"""Real documents: the verdict that a collector should give, and the values that a real server stored."""

import json
import math
import re

import pytest

from purveyor.plugin import MetricFamily, ProtocolMismatchError
from purveyor_prometheus import ExpositionReader, iter_exposition, parse_exposition
from purveyor_prometheus import _exposition as exposition
from purveyor_prometheus._exposition_lines import LineReader

from ._exposition_documents import CONTENT_TYPES, ROOT, Document, documents

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"the recorded documents are not at {ROOT}")

DOCUMENTS = documents()
GOOD = [document for document in DOCUMENTS if document.verdict == "ok"]
BAD = [document for document in DOCUMENTS if document.verdict == "error"]


def name_of(document: Document) -> str:
    return document.name


def rows(families: list[MetricFamily]) -> list[str]:
    """Everything about every sample, in an order of its own; repr tells NaN from NaN-free and -0.0 from 0.0."""
    return sorted(
        repr((family.name, family.type, family.help, family.unit, sample))
        for family in families
        for sample in family.samples
    )


def by_line(document: Document) -> list[MetricFamily]:
    """What the reader that knows the whole grammar makes of it."""
    reader = LineReader(exposition._dialect(document.content_type, document.data), exposition._DEFAULT, {})
    exposition._read(reader, document.data.decode(), 1)
    return list(reader.take(finished=True))


@pytest.mark.parametrize("document", GOOD, ids=name_of)
def test_a_good_document_is_read_with_the_values_that_a_server_stored(document: Document) -> None:
    families = parse_exposition(document.data, document.content_type)
    golden = document.golden()
    if golden is None:
        return
    read: dict[object, list[float]] = {}
    for family in families:
        for sample in family.samples:
            # A server takes an empty label for an absent one, and stores one value of a repeated series.
            labels = frozenset(item for item in sample.labels.items() if item[1])
            read.setdefault((sample.name, labels), []).append(sample.value)
    assert read.keys() == golden.keys()
    for series, value in golden.items():
        assert value in read[series] or (math.isnan(value) and any(map(math.isnan, read[series])))


@pytest.mark.parametrize("document", BAD, ids=name_of)
def test_a_bad_document_is_refused_with_line_and_reason(document: Document) -> None:
    with pytest.raises(ProtocolMismatchError) as caught:
        parse_exposition(document.data, document.content_type)
    assert caught.value.details["reason"]
    assert 1 <= caught.value.details["line"] <= document.data.count(b"\n") + 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_is_neither_clearly_good_nor_bad_still_gets_a_verdict(document: Document) -> None:
    for content_type in (document.content_type, None):
        try:
            parse_exposition(document.data, content_type)
        except ProtocolMismatchError as error:
            assert document.verdict != "ok" or content_type is None, error  # noqa: PT017


@pytest.mark.parametrize("document", GOOD, ids=name_of)
def test_all_ways_through_give_the_same(document: Document) -> None:
    want = rows(by_line(document))
    for _first_and_again in range(2):
        assert rows(parse_exposition(document.data, document.content_type)) == want
    for size in (7, 4096):
        pieces = [document.data[at : at + size] for at in range(0, len(document.data), size)]
        assert rows(list(iter_exposition(pieces, document.content_type))) == want


def test_every_gpu_document_has_the_samples_that_it_should() -> None:
    for line in (ROOT / "dcgm_expect.jsonl").read_text(encoding="utf-8").splitlines():
        expected = json.loads(line)
        data = (ROOT / expected["file"]).read_bytes()
        reader = ExpositionReader("text/plain; charset=utf-8")
        families = []
        try:
            families += reader.feed(data)
            reader.close()
        except ProtocolMismatchError:
            assert re.search("truncated|html", expected["file"])
        families += reader.rest()
        assert sum(len(family.samples) for family in families) == expected["samples"], expected["file"]


def test_a_document_of_a_whole_machine_takes_the_short_way_and_is_remembered() -> None:
    reader = exposition.PlainReader(exposition.Dialect.TEXT, exposition._DEFAULT)
    for name in ("live/node_exporter_1.5.0.txt", "dcgm_synthetic/h100x8_k8s.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        first = reader.read(text)
        assert first is not None
        for content_type in (None, CONTENT_TYPES["text"]):
            assert rows(parse_exposition(text.encode(), content_type)) == rows(first)
        kept = len(reader._layouts)
        again = reader.read(re.sub(r"(?m)^([^#].*) \S+$", r"\1 7", text))
        assert again is not None
        assert len(reader._layouts) == kept
        assert {sample.value for family in again for sample in family.samples} == {7.0}
        assert again[0].samples[0].labels is first[0].samples[0].labels
