"""The real documents that the tests read, where they are present."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "exposition"

CONTENT_TYPES = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "om1": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

Series = tuple[str, frozenset[tuple[str, str]]]


@attrs.frozen
class Document:
    name: str
    format: str
    verdict: str

    @property
    def data(self) -> bytes:
        return (ROOT / self.name).read_bytes()

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.format]

    def golden(self) -> Mapping[Series, float] | None:
        """What a Prometheus server stored of it."""
        path = ROOT / "golden" / f"{self.name.replace('/', '__')}.jsonl"
        if not path.exists():
            return None
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return {(name, frozenset(labels.items())): float(value) for name, labels, value in rows}


def documents() -> list[Document]:
    """All in one of the text formats, with the verdict that a collector should give."""
    index = ROOT / "index.tsv"
    if not index.exists():
        return []
    with index.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Document(row["file"], row["format"], row["recommended"])
        for row in rows
        if row["format"] in CONTENT_TYPES
    ]
