"""Recorded answers of the real API, as its own clients keep them for their tests: all must be read, whole.

They are no part of this project; where they are not at hand there is nothing to do.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from purveyor.plugin import GiB, MiB, PurveyorError
from purveyor.wire import Response
from purveyor_linode import _decoding as decoding
from purveyor_linode import _mapping as mapping
from purveyor_linode import _rows as rows
from purveyor_linode._credentials import report, scopes_of
from purveyor_linode._errors import translate

ROOT = Path(__file__).parents[3]
RECORDINGS = ROOT / ".." / "shared" / "data" / "recordings" / "linode"

LISTS = {
    "/linode/instances": (decoding.LINODES, mapping.instance),
    "/linode/types": (decoding.TYPES, mapping.plan),
    "/linode/stackscripts": (decoding.STACKSCRIPTS, mapping.app),
    "/images": (decoding.IMAGES, mapping.image),
    "/regions": (decoding.REGIONS, mapping.region),
    "/regions/availability": (decoding.AVAILABILITY, None),
    "/account/events": (decoding.EVENTS, None),
}
OBJECTS = (
    (r"/linode/instances(/\d+(/(rebuild|clone))?)?", rows.Linode, mapping.instance),
    (r"/linode/types/[^/]+", rows.Type, mapping.plan),
    (r"/linode/stackscripts/\d+", rows.StackScript, mapping.app),
    (r"/images(/private%2F\d+)?", rows.Image, mapping.image),
    (r"/account", rows.Balance, mapping.balance),
    (r"/account/events/\d+", rows.Event, None),
)
FILES = {
    # What stands in a file of its own, without the request that it answered.
    "linode_api4__account_invoices.json": ("/account/invoices", decoding.INVOICES, mapping.invoice),
    "linodego-unit__account_invoice_items_list.json": ("items", decoding.INVOICE_ITEMS, mapping.cost_item),
    "linodego-unit__account_events_list.json": ("/account/events", decoding.EVENTS, None),
    "linodego-unit__images_list.json": ("/images", decoding.IMAGES, mapping.image),
    "linodego-unit__linode_types_list.json": ("/linode/types", decoding.TYPES, mapping.plan),
    "linodego-unit__regions_list.json": ("/regions", decoding.REGIONS, mapping.region),
    "linodego-unit__regions_availability_list.json": ("", decoding.AVAILABILITY, None),
    "linode_api4__regions_availability.json": ("", decoding.AVAILABILITY, None),
    "linode_api4__regions.json": ("/regions", decoding.REGIONS, mapping.region),
    "libcloud__list_images_paginated_page_2.json": ("/images", decoding.IMAGES, mapping.image),
    "libcloud__list_locations.json": ("/regions", decoding.REGIONS, mapping.region),
    "libcloud__list_nodes.json": ("/linode/instances", decoding.LINODES, mapping.instance),
    "libcloud__list_types.json": ("/linode/types", decoding.TYPES, mapping.plan),
}

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not at hand")


def exchanges():
    """Every recorded request with its answer."""
    for file in sorted(RECORDINGS.glob("cassettes/*.json")):
        for number, one in enumerate(json.loads(file.read_bytes())["interactions"]):
            asked, answered = one["request"], one["response"]
            path = asked["path"].partition("?")[0].removeprefix("/v4beta")
            yield f"{file.stem} {number}", asked["method"], path, answered


EXCHANGES = list(exchanges()) if RECORDINGS.is_dir() else []


def answer(body, status=200, **about):
    return Response(status=status, body=json.dumps(body).encode(), provider="linode", **about)


def read(path, body, kind, model):
    found = decoding.read_list(answer(body), kind)
    assert len(found.rows) == len(body["data"])
    assert all(isinstance(row, tuple) for row in found.rows), found.rows
    assert found.total_pages == body["pages"]
    for row, (wire, raw) in zip(body["data"], found.rows, strict=True):
        assert raw.decode() == row
        if model is not None:
            check(path, row, model("linode", wire, raw))


def test_lists():
    seen = set()
    for _, _, path, answered in EXCHANGES:
        body = answered["body"]
        if path in LISTS and answered["status"] == 200 and isinstance(body, dict) and "data" in body:
            read(path, body, *LISTS[path])
            seen.add(path)
    assert seen == set(LISTS)


@pytest.mark.parametrize("file", FILES)
def test_files(file):
    path, kind, model = FILES[file]
    body = json.loads((RECORDINGS / file).read_bytes())
    read(path, body, kind, model)


def test_objects():
    count = 0
    for name, method, path, answered in EXCHANGES:
        body = answered["body"]
        if answered["status"] != 200 or method == "DELETE" or not isinstance(body, dict) or "data" in body:
            continue
        for pattern, shape, model in OBJECTS:
            if re.fullmatch(pattern, path):
                wire, raw = decoding.read_one(answer(body, operation=name), msgspec.json.Decoder(shape))
                count += 1
                if model is not None:
                    check(re.sub(r"/(\d+|private).*", "", path), body, model("linode", wire, raw))
    assert count > 80


@pytest.mark.parametrize(
    "file",
    ["linode_api4__linode_instances_124.json", "libcloud__create_node.json", "libcloud__ex_rename_node.json"],
)
def test_machines_in_files_of_their_own(file):
    body = json.loads((RECORDINGS / file).read_bytes())
    wire, raw = decoding.read_one(answer(body), msgspec.json.Decoder(rows.Linode))
    check_linode(body, mapping.instance("linode", wire, raw))


def test_a_profile():
    body = json.loads((RECORDINGS / "linode_api4__profile.json").read_bytes())
    profile, _ = decoding.read_one(answer(body), msgspec.json.Decoder(rows.Profile))
    assert report("linode", profile, None, rows.Account(), None).account.startswith(body["username"])


def test_errors():
    """Whatever was refused gets the vendor's words and a kind, busy ones that of the busy."""
    count = 0
    for _, method, path, answered in EXCHANGES:
        if answered["status"] < 400 or not isinstance(answered["body"], dict):
            continue
        response = answer(
            answered["body"], answered["status"], method=method, path=path, operation="perform_action"
        )
        error = translate(response)
        assert isinstance(error, PurveyorError)
        reasons = [one["reason"] for one in answered["body"]["errors"]]
        assert all(" ".join(reason.split())[:60] in error.message for reason in reasons)
        assert (error.code == "RESOURCE_BUSY") == (reasons == ["Linode busy."])
        count += 1
    assert count > 40


def test_scopes():
    headers = {answered["headers"].get("x-oauth-scopes") for *_, answered in EXCHANGES}
    assert scopes_of("*") == ("*",)
    for header in headers - {None, "*", "unknown"}:
        assert all(":" in scope for scope in scopes_of(header))


def check(path, row, model):
    """Nothing that the model has a place for is lost; told a second time, in other words than the mapping's."""
    match path:
        case "/linode/instances":
            check_linode(row, model)
        case "/linode/types":
            assert (model.id, model.name, model.cpus) == (row["id"], row["label"], row["vcpus"])
            assert (model.memory, model.disk) == (row["memory"] * MiB, row["disk"] * MiB)
            assert (model.transfer, model.gpu) == (row["transfer"] * GiB, row["gpus"])
            assert float(model.price_per_hour.amount) == row["price"]["hourly"]
            assert float(model.price_per_month.amount) == row["price"]["monthly"]
            own = {region: float(price.amount) for region, price in model.region_prices}
            assert own == {one["id"]: one["hourly"] for one in row.get("region_prices", ())}
            assert (model.gpu_model is not None) == (row["class"] == "gpu")
        case "/images":
            assert (model.id, model.name) == (row["id"], row["label"])
            assert (model.distribution, model.public) == (row["vendor"], row["is_public"])
            assert (model.min_disk, model.deprecated) == (row["size"] * MiB, row["deprecated"])
        case "/regions":
            assert (model.id, model.features) == (row["id"], tuple(row["capabilities"]))
            assert model.available == (row["status"] == "ok")
            assert len(model.places) == (3 if "," in row.get("label", "") else 2)
        case "/linode/stackscripts":
            assert (model.id, model.kind) == (str(row["id"]), "script")
            assert row["label"].startswith(model.name)
        case "/account/invoices":
            assert (model.id, float(model.amount.amount)) == (str(row["id"]), row["total"])
            assert model.issued_at == datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
        case "/account":
            assert float(model.owed.amount) == row["balance"]
            assert float(model.month_to_date.amount) == row["balance_uninvoiced"]
        case "items":
            assert (float(model.amount.amount), model.quantity) == (row["total"], row["quantity"])
            assert model.start == datetime.fromisoformat(row["from"]).replace(tzinfo=UTC)
            assert model.end == datetime.fromisoformat(row["to"]).replace(tzinfo=UTC)


def check_linode(row, found):
    assert (found.id, found.name, found.plan) == (str(row["id"]), row["label"], row["type"])
    assert (found.image, found.region) == (row["image"], row["region"])
    assert found.tags == tuple(row["tags"])
    assert (found.memory, found.disk) == (row["specs"]["memory"] * MiB, row["specs"]["disk"] * MiB)
    assert found.cpus == row["specs"]["vcpus"]
    assert found.created_at == datetime.fromisoformat(row["created"]).replace(tzinfo=UTC)
    assert {*found.public_ipv4, *found.private_ipv4} == set(row["ipv4"])
    assert found.public_ipv6 == ((row["ipv6"].split("/")[0],) if row["ipv6"] else ())
    assert found.status.value != "unknown"
    assert found.busy == (row["status"] not in ("running", "offline"))
