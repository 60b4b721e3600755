"""The ``X-Filter`` header: which rows are wanted, and in which order."""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from purveyor_linode.sandbox._words import invalid

Row = dict[str, Any]
Test = Callable[[Row], bool]

_HEADER = "X-Filter"


def _compare(better: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(mine: Any, wanted: Any) -> bool:
        try:
            return mine is not None and better(mine, wanted)
        except TypeError:
            return better(str(mine), str(wanted))

    return test


def _equal(mine: Any, wanted: Any) -> bool:
    if isinstance(mine, bool) or isinstance(wanted, bool) or mine is None or wanted is None:
        return mine is wanted
    return mine == wanted or str(mine) == str(wanted)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "+gt": _compare(lambda mine, wanted: mine > wanted),
    "+gte": _compare(lambda mine, wanted: mine >= wanted),
    "+lt": _compare(lambda mine, wanted: mine < wanted),
    "+lte": _compare(lambda mine, wanted: mine <= wanted),
    "+contains": lambda mine, wanted: mine is not None and str(wanted) in str(mine),
    "+neq": lambda mine, wanted: not _equal(mine, wanted),
}
_ORDER = ("+order_by", "+order")


def chosen(text: str | None, rows: Sequence[Any], fields: Collection[str]) -> Sequence[Any]:
    """The rows that a header asks for; other fields than `fields` are refused."""
    if text is None:
        return rows
    wanted = _parse(text)
    order_by, order = (wanted.pop(key, None) for key in _ORDER)
    test = _all(wanted, fields)
    found = [one for one in rows if test(row_of(one))]
    if order_by is None:
        return found
    _check(order_by, {"id", *fields})
    found.sort(key=lambda one: _sort_key(value(row_of(one), order_by)), reverse=order == "desc")
    return found


def row_of(one: Any) -> Row:
    """The row of a thing, or the row itself."""
    row: Row = one if isinstance(one, dict) else one.row
    return row


def value(row: Row, field: str) -> Any:
    """A field's value; ``entity.id`` looks inside."""
    found: Any = row
    for key in field.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _parse(text: str) -> Row:
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        raise invalid("Filter not valid JSON", _HEADER)
    return wanted


def _check(field: str, fields: Collection[str]) -> None:
    if field not in fields:
        raise invalid(f"Cannot filter on {field}", _HEADER)


def _all(wanted: Row, fields: Collection[str]) -> Test:
    tests = [_one(key, given, fields) for key, given in wanted.items()]
    return lambda row: all(test(row) for test in tests)


def _one(key: str, given: Any, fields: Collection[str]) -> Test:
    if key in ("+and", "+or"):
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise invalid(f"{key} takes a list of filters", _HEADER)
        tests = [_all(one, fields) for one in given]
        join = all if key == "+and" else any
        return lambda row: join(test(row) for test in tests)
    _check(key, fields)
    comparisons = given if isinstance(given, dict) else {"": given}
    if unknown := comparisons.keys() - {"", *_OPERATORS}:
        raise invalid(f"{min(unknown)} is not a valid operator", _HEADER)
    return lambda row: _fits(value(row, key), comparisons)


def _fits(mine: Any, comparisons: Row) -> bool:
    tests = [(_OPERATORS.get(name, _equal), wanted) for name, wanted in comparisons.items()]
    if not isinstance(mine, list):
        return all(test(mine, wanted) for test, wanted in tests)
    if "+neq" in comparisons:
        return all(test(one, wanted) for one in mine for test, wanted in tests)
    return any(all(test(one, wanted) for test, wanted in tests) for one in mine)


def _sort_key(found: Any) -> tuple[bool, str, Any]:
    return (found is not None, type(found).__name__, found)
