import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import InstanceStatus, ProtocolMismatchError
from purveyor.wire import Response, to_page
from purveyor_linode import _decoding as decoding
from purveyor_linode import _mapping as mapping
from purveyor_linode import _rows as rows

from .test_mapping import LINODE, REGION, TYPE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ITEM = {
    "amount": 1,
    "total": 2,
    "label": "x",
    "type": "hourly",
    "quantity": 1,
    "from": "2018-01-01T00:01:01",
    "to": None,
}


def answer(body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=200, body=data, operation="list_instances", provider="linode-eu")


def listed(found, kind, model):
    body = {"data": found, "page": 1, "pages": 1, "results": len(found)}
    return to_page("linode-eu", decoding.read_list(answer(body), kind).rows, model)


def instances(*found):
    return listed(list(found), decoding.LINODES, mapping.instance)


def test_raw_is_the_rows_own_bytes():
    response = answer(b'{"data": [{"id": 1,  "new": [1, 2]} , {"id": 2}], "pages": 1}')
    first, second = to_page("l", decoding.read_list(response, decoding.LINODES).rows, mapping.instance).items
    assert (first.raw.data, second.raw.data) == (b'{"id": 1,  "new": [1, 2]}', b'{"id": 2}')
    assert first.raw.decode() == {"id": 1, "new": [1, 2]}


def test_a_bad_row_costs_only_itself():
    found = instances(
        {**LINODE, "id": 1}, {**LINODE, "id": 2, "specs": {"memory": "1 GB"}}, {**LINODE, "id": 3}
    )
    assert [item.id for item in found.items] == ["1", "3"]
    (error,) = found.unreadable
    assert isinstance(error, ProtocolMismatchError)
    assert (error.provider, error.operation) == ("linode-eu", "list_instances")
    assert error.details == {"row": "2", "field": "specs.memory"}
    assert "row 2" in error.message
    assert "memory" in error.message


@pytest.mark.parametrize(
    ("row", "name", "field"),
    [
        ({**LINODE, "ipv4": ["192.0.2.1", None]}, "82372947", "ipv4[1]"),
        ({"id": {"value": 1}, "label": "x"}, "x", "id"),
        ({"id": {"value": 1}, "label": ["x"]}, "without an id", "id"),
        ({"label": "x"}, "x", None),
        ({"id": 7, "specs": {"disk": -1}}, "7", "specs.disk"),
        ({"id": 7, "created": "yesterday"}, "7", "created"),
        (None, "without an id", None),
        ([1], "without an id", None),
        ("x", "without an id", None),
    ],
)
def test_the_error_names_the_row_and_the_field(row, name, field):
    (error,) = instances(row).unreadable
    assert error.details == {"row": name, "field": field}


def test_a_pair_is_named_by_its_plan():
    row = {"region": "us-iad", "plan": "g7-premium-2", "available": "yes"}
    (error,) = decoding.read_list(answer({"data": [row]}), decoding.AVAILABILITY).rows
    assert error.details == {"row": "g7-premium-2", "field": "available"}


def test_other_keys_and_words_do_no_harm():
    (found,) = instances({**LINODE, "status": "dreaming", "backups": 5, "locks": "?"}).items
    assert found.status is InstanceStatus.UNKNOWN
    assert found.raw.decode()["status"] == "dreaming"


@given(st.data(), st.sampled_from([LINODE, TYPE, REGION]))
def test_any_key_may_be_missing_or_null(data, whole):
    def thin(value):
        if isinstance(value, list):
            return [thin(one) for one in value]
        if not isinstance(value, dict):
            return value
        fates = {key: data.draw(st.sampled_from(["kept", "null", "missing"])) for key in value}
        kept = {key: thin(one) for key, one in value.items() if fates[key] == "kept"}
        return kept | {key: None for key, fate in fates.items() if fate == "null"}

    kind, model = {
        "82372947": (decoding.LINODES, mapping.instance),
        "g6-standard-2": (decoding.TYPES, mapping.plan),
        "nl-ams": (decoding.REGIONS, mapping.region),
    }[str(whole["id"])]
    found = listed([{**thin(whole), "id": whole["id"]}], kind, model)
    assert [item.id for item in found.items] == [str(whole["id"])]


@given(st.sampled_from(sorted(LINODE)), JSON)
def test_any_value_gives_a_machine_or_an_error(key, value):
    found = instances({**LINODE, key: value}, LINODE)
    assert len(found.items) + len(found.unreadable) == 2
    assert found.items


@given(st.sampled_from(sorted(TYPE)), JSON)
def test_any_value_gives_a_plan_or_an_error(key, value):
    found = listed([{**TYPE, key: value}], decoding.TYPES, mapping.plan)
    assert len(found.items) + len(found.unreadable) == 1


@given(st.sampled_from(sorted(REGION)), JSON)
def test_any_value_gives_a_region_or_an_error(key, value):
    found = listed([{**REGION, key: value}], decoding.REGIONS, mapping.region)
    assert len(found.items) + len(found.unreadable) == 1


@given(st.sampled_from(sorted(ITEM)), JSON)
def test_any_value_gives_a_line_or_an_error(key, value):
    found = listed([{**ITEM, key: value}], decoding.INVOICE_ITEMS, mapping.cost_item)
    assert len(found.items) + len(found.unreadable) == 1
    assert all(len(str(item.amount)) < 40 for item in found.items)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_read_or_refused(body):
    refused = None
    try:
        decoding.read_list(answer(body), decoding.LINODES)
    except ProtocolMismatchError as error:
        refused = error
    if refused is not None:
        assert (refused.provider, refused.__cause__, refused.__context__) == ("linode-eu", None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"data": [{"id": 1}',
        b"{}",
        b"[]",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": [], "pages": "many"}',
        b"[" * 100_000,
    ],
)
def test_a_list_that_is_none(body):
    with pytest.raises(ProtocolMismatchError):
        decoding.read_list(answer(body), decoding.LINODES)


@pytest.mark.parametrize(
    ("rest", "last"),
    [({}, None), ({"pages": None}, None), ({"pages": 0}, 0), ({"pages": 1}, 1), ({"pages": 27}, 27)],
)
def test_the_last_page(rest, last):
    assert decoding.read_list(answer({"data": [], **rest}), decoding.LINODES).total_pages == last


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"id": "x"}', b"\xff"])
def test_one_object_that_is_none(body):
    with pytest.raises(ProtocolMismatchError):
        decoding.read_one(answer(body), msgspec.json.Decoder(rows.Linode))


@given(JSON)
def test_any_balance_is_read_or_refused(value):
    decoder = msgspec.json.Decoder(rows.Balance)
    try:
        found = mapping.balance("linode", *decoding.read_one(answer({"balance": value}), decoder))
    except ProtocolMismatchError:
        return
    assert len(str(found.owed)) < 40
