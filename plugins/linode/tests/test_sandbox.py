"""The sandbox's cloud: what it does is what the real API is documented or known to do."""

import base64

import pytest

from ._sandbox_api import BODY, EMPTY, LINODES, Api, sandbox

# Life of a Linode.


async def test_a_linode_comes_to_life(cloud, api):
    made = await api.create(label="web-1", tags=["blue"], private_ip=True)
    assert (made["status"], made["created"]) == ("provisioning", "2026-01-01T00:00:00")
    private = [one for one in made["ipv4"] if one.startswith("192.168.")]
    assert (len(made["ipv4"]), len(private), made["ipv6"][-4:]) == (2, 1, "/128")
    seen = []
    for _ in range(60):
        status = (await api.show(made["id"]))["status"]
        seen += [status] if status not in seen[-1:] else []
        cloud.advance(1)
    assert seen == ["provisioning", "offline", "booting", "running"]


async def test_without_an_image_it_stays_off(cloud, api):
    id_ = (await api.ask("POST", LINODES, json=EMPTY))["id"]
    assert (await api.show(id_))["label"] == f"linode{id_}"
    cloud.advance(60)
    shown = await api.show(id_)
    assert (shown["status"], shown["image"]) == ("offline", None)
    assert await api.refused("POST", f"{LINODES}/{id_}/boot") == [(None, "Linode has no config to boot.")]


async def test_it_does_not_boot_where_it_should_not(api):
    id_ = await api.running(booted=False)
    assert (await api.show(id_))["status"] == "offline"


async def test_the_new_linode_may_be_late_everywhere(session):
    async with sandbox(get_lag=3, list_lag=6) as cloud:
        api = Api(cloud, session)
        id_ = (await api.create(label="web-1"))["id"]
        assert await api.refused("GET", f"{LINODES}/{id_}", 404) == [(None, "Not found")]
        cloud.advance(3)
        await api.show(id_)
        named = {"headers": {"X-Filter": '{"label": "web-1"}'}}
        assert await api.rows(LINODES, **named) == []
        assert await api.invalid(label="web-1") == [("label", "Label must be unique among your linodes")]
        cloud.advance(3)
        assert len(await api.rows(LINODES, **named)) == 1


async def test_deleting(cloud, api):
    id_ = (await api.create(label="web-1"))["id"]
    assert await api.ask("DELETE", f"{LINODES}/{id_}") == {}
    assert (await api.show(id_))["status"] == "deleting"
    assert await api.refused("DELETE", f"{LINODES}/{id_}") == [(None, "Linode busy.")]
    cloud.advance(5)
    await api.refused("GET", f"{LINODES}/{id_}", 404)
    cloud.advance(100)
    statuses = [(one["action"], one["status"]) for one in await api.rows("/account/events")]
    assert statuses == [("linode_delete", "finished"), ("linode_boot", "failed"), ("linode_create", "failed")]
    assert [(one.kind, one.id) for entry in cloud.log for one in entry.effects] == [
        ("created", str(id_)),
        ("deleted", str(id_)),
    ]


async def test_a_label_is_released_late(session):
    async with sandbox(label_release_seconds=10) as cloud:
        api = Api(cloud, session)
        id_ = (await api.create(label="web-1"))["id"]
        await api.ask("DELETE", f"{LINODES}/{id_}")
        cloud.advance(5)
        await api.refused("GET", f"{LINODES}/{id_}", 404)
        assert await api.invalid(label="web-1") == [("label", "Label must be unique among your linodes")]
        cloud.advance(10)
        await api.create(label="web-1")


async def test_the_limit_of_the_account(session):
    async with sandbox(account_limit=1) as cloud:
        api = Api(cloud, session)
        await api.create()
        assert await api.invalid() == [(None, "Account Limit reached. Please open a support ticket.")]


async def test_no_room_in_the_region(api):
    (reason,) = await api.refused("POST", LINODES, 403, json={**BODY, "type": "g7-premium-2"})
    assert "not currently available in the selected region" in reason[1]
    shown = await api.ask("GET", "/regions/us-east/availability")
    assert {"region": "us-east", "plan": "g7-premium-2", "available": False} in shown
    await api.create(type="g7-premium-2", region="us-iad")


# What is checked.


async def test_what_is_required_is_said_at_once(api):
    assert await api.refused("POST", LINODES, json={}) == [
        ("type", "type is required"),
        ("region", "region is required"),
    ]
    text = "Must provide valid root_pass, authorized_keys, or authorized_users"
    assert await api.refused("POST", LINODES, json={**EMPTY, "image": "linode/arch"}) == [(None, text)]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": "g1-nothing"}, "type"),
        ({"region": "mars"}, "region"),
        ({"image": "linode/nothing"}, "image"),
        ({"label": "ab"}, "label"),
        ({"label": "a" * 65}, "label"),
        ({"label": "web--1"}, "label"),
        ({"label": "web-"}, "label"),
        ({"label": 5}, "label"),
        ({"tags": ["ab"]}, "tags"),
        ({"tags": ["a" * 51]}, "tags"),
        ({"tags": "abc"}, "tags"),
        ({"root_pass": "Short1!"}, "root_pass"),
        ({"root_pass": "aaaaaaaaaaaaaaaa"}, "root_pass"),
        ({"authorized_keys": ["nonsense"]}, "authorized_keys"),
        ({"authorized_users": ["nobody"]}, "authorized_users"),
        ({"metadata": {"user_data": "not base64!"}}, "metadata.user_data"),
        ({"metadata": {"user_data": base64.b64encode(b"x" * 65_536).decode()}}, "metadata.user_data"),
        ({"metadata": {"user_data": "eHg="}, "region": "us-den-10"}, "metadata.user_data"),
        ({"metadata": {"user_data": "eHg="}, "image": "linode/gentoo"}, "metadata.user_data"),
        ({"firewall_id": 5}, "firewall_id"),
        ({"placement_group": {"id": 5}}, "placement_group.id"),
        ({"backup_id": 5}, "backup_id"),
        ({"ipv4": ["198.51.100.1"]}, "ipv4"),
        ({"stackscript_id": 5}, "stackscript_id"),
    ],
)
async def test_what_is_wrong_is_named(api, fields, field):
    assert [found for found, _ in await api.invalid(**fields)] == [field]
    assert await api.rows(LINODES) == []


async def test_passwords_are_refused_as_recorded(api):
    weak = {**EMPTY, "image": "linode/arch", "root_pass": "aaaaaaaaaaaa"}
    assert await api.refused("POST", LINODES, json=weak) == [
        ("root_pass", "Password does not meet strength requirement."),
        (None, "Must provide valid root_pass, authorized_keys, or authorized_users"),
    ]
    short = await api.refused("POST", LINODES, json={**weak, "root_pass": "Sh0rt!"})
    assert short[0] == ("root_pass", "Length must be 11-128 characters")


async def test_user_data_firewall_and_tags_are_kept(cloud, api):
    firewall = cloud.seed_firewall()
    data = base64.b64encode(b"x" * 65_535).decode()
    made = await api.create(metadata={"user_data": data}, firewall_id=firewall, tags=["bbb", "aaa", "bbb"])
    assert (made["has_user_data"], made["tags"]) == (True, ["aaa", "bbb"])
    assert [one["id"] for one in await api.rows(f"{LINODES}/{made['id']}/firewalls")] == [firewall]


async def test_stackscripts(api):
    apps = await api.rows("/linode/stackscripts", headers={"X-Filter": '{"username": "linode"}'})
    script = next(one for one in apps if one["label"] == "WordPress One-Click")
    wanted = {"stackscript_id": script["id"], "image": "linode/ubuntu24.04"}
    assert await api.invalid(**wanted) == [("stackscript_data", "soa_email_address is required")]
    data = {"soa_email_address": "me@example.com"}
    bad = await api.invalid(**wanted, stackscript_data={**data, "webserver_stack": "IIS"})
    assert bad == [("stackscript_data", "webserver_stack must be one of LAMP,LEMP")]
    await api.create(**wanted, stackscript_data=data)
    assert (await api.invalid(**{**wanted, "image": "linode/arch"}))[0][0] == "image"


async def test_updating(api):
    id_, other = (await api.create(label="web-1"))["id"], await api.create(label="web-2")
    changed = await api.ask("PUT", f"{LINODES}/{id_}", json={"label": "web-3", "tags": ["new"]})
    assert (changed["label"], changed["tags"], changed["region"]) == ("web-3", ["new"], "us-east")
    taken = await api.refused("PUT", f"{LINODES}/{id_}", json={"label": other["label"]})
    assert taken == [("label", "Label must be unique among your linodes")]
    await api.create(label="web-1")


async def test_everything_repeats_with_the_seed(session):
    async def life(seed):
        async with sandbox(seed=seed) as cloud:
            api = Api(cloud, session)
            await api.running(label="web-1", private_ip=True)
            return await api.rows(LINODES), await api.rows("/account/events")

    assert await life(1) == await life(1) != await life(2)


async def test_many_at_once(cloud, api):
    ids = cloud.seed_linodes(1200, tags=["many"])
    pages = [await api.ask("GET", f"{LINODES}?page_size=500&page={page}") for page in (1, 2, 3)]
    assert [row["id"] for page in pages for row in page["data"]] == ids
    assert {key: pages[2][key] for key in ("page", "pages", "results")} == {
        "page": 3,
        "pages": 3,
        "results": 1200,
    }
    assert {row["status"] for row in pages[0]["data"]} == {"running"}
