"""The provider against the sandbox: what it says, and what truly happened there."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from purveyor.plugin import (
    Action,
    CatalogRequest,
    ConflictError,
    CostRequest,
    CreateRequest,
    InstanceNotFoundError,
    InstanceRequest,
    InstanceStatus,
    InsufficientResourcesError,
    InvalidActionError,
    InvalidCredentialsError,
    ListRequest,
    Mark,
    Money,
    Outcome,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    QuotaExceededError,
    RateLimitError,
    ResourceBusyError,
    ValidationError,
)
from purveyor_linode.sandbox import LinodeSandbox
from purveyor_testing.asking import act, effects, get, listed, marked, sent
from purveyor_testing.context import MARK
from purveyor_testing.context import plain_call as call

from ._build import KEY, NAME, provider

CATALOG = CatalogRequest()
SPEC = {
    "name": "web-1",
    "plan": "g6-nanode-1",
    "image": "linode/ubuntu24.04",
    "region": "nl-ams",
    "ssh_keys": (KEY,),
}
ALWAYS = CostRequest(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2100, 1, 1, tzinfo=UTC))
INSTANCES = "/v4/linode/instances"


@asynccontextmanager
async def account(*, settings=None, **behaviour):
    """A cloud and a provider for it; time stands still unless it is moved."""
    async with (
        LinodeSandbox(**{"seed": 3, "speed": "stepped", **behaviour}) as cloud,
        another(cloud, cloud.token, **(settings or {})) as made,
    ):
        yield cloud, made


def today(cloud):
    return datetime.fromtimestamp(cloud.clock.now, UTC)


@asynccontextmanager
async def another(cloud, token, **settings):
    """Another token for the same cloud."""
    async with aclosing(
        await provider(cloud.base_url, token, today=lambda: today(cloud), **settings)
    ) as made:
        yield made


@pytest.fixture
async def both():
    async with account() as pair:
        yield pair


@pytest.fixture
def cloud(both):
    return both[0]


@pytest.fixture
def linode(both):
    return both[1]


async def create(linode, mark=MARK, **changes):
    return await linode.create_instance(CreateRequest(**{**SPEC, **changes}), call(mark))


async def running(cloud, linode, **changes):
    made = await create(linode, **changes)
    cloud.advance(120)
    return made.id


# Compute.


async def test_the_life_of_a_machine(cloud, linode):
    made = await create(linode, tags=("web",), user_data="#!/bin/sh")
    assert (made.provider, made.name, made.plan) == (NAME, "web-1", "g6-nanode-1")
    assert (made.status, made.busy, made.ready) == (InstanceStatus.PROVISIONING, True, False)
    assert set(made.tags) == {"web", MARK.text}
    cloud.advance(120)
    found = await get(linode, made.id)
    assert (found.status, found.ready, found.region) == (InstanceStatus.RUNNING, True, "nl-ams")
    assert (len(found.public_ipv4), len(found.private_ipv4), len(found.public_ipv6)) == (1, 0, 1)
    assert [one.id for one in await listed(linode)] == [made.id]
    assert [one.id for one in await listed(linode, "web")] == [made.id]
    assert await listed(linode, "other") == []
    await linode.delete_instance(InstanceRequest(made.id), call())
    assert (await get(linode, made.id)).status is InstanceStatus.DELETING
    cloud.advance(60)
    await linode.delete_instance(InstanceRequest(made.id), call())
    with pytest.raises(InstanceNotFoundError):
        await get(linode, made.id)
    assert await listed(linode) == []


async def test_settings_shape_what_is_made():
    async with account() as (cloud, _):
        firewall = cloud.seed_firewall()
        settings = {"private_ip": True, "backups": True, "tags": ["ours"], "firewall_id": firewall}
        made = await provider(cloud.base_url, cloud.token, **settings)
        found = await create(made)
        assert (len(found.private_ipv4), set(found.tags)) == (1, {"ours", MARK.text})
        assert found.raw.decode()["backups"]["enabled"] is True
        assert cloud.world.linodes[int(found.id)].firewalls == [firewall]
        await made.aclose()


async def test_nothing_is_made_unmarked(cloud, linode):
    with pytest.raises(ValidationError):
        await create(linode, mark=None)
    assert sent(cloud) == []


@pytest.mark.parametrize("id_", ["", "x", "../account", "5/boot", "٣", "5?a=b"])
async def test_only_numbers_go_into_a_path(cloud, linode, id_):
    with pytest.raises(InstanceNotFoundError):
        await get(linode, id_)
    await linode.delete_instance(InstanceRequest(id_), call())
    assert sent(cloud) == []


@pytest.mark.parametrize(
    ("changes", "behaviour", "kind", "field"),
    [
        ({"plan": "huge"}, {}, ValidationError, "plan"),
        ({"image": "linode/beos5"}, {}, ValidationError, "image"),
        ({"region": "mars"}, {}, ValidationError, "region"),
        ({"name": "no spaces"}, {}, ValidationError, "name"),
        ({"tags": ("x",)}, {}, ValidationError, "tags"),
        ({"ssh_keys": ("ssh-nonsense AAAA",)}, {}, ValidationError, "ssh_keys"),
        ({"extra": {"authorized_users": ["nobody"]}}, {}, ValidationError, "ssh_keys"),
        ({"plan": "g1-gpu-rtx6000-1"}, {}, InsufficientResourcesError, None),
        ({}, {"account_limit": 0}, QuotaExceededError, None),
    ],
)
async def test_refusals(changes, behaviour, kind, field):
    async with account(**behaviour) as (cloud, linode):
        with pytest.raises(PurveyorError) as caught:
            await create(linode, **changes)
        assert (type(caught.value), caught.value.field) == (kind, field)
        assert (caught.value.outcome, caught.value.provider) == (Outcome.REFUSED, NAME)
        assert effects(cloud) == []


async def test_a_name_is_there_once(cloud, linode):
    await create(linode)
    with pytest.raises(ConflictError) as caught:
        await create(linode, mark=Mark("owner00001", "intent0000000002"))
    assert (caught.value.field, caught.value.outcome) == ("name", Outcome.REFUSED)
    assert effects(cloud).count(("created", "linode")) == 1


async def test_a_machine_without_keys_gets_a_password_that_nobody_sees(cloud, linode, caplog):
    caplog.set_level(0)
    made = await create(linode, ssh_keys=())
    assert made.raw
    seen = caplog.text + repr(made) + made.raw.data.decode()
    assert "canary0" not in seen.lower()
    with pytest.raises(PurveyorError) as caught:
        await create(linode, ssh_keys=())
    assert "canary0" not in repr(caught.value).lower() + str(caught.value.details)


async def test_a_script_can_be_deployed(cloud, linode):
    script = next(row for row in cloud.world.scripts.values() if row["label"] == "Docker One-Click")
    assert await create(linode, extra={"stackscript_id": script["id"]})


@pytest.mark.parametrize("fault", ["garbage", "empty", "truncate", "wrong_types", "reset_after", "html"])
async def test_a_lost_answer_leaves_doubt_and_a_mark(cloud, linode, fault):
    options = {"wrong_types": {"fields": ["id"]}, "html": {"effect": True}}.get(fault, {})
    cloud.fault(fault, method="POST", path=INSTANCES, times=1, **options)
    attempt = call()
    with pytest.raises(PurveyorError) as caught:
        await linode.create_instance(CreateRequest(**SPEC), attempt)
    assert caught.value.outcome is attempt.outcome is Outcome.UNKNOWN
    assert len(sent(cloud, "POST")) == 1
    (page,) = await marked(linode)
    assert [item.name for item in page.items] == ["web-1"]


@pytest.mark.parametrize(
    ("fault", "options", "kind", "retryable"),
    [
        ("error_before", {"status": 408}, "TIMEOUT", True),
        ("error_before", {"status": 503, "message": "API under maintenance"}, "PROVIDER_UNAVAILABLE", False),
        ("html", {"status": 400}, "PROVIDER_UNAVAILABLE", True),
        ("error_before", {"status": 500}, "PROVIDER_UNAVAILABLE", True),
    ],
)
async def test_what_is_no_refusal(cloud, linode, fault, options, kind, retryable):
    cloud.fault(fault, method="POST", path=INSTANCES, times=1, **options)
    with pytest.raises(PurveyorError) as caught:
        await create(linode)
    assert (caught.value.code, caught.value.retryable) == (kind, retryable)
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_a_create_that_came_to_nothing(cloud, linode):
    cloud.fail_jobs("linode_create")
    id_ = await running(cloud, linode)
    found = await get(linode, id_)
    assert (found.status, found.busy) == (InstanceStatus.ERROR, False)
    cloud.advance(7200)
    assert (await get(linode, id_)).status is InstanceStatus.STOPPED


async def test_what_came_of_a_machine_is_known_without_events(cloud):
    cloud.add_token("few", {"linodes:read_write"})
    cloud.fail_jobs("linode_create")
    async with another(cloud, "few") as linode:
        id_ = await running(cloud, linode)
        for _ in range(2):
            assert (await get(linode, id_)).status is InstanceStatus.STOPPED
    assert len(sent(cloud, path="/v4/account/events")) == 1


@pytest.mark.parametrize("fault", ["garbage", "error_before", "rate_limit", "hang"])
async def test_events_that_cannot_be_had_do_no_harm(cloud, linode, fault, monkeypatch):
    monkeypatch.setattr("purveyor_linode._linodes._PATIENCE", 0.2)
    cloud.fault(fault, path="/v4/account/events")
    made = await create(linode)
    assert (await get(linode, made.id)).status is InstanceStatus.PROVISIONING


# Regions.


async def test_a_machine_may_be_anywhere(cloud, linode):
    made = await create(linode, region=None)
    plans = {plan.id: plan for plan in (await linode.list_plans(CATALOG, call())).items}
    dearer = dict(plans["g6-nanode-1"].region_prices)
    assert made.region == min(set(plans["g6-nanode-1"].regions) - dearer.keys())
    await create(linode, name="web-2", region=None)
    assert len(sent(cloud, path="/v4/linode/types")) == 2  # one of them is this test's own


async def test_a_machine_may_be_anywhere_with_gpus(cloud, linode):
    made = await create(linode, region=None, plan="g1-gpu-rtx6000-1")
    assert "GPU Linodes" in cloud.world.regions[made.region]["capabilities"]


async def test_a_machine_with_user_data_may_be_anywhere_with_metadata(cloud, linode):
    first = (await create(linode, region=None)).region
    cloud.world.regions[first]["capabilities"].remove("Metadata")
    linode._picker.forget()
    made = await create(linode, name="web-2", region=None, user_data="#!/bin/sh")
    assert made.region > first


@pytest.mark.parametrize("known", [True, False])
async def test_nowhere(cloud, linode, known):
    if known:
        for region in cloud.world.regions.values():
            region["capabilities"] = ["Block Storage"]
    attempt = call()
    with pytest.raises(PurveyorError) as caught:
        await linode.create_instance(
            CreateRequest(**{**SPEC, "region": None, "plan": "g6-nanode-1" if known else "huge"}), attempt
        )
    assert type(caught.value) is (InsufficientResourcesError if known else ValidationError)
    assert (caught.value.field, caught.value.outcome) == ("plan", Outcome.NOT_SENT)
    assert attempt.outcome is Outcome.NOT_SENT


async def test_what_is_sold_out_is_looked_up_again(cloud, linode):
    await create(linode, region=None)
    cloud.fault("no_capacity", method="POST", path=INSTANCES, times=1)
    with pytest.raises(InsufficientResourcesError) as caught:
        await create(linode, name="web-2", region=None)
    assert caught.value.may_fail_over
    await create(linode, name="web-2", region=None)
    assert len(sent(cloud, path="/v4/regions/availability")) == 2


# Lists.


async def test_lists_are_whole_and_each_is_there_once(cloud, linode):
    cloud.seed_linodes(2600, tags=["many"])
    cloud.seed_linodes(3)
    ids = [one.id for one in await listed(linode)]
    assert len(ids) == len(set(ids)) == 2603
    ids = [one.id for one in await listed(linode, "many")]
    assert len(ids) == len(set(ids)) == 2600
    assert {one.query.get("page_size") for one in sent(cloud, path=INSTANCES)} == {"500"}


async def test_stopping_early_leaves_nothing_behind(cloud, linode):
    cloud.seed_linodes(2000)
    before = asyncio.all_tasks()
    pages = linode.list_instances(ListRequest(), call())
    assert len((await anext(pages)).items) == 500
    await pages.aclose()
    ours = {task for task in asyncio.all_tasks() - before if "purveyor_linode._" in repr(task.get_coro())}
    assert not ours


async def test_rows_that_move_between_pages_are_told_once(cloud, linode):
    cloud.seed_linodes(1200)
    cloud.fault("page_shift", path=INSTANCES, times=1)
    ids = [one.id for one in await listed(linode)]
    assert len(ids) == len(set(ids))


async def test_a_page_that_is_gone_by_now_is_empty(cloud, linode):
    cloud.seed_linodes(1001)
    cloud.fault("error_before", path=INSTANCES, query={"page": "3"}, status=404, message="Not found")
    assert len(await listed(linode)) == 1000
    cloud.clear_faults()
    cloud.fault("error_before", path=INSTANCES, query={"page": "1"}, status=404, message="Not found")
    with pytest.raises(PurveyorError):
        await listed(linode)


async def test_a_bad_row_does_not_hide_the_others(cloud, linode):
    ids = cloud.seed_linodes(5)
    cloud.fault("wrong_types", path=INSTANCES, times=1, row=2)
    pages = [page async for page in linode.list_instances(ListRequest(), call())]
    assert sum(len(page.items) for page in pages) == 4
    (error,) = [error for page in pages for error in page.unreadable]
    assert (error.provider, error.operation, error.details["row"]) == (NAME, "list_instances", str(ids[2]))


async def test_finding_by_mark(cloud, linode):
    other = Mark("owner00001", "intent0000000002")
    cloud.seed_linodes(650, tags=[MARK.text])
    cloud.seed_linodes(1, tags=[other.text])
    pages = await marked(linode)
    ids = [item.id for page in pages for item in page.items]
    assert len(ids) == len(set(ids)) == 650
    assert [one.query.get("page") for one in sent(cloud, path=INSTANCES)] == ["1", "2"]


async def test_finding_by_mark_finds_nothing(cloud, linode):
    cloud.seed_linodes(3)
    assert [page.items for page in await marked(linode)] == [()]


async def test_a_page_that_is_gone_is_no_answer_to_who_carries_a_mark(cloud, linode):
    cloud.seed_linodes(501, tags=[MARK.text])
    cloud.fault("error_before", path=INSTANCES, query={"page": "2"}, status=404, message="Not found")
    with pytest.raises(PurveyorError):
        await marked(linode)


async def test_filters_are_not_trusted(cloud, linode, monkeypatch):
    (ours,) = cloud.seed_linodes(1, tags=[MARK.text])
    cloud.seed_linodes(4, tags=["other"])
    monkeypatch.setattr("purveyor_linode._api.json", SimpleNamespace(dumps=lambda *_, **__: "{}"))
    (page,) = await marked(linode)
    assert [item.id for item in page.items] == [str(ours)]


# Deleting and doing.


async def test_deleting_what_is_being_made(cloud, linode):
    made = await create(linode)
    await linode.delete_instance(InstanceRequest(made.id), call())
    cloud.advance(60)
    assert await listed(linode) == []


async def test_actions():
    async with account(settings={"backups": True}) as (cloud, linode):
        id_ = await running(cloud, linode)
        for action, parameters, status in (
            (Action.STOP, {}, InstanceStatus.STOPPED),
            (Action.STOP, {}, InstanceStatus.STOPPED),
            (Action.POWER_OFF, {}, InstanceStatus.STOPPED),
            (Action.RESIZE, {"plan": "g6-standard-2"}, InstanceStatus.STOPPED),
            (Action.START, {}, InstanceStatus.RUNNING),
            (Action.START, {}, InstanceStatus.RUNNING),
            (Action.REBOOT, {}, InstanceStatus.RUNNING),
            (Action.POWER_CYCLE, {}, InstanceStatus.RUNNING),
            (Action.SNAPSHOT, {"name": "before"}, InstanceStatus.RUNNING),
            (Action.REBUILD, {"image": "linode/debian12"}, InstanceStatus.RUNNING),
            (Action.REBUILD, {"image": "linode/debian12", "ssh_keys": KEY}, InstanceStatus.RUNNING),
            (Action.RENAME, {"name": "web-2"}, InstanceStatus.RUNNING),
        ):
            await act(linode, id_, action, **parameters)
            cloud.advance(900)
            assert (await get(linode, id_)).status is status, action
        found = await get(linode, id_)
        assert (found.name, found.plan, found.image) == ("web-2", "g6-standard-2", "linode/debian12")
        assert [row["label"] for row in cloud.world.linodes[int(id_)].snapshots] == ["before"]


async def test_actions_that_do_not_fit(cloud, linode):
    id_ = await running(cloud, linode)
    other = cloud.seed_linodes(1)[0]
    for action, parameters, kind, field in (
        (Action.SNAPSHOT, {"name": "before"}, InvalidActionError, None),
        (Action.REBUILD, {"image": "linode/beos5"}, InvalidActionError, "image"),
        (Action.RESIZE, {"plan": "huge"}, InvalidActionError, "plan"),
        (Action.RESIZE, {"plan": "g6-nanode-1"}, InvalidActionError, "plan"),
        (Action.RENAME, {"name": cloud.world.linodes[other].label}, ConflictError, "name"),
    ):
        with pytest.raises(PurveyorError) as caught:
            await act(linode, id_, action, **parameters)
        assert isinstance(caught.value, kind), action
        assert (caught.value.field, caught.value.outcome) == (field, Outcome.REFUSED)
    with pytest.raises(InstanceNotFoundError):
        await act(linode, "5", Action.REBOOT)


async def test_what_is_busy(cloud, linode):
    id_ = await running(cloud, linode)
    await act(linode, id_, Action.REBOOT)
    with pytest.raises(ResourceBusyError) as caught:
        await act(linode, id_, Action.STOP)
    assert (caught.value.outcome, caught.value.retryable) == (Outcome.REFUSED, True)
    cloud.advance(120)
    await act(linode, id_, Action.STOP)


# The catalogue.


async def test_plans(cloud, linode):
    page = await linode.list_plans(CATALOG, call())
    plans = {plan.id: plan for plan in page.items}
    nanode, gpu = plans["g6-nanode-1"], plans["g1-gpu-rtx6000-1"]
    assert nanode.price_per_hour == Money("0.0075")
    assert nanode.available
    assert {"id-cgk", "br-gru"} & dict(nanode.region_prices).keys()
    assert (gpu.gpu, gpu.gpu_model) == (1, "nvidia_rtx6000")
    able = {id_ for id_, row in cloud.world.regions.items() if "GPU Linodes" in row["capabilities"]}
    assert set(gpu.regions) == able
    assert set(nanode.regions) > able
    assert page.unreadable == ()


async def test_a_bad_region_is_told_beside_the_plans(cloud, linode):
    cloud.fault("wrong_types", path="/v4/regions", row=1, fields=["capabilities"])
    page = await linode.list_plans(CATALOG, call())
    assert len(page.unreadable) == 1
    assert page.items


async def test_images(linode):
    images = (await linode.list_images(CATALOG, call())).items
    aliases = {alias: image.id for image in images for alias in image.aliases}
    assert aliases["ubuntu-24.04"] == "linode/ubuntu24.04"
    assert {"debian-12", "almalinux-9", "rocky-9", "centos-stream-9"} <= aliases.keys()


async def test_every_region_of_the_sandbox_has_a_place(linode):
    regions = (await linode.list_regions(CATALOG, call())).items
    assert all(len(region.places) == 3 for region in regions)
    assert {region.id for region in regions if "nl" in region.places} == {"nl-ams"}


async def test_apps_are_linodes_own(cloud, linode):
    cloud.world.add_script({**next(iter(cloud.world.scripts.values())), "username": "mallory", "id": 5})
    apps = {app.name: app for app in (await linode.list_apps(CATALOG, call())).items}
    assert apps["WordPress"].kind == "script"
    assert int(apps["WordPress"].id) in cloud.world.scripts
    assert "5" not in {app.id for app in apps.values()}
    assert not any("One-Click" in name for name in apps)


# Credentials and health.


async def test_good_credentials(linode):
    report = await linode.validate_credentials(call())
    assert (report.active, report.missing, report.scopes, report.note) == (True, (), ("*",), "")
    assert report.account
    await linode.check_health(call())


async def test_a_token_for_linodes_only(cloud):
    cloud.add_token("small", {"linodes:read_only"})
    async with another(cloud, "small") as small:
        report = await small.validate_credentials(call())
        assert report.scopes == ("linodes:read_only",)
        assert report.missing == (
            "linodes:read_write",
            "images:read_only",
            "stackscripts:read_only",
            "account:read_only",
            "events:read_only",
        )
        await small.check_health(call())
        with pytest.raises(PermissionDeniedError) as caught:
            await create(small)
        assert (caught.value.outcome, caught.value.details["scope"]) == (
            Outcome.REFUSED,
            "linodes:read_write",
        )
        with pytest.raises(PermissionDeniedError):
            await small.get_balance(call())


async def test_enough_scopes(cloud):
    scopes = {"linodes:read_write", "images:read_write", "stackscripts:read_only", "account:read_only"}
    cloud.add_token("enough", scopes | {"events:read_only"})
    async with another(cloud, "enough") as enough:
        assert (await enough.validate_credentials(call())).missing == ()


async def test_a_restricted_user(cloud):
    cloud.restrict("guest", linodes="read_only")
    cloud.restrict("maker", linodes="read_write", account="read_only", add_linodes=True)
    async with another(cloud, "guest") as guest, another(cloud, "maker") as maker:
        report = await guest.validate_credentials(call())
        assert report.missing == ("account:read_only", "grant:add_linodes")
        assert "restricted" in report.note
        with pytest.raises(PermissionDeniedError):
            await create(guest)
        assert (await maker.validate_credentials(call())).missing == ()
        assert await create(maker)


async def test_a_wrong_token(cloud):
    async with another(cloud, "wrong-canary") as wrong:
        assert (await wrong.list_plans(CATALOG, call())).items  # public: proves nothing
        for ask in (wrong.validate_credentials, wrong.check_health):
            with pytest.raises(InvalidCredentialsError) as caught:
                await ask(call())
            assert "canary" not in str(caught.value) + repr(caught.value) + repr(caught.value.details)


@pytest.mark.parametrize(
    ("fault", "kind"), [("error_before", ProviderUnavailableError), ("garbage", ProtocolMismatchError)]
)
async def test_bad_health(cloud, linode, fault, kind):
    cloud.fault(fault, times=1)
    with pytest.raises(kind):
        await linode.check_health(call())


async def test_a_rate_limit_says_how_long_to_wait():
    async with account(create_limit=1) as (cloud, linode):
        await create(linode)
        with pytest.raises(RateLimitError) as caught:
            await create(linode, name="web-2")
        assert 1 <= caught.value.retry_after <= 20
        assert caught.value.may_fail_over
        cloud.advance(caught.value.retry_after)
        await create(linode, name="web-2")


async def test_groups_have_limits_of_their_own(linode):
    calls = [call() for _ in range(4)]
    await linode.create_instance(CreateRequest(**SPEC), calls[0])
    await linode.list_images(CATALOG, calls[1])
    await linode.list_apps(CATALOG, calls[2])
    await linode.check_health(calls[3])
    assert [one.exchanges[0].group for one in calls] == ["create", "images", "stackscripts", "default"]


@pytest.mark.parametrize("retry_after", [-1509450059, "soon", None, 10**12])
async def test_garbage_about_waiting(cloud, linode, retry_after):
    cloud.fault("rate_limit", times=1, retry_after=retry_after)
    with pytest.raises(RateLimitError) as caught:
        await linode.check_health(call())
    assert caught.value.retry_after is None or 0 < caught.value.retry_after <= 300


# Billing.


async def test_the_balance():
    async with account(balance=-12.5) as (_, linode):
        balance = await linode.get_balance(call())
        assert (balance.owed, balance.month_to_date.currency) == (Money("-12.50"), "USD")


async def test_invoices(linode):
    bills = [bill async for page in linode.list_invoices(call()) for bill in page.items]
    assert [bill.preview for bill in bills].count(True) == 1
    assert bills[0].preview
    assert bills[0].period_start < bills[0].period_end
    assert all(bill.issued_at for bill in bills[1:])


async def test_costs_of_a_month(cloud, linode):
    bills = [bill async for page in linode.list_invoices(call()) for bill in page.items if not bill.preview]
    middle = sorted(bills, key=lambda bill: bill.issued_at)[1]
    end = middle.issued_at.replace(hour=0)
    start = end.replace(month=(end.month - 2) % 12 + 1, year=end.year - (end.month == 1))
    report = await linode.get_costs(CostRequest(start=start, end=end), call())
    assert report.total == (middle.amount,)
    (item,) = report.items
    assert (item.product, item.resource_id, item.unit) == ("Linode 2GB", "90000000", "hours")
    assert start <= item.start < item.end <= end


async def test_the_running_month_is_one_line(cloud, linode):
    cloud.seed_linodes(3)
    cloud.advance(7200)
    now = today(cloud)
    report = await linode.get_costs(CostRequest(start=now, end=now.replace(year=now.year + 1)), call())
    (item,) = report.items
    balance = await linode.get_balance(call())
    assert (item.amount, item.description) == (balance.month_to_date, "Not invoiced yet")


async def test_all_costs(cloud, linode):
    report = await linode.get_costs(ALWAYS, call())
    bills = [bill async for page in linode.list_invoices(call()) for bill in page.items]
    assert len(report.items) >= len(bills)
    assert report.total == (sum((bill.amount for bill in bills[1:]), start=bills[0].amount),)


async def test_costs_leave_nothing_out(cloud, linode):
    cloud.fault("wrong_types", path="/v4/account/invoices", fields=["total"])
    with pytest.raises(ProtocolMismatchError):
        await linode.get_costs(ALWAYS, call())
