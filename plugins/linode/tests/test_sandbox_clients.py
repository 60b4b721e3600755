"""The vendor's own clients and a widely used one work against the sandbox, and never leave loopback."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from purveyor_linode.sandbox import LinodeSandbox
from purveyor_testing.loopback import only_loopback

PASSWORD = "Qa1!Xk29vTbz4mQw"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example"


@pytest.fixture(autouse=True)
def _loopback():
    with only_loopback() as attempts:
        yield
    assert attempts == []


@pytest.fixture
async def cloud():
    async with LinodeSandbox(seed=2, speed="stepped") as running:
        yield running


def port(cloud):
    return int(cloud.origin.rpartition(":")[2])


# linode_api4.


def api4(cloud, **how):
    client = pytest.importorskip("linode_api4").LinodeClient
    return client(cloud.token, base_url=cloud.base_url, retry=False, **how)


async def test_linode_api4(cloud):
    client = api4(cloud)

    def life():
        assert client.profile().restricted is False
        assert client.account().balance == 0.0
        node = client.linode.instance_create(
            "g6-nanode-1",
            "us-east",
            image="linode/debian12",
            root_pass=PASSWORD,
            label="web-1",
            tags=["blue"],
            private_ip=True,
        )
        assert (node.status, len(node.ipv4)) == ("provisioning", 2)
        assert (len(node.disks), len(node.configs), len(node.ips.ipv4.public)) == (2, 1, 1)
        cloud.advance(60)
        node.invalidate()
        assert node.status == "running"
        assert node.shutdown()
        cloud.advance(60)
        node.invalidate()
        assert node.status == "offline"
        assert node.boot()
        cloud.advance(60)
        assert node.reboot()
        cloud.advance(60)
        node.label, node.tags = "web-2", ["green"]
        node.save()
        assert [one.label for one in client.tags()] == ["green"]
        assert node.resize("g6-standard-1")
        cloud.advance(120)
        node.rebuild("linode/ubuntu24.04", root_pass=PASSWORD)
        cloud.advance(120)
        node.invalidate()
        assert (node.status, node.image.id, node.type.id) == (
            "running",
            "linode/ubuntu24.04",
            "g6-standard-1",
        )
        assert node.stats["data"]["cpu"]
        assert node.transfer.quota == 2000
        assert node.delete()
        cloud.advance(10)
        assert list(client.linode.instances()) == []

    await asyncio.to_thread(life)


async def test_linode_api4_walks_pages_filters_and_reads_catalogues(cloud):
    linode_api4 = pytest.importorskip("linode_api4")
    client, ids = api4(cloud, page_size=25), cloud.seed_linodes(60, tags=["old"])
    blue = cloud.seed_linodes(1, tags=["blue"])

    def walk():
        assert [one.id for one in client.linode.instances()] == ids + blue
        instance = linode_api4.Instance
        assert [one.id for one in client.linode.instances(instance.tags == "blue")] == blue
        wanted = (instance.label == "seeded-00003") | instance.label.contains("0061")
        assert [one.label for one in client.linode.instances(wanted)] == ["seeded-00003", "seeded-00061"]
        ordered = client.linode.instances(linode_api4.objects.filtering.order_by(instance.label, desc=True))
        assert next(iter(ordered)).id == blue[0]
        nanode = client.linode.types(linode_api4.Type.label == "Nanode 1GB")
        assert [one.price.monthly for one in nanode] == [5.0]
        assert "Metadata" in next(one for one in client.regions() if one.id == "us-east").capabilities
        assert any(one.plan == "g7-premium-2" and one.available for one in client.regions.availability())
        assert client.load(linode_api4.Image, "linode/debian12").vendor == "Debian"
        apps = client.linode.stackscripts(linode_api4.StackScript.label.contains("One-Click"))
        assert {one.username for one in apps} == {"linode"}
        assert client.linode.kernels()
        assert client.account.invoices()[0].items[0].unit_price == "0.018"
        assert client.account.payments()
        assert client.account.settings().network_helper
        assert client.account.transfer().quota == 61_000

    await asyncio.to_thread(walk)


async def test_linode_api4_errors(cloud):
    linode_api4 = pytest.importorskip("linode_api4")
    client = api4(cloud)

    def status(call):
        with pytest.raises(linode_api4.ApiError) as caught:
            call()
        return caught.value.status, caught.value.errors

    def create():
        return client.linode.instance_create("g6-nanode-1", "us-east", label="web")

    def fail():
        create()
        assert status(create) == (400, ["Label must be unique among your linodes"])
        node = client.linode.instances()[0]
        assert status(node.reboot) == (400, ["Linode busy."])
        weak = {"image": "linode/debian12", "root_pass": "short"}
        text = status(lambda: client.linode.instance_create("g6-nanode-1", "us-east", **weak))[1]
        assert text[0] == "Length must be 11-128 characters"
        cloud.fault("scope", path="/v4/account")
        assert status(client.account) == (401, ["Your OAuth token is not authorized to use this endpoint."])
        cloud.fault("rate_limit", path="/v4/profile")
        assert status(client.profile) == (429, ["Too many requests"])
        bad = linode_api4.LinodeClient("nonsense", base_url=cloud.base_url, retry=False)
        assert bad.regions()
        assert status(bad.profile) == (401, ["Invalid Token"])

    await asyncio.to_thread(fail)


async def test_linode_api4_polls_events():
    async with LinodeSandbox(seed=2, event_lag=5) as cloud:
        client = api4(cloud)

        def wait():
            poller = client.polling.event_poller_create("linode", "linode_create")
            node = client.linode.instance_create(
                "g6-nanode-1", "us-east", image="linode/debian12", authorized_keys=[KEY]
            )
            poller.set_entity_id(node.id)
            assert poller.wait_for_next_event(interval=0.1).entity.id == node.id
            client.polling.wait_for_entity_free("linode", node.id, interval=0.1)
            node.invalidate()
            assert node.status == "running"

        await asyncio.to_thread(wait)


# linode-cli.


@pytest.fixture
def cli(cloud, tmp_path):
    """Runs the command beside this Python, with an empty home."""
    command = Path(sys.executable).with_name("linode-cli")
    if not command.exists():
        pytest.skip("linode-cli is not installed beside this Python")
    env = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(tmp_path),
        "LINODE_CLI_TOKEN": cloud.token,
        "LINODE_CLI_API_HOST": f"127.0.0.1:{port(cloud)}",
        "LINODE_CLI_API_SCHEME": "http",
        "LINODE_CLI_API_VERSION": "v4",
    }

    async def run(*arguments, fails=False, **changes):
        process = await asyncio.create_subprocess_exec(
            str(command),
            *arguments,
            "--json",
            "--suppress-warnings",
            env={**env, **changes},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode != 0) is fails, err.decode()
        return err.decode() if fails else json.loads(out or b"null")

    return run


async def test_linode_cli(cloud, cli):
    wanted = ["--label", "web-1", "--region", "us-east", "--type", "g6-nanode-1", "--tags", "blue"]
    access = ["--image", "linode/debian12", "--root_pass", PASSWORD, "--authorized_keys", KEY]
    assert (await cli("profile", "view"))[0]["username"] == "sandbox"
    (made,) = await cli("linodes", "create", *wanted, *access)
    id_ = str(made["id"])
    assert made["status"] == "provisioning"
    assert "Label must be unique" in await cli("linodes", "create", *wanted, *access, fails=True)
    cloud.advance(60)
    assert (await cli("linodes", "view", id_))[0]["status"] == "running"
    for verb, status in (("shutdown", "offline"), ("boot", "running"), ("reboot", "running")):
        await cli("linodes", verb, id_)
        cloud.advance(60)
        assert (await cli("linodes", "view", id_))[0]["status"] == status
    await cli("linodes", "update", id_, "--label", "web-2")
    assert [one["label"] for one in await cli("linodes", "list", "--tags", "blue")] == ["web-2"]
    assert (await cli("events", "list", "--action", "linode_reboot"))[0]["status"] == "finished"
    await cli("linodes", "delete", id_)
    cloud.advance(10)
    assert await cli("linodes", "list") == []


async def test_linode_cli_lists(cloud, cli):
    ids = cloud.seed_linodes(520)
    assert [one["id"] for one in await cli("linodes", "list", "--all-rows")] == ids
    assert {"g6-nanode-1", "g1-gpu-rtx6000-1"} <= {one["id"] for one in await cli("linodes", "types")}
    assert "us-east" in {one["id"] for one in await cli("regions", "list")}
    assert "linode/debian12" in {one["id"] for one in await cli("images", "list")}
    assert (await cli("images", "view", "linode/debian12"))[0]["vendor"] == "Debian"
    assert await cli("linodes", "ips-list", str(ids[0]))
    refused = await cli("linodes", "list", fails=True, LINODE_CLI_TOKEN="nonsense")
    assert "Invalid Token" in refused


# libcloud.


def libcloud_driver(cloud):
    types = pytest.importorskip("libcloud.compute.types")
    providers = pytest.importorskip("libcloud.compute.providers")
    driver = providers.get_driver(types.Provider.LINODE)
    return driver(cloud.token, host="127.0.0.1", port=port(cloud), secure=False)


async def test_libcloud(cloud):
    driver = libcloud_driver(cloud)

    def state(node):
        cloud.advance(60)
        return driver.ex_get_node(node.id).state

    def life():
        size = next(one for one in driver.list_sizes() if one.id == "g6-nanode-1")
        image = next(one for one in driver.list_images() if one.id == "linode/debian12")
        location = next(one for one in driver.list_locations() if one.id == "us-east")
        node = driver.create_node(
            location, "web-1", size, image, root_pass=PASSWORD, ex_tags=["blue"], ex_private_ip=True
        )
        assert (node.state, len(node.public_ips), len(node.private_ips)) == ("starting", 1, 1)
        assert state(node) == "running"
        assert driver.stop_node(node)
        assert state(node) == "stopped"
        assert driver.start_node(node)
        assert state(node) == "running"
        assert driver.reboot_node(node)
        assert state(node) == "running"
        assert driver.ex_rename_node(node, "web-2").name == "web-2"
        assert len(driver.ex_list_disks(node)) == 2
        assert len(driver.ex_list_node_addresses(node)) == 2
        driver.create_key_pair("me", KEY)
        assert [one.name for one in driver.list_key_pairs()] == ["me"]
        assert driver.list_volumes() == []
        assert driver.destroy_node(node)
        cloud.advance(10)
        assert driver.list_nodes() == []

    await asyncio.to_thread(life)


async def test_libcloud_walks_pages_and_reads_errors(cloud):
    driver, ids = libcloud_driver(cloud), cloud.seed_linodes(60)
    errors = pytest.importorskip("libcloud.common.types")
    nodes = await asyncio.to_thread(driver.list_nodes)
    assert [int(node.id) for node in nodes] == ids
    assert [entry.query.get("page") for entry in cloud.log] == [None, "2", "3"]
    driver.connection.key = "nonsense"
    with pytest.raises(errors.InvalidCredsError):
        await asyncio.to_thread(driver.list_nodes)
