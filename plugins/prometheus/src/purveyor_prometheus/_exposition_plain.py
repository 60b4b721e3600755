"""Reads a whole document at once, as long as every line is as plain as exporters write them.

What takes time here is what is done for each line, so this works on columns: all samples are cut at their last blank,
and what stands before it (the series) and behind it (the value) are two columns. A document whose series are the same
ones as before, in the same order, then only costs reading its numbers. Anything that is not plain, good or bad, is left
to the reader that goes line by line and knows the whole grammar.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import compress, filterfalse, repeat
from operator import getitem, itemgetter, ne
from typing import Any

import attrs

from purveyor.plugin import Labels, MetricFamily, MetricType, Sample
from purveyor_prometheus._exposition_grammar import (
    LABEL_NAME,
    METRIC_NAME,
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
LONGEST_NOTES_KEPT = 2**20
_WORTH_IT = 8  # below this many samples there is nothing to gain
_NO_LABELS = Labels()
_new: Callable[..., Any] = tuple.__new__

_Columns = tuple[Sequence[str], Sequence[MetricType], Sequence[str], Sequence[str]]
_Shape = tuple[tuple[str, ...], tuple[str, ...], _Columns, Sequence[slice]]
"""Notes, names, families and cuts of a layout; shared by many, which saves most of what they would take."""


# Slices are objects that the garbage collector looks at: few for all layouts, not a thousand for each.
_until = lru_cache(4096)(slice)
_behind = lru_cache(4096)(lambda length: slice(length, None))


class _NotPlainError(Exception):
    """This document needs the reader that goes line by line."""


@attrs.frozen(eq=False)
class _Layout:
    """What stays the same while only the numbers change: in tuples, since the garbage collector leaves those of texts alone.

    Attributes:
        are_samples: Which lines are samples; the others are notes.
        heads: Every series as it is written, and the blank behind it.
        labels: Of each series.
        notes: Every line that is no sample.
        names: Of each series.
        families: Their names, types, helps and units.
        cuts: Where the samples of each family begin and end.
    """

    are_samples: tuple[bool, ...]
    heads: tuple[str, ...]
    labels: Sequence[Labels]
    notes: tuple[str, ...]
    names: Sequence[str]
    families: _Columns
    cuts: Sequence[slice]

    # What follows is only worth working out when a document comes again.

    @cached_property
    def pick_notes(self) -> Callable[[Sequence[str]], tuple[str, ...]]:
        return _picker([at for at, is_sample in enumerate(self.are_samples) if not is_sample])

    @cached_property
    def pick_samples(self) -> Callable[[Sequence[str]], tuple[str, ...]]:
        return _picker([at for at, is_sample in enumerate(self.are_samples) if is_sample])

    @cached_property
    def before_values(self) -> Sequence[slice]:
        return [_until(len(head)) for head in self.heads]

    @cached_property
    def behind_heads(self) -> Sequence[slice]:
        return [_behind(len(head)) for head in self.heads]

    def values(self, lines: Sequence[str]) -> Sequence[str] | None:
        """The values as they are written, if all the rest is as it was."""
        if len(lines) != len(self.are_samples) or self.pick_notes(lines) != self.notes:
            return None
        samples = self.pick_samples(lines)
        if tuple(map(getitem, samples, self.before_values)) != self.heads:
            return None
        return list(map(getitem, samples, self.behind_heads))


class PlainReader:
    """Reads plain documents and keeps the layouts of those that it has seen, up to a bound."""

    def __init__(self, dialect: Dialect, limits: ExpositionLimits, keep: int = CHARACTERS_KEPT) -> None:
        self._dialect = dialect
        self._limits = limits
        self._keep = keep
        self._kept = 0
        self._layouts: dict[object, _Layout] = {}
        self._sizes: dict[object, int] = {}
        self._labels: dict[str, Labels] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._shapes: dict[tuple[tuple[str, ...], tuple[str, ...]], _Shape] = {}
        self._lock = threading.Lock()

    def read(self, text: str, source: str = "") -> list[MetricFamily] | None:
        """All families, or None if the document is not plain."""
        if "\r" in text and self._dialect is Dialect.TEXT:
            text = text.replace("\r\n", "\n")  # no part of the format, but harmless
        lines = text.split("\n")
        try:
            layout, values = self._known_layout(lines, source) or self._store(lines, source, len(text))
            return _families(layout, values, source)
        except (_NotPlainError, BadLine, ValueError, KeyError):
            return None

    def _known_layout(self, lines: Sequence[str], source: str) -> tuple[_Layout, Sequence[str]] | None:
        """The layout that this source had last, or that others like it have: all of it is compared."""
        for key in filter(None, (source, _key(lines))):
            layout = self._layouts.get(key)
            values = layout.values(lines) if layout else None
            if layout is not None and values is not None:
                return layout, values
        return None

    def _store(self, lines: Sequence[str], source: str, size: int) -> tuple[_Layout, Sequence[str]]:
        """A new layout; of those that look alike at first, each source keeps its own."""
        layout, values = self._new_layout(lines)
        key = _key(lines)
        if source and key in self._layouts:
            key = source
        with self._lock:
            self._kept -= self._sizes.pop(key, 0)
            self._layouts[key], self._sizes[key] = layout, size
            self._kept += size
            while self._kept > self._keep:
                oldest = next(iter(self._sizes))
                self._kept -= self._sizes.pop(oldest)
                del self._layouts[oldest]
            if len(self._labels) > LABELS_KEPT:
                self._labels, self._names = {}, {}
        return layout, values

    def _new_layout(self, lines: Sequence[str]) -> tuple[_Layout, Sequence[str]]:
        # Comments and blank lines sort below "$", names and braces above it.
        are_samples = tuple([line >= "$" for line in lines])
        notes = tuple([line for line in lines if line < "$"])
        count = len(lines) - len(notes)
        if self._dialect is Dialect.OPENMETRICS and "# EOF" not in lines[-1 if lines[-1] else -2 :]:
            raise _NotPlainError
        if not _WORTH_IT <= count <= self._limits.samples:
            raise _NotPlainError
        series, values = _cut(compress(lines, are_samples))
        names, its_labels = self._series(series)
        shape = self._shape(notes, names)
        heads = tuple([f"{one} " for one in series])
        return _Layout(are_samples, heads, its_labels, *shape), values

    def _shape(self, notes: tuple[str, ...], names: tuple[str, ...]) -> _Shape:
        """What is the same for all machines that run the same exporter and differ in labels."""
        shape = self._shapes.get((notes, names))
        if shape is None:
            declared = self._declared(notes)
            _check_names({*names, *declared.order})
            shape = (notes, names, *_cuts(names, declared))
            if len(self._shapes) >= SHAPES_KEPT:
                self._shapes.clear()
            if sum(map(len, notes)) <= LONGEST_NOTES_KEPT:
                self._shapes[notes, names] = shape
        return shape

    def _declared(self, notes: tuple[str, ...]) -> Declared:
        known, types, helps = TYPES[self._dialect], {}, {}
        if self._dialect is Dialect.OPENMETRICS:
            notes = _without_end(notes)
        for line in filter(None, notes):
            mark, kind, name, text = line.split(" ", 3)
            if kind == "TYPE":
                types[name] = known[text]
            elif kind == "HELP":
                helps[name] = text
            else:
                raise _NotPlainError
            if mark != "#":
                raise _NotPlainError
        if self._dialect is Dialect.TEXT:
            helps = {name: text.lstrip(" \t") for name, text in helps.items()}
        if "\\" in "".join(helps.values()):
            helps = {name: unescape_help(text, self._dialect) for name, text in helps.items()}
        return Declared(types, helps, order={**helps, **types})

    def _series(self, series: tuple[str, ...]) -> tuple[tuple[str, ...], Sequence[Labels]]:
        names, braces, insides = zip(*[one.partition("{") for one in series], strict=True)
        if braces.count("") != insides.count(""):
            raise _NotPlainError
        known = self._labels
        known[""] = _NO_LABELS
        for inside in {*insides} - known.keys():
            known[inside] = self._new_labels(inside)
        return names, [known[inside] for inside in insides]

    def _new_labels(self, inside: str) -> Labels:
        """Labels as they stand behind the opening brace."""
        if len(inside) > LONGEST_SERIES_KEPT:
            raise _NotPlainError
        parts = f",{inside}".split(
            '"'
        )  # in turns what stands before a value, and the value; at the end a brace
        if "\\" in inside or len(inside) > self._limits.label_length or parts[-1] != "}":
            return self._odd_labels(inside)
        fragments = tuple(parts[:-1:2])
        names = self._names.get(fragments)
        if names is None:
            names = self._names[fragments] = _label_names(fragments)
        if len(names) * 2 + 1 != len(parts) or len(names) > self._limits.labels:
            raise _NotPlainError
        return Labels(zip(names, parts[1::2], strict=True))

    def _odd_labels(self, inside: str) -> Labels:
        if inside[-1] != "}":
            raise _NotPlainError
        name, found = labels(inside[:-1], self._dialect, self._limits)
        if name is not None:
            raise _NotPlainError
        return found


def _key(lines: Sequence[str]) -> object:
    """A few series, evenly spread."""
    return tuple([line.rpartition(" ")[0] for line in lines[:: len(lines) // _WORTH_IT or 1]])


def _label_names(fragments: Sequence[str]) -> tuple[str, ...]:
    """The names in what stands between the values of labels, which is ``,name=`` each."""
    names = tuple([part[1:-1] for part in fragments])
    good = all(LABEL_NAME.fullmatch(name) and name != "__name__" for name in names)
    if not good or [f",{name}=" for name in names] != [*fragments] or len({*names}) < len(names):
        raise _NotPlainError
    return names


def _cut(lines: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    series, _, values = zip(*[line.rpartition(" ") for line in lines], strict=True)
    return series, values


def _check_names(names: set[str]) -> None:
    # A Python identifier in ASCII is a good name; what is not may still be one, with a colon in it.
    odd = [name for name in filterfalse(str.isidentifier, names) if not METRIC_NAME.fullmatch(name)]
    if odd or not "".join(names).isascii():
        raise _NotPlainError


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    if len(places) <= 1:
        return lambda lines: tuple([lines[at] for at in places])
    return itemgetter(*places)


def _without_end(notes: tuple[str, ...]) -> tuple[str, ...]:
    if not notes[-1]:
        notes = notes[:-1]
    if notes[-1:] != ("# EOF",) or "" in notes or "# EOF" in notes[:-1]:
        raise _NotPlainError
    return notes[:-1]


def _cuts(names: Sequence[str], declared: Declared) -> tuple[_Columns, Sequence[slice]]:
    """The families, in the order of their samples, and where the samples of each are; then those without any."""
    types, helps = declared.types, declared.helps
    changes = list(map(ne, names, ("", *names[:-1])))
    starts: dict[str, int] = {}
    last = ""
    for at, name in zip(compress(range(len(names)), changes), compress(names, changes), strict=True):
        owner = name if name in types else declared.owner_of(name)
        if owner != last:
            if owner in starts:
                raise _NotPlainError  # families that are mixed with one another
            last = owner
            starts[owner] = at
    firsts = list(starts.values())
    cuts = list(map(slice, firsts, [*firsts[1:], len(names)]))
    families = [*starts, *[name for name in declared.order if name not in starts]]
    cuts += repeat(slice(0, 0), len(families) - len(starts))
    kinds = list(map(types.get, families, repeat(MetricType.UNKNOWN)))
    told = list(map(helps.get, families, repeat("")))
    return (families, kinds, told, [""] * len(families)), cuts


def _families(layout: _Layout, values: Sequence[str], source: str) -> list[MetricFamily]:
    # float() takes a little more than a number may be: blanks around it, underscores, digits of all scripts.
    written = "".join(values)
    if "_" in written or not (written.isascii() and written.isprintable()):
        raise _NotPlainError
    # tuple.__new__ makes the same tuple as Sample(...) does, without a Python function for each one.
    nothing = repeat(None)
    columns = zip(layout.names, layout.labels, map(float, values), nothing, nothing, strict=False)
    samples: tuple[Sample, ...] = tuple(map(_new, repeat(Sample), columns))
    cuts = map(samples.__getitem__, layout.cuts)
    rows = zip(*layout.families, cuts, nothing, repeat(source), strict=False)
    return list(map(_new, repeat(MetricFamily), rows))
