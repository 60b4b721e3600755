"""The exposition formats: text 0.0.4 (and its quoted names) and OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NoReturn

from msgspec.structs import replace

from purveyor.plugin import MetricFamily, ProtocolMismatchError
from purveyor_prometheus._exposition_grammar import BadLine, Dialect, ExpositionLimits
from purveyor_prometheus._exposition_lines import LineReader, SeriesCache
from purveyor_prometheus._exposition_plain import PlainReader

ACCEPT = "text/plain;version=0.0.4"
"""What to ask a server for: the smallest surface; whatever text format comes is read."""

_MEDIA_TYPES = {"text/plain": Dialect.TEXT, "application/openmetrics-text": Dialect.OPENMETRICS}
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_DEFAULT = ExpositionLimits()
_PLAIN = {dialect: PlainReader(dialect, _DEFAULT) for dialect in Dialect}
_KNOWN: dict[Dialect, SeriesCache] = {dialect: {} for dialect in Dialect}


def parse_exposition(
    data: bytes,
    content_type: str | None = None,
    *,
    limits: ExpositionLimits = _DEFAULT,
    source: str = "",
    only: Container[str] | None = None,
) -> list[MetricFamily]:
    """Read one document.

    Families come each once, in the order of their first samples, and then those that were declared and have none.
    Repeated series are all there. Native histograms are left out: they are no single numbers.

    Args:
        data: The body, inflated.
        content_type: The answer's header; without one the document itself decides.
        limits: What the document may be at most.
        source: Whom it was read from: each family says so, and the next document of the same source is read faster.
        only: Names of families to give; what else there is is checked all the same, and left out. None for all.

    Raises:
        ProtocolMismatchError: A collector should refuse it; ``details`` holds ``line`` and ``reason``.
    """
    if len(data) > limits.body:
        _refuse(0, f"the body is longer than {limits.body} bytes")
    dialect = _dialect(content_type, data)
    text = _decode(data, 1)
    plain = _PLAIN[dialect] if limits == _DEFAULT else PlainReader(dialect, limits, keep=0)
    families = plain.read(text, source, only)
    if families is None:
        reader = LineReader(dialect, limits, _KNOWN[dialect] if limits == _DEFAULT else {})
        _read(reader, text, 1)
        found = reader.take(finished=True)
        families = [replace(one, source=source) for one in found if only is None or one.name in only]
    return families


def iter_exposition(
    chunks: Iterable[bytes], content_type: str | None = None, *, limits: ExpositionLimits = _DEFAULT
) -> Iterator[MetricFamily]:
    """Read one document that comes in pieces, family by family; see :class:`ExpositionReader`.

    What was good comes out before what is bad is raised.

    Raises:
        ProtocolMismatchError: A collector should refuse the document.
    """
    reader = ExpositionReader(content_type, limits=limits)
    try:
        for chunk in chunks:
            yield from reader.feed(chunk)
        reader.close()
    except ProtocolMismatchError:
        yield from reader.rest()
        raise
    yield from reader.rest()


class ExpositionReader:
    """Reads one document piece by piece and never holds more than one family, and a line.

    A family whose samples are mixed with another's comes out more than once. Without a Content-Type the document is
    taken for text 0.0.4, since only its end would tell.
    """

    def __init__(self, content_type: str | None = None, *, limits: ExpositionLimits = _DEFAULT) -> None:
        dialect = _dialect(content_type, b"")
        self._limits = limits
        self._lines = LineReader(dialect, limits, _KNOWN[dialect] if limits == _DEFAULT else {})
        self._held = b""
        self._bytes = 0
        self._number = 1

    def feed(self, data: bytes) -> list[MetricFamily]:
        """Take in a piece; families that are complete come out.

        Raises:
            ProtocolMismatchError: A collector should refuse the document.
        """
        self._bytes += len(data)
        if self._bytes > self._limits.body:
            _refuse(0, f"the body is longer than {self._limits.body} bytes")
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._held += data
            return []
        whole, self._held = self._held + whole, rest
        text = _decode(whole, self._number)
        self._number = _read_lines(self._lines, text.split("\n"), self._number)
        return list(self._lines.take(finished=False))

    def close(self) -> None:
        """Say that nothing more comes.

        Raises:
            ProtocolMismatchError: The document is not complete.
        """
        _read(self._lines, _decode(self._held, self._number), self._number)

    def rest(self) -> list[MetricFamily]:
        """The families that have not come out yet: at the end, or all that was good before an error."""
        return list(self._lines.take(finished=True))


def _dialect(content_type: str | None, data: bytes) -> Dialect:
    media = (content_type or "").partition(";")[0].strip().lower()
    if media in _UNSAID:
        return Dialect.OPENMETRICS if data[-16:].rstrip().endswith(b"\n# EOF") else Dialect.TEXT
    if media not in _MEDIA_TYPES:
        _refuse(0, f"the answer is {media[:60]!r}, which is no exposition format that is read here")
    return _MEDIA_TYPES[media]


def _decode(data: bytes, line: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        _refuse(line + data.count(b"\n", 0, error.start), "it is not UTF-8")


def _read(reader: LineReader, text: str, number: int) -> None:
    """Read lines to the document's end."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    number = _read_lines(reader, lines, number)
    try:
        reader.close()
    except BadLine as error:
        _refuse(number, str(error))


def _read_lines(reader: LineReader, lines: Iterable[str], number: int) -> int:
    try:
        for line in lines:
            reader.read(line)
            number += 1
    except BadLine as error:
        _refuse(number, str(error))
    return number


def _refuse(line: int, reason: str) -> NoReturn:
    where = f"line {line}: " if line else ""
    raise ProtocolMismatchError(f"{where}{reason}", details={"line": line or None, "reason": reason})
