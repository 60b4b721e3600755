"""The sandbox's wire: who may ask, how often, for which rows; and how it misbehaves on request."""

import pytest

from ._sandbox_api import BODY, EMPTY, KEY, LINODES, Api, sandbox

UNAUTHORIZED = [(None, "Invalid Token")]
SCOPE = [(None, "Your OAuth token is not authorized to use this endpoint.")]


# Tokens, scopes, grants.


async def test_what_is_public_proves_nothing_about_a_token(api):
    for path in ("/linode/types", "/regions", "/regions/availability", "/linode/kernels", "/images"):
        await api.ask("GET", path, token="nonsense")
    assert await api.rows("/linode/stackscripts", token="nonsense")
    async with api.session.get(f"{api.cloud.base_url}/images/linode/arch") as answer:
        assert answer.status == 200
    async with api.session.get(f"{api.cloud.base_url}{LINODES}") as answer:
        assert answer.status == 401
    assert await api.refused("GET", "/profile", 401, token="nonsense") == UNAUTHORIZED
    assert api.headers["X-OAuth-Scopes"] == "unknown"


async def test_scopes(cloud, api):
    cloud.add_token("reader", ["linodes:read_only"])
    cloud.add_token("writer", ["linodes:read_write", "account:read_only"])
    cloud.add_token("all", ["*"])
    await api.ask("GET", LINODES, token="reader")
    assert (api.headers["X-OAuth-Scopes"], api.headers["X-Accepted-OAuth-Scopes"]) == (
        "linodes:read_only",
        "linodes:read_only",
    )
    assert await api.refused("POST", LINODES, 401, token="reader", json=EMPTY) == SCOPE
    assert api.headers["X-OAuth-Scopes"] == "linodes:read_only"  # which tells it from a bad token
    await api.ask("GET", "/profile", token="reader")
    await api.ask("POST", LINODES, token="writer", json=EMPTY)
    assert await api.refused("GET", "/account/events", 401, token="writer") == SCOPE
    assert api.headers["X-Accepted-OAuth-Scopes"] == "events:read_only"
    await api.ask("GET", "/account/events", token="all")
    assert api.headers["X-OAuth-Scopes"] == "*"


async def test_own_images_and_scripts_need_a_scope(cloud, api):
    cloud.add_token("reader", ["linodes:read_only"])
    id_ = await api.running()
    disk = (await api.rows(f"{LINODES}/{id_}/disks"))[0]["id"]
    image = (await api.ask("POST", "/images", json={"disk_id": disk}))["id"]
    body = {"label": "mine", "images": ["linode/arch"], "script": '#!/bin/sh\n# <UDF name="x" label="X" />'}
    script = await api.ask("POST", "/linode/stackscripts", json=body)
    assert script["user_defined_fields"] == [{"name": "x", "label": "X"}]
    mine = {"headers": {"X-Filter": '{"mine": true}'}}
    assert [one["id"] for one in await api.rows("/linode/stackscripts", **mine)] == [script["id"]]
    assert await api.rows("/linode/stackscripts", token="reader", **mine) == []
    private = {"headers": {"X-Filter": '{"is_public": false}'}}
    assert [one["id"] for one in await api.rows("/images", **private)] == [image]
    assert await api.rows("/images", token="reader", **private) == []
    await api.refused("GET", f"/images/{image}", 404, token="reader")


async def test_restricted_users(cloud, api):
    (id_,) = cloud.seed_linodes(1)
    cloud.restrict("guest", linodes="read_only")
    cloud.restrict("maker", linodes="read_write", add_linodes=True, account="read_only")
    await api.ask("GET", LINODES, token="guest")
    for method, path in (("POST", LINODES), ("DELETE", f"{LINODES}/{id_}"), ("GET", "/account")):
        assert await api.refused(method, path, 403, token="guest", json={}) == [(None, "Unauthorized")]
    await api.refused("GET", "/tags", 403, token="maker")
    await api.ask("GET", "/account", token="maker")
    await api.ask("POST", LINODES, token="maker", json=EMPTY)
    assert (await api.ask("GET", "/profile", token="guest"))["restricted"] is True
    grants = await api.ask("GET", "/profile/grants", token="guest")
    assert (grants["global"]["add_linodes"], grants["linode"][0]["permissions"]) == (False, "read_only")


async def test_grants_of_unrestricted_users(api, session):
    refused = await api.refused("GET", "/profile/grants")
    assert refused == [(None, "Grants are not available for unrestricted users")]
    async with sandbox(unrestricted_grants=204) as cloud:
        assert await Api(cloud, session).ask("GET", "/profile/grants", 204) == b""


# Paths and headers.


async def test_both_versions_and_both_spellings(cloud, api):
    (id_,) = cloud.seed_linodes(1)
    beta = cloud.origin + "/v4beta"
    for url in (f"{beta}{LINODES}/{id_}", f"{cloud.base_url}{LINODES}/{id_}/"):
        async with api.session.get(url, headers={"Authorization": f"Bearer {cloud.token}"}) as answer:
            assert (await answer.json())["id"] == id_
    for spelling in ("/images/linode/arch", "/images/linode%2Farch"):
        assert (await api.ask("GET", spelling))["id"] == "linode/arch"
    for spelling in ("/linode/kernels/linode/grub2", "/linode/kernels/linode%2Fgrub2"):
        assert (await api.ask("GET", spelling))["id"] == "linode/grub2"
    assert await api.refused("GET", "/nonsense", 404) == [(None, "Not found")]
    await api.refused("POST", "/regions", 405)


async def test_headers(api):
    await api.ask("GET", LINODES)
    shown = {
        name: api.headers[name] for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After")
    }
    assert shown == {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "199", "Retry-After": "60"}
    assert int(api.headers["X-RateLimit-Reset"]) == 1_767_225_660
    assert tuple(map(int, api.headers["X-Spec-Version"].split(".")))[:2] <= (4, 229)
    assert len(api.headers["X-Customer-UUID"]) == 36
    assert api.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("GET", LINODES, "200"),
        ("GET", "/account/events", "200"),
        ("GET", "/images", "20"),
        ("GET", "/linode/stackscripts", "60"),
        ("GET", "/linode/types", "1600"),
        ("GET", "/profile", "1600"),
        ("POST", LINODES, "20"),
    ],
)
async def test_operations_have_their_limits(api, method, path, limit):
    await api.ask(method, path, json=BODY if method == "POST" else None)
    assert api.headers["X-RateLimit-Limit"] == limit


async def test_too_many_creates(cloud, api):
    for _ in range(20):
        await api.ask("POST", LINODES, json=EMPTY)
    cloud.advance(5)
    assert await api.refused("POST", LINODES, 429, json=EMPTY) == [(None, "Too many requests")]
    assert (api.headers["Retry-After"], api.headers["X-RateLimit-Remaining"]) == ("10", "0")
    await api.ask("GET", LINODES)
    cloud.advance(10)
    await api.ask("POST", LINODES, json=EMPTY)


# Lists.


async def wanted(api, filter_, path=LINODES):
    return [row["label"] for row in await api.rows(path, headers={"X-Filter": filter_})]


async def test_filters(cloud, api):
    cloud.seed_linodes(2, tags=["old", "blue"])
    cloud.seed_linodes(1, region="eu-west")
    first, second, third = "seeded-00001", "seeded-00002", "seeded-00003"
    assert await wanted(api, f'{{"label": "{second}"}}') == [second]
    assert await wanted(api, '{"label": {"+contains": "0003"}}') == [third]
    assert await wanted(api, '{"tags": "old", "region": "us-east"}') == [first, second]
    assert await wanted(api, '{"region": {"+neq": "us-east"}}') == [third]
    assert await wanted(api, '{"tags": {"+neq": "old"}}') == [third]
    either = f'{{"+or": [{{"label": "{third}"}}, {{"+and": [{{"tags": "old"}}, {{"label": "{first}"}}]}}]}}'
    assert await wanted(api, either) == [first, third]
    assert await wanted(api, '{"+order_by": "label", "+order": "desc"}') == [third, second, first]
    sizes = '{"memory": {"+gte": 2048, "+lt": 8192}, "class": "dedicated"}'
    assert await wanted(api, sizes, "/linode/types") == ["Dedicated 4GB"]
    assert await wanted(api, '{"vcpus": {"+gt": 32, "+lte": 48}}', "/linode/types") == ["Dedicated 96GB"]
    assert await wanted(api, '{"vendor": "Arch"}', "/images") == ["Arch Linux"]


@pytest.mark.parametrize(
    ("path", "filter_", "reason"),
    [
        ("/images", '{"foo": 1}', "Cannot filter on foo"),
        (LINODES, '{"status": "running"}', "Cannot filter on status"),
        (LINODES, '{"+or": [{"label": "a"}, {"status": "b"}]}', "Cannot filter on status"),
        (LINODES, '{"+order_by": "status"}', "Cannot filter on status"),
        (LINODES, "label=web", "Filter not valid JSON"),
        (LINODES, '["label"]', "Filter not valid JSON"),
        (LINODES, '{"+or": {}}', "+or takes a list of filters"),
        (LINODES, '{"label": {"+like": "a"}}', "+like is not a valid operator"),
    ],
)
async def test_what_cannot_be_filtered(api, path, filter_, reason):
    assert await api.refused("GET", path, headers={"X-Filter": filter_}) == [("X-Filter", reason)]


async def test_pages(cloud, api):
    ids = cloud.seed_linodes(60)
    pages = [await api.ask("GET", f"{LINODES}?page_size=25&page={page}") for page in (1, 2, 3)]
    assert [row["id"] for page in pages for row in page["data"]] == ids
    assert [page["pages"] for page in pages] == [3, 3, 3]
    assert (await api.ask("GET", "/volumes")) == {"data": [], "page": 1, "pages": 1, "results": 0}
    for size in ("1", "24", "501", "many"):
        assert await api.refused("GET", f"{LINODES}?page_size={size}") == [("page_size", "Must be 25-500")]
    await api.refused("GET", f"{LINODES}?page=4&page_size=25", 404)
    whole = await api.ask("GET", "/linode/types?page_size=25")
    assert (whole["pages"], len(whole["data"])) == (1, whole["results"])
    assert (await api.ask("GET", "/regions/availability"))["pages"] > 1


async def test_tags_and_keys(cloud, api):
    (id_,) = cloud.seed_linodes(1, tags=["blue"])
    await api.ask("POST", "/tags", json={"label": "green", "linodes": [id_]})
    await api.refused("POST", "/tags", json={"label": "green"})
    await api.refused("POST", "/tags", json={"label": "no"})
    await api.refused("POST", "/tags", json={"label": "other", "linodes": [5]})
    assert [one["label"] for one in await api.rows("/tags")] == ["blue", "green"]
    (tagged,) = await api.rows("/tags/green")
    assert (tagged["type"], tagged["data"]["tags"]) == ("linode", ["blue", "green"])
    await api.ask("DELETE", "/tags/blue")
    assert (await api.show(id_))["tags"] == ["green"]
    await api.refused("GET", "/tags/blue", 404)
    assert (await api.refused("POST", "/profile/sshkeys", json={"ssh_key": "x"}))[0][0] == "label"
    key = await api.ask("POST", "/profile/sshkeys", json={"label": "me", "ssh_key": KEY})
    await api.ask("PUT", f"/profile/sshkeys/{key['id']}", json={"label": "you"})
    assert [one["label"] for one in await api.rows("/profile/sshkeys")] == ["you"]
    await api.ask("DELETE", f"/profile/sshkeys/{key['id']}")
    await api.refused("GET", f"/profile/sshkeys/{key['id']}", 404)


async def test_what_it_costs(cloud, api):
    cloud.seed_linodes(1, type="g6-standard-1")
    cloud.seed_linodes(1, type="g6-standard-1", region="id-cgk")
    cloud.advance(100 * 3600)
    account = await api.ask("GET", "/account")
    assert account["balance_uninvoiced"] == pytest.approx(1.8 + 2.2)
    transfer = await api.ask("GET", "/account/transfer")
    assert (transfer["quota"], [one["id"] for one in transfer["region_transfers"]]) == (2000, ["id-cgk"])


# Faults in Linode's shape.


async def test_faults_speak_linodes_words(cloud, api):
    words = {
        "no_capacity": (403, "not currently available"),
        "quota": (400, "Account Limit reached. Please open a support ticket."),
        "rate_limit": (429, "Too many requests"),
        "scope": (401, "Your OAuth token is not authorized to use this endpoint."),
        "error_before": (500, "Internal server error"),
        "error_after": (500, "Internal server error"),
    }
    for fault, (status, text) in words.items():
        cloud.fault(fault, method="POST", path="/v4/linode/instances")
        ((field, reason),) = await api.refused("POST", LINODES, status, json=EMPTY)
        assert (field, text in reason) == (None, True)
        assert api.headers["X-OAuth-Scopes"] == "*"
    assert len(await api.rows(LINODES)) == 1  # error_after made it


async def test_odd_headers(cloud, api):
    cloud.fault("rate_limit", retry_after=-1_509_450_059)
    await api.refused("GET", LINODES, 429)
    assert (api.headers["Retry-After"], api.headers["X-RateLimit-Reset"]) == ("-1509450059", "-1")
    cloud.fault("error_before", status=503, message="Scheduled maintenance")
    await api.refused("GET", LINODES, 503)
    assert api.headers["X-Maintenance-Mode"] == "Scheduled maintenance"
    cloud.fault("error_before", status=408)
    assert await api.refused("GET", LINODES, 408) == [(None, "Please try again")]


async def test_lists_lag_and_shift(cloud, api):
    cloud.fault("list_lag", path="/v4/linode/instances", method="GET", seconds=30)
    await api.create()
    assert await api.rows(LINODES) == []
    assert len(await api.rows(LINODES)) == 1
    cloud.seed_linodes(59)
    cloud.fault("page_shift")
    first = await api.rows(f"{LINODES}?page=1&page_size=25")
    second = await api.rows(f"{LINODES}?page=2&page_size=25")
    assert second[0]["id"] - first[-1]["id"] > 1
    assert len({row["id"] for row in first + second}) == 50
    assert (await api.ask("GET", LINODES))["results"] == 59


async def test_wrong_types(cloud, api):
    (id_,) = cloud.seed_linodes(1)
    cloud.fault("wrong_types", path="/v4/linode/instances*", times=2)
    (row,) = await api.rows(LINODES)
    assert (row["id"], row["status"], row["tags"]) == (id_, {"value": "running"}, {})
    assert (await api.show(id_))["status"] == {"value": "running"}
