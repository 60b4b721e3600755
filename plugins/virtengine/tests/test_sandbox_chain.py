"""The chain's REST as an outsider sees it: pages, states, blocks, and nodes that cannot or will not tell the truth."""

from datetime import datetime
from urllib.parse import quote

import pytest

from purveyor_virtengine.sandbox import Wallet

from ._sandbox_client import world

PROVIDERS = "/virtengine/provider/v1beta4/providers"
LEASES = "/virtengine/market/v1beta5/leases"
DEPLOYMENTS = "/virtengine/deployment/v1beta4/deployments"
BLOCKS = "/cosmos/base/tendermint/v1beta1/blocks"


@pytest.fixture
async def pair():
    async with world(further_nodes=1) as both:
        yield both


@pytest.fixture
def ask(cloud, me):
    async def asked(path, *, node=0, status=200, **options):
        return await me.json(cloud.nodes[node].base_url + path, status=status, sign=False, **options)

    return asked


@pytest.fixture
def walk(ask):
    async def walked(path, rows, *, limit, most=50, **options):
        """Every page until the node says that there is no more."""
        pages, key = [], None
        while len(pages) < most:
            joiner = "&" if "?" in path else "?"
            more = f"&pagination.key={quote(key, safe='')}" if key else ""
            answer = await ask(f"{path}{joiner}pagination.limit={limit}{more}", **options)
            pages.append(answer[rows])
            key = answer["pagination"]["next_key"]
            if not key:
                break
        return pages

    return walked


# Providers.


async def test_a_provider_looks_as_the_gateway_writes_it(cloud, ask):
    daemon = cloud.daemons[0]
    row = (await ask(f"{PROVIDERS}/{daemon.address}"))["provider"]
    assert set(row) == {"owner", "host_uri", "attributes", "info"}
    assert (row["owner"], row["host_uri"]) == (daemon.address, daemon.origin)
    assert set(row["info"]) == {"email", "website"}
    keys = [one["key"] for one in row["attributes"]]
    assert {frozenset(one) for one in row["attributes"]} == {frozenset({"key", "value"})}
    assert len(keys) > len(set(keys))  # keys may repeat


async def test_pages_hold_each_provider_once(cloud, walk):
    for _ in range(7):
        cloud.announce(cloud.new_provider(), "https://one.example.net:8443")
    pages = await walk(PROVIDERS, "providers", limit=3)
    assert [len(one) for one in pages] == [3, 3, 3, 1]
    owners = [one["owner"] for page in pages for one in page]
    assert sorted(owners) == sorted(one.address for one in cloud.daemons)


async def test_a_page_has_a_hundred_rows_unless_told_otherwise(cloud, ask):
    for _ in range(110):
        cloud.announce(cloud.new_provider(), "https://one.example.net:8443")
    answer = await ask(PROVIDERS)
    assert (len(answer["providers"]), answer["pagination"]["total"]) == (100, "0")
    answer = await ask(f"{PROVIDERS}?pagination.limit=1&pagination.count_total=true")
    assert answer["pagination"]["total"] == "113"


async def test_offset_and_reverse(ask):
    all_ = (await ask(PROVIDERS))["providers"]
    assert (await ask(f"{PROVIDERS}?pagination.offset=1"))["providers"] == all_[1:]
    assert (await ask(f"{PROVIDERS}?pagination.reverse=true"))["providers"] == all_[::-1]
    first = await ask(f"{PROVIDERS}?pagination.reverse=true&pagination.limit=2")
    key = quote(first["pagination"]["next_key"], safe="")
    rest = await ask(f"{PROVIDERS}?pagination.reverse=true&pagination.key={key}")
    assert first["providers"] + rest["providers"] == all_[::-1]
    answer = await ask(f"{PROVIDERS}?pagination.key={key}&pagination.offset=1", status=400)
    assert (answer["code"], answer["details"]) == (3, [])


async def test_providers_that_come_between_two_pages_move_nothing(cloud, ask, walk):
    first = await ask(f"{PROVIDERS}?pagination.limit=1")
    cloud.withdraw(cloud.daemon(first["providers"][0]["owner"]))
    rest = await ask(f"{PROVIDERS}?pagination.key={quote(first['pagination']['next_key'], safe='')}")
    assert len(rest["providers"]) == 2


async def test_who_is_not_there_and_who_cannot_be(ask):
    nobody = Wallet("11" * 32).address
    answer = await ask(f"{PROVIDERS}/{nobody}", status=404)
    assert answer == {"code": 5, "message": "invalid provider: address not found", "details": []}
    assert (await ask(f"{PROVIDERS}/ve1nobody", status=400))["message"] == "invalid address"


# Leases and deployments.


async def test_a_lease_looks_as_the_gateway_writes_it(cloud, ask):
    answer = await ask(f"{LEASES}/list?filters.state=active&pagination.limit=1")
    row = answer["leases"][0]
    assert set(row) == {"lease", "escrow_payment"}
    lease = row["lease"]
    assert set(lease) == {"id", "state", "price", "created_at", "closed_on", "reason"}
    assert set(lease["id"]) == {"owner", "dseq", "gseq", "oseq", "provider", "bseq"}
    assert (type(lease["id"]["dseq"]), type(lease["id"]["gseq"]), lease["closed_on"]) == (str, int, "0")
    assert lease["price"] == {"denom": "uve", "amount": "9.750000000000000000"}
    payment = row["escrow_payment"]
    assert payment["id"]["xid"] == f"1/1/{cloud.daemons[0].address}"
    assert payment["id"]["aid"]["xid"] == f"{cloud.wallet.address}/{lease['id']['dseq']}"
    assert set(payment["state"]) == {"owner", "state", "rate", "balance", "unsettled", "withdrawn"}
    assert payment["state"]["withdrawn"]["amount"].isdecimal()


async def test_leases_are_found_by_every_filter(cloud, ask):
    first = cloud.chain.leases[0]
    for name in ("owner", "dseq", "gseq", "oseq", "provider", "state"):
        rows = (await ask(f"{LEASES}/list?filters.{name}={getattr(first, name)}"))["leases"]
        expected = [one for one in cloud.chain.leases if getattr(one, name) == getattr(first, name)]
        assert len(rows) == len(expected), name
    answer = await ask(f"{LEASES}/list?filters.state=reclaiming", status=400)
    assert answer["message"] == "invalid state value"
    answer = await ask(f"{LEASES}/list?pagination.offset=1", status=400)
    assert "filter.state must be provided" in answer["message"]
    id_ = f"id.owner={first.owner}&id.dseq={first.dseq}&id.gseq=1&id.oseq=1&id.provider={first.provider}"
    assert (await ask(f"{LEASES}/info?{id_}&id.bseq=0"))["lease"]["id"]["dseq"] == str(first.dseq)


async def test_a_page_full_at_the_end_of_a_state_hides_the_other_states(cloud, ask, walk):
    """The real server's flaw: three active leases and one that is closed."""
    pages = await walk(f"{LEASES}/list", "leases", limit=2)
    assert [len(one) for one in pages] == [2, 2]
    answer = await ask(f"{LEASES}/list?pagination.limit=3")
    assert (len(answer["leases"]), answer["pagination"]) == (3, {"next_key": None, "total": "3"})
    assert len((await ask(f"{LEASES}/list?filters.state=closed"))["leases"]) == 1


async def test_a_key_that_was_not_escaped_is_an_error_and_no_page(cloud, ask):
    for _ in range(40):
        cloud.rent(cloud.daemons[0])
    keys = [
        (await ask(f"{LEASES}/list?filters.state=active&pagination.limit={limit}"))["pagination"]["next_key"]
        for limit in range(1, 40)
    ]
    broken = next(one for one in keys if "+" in one)
    answer = await ask(f"{LEASES}/list?filters.state=active&pagination.key={broken}", status=500)
    assert answer["message"] == "pagination: invalid key: invalid checksum"
    swapped = quote(keys[0][:-4] + "AAAA", safe="")
    await ask(f"{LEASES}/list?filters.state=active&pagination.key={swapped}", status=500)


async def test_a_deployment_has_its_groups_and_units(cloud, ask):
    spread = cloud.chain.leases[1]
    answer = await ask(f"{DEPLOYMENTS}/info?id.owner={spread.owner}&id.dseq={spread.dseq}")
    assert set(answer) == {"deployment", "groups", "escrow_account"}
    assert answer["deployment"]["state"] == "active"
    assert [one["group_spec"]["name"] for one in answer["groups"]] == ["api", "db"]
    resource = answer["groups"][0]["group_spec"]["resources"][0]["resource"]
    assert resource["cpu"]["units"]["val"] == "1500"
    assert resource["memory"]["quantity"]["val"] == str(2 * 1024**3)
    rows = (await ask(f"{DEPLOYMENTS}/list?filters.state=closed"))["deployments"]
    assert [one["deployment"]["state"] for one in rows] == ["closed"]
    assert (await ask(f"{DEPLOYMENTS}/info?id.owner={spread.owner}&id.dseq=1", status=404))["code"] == 5


# Blocks.


async def test_blocks_follow_time_and_are_never_quite_on_time(cloud, ask):
    before = (await ask(f"{BLOCKS}/latest"))["block"]["header"]
    cloud.advance(1000)
    after = (await ask(f"{BLOCKS}/latest"))["block"]["header"]
    assert before["chain_id"] == "virtengine-1"
    heights = int(after["height"]) - int(before["height"])
    assert 198 <= heights <= 200
    old = (await ask(f"{BLOCKS}/{before['height']}"))["block"]["header"]
    assert old == before
    span = datetime.fromisoformat(after["time"][:26] + "Z") - datetime.fromisoformat(
        before["time"][:26] + "Z"
    )
    assert span.total_seconds() / heights == pytest.approx(5, abs=0.05)
    assert len(after["time"]) == len("2026-01-01T00:00:00.000000000Z")
    assert (await ask(f"{BLOCKS}/99999999", status=400))["code"] == 3


async def test_a_node_that_is_behind_says_so(cloud, ask):
    cloud.nodes[1].lag = 600
    heights = [int((await ask(f"{BLOCKS}/latest", node=one))["block"]["header"]["height"]) for one in (0, 1)]
    assert heights[0] - heights[1] == pytest.approx(120, abs=1)
    syncing = "/cosmos/base/tendermint/v1beta1/syncing"
    assert [(await ask(syncing, node=one))["syncing"] for one in (0, 1)] == [False, True]


# Nodes that are bare, old, gated or liars.


async def test_a_bare_node_has_blocks_and_nothing_else(cloud, ask):
    cloud.rest = False
    missing = {"code": 12, "message": "Not Implemented", "details": []}
    for path in (PROVIDERS, f"{LEASES}/list", f"{DEPLOYMENTS}/list"):
        assert await ask(path, status=501) == missing
    await ask(f"{BLOCKS}/latest")
    await ask(PROVIDERS, node=1)


async def test_versions_that_a_node_does_not_have_are_not_implemented(cloud, ask):
    await ask("/virtengine/provider/v1/providers", status=501)
    await ask("/virtengine/provider/v1beta4/nonsense/more", status=501)
    cloud.provider_versions, cloud.lease_versions = ("v1",), ("v1beta4",)
    assert len((await ask("/virtengine/provider/v1/providers"))["providers"]) == 3
    await ask(PROVIDERS, status=501)
    await ask("/virtengine/market/v1beta4/leases/list")
    await ask(f"{LEASES}/list", status=501)


async def test_a_gateway_in_front_wants_its_path_and_its_key(cloud, me, ask):
    cloud.path_prefix, cloud.api_key = "/v1/chain", "k"
    assert cloud.base_url.endswith("/v1/chain")
    await ask(PROVIDERS, status=401)
    await ask(PROVIDERS, headers={"x-api-key": "k"})
    await me.json(cloud.origin + PROVIDERS, status=404, sign=False, headers={"x-api-key": "k"})


async def test_a_key_that_leads_in_a_circle(cloud, walk):
    cloud.lie = "loop"
    pages = await walk(PROVIDERS, "providers", limit=2, most=6)
    assert len(pages) == 6
    assert pages[1] == pages[2] == pages[5]


async def test_a_list_that_never_ends(cloud, walk):
    cloud.lie = "endless"
    pages = await walk(PROVIDERS, "providers", limit=2, most=20)
    owners = {one["owner"] for page in pages for one in page}
    assert (len(pages), len(owners)) == (20, 20)
    assert not owners & {one.address for one in cloud.daemons}
    for path, rows in (
        (f"{LEASES}/list?filters.state=active", "leases"),
        (f"{DEPLOYMENTS}/list", "deployments"),
    ):
        pages = await walk(path, rows, limit=2, most=20)
        assert len({str(page) for page in pages}) == 20


async def test_rows_that_come_twice(cloud, walk):
    cloud.lie = "repeat"
    pages = await walk(PROVIDERS, "providers", limit=2)
    assert pages[1][0] == pages[0][-1]


async def test_a_fork_tells_another_story(cloud, me, ask):
    other = cloud.nodes[1].chain = cloud.chain.fork()
    other.providers[cloud.daemons[0].address].host_uri = "https://evil.example.net"
    other.leases[0].state = "closed"
    path = f"{PROVIDERS}/{cloud.daemons[0].address}"
    told = [(await ask(path, node=one))["provider"]["host_uri"] for one in (0, 1)]
    assert told == [cloud.daemons[0].origin, "https://evil.example.net"]
    counts = [len((await ask(f"{LEASES}/list?filters.state=active", node=one))["leases"]) for one in (0, 1)]
    assert counts == [3, 2]
    await me.control("PATCH", "/nodes/1", {"fork": None, "lag": 0})
    assert (await ask(path, node=1))["provider"]["host_uri"] == cloud.daemons[0].origin


async def test_rows_that_no_real_node_would_send(cloud, ask):
    cloud.announce(cloud.daemons[0], row={"owner": 1, "attributes": {"region": "x"}})
    rows = (await ask(PROVIDERS))["providers"]
    assert {"owner": 1, "attributes": {"region": "x"}} in rows


async def test_two_sandboxes_of_one_seed_are_the_same():
    async with world(seed=5) as (one, _), world(seed=5) as (two, _), world(seed=6) as (three, _):
        assert one.wallet == two.wallet != three.wallet
        assert [each.address for each in one.daemons] == [each.address for each in two.daemons]
        assert [each.key for each in one.chain.leases] == [each.key for each in two.chain.leases]


async def test_the_log_says_which_node_was_asked(cloud, ask):
    await ask(PROVIDERS)
    await ask(PROVIDERS, node=1)
    assert [one.server for one in cloud.log] == ["chain", "chain-2"]
