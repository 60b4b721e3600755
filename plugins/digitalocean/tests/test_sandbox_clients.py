"""The vendor's own client and a widely used one work against the sandbox, and never leave loopback."""

import asyncio

import pytest

from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_testing.loopback import only_loopback

BODY = {"name": "web-1", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "ams3"}


@pytest.fixture(autouse=True)
def _loopback():
    with only_loopback() as attempts:
        yield
    assert attempts == []


@pytest.fixture
async def cloud():
    async with DigitalOceanSandbox(seed=2, speed="stepped") as running:
        yield running


def pydo_client(cloud):
    """As users of pydo must do it over plain HTTP: azure's own policy refuses to send tokens there."""
    pydo = pytest.importorskip("pydo")
    policies = pytest.importorskip("azure.core.pipeline.policies")

    class Plain(policies.SansIOHTTPPolicy):
        def on_request(self, request):
            request.http_request.headers["Authorization"] = f"Bearer {cloud.token}"

    return pydo.Client(
        token=cloud.token, endpoint=cloud.base_url, authentication_policy=Plain(), retry_total=0
    )


async def test_pydo(cloud):
    client = pydo_client(cloud)

    def life():
        assert client.account.get()["account"]["status"] == "active"
        made = client.droplets.create(body={**BODY, "tags": ["t"]})
        id_, action = made["droplet"]["id"], made["links"]["actions"][0]["id"]
        cloud.advance(20)
        assert client.actions.get(action)["action"]["status"] == "in-progress"
        cloud.advance(40)
        assert client.actions.get(action)["action"]["status"] == "completed"
        assert client.droplets.get(id_)["droplet"]["status"] == "active"
        off = client.droplet_actions.post(id_, body={"type": "power_off"})["action"]
        cloud.advance(5)
        assert client.actions.get(off["id"])["action"]["status"] == "completed"
        assert client.droplets.list(tag_name="t")["droplets"][0]["status"] == "off"
        client.droplets.destroy(id_)
        assert client.droplets.get(id_)["id"] == "not_found"  # pydo raises nothing for 404

    await asyncio.to_thread(life)


async def test_pydo_walks_pages_and_reads_catalogues(cloud):
    client, ids = pydo_client(cloud), cloud.seed_droplets(45)

    def walk():
        seen, page = [], 1
        while page:
            body = client.droplets.list(per_page=20, page=page)
            seen += [one["id"] for one in body["droplets"]]
            page = page + 1 if "next" in body["links"].get("pages", {}) else 0
        assert seen == ids
        assert {one["slug"] for one in client.sizes.list(per_page=200)["sizes"]} >= {
            "s-1vcpu-1gb",
            "gpu-h100x1-80gb",
        }
        assert client.images.list(type="distribution", per_page=200)["images"]
        assert client.regions.list()["regions"]
        assert client.one_clicks.list(type="droplet")["1_clicks"]
        assert client.balance.get()["account_balance"] == "0.00"
        assert client.invoices.list()["invoices"]

    await asyncio.to_thread(walk)


async def test_pydo_errors(cloud):
    client = pydo_client(cloud)
    errors = pytest.importorskip("azure.core.exceptions")

    def fail():
        with pytest.raises(errors.HttpResponseError) as caught:
            client.droplets.create(body={**BODY, "size": "nonsense"})
        assert caught.value.status_code == 422
        cloud.fault("rate_limit", retry_after=1)
        with pytest.raises(errors.HttpResponseError) as caught:
            client.droplets.list()
        assert caught.value.status_code == 429

    await asyncio.to_thread(fail)


def libcloud_driver(cloud):
    """libcloud takes neither host nor port; its connection does, before the first call."""
    types = pytest.importorskip("libcloud.compute.types")
    providers = pytest.importorskip("libcloud.compute.providers")
    driver = providers.get_driver(types.Provider.DIGITAL_OCEAN)(cloud.token)
    connection = driver.connection
    connection.host, connection.port, connection.secure = (
        "127.0.0.1",
        int(cloud.base_url.rpartition(":")[2]),
        0,
    )
    connection.connect()
    return driver


async def test_libcloud(cloud):
    driver = libcloud_driver(cloud)

    def life():
        size = next(one for one in driver.list_sizes() if one.name == "s-1vcpu-1gb")
        image = next(one for one in driver.list_images() if one.extra["slug"] == "ubuntu-24-04-x64")
        location = next(one for one in driver.list_locations() if one.id == "ams3")
        node = driver.create_node("web-1", size, image, location)
        assert node.state == "pending"
        cloud.advance(60)
        (node,) = driver.list_nodes()
        assert (node.state, len(node.public_ips), len(node.private_ips)) == ("running", 1, 1)
        assert driver.ex_shutdown_node(node)
        cloud.advance(60)
        assert driver.list_nodes()[0].state == "stopped"
        assert driver.destroy_node(node)
        assert driver.list_nodes() == []

    await asyncio.to_thread(life)


async def test_libcloud_walks_pages(cloud):
    driver, ids = libcloud_driver(cloud), cloud.seed_droplets(450)
    nodes = await asyncio.to_thread(driver.list_nodes)
    assert [int(node.id) for node in nodes] == ids
    assert [entry.query["page"] for entry in cloud.log if "page" in entry.query][-2:] == ["2", "3"]
