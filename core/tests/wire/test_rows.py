"""Rows are read each for itself, kept or left out, and mapped; whatever is wrong with one costs only that one."""

import json
import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.model.errors import ProtocolMismatchError
from purveyor.model.values import Raw
from purveyor.model.views import Page
from purveyor.wire import (
    Fetched,
    Response,
    RowReader,
    intact,
    only,
    tagged,
    to_page,
    to_pages,
    to_whole_page,
    unique,
)

READER = RowReader((KeyError, ValueError), names=("id", "slug"))
RESPONSE = Response(status=200, body=b"{}", operation="list_instances", provider="do-ams")
BAD = RESPONSE.mismatch("bad")


@attrs.frozen
class Machine:
    id: int
    tags: tuple[str, ...] | None = None


def decode(data):
    row = json.loads(data)
    if not isinstance(row, dict) or not isinstance(row.get("id"), int):
        raise KeyError("Expected `int` - at `$.id`")
    return Machine(row["id"], row.get("tags") and tuple(row["tags"]))


def read(*rows):
    return READER.many(
        RESPONSE, decode, [one if isinstance(one, bytes) else json.dumps(one).encode() for one in rows]
    )


async def walk(*pages):
    for rows in pages:
        yield Fetched([row if row is BAD else (row, Raw(b"{}")) for row in rows])


async def ids(walked):
    return [None if row is BAD else row[0].id async for fetched in walked for row in fetched.rows]


def name(provider, row, raw):
    return f"{provider}/{row.id}"


def test_a_bad_row_costs_only_itself():
    first, second, third = read({"id": 1}, {"slug": "x"}, {"id": 3})
    assert (first, third) == ((Machine(1), Raw(b'{"id": 1}')), (Machine(3), Raw(b'{"id": 3}')))
    assert isinstance(second, ProtocolMismatchError)
    assert (second.provider, second.operation) == ("do-ams", "list_instances")
    assert second.details == {"row": "x", "field": "id"}
    assert "row x: " in second.message


def test_a_row_that_was_decoded_with_others_finds_its_own_bytes_when_asked():
    asked = []

    def cut(body):
        asked.append(body)
        return [memoryview(body)[1:2], memoryview(body)[3:5]]

    (first, one), (second, two) = READER.all([Machine(1), Machine(2)], b"[1,22]", cut)
    assert (first.id, second.id, asked) == (1, 2, [])
    assert (one.data, two.data, two.decode()) == (b"1", b"22", 22)
    assert asked == [b"[1,22]"]
    assert two == Raw(b"22") == pickle.loads(pickle.dumps(two))
    assert len({two, Raw(b"22")}) == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "7"}, "7"),
        ({"id": {"value": 1}, "slug": "x"}, "x"),
        ({"id": None, "slug": ["x"]}, "without an id"),
        (b'{"id": "a", "name": "\xff\xfe"}', "a"),
        (b'{"id": "b", "price": NaN, "tags": {}}', "b"),
        ({"id": "x" * 500}, "x" * 80),
        (b"[1]", "without an id"),
        (b"null", "without an id"),
        (b"<html>", "without an id"),
        (b"[" * 100_000, "without an id"),
    ],
)
def test_a_bad_row_is_named_whatever_else_is_wrong_with_it(row, expected):
    (error,) = read(row)
    assert error.details["row"] == expected


@pytest.mark.parametrize(
    "error", [UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"), RecursionError("secret")]
)
def test_what_any_decoder_stumbles_over_is_refused_without_its_words(error):
    def stumble(data):
        raise error

    with pytest.raises(ProtocolMismatchError) as caught:
        READER.one(RESPONSE, stumble, b"secret")
    assert "secret" not in str(caught.value)
    # The decoder's own errors may hold the whole answer.
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    (row,) = READER.many(RESPONSE, stumble, [b"secret"])
    assert "secret" not in str(row)


def test_a_bug_of_the_decoder_is_no_bad_row():
    with pytest.raises(ZeroDivisionError):
        READER.many(RESPONSE, lambda data: 1 / 0, [b"{}"])


@given(st.lists(st.integers(0, 5) | st.none(), max_size=12), st.integers(1, 4))
async def test_filters_leave_out_what_they_can_read_and_nothing_else(numbers, size):
    rows = [BAD if one is None else Machine(one) for one in numbers]
    pages = [rows[at : at + size] for at in range(0, len(rows), size)]
    assert await ids(only(walk(*pages), lambda row: row.id > 2)) == [
        one for one in numbers if one is None or one > 2
    ]
    once = await ids(unique(walk(*pages), lambda row: row.id))
    assert [one for one in once if one is not None] == list(
        dict.fromkeys(n for n in numbers if n is not None)
    )
    assert once.count(None) == numbers.count(None)


async def test_tags_are_the_same_in_upper_and_lower_case():
    rows = [Machine(1, ("Web",)), Machine(2, ("db",)), Machine(3), BAD]
    assert await ids(tagged(walk(rows), "wEB")) == [1, None]


async def test_whoever_stops_early_closes_the_list_behind_it():
    closed = []

    async def endless():
        try:
            while True:
                yield Fetched([(Machine(1), Raw(b"{}"))])
        finally:
            closed.append(True)

    pages = to_pages("a", only(endless(), lambda row: True), name)
    assert await anext(pages) == Page(("a/1",))
    await pages.aclose()
    assert closed


async def test_rows_become_models_and_what_cannot_be_read_is_kept_apart():
    first, second = [Machine(1), BAD], [Machine(2)]
    assert [page async for page in to_pages("a", walk(first, second), name)] == [
        Page(("a/1",), (BAD,)),
        Page(("a/2",)),
    ]
    assert await to_whole_page("a", walk(first, second), name) == Page(("a/1", "a/2"), (BAD,))
    assert to_page("a", [], name) == Page(())


def test_a_sum_leaves_nothing_out():
    assert intact(Page((1, 2))) == (1, 2)
    with pytest.raises(ProtocolMismatchError) as caught:
        intact(Page((1,), (BAD,)))
    assert caught.value is BAD
