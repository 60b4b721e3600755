"""The sandbox's answers against Linode's own OpenAPI document, where that lies beside the repository."""

import json
from pathlib import Path

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from purveyor_linode.sandbox import LinodeSandbox

DOCUMENT = Path(__file__).resolve().parents[4] / "shared/data/openapi/linode-openapi.json"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example"
BODY = {
    "type": "g6-nanode-1",
    "region": "us-east",
    "image": "linode/debian12",
    "authorized_keys": [KEY],
    "tags": ["blue"],
}
NULLED = {
    "current",
    "day",
    "duration",
    "finished",
    "gateway",
    "in_progress",
    "last_successful",
    "longview_subscription",
    "maximum_pgs_per_customer",
    "rate",
    "rdns",
    "secondary_entity",
    "successor",
    "time_remaining",
    "verified_phone_number",
    "volume_id",
    "vpc_nat_1_1",
    "window",
    *(f"sd{letter}" for letter in "abcdefgh"),
}
"""Properties that are null in recorded answers, although the document says nothing about it."""
OLDER = {"class", "action", "capabilities", "object_storage", "rate", "time_remaining", "usd"}
"""Properties whose closed lists and types are older than recorded answers."""

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's OpenAPI document is not here")


def converted(node, name=""):
    """OpenAPI 3.0 as JSON Schema, without what is known to be out of date in the document."""
    if isinstance(node, list):
        return [converted(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: converted(value, key) for key, value in node.items() if key != "example" or name == "properties"
    }
    node.pop("additionalProperties", None)  # real answers have newer fields everywhere
    for limit in ("minLength", "minItems"):  # recorded descriptions and interfaces are empty
        node.pop(limit, None)
    if str(node.get("pattern", "")).startswith("a-z,"):
        del node["pattern"]  # prose
    if isinstance(needed := node.get("required"), list) and "example" in needed:
        del node["required"]  # of user-defined fields, which have only what their script says
    if name in OLDER:
        node.pop("enum", None)
        node.pop("type", None)
    if (node.pop("nullable", False) or name in NULLED) and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        node |= {"enum": [*node["enum"], None]} if "enum" in node else {}
    if name == "secondary_entity" and "properties" in node:
        node["properties"]["id"] = {}  # "string", but recorded ids of Linodes and configs are numbers
    return node


@pytest.fixture(scope="module")
def document():
    return converted(json.loads(DOCUMENT.read_text()))


def check(document, method, path, status, body):
    responses = document["paths"]["/{apiVersion}" + path][method.lower()]["responses"]
    response = responses.get(str(status)) or responses["default"]
    content = response.get("content", {})
    if "application/json" not in content:
        assert not body
        return
    Draft202012Validator(content["application/json"]["schema"]).validate(body)


@pytest.fixture
async def cloud():
    async with LinodeSandbox(seed=5, speed="stepped") as running:
        running.seed_linodes(30, tags=["blue"], private_ip=True)
        running.seed_firewall()
        yield running


@pytest.fixture
async def ask(cloud, document):
    """Asks, and checks what comes back against the document."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {cloud.token}"}) as session:

        async def ask(method, path, status=200, query="", json=None, **params):
            url = cloud.base_url + path.format(**params) + query
            async with session.request(method, url, json=json) as answer:
                body = await answer.json() if await answer.read() else None
                assert answer.status == status, body
            check(document, method, path, status, body)
            return body

        yield ask


LINODES = "/linode/instances"
ONE = LINODES + "/{linodeId}"


async def test_linodes_are_as_documented(cloud, ask):
    made = await ask("POST", LINODES, json={**BODY, "label": "web-1", "backups_enabled": True})
    one = {"linodeId": made["id"]}
    for _ in range(4):
        await ask("GET", ONE, **one)
        cloud.advance(18)
    for query in ("", "?page=2&page_size=25"):
        await ask("GET", LINODES, query=query)
    for below in ("disks", "configs", "ips", "transfer", "volumes", "firewalls", "nodebalancers", "backups"):
        await ask("GET", f"{ONE}/{below}", **one)
    disk = (await ask("GET", f"{ONE}/disks", **one))["data"][0]["id"]
    await ask("GET", ONE + "/disks/{diskId}", diskId=disk, **one)
    config = (await ask("GET", f"{ONE}/configs", **one))["data"][0]["id"]
    await ask("GET", ONE + "/configs/{configId}", configId=config, **one)
    await ask("GET", ONE + "/ips/{address}", address=made["ipv4"][0], **one)
    await ask("GET", ONE + "/transfer/{year}/{month}", year=2026, month=1, **one)
    await ask("POST", f"{ONE}/ips", json={"type": "ipv4", "public": False}, **one)
    await ask("PUT", ONE, json={"label": "web-2", "tags": ["green"]}, **one)
    await ask("DELETE", ONE, **one)
    await ask("GET", ONE, **one)


async def test_jobs_are_as_documented(cloud, ask):
    one = {"linodeId": (await ask("POST", LINODES, json={**BODY, "backups_enabled": True}))["id"]}
    cloud.advance(60)
    root = {"image": "linode/ubuntu24.04", "authorized_keys": [KEY]}
    jobs = {
        "shutdown": {},
        "boot": {},
        "reboot": {},
        "rescue": {"devices": {}},
        "rebuild": root,
        "resize": {"type": "g6-standard-1"},
        "migrate": {"region": "eu-west"},
        "clone": {"label": "twin-1"},
        "backups": {"label": "before"},
    }
    for verb, body in jobs.items():
        await ask("POST", f"{ONE}/{verb}", json=body, **one)
        for _ in range(3):
            await ask("GET", ONE, **one)
            await ask("GET", "/account/events", query="?page_size=25")
            cloud.advance(60)
    backup = (await ask("GET", f"{ONE}/backups", **one))["snapshot"]["current"]["id"]
    await ask("GET", ONE + "/backups/{backupId}", backupId=backup, **one)
    overwrite = {"linode_id": one["linodeId"], "overwrite": True}
    await ask("POST", ONE + "/backups/{backupId}/restore", json=overwrite, backupId=backup, **one)
    await ask("POST", f"{ONE}/backups/cancel", **one)
    await ask("POST", f"{ONE}/backups/enable", **one)
    event = (await ask("GET", "/account/events"))["data"][0]["id"]
    await ask("GET", "/account/events/{eventId}", eventId=event)
    await ask("POST", "/account/events/{eventId}/seen", eventId=event)


async def test_statistics_are_as_documented(cloud, ask):
    one = {"linodeId": (await ask("GET", LINODES))["data"][0]["id"]}
    await ask("GET", f"{ONE}/stats", 400, **one)
    cloud.advance(3600)
    assert (await ask("GET", f"{ONE}/stats", **one))["data"]["cpu"]
    assert (await ask("GET", ONE + "/stats/{year}/{month}", year=2026, month=1, **one))["data"]


async def test_catalogues_are_as_documented(ask):
    for path in ("/linode/types", "/regions", "/regions/availability", "/linode/kernels", "/images"):
        await ask("GET", path)
    await ask("GET", "/linode/types/{typeId}", typeId="g6-nanode-1")
    await ask("GET", "/regions/{regionId}", regionId="us-east")
    await ask("GET", "/regions/{regionId}/availability", regionId="us-east")
    await ask("GET", "/linode/kernels/{kernelId}", kernelId="linode%2Fgrub2")
    await ask("GET", "/images/{imageId}", imageId="linode%2Fdebian12")


async def test_own_images_and_scripts_are_as_documented(cloud, ask):
    linode = (await ask("GET", LINODES))["data"][0]["id"]
    disk = (await ask("GET", f"{ONE}/disks", linodeId=linode))["data"][0]["id"]
    image = {"imageId": (await ask("POST", "/images", json={"disk_id": disk, "label": "mine"}))["id"]}
    await ask("GET", "/images/{imageId}", **image)
    await ask("PUT", "/images/{imageId}", json={"label": "yours"}, **image)
    await ask("DELETE", "/images/{imageId}", **image)
    body = {"label": "mine", "images": ["linode/debian12"], "script": '#!/bin/sh\n# <UDF name="x" label="X">'}
    script = {"stackscriptId": (await ask("POST", "/linode/stackscripts", json=body))["id"]}
    one = "/linode/stackscripts/{stackscriptId}"
    await ask("GET", "/linode/stackscripts")
    await ask("GET", one, **script)
    await ask("PUT", one, json={"label": "yours"}, **script)
    await ask("DELETE", one, **script)


async def test_the_account_is_as_documented(cloud, ask):
    cloud.advance(3600)
    for path in ("/profile", "/account", "/account/settings", "/account/transfer", "/account/notifications"):
        await ask("GET", path)
    for path in ("/account/availability", "/account/maintenance", "/account/payments", "/account/invoices"):
        await ask("GET", path)
    await ask("GET", "/profile/grants", 400)
    invoice = {"invoiceId": (await ask("GET", "/account/invoices"))["data"][0]["id"]}
    await ask("GET", "/account/invoices/{invoiceId}", **invoice)
    await ask("GET", "/account/invoices/{invoiceId}/items", **invoice)
    payment = (await ask("GET", "/account/payments"))["data"][0]["id"]
    await ask("GET", "/account/payments/{paymentId}", paymentId=payment)
    for path in ("/networking/ips", "/networking/firewalls", "/volumes"):
        await ask("GET", path)


async def test_keys_and_tags_are_as_documented(ask):
    key = (await ask("POST", "/profile/sshkeys", json={"label": "me", "ssh_key": KEY}))["id"]
    one = "/profile/sshkeys/{sshKeyId}"
    await ask("GET", "/profile/sshkeys")
    await ask("GET", one, sshKeyId=key)
    await ask("PUT", one, json={"label": "you"}, sshKeyId=key)
    await ask("DELETE", one, sshKeyId=key)
    await ask("POST", "/tags", json={"label": "green"})
    await ask("GET", "/tags")
    await ask("GET", "/tags/{tagLabel}", tagLabel="blue")
    await ask("DELETE", "/tags/{tagLabel}", tagLabel="green")


async def test_grants_are_as_documented(cloud, document):
    cloud.restrict("restricted", linodes="read_only")
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer restricted"}) as session:
        for path in ("/profile/grants", "/profile", LINODES):
            async with session.get(cloud.base_url + path) as answer:
                assert answer.status == 200
                check(document, "GET", path, 200, await answer.json())


@pytest.mark.parametrize("fault", ["rate_limit", "error_before", "scope", "quota", "no_capacity", "none"])
async def test_errors_are_as_documented(cloud, ask, fault):
    statuses = {"rate_limit": 429, "error_before": 500, "scope": 401, "quota": 400, "no_capacity": 403}
    if fault in statuses:
        cloud.fault(fault)
    await ask("POST", LINODES, statuses.get(fault, 400), json={})
