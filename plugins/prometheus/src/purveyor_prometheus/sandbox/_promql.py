"""PromQL, as far as it is spoken here: from text to a tree whose types fit.

What the language has beside this (offsets, subqueries, ``group_left``, ``bool``, most functions) is refused in the words
in which Prometheus refuses what it does not know.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, TypeVar

import attrs

T = TypeVar("T")

AGGREGATES = frozenset({"avg", "count", "max", "min", "sum"})
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SETS = frozenset({"and", "or", "unless"})
STRENGTH: Mapping[str, int] = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(COMPARISONS, 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
}
"""How tightly an operator binds."""

SCALAR, STRING, VECTOR, RANGE = "scalar", "string", "instant vector", "range vector"

FUNCTIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    **{f"{how}_over_time": ((RANGE,), VECTOR) for how in (*AGGREGATES, "last")},
    **dict.fromkeys(("rate", "increase", "delta"), ((RANGE,), VECTOR)),
    "time": ((), SCALAR),
    "timestamp": ((VECTOR,), VECTOR),
    "vector": ((SCALAR,), VECTOR),
}
"""What each takes, and what it gives."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<duration>(?:\d+(?:ms|[smhdwy]))+)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<sign>=~|!~|==|!=|<=|>=|[=<>+\-*/(){}\[\],])
      | (?P<odd>\S)
    )""",
    re.VERBOSE,
)


class BadQueryError(ValueError):
    """An expression that is not understood; says where and why."""


@attrs.frozen
class Number:
    """A number."""

    value: float


@attrs.frozen
class Text:
    """A string."""

    value: str


@attrs.frozen
class Matcher:
    """What a label must be, or must not be."""

    label: str
    sign: str
    value: str

    def fits(self, value: str) -> bool:
        """Whether a label's value is as wanted; a label that is not there is empty."""
        found = re.fullmatch(self.value, value) is not None if "~" in self.sign else self.value == value
        return found is not self.sign.startswith("!")


@attrs.frozen
class Selector:
    """Series by their labels; with ``seconds``, all their samples of so long."""

    matchers: tuple[Matcher, ...]
    seconds: float | None = None


@attrs.frozen
class Function:
    """A function of something."""

    name: str
    arguments: tuple["Expression", ...]


@attrs.frozen
class Aggregate:
    """A sum or the like over groups of series."""

    name: str
    of: "Expression"
    labels: frozenset[str] = frozenset()
    without: bool = False


@attrs.frozen
class Binary:
    """Two sides and an operator; series of both belong together by all their labels, or as ``labels`` says."""

    sign: str
    left: "Expression"
    right: "Expression"
    labels: frozenset[str] = frozenset()
    on: bool = False


Expression = Number | Text | Selector | Function | Aggregate | Binary


def kind_of(expression: Expression) -> str:
    """What it gives."""
    match expression:
        case Number():
            return SCALAR
        case Text():
            return STRING
        case Selector():
            return VECTOR if expression.seconds is None else RANGE
        case Function():
            return FUNCTIONS[expression.name][1]
        case Aggregate():
            return VECTOR
        case Binary():
            both = {kind_of(expression.left), kind_of(expression.right)}
            return SCALAR if both == {SCALAR} else VECTOR


@attrs.frozen
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Expression:
    """The tree of an expression.

    Raises:
        BadQueryError: It is not understood.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [*_tokens(text), _Token("end", "", len(text))]
        self._next = 0

    def whole(self) -> Expression:
        if self._now.kind == "end":
            self._fail("no expression found in input")
        found = self._expression(1)
        if self._now.kind != "end":
            self._unexpected("")
        return found

    # Tokens.

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._now
        self._next += token.kind != "end"
        return token

    def _took(self, *texts: str) -> bool:
        """Take the next token if it is one of these."""
        found = self._now.kind in {"sign", "name"} and self._now.text.lower() in texts
        self._next += found
        return found

    def _need(self, sign: str, context: str) -> None:
        if not self._took(sign):
            self._unexpected(context, sign)

    def _fail(self, reason: str, at: int | None = None) -> NoReturn:
        before = self._text[: self._now.at if at is None else at]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise BadQueryError(f"{line}:{column}: parse error: {reason}")

    def _unexpected(self, context: str, wanted: str = "") -> NoReturn:
        token = self._now
        shown = "end of input" if token.kind == "end" else f"{token.kind} {token.text!r}"
        where = f" in {context}" if context else ""
        self._fail(f"unexpected {shown}{where}" + (f', expected "{wanted}"' if wanted else ""))

    # Grammar.

    def _expression(self, least: int) -> Expression:
        left = self._unary()
        while (strength := STRENGTH.get(self._now.text.lower(), 0)) >= least and self._now.kind != "text":
            start = self._now.at
            sign = self._take().text.lower()
            labels, on = self._matching()
            left = Binary(sign, left, self._expression(strength + 1), labels, on)
            self._check(left, start)
        return left

    def _matching(self) -> tuple[frozenset[str], bool]:
        for word in ("on", "ignoring"):
            if self._took(word):
                return self._names(), word == "on"
        return frozenset(), False

    def _check(self, made: Binary, start: int) -> None:
        kinds = (kind_of(made.left), kind_of(made.right))
        if set(kinds) - {SCALAR, VECTOR}:
            self._fail("binary expression must contain only scalar and instant vector types", start)
        if made.sign in SETS and SCALAR in kinds:
            self._fail(f'set operator "{made.sign}" not allowed in binary scalar expression', start)
        if made.sign in COMPARISONS and kinds == (SCALAR, SCALAR):
            self._fail("comparisons between scalars must use BOOL modifier", start)
        if SCALAR in kinds and (made.labels or made.on):
            self._fail("vector matching only allowed between instant vectors", start)

    def _unary(self) -> Expression:
        if self._took("-"):
            made = Binary("*", Number(-1.0), self._unary())
            self._check(made, self._now.at)
            return made
        self._took("+")
        return self._range(self._primary())

    def _range(self, found: Expression) -> Expression:
        start = self._now.at
        if not self._took("["):
            return found
        if not isinstance(found, Selector) or found.seconds is not None:
            self._fail("ranges only allowed for vector selectors", start)
        if self._now.kind != "duration":
            self._unexpected("matrix selector", "duration")
        seconds = duration(self._take().text)
        self._need("]", "matrix selector")
        return Selector(found.matchers, seconds)

    def _primary(self) -> Expression:
        token = self._now
        if self._took("("):
            found = self._expression(1)
            if not self._took(")"):
                self._fail("unclosed left parenthesis")
            return found
        if token.kind == "sign" and token.text == "{":
            return self._selector("")
        if token.kind not in {"number", "text", "name"}:
            self._unexpected("")
        self._take()
        if token.kind == "number" or token.text.lower() in {"inf", "nan"}:
            return Number(float(token.text))
        if token.kind == "text":
            return Text(_unquoted(token.text))
        return self._named(token)

    def _named(self, token: _Token) -> Expression:
        if token.text.lower() in AGGREGATES and self._now.text.lower() in {"(", "by", "without"}:
            return self._aggregate(token.text.lower())
        if self._now.kind == "sign" and self._now.text == "(":
            return self._function(token)
        return self._selector(token.text)

    def _aggregate(self, name: str) -> Expression:
        grouping = self._grouping()
        (of,) = self._arguments((VECTOR,), name, "aggregation expression")
        labels, without = grouping or self._grouping() or (frozenset[str](), False)
        return Aggregate(name, of, labels, without)

    def _grouping(self) -> tuple[frozenset[str], bool] | None:
        for word in ("by", "without"):
            if self._took(word):
                return self._names(), word == "without"
        return None

    def _names(self) -> frozenset[str]:
        self._need("(", "grouping opts")
        return frozenset(self._listed(")", self._label))

    def _label(self) -> str:
        if self._now.kind != "name" or ":" in self._now.text:
            self._unexpected("grouping opts", "label")
        return self._take().text

    def _function(self, token: _Token) -> Expression:
        if token.text not in FUNCTIONS:
            self._fail(f'unknown function with name "{token.text}"', token.at)
        wanted = FUNCTIONS[token.text][0]
        return Function(token.text, self._arguments(wanted, token.text, "function"))

    def _arguments(self, wanted: tuple[str, ...], name: str, what: str) -> tuple[Expression, ...]:
        start = self._now.at
        self._need("(", f'call to {what} "{name}"')
        given = tuple(self._listed(")", lambda: self._expression(1)))
        if len(given) != len(wanted):
            self._fail(f'expected {len(wanted)} argument(s) in call to "{name}", got {len(given)}', start)
        for one, kind in zip(given, wanted, strict=True):
            if kind_of(one) != kind:
                self._fail(
                    f'expected type {kind} in call to function "{name}", got {kind_of(one)}', start + 1
                )
        return given

    def _listed(self, end: str, read: Callable[[], T]) -> Iterator[T]:
        while not self._took(end):
            yield read()
            if not self._took(",") and self._now.text != end:
                self._unexpected("list", end)

    def _selector(self, name: str) -> Selector:
        start = self._now.at
        matchers = [Matcher("__name__", "=", name)] if name else []
        if self._took("{"):
            matchers += self._listed("}", self._matcher)
        if all(one.fits("") for one in matchers):
            self._fail("vector selector must contain at least one non-empty matcher", start)
        return Selector(tuple(matchers))

    def _matcher(self) -> Matcher:
        start = self._now.at
        label = self._label()
        sign = self._take().text
        if sign not in {"=", "!=", "=~", "!~"} or self._now.kind != "text":
            self._unexpected("label matching", "string")
        value = _unquoted(self._take().text)
        if "~" in sign:
            try:
                re.compile(value)
            except re.error as error:
                self._fail(f"error parsing regexp: {error}", start)
        return Matcher(label, sign, value)


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind is not None:
            yield _Token(kind, found[kind], found.start(kind))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text[1:-1])


def duration(text: str) -> float:
    """Seconds of ``5m``, ``1h30m`` and the like."""
    return sum(int(amount) * _UNITS[unit] for amount, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))
