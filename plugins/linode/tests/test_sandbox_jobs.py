"""The sandbox's jobs and their events: accepted, picked up a little later, over in the end."""

import itertools

import pytest

from ._sandbox_api import EMPTY, KEY, LINODES, Api, sandbox


async def act(api, id_, verb, status=200, **body):
    return await api.ask("POST", f"{LINODES}/{id_}/{verb}", status, json=body)


async def busy(api, id_, verb, **body):
    return await api.refused("POST", f"{LINODES}/{id_}/{verb}", json=body) == [(None, "Linode busy.")]


async def settle(cloud, api, id_):
    """All statuses until nothing more happens."""
    seen = []
    for _ in range(300):
        status = (await api.show(id_))["status"]
        seen += [status] if status not in seen[-1:] else []
        cloud.advance(0.5)
    return seen


async def test_jobs_take_turns(cloud, api):
    id_ = (await api.create())["id"]
    assert await busy(api, id_, "reboot")
    cloud.advance(53)
    assert (await api.show(id_))["status"] == "running"
    assert await busy(api, id_, "reboot")  # although its events are finished
    cloud.advance(1)
    assert await act(api, id_, "reboot") == {}
    assert (await api.show(id_))["status"] == "running"  # nobody has picked it up yet
    assert await busy(api, id_, "shutdown")


@pytest.mark.parametrize(
    ("verb", "body", "statuses"),
    [
        ("shutdown", {}, ["running", "shutting_down", "offline"]),
        ("reboot", {}, ["running", "rebooting", "running"]),
        ("rescue", {"devices": {}}, ["running", "rebooting", "running"]),
        (
            "resize",
            {"type": "g6-standard-1"},
            ["running", "shutting_down", "migrating", "booting", "running"],
        ),
        ("migrate", {"region": "eu-west"}, ["running", "shutting_down", "migrating", "booting", "running"]),
        ("clone", {"label": "twin"}, ["running", "cloning", "running"]),
        (
            "rebuild",
            {"image": "linode/arch", "authorized_keys": [KEY]},
            ["running", "rebuilding", "booting", "running"],
        ),
        (
            "rebuild",
            {"image": "linode/arch", "authorized_keys": [KEY], "booted": False},
            ["running", "rebuilding", "offline"],
        ),
    ],
)
async def test_each_job_has_its_statuses(cloud, api, verb, body, statuses):
    id_ = await api.running()
    await act(api, id_, verb, **body)
    assert await settle(cloud, api, id_) == statuses


async def test_what_is_already_so_is_fine(cloud, api):
    id_ = await api.running()
    assert await act(api, id_, "boot") == {}
    await act(api, id_, "shutdown")
    cloud.advance(60)
    assert await act(api, id_, "shutdown") == {}
    assert (await api.show(id_))["status"] == "offline"


async def test_resizing_changes_what_it_amounts_to(cloud, api):
    id_ = await api.running(type="g6-standard-1")
    await act(api, id_, "resize", type="g6-nanode-1")
    assert (await api.show(id_))["type"] == "g6-standard-1"
    cloud.advance(120)
    shown = await api.show(id_)
    assert (shown["type"], shown["specs"]["memory"]) == ("g6-nanode-1", 1024)
    assert sum(disk["size"] for disk in await api.rows(f"{LINODES}/{id_}/disks")) == 25_600
    path = f"{LINODES}/{id_}/resize"
    assert (await api.refused("POST", path, json={"type": "nonsense"}))[0][0] == "type"
    assert (await api.refused("POST", path, json={"type": "g6-nanode-1"}))[0][0] == "type"


async def test_rebuilding_shows_the_new_image_at_once(cloud, api):
    id_ = await api.running()
    answer = await act(api, id_, "rebuild", image="linode/arch", authorized_keys=[KEY])
    assert (answer["image"], answer["status"]) == ("linode/arch", "running")
    cloud.advance(120)
    assert await api.refused("POST", f"{LINODES}/{id_}/rebuild", json={"image": "linode/arch"}) == [
        (None, "Must provide valid root_pass, authorized_keys, or authorized_users")
    ]


async def test_passwords_only_while_off(cloud, api):
    id_ = await api.running()
    await act(api, id_, "password", 400, root_pass="Qa1!Xk29vTbz4mQw")
    await act(api, id_, "shutdown")
    cloud.advance(60)
    assert await act(api, id_, "password", root_pass="Qa1!Xk29vTbz4mQw") == {}
    cloud.advance(60)
    assert (await act(api, id_, "password", 400, root_pass="short"))["errors"][0]["field"] == "root_pass"
    await act(api, id_, "mutate", 400)


async def test_cloning_makes_another(cloud, api):
    id_ = await api.running(label="web-1")
    await act(api, id_, "clone", 400, label="web-1")
    twin = await act(api, id_, "clone", label="web-2")
    assert (twin["status"], twin["image"]) == ("offline", "linode/debian12")
    assert await busy(api, twin["id"], "boot")
    cloud.advance(2)
    assert await api.refused("DELETE", f"{LINODES}/{id_}") == [(None, "Linode busy.")]
    cloud.advance(60)
    assert await act(api, twin["id"], "boot") == {}


async def test_backups(cloud, api):
    id_ = await api.running()
    await act(api, id_, "backups", 400, label="before")
    await act(api, id_, "backups/enable")
    assert (await api.show(id_))["backups"]["schedule"]["day"] == "Scheduling"
    made = await act(api, id_, "backups", label="before")
    backups = f"{LINODES}/{id_}/backups"
    assert (await api.ask("GET", backups))["snapshot"]["in_progress"]["id"] == made["id"]
    cloud.advance(70)
    assert (await api.ask("GET", backups))["snapshot"]["current"]["status"] == "successful"
    await act(api, id_, f"backups/{made['id']}/restore", 400, linode_id=id_)
    await act(api, id_, f"backups/{made['id']}/restore", linode_id=id_, overwrite=True)
    assert await settle(cloud, api, id_) == ["running", "restoring", "offline"]
    await act(api, id_, "backups/cancel")
    await api.refused("GET", f"{backups}/{made['id']}", 404)


async def test_an_own_image(cloud, api):
    id_ = await api.running()
    disk = (await api.rows(f"{LINODES}/{id_}/disks"))[0]["id"]
    image = await api.ask("POST", "/images", json={"disk_id": disk, "label": "mine", "cloud_init": True})
    assert (image["id"].startswith("private/"), image["status"]) == (True, "creating")
    assert await api.invalid(image=image["id"]) == [("image", "image is not valid")]
    cloud.advance(60)
    assert (await api.create(image=image["id"]))["image"] == image["id"]
    await api.ask("DELETE", f"/images/{image['id']}")
    await api.refused("DELETE", "/images/linode/arch", 404)
    await api.refused("POST", "/images", json={"disk_id": 1})


# Events.


async def test_events_tell_how_it_goes(cloud, api):
    id_ = (await api.create())["id"]
    boot, create = await api.rows("/account/events")
    assert (create["action"], create["status"], create["entity"]["id"]) == ("linode_create", "started", id_)
    assert (boot["action"], boot["status"], boot["duration"]) == ("linode_boot", "scheduled", None)
    assert boot["created"] == create["created"]
    cloud.advance(15)
    half = await api.ask("GET", f"/account/events/{create['id']}")
    assert (half["percent_complete"], half["duration"]) == (50, 15.0)
    cloud.advance(40)
    assert [one["status"] for one in await api.rows("/account/events")] == ["finished", "finished"]


async def test_events_may_be_late(session):
    async with sandbox(event_lag=5) as cloud:
        api = Api(cloud, session)
        await api.ask("POST", LINODES, json=EMPTY)
        assert await api.rows("/account/events") == []
        cloud.advance(5)
        (event,) = await api.rows("/account/events")
        assert event["created"] == "2026-01-01T00:00:00"


async def test_events_are_filtered_and_seen(cloud, api):
    id_ = await api.running()
    await api.running()
    wanted = f'{{"entity.id": {id_}, "entity.type": "linode", "action": "linode_boot", '
    order = '"+order_by": "created", "+order": "desc", "created": {"+gte": "2026-01-01T00:00:00"}}'
    (event,) = await api.rows("/account/events", headers={"X-Filter": wanted + order})
    assert await api.ask("POST", f"/account/events/{event['id']}/seen") == {}
    assert [one["seen"] for one in await api.rows("/account/events")] == [False, False, True, True]
    await api.refused("POST", f"/account/events/{event['id']}/read", 404)


async def test_jobs_fail_on_request(cloud, api):
    cloud.fail_jobs("linode_create")
    id_ = await api.running()
    assert (await api.show(id_))["status"] == "offline"
    assert [one["status"] for one in await api.rows("/account/events")] == ["failed"]
    id_ = await api.running()
    async with api.session.post(f"{cloud.control_url}/fail_jobs", json={"action": "linode_resize"}) as answer:
        assert answer.status == 204
    async with api.session.post(f"{cloud.control_url}/fail_jobs", json={"action": "dance"}) as answer:
        assert (answer.status, "no action 'dance'" in await answer.text()) == (400, True)
    await act(api, id_, "resize", type="g6-standard-1")
    cloud.advance(120)
    shown = await api.show(id_)
    assert (shown["status"], shown["type"]) == ("running", "g6-nanode-1")


async def test_every_job_may_take_as_long_as_one_likes(session):
    async with sandbox(job_seconds=4, pickup_seconds=0, linger_seconds=0) as cloud:
        api = Api(cloud, session)
        id_ = await api.running()
        await act(api, id_, "resize", type="g6-standard-1")
        cloud.advance(4)
        assert (await api.show(id_))["status"] == "running"
        await act(api, id_, "shutdown")


async def test_statistics_come_late(cloud, api):
    id_ = await api.running()
    assert await api.refused("GET", f"{LINODES}/{id_}/stats") == [
        (None, "Stats are unavailable at this time.")
    ]
    cloud.advance(7200)
    data = (await api.ask("GET", f"{LINODES}/{id_}/stats"))["data"]
    moments = [at for at, _ in data["cpu"]]
    assert {after - before for before, after in itertools.pairwise(moments)} == {300_000}
    assert moments[-1] <= cloud.clock.now * 1000
    await api.refused("GET", f"{LINODES}/{id_}/stats/2026/13")
    assert (await api.ask("GET", f"{LINODES}/{id_}/transfer"))["used"] > 10**7
    month = await api.ask("GET", f"{LINODES}/{id_}/transfer/2026/1")
    assert month["bytes_total"] == month["bytes_in"] + month["bytes_out"]


async def test_a_private_address_is_added_once(api):
    id_, path = await api.running(), f"{LINODES}/{{}}/ips"
    private = {"type": "ipv4", "public": False}
    made = await api.ask("POST", path.format(id_), json=private)
    assert (made["address"].startswith("192.168."), made["gateway"]) == (True, None)
    assert made["address"] in (await api.show(id_))["ipv4"]
    ips = (await api.ask("GET", path.format(id_)))["ipv4"]
    assert [len(ips[kind]) for kind in ("public", "private")] == [1, 1]
    for body in (private, {"type": "ipv4", "public": True}, {"type": "ipv6"}):
        await api.refused("POST", path.format(id_), json=body)
    assert len(await api.rows("/networking/ips")) == 2
    await api.refused("GET", f"{path.format(id_)}/198.51.100.1", 404)
