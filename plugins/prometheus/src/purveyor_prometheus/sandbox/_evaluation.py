"""What an expression gives at one time, from the simulated truth; by the rules of Prometheus 2."""

import itertools
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from purveyor_prometheus.sandbox import _promql as promql
from purveyor_prometheus.sandbox._world import Labels, Storage, Stored, braces

Key = frozenset[tuple[str, str]]
Point = tuple[float, float]

ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TOGETHER: Mapping[str, Callable[[Sequence[float]], float]] = {
    "avg": lambda values: math.fsum(values) / len(values),
    "count": lambda values: float(len(values)),
    "last": lambda values: values[-1],
    "max": max,
    "min": min,
    "sum": math.fsum,
}


class EvaluationError(Exception):
    """The expression is good, but cannot be evaluated on what is there."""


@attrs.frozen
class Row:
    """One series of a vector.

    Attributes:
        labels: The name among them, if it has one.
        time: When the sample was taken, in seconds.
    """

    labels: Labels
    value: float
    time: float

    @property
    def nameless(self) -> Labels:
        """Its labels without the name."""
        return {name: value for name, value in self.labels.items() if name != "__name__"}


Vector = list[Row]
Matrix = list[tuple[Labels, list[Point]]]
Value = float | str | Vector | Matrix


class Evaluator:
    """Evaluates at as many times as one likes, with the series of each selector looked up once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._found: dict[promql.Selector, list[tuple[Labels, Stored]]] = {}

    def value(self, expression: promql.Expression, moment: float) -> Value:
        """What it gives: a number, a string, a vector, or samples over time.

        Raises:
            EvaluationError: It cannot be evaluated.
        """
        match expression:
            case promql.Number() | promql.Text():
                return expression.value
            case promql.Selector():
                return self._selected(expression, moment)
            case promql.Function():
                return self._function(expression, moment)
            case promql.Aggregate():
                return _aggregated(expression, self._vector(expression.of, moment), moment)
            case promql.Binary():
                return self._binary(expression, moment)

    def series(self, selector: promql.Selector) -> list[tuple[Labels, Stored]]:
        """The series that it selects, with all their labels."""
        if selector not in self._found:
            every = (({"__name__": one.name, **one.labels}, one) for one in self._storage.series())
            self._found[selector] = [
                (labels, one)
                for labels, one in every
                if all(matcher.fits(labels.get(matcher.label, "")) for matcher in selector.matchers)
            ]
        return self._found[selector]

    def _selected(self, selector: promql.Selector, moment: float) -> Vector | Matrix:
        if selector.seconds is not None:
            windows = (
                (labels, one.within(moment - selector.seconds, moment))
                for labels, one in self.series(selector)
            )
            return [(labels, points) for labels, points in windows if points]
        rows = ((labels, one.at(moment)) for labels, one in self.series(selector))
        return [Row(labels, found[1], found[0]) for labels, found in rows if found is not None]

    def _vector(self, expression: promql.Expression, moment: float) -> Vector:
        found = self.value(expression, moment)
        assert isinstance(found, list)  # noqa: S101 - the parser has checked the types
        return found  # type: ignore[return-value]

    def _function(self, call: promql.Function, moment: float) -> float | Vector:
        if call.name == "time":
            return moment
        (argument,) = call.arguments
        if call.name == "vector":
            number = self.value(argument, moment)
            return [Row({}, number, moment)] if isinstance(number, float) else []
        if call.name == "timestamp":
            # The sample's own time only of what is selected; of all else that of the evaluation.
            chosen = isinstance(argument, promql.Selector)
            rows = self._vector(argument, moment)
            return _distinct([Row(row.nameless, row.time if chosen else moment, moment) for row in rows])
        assert isinstance(argument, promql.Selector) and argument.seconds is not None  # noqa: S101, PT018 - likewise
        return self._over_time(call.name, argument, argument.seconds, moment)

    def _over_time(self, name: str, selector: promql.Selector, seconds: float, moment: float) -> Vector:
        rows = []
        for labels, one in self.series(selector):
            points = one.within(moment - seconds, moment)
            if name.endswith("_over_time"):
                how = TOGETHER[name.removesuffix("_over_time")]
                value = how([value for _, value in points]) if points else None
            else:
                value = change(points, moment - seconds, moment, counter=name != "delta")
                value = value / seconds if value is not None and name == "rate" else value
            if value is not None:
                rows.append(Row(labels, value, moment))
        keep = name == "last_over_time"
        return rows if keep else _distinct([attrs.evolve(row, labels=row.nameless) for row in rows])

    def _binary(self, made: promql.Binary, moment: float) -> float | Vector:
        left, right = self.value(made.left, moment), self.value(made.right, moment)
        if isinstance(left, float) and isinstance(right, float):
            return _calculated(made.sign, left, right)
        if isinstance(left, list) and isinstance(right, list):
            return _matched(made, left, right, moment)  # type: ignore[arg-type]
        return _scaled(made.sign, left, right, moment)


def change(points: Sequence[Point], start: float, end: float, *, counter: bool) -> float | None:
    """What a counter (or a gauge) gained in a window, stretched to its edges where these are near; None for too little.

    A counter that fell was reset, and counts from zero.
    """
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    lost = (
        math.fsum(before[1] for before, after in itertools.pairwise(points) if after[1] < before[1])
        if counter
        else 0.0
    )
    gained = last[1] - first[1] + lost
    seen = last[0] - first[0]
    usual = seen / (len(points) - 1)
    to_start, to_end = first[0] - start, end - last[0]
    if counter and gained > 0 and first[1] >= 0:
        to_start = min(to_start, seen * first[1] / gained)
    stretched = seen + sum(gap if gap < 1.1 * usual else usual / 2 for gap in (to_start, to_end))
    return gained * stretched / seen


def _calculated(sign: str, left: float, right: float) -> float:
    if sign != "/":
        return ARITHMETIC[sign](left, right)
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left)


def _scaled(sign: str, left: Value, right: Value, moment: float) -> Vector:
    """A vector and a number."""
    rows: Vector = left if isinstance(left, list) else right  # type: ignore[assignment]
    result = []
    for row in rows:
        sides = (row.value, right) if rows is left else (left, row.value)
        one, other = (float(side) for side in sides)  # type: ignore[arg-type]
        if sign not in COMPARISONS:
            result.append(Row(row.nameless, _calculated(sign, one, other), moment))
        elif COMPARISONS[sign](one, other):
            result.append(row)
    return result if sign in COMPARISONS else _distinct(result)


def _matched(made: promql.Binary, left: Vector, right: Vector, moment: float) -> Vector:
    """Two vectors."""

    def key(row: Row) -> Key:
        labels = row.nameless.items()
        return frozenset(item for item in labels if (item[0] in made.labels) is made.on)

    if made.sign in promql.SETS:
        return _combined(made.sign, left, right, key)
    others = _by_key(right, key)
    rows, met = [], set()
    for row in left:
        group = key(row)
        if group not in others:
            continue
        if group in met:
            raise EvaluationError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )
        met.add(group)
        value, other = row.value, others[group].value
        if made.sign not in COMPARISONS:
            rows.append(Row(dict(group), _calculated(made.sign, value, other), moment))
        elif COMPARISONS[made.sign](value, other):
            rows.append(Row(dict(group) if made.on else row.labels, value, moment))
    return rows


def _combined(sign: str, left: Vector, right: Vector, key: Callable[[Row], Key]) -> Vector:
    theirs = {key(row) for row in right}
    if sign == "or":
        ours = {key(row) for row in left}
        return left + [row for row in right if key(row) not in ours]
    return [row for row in left if (key(row) in theirs) is (sign == "and")]


def _by_key(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for row in rows:
        group = key(row)
        if group in found:
            raise EvaluationError(
                f"found duplicate series for the match group {braces(dict(group)) or '{}'} on the right hand-side of the"
                f" operation: [{braces(found[group].labels)}, {braces(row.labels)}];many-to-many matching not allowed:"
                " matching labels must be unique on one side"
            )
        found[group] = row
    return found


def _aggregated(made: promql.Aggregate, rows: Vector, moment: float) -> Vector:
    groups: dict[Key, list[float]] = defaultdict(list)
    for row in rows:
        labels = row.nameless if made.without else row.labels
        kept = frozenset(item for item in labels.items() if (item[0] in made.labels) is not made.without)
        groups[kept].append(row.value)
    return [Row(dict(group), TOGETHER[made.name](values), moment) for group, values in groups.items()]


def _distinct(rows: Vector) -> Vector:
    """The rows, if their labels still tell them apart."""
    if len({frozenset(row.labels.items()) for row in rows}) < len(rows):
        raise EvaluationError("vector cannot contain metrics with the same labelset")
    return rows
