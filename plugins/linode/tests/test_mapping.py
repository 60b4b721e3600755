import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from purveyor.plugin import GiB, InstanceStatus, MiB, Money
from purveyor_linode import _mapping as mapping
from purveyor_linode import _rows as rows
from purveyor_linode._regions import CONTINENTS, sells

TYPE = {
    "id": "g6-standard-2",
    "label": "Linode 4GB",
    "price": {"hourly": 0.036, "monthly": 24.0},
    "region_prices": [{"id": "id-cgk", "hourly": 0.043, "monthly": 28.8}],
    "addons": {"backups": {"price": {"hourly": 0.008, "monthly": 5.0}}},
    "memory": 4096,
    "disk": 81920,
    "transfer": 4000,
    "vcpus": 2,
    "gpus": 0,
    "network_out": 4000,
    "class": "standard",
    "successor": None,
}
GPU = {
    **TYPE,
    "id": "g1-gpu-rtx6000-2",
    "label": "Dedicated 64GB + RTX6000 GPU x2",
    "class": "gpu",
    "gpus": 2,
}
LINODE = {
    "id": 82372947,
    "label": "web-1",
    "group": "",
    "status": "running",
    "created": "2018-01-02T03:04:05",
    "updated": "2018-01-02T03:04:05",
    "type": "g6-standard-2",
    "ipv4": ["192.168.133.234", "192.0.2.7", "192.0.2.8"],
    "ipv6": "1234::5678/128",
    "image": "linode/debian12",
    "region": "us-iad",
    "specs": {"disk": 81920, "memory": 4096, "vcpus": 2, "gpus": 0, "transfer": 4000},
    "tags": ["web", "env:prod"],
    "placement_group": None,
}
REGION = {
    "id": "nl-ams",
    "label": "Amsterdam, NL",
    "country": "nl",
    "capabilities": ["Linodes", "Metadata"],
    "status": "ok",
    "site_type": "core",
}


def decoded(kind, row):
    return msgspec.json.decode(json.dumps(row), type=kind)


def instance(**changes):
    return mapping.instance("linode", decoded(rows.Linode, {**LINODE, **changes}), b"{}")


def plan(*regions, told=None, row=TYPE, **changes):
    size = decoded(rows.Type, {**row, **changes})
    known = [decoded(rows.Region, {**REGION, **region}) for region in regions]
    sold_in = tuple(region.id for region in known if sells(region, size, told or {}))
    return mapping.plan("linode", size, b"{}", sold_in)


def image(id_="linode/debian12", **row):
    return mapping.image("linode", decoded(rows.Image, {"id": id_, **row}), b"{}")


def region(**changes):
    return mapping.region("linode", decoded(rows.Region, {**REGION, **changes}), b"{}")


def test_a_linode():
    found = instance()
    assert (found.provider, found.id, found.name) == ("linode", "82372947", "web-1")
    assert (found.plan, found.image, found.region) == ("g6-standard-2", "linode/debian12", "us-iad")
    assert (found.cpus, found.memory, found.disk) == (2, 4096 * MiB, 81920 * MiB)
    assert found.tags == ("web", "env:prod")
    assert found.created_at == datetime(2018, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.ready


def test_addresses_go_by_what_they_are():
    found = instance()
    assert found.public_ipv4 == ("192.0.2.7", "192.0.2.8")
    assert found.private_ipv4 == ("192.168.133.234",)
    assert found.public_ipv6 == ("1234::5678",)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("192.168.128.1", True),
        ("192.168.255.254", True),
        ("10.0.0.2", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.169.1.1", False),
        ("100.1.2.3", False),
        ("strange", False),
    ],
)
def test_private_addresses(address, private):
    found = instance(ipv4=[address])
    assert (found.private_ipv4, found.public_ipv4) == (((address,), ()) if private else ((), (address,)))


@pytest.mark.parametrize(
    ("status", "expected", "busy"),
    [
        ("provisioning", InstanceStatus.PROVISIONING, True),
        ("booting", InstanceStatus.STARTING, True),
        ("running", InstanceStatus.RUNNING, False),
        ("offline", InstanceStatus.STOPPED, False),
        ("stopped", InstanceStatus.STOPPED, False),
        ("shutting_down", InstanceStatus.STOPPING, True),
        ("rebooting", InstanceStatus.REBOOTING, True),
        ("rebuilding", InstanceStatus.REBUILDING, True),
        ("busy", InstanceStatus.BUSY, True),
        ("migrating", InstanceStatus.BUSY, True),
        ("resizing", InstanceStatus.BUSY, True),
        ("cloning", InstanceStatus.BUSY, True),
        ("restoring", InstanceStatus.BUSY, True),
        ("deleting", InstanceStatus.DELETING, True),
        ("billing_suspension", InstanceStatus.SUSPENDED, False),
        ("dreaming", InstanceStatus.UNKNOWN, False),
        (None, InstanceStatus.UNKNOWN, False),
    ],
)
def test_statuses(status, expected, busy):
    found = instance(status=status)
    assert (found.status, found.busy) == (expected, busy)


def test_every_status_is_in_the_test_above():
    assert len(mapping.STATUSES) == 15


@pytest.mark.parametrize(
    ("field", "ours"), [("type", "plan"), ("image", "image"), ("region", "region"), ("created", "created_at")]
)
def test_what_linode_does_not_say(field, ours):
    assert getattr(instance(**{field: None}), ours) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ipv6": None}, ()),
        ({"ipv6": ""}, ()),
        ({"ipv6": "2600::1"}, ("2600::1",)),
        ({"ipv6": "2600::1/64"}, ("2600::1",)),
    ],
)
def test_ipv6_has_no_prefix_length(changes, expected):
    assert instance(**changes).public_ipv6 == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001 - as it comes
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc(moment, expected):
    created_at = mapping.instance("linode", rows.Linode(id=1, created=moment), b"").created_at
    assert created_at == expected
    assert created_at.tzinfo is UTC


def test_a_type():
    found = plan({}, {"id": "us-iad"})
    assert (found.id, found.name, found.cpus) == ("g6-standard-2", "Linode 4GB", 2)
    assert (found.memory, found.disk, found.transfer) == (4 * GiB, 80 * GiB, 4000 * GiB)
    assert (str(found.price_per_hour), str(found.price_per_month)) == ("0.036 USD", "24.00 USD")
    assert found.region_prices == (("id-cgk", Money("0.043")),)
    assert (found.regions, found.available) == (("nl-ams", "us-iad"), True)
    assert (found.gpu, found.gpu_model) == (0, None)


@pytest.mark.parametrize(
    ("price", "expected"),
    [(0.0075, "0.0075"), (5, "5.00"), (0.30000000000000004, "0.30"), (1e-9, "0.00"), (-12.5, "-12.50")],
)
def test_amounts(price, expected):
    assert str(plan(price={"hourly": price}).price_per_hour.amount) == expected


def test_a_price_may_be_missing():
    assert plan(price=None).price_per_hour is None
    found = plan(price={"hourly": None, "monthly": None}, region_prices=[{"id": "x"}, {"hourly": 1}])
    assert (found.price_per_hour, found.price_per_month, found.region_prices) == (None, None, ())


@pytest.mark.parametrize(
    ("id_", "label", "model"),
    [
        ("g1-gpu-rtx6000-1", "Dedicated 32GB + RTX6000 GPU x1", "nvidia_rtx6000"),
        ("g2-gpu-rtx4000a1-s", "RTX4000 Ada x1 Small", "nvidia_rtx4000_ada"),
        ("g9-gpu", "RTX 6000 Ada x1", "nvidia_rtx6000_ada"),
        ("g3-gpu-rtxpro6000-blackwell-1", "RTX PRO 6000 Blackwell x1", "nvidia_rtx_pro_6000"),
        ("g9-gpu-new", "Something new x1", None),
    ],
)
def test_gpu_models(id_, label, model):
    found = plan(row=GPU, id=id_, label=label)
    assert (found.gpu, found.gpu_model) == (2, model)


@pytest.mark.parametrize(
    ("changes", "region_", "sold"),
    [
        ({}, {}, True),
        ({}, {"status": "outage"}, False),
        ({}, {"capabilities": ["Block Storage"]}, False),
        ({}, {"capabilities": None, "status": None, "site_type": None}, True),
        ({}, {"site_type": "distributed"}, False),
        ({"id": "g6-nanode-edge-1"}, {"site_type": "distributed"}, True),
        ({"id": "g6-nanode-edge-1"}, {}, False),
        ({"class": "gpu"}, {}, False),
        ({"class": "gpu"}, {"capabilities": ["Linodes", "GPU Linodes"]}, True),
        ({"class": "premium"}, {}, False),
        ({"class": "premium"}, {"capabilities": ["Linodes", "Premium Plans"]}, True),
        ({"class": "highmem"}, {}, True),
        ({"class": "unheard-of"}, {}, True),
        ({"class": None}, {}, True),
    ],
)
def test_where_a_plan_is_sold(changes, region_, sold):
    found = plan(region_, **changes)
    assert (found.regions, found.available) == (("nl-ams",) if sold else (), sold)


def test_what_linode_tells_counts_more_than_what_a_region_can_do():
    told = {("nl-ams", "g6-standard-2"): False, ("us-iad", "g6-standard-2"): True, ("gone", "x"): True}
    regions = ({}, {"id": "us-iad", "site_type": "distributed"}, {"id": "us-ord", "status": "outage"})
    assert plan(*regions, told=told).regions == ("us-iad",)
    assert plan({}, told=told, id="g6-standard-4").regions == ("nl-ams",)


@pytest.mark.parametrize(
    ("id_", "aliases"),
    [
        ("linode/ubuntu24.04", ("ubuntu-24.04",)),
        ("linode/ubuntu16.04lts", ("ubuntu-16.04",)),
        ("linode/debian12", ("debian-12",)),
        ("linode/fedora42", ("fedora-42",)),
        ("linode/almalinux9", ("almalinux-9",)),
        ("linode/rocky9", ("rocky-9",)),
        ("linode/centos-stream9", ("centos-stream-9",)),
        ("linode/alpine3.20", ("alpine-3.20",)),
        ("linode/opensuse15.6", ("opensuse-15.6",)),
        ("linode/arch", ("arch",)),
        ("linode/debian12-kube-v1.33.10", ()),
        ("linode/ubuntu24.04-nvidia", ()),
        ("linode/debian732bit", ()),
        ("private/84470", ()),
        ("shared/1", ()),
    ],
)
def test_portable_names(id_, aliases):
    assert image(id_, is_public=True).aliases == aliases


def test_an_image():
    found = image(label="Debian 12", vendor="Debian", size=2500, is_public=True, deprecated=True)
    assert (found.id, found.name, found.distribution) == ("linode/debian12", "Debian 12", "Debian")
    assert (found.min_disk, found.public, found.deprecated) == (2500 * MiB, True, True)
    assert found.regions is None


def test_an_image_of_ones_own():
    found = image("private/84470", label=None, vendor=None, is_public=False)
    assert (found.name, found.public, found.distribution, found.aliases) == ("private/84470", False, None, ())


def test_what_others_share_has_no_portable_name():
    assert image("linode/debian12", is_public=False).aliases == ()


@pytest.mark.parametrize(
    ("label", "country", "places"),
    [
        ("Amsterdam, NL", "nl", ("amsterdam", "nl", "eu")),
        ("Frankfurt 2, DE", "de", ("frankfurt", "de", "eu")),
        ("Newark, NJ", "us", ("newark", "us", "na")),
        ("Dallas, TX, USA", "us", ("dallas", "us", "na")),
        ("Los Angeles, CA", "US", ("los-angeles", "us", "na")),
        ("Edge - Bogotá, CO", "co", ("bogota", "co", "sa")),
        ("Sao Paulo, BR", "br", ("sao-paulo", "br", "sa")),
        ("London, UK", "uk", ("london", "gb", "eu")),
        ("Singapore 2, SG", "sg", ("singapore", "sg", "as")),
        ("Johannesburg, ZA\t", "za", ("johannesburg", "za", "af")),
        ("Sydney, AU", "au", ("sydney", "au", "oc")),
        ("US East", "us", ("us", "na")),
        ("", "aq", ("aq",)),
        (None, None, ()),
    ],
)
def test_places(label, country, places):
    assert region(label=label, country=country).places == places


def test_a_country_is_on_one_continent():
    countries = [country for names in CONTINENTS.values() for country in names.split()]
    assert len(countries) == len(set(countries))
    assert all(len(country) == 2 and country == country.lower() for country in countries)


def test_a_region():
    found = region()
    assert (found.id, found.name, found.available) == ("nl-ams", "Amsterdam, NL", True)
    assert found.features == ("Linodes", "Metadata")
    assert not region(status="outage").available


def test_an_app():
    row = {"id": 401697, "label": "WordPress One-Click", "description": " A blog.\n", "username": "linode"}
    found = mapping.app("linode", decoded(rows.StackScript, row), b"{}")
    assert (found.id, found.name, found.kind, found.description) == (
        "401697",
        "WordPress",
        "script",
        "A blog.",
    )


def test_what_is_owed_is_positive():
    found = mapping.balance("linode", rows.Balance(balance=12.5, balance_uninvoiced=3.21), b"{}")
    assert (found.owed, found.month_to_date) == (Money("12.50"), Money("3.21"))
    assert mapping.balance("linode", rows.Balance(balance=-5), b"").month_to_date is None


def test_an_invoice():
    row = {"id": 123456, "date": "2015-01-01T05:01:02", "label": "Invoice #123456", "total": 9.51}
    found = mapping.invoice("linode", decoded(rows.Invoice, row), b"{}")
    assert (found.id, found.amount, found.preview) == ("123456", Money("9.51"), False)
    assert found.issued_at == found.period_end == datetime(2015, 1, 1, 5, 1, 2, tzinfo=UTC)
    assert found.period_start is None


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        (datetime(2026, 11, 15, 12, tzinfo=UTC), (2026, 11), (2026, 12)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), (2026, 12), (2027, 1)),
        (datetime(2026, 1, 31, tzinfo=UTC), (2026, 1), (2026, 2)),
    ],
)
def test_the_running_month(now, start, end):
    found = mapping.preview("linode", rows.Balance(balance=0, balance_uninvoiced=3.21), b"{}", now)
    assert (found.amount, found.preview) == (Money("3.21"), True)
    assert (found.period_start, found.period_end) == (
        datetime(*start, 1, tzinfo=UTC),
        datetime(*end, 1, tzinfo=UTC),
    )


def test_the_running_month_may_be_unknown():
    assert mapping.preview("linode", rows.Balance(balance=0), b"{}", datetime.now(UTC)) is None


def test_a_line_of_a_bill():
    row = {
        "amount": 20.2,
        "from": "2018-01-01T00:01:01",
        "label": "Linode 2GB - web - 1 (1234)",
        "quantity": 4,
        "region": "us-west",
        "tax": 1.25,
        "to": "2018-01-31T11:59:59",
        "total": 21.45,
        "type": "hourly",
        "unit_price": "5.05",
    }
    found = mapping.cost_item("linode", decoded(rows.InvoiceItem, row), b"{}")
    assert (found.description, found.amount) == ("Linode 2GB - web - 1 (1234)", Money("21.45"))
    assert (found.product, found.resource_id) == ("Linode 2GB", "1234")
    assert (found.quantity, found.unit) == (4.0, "hours")
    assert found.start == datetime(2018, 1, 1, 0, 1, 1, tzinfo=UTC)
    assert found.end == datetime(2018, 1, 31, 11, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("label", ["Linode 123", "Refund", "", None, "x - y", "(5)"])
def test_a_line_that_names_no_machine(label):
    found = mapping.cost_item("linode", rows.InvoiceItem(amount=1.0, label=label, type="misc"), b"")
    assert (found.amount, found.product, found.resource_id, found.unit) == (Money("1.00"), "", None, None)
