import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import InstanceStatus, ProtocolMismatchError
from purveyor.wire import Response, to_page
from purveyor_digitalocean import _decoding as decoding
from purveyor_digitalocean import _mapping as mapping
from purveyor_digitalocean._rows import Account, Balance, Droplet

from .test_mapping import DROPLET, SIZE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def answer(body, **about):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=200, body=data, operation="list_instances", provider="do-ams", **about)


def page(rows, key="droplets", **rest):
    return answer({key: rows, **rest})


def instances(response):
    return to_page("do-ams", decoding.read_list(response, decoding.DROPLETS).rows, mapping.instance)


def link(number):
    return f"http://elsewhere.example/v2/droplets?page={number}&per_page=200"


def test_raw_is_the_rows_own_bytes():
    body = b'{"droplets": [{"id": 1,  "new": [1, 2]} , {"id": 2}], "links": {}}'
    first, second = instances(answer(body)).items
    assert (first.raw.data, second.raw.data) == (b'{"id": 1,  "new": [1, 2]}', b'{"id": 2}')
    assert first.raw.decode() == {"id": 1, "new": [1, 2]}


def test_a_bad_row_costs_only_itself():
    found = instances(
        page([{**DROPLET, "id": 1}, {**DROPLET, "id": 2, "memory": "1024 or so"}, {**DROPLET, "id": 3}])
    )
    assert [item.id for item in found.items] == ["1", "3"]
    (error,) = found.unreadable
    assert isinstance(error, ProtocolMismatchError)
    assert (error.provider, error.operation) == ("do-ams", "list_instances")
    assert error.details == {"row": "2", "field": "memory"}
    assert "row 2" in error.message
    assert "memory" in error.message


@pytest.mark.parametrize(
    ("row", "name", "field"),
    [
        ({**DROPLET, "networks": {"v4": [{"ip_address": 5}]}}, "3164444", "networks.v4[0].ip_address"),
        ({"id": {"value": 1}, "slug": "x"}, "x", "id"),
        ({"name": "x"}, "without an id", None),
        ({"id": 7, "size": {"price_hourly": -1}}, "7", "size.price_hourly"),
        (None, "without an id", None),
        ([1], "without an id", None),
        ("x", "without an id", None),
    ],
)
def test_the_error_names_the_row_and_the_field(row, name, field):
    (error,) = instances(page([row])).unreadable
    assert error.details == {"row": name, "field": field}


def test_a_region_needs_a_name():
    rows = decoding.read_list(page([{"id": 1}, {"name": "x"}], "regions"), decoding.REGIONS).rows
    found = to_page("do", rows, mapping.region)
    assert [item.id for item in found.items] == ["1"]
    assert "neither `slug` nor `id`" in found.unreadable[0].message


def test_other_keys_and_words_do_no_harm():
    (found,) = instances(page([{**DROPLET, "status": "dreaming", "volumes": 5, "gpu_info": "?"}])).items
    assert found.status is InstanceStatus.UNKNOWN
    assert found.raw.decode()["status"] == "dreaming"


@given(st.data())
def test_any_key_may_be_missing_or_null(data):
    def thin(value):
        if isinstance(value, list):
            return [thin(one) for one in value]
        if not isinstance(value, dict):
            return value
        fates = {key: data.draw(st.sampled_from(["kept", "null", "missing"])) for key in value}
        kept = {key: thin(one) for key, one in value.items() if fates[key] == "kept"}
        return kept | {key: None for key, fate in fates.items() if fate == "null"}

    row = {**thin(DROPLET), "id": 5}
    found = instances(page([row]))
    assert [item.id for item in found.items] == ["5"]


@given(st.sampled_from(sorted(DROPLET)), JSON)
def test_any_value_gives_a_machine_or_an_error(key, value):
    found = instances(page([{**DROPLET, key: value}, DROPLET]))
    assert len(found.items) + len(found.unreadable) == 2
    assert found.items


@given(st.sampled_from(sorted(SIZE)), JSON)
def test_any_value_gives_a_plan_or_an_error(key, value):
    rows = decoding.read_list(page([{**SIZE, key: value}], "sizes"), decoding.SIZES).rows
    found = to_page("do", rows, mapping.plan)
    assert len(found.items) + len(found.unreadable) == 1


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_read_or_refused(body):
    error = None
    try:
        instances(answer(body))
    except ProtocolMismatchError as caught:
        error = caught
    # The decoder's own errors may hold the whole answer.
    assert error is None or (error.provider, error.__cause__, error.__context__) == ("do-ams", None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"droplets": [{"id": 1}',
        b'{"images": []}',
        b'{"droplets": null}',
        b'{"droplets": {}}',
        b'{"droplets": [], "links": [1]}',
        b'{"droplets": [], "meta": {"total": "many"}}',
        b'{"droplets": [], "links": {"pages": {"next": "https://x/?page=two"}}}',
        b'{"droplets": [], "links": {"pages": {"next": "https://x/"}}}',
    ],
)
def test_a_list_that_is_none(body):
    with pytest.raises(ProtocolMismatchError):
        decoding.read_list(answer(body), decoding.DROPLETS)


@pytest.mark.parametrize(
    ("rest", "last"),
    [
        ({}, None),
        ({"links": None, "meta": None}, None),
        ({"links": {}, "meta": {"total": 3}}, 1),
        ({"meta": {"total": 0}}, 0),
        ({"meta": {"total": 201}}, 2),
        ({"links": {"pages": {"next": link(2), "last": link(9)}}}, 9),
        ({"links": {"pages": {"next": link(2)}}}, 2),
        ({"links": {"pages": {"first": link(1), "prev": link(1)}}}, None),
        # A server that gives fewer rows a page than it was asked for.
        ({"links": {"pages": {"next": link(2), "last": link(5)}}, "meta": {"total": 450}}, 5),
    ],
)
def test_the_last_page(rest, last):
    assert decoding.read_list(page([], **rest), decoding.DROPLETS).total_pages == last


def test_one_object():
    droplet, raw = decoding.read_one(
        answer({"droplet": {"id": 5}, "links": {}}), msgspec.json.Decoder(Droplet), "droplet"
    )
    assert (droplet.id, raw.decode()) == (5, {"id": 5})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"droplet": null}', b'{"droplet": {}}', b'{"droplet": []}', b"\xff"]
)
def test_one_object_that_is_none(body):
    with pytest.raises(ProtocolMismatchError):
        decoding.read_one(answer(body), msgspec.json.Decoder(Droplet), "droplet")


def test_an_account_may_say_nothing():
    assert (
        decoding.read_one(answer({"account": {}}), msgspec.json.Decoder(Account), "account")[0] == Account()
    )


@given(JSON)
def test_any_balance_is_read_or_refused(value):
    try:
        mapping.balance(
            "do", *decoding.read_one(answer({"account_balance": value}), msgspec.json.Decoder(Balance))
        )
    except ProtocolMismatchError:
        return
