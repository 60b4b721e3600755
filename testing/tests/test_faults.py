"""Every fault: what the client sees, and whether the effect truly happened."""

import gzip
import json

import aiohttp
import pytest

from purveyor_testing.sandbox import FAULTS, FaultError

MAKE = {"name": "x"}


async def make(http, **more):
    return await http.post("/things", json=MAKE, **more)


async def test_reset_before_leaves_nothing_behind(cloud, http):
    cloud.fault("reset_before", method="POST")
    with pytest.raises(aiohttp.ClientOSError, match="reset"):
        await make(http)
    (entry,) = cloud.log
    assert (entry.status, entry.fault, entry.effects) == (None, "reset_before", ())
    assert cloud.things == []


async def test_reset_after_happens_and_says_nothing(cloud, http):
    cloud.fault("reset_after", method="POST", path="/things")
    with pytest.raises(aiohttp.ClientOSError, match="reset"):
        await make(http)
    (entry,) = cloud.log
    assert (entry.status, entry.fault) == (None, "reset_after")
    assert [(one.kind, one.type, one.id, one.tags) for one in entry.effects] == [
        ("created", "thing", "1", ("a",))
    ]


async def test_a_late_effect_happens_even_if_nobody_asks(cloud, http):
    cloud.fault("late_effect", seconds=90)
    with pytest.raises(aiohttp.ClientOSError):
        await make(http)
    assert cloud.things == []
    cloud.advance(89.9)
    assert len(cloud.log) == 1
    cloud.advance(0.1)
    first, late = cloud.log
    assert (first.effects, late.follows, late.status) == ((), first.seq, None)
    assert late.effects[0].kind == "created"
    assert late.at == "2026-01-01T00:01:30.000000Z"


async def test_late_effects_may_hang_instead(cloud, http):
    cloud.fault("late_effect", seconds=1, hang=True)
    with pytest.raises(TimeoutError):
        await make(http, timeout=aiohttp.ClientTimeout(total=0.05))
    cloud.advance(1)
    assert len(cloud.things) == 1


async def test_hang_never_answers_and_does_nothing(cloud, http):
    cloud.fault("hang")
    with pytest.raises(TimeoutError):
        await make(http, timeout=aiohttp.ClientTimeout(total=0.05))
    assert cloud.things == []
    assert cloud.log[0].fault == "hang"


@pytest.mark.parametrize(("fault", "made"), [("error_before", 0), ("error_after", 1)])
async def test_errors_come_before_or_after_the_effect(cloud, http, fault, made):
    cloud.fault(fault, status=503, message="try later")
    answer = await make(http)
    assert (answer.status, await answer.json()) == (503, {"error": "try later"})
    assert len(cloud.things) == len(cloud.log[0].effects) == made


@pytest.mark.parametrize("value", [1, 61, 3600, -5, "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_rate_limit_says_what_it_is_told(cloud, http, value):
    cloud.fault("rate_limit", retry_after=value)
    answer = await make(http)
    assert (answer.status, answer.headers["Retry-After"]) == (429, str(value))
    assert cloud.things == []


async def test_rate_limit_may_say_nothing_about_when(cloud, http):
    cloud.fault("rate_limit", retry_after=None)
    assert "Retry-After" not in (await make(http)).headers


async def test_truncate_promises_more_than_it_sends(cloud, http):
    cloud.fault("truncate")
    answer = await make(http)
    assert answer.status == 201
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()
    assert len(cloud.things) == 1


async def test_garbage_is_200_and_no_json(cloud, http):
    cloud.fault("garbage", size=64)
    answer = await make(http)
    body = await answer.read()
    assert (answer.status, len(body)) == (200, 64)
    with pytest.raises(UnicodeDecodeError):
        json.loads(body)
    assert len(cloud.things) == 1


async def test_garbage_may_come_from_something_in_between(cloud, http):
    cloud.fault("garbage", effect=False)
    await make(http)
    assert cloud.things == []


async def test_html_is_a_proxys_page(cloud, http):
    cloud.fault("html", status=520)
    answer = await make(http)
    assert (answer.status, answer.content_type) == (520, "text/html")
    assert b"<html>" in await answer.read()
    assert cloud.things == []


async def test_empty_has_the_right_status_and_no_body(cloud, http):
    cloud.fault("empty")
    answer = await make(http)
    assert (answer.status, await answer.read()) == (201, b"")
    assert len(cloud.things) == 1


async def test_wrong_types_in_one_row_only(cloud, http):
    for _ in range(3):
        await make(http)
    cloud.fault("wrong_types", method="GET")
    rows = (await (await http.get("/things")).json())["things"]
    assert [type(row["name"]) for row in rows] == [str, dict, str]
    assert rows[1] == {"id": 2, "name": {"value": "x"}, "made": "1767225600.0 or so", "on": "yes"}


async def test_wrong_types_in_chosen_fields_of_a_single_object(cloud, http):
    cloud.fault("wrong_types", fields=["id"])
    thing = (await (await make(http)).json())["thing"]
    assert (thing["id"], thing["name"]) == ("1 or so", "x")


async def test_list_lag_hides_what_is_new(cloud, http):
    await make(http)
    cloud.fault("list_lag", times=None, seconds=5)
    assert (await (await http.get("/things")).json())["things"] == []
    cloud.advance(5)
    assert len((await (await http.get("/things")).json())["things"]) == 1


async def test_page_shift_waits_for_a_later_page(cloud, http):
    await make(http)
    cloud.fault("page_shift", path="/things")
    assert len((await (await http.get("/things?page=1")).json())["things"]) == 1
    assert (await (await http.get("/things?page=2")).json())["things"] == []
    assert len((await (await http.get("/things?page=2")).json())["things"]) == 1


@pytest.mark.parametrize(("fault", "status"), [("no_capacity", 503), ("quota", 403), ("scope", 403)])
async def test_refusals_in_the_vendors_words(cloud, http, fault, status):
    cloud.fault(fault)
    answer = await make(http)
    assert (answer.status, cloud.things) == (status, [])
    assert "error" in await answer.json()


async def test_redirect_names_another_place(cloud, http):
    cloud.fault("redirect", location="https://elsewhere.example/", status=307)
    answer = await make(http, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (307, "https://elsewhere.example/")
    assert cloud.things == []


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_bomb_is_small_until_it_is_inflated(cloud, http, layers):
    cloud.fault("bomb", size=5_000_001, layers=layers)
    answer = await http.get("/things")
    body = await answer.read()
    assert answer.headers["Content-Encoding"] == ", ".join(["gzip"] * layers)
    assert len(body) < 20_000
    for _ in range(layers):
        body = gzip.decompress(body)
    assert len(body) == 5_000_001
    assert set(json.loads(body)) == {"padding"}


async def test_drip_sends_byte_by_byte(cloud, http):
    cloud.fault("drip", interval=0)
    answer = await http.get("/things")
    chunks = [chunk async for chunk, _ in answer.content.iter_chunks()]
    assert b"".join(chunks) == b'{"things":[]}'


async def test_latency_and_another_fault_apply_together(cloud, http):
    cloud.fault("latency", seconds=0)
    cloud.fault("empty")
    cloud.fault("error_before")
    assert await (await make(http)).read() == b""
    assert cloud.log[0].fault == "latency+empty"
    assert (await make(http)).status == 500


async def test_latency_lets_the_effect_happen_after_the_client_has_gone(cloud, http):
    cloud.fault("latency", seconds=60)
    with pytest.raises(TimeoutError):
        await make(http, timeout=aiohttp.ClientTimeout(total=0.01))
    assert cloud.things == []
    await cloud.stop()
    assert len(cloud.things) == 1


async def test_matches_by_method_path_and_query(cloud, http):
    cloud.fault("error_before", method="get", path="/th*", query={"page": 2}, times=None)
    statuses = [
        (await http.get(path)).status for path in ("/things", "/things?page=2", "/things/?page=2&x=1")
    ]
    assert statuses == [200, 500, 500]
    assert (await http.post("/things?page=2", json=MAKE)).status == 201


async def test_counts_down_and_clears(cloud, http):
    cloud.fault("error_before", times=2)
    assert [(await http.get("/things")).status for _ in range(3)] == [500, 500, 200]
    cloud.fault("error_before", times=None)
    cloud.clear_faults()
    assert (await http.get("/things")).status == 200


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gremlins", {}, "no such fault"),
        ("hang", {"seconds": 1}, "takes no options|does not take seconds"),
        ("latency", {"seconds": "1"}, "latency.seconds cannot be '1'"),
        ("latency", {"seconds": True}, "cannot be True"),
        ("hang", {"times": 0}, "times must be"),
    ],
)
def test_mistakes_in_faults_are_told(cloud, name, options, message):
    with pytest.raises(FaultError, match=message):
        cloud.fault(name, **options)


def test_every_fault_of_the_contract_exists():
    names = (
        "latency hang reset_before reset_after late_effect error_before error_after rate_limit truncate garbage html "
        "empty wrong_types list_lag page_shift no_capacity quota redirect bomb drip scope"
    )
    assert sorted(FAULTS) == sorted(names.split())
