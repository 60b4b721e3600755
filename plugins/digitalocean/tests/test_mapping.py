import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from purveyor.plugin import GiB, InstanceStatus, MiB, Money
from purveyor_digitalocean import _mapping as mapping
from purveyor_digitalocean import _rows as rows

SIZE = {
    "slug": "s-1vcpu-1gb",
    "memory": 1024,
    "vcpus": 1,
    "disk": 25,
    "transfer": 1.0,
    "price_monthly": 5.0,
    "price_hourly": 0.00743999984115362,
    "regions": ["ams3", "nyc3"],
    "available": True,
    "description": "Basic",
}
DROPLET = {
    "id": 3164444,
    "name": "example.com",
    "memory": 1024,
    "vcpus": 1,
    "disk": 25,
    "locked": False,
    "status": "active",
    "created_at": "2020-07-21T18:37:44Z",
    "image": {"id": 63663980, "slug": "ubuntu-20-04-x64"},
    "size": SIZE,
    "size_slug": "s-1vcpu-1gb",
    "networks": {
        "v4": [
            {"ip_address": "10.128.192.124", "gateway": "nil", "type": "private"},
            {"ip_address": "192.241.165.154", "type": "public"},
            {"ip_address": "192.241.165.155", "type": "public"},
            {"ip_address": "192.0.2.1", "type": "lunar"},
        ],
        "v6": [{"ip_address": "2604:a880:0:1010::18a:a001", "netmask": 64, "type": "public"}],
    },
    "region": {"slug": "nyc3"},
    "tags": ["web", "env:prod"],
}


def decoded(kind, row):
    return msgspec.json.decode(json.dumps(row), type=kind)


def instance(**changes):
    return mapping.instance("do", decoded(rows.Droplet, {**DROPLET, **changes}), b"{}")


def plan(**changes):
    return mapping.plan("do", decoded(rows.Size, {**SIZE, **changes}), b"{}")


def image(**row):
    return mapping.image("do", decoded(rows.Image, {"id": 7, **row}), b"{}")


def test_a_droplet():
    found = instance()
    assert (found.provider, found.id, found.name) == ("do", "3164444", "example.com")
    assert (found.plan, found.image, found.region) == ("s-1vcpu-1gb", "ubuntu-20-04-x64", "nyc3")
    assert (found.cpus, found.memory, found.disk) == (1, 1024 * MiB, 25 * GiB)
    assert found.tags == ("web", "env:prod")
    assert found.created_at == datetime(2020, 7, 21, 18, 37, 44, tzinfo=UTC)
    assert (found.price_per_hour, found.price_per_month) == (Money("0.00744"), Money("5.00"))
    assert str(found.price_per_hour) == "0.00744 USD"
    assert found.ready


def test_addresses_go_by_their_type():
    found = instance()
    assert found.public_ipv4 == ("192.241.165.154", "192.241.165.155")
    assert found.private_ipv4 == ("10.128.192.124",)
    assert found.public_ipv6 == ("2604:a880:0:1010::18a:a001",)


@pytest.mark.parametrize(
    ("status", "locked", "expected", "busy"),
    [
        ("new", True, InstanceStatus.PROVISIONING, True),
        ("new", False, InstanceStatus.PROVISIONING, False),
        ("active", False, InstanceStatus.RUNNING, False),
        ("active", True, InstanceStatus.RUNNING, True),
        ("active", None, InstanceStatus.RUNNING, False),
        ("off", False, InstanceStatus.STOPPED, False),
        ("archive", False, InstanceStatus.DELETED, False),
        ("hibernating", False, InstanceStatus.UNKNOWN, False),
        (None, False, InstanceStatus.UNKNOWN, False),
    ],
)
def test_statuses(status, locked, expected, busy):
    found = instance(status=status, locked=locked)
    assert (found.status, found.busy) == (expected, busy)


@pytest.mark.parametrize(
    "changes", [{"locked": True}, {"networks": {}}, {"networks": {"v4": [], "v6": []}}, {"status": "off"}]
)
def test_not_ready(changes):
    assert not instance(**changes).ready


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": 5, "slug": None}, "5"),
        ({"id": 5, "slug": "debian-12-x64"}, "debian-12-x64"),
        ({}, None),
        (None, None),
    ],
)
def test_an_image_without_a_slug_goes_by_its_id(row, expected):
    assert instance(image=row).image == expected


def test_the_size_slug_counts_more_than_the_size():
    assert instance(size_slug="512mb").plan == "512mb"
    assert instance(size_slug=None).plan == "s-1vcpu-1gb"


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001 - as it comes at times
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc(moment, expected):
    droplet = rows.Droplet(id=1, created_at=moment)
    created_at = mapping.instance("do", droplet, b"").created_at
    assert created_at == expected
    assert created_at.tzinfo is UTC


def test_a_size():
    found = plan()
    assert (found.id, found.name, found.cpus) == ("s-1vcpu-1gb", "Basic", 1)
    assert (found.memory, found.disk, found.transfer) == (1024 * MiB, 25 * GiB, 1000 * GiB)
    assert (found.price_per_hour, found.price_per_month) == (Money("0.00744"), Money("5.00"))
    assert (found.regions, found.available, found.gpu) == (("ams3", "nyc3"), True, 0)


def test_transfer_comes_in_fractions_of_a_terabyte():
    assert plan(transfer=0.5).transfer == 500 * GiB
    assert plan(transfer=None).transfer is None


@pytest.mark.parametrize(
    ("changes", "regions", "available"),
    [
        ({"available": False}, ("ams3", "nyc3"), False),
        ({"regions": []}, (), False),
        ({"regions": None}, None, True),
    ],
)
def test_where_a_size_is_sold(changes, regions, available):
    found = plan(**changes)
    assert (found.regions, found.available) == (regions, available)


def test_a_size_with_gpus():
    found = plan(gpu_info={"count": 8, "model": "nvidia_h100", "vram": {"amount": 640, "unit": "gib"}})
    assert (found.gpu, found.gpu_model) == (8, "nvidia_h100")


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (0.00743999984115362, "0.00744"),
        (0.0059500001, "0.00595"),
        (23.920000076293945, "23.92000"),
        (1, "1.00000"),
    ],
)
def test_prices_lose_the_noise_of_32_bits(price, expected):
    amount = plan(price_hourly=price).price_per_hour.amount
    assert (amount, str(amount)) == (Decimal(expected), expected)


@pytest.mark.parametrize(
    ("slug", "aliases"),
    [
        ("ubuntu-24-04-x64", ("ubuntu-24.04",)),
        ("debian-12-x64", ("debian-12",)),
        ("fedora-42-x64", ("fedora-42",)),
        ("almalinux-9-x64", ("almalinux-9",)),
        ("rockylinux-9-x64", ("rocky-9",)),
        ("centos-stream-9-x64", ("centos-stream-9",)),
        ("ubuntu-16-04-x32", ()),
        ("freebsd-12-x64-zfs", ()),
        ("gpu-h100x1-base", ()),
        ("docker-20-04", ()),
        ("ubuntu1304", ()),
        (None, ()),
    ],
)
def test_portable_names(slug, aliases):
    assert image(slug=slug, public=True).aliases == aliases


def test_an_image_of_ones_own():
    found = image(
        name="backup", slug=None, public=False, min_disk_size=25, regions=["nyc3"], distribution="Ubuntu"
    )
    assert (found.id, found.name, found.public, found.aliases) == ("7", "backup", False, ())
    assert (found.min_disk, found.regions, found.distribution) == (25 * GiB, ("nyc3",), "Ubuntu")


def test_what_others_share_has_no_portable_name():
    assert image(slug="ubuntu-24-04-x64", public=False).aliases == ()


def test_retired_images_are_deprecated():
    assert image(status="retired").deprecated
    assert not image(status="available").deprecated


@pytest.mark.parametrize(
    ("slug", "places"),
    [
        ("ams3", ("amsterdam", "nl", "eu")),
        ("nyc1", ("new-york", "us", "na")),
        ("sgp1", ("singapore", "sg", "as")),
        ("syd1", ("sydney", "au", "oc")),
        ("xyz1", ()),
    ],
)
def test_places(slug, places):
    found = mapping.region(
        "do", decoded(rows.Region, {"slug": slug, "name": "x", "features": ["ipv6"]}), b"{}"
    )
    assert (found.id, found.places, found.available, found.features) == (slug, places, True, ("ipv6",))


def test_places_are_complete_and_lower_case():
    assert all(
        len(places) == 3 and all(one == one.lower() for one in places) for places in mapping.PLACES.values()
    )


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({"email": "a@example.com", "status": "active"}, ("a@example.com", True, None, "")),
        (
            {
                "email": "a@example.com",
                "team": {"name": "My Team"},
                "droplet_limit": 25,
                "status_message": " ",
            },
            ("a@example.com (My Team)", True, 25, ""),
        ),
        (
            {"email": "a@example.com", "status": "locked", "status_message": "Pay us."},
            ("a@example.com", False, None, "Pay us."),
        ),
        ({"status": "warning", "status_message": "Soon."}, (None, True, None, "Soon.")),
        ({}, (None, True, None, "")),
    ],
)
def test_accounts(account, expected):
    report = mapping.credentials("do", decoded(rows.Account, account))
    assert (report.account, report.active, report.instance_limit, report.note) == expected


def test_what_is_owed_is_positive():
    row = {"account_balance": "12.23", "month_to_date_usage": "11.21", "generated_at": "2019-07-09T15:01:12Z"}
    found = mapping.balance("do", decoded(rows.Balance, row), b"{}")
    assert (found.owed, found.month_to_date) == (Money("12.23"), Money("11.21"))
    assert found.as_of == datetime(2019, 7, 9, 15, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2020-01", datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)),
        ("2019-12", datetime(2019, 12, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-13", None, None),
        ("0000-01", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_invoice_periods(period, start, end):
    row = {"invoice_uuid": "u", "amount": "12.34", "invoice_period": period}
    found = mapping.invoice("do", decoded(rows.Invoice, row), b"{}")
    assert (found.id, found.amount, found.preview) == ("u", Money("12.34"), False)
    assert (found.period_start, found.period_end) == (start, end)
    assert mapping.invoice("do", decoded(rows.InvoicePreview, row), b"{}").preview


def test_a_line_of_a_bill():
    row = {
        "product": "Droplets",
        "resource_id": "1234",
        "description": "web-1",
        "amount": "12.34",
        "duration": "672",
        "duration_unit": "Hours",
        "start_time": "2018-06-20T08:44:38Z",
        "end_time": "2018-06-21T08:44:38Z",
    }
    found = mapping.cost_item("do", decoded(rows.InvoiceItem, row), b"{}")
    assert (found.description, found.product, found.resource_id) == ("web-1", "Droplets", "1234")
    assert (found.amount, found.quantity, found.unit) == (Money("12.34"), 672.0, "hours")
    assert found.start == datetime(2018, 6, 20, 8, 44, 38, tzinfo=UTC)
