"""Reads a whole document at once, as long as every line is as plain as exporters write them.

What takes time here is what is done for each line, so this works on columns. One expression cuts the document into cells,
of which every seventh belongs to the same column: what a family says of itself, names, labels and values of samples. A
document that only differs in its numbers from one that was read before is cut into lines instead, which takes less. Anything
that is not plain, good or bad, is left to the reader that goes line by line and knows the whole grammar.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Container, Sequence
from itertools import chain, compress, filterfalse, repeat
from operator import itemgetter, ne
from typing import Any
from weakref import WeakValueDictionary

import attrs
import msgspec

from purveyor.plugin import Labels, MetricFamily, MetricType, Sample
from purveyor_prometheus._exposition_grammar import (
    LABEL_NAME,
    METRIC_NAME,
    NUMBER_CHARACTERS,
    TYPES,
    BadLine,
    Declared,
    Dialect,
    ExpositionLimits,
    labels,
    unescape_help,
)
from purveyor_prometheus._exposition_lines import LONGEST_SERIES_KEPT, SERIES_KEPT

# What hostile documents can make a process keep: some 64 MiB for each of these, and no more however many there are.
CHARACTERS_KEPT = 2**26
LABELS_KEPT = SERIES_KEPT
SHAPES_KEPT = 64
LONGEST_SHAPE_KEPT = 2**20
_WORTH_IT = 8  # below this many samples there is nothing to gain
_FEW = 40
_NO_LABELS = Labels()
_as_json = msgspec.json.Decoder(list[float]).decode
_zip: Callable[..., Any] = zip

# A match is a sample, and the notes right before it; each begins with a line feed, which is found fast. What comes first of
# HELP and TYPE does so in all of a document, or else stands between the matches.
_NAME = f"({METRIC_NAME.pattern}+)"
_BLANKS = {Dialect.TEXT: "[ \\t]*+", Dialect.OPENMETRICS: ""}
_SAMPLE = {
    (dialect, first): re.compile(
        rf"\n(?:# {first} {_NAME} {blanks}(.*+)\n(?:# {second} \1 {blanks}(.*+)\n)?+)?+{_NAME}(?: |(\{{.*\}}) )(.*+)",
        re.ASCII,
    )
    for dialect, blanks in _BLANKS.items()
    for first, second in (("HELP", "TYPE"), ("TYPE", "HELP"))
}
_NOTE = {
    dialect: re.compile(rf"\n# (HELP|TYPE) {_NAME} {blanks}(.*+)", re.ASCII)
    for dialect, blanks in _BLANKS.items()
}
_BLANK_LINES = {Dialect.TEXT: "\n", Dialect.OPENMETRICS: ""}
_LABELS_SHAPE = re.compile(rf'\{{{LABEL_NAME.pattern}+="(?:,{LABEL_NAME.pattern}+=")*+\}}', re.ASCII)
_BETWEEN, _FAMILY, _FIRST, _SECOND, _OF, _LABELS, _VALUE = range(7)

_KINDS = {dialect: {None: MetricType.UNKNOWN, **known} for dialect, known in TYPES.items()}

_Cells = Sequence[Any]
"""Texts, and None for what is not there."""
_Written = tuple[str | None, ...]
_Declared = tuple[Sequence[str], _Cells, _Cells]
"""The names of families, their types and their helps as they are written."""
_Gaps = tuple[tuple[int, str], ...]
"""What else stands before a sample, of those that have anything, and before which."""
_Told = tuple[_Gaps, _Cells, _Cells, _Cells]
"""What stands elsewhere, and what is told right before samples: of whom, for each sample; HELP; TYPE."""
_Columns = tuple[Sequence[str], Sequence[MetricType], Sequence[str], Sequence[slice]]


class _NotPlainError(Exception):
    """This document needs the reader that goes line by line."""


@attrs.frozen(eq=False)
class _Lines:
    """Where the samples stand in documents of one shape, and what stands elsewhere."""

    notes: tuple[str, ...]
    pick_notes: Callable[[Sequence[str]], tuple[str, ...]]
    pick_samples: Callable[[Sequence[str]], tuple[str, ...]]
    count: int

    @classmethod
    def of(cls, text: str) -> _Lines:
        """Those of one document."""
        lines = text.split("\n")
        # Comments and blank lines sort below "$", names above it.
        pick_notes = _picker([at for at, line in enumerate(lines) if line < "$"])
        pick_samples = _picker([at for at, line in enumerate(lines) if line >= "$"])
        return cls(pick_notes(lines), pick_notes, pick_samples, len(lines))


@attrs.define(eq=False)
class _Shape:
    """What is the same for all machines that run the same exporter and differ in labels; shared, which saves most of it.

    Attributes:
        told: What stands before the samples, as it is written.
        names: Of each sample.
        families: Their names, types and helps, and where the samples of each begin and end.
        layouts: By the labels of each sample, as they are written.
        lines: Known when one of its layouts came again.
        heads: What stands before values in these, each once for all that have it.
    """

    told: _Told
    names: tuple[str, ...]
    families: _Columns
    layouts: WeakValueDictionary[_Written, _Layout] = attrs.field(factory=WeakValueDictionary)
    lines: _Lines | None = None
    heads: dict[str, str] = attrs.field(factory=dict)

    def shared(self, heads: Sequence[str]) -> tuple[str, ...]:
        """The same, but for that other machines have most of it, too."""
        if len(self.heads) > SERIES_KEPT:
            self.heads.clear()
        return tuple(map(self.heads.setdefault, heads, heads))


@attrs.define(eq=False)
class _Layout:
    """What stays the same while only the numbers change: in tuples, since the garbage collector leaves those of texts alone.

    Attributes:
        labels: Of each sample.
        heads: What stands before each value; known when it came again, since it is not worth it before.
    """

    shape: _Shape
    labels: Sequence[Labels]
    heads: tuple[str, ...] = ()
    _length: int = 0

    def came_again(self, written: _Written, text: str) -> None:
        """Be ready for more of the same."""
        if self.shape.lines is None:
            self.shape.lines = _Lines.of(text)
        heads = [f"{name}{one or ''} " for name, one in zip(self.shape.names, written, strict=True)]
        self.heads, self._length = self.shape.shared(heads), len("".join(heads))

    def values(self, text: str) -> Sequence[str] | None:
        """The values as they are written, if all the rest is as it was."""
        known = self.shape.lines
        if not self.heads or known is None:
            return None
        lines = text.split("\n")
        if len(lines) != known.count or known.pick_notes(lines) != known.notes:
            return None
        samples = known.pick_samples(lines)
        values = list(map(str.removeprefix, samples, self.heads))
        # A sample that begins in another way stays as long as it is, which makes all of them too long.
        return values if len("".join(values)) + self._length == len("".join(samples)) else None


class PlainReader:
    """Reads plain documents and keeps the layouts of those that it has seen, up to a bound."""

    def __init__(self, dialect: Dialect, limits: ExpositionLimits, keep: int = CHARACTERS_KEPT) -> None:
        self._dialect = dialect
        self._limits = limits
        self._keep = keep
        self._kept = 0
        self._layouts: dict[_Layout, int] = {}  # and their sizes, oldest first
        self._sources: WeakValueDictionary[str, _Layout] = WeakValueDictionary()
        self._labels: dict[str | None, Labels] = {}
        self._shapes: dict[_Cells, _Shape] = {}
        self._lock = threading.Lock()

    def read(
        self, text: str, source: str = "", only: Container[str] | None = None
    ) -> list[MetricFamily] | None:
        """All families, or those of these names, or None if the document is not plain."""
        if "\r" in text:
            if self._dialect is Dialect.TEXT:
                text = text.replace("\r\n", "\n")  # no part of the format, but harmless
            if "\r" in text:
                return None
        layout = self._sources.get(source)
        values = layout.values(text) if layout else None
        try:
            if layout is None or values is None:
                layout, values = self._by_cells(text, layout)
                self._keep_layout(layout, source, len(text))
            numbers = _numbers(values)
            if only is None:
                return _families(layout, numbers, source)
            return _some_families(layout, numbers, source, only)
        except (_NotPlainError, BadLine, ValueError, KeyError):
            return None

    def _by_cells(self, text: str, before: _Layout | None) -> tuple[_Layout, Sequence[str]]:
        whole = self._without_end(f"\n{text}")
        helps, types = whole.find("\n# HELP "), whole.find("\n# TYPE ")
        first = "TYPE" if types >= 0 and not 0 <= helps < types else "HELP"
        cells: list[Any] = _SAMPLE[self._dialect, first].split(whole)
        if not _WORTH_IT <= len(cells) // 7 <= self._limits.samples:
            raise _NotPlainError
        shape = self._shape(cells, first, len(text), before.shape if before else None)
        written = tuple(cells[_LABELS::7])
        layout = shape.layouts.get(written)
        if layout is None:
            layout = shape.layouts[written] = _Layout(shape, self._its_labels(written))
        elif not layout.heads:
            layout.came_again(written, text)
        return layout, cells[_VALUE::7]

    def _keep_layout(self, layout: _Layout, source: str, size: int) -> None:
        """Sources whose series are the same share one; what no source has any more is forgotten."""
        with self._lock:
            before = self._sources.get(source) if source else None
            self._sources[source] = layout
            if layout not in self._layouts:
                self._layouts[layout] = size
                self._kept += size
            if before is not None and before is not layout and before not in self._sources.values():
                self._kept -= self._layouts.pop(before, 0)
            while self._kept > self._keep:
                self._kept -= self._layouts.pop(next(iter(self._layouts)))
            if len(self._labels) > LABELS_KEPT:
                self._labels = {}

    def _without_end(self, text: str) -> str:
        if self._dialect is Dialect.OPENMETRICS:
            text, mark, end = text.rpartition("\n# EOF")
            if not mark or end not in {"", "\n"}:
                raise _NotPlainError
        return text

    def _shape(self, cells: _Cells, first: str, size: int, before: _Shape | None) -> _Shape:
        """One that others have, or that the source had before: there may be more of them than are kept."""
        names = tuple(cells[_OF::7])
        begins = cells[_FAMILY::7]
        firsts, seconds = (list(compress(cells[at::7], begins)) for at in (_FIRST, _SECOND))
        gaps = cells[_BETWEEN::7]
        between: _Gaps = ()
        if "".join(gaps).strip(_BLANK_LINES[self._dialect]):
            between = tuple([(at, gaps[at]) for at in compress(range(len(gaps)), gaps)])
        told = between, begins, *((firsts, seconds) if first == "HELP" else (seconds, firsts))
        few = names[
            :: len(names) // _FEW + 1
        ]  # enough to tell exporters apart; all would take their time to hash
        for shape in (self._shapes.get(few), before):
            if shape is not None and shape.told == told and shape.names == names:
                return shape
        shape = _Shape(told, names, _columns(names, begins, _declared(told, self._dialect), self._dialect))
        if len(self._shapes) >= SHAPES_KEPT:
            self._shapes.clear()
        if size <= LONGEST_SHAPE_KEPT:
            self._shapes[few] = shape
        return shape

    def _its_labels(self, written: _Written) -> Sequence[Labels]:
        """Those of each sample, which for many are the same."""
        known = self._labels
        known[None] = _NO_LABELS
        fresh: list[Any] = list({*written}.difference(known))
        together, longest = "".join(fresh), min(LONGEST_SERIES_KEPT, self._limits.label_length)
        if len(together) > longest and max(map(len, fresh)) > longest:
            raise _NotPlainError
        odd = [one for one in fresh if "\\" in one] if "\\" in together else []
        plain = [one for one in fresh if "\\" not in one] if odd else fresh
        known.update(zip(odd, map(self._odd_labels, odd), strict=True))
        found = _plain_labels(plain, self._limits.labels) or map(self._odd_labels, plain)
        known.update(zip(plain, found, strict=True))
        return _picker(written)(known)

    def _odd_labels(self, written: str) -> Labels:
        name, found = labels(written[1:-1], self._dialect, self._limits)
        if name is not None:
            raise _NotPlainError
        return found


def _plain_labels(written: Sequence[str], most: int) -> list[Labels] | None:
    """Labels that are written like ``{a="1",b="2"}`` and have no escapes; None if any are written otherwise."""
    parts = "\n".join(written).split('"')  # in turns what stands around the values, and the values
    shapes = '"'.join(parts[::2]).split("\n")  # one each, or else a value did not end
    names = {shape: _label_names(shape, most) for shape in {*shapes}}
    if len(parts) % 2 == 0 or len(shapes) != len(written) or None in names.values():
        return None
    values = iter(parts[1::2])  # each takes as many as it has names
    return list(map(Labels, map(_zip, map(names.__getitem__, shapes), repeat(values))))


def _label_names(shape: str, most: int) -> Sequence[str] | None:
    """The names in ``{a=",b="}``; None if there is anything else."""
    if not _LABELS_SHAPE.fullmatch(shape):
        return None
    names = shape[1:-3].split('=",')
    return names if len({*names}) == len(names) <= most and "__name__" not in names else None


def _declared(told: _Told, dialect: Dialect) -> _Declared:
    """The names of families, and what TYPE and HELP say of each, or None.

    Each may be said once, and a type before the samples that it is for: else the order of all lines would matter.
    """
    between, begins, helps, types = told
    names = list(compress(begins, begins))
    if not between:
        return names, types, helps
    there = {*names}
    once = len(there) == len(names)
    said = {"TYPE": dict(zip(names, types, strict=True)), "HELP": dict(zip(names, helps, strict=True))}
    for at, gap in between:
        cells = _NOTE[dialect].split(gap)
        once = once and not "".join(cells[::4]).strip(_BLANK_LINES[dialect])
        for kind, name, text in zip(cells[1::4], cells[2::4], cells[3::4], strict=True):
            late = kind == "TYPE" and name in there and begins[at : at + 1] != [name]
            once = once and not late and said[kind].get(name) is None
            for each in said.values():
                each.setdefault(name)
            said[kind][name] = text
    if not once:
        raise _NotPlainError
    return list(said["TYPE"]), list(said["TYPE"].values()), list(said["HELP"].values())


def _columns(names: Sequence[str], begins: _Cells, declared: _Declared, dialect: Dialect) -> _Columns:
    """The families, in the order of their samples; then those without any."""
    families, types, helps = declared
    kinds = list(map(_KINDS[dialect].__getitem__, types))
    changes = list(map(ne, names, chain(("",), names)))
    starts, owners = list(compress(range(len(names)), changes)), list(compress(names, changes))
    told = list(_picker(starts)(begins))
    said = dict(zip(families, kinds, strict=True))
    if len(said) != len(families):
        raise _NotPlainError
    if None in types:
        said = {name: kind for (name, kind), type_ in zip(said.items(), types, strict=True) if type_}
        told = [name if name in said else None for name in told]
    if told != owners:
        starts, owners = _merged(starts, owners, told, said)
    if owners != families:
        there = {*owners}
        if len(there) != len(owners):
            raise _NotPlainError  # families that are mixed with one another
        owners += filterfalse(there.__contains__, families)
        kinds = list(map(said.get, owners, repeat(MetricType.UNKNOWN)))
        helps = list(map(dict(zip(families, helps, strict=True)).get, owners))
    cuts = list(map(slice, starts, [*starts[1:], len(names)]))
    cuts += repeat(slice(0, 0), len(owners) - len(cuts))
    if None in helps:
        helps = [text or "" for text in helps]
    if "\\" in "".join(helps):
        helps = [unescape_help(text, dialect) for text in helps]
    return owners, kinds, helps, cuts


def _merged(
    starts: Sequence[int], names: Sequence[str], told: _Cells, said: dict[str, MetricType]
) -> tuple[list[int], list[str]]:
    """Where the samples of another family begin, and of which: some have a suffix.

    Args:
        starts: Where another name begins.
        names: Which one.
        told: The family whose type is told right before that, or None.
        said: All that have a type.
    """
    owner_of = Declared(said).owner_of
    owners, new = list(names), bytearray(b"\1") * len(names)
    for at in compress(range(len(names)), map(ne, told, names)):
        owner = owners[at] = owner_of(names[at])
        new[at] = at == 0 or owner != owners[at - 1]
        # A type must be told before the first of its family's samples, and not before another's.
        if told[at] != owner if told[at] else new[at] and owner in said:
            raise _NotPlainError
    return list(compress(starts, new)), list(compress(owners, new))


def _picker(places: _Cells) -> Callable[[Any], tuple[Any, ...]]:
    """Takes what stands at these places."""
    return itemgetter(*places) if len(places) > 1 else lambda there: tuple([there[at] for at in places])


def _numbers(values: Sequence[str]) -> list[float]:
    """What the values are; read as JSON where they are written alike, which takes half the time."""
    text = ",".join(values)
    if (
        " " not in text and "\t" not in text and "-0," not in f"{text},"
    ):  # blanks mean nothing there, nor does the sign of 0
        with contextlib.suppress(msgspec.DecodeError):
            numbers = _as_json(f"[{text}]")
            if len(numbers) == len(values):
                return numbers
    # float() takes a little more than a number may be: blanks around it, underscores, digits of all scripts.
    if "".join(values).encode().translate(None, NUMBER_CHARACTERS.encode()):
        raise _NotPlainError
    return list(map(float, values))


def _families(layout: _Layout, numbers: Sequence[float], source: str) -> list[MetricFamily]:
    samples = tuple(map(Sample, layout.shape.names, layout.labels, numbers))
    names, kinds, helps, cuts = layout.shape.families
    parts = map(samples.__getitem__, cuts)
    return list(map(MetricFamily, names, kinds, helps, repeat(""), parts, repeat(None), repeat(source)))


def _some_families(
    layout: _Layout, numbers: Sequence[float], source: str, only: Container[str]
) -> list[MetricFamily]:
    shape, found = layout.shape, []
    for name, kind, told, cut in zip(*shape.families, strict=True):
        if name in only:
            samples = tuple(map(Sample, shape.names[cut], layout.labels[cut], numbers[cut]))
            found.append(MetricFamily(name, kind, told, "", samples, None, source))
    return found
