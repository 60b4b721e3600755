"""Everything of the account but its machines, against the sandbox."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from purveyor.plugin import (
    CatalogRequest,
    CostRequest,
    InvalidCredentialsError,
    Mark,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    RateLimitError,
    ValidationError,
)
from purveyor_testing.asking import effects, sent
from purveyor_testing.context import plain_call as call

from ._build import FINGERPRINT, KEY, account, create, provider

CATALOG = CatalogRequest()


# SSH keys.


async def test_a_key_is_stored_once(cloud, do):
    await asyncio.gather(*(create(do, mark=Mark("o", f"i{n}"), ssh_keys=(KEY, KEY)) for n in range(5)))
    assert [one["fingerprint"] for one in cloud.world.keys.values()] == [FINGERPRINT]
    assert [one["name"] for one in cloud.world.keys.values()] == ["me@example"]
    assert [one.method for one in sent(cloud, path="/v2/account/keys")] == ["GET", "POST"]


async def test_a_key_that_is_there_is_used(cloud, do):
    await create(do, ssh_keys=(KEY,))
    again = await provider(cloud.base_url, cloud.token)
    await create(again, ssh_keys=(KEY,))
    await again.aclose()
    assert [one.method for one in sent(cloud, path="/v2/account/keys")] == ["GET", "POST", "GET"]


async def test_a_key_that_somebody_else_stores_meanwhile(cloud, do):
    await create(do, ssh_keys=(KEY,))
    again = await provider(cloud.base_url, cloud.token)
    again._keys._find_or_add = lambda name, key, call: again._keys._add(key, call)
    await create(again, ssh_keys=(KEY,))
    await again.aclose()
    assert effects(cloud).count(("created", "ssh_key")) == 1


async def test_a_key_that_was_deleted_meanwhile(cloud, do):
    await create(do, ssh_keys=(KEY,))
    cloud.world.keys.clear()
    with pytest.raises(ValidationError) as caught:
        await create(do, ssh_keys=(KEY,))
    assert caught.value.field == "ssh_keys"
    await create(do, ssh_keys=(KEY,))


# The catalogue.


async def test_plans(do):
    plans = {plan.id: plan for plan in (await do.list_plans(CATALOG, call())).items}
    assert str(plans["s-1vcpu-1gb"].price_per_hour) == "0.00893 USD"
    assert (plans["gpu-h100x8-640gb"].gpu, plans["gpu-h100x8-640gb"].gpu_model) == (8, "nvidia_h100")
    assert not plans["512mb"].available


async def test_images(do):
    images = (await do.list_images(CATALOG, call())).items
    aliases = {alias: image.id for image in images for alias in image.aliases}
    assert aliases["ubuntu-24.04"] == "ubuntu-24-04-x64"
    assert {"debian-12", "fedora-42", "almalinux-9", "rocky-9", "centos-stream-9"} <= aliases.keys()
    assert "docker-20-04" not in {image.id for image in images}


async def test_every_region_of_the_sandbox_has_a_place(do):
    regions = (await do.list_regions(CATALOG, call())).items
    assert all(region.places for region in regions)
    assert {region.id for region in regions if "nl" in region.places} == {"ams2", "ams3"}


async def test_apps_are_those_for_droplets(do):
    apps = (await do.list_apps(CATALOG, call())).items
    assert "wordpress-20-04" in {app.id for app in apps}
    assert "ingress-nginx" not in {app.id for app in apps}


# Credentials and health.


async def test_good_credentials(do):
    report = await do.validate_credentials(call())
    assert (report.active, report.missing, report.instance_limit) == (True, (), 100)
    await do.check_health(call())


async def test_a_token_for_droplets_only(cloud):
    cloud.add_token("small", {"droplet:read"})
    small = await provider(cloud.base_url, "small")
    assert (await small.validate_credentials(call())).missing == ("account:read",)
    await small.check_health(call())
    with pytest.raises(PermissionDeniedError):
        await create(small)
    await small.aclose()


async def test_a_token_for_nothing(cloud):
    cloud.add_token("none", ())
    none = await provider(cloud.base_url, "none")
    assert (await none.validate_credentials(call())).missing == ("account:read", "droplet:read")
    await none.aclose()


async def test_a_wrong_token(cloud):
    wrong = await provider(cloud.base_url, "dop_v1_wrong")
    with pytest.raises(InvalidCredentialsError) as caught:
        await wrong.validate_credentials(call())
    assert "dop_v1_wrong" not in str(caught.value) + repr(caught.value) + repr(caught.value.details)
    await wrong.aclose()


@pytest.mark.parametrize(
    ("fault", "kind"), [("error_before", ProviderUnavailableError), ("garbage", ProtocolMismatchError)]
)
async def test_bad_health(cloud, do, fault, kind):
    cloud.fault(fault, times=1)
    with pytest.raises(kind):
        await do.check_health(call())


async def test_a_rate_limit_says_how_long_to_wait():
    async with account(minute_limit=1) as (_, do):
        await do.check_health(call())
        with pytest.raises(RateLimitError) as caught:
            await do.check_health(call())
        assert caught.value.retry_after >= 1


# Billing.


async def test_the_balance():
    async with account(balance="-12.50") as (_, do):
        balance = await do.get_balance(call())
        assert (balance.owed.amount, balance.month_to_date.currency) == (Decimal("-12.50"), "USD")


async def test_invoices(do):
    bills = [bill async for page in do.list_invoices(call()) for bill in page.items]
    assert [bill.preview for bill in bills] == [True, False, False, False]
    assert all(bill.period_start < bill.period_end for bill in bills)


async def test_costs(cloud, do):
    bills = [bill async for page in do.list_invoices(call()) for bill in page.items]
    last = bills[1]
    report = await do.get_costs(CostRequest(start=last.period_start, end=last.period_end), call())
    assert report.total == (last.amount,)
    assert [item.product for item in report.items] == ["Droplets"]
    asked = {one.path.rpartition("/")[2] for one in sent(cloud, path="/v2/customers/my/invoices/")}
    assert asked == {last.id}


async def test_the_running_month_goes_by_preview(cloud, do):
    start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    (droplet,) = cloud.seed_droplets(1)
    report = await do.get_costs(CostRequest(start=start, end=end), call())
    assert [item.resource_id for item in report.items if item.resource_id == str(droplet)] == [str(droplet)]
    assert len(report.items) == 4
    assert len(report.total) == 1
    assert sent(cloud, path="/v2/customers/my/invoices/preview")


async def test_costs_leave_nothing_out(cloud, do):
    cloud.fault("wrong_types", path="/v2/customers/my/invoices", query={"per_page": 200}, fields=["amount"])
    always = CostRequest(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2100, 1, 1, tzinfo=UTC))
    with pytest.raises(ProtocolMismatchError):
        await do.get_costs(always, call())
