"""The sandbox's answers against DigitalOcean's own OpenAPI document, where that lies beside the repository."""

import json
from pathlib import Path

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from purveyor_digitalocean.sandbox import DigitalOceanSandbox

DOCUMENT = Path(__file__).resolve().parents[4] / "shared/data/openapi/digitalocean-openapi.json"
BODY = {"name": "web-1", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "ams3", "tags": ["t"]}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example"

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's OpenAPI document is not here")


def converted(node):
    """OpenAPI 3.0 as JSON Schema, without the document's known slips."""
    if isinstance(node, list):
        return [converted(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: converted(value) for key, value in node.items() if key != "example"}
    if False in node.get("enum", ()):
        node["enum"] = ["off" if one is False else one for one in node["enum"]]  # YAML read off as false
    if {"ams1", "nyc1"} <= set(map(str, node.get("enum", ()))) or "Gentoo" in node.get("enum", ()):
        del node["enum"]  # closed lists of regions and distributions, older than the newest ones
    if node.pop("nullable", False) and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        node |= {"enum": [*node["enum"], None]} if "enum" in node else {}
    return node


@pytest.fixture(scope="module")
def document():
    return converted(json.loads(DOCUMENT.read_text()))


def check(document, method, path, status, body):
    response = document["paths"][path][method.lower()]["responses"][str(status)]
    while "$ref" in response:
        target = document
        for key in response["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        response = target
    content = response.get("content", {})
    if "application/json" not in content:
        assert not body
        return
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(body)


@pytest.fixture
async def cloud():
    async with DigitalOceanSandbox(seed=5, speed="stepped") as running:
        running.seed_droplets(3, tags=["t"], monitoring=True)
        running.seed_droplets(1, size="gpu-h100x1-80gb", region="nyc2")
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


ONE = "/v2/droplets/{droplet_id}"


async def test_droplets_are_as_documented(cloud, ask):
    wanted = {**BODY, "ipv6": True, "backups": True}
    id_ = (await ask("POST", "/v2/droplets", 202, json=wanted))["droplet"]["id"]
    await ask("POST", "/v2/droplets", 202, json={**BODY, "names": ["a", "b"]})
    await ask("GET", ONE, droplet_id=id_)
    cloud.advance(60)
    await ask("GET", ONE, droplet_id=id_)
    for query in ("", "?type=gpus", "?per_page=2&page=2", "?tag_name=t"):
        await ask("GET", "/v2/droplets", query=query)
    for below in ("snapshots", "backups", "backups/policy", "kernels", "firewalls", "neighbors"):
        await ask("GET", f"{ONE}/{below}", droplet_id=id_)
    await ask("DELETE", ONE, 204, droplet_id=id_)
    await ask("DELETE", "/v2/droplets", 204, "?tag_name=t")


async def test_actions_and_their_snapshots_are_as_documented(cloud, ask):
    of_one = f"{ONE}/actions"
    id_ = (await ask("GET", "/v2/droplets"))["droplets"][0]["id"]
    await ask("POST", of_one, 201, json={"type": "snapshot", "name": "s"}, droplet_id=id_)
    cloud.advance(60)
    action = (await ask("POST", of_one, 201, json={"type": "power_off"}, droplet_id=id_))["action"]["id"]
    cloud.advance(60)
    await ask("GET", ONE, droplet_id=id_)
    await ask("POST", "/v2/droplets/actions", 201, "?tag_name=t", json={"type": "enable_ipv6"})
    cloud.advance(60)
    await ask("GET", of_one, droplet_id=id_)
    await ask("GET", of_one + "/{action_id}", droplet_id=id_, action_id=action)
    await ask("GET", "/v2/actions")
    await ask("GET", "/v2/actions/{action_id}", action_id=action)
    image = (await ask("GET", "/v2/images", query="?private=true"))["images"][0]["id"]
    await ask("GET", "/v2/images/{image_id}", image_id=image)
    destroy = f"{ONE}/destroy_with_associated_resources"
    await ask("GET", destroy, droplet_id=id_)
    await ask("DELETE", f"{destroy}/selective", 202, json={}, droplet_id=id_)
    await ask("GET", f"{destroy}/status", droplet_id=id_)
    await ask("DELETE", "/v2/images/{image_id}", 204, image_id=image)


async def test_keys_and_tags_are_as_documented(ask):
    key = (await ask("POST", "/v2/account/keys", 201, json={"name": "me", "public_key": KEY}))["ssh_key"]
    one = "/v2/account/keys/{ssh_key_identifier}"
    await ask("GET", "/v2/account/keys")
    await ask("GET", one, ssh_key_identifier=key["id"])
    await ask("DELETE", one, 204, ssh_key_identifier=key["fingerprint"])
    await ask("POST", "/v2/tags", 201, json={"name": "u"})
    await ask("GET", "/v2/tags")
    await ask("GET", "/v2/tags/{tag_id}", tag_id="t")
    await ask("DELETE", "/v2/tags/{tag_id}", 204, tag_id="u")


async def test_catalogues_and_billing_are_as_documented(ask):
    for path in ("/v2/account", "/v2/sizes", "/v2/regions", "/v2/images", "/v2/1-clicks"):
        await ask("GET", path)
    mine = "/v2/customers/my"
    await ask("GET", f"{mine}/balance")
    await ask("GET", f"{mine}/billing_history")
    uuid = (await ask("GET", f"{mine}/invoices"))["invoices"][0]["invoice_uuid"]
    await ask("GET", f"{mine}/invoices/{{invoice_uuid}}", invoice_uuid=uuid)
    await ask("GET", f"{mine}/invoices/{{invoice_uuid}}/summary", invoice_uuid=uuid)


async def test_metrics_are_as_documented(cloud, document):
    id_ = cloud.seed_droplets(1, monitoring=True)[0]
    cloud.advance(3600)
    query = f"host_id={id_}&start=1&end={int(cloud.clock.now)}&interface=public&direction=inbound"
    prefix = "/v2/monitoring/metrics/droplet/"
    paths = [path for path in document["paths"] if path.startswith(prefix)]
    assert len(paths) == 11
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {cloud.token}"}) as session:
        for path in paths:
            async with session.get(f"{cloud.base_url}{path}?{query}") as answer:
                body = await answer.json()
            check(document, "get", path, answer.status, body)
            assert body["data"]["result"]


async def test_errors_are_as_documented(cloud, document):
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{cloud.base_url}/v2/droplets") as answer:
            check(document, "get", "/v2/droplets", 401, await answer.json())
        cloud.fault("rate_limit")
        async with session.get(f"{cloud.base_url}/v2/droplets") as answer:
            check(document, "get", "/v2/droplets", 429, await answer.json())
        cloud.fault("error_before")
        async with session.get(f"{cloud.base_url}/v2/droplets") as answer:
            check(document, "get", "/v2/droplets", 500, await answer.json())
