"""The provider against the sandbox: what it says, and what truly happened there."""

import asyncio
import gc
from contextlib import aclosing

import pytest

from purveyor.plugin import (
    Action,
    CatalogRequest,
    CreateRequest,
    InstanceNotFoundError,
    InstanceRequest,
    InstanceStatus,
    InsufficientResourcesError,
    InvalidActionError,
    InvalidCredentialsError,
    ListRequest,
    Mark,
    Outcome,
    PurveyorError,
    QuotaExceededError,
    ResourceBusyError,
    ValidationError,
)
from purveyor_testing.asking import act, effects, listed, marked, sent
from purveyor_testing.context import MARK
from purveyor_testing.context import plain_call as call

from ._build import H100, KEY, NAME, SPEC, account, create, provider

CATALOG = CatalogRequest()


async def running(cloud, do, **changes):
    made = await create(do, **changes)
    cloud.advance(60)
    return made.id


# Compute.


async def test_the_life_of_a_machine(cloud, do):
    made = await create(do, tags=("web",), user_data="#!/bin/sh", ssh_keys=(KEY,))
    assert (made.provider, made.name, made.plan) == (NAME, "web-1", "s-1vcpu-1gb")
    assert (made.status, made.busy, made.ready) == (InstanceStatus.PROVISIONING, True, False)
    assert set(made.tags) == {"web", MARK.text}
    cloud.advance(60)
    found = await do.get_instance(InstanceRequest(made.id), call())
    assert (found.status, found.ready) == (InstanceStatus.RUNNING, True)
    assert len(found.public_ipv4) == len(found.private_ipv4) == 1
    assert [one.id for one in await listed(do)] == [made.id]
    assert [one.id for one in await listed(do, "web")] == [made.id]
    assert await listed(do, "other") == []
    await do.delete_instance(InstanceRequest(made.id), call())
    await do.delete_instance(InstanceRequest(made.id), call())
    with pytest.raises(InstanceNotFoundError):
        await do.get_instance(InstanceRequest(made.id), call())
    assert await listed(do) == []


async def test_settings_shape_what_is_made():
    settings = {"ipv6": True, "tags": ["ours"]}
    async with account(settings=settings) as (cloud, do):
        id_ = await running(cloud, do, region="fra1")
        found = await do.get_instance(InstanceRequest(id_), call())
        assert (found.region, len(found.public_ipv6), set(found.tags)) == ("fra1", 1, {"ours", MARK.text})


async def test_nothing_is_made_unmarked(cloud, do):
    with pytest.raises(ValidationError):
        await create(do, mark=None, ssh_keys=(KEY,))
    assert sent(cloud) == []


@pytest.mark.parametrize("id_", ["", "x", "../account", "5/actions", "٣", "5?a=b"])
async def test_only_numbers_go_into_a_path(cloud, do, id_):
    with pytest.raises(InstanceNotFoundError):
        await do.get_instance(InstanceRequest(id_), call())
    await do.delete_instance(InstanceRequest(id_), call())
    assert sent(cloud) == []


@pytest.mark.parametrize(
    ("changes", "behaviour", "kind", "field"),
    [
        ({"plan": "huge"}, {}, ValidationError, "plan"),
        ({"image": "beos-5"}, {}, ValidationError, "image"),
        ({"region": "mars1"}, {}, ValidationError, "region"),
        ({"tags": ("no spaces",)}, {}, ValidationError, "tags"),
        ({"plan": "c-32"}, {}, InsufficientResourcesError, None),
        ({"region": "sfo1"}, {}, InsufficientResourcesError, None),
        ({}, {"droplet_limit": 0}, QuotaExceededError, None),
    ],
)
async def test_refusals(changes, behaviour, kind, field):
    async with account(**behaviour) as (cloud, do):
        with pytest.raises(PurveyorError) as caught:
            await create(do, **changes)
        assert (type(caught.value), caught.value.field) == (kind, field)
        assert caught.value.outcome is Outcome.REFUSED
        assert caught.value.details["request_id"]
        assert effects(cloud) == []


@pytest.mark.parametrize("fault", ["garbage", "empty", "truncate", "wrong_types", "reset_after", "html"])
async def test_a_lost_answer_leaves_doubt_and_a_mark(cloud, do, fault):
    options = {"wrong_types": {"fields": ["id"]}, "html": {"effect": True}}.get(fault, {})
    cloud.fault(fault, method="POST", path="/v2/droplets", times=1, **options)
    attempt = call()
    with pytest.raises(PurveyorError) as caught:
        await do.create_instance(CreateRequest(**SPEC), attempt)
    assert caught.value.outcome is attempt.outcome is Outcome.UNKNOWN
    assert len(sent(cloud, "POST")) == 1
    (page, _) = await marked(do)
    assert [item.name for item in page.items] == ["web-1"]


async def test_a_create_that_came_to_nothing(cloud, do):
    cloud.fail_actions("create")
    id_ = await running(cloud, do)
    found = await do.get_instance(InstanceRequest(id_), call())
    assert found.status is InstanceStatus.ERROR


async def test_lists_are_whole_and_each_is_there_once(cloud, do):
    cloud.seed_droplets(1050, tags=["many"])
    cloud.seed_droplets(3, **H100, tags=["many"])
    cloud.seed_droplets(1, **H100)
    ids = [one.id for one in await listed(do)]
    assert len(ids) == len(set(ids)) == 1054
    ids = [one.id for one in await listed(do, "many")]
    assert len(ids) == len(set(ids)) == 1053


async def test_stopping_early_leaves_nothing_behind(cloud, do):
    cloud.seed_droplets(2000)
    pages = do.list_instances(ListRequest(), call())
    assert len((await anext(pages)).items) == 200
    await pages.aclose()
    running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}
    assert not {name for name in running if "fetch" in name or name == "_all"}


async def test_of_two_requests_that_fail_neither_error_is_left_unheard(cloud):
    unheard = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    async with aclosing(await provider(cloud.base_url, "wrong")) as do:
        with pytest.raises(InvalidCredentialsError):
            await listed(do)
    gc.collect()
    assert unheard == []


async def test_rows_that_move_between_pages_are_told_once(cloud, do):
    cloud.seed_droplets(450)
    cloud.fault("page_shift", path="/v2/droplets", times=1)
    ids = [one.id for one in await listed(do)]
    assert len(ids) == len(set(ids))


async def test_a_bad_row_does_not_hide_the_others(cloud, do):
    ids = cloud.seed_droplets(5)
    cloud.fault("wrong_types", path="/v2/droplets", times=2, row=2)
    pages = [page async for page in do.list_instances(ListRequest(), call())]
    assert sum(len(page.items) for page in pages) == 4
    (error,) = [error for page in pages for error in page.unreadable]
    assert (error.provider, error.operation, error.details["row"]) == (NAME, "list_instances", str(ids[2]))


async def test_finding_by_mark(cloud, do):
    other = Mark("owner00001", "intent0000000002")
    cloud.seed_droplets(250, tags=[MARK.text])
    cloud.seed_droplets(1, tags=[other.text])
    (gpu,) = cloud.seed_droplets(1, **H100, tags=[MARK.text])
    pages = await marked(do)
    ids = [item.id for page in pages for item in page.items]
    assert len(ids) == len(set(ids)) == 251
    assert str(gpu) in ids
    assert all(not page.unreadable for page in pages)
    queries = [
        (one.query.get("tag_name"), one.query.get("type"), one.query.get("page")) for one in sent(cloud)
    ]
    assert queries == [(MARK.text, None, "1"), (MARK.text, None, "2"), (None, "gpus", "1")]


async def test_finding_by_mark_finds_nothing(cloud, do):
    cloud.seed_droplets(3)
    assert [page.items for page in await marked(do)] == [(), ()]


async def test_what_does_not_show_its_mark_is_not_taken(cloud, do):
    ours, other = cloud.seed_droplets(2, tags=[MARK.text])
    cloud.world.droplets[other]._rendered = b'{"id": 77, "tags": ["web"]}'
    pages = await marked(do)
    assert [item.id for page in pages for item in page.items] == [str(ours)]
    (error,) = [error for page in pages for error in page.unreadable]
    assert error.details == {"row": "77", "field": "tags"}
    assert "tag:read" in error.message


async def test_deleting_what_is_busy(cloud, do):
    made = await create(do)
    with pytest.raises(ResourceBusyError) as caught:
        await do.delete_instance(InstanceRequest(made.id), call())
    assert caught.value.outcome is Outcome.REFUSED
    cloud.advance(60)
    await do.delete_instance(InstanceRequest(made.id), call())


async def test_actions(cloud, do):
    id_ = await running(cloud, do)
    for action, parameters, status in (
        (Action.STOP, {}, InstanceStatus.STOPPED),
        (Action.STOP, {}, InstanceStatus.STOPPED),
        (Action.POWER_OFF, {}, InstanceStatus.STOPPED),
        (Action.RESIZE, {"plan": "s-2vcpu-4gb", "disk": "true"}, InstanceStatus.STOPPED),
        (Action.START, {}, InstanceStatus.RUNNING),
        (Action.START, {}, InstanceStatus.RUNNING),
        (Action.REBOOT, {}, InstanceStatus.RUNNING),
        (Action.POWER_CYCLE, {}, InstanceStatus.RUNNING),
        (Action.SNAPSHOT, {"name": "before"}, InstanceStatus.RUNNING),
        (Action.REBUILD, {"image": "debian-12-x64"}, InstanceStatus.RUNNING),
        (Action.RENAME, {"name": "web-2"}, InstanceStatus.RUNNING),
    ):
        await act(do, id_, action, **parameters)
        cloud.advance(600)
        assert (await do.get_instance(InstanceRequest(id_), call())).status is status, action
    found = await do.get_instance(InstanceRequest(id_), call())
    assert (found.name, found.plan, found.image) == ("web-2", "s-2vcpu-4gb", "debian-12-x64")
    images = await do.list_images(CATALOG, call())
    assert [one.name for one in images.items if not one.public] == ["before"]


async def test_actions_that_do_not_fit(cloud, do):
    id_ = await running(cloud, do)
    with pytest.raises(InvalidActionError):
        await act(do, id_, Action.RESIZE, plan="s-2vcpu-4gb")
    await act(do, id_, Action.POWER_OFF)
    with pytest.raises(ResourceBusyError):
        await act(do, id_, Action.START)
    cloud.advance(60)
    with pytest.raises(InvalidActionError):
        await act(do, id_, Action.REBOOT)
    with pytest.raises(InstanceNotFoundError):
        await act(do, "5", Action.REBOOT)
