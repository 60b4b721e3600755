"""Recorded answers of the real API, as its own clients keep them for their tests: all must be read, whole.

They are no part of this project; where they are not at hand there is nothing to do.
"""

import csv
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from purveyor.plugin import GiB, MiB, PurveyorError
from purveyor.wire import Response
from purveyor_digitalocean import _decoding as decoding
from purveyor_digitalocean import _mapping as mapping
from purveyor_digitalocean import _rows as rows
from purveyor_digitalocean._errors import translate

ROOT = Path(__file__).parents[3]
RECORDINGS = ROOT / ".." / "shared" / "data" / "recordings" / "digitalocean"

LISTS = {
    "droplets": (decoding.DROPLETS, mapping.instance),
    "sizes": (decoding.SIZES, mapping.plan),
    "images": (decoding.IMAGES, mapping.image),
    "regions": (decoding.REGIONS, mapping.region),
    "1_clicks": (decoding.ONE_CLICKS, mapping.app),
    "invoices": (decoding.INVOICES, mapping.invoice),
    "invoice_items": (decoding.INVOICE_ITEMS, mapping.cost_item),
    "actions": (decoding.ACTIONS, None),
}
OBJECTS = {
    "droplet": (rows.Droplet, mapping.instance),
    "image": (rows.Image, mapping.image),
    "invoice_preview": (rows.InvoicePreview, mapping.invoice),
    "account": (rows.Account, lambda provider, account, _: mapping.credentials(provider, account)),
    "action": (rows.Action, None),
    "ssh_key": (rows.Key, None),
}


def recordings():
    if not RECORDINGS.is_dir():
        return []
    with (RECORDINGS / "index.tsv").open(newline="") as index:
        return [(row["file"], row["kind"]) for row in csv.DictReader(index, delimiter="\t")]


def answered(file, status=200):
    return Response(status=status, body=(RECORDINGS / file).read_bytes(), operation=file, provider="do")


def found_bodies():
    """Every recorded answer that is a JSON object."""
    for file, kind in recordings():
        body = json.loads((RECORDINGS / file).read_bytes())
        if isinstance(body, dict) and kind != "request":
            yield pytest.param(file, body, kind, id=file)


BODIES = list(found_bodies())

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not at hand")


@pytest.mark.parametrize(("file", "body", "kind"), BODIES)
def test_lists(file, body, kind):
    for key in LISTS.keys() & {name for name, value in body.items() if isinstance(value, list)}:
        shape, model = LISTS[key]
        found = decoding.read_list(answered(file), shape)
        assert len(found.rows) == len(body[key])
        assert all(isinstance(row, tuple) for row in found.rows), found.rows
        for row, (wire, raw) in zip(body[key], found.rows, strict=True):
            assert raw.decode() == row
            if model is not None:
                check(key, row, model("do", wire, raw))


@pytest.mark.parametrize(("file", "body", "kind"), BODIES)
def test_objects(file, body, kind):
    # A droplet beside a database and others is a reference, not the droplet's own answer.
    for root in OBJECTS.keys() & {name for name, value in body.items() if isinstance(value, dict)}:
        if root == "droplet" and "resources" in body:
            continue
        shape, model = OBJECTS[root]
        wire, raw = decoding.read_one(answered(file), msgspec.json.Decoder(shape), root)
        assert raw.decode() == body[root]
        if model is not None:
            check(root, body[root], model("do", wire, raw))
    if "account_balance" in body:
        found = mapping.balance("do", *decoding.read_one(answered(file), msgspec.json.Decoder(rows.Balance)))
        assert found.owed.amount == Decimal(body["account_balance"])


@pytest.mark.parametrize(("file", "body", "kind"), BODIES)
def test_errors(file, body, kind):
    if kind == "error":
        error = translate(answered(file, 422))
        assert isinstance(error, PurveyorError)
        assert error.message in (body.get("message"), "DigitalOcean answered 422 and gave no reason")


def check(key, row, model):
    """Nothing that the model has a place for is lost; told a second time, in other words than the mapping's."""
    if key in ("droplet", "droplets"):
        check_droplet(row, model)
    elif key == "sizes":
        assert (model.id, model.cpus) == (row["slug"], row["vcpus"])
        assert (model.memory, model.disk) == (row["memory"] * MiB, row["disk"] * GiB)
        assert float(model.price_per_hour.amount) == pytest.approx(row["price_hourly"], abs=6e-6)
        assert model.regions == (tuple(row["regions"]) if "regions" in row else None)
    elif key in ("image", "images"):
        assert model.id == (row.get("slug") or str(row["id"]))
        assert (model.name, model.distribution) == (row.get("name", ""), row.get("distribution"))
        assert model.regions == (tuple(row["regions"]) if "regions" in row else None)
    elif key == "regions":
        slug = row.get("slug") or str(row["id"])
        assert (model.id, model.name) == (slug, row.get("name", slug))
        assert set(model.features) == set(row.get("features", ()))
    elif key in ("invoices", "invoice_preview"):
        assert (model.id, model.amount.amount) == (row["invoice_uuid"], Decimal(row["amount"]))
        assert model.period_start.strftime("%Y-%m") == row["invoice_period"]
    elif key == "invoice_items":
        assert (model.amount.amount, model.resource_id) == (Decimal(row["amount"]), row["resource_id"])


def check_droplet(row, found):
    assert (found.id, found.name) == (str(row["id"]), row.get("name", ""))
    assert found.tags == tuple(row.get("tags") or ())
    assert found.memory == (row["memory"] * MiB if "memory" in row else None)
    assert found.disk == (row["disk"] * GiB if "disk" in row else None)
    assert found.cpus == row.get("vcpus")
    assert found.region == (row.get("region") or {}).get("slug")
    image = row.get("image") or {}
    assert found.image == (image.get("slug") or (str(image["id"]) if "id" in image else None))
    addresses = [one for group in (row.get("networks") or {}).values() for one in group]
    shown = {*found.public_ipv4, *found.private_ipv4, *found.public_ipv6}
    assert shown == {one["ip_address"] for one in addresses}
    if "created_at" in row:
        assert found.created_at == datetime.fromisoformat(row["created_at"])


def test_they_are_all_there():
    assert len(BODIES) > 100
