"""Providers that come, go, move and turn hostile, by Python and by control requests."""

import asyncio
import json

import aiohttp
import pytest

from purveyor_testing.sandbox import write_ready_file
from purveyor_virtengine.sandbox import WAYS

from ._sandbox_client import world

PROVIDERS = "/virtengine/provider/v1beta4/providers"


@pytest.fixture
async def pair():
    async with world(behaviour={"rate_limit": 0}) as both:
        yield both


@pytest.fixture
def logs(cloud, api):
    return f"{api}/deployments/{cloud.chain.leases[0].dseq}/logs"


@pytest.fixture
def on_chain(cloud, me):
    async def told():
        rows = (await me.json(cloud.base_url + PROVIDERS, sign=False))["providers"]
        return {one["owner"]: one["host_uri"] for one in rows}

    return told


# Coming, going and moving.


async def test_providers_come_and_go(cloud, me, on_chain):
    new = await cloud.add_provider()
    assert (await on_chain())[new.address] == new.origin
    cloud.withdraw(new)
    assert new.address not in await on_chain()
    assert await me.text(f"{new.origin}/health", sign=False) == "ok"  # it still serves


async def test_a_provider_may_be_known_before_it_comes(cloud, on_chain):
    new = cloud.new_provider()
    assert new.address not in await on_chain()
    await new.start()
    cloud.announce(new, "https://one.example.net:8443", attributes=[("region", "moon")])
    assert (await on_chain())[new.address] == "https://one.example.net:8443"


async def test_a_provider_that_moves_is_at_one_place_only(cloud, me, daemon, on_chain):
    old = daemon.origin
    await cloud.move(daemon)
    assert daemon.origin != old
    assert (await on_chain())[daemon.address] == daemon.origin
    await me.text(f"{daemon.origin}/health", sign=False)
    with pytest.raises(aiohttp.ClientConnectorError):
        await me.text(f"{old}/health", sign=False)


async def test_fifty_providers_serve_at_once():
    async with world(providers=50) as (cloud, me):
        for daemon in cloud.daemons:
            assert await me.text(f"{daemon.origin}/health", sign=False) == "ok"
        assert len({one.port for one in cloud.daemons}) == 50


async def test_the_log_is_one_and_says_who_was_asked(cloud, me):
    for daemon in (cloud.daemons[1], cloud.daemons[0]):
        await me.text(f"{daemon.origin}/health", sign=False)
    await me.json(cloud.base_url + PROVIDERS, sign=False)
    assert [(one.seq, one.server) for one in cloud.log] == [
        (1, "provider-2"),
        (2, "provider-1"),
        (3, "chain"),
    ]


# Turning hostile.


async def test_an_unknown_way_to_be_hostile_is_named(daemon):
    with pytest.raises(ValueError, match="no such way: 'rude'; there are redirect, giant_body"):
        daemon.turn_hostile("rude")
    with pytest.raises(ValueError, match="drip does not take depth; it takes interval, size"):
        daemon.turn_hostile("drip", depth=1)


async def test_a_redirect_leads_wherever_it_is_told(me, daemon, api):
    daemon.turn_hostile("redirect", location="http://127.0.0.1:9/x", status=302)
    async with me.asked("POST", f"{api}/health", sign=False, body=b"{}") as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:9/x")
    daemon.behave()
    await me.text(f"{api}/health", sign=False)


async def test_only_the_named_paths_are_hostile(me, daemon, api):
    daemon.turn_hostile("redirect", path="*/usage")
    await me.text(f"{api}/health", sign=False)
    async with me.asked("GET", f"{api}/usage") as answer:
        assert answer.status == 307


@pytest.mark.parametrize("promised", [True, False])
async def test_a_body_may_be_as_large_as_it_likes(me, daemon, api, promised):
    size = 3_000_000
    daemon.turn_hostile("giant_body", size=size, promised=promised)
    async with me.asked("GET", f"{api}/health", sign=False) as answer:
        assert answer.headers.get("Content-Length") == (str(size) if promised else None)
        assert len(await answer.read()) == size


async def test_a_client_may_leave_in_the_middle_of_a_gigabyte(me, daemon, api):
    daemon.turn_hostile("giant_body")
    async with me.asked("GET", f"{api}/health", sign=False) as answer:
        assert len(await answer.content.read(1000)) > 0
    daemon.behave()
    await me.text(f"{api}/health", sign=False)


async def test_headers_nesting_and_drops(me, daemon, api):
    daemon.turn_hostile("giant_header", size=100_000)
    with pytest.raises(aiohttp.ClientResponseError):
        await me.text(f"{api}/health", sign=False)
    daemon.turn_hostile("deep_json", depth=10)
    assert await me.text(f"{api}/health", sign=False) == "[" * 10 + "]" * 10
    daemon.turn_hostile("drip", interval=0.001, size=5)
    assert await me.text(f"{api}/health", sign=False) == "     "


async def test_a_frame_may_be_as_large_as_it_likes(me, daemon, logs, api):
    daemon.turn_hostile("giant_frame", size=1_000_000)
    async with me.socket(logs) as socket:
        assert len(await socket.receive_str(timeout=5)) == 1_000_000
    await me.text(f"{api}/health", sign=False)  # plain requests are served


async def test_frames_may_be_as_many_as_they_like(me, daemon, logs):
    daemon.turn_hostile("frame_flood", frames=20_500)
    async with me.socket(logs) as socket:
        for _ in range(20_500):
            assert await socket.receive_str(timeout=5) == "x"


async def test_a_message_that_never_ends(me, daemon, logs):
    daemon.turn_hostile("endless_fragments", frames=3000)
    async with me.socket(logs) as socket:
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.1)


@pytest.mark.parametrize(
    ("way", "options"), [("bad_frame", {}), ("bad_text", {}), ("drip_frame", {"interval": 0})]
)
async def test_frames_that_no_server_should_send(me, daemon, logs, way, options):
    daemon.turn_hostile(way, **options)
    async with me.socket(logs) as socket:
        got = await socket.receive(timeout=5)
    expected = {"bad_frame": 1002, "bad_text": 1007, "drip_frame": None}[way]
    assert getattr(got.data, "code", None) == expected


async def test_a_stream_may_be_silent(me, daemon, logs):
    daemon.turn_hostile("silence")
    async with me.socket(logs) as socket:
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.05)


async def test_a_world_stops_at_once_whatever_hangs():
    async with world() as (cloud, me):
        logs = f"{cloud.daemons[0].origin}/api/v1/deployments/{cloud.chain.leases[0].dseq}/logs"
        socket = await me.socket(logs)
        cloud.daemons[1].turn_hostile("giant_body")
        answer = await me.session.get(f"{cloud.daemons[1].origin}/health")
        async with asyncio.timeout(5):
            await cloud.stop()
        answer.close()
        await socket.close()


# By control requests.


async def test_the_world_is_told(cloud, me):
    told = await me.control("GET", "/world", status=200)
    assert (told["chain_id"], told["address"]) == ("virtengine-1", cloud.wallet.address)
    assert [one["name"] for one in told["providers"]] == ["provider-1", "provider-2", "provider-3"]
    assert [one["host_uri"] for one in told["providers"]] == [one.origin for one in cloud.daemons]
    assert len(told["leases"]) == 4


async def test_providers_are_ruled_by_name(cloud, me, daemon, on_chain):
    one = "/providers/provider-1"
    await me.control("POST", f"{one}/offline")
    with pytest.raises(aiohttp.ClientConnectorError):
        await me.text(f"{daemon.origin}/health", sign=False)
    await me.control("POST", f"{one}/online")
    await me.text(f"{daemon.origin}/health", sign=False)
    before = daemon.origin
    await me.control("POST", f"{one}/move")
    assert (await on_chain())[daemon.address] == daemon.origin != before
    await me.control("POST", f"{one}/withdraw")
    assert daemon.address not in await on_chain()
    await me.control("POST", f"{one}/announce", {"host_uri": "https://a.example.net", "attributes": []})
    assert (await on_chain())[daemon.address] == "https://a.example.net"
    await me.control("POST", "/providers/nobody/offline", status=404)


async def test_behaviour_is_changed_and_checked(cloud, me, daemon):
    await me.control("PATCH", "/providers/provider-1", {"dialect": "openapi", "health": "degraded"})
    assert (await me.json(f"{daemon.origin}/health", sign=False))["status"] == "degraded"
    answer = await me.control("PATCH", "/providers/provider-1", {"mood": "bad"}, status=400)
    assert answer["error"].startswith("unknown: mood; there are action_seconds, allow_insecure")
    await me.control("POST", "/providers/provider-1/hostile", {"way": "redirect", "status": 308})
    async with me.asked("GET", f"{daemon.origin}/health", sign=False) as answer:
        assert answer.status == 308
    await me.control("POST", "/providers/provider-1/hostile", {"way": None})
    await me.json(f"{daemon.origin}/health", sign=False)
    await me.control("POST", "/providers/provider-1/hostile", {"way": "rude"}, status=400)


async def test_providers_and_leases_are_added(cloud, me, on_chain):
    made = await me.control("POST", "/providers", {"dialect": "openapi"}, status=201)
    new = cloud.daemon(made["address"])
    assert (made["name"], (await on_chain())[new.address]) == ("provider-4", new.origin)
    terms = {"provider": "provider-4", "name": "job", "count": 3, "price": "1", "denom": "mve"}
    lease = await me.control("POST", "/leases", terms, status=201)
    await me.control("POST", "/providers/provider-4/say", {"deployment": lease["dseq"], "message": "hello"})
    log = f"{new.origin}/api/v1/deployments/{lease['dseq']}/logs"
    assert (await me.text(log)).endswith("info hello\n")
    await me.control("POST", f"/leases/{lease['dseq']}/close")
    assert cloud.chain.leases[-1].state == "closed"


async def test_nodes_are_bent_and_checked(cloud, me):
    await me.control("PATCH", "/nodes/0", {"lie": "endless"})
    assert (await me.json(cloud.base_url + PROVIDERS, sign=False))["pagination"]["next_key"]
    fork = {cloud.daemons[0].address: "https://evil.example.net"}
    await me.control("PATCH", "/nodes/0", {"lie": None, "fork": fork})
    rows = (await me.json(cloud.base_url + PROVIDERS, sign=False))["providers"]
    assert "https://evil.example.net" in {one["host_uri"] for one in rows}
    await me.control("PATCH", "/nodes/7", {"rest": False}, status=404)
    await me.control("PATCH", "/nodes/0", {"mood": 1}, status=400)


async def test_the_ready_file_has_what_a_configuration_needs(cloud, tmp_path):
    write_ready_file(tmp_path / "ready.json", [cloud])
    ready = json.loads((tmp_path / "ready.json").read_text())["virtengine"]
    assert ready["control_url"] == cloud.control_url
    assert ready["address"] == cloud.wallet.address
    assert {key: ready[key] for key in cloud.settings()} == cloud.settings()


def test_every_way_is_told_of():
    """The ways that are tried above are all there are."""
    assert set(WAYS) == {
        *("redirect", "giant_body", "giant_header", "deep_json", "drip"),
        *(
            "giant_frame",
            "frame_flood",
            "endless_fragments",
            "drip_frame",
            "bad_frame",
            "bad_text",
            "silence",
        ),
    }
