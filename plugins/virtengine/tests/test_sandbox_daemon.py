"""A provider's daemon as an outsider sees it: its router, limits, facts, metrics, actions, money and errors."""

import asyncio

import aiohttp
import pytest
from yarl import URL

PAST = "start=2025-12-31T23:00:00Z&end=2026-01-01T00:00:00Z"


@pytest.fixture
def web(cloud, api):
    """The deployment that is at one provider alone."""
    return f"{api}/deployments/{cloud.chain.leases[0].dseq}"


# The router.


async def test_a_path_that_nobody_knows_is_plain_text(me, api, daemon):
    for path in ("/api/v1/nothing", "/nothing", "/api/v1/health/", "/api/v1"):
        assert await me.text(daemon.origin + path, status=404, sign=False) == "404 page not found\n"
    # The Go server has none of these, whatever its description says.
    for path in ("/deployments", "/deployments/1", "/deployments/1/status", "/deployments/1/metrics/stream"):
        async with me.asked("GET", api + path) as answer:
            assert (answer.status, await answer.text()) == (404, "404 page not found\n")
            assert answer.content_type == "text/plain"
            assert "X-RateLimit-Limit" not in answer.headers  # routes are limited, not paths


async def test_a_wrong_method_has_no_words_at_all(me, api):
    async with me.asked("POST", f"{api}/health", sign=False) as answer:
        assert (answer.status, await answer.read()) == (405, b"")


async def test_ids_with_slashes_cannot_be_reached(cloud, me, daemon):
    lease = cloud.chain.leases[0]
    daemon.deployment_format = "{owner}/{dseq}/{gseq}/{oseq}/{provider}"
    plain = daemon.id_of(lease)
    for id_ in (plain, plain.replace("/", "%2F")):
        async with me.session.get(f"{daemon.origin}/api/v1/deployments/{id_}/metrics") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("path", ["/api/v1//deployments/1/logs", "/api/v1/deployments/../health"])
async def test_the_router_cleans_paths_by_a_redirect(daemon, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 301")
    writer.close()


async def test_the_older_paths_are_there_and_not_limited(me, daemon, cloud):
    daemon.rate_limit = 1
    id_ = cloud.chain.leases[0].dseq
    for _ in range(3):
        assert await me.text(f"{daemon.origin}/health", sign=False) == "ok"
        assert "ready" in await me.text(f"{daemon.origin}/deployments/{id_}/logs")
    await me.text(f"{daemon.origin}/deployments/{id_}/metrics", status=404)


# The limit.


async def test_a_hundred_and_twenty_requests_a_minute_and_no_retry_after(cloud, me, api):
    for count in range(120):
        async with me.asked("GET", f"{api}/health", sign=False) as answer:
            assert answer.headers["X-RateLimit-Remaining"] == str(119 - count)
    async with me.asked("GET", f"{api}/health", sign=False) as answer:
        assert (answer.status, await answer.json()) == (429, {"error": "rate limit exceeded"})
        assert answer.headers["X-RateLimit-Limit"] == "120"
        assert int(answer.headers["X-RateLimit-Reset"]) == cloud.clock.now + 60
        assert "Retry-After" not in answer.headers
    cloud.advance(59)
    await me.text(f"{api}/health", status=429, sign=False)
    cloud.advance(1)
    await me.text(f"{api}/health", sign=False)


# Facts.


async def test_health_is_text_or_json(me, api, daemon):
    assert await me.text(f"{api}/health", sign=False) == "ok"
    daemon.dialect = "openapi"
    told = await me.json(f"{api}/health", sign=False)
    assert told == {
        "status": "ok",
        "version": "0.9.1",
        "uptime_seconds": 0,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    daemon.health = "down"
    assert (await me.json(f"{api}/health", status=503, sign=False))["status"] == "down"


async def test_a_provider_says_what_it_is(me, api, daemon):
    info = await me.json(f"{api}/provider/info", sign=False)
    assert (info["address"], info["chain_id"], info["region"]) == (daemon.address, "virtengine-1", "eu-north")
    assert info["endpoints"] == {"rest": daemon.origin, "websocket": daemon.origin.replace("http", "ws")}
    pricing = await me.json(f"{api}/provider/pricing", sign=False)
    assert pricing["cpu"] == {"unit": "core", "price": "120", "interval": "hourly"}
    capacity = await me.json(f"{api}/provider/capacity", sign=False)
    assert capacity == {"cpu_cores": 64, "memory_gb": 256, "storage_gb": 4096, "gpu_units": 8}
    attributes = await me.json(f"{api}/provider/attributes", sign=False)
    assert attributes["attributes"]["region"] == "eu-north"  # a map here, a list on the chain


async def test_the_daemon_that_ships_says_nothing_of_itself(me, api, daemon):
    daemon.described = False
    info = await me.json(f"{api}/provider/info", sign=False)
    assert (info["address"], info["endpoints"]["rest"], "capabilities" in info) == ("", "", False)
    assert (await me.json(f"{api}/provider/pricing", sign=False))["currency"] == ""


async def test_a_daemon_may_claim_to_be_somebody_else(cloud, me, api, daemon):
    daemon.claims["address"] = cloud.daemons[1].address
    info = await me.json(f"{api}/provider/info", sign=False)
    assert (info["address"], info["region"]) == (cloud.daemons[1].address, "eu-north")


async def test_facts_are_public_but_a_bad_signature_is_still_bad(me, api):
    headers = {**me.wallet_headers("GET", f"{api}/provider/info"), "X-VE-Signature": "AAAA"}
    refused = await me.refused(f"{api}/provider/info", 401, sign=False, headers=headers)
    assert refused == "signature verification failed"


# Metrics and events.


async def test_metrics_have_units_and_stay_below_their_limits(cloud, me, web):
    metrics = await me.json(f"{web}/metrics")
    assert set(metrics) == {"cpu", "memory", "storage", "network", "timestamp"}
    for name, unit, limit in (
        ("cpu", "cores", 3.0),
        ("memory", "GB", 4.294967),
        ("storage", "GB", 21.474836),
    ):
        assert metrics[name]["unit"] == unit
        assert metrics[name]["limit"] == limit
        assert 0 < metrics[name]["usage"] < limit
    cloud.advance(60)
    later = await me.json(f"{web}/metrics")
    assert later["network"]["rx_bytes"] - metrics["network"]["rx_bytes"] == 60 * 1200
    assert later["timestamp"] == "2026-01-01T00:01:00Z"


async def test_metrics_may_be_whatever_a_test_wants(cloud, me, daemon, web):
    daemon.deployment(cloud.chain.leases[0].dseq).override = {"cpu": {"usage": 1, "limit": 2}}
    assert await me.json(f"{web}/metrics") == {"cpu": {"usage": 1, "limit": 2}}


async def test_a_history_is_a_point_each_interval(me, web):
    points = (await me.json(f"{web}/metrics/history?{PAST}&interval=30m"))["series"]
    assert [one["timestamp"] for one in points] == [
        "2025-12-31T23:00:00Z",
        "2025-12-31T23:30:00Z",
        "2026-01-01T00:00:00Z",
    ]
    assert points[0]["metrics"]["cpu"]["unit"] == "cores"
    assert len((await me.json(f"{web}/metrics/history?{PAST}"))["series"]) == 13
    assert len((await me.json(f"{web}/metrics/history?{PAST}&interval=1h30m0.5s"))["series"]) == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "start and end are required"),
        ("start=yesterday&end=2026-01-01T00:00:00Z", "invalid start time"),
        ("start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00+00:00", "invalid end time"),  # a space by then
        ("start=2026-01-01T00:00:00Z&end=2025-01-01T00:00:00Z", "end must be after start"),
        (f"{PAST}&interval=1d", "invalid interval"),
        (f"{PAST}&interval=5", "invalid interval"),
        (f"{PAST}&interval=-5m", "interval must be positive"),
    ],
)
async def test_what_a_history_cannot_be_asked(me, web, query, words):
    url = f"{web}/metrics/history"
    headers = me.wallet_headers("GET", url)
    async with me.session.get(URL(f"{url}?{query}", encoded=True), headers=headers) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": words})


async def test_the_shipped_daemon_has_no_metrics(me, daemon, web, api):
    daemon.metrics = False
    assert await me.refused(f"{web}/metrics", 404) == "deployment not found"
    assert await me.json(f"{web}/metrics/history?{PAST}") == {"series": []}
    assert await me.json(f"{api}/metrics/aggregate?{PAST}") == {"series": []}


async def test_the_aggregate_is_of_everybody(cloud, me, daemon, api, web):
    cloud.rent(daemon, owner="ve1zygzcfytjp7tcrxwm8dvsqjgj3z2c0xudu4v07", cpu=64_000)
    point = (await me.json(f"{api}/metrics/aggregate?{PAST}"))["series"][-1]["metrics"]
    assert point["cpu"]["limit"] == 3.0 + 1.5 + 64
    assert point["cpu"]["unit"] == "cores"


async def test_events_come_newest_first_by_pages(me, cloud, daemon, web):
    runtime = daemon.deployment(cloud.chain.leases[0].dseq)
    for number in range(4):
        runtime.happened("note", f"{number}")
    first = await me.json(f"{web}/events?limit=3")
    assert [one["message"] for one in first["events"]] == ["3", "2", "1"]
    assert set(first["events"][0]) == {"id", "type", "message", "created_at"}
    rest = await me.json(f"{web}/events?limit=3&cursor={first['next_cursor']}")
    assert [one["message"] for one in rest["events"]] == ["0", "deployment started"]
    assert "next_cursor" not in rest


# Actions.


async def test_an_action_is_accepted_first_and_done_later(cloud, me, web, daemon):
    runtime = daemon.deployment(cloud.chain.leases[0].dseq)
    accepted = await me.post(f"{web}/actions", {"action": " Stop "})
    assert accepted == {
        "success": True,
        "message": "accepted",
        "operation_id": "op-1",
        "state": "executing",
    }
    assert cloud.log[-1].effects[-1].tags == ("stop", "op-1")
    assert await me.refused_post(f"{web}/actions", {"action": "start"}, 409) == "resource is busy"
    assert runtime.running
    cloud.advance(20)
    event = (await me.json(f"{web}/events"))["events"][0]
    assert (event["type"], event["message"]) == ("lifecycle.completed", "stop completed (operation op-1)")
    assert not runtime.running
    assert (await me.json(f"{web}/metrics"))["cpu"]["usage"] == 0
    words = "invalid resource state for operation"
    assert await me.refused_post(f"{web}/actions", {"action": "restart"}, 400) == words
    await me.post(f"{web}/actions", {"action": "start"})


async def test_an_action_may_fail_later(cloud, me, web, daemon):
    daemon.doomed.append("restart")
    await me.post(f"{web}/actions", {"action": "restart"})
    cloud.advance(20)
    assert (await me.json(f"{web}/events"))["events"][0]["type"] == "lifecycle.failed"
    await me.post(f"{web}/actions", {"action": "restart"})
    cloud.advance(20)
    assert (await me.json(f"{web}/events"))["events"][0]["type"] == "lifecycle.completed"


async def test_a_resize_changes_the_limits(cloud, me, web):
    await me.post(f"{web}/actions", {"action": "resize", "parameters": {"cpu_cores": 4, "memory_mb": "8192"}})
    cloud.advance(20)
    metrics = await me.json(f"{web}/metrics")
    assert (metrics["cpu"]["limit"], metrics["memory"]["limit"]) == (4, 8.192)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "action required"),
        ({"action": "terminate"}, "unsupported action"),
        ({"action": 1}, "invalid request body"),
        ([], "invalid request body"),
        ({"action": "resize"}, "resize parameters required"),
        ({"action": "resize", "parameters": {"x": 1}}, "resize parameters missing"),
        ({"action": "resize", "parameters": {"cpu_cores": -1}}, "cpu_cores out of range"),
        ({"action": "resize", "parameters": {"custom_limits": 1}}, "invalid custom_limits value"),
    ],
)
async def test_what_is_no_action(me, web, body, words):
    assert await me.refused_post(f"{web}/actions", body, 400) == words


async def test_the_ways_in_which_a_daemon_does_not_act(me, web, daemon):
    daemon.lifecycle = "declined"
    declined = await me.post(f"{web}/actions", {"action": "restart"})  # 200
    assert (declined["success"], declined["state"]) == (False, "failed")
    daemon.lifecycle = "unavailable"
    refused = await me.refused_post(f"{web}/actions", {"action": "restart"}, 503)
    assert refused == "lifecycle service unavailable"
    daemon.lifecycle = "no_consent"
    refused = await me.refused_post(f"{web}/actions", {"action": "restart"}, 403)
    assert refused == "consent not granted for lifecycle action restart"
    daemon.lifecycle = "panic"
    with pytest.raises(aiohttp.ClientError):
        await me.post(f"{web}/actions", {"action": "restart"})


# Money.


async def test_usage_is_of_whoever_asks(cloud, me, api):
    cloud.advance(3600)
    usage = await me.json(f"{api}/usage")
    assert usage["period"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
    assert (usage["currency"], usage["resources"]["cpu"]["unit"]) == ("uvirt", "cores")
    assert int(usage["total_cost"]) == int(720 * 9.75 + 720 * 4.5)  # 720 blocks of 5 seconds
    series = (await me.json(f"{api}/usage/history?{PAST}"))["series"]
    assert [one["period"]["start"] for one in series] == ["2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z"]


async def test_who_has_no_lease_has_used_nothing(cloud, me):
    api = f"{cloud.daemons[2].origin}/api/v1"
    usage = await me.json(f"{api}/usage")
    never = "0001-01-01T00:00:00Z"
    assert usage == {"period": {"start": never, "end": never}, "total_cost": "", "currency": ""}
    assert await me.json(f"{api}/invoices") == {"invoices": []}


async def test_invoices_by_status_by_pages_and_one_by_one(me, api):
    first = await me.json(f"{api}/invoices?limit=2")
    rest = await me.json(f"{api}/invoices?limit=2&cursor={first['next_cursor']}")
    rows = first["invoices"] + rest["invoices"]
    assert [one["status"] for one in rows] == ["pending", "paid", "paid"]
    assert len({one["id"] for one in rows}) == 3
    assert len((await me.json(f"{api}/invoices?status=paid"))["invoices"]) == 2
    assert await me.json(f"{api}/invoices/{rows[1]['id']}") == rows[1]
    assert {"description", "quantity", "unit_price", "total"} == set(rows[0]["line_items"][0])
    assert await me.refused(f"{api}/invoices/none", 404) == "invoice not found"


# The dialect of the description.


async def test_the_other_dialect_has_the_list_the_detail_and_the_status(cloud, me, daemon, api, web):
    daemon.dialect = "openapi"
    listed = (await me.json(f"{api}/deployments?limit=2"))["deployments"]
    assert set(listed[0]) == {"id", "owner", "provider", "state", "created_at", "updated_at"}
    assert len(listed) == 2
    closed = (await me.json(f"{api}/deployments?status=closed"))["deployments"]
    assert [one["id"] for one in closed] == [str(cloud.chain.leases[3].dseq)]
    detail = await me.json(web)
    assert {"resources", "services", "metadata"} < set(detail)
    status = await me.json(f"{web}/status")
    assert status["replicas"] == {"ready": 2, "total": 2}
    assert status["services"] == [
        {"name": "web", "state": "running", "replicas": 2, "ports": [{"port": 80, "protocol": "tcp"}]}
    ]


async def test_the_other_dialect_has_other_errors(me, daemon, api, web):
    daemon.dialect = "openapi"
    missing = await me.json(f"{api}/nothing", status=404, sign=False)
    assert missing == {
        "error": "not_found",
        "message": "404 page not found",
        "code": "NOT_FOUND",
        "details": {},
    }
    told = await me.json(f"{web}/logs", status=401, sign=False)
    assert told["message"] == "missing signed request headers"


# Faults of the kit work here as anywhere.


async def test_a_fault_hits_one_daemon_and_not_the_others(cloud, me):
    first, second = cloud.daemons[:2]
    first.fault("error_before", path="/api/v1/health", status=500)
    assert (
        await me.refused(f"{first.origin}/api/v1/health", 500, sign=False) == first.refusal("broken").message
    )
    await me.text(f"{second.origin}/api/v1/health", sign=False)
    assert [one.fault for one in cloud.log] == ["error_before", None]


async def test_wrong_types_spoil_json_and_leave_text_alone(me, api, daemon):
    daemon.fault("wrong_types", times=None)
    assert await me.text(f"{api}/health", sign=False) == "ok"
    capacity = await me.json(f"{api}/provider/capacity", sign=False)
    assert capacity["cpu_cores"] == "64 or so"
