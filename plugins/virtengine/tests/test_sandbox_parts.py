"""What holds for the sandbox's parts whatever they are given."""

import hashlib
from base64 import b64encode

import bech32
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor_testing.sandbox import Call, Refusal
from purveyor_virtengine.sandbox import VirtEngineSandbox, Wallet
from purveyor_virtengine.sandbox._canonical import body_hash
from purveyor_virtengine.sandbox._keys import from_bech32, to_bech32
from purveyor_virtengine.sandbox._paging import asked, page_by_state, page_of

PREFIXES = st.sampled_from(["ve", "virtengine", "akash", "1a"])
STATES = ("active", "insufficient_funds", "closed")
ROWS = st.lists(
    st.tuples(st.sampled_from(STATES), st.binary(min_size=1, max_size=3)), unique=True, max_size=12
)


def call(**query):
    return Call(method="GET", path="/", headers={}, query={k.replace("_", "."): v for k, v in query.items()})


@given(PREFIXES, st.binary(max_size=40))
def test_addresses_are_those_of_the_well_known_library(prefix, data):
    address = to_bech32(prefix, data)
    assert address == bech32.bech32_encode(prefix, bech32.convertbits(data, 8, 5))
    assert from_bech32(address) == from_bech32(address.upper()) == data


@given(
    st.binary(min_size=20, max_size=20),
    st.integers(0, 37),
    st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"),
)
def test_one_wrong_letter_is_no_address(data, place, letter):
    address = to_bech32("ve", data)
    wrong = address[: 3 + place] + letter + address[4 + place :]
    if wrong != address:
        with pytest.raises(ValueError, match="checksum"):
            from_bech32(wrong)


@pytest.mark.parametrize("text", ["", "ve", "ve1", "1qqqqqq", "Ve1qqqqqq", "ve1bbbbbbb"])
def test_what_is_no_address_at_all(text):
    with pytest.raises(ValueError, match=r"separator|case|checksum|substring"):
        from_bech32(text)


@given(st.integers(1, 2**200).map(lambda number: f"{number:064x}"))
def test_an_account_is_the_hash_of_its_key(private_key):
    wallet = Wallet(private_key)
    digest = hashlib.new("ripemd160", hashlib.sha256(wallet.public).digest()).digest()
    assert from_bech32(wallet.address) == digest
    assert private_key not in repr(wallet)


@given(st.binary(max_size=60))
def test_any_body_has_a_hash(body):
    assert len(body_hash(body)) == (64 if body else 0)


def walk(turn, limit):
    """All pages of a list, by the keys that it gives."""
    pages, query = [], {"pagination_limit": str(limit)}
    while True:
        shown, pagination = turn(call(**query))
        pages.append(list(shown))
        if not pagination["next_key"]:
            return pages
        query["pagination_key"] = pagination["next_key"]


@given(st.sets(st.binary(min_size=1, max_size=3), max_size=12), st.integers(1, 5), st.booleans())
def test_pages_hold_every_row_once_and_in_order(rows, limit, backwards):
    reverse = "true" if backwards else "false"

    def turn(request):
        request.query["pagination.reverse"] = reverse
        return page_of(rows, bytes, asked(request))

    pages = walk(turn, limit)
    assert [one for page in pages for one in page] == sorted(rows, reverse=backwards)
    assert {len(one) for one in pages[:-1]} <= {limit}


@given(ROWS, st.integers(1, 5), st.sampled_from(STATES))
def test_one_state_is_listed_whole(rows, limit, state):
    def turn(request):
        request.query["filters.state"] = state
        return page_by_state(rows, STATES, lambda row: row[0], lambda row: row[1], request)

    shown = [one for page in walk(turn, limit) for one in page]
    assert shown == sorted(row for row in rows if row[0] == state)


@given(ROWS, st.integers(1, 5))
def test_all_states_together_lose_rows_only_where_a_page_ends_with_its_state(rows, limit):
    def turn(request):
        return page_by_state(rows, STATES, lambda row: row[0], lambda row: row[1], request)

    ordered = sorted(rows, key=lambda row: (STATES.index(row[0]), row[1]))
    shown = [one for page in walk(turn, limit) for one in page]
    assert shown == ordered[: len(shown)]
    if len(shown) < len(ordered):
        assert shown[-1][0] != ordered[len(shown)][0]
        assert len(shown) % limit == 0


@given(st.binary(min_size=1, max_size=12))
def test_a_key_that_the_server_did_not_make_is_refused(key):
    with pytest.raises(Refusal, match="invalid checksum"):
        page_by_state([], STATES, str, str.encode, call(pagination_key=b64encode(key).decode()))


@pytest.mark.parametrize(("speed", "seconds"), [("real", 2.0), ("fast", None), ("stepped", None)])
def test_only_in_real_time_do_logs_go_on_by_themselves(speed, seconds):
    assert {one.chatter_seconds for one in VirtEngineSandbox(speed=speed).daemons} == {seconds}
