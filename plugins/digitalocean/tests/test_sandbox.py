"""The sandbox's cloud: what it does is what the real API is documented or known to do."""

import aiohttp
import pytest

from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_testing.asking import Outsider

BODY = {"name": "web-1", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "ams3"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example"


class Api(Outsider):
    """Asks the sandbox, with its token or another."""

    async def refused(self, method, path, status=422, **how):
        body = await self.ask(method, path, status, **how)
        assert body["request_id"] == self.headers["x-request-id"]
        return body["message"]

    async def create(self, **fields):
        body = await self.ask("POST", "/v2/droplets", 202, json={**BODY, **fields})
        return body["droplet"]

    async def running(self, **fields):
        id_ = (await self.create(**fields))["id"]
        self.cloud.advance(60)
        return id_

    async def show(self, id_):
        return (await self.ask("GET", f"/v2/droplets/{id_}"))["droplet"]

    async def act(self, id_, status=201, **body):
        return await self.ask("POST", f"/v2/droplets/{id_}/actions", status, json=body)


def sandbox(**options):
    return DigitalOceanSandbox(**{"seed": 3, "speed": "stepped", **options})


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def cloud():
    async with sandbox() as running:
        yield running


@pytest.fixture
async def api(cloud, session):
    return Api(cloud, session)


# Life of a droplet.


async def test_a_droplet_comes_to_life(cloud, api):
    made = await api.ask("POST", "/v2/droplets", 202, json={**BODY, "tags": ["a:b"], "ipv6": True})
    droplet, action = made["droplet"], made["links"]["actions"][0]
    assert (droplet["status"], droplet["locked"], droplet["networks"]) == ("new", True, {"v4": [], "v6": []})
    assert action["rel"] == "create"
    cloud.advance(40)
    seen = await api.show(droplet["id"])
    assert (seen["status"], seen["locked"]) == ("active", True)
    assert [one["type"] for one in seen["networks"]["v4"]] == ["public", "private"]
    assert seen["networks"]["v6"][0]["netmask"] == 64
    cloud.advance(2)
    assert (await api.show(droplet["id"]))["locked"] is False
    action = (await api.ask("GET", f"/v2/actions/{action['id']}"))["action"]
    assert (action["status"], action["completed_at"]) == ("completed", "2026-01-01T00:00:42Z")


async def test_several_at_once_and_the_limit(api, session):
    async with sandbox(droplet_limit=3) as cloud:
        api = Api(cloud, session)
        made = await api.ask("POST", "/v2/droplets", 202, json={**BODY, "name": None, "names": ["a", "b"]})
        assert [one["name"] for one in made["droplets"]] == ["a", "b"]
        assert len(made["links"]["actions"]) == 2
        text = await api.refused("POST", "/v2/droplets", json={**BODY, "names": ["c", "d"]})
        assert text == "creating this/these droplet(s) will exceed your droplet limit"
        assert (await api.ask("GET", "/v2/account"))["account"]["droplet_limit"] == 3
        assert (await api.ask("GET", "/v2/droplets"))["meta"]["total"] == 2


async def test_the_new_droplet_may_be_late_everywhere(session):
    async with sandbox(get_lag=3, list_lag=6, address_seconds=5) as cloud:
        api = Api(cloud, session)
        id_ = (await api.create(tags=["t"]))["id"]
        await api.refused("GET", f"/v2/droplets/{id_}", 404)
        cloud.advance(3)
        await api.show(id_)
        assert (await api.ask("GET", "/v2/droplets?tag_name=t"))["droplets"] == []
        cloud.advance(3)
        assert len((await api.ask("GET", "/v2/droplets?tag_name=t"))["droplets"]) == 1
        cloud.advance(36)
        assert (await api.show(id_))["status"] == "active"
        assert (await api.show(id_))["networks"]["v4"] == []
        cloud.advance(3)
        assert len((await api.show(id_))["networks"]["v4"]) == 2


async def test_without_public_networking(api):
    id_ = await api.running(public_networking=False)
    assert [one["type"] for one in (await api.show(id_))["networks"]["v4"]] == ["private"]


async def test_a_create_that_fails_leaves_a_droplet_behind(cloud, api):
    cloud.fail_actions("create")
    made = await api.ask("POST", "/v2/droplets", 202, json=BODY)
    cloud.advance(60)
    action = (await api.ask("GET", f"/v2/actions/{made['links']['actions'][0]['id']}"))["action"]
    assert (action["status"], (await api.show(made["droplet"]["id"]))["status"]) == ("errored", "new")
    await api.ask("DELETE", f"/v2/droplets/{made['droplet']['id']}", 204)


async def test_failing_actions_over_http(cloud, api):
    async with api.session.post(f"{cloud.control_url}/fail_actions", json={"type": "reboot"}) as answer:
        assert answer.status == 204
    async with api.session.post(f"{cloud.control_url}/fail_actions", json={"type": "dance"}) as answer:
        assert (answer.status, "no action 'dance'" in await answer.text()) == (400, True)
    action = (await api.act(await api.running(), type="reboot"))["action"]
    cloud.advance(60)
    assert (await api.ask("GET", f"/v2/actions/{action['id']}"))["action"]["status"] == "errored"


async def test_deleting(cloud, api):
    id_ = (await api.create(tags=["t"]))["id"]
    assert await api.refused("DELETE", f"/v2/droplets/{id_}") == "Droplet already has a pending event."
    cloud.advance(60)
    await api.ask("DELETE", f"/v2/droplets/{id_}/", 204)
    await api.refused("DELETE", f"/v2/droplets/{id_}", 404)
    effects = [effect for entry in cloud.log for effect in entry.effects]
    assert [(one.kind, one.id, one.tags) for one in effects] == [
        ("created", str(id_), ("t",)),
        ("deleted", str(id_), ("t",)),
    ]


async def test_deleting_by_tag(cloud, api):
    cloud.seed_droplets(3, tags=["old"])
    kept = cloud.seed_droplets(1)
    await api.refused("DELETE", "/v2/droplets")
    await api.ask("DELETE", "/v2/droplets?tag_name=old", 204)
    assert [one["id"] for one in (await api.ask("GET", "/v2/droplets"))["droplets"]] == kept


async def test_destroying_with_what_belongs_to_it(cloud, api):
    id_ = await api.running()
    await api.act(id_, type="snapshot", name="s")
    cloud.advance(60)
    path = f"/v2/droplets/{id_}/destroy_with_associated_resources"
    (snapshot,) = (await api.ask("GET", path))["snapshots"]
    assert snapshot["name"] == "s"
    await api.refused("DELETE", f"{path}/dangerous")
    await api.ask("DELETE", f"{path}/dangerous", 202, headers={"X-Dangerous": "true"})
    assert (await api.ask("GET", f"{path}/status"))["resources"]["snapshots"][0]["id"] == snapshot["id"]
    await api.refused("POST", f"{path}/retry", 409)
    await api.refused("GET", f"/v2/images/{snapshot['id']}", 404)


# Actions.


async def test_actions_take_turns(cloud, api):
    id_ = await api.running()
    action = (await api.act(id_, type="power_off"))["action"]
    assert (action["status"], action["resource_id"]) == ("in-progress", id_)
    assert (await api.act(id_, 422, type="power_on"))["message"] == "Droplet already has a pending event."
    cloud.advance(5)
    assert (await api.show(id_))["status"] == "off"
    assert (await api.act(id_, 422, type="power_off"))["message"] == "Droplet is already powered off"
    newest = (await api.ask("GET", f"/v2/droplets/{id_}/actions"))["actions"]
    assert [one["type"] for one in newest] == ["power_off", "create"]
    await api.ask("GET", f"/v2/droplets/{id_}/actions/{action['id']}")
    await api.refused("GET", f"/v2/droplets/1/actions/{action['id']}", 404)


async def test_shutdown_may_achieve_nothing(session):
    async with sandbox(shutdown_stays_active=True, action_seconds=1) as cloud:
        api = Api(cloud, session)
        id_ = await api.running()
        action = (await api.act(id_, type="shutdown"))["action"]
        cloud.advance(1)
        assert (await api.ask("GET", f"/v2/actions/{action['id']}"))["action"]["status"] == "completed"
        assert (await api.show(id_))["status"] == "active"


async def test_resize_wants_it_off(cloud, api):
    id_ = await api.running()
    assert "powered off" in (await api.act(id_, 422, type="resize", size="s-2vcpu-4gb"))["message"]
    await api.act(id_, type="shutdown")
    cloud.advance(10)
    await api.act(id_, 422, type="resize", size=["s-2vcpu-4gb"])
    await api.act(id_, type="resize", size="s-2vcpu-4gb", disk=True)
    cloud.advance(60)
    seen = await api.show(id_)
    assert (seen["size_slug"], seen["memory"], seen["disk"], seen["status"]) == (
        "s-2vcpu-4gb",
        4096,
        80,
        "off",
    )


async def test_what_actions_change(cloud, api):
    id_ = await api.running()
    for body in (
        {"type": "rename", "name": "db-1"},
        {"type": "enable_ipv6"},
        {"type": "enable_backups", "backup_policy": {"plan": "daily", "hour": 4}},
        {"type": "rebuild", "image": "debian-12-x64"},
        {"type": "reboot"},
        {"type": "power_cycle"},
        {"type": "password_reset"},
    ):
        await api.act(id_, **body)
        cloud.advance(60)
    seen = await api.show(id_)
    assert (seen["name"], seen["image"]["slug"], seen["status"]) == ("db-1", "debian-12-x64", "active")
    assert {"ipv6", "backups"} <= set(seen["features"])
    assert len(seen["networks"]["v6"]) == 1
    policy = (await api.ask("GET", f"/v2/droplets/{id_}/backups/policy"))["policy"]
    assert (policy["backup_enabled"], policy["backup_policy"]["plan"]) == (True, "daily")
    await api.act(id_, type="disable_backups")
    await api.act(id_, 422, type="dance")


async def test_a_snapshot_becomes_an_image(cloud, api):
    id_ = await api.running()
    await api.act(id_, type="snapshot", name="golden")
    assert (await api.ask("GET", "/v2/images?private=true"))["images"] == []
    cloud.advance(60)
    (image,) = (await api.ask("GET", "/v2/images?private=true"))["images"]
    assert (image["name"], image["slug"], image["public"], image["regions"]) == (
        "golden",
        None,
        False,
        ["ams3"],
    )
    assert (await api.show(id_))["snapshot_ids"] == [image["id"]]
    assert (await api.create(image=image["id"]))["image"]["name"] == "golden"
    await api.ask("PUT", f"/v2/images/{image['id']}", json={"name": "silver"})
    await api.ask("DELETE", f"/v2/images/{image['id']}", 204)
    assert (await api.show(id_))["snapshot_ids"] == []


async def test_actions_on_a_tag(cloud, api):
    ids = cloud.seed_droplets(2, tags=["t"])
    made = await api.ask("POST", "/v2/droplets/actions?tag_name=t", 201, json={"type": "power_off"})
    assert [one["resource_id"] for one in made["actions"]] == ids
    await api.refused("POST", "/v2/droplets/actions?tag_name=t", json={"type": "rebuild", "image": 1})
    cloud.advance(5)
    assert {one["status"] for one in (await api.ask("GET", "/v2/droplets"))["droplets"]} == {"off"}


# Validation.


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "under_score"}, "Only valid hostname characters are allowed"),
        ({"name": ""}, "Name can't be blank"),
        ({"name": None}, "Name can't be blank"),
        ({"name": "x" * 256}, "Only valid hostname"),
        ({"names": [f"n{i}" for i in range(11)]}, "at most 10"),
        ({"size": "s-0vcpu"}, "You specified an invalid size"),
        ({"size": ["x"]}, "You specified an invalid size"),
        ({"size": "512mb"}, "Size is not available."),
        ({"image": "windows-95"}, "You specified an invalid image"),
        ({"image": "ubuntu-20-04-x64"}, "You specified an invalid image"),
        ({"image": 1}, "You specified an invalid image"),
        ({"region": "mars1"}, "You specified an invalid region"),
        ({"region": "sfo1"}, "Region is not available"),
        ({"region": "blr1", "size": "gpu-h100x1-80gb"}, "Size is not available in this region."),
        ({"ssh_keys": [17, "aa:bb"]}, "17, aa:bb are invalid key identifiers for Droplet creation."),
        ({"ssh_keys": "me"}, "ssh_keys must be"),
        ({"user_data": "x" * 65537}, "User data is too long"),
        ({"user_data": 5}, "User data must be"),
        ({"tags": ["no spaces"]}, "Tag names may only"),
        ({"image": "docker-20-04", "size": "s-1vcpu-512mb-10gb"}, "larger disk"),
        ({"public_networking": False, "ipv6": True}, "ipv6 cannot"),
    ],
)
async def test_what_a_create_must_be(cloud, api, fields, text):
    assert text in await api.refused("POST", "/v2/droplets", json={**BODY, **fields})
    assert [entry.effects for entry in cloud.log] == [()]


async def test_a_region_may_be_a_prefix_or_left_out(api):
    assert (await api.create(region="nyc"))["region"]["slug"] == "nyc1"
    assert (await api.create(region="nyc", size="gpu-h100x1-80gb"))["region"]["slug"] == "nyc2"
    assert (await api.create(region=None))["region"]["available"] is True


async def test_errors_have_the_vendors_shape(cloud, api):
    assert await api.refused("GET", "/v2/account", 401, token="wrong") == "Unable to authenticate you."
    assert await api.refused("POST", "/v2/droplets", 400, data=b"{") == "error parsing request body"
    body = await api.ask("GET", "/v2/droplets/x", 404)
    assert (body["id"], body["message"]) == ("not_found", "The resource you requested could not be found.")
    cloud.fault("quota")
    assert "droplet limit" in await api.refused("POST", "/v2/droplets", json=BODY)
    cloud.fault("no_capacity")
    assert "not available in this region" in await api.refused("POST", "/v2/droplets", json=BODY)


async def test_scopes(cloud, api):
    cloud.add_token("maker", scopes=["droplet:create", "image:read"])
    await api.refused("GET", "/v2/account", 403, token="maker")
    await api.refused("POST", "/v2/droplets", 403, token="maker", json={**BODY, "tags": ["t"]})
    await api.ask("POST", "/v2/droplets", 202, token="maker", json=BODY)
    cloud.add_token("reader", scopes=["droplet:read", "regions:read"])
    await api.ask("GET", "/v2/droplets", token="reader")
    await api.refused("GET", "/v2/droplets?tag_name=t", 403, token="reader")
    await api.refused("GET", "/v2/sizes", 403, token="reader")
    assert (await api.ask("GET", "/v2/regions", token="reader"))["regions"][0]["sizes"] == []
    (id_,) = cloud.seed_droplets(1)
    cloud.add_token("user", scopes=["droplet:update"])
    await api.ask(
        "POST", f"/v2/droplets/{id_}/actions", 403, token="user", json={"type": "rebuild", "image": 1}
    )
    await api.ask("POST", f"/v2/droplets/{id_}/actions", 201, token="user", json={"type": "reboot"})


# Lists.


async def test_pages_and_their_links(cloud, api):
    ids = cloud.seed_droplets(45)
    seen, page = [], 1
    while page:
        body = await api.ask("GET", f"/v2/droplets?page={page}")
        seen += [one["id"] for one in body["droplets"]]
        links = body["links"].get("pages", {})
        page = page + 1 if "next" in links else 0
    assert seen == ids
    assert links == {
        "first": "https://api.digitalocean.com/v2/droplets?page=1",
        "prev": "https://api.digitalocean.com/v2/droplets?page=2",
    }
    assert (await api.ask("GET", "/v2/droplets?per_page=200"))["links"] == {}
    assert len((await api.ask("GET", "/v2/sizes?per_page=1000"))["sizes"]) > 20
    assert (await api.ask("GET", "/v2/droplets?page=9"))["droplets"] == []


async def test_links_may_name_the_sandbox(session):
    async with sandbox(own_links=True) as cloud:
        cloud.seed_droplets(2)
        links = (await Api(cloud, session).ask("GET", "/v2/droplets?per_page=1"))["links"]
        assert links["pages"]["next"] == f"{cloud.base_url}/v2/droplets?per_page=1&page=2"


async def test_a_page_shift_hides_a_row_that_exists(cloud, api):
    ids = cloud.seed_droplets(4)
    cloud.fault("page_shift", path="/v2/droplets")
    pages = [await api.ask("GET", f"/v2/droplets?per_page=2&page={page}") for page in (1, 2)]
    seen = [one["id"] for body in pages for one in body["droplets"]]
    assert seen == [ids[0], ids[1], ids[3]]
    assert cloud.log[-1].effects[0].id == str(ids[0])
    await api.show(ids[2])


async def test_filters(cloud, api):
    plain, tagged = cloud.seed_droplets(1), cloud.seed_droplets(1, tags=["Env:Prod"])
    gpu = cloud.seed_droplets(1, size="gpu-h100x1-80gb", region="nyc2", tags=["env:prod"])

    async def ids(query):
        return [one["id"] for one in (await api.ask("GET", f"/v2/droplets{query}"))["droplets"]]

    assert await ids("") == plain + tagged
    assert await ids("?type=gpus") == gpu
    assert await ids("?name=SEEDED-00001") == plain
    assert await ids("?tag_name=Env:Prod") == tagged + gpu
    assert await ids("?tag_name=unknown") == []
    await api.refused("GET", "/v2/droplets?tag_name=x&type=gpus")


async def test_a_lagging_list_by_fault_on_either_side(cloud, api):
    cloud.fault("list_lag", method="POST", seconds=5)
    await api.create(tags=["t"])
    assert (await api.ask("GET", "/v2/droplets?tag_name=t"))["droplets"] == []
    cloud.advance(5)
    assert len((await api.ask("GET", "/v2/droplets?tag_name=t"))["droplets"]) == 1
    cloud.fault("list_lag", method="GET", seconds=50)
    assert (await api.ask("GET", "/v2/droplets"))["droplets"] == []


async def test_a_lost_answer_and_a_lagging_list_together(cloud, api):
    cloud.fault("list_lag", method="POST", seconds=5)
    cloud.fault("late_effect", method="POST", seconds=10)
    with pytest.raises(aiohttp.ClientOSError):
        await api.create(tags=["mark"])

    async def found():
        return len((await api.ask("GET", "/v2/droplets?tag_name=mark"))["droplets"])

    cloud.advance(10)
    assert [effect.kind for effect in cloud.log[-1].effects] == ["created"]
    assert await found() == 0
    cloud.advance(5)
    assert await found() == 1


async def test_ten_thousand_droplets(cloud, api):
    cloud.seed_droplets(10_000)
    body = await api.ask("GET", "/v2/droplets?per_page=200&page=50")
    assert (len(body["droplets"]), body["meta"]["total"]) == (200, 10_000)
    addresses = {one["networks"]["v4"][0]["ip_address"] for one in body["droplets"]}
    assert len(addresses) == 200


# Limits.


async def test_rate_limits(session):
    async with sandbox(hourly_limit=4, minute_limit=2) as cloud:
        api = Api(cloud, session)
        for left in ("3", "2"):
            await api.ask("GET", "/v2/account")
            assert (api.headers["ratelimit-limit"], api.headers["ratelimit-remaining"]) == ("4", left)
        assert await api.refused("GET", "/v2/account", 429) == "API Rate limit exceeded."
        assert (api.headers["retry-after"], api.headers["ratelimit-remaining"]) == ("61", "0")
        cloud.advance(61)
        await api.ask("GET", "/v2/account")
        await api.refused("GET", "/v2/account", 429)
        assert "retry-after" not in api.headers
        assert int(api.headers["ratelimit-reset"]) == int(cloud.clock.now) + 3600 - 61


async def test_listing_keys_has_its_own_limit(api):
    for _ in range(10):
        await api.ask("GET", "/v2/account/keys")
    await api.refused("GET", "/v2/account/keys", 429)
    await api.ask("GET", "/v2/account")
    await api.ask("POST", "/v2/account/keys", 201, json={"name": "me", "public_key": KEY})


# Keys, tags, catalogues, billing, metrics.


async def test_ssh_keys(api):
    made = (await api.ask("POST", "/v2/account/keys", 201, json={"name": "me", "public_key": KEY}))["ssh_key"]
    assert made["fingerprint"] == "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba"
    again = await api.refused("POST", "/v2/account/keys", json={"name": "other", "public_key": KEY})
    assert again == "SSH Key is already in use on your account"
    for bad in ("nonsense", "ssh-rsa !!!", "ssh-rsa AAAA", None):
        await api.refused("POST", "/v2/account/keys", json={"name": "x", "public_key": bad})
    await api.create(ssh_keys=[made["id"], made["fingerprint"]])
    path = f"/v2/account/keys/{made['fingerprint']}"
    assert (await api.ask("PUT", path, json={"name": "mine"}))["ssh_key"]["name"] == "mine"
    await api.ask("DELETE", path, 204)
    await api.refused("GET", path, 404)


async def test_tags(cloud, api):
    (id_,) = cloud.seed_droplets(1)
    await api.ask("POST", "/v2/tags", 201, json={"name": "Prod"})
    await api.ask("POST", "/v2/tags", 201, json={"name": "prod"})
    await api.refused("POST", "/v2/tags", json={"name": "a b"})
    resources = {"resources": [{"resource_id": str(id_), "resource_type": "droplet"}]}
    await api.refused("POST", "/v2/tags/prod/resources", 404, json=resources)
    await api.ask("POST", "/v2/tags/Prod/resources", 204, json=resources)
    assert (await api.show(id_))["tags"] == ["Prod"]
    assert (await api.ask("GET", "/v2/tags/Prod"))["tag"]["resources"]["droplets"]["count"] == 1
    await api.ask("DELETE", "/v2/tags/Prod/resources", 204, json=resources)
    assert (await api.show(id_))["tags"] == []
    await api.ask("DELETE", "/v2/tags/Prod", 204)
    assert (await api.ask("GET", "/v2/tags"))["tags"] == []


async def test_catalogues(api):
    sizes = {one["slug"]: one for one in (await api.ask("GET", "/v2/sizes?per_page=200"))["sizes"]}
    assert sizes["s-1vcpu-1gb"]["price_hourly"] == 0.008929999545216560
    assert any(not one["available"] and not one["regions"] for one in sizes.values())
    assert sizes["gpu-h100x1-80gb"]["gpu_info"]["model"] == "nvidia_h100"
    apps = (await api.ask("GET", "/v2/images?type=application"))["images"]
    base = (await api.ask("GET", "/v2/images?type=distribution"))["images"]
    assert not {one["slug"] for one in apps} & {one["slug"] for one in base}
    assert (await api.ask("GET", f"/v2/images/{base[0]['id']}"))["image"] == base[0]
    assert (await api.ask("GET", f"/v2/images/{base[0]['slug']}"))["image"] == base[0]
    clicks = await api.ask("GET", "/v2/1-clicks?type=droplet")
    assert {one["slug"] for one in clicks["1_clicks"]} == {one["slug"] for one in apps}
    assert "links" not in clicks


async def test_billing(cloud, api):
    cloud.seed_droplets(10)
    cloud.advance(3600 * 100)
    balance = await api.ask("GET", "/v2/customers/my/balance")
    assert (balance["month_to_date_usage"], balance["account_balance"]) == ("8.93", "0.00")
    invoices = await api.ask("GET", "/v2/customers/my/invoices")
    assert [one["invoice_period"] for one in invoices["invoices"]] == ["2025-12", "2025-11", "2025-10"]
    assert invoices["invoice_preview"]["amount"] == "8.93"
    path = f"/v2/customers/my/invoices/{invoices['invoices'][0]['invoice_uuid']}"
    items = (await api.ask("GET", path))["invoice_items"]
    summary = await api.ask("GET", f"{path}/summary")
    assert items[0]["amount"] == summary["amount"] == invoices["invoices"][0]["amount"]
    history = (await api.ask("GET", "/v2/customers/my/billing_history"))["billing_history"]
    assert {one["type"] for one in history} == {"Payment", "Invoice"}
    await api.refused("GET", "/v2/customers/my/invoices/none", 404)


async def test_metrics_need_the_agent(cloud, api):
    watched, bare = cloud.seed_droplets(1, monitoring=True) + cloud.seed_droplets(1)
    cloud.advance(3600)
    now = int(cloud.clock.now)

    async def matrix(metric, id_, more=""):
        query = f"host_id={id_}&start={now - 1200}&end={now}{more}"
        body = await api.ask("GET", f"/v2/monitoring/metrics/droplet/{metric}?{query}")
        return body["data"]["result"]

    cpu = await matrix("cpu", watched)
    assert {one["metric"]["mode"] for one in cpu} >= {"idle", "user", "steal"}
    idle = next(one for one in cpu if one["metric"]["mode"] == "idle")
    growth = [float(value) for _, value in idle["values"]]
    assert growth == sorted(growth)
    assert len(growth) == 11
    assert await matrix("cpu", bare) == []
    await api.refused(
        "GET", f"/v2/monitoring/metrics/droplet/bandwidth?host_id={watched}&start=1&end=2000000000"
    )
    (series,) = await matrix("bandwidth", watched, "&interface=public&direction=inbound")
    assert series["metric"] == {"host_id": str(watched), "interface": "public", "direction": "inbound"}
    await api.refused("GET", "/v2/monitoring/metrics/droplet/cpu?host_id=1")


async def test_the_same_seed_makes_the_same_cloud(session):
    seen = []
    for _ in range(2):
        async with sandbox(seed=9) as cloud:
            api = Api(cloud, session)
            id_ = await api.running(tags=["t"])
            seen.append(
                (await api.show(id_), await api.ask("GET", "/v2/actions"), api.headers["x-request-id"])
            )
    assert seen[0] == seen[1]
