"""Who the sandbox's daemons let in, and what they write down: byte for byte as the Go daemon judges."""

import base64
import hashlib
import json
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor_virtengine._wallet import canonical_body
from purveyor_virtengine.sandbox import Wallet
from purveyor_virtengine.sandbox._canonical import body_hash

from ._sandbox_client import ORDER, document, signed, world

VECTORS = Path(__file__).parents[3] / ".." / "shared" / "data" / "virtengine_auth_vectors.json"
STRANGER = Wallet("11" * 32)


@pytest.fixture
def metrics(cloud, daemon):
    """An address that only the owner of a lease may read."""
    return f"{daemon.origin}/api/v1/deployments/{cloud.chain.leases[0].dseq}/metrics"


@pytest.fixture(scope="module")
def vectors():
    if not VECTORS.exists():
        pytest.skip("the vectors are not at hand")
    return json.loads(VECTORS.read_bytes())


async def test_the_recorded_signatures_are_accepted_and_nothing_that_was_changed(vectors):
    for case in vectors["cases"]:
        id_ = case["path"].split("/")[4]
        body = (case["body"] or "").encode()
        headers = {
            "X-VE-Address": vectors["address"],
            "X-VE-Timestamp": str(vectors["timestamp_ms"]),
            "X-VE-Nonce": case["nonce"],
            "X-VE-Signature": case["signature_b64"],
            "X-VE-PubKey": vectors["pubkey_b64"],
            "X-VEID-Score": "80",
        }
        async with world(behaviour={"deployment_format": id_}) as (cloud, me):
            cloud.chain.leases.clear()
            cloud.rent(cloud.daemons[0], owner=vectors["address"])
            url = cloud.daemons[0].origin + quote(case["path"])
            other = cloud.daemons[0].origin + quote(case["path"].replace(id_, "other"))
            method = case["method"]
            for wrong_url, wrong_body in ((other, body), (url, body + b"{}")):
                async with me.asked(
                    method, wrong_url, sign=False, body=wrong_body, headers=headers
                ) as answer:
                    assert (answer.status, "signature verification failed" in await answer.text()) == (
                        401,
                        True,
                    )
            async with me.asked(method, url, sign=False, body=body, headers=headers) as answer:
                assert answer.status == 200, (case["name"], await answer.text())
            assert [one.verdict for one in cloud.signatures] == [
                "signature verification failed",
                "signature verification failed",
                "accepted",
            ]


async def test_the_vectors_wallet_has_the_recorded_address(vectors):
    wallet = Wallet(vectors["private_key_hex"], vectors["hrp"])
    assert (wallet.address, wallet.public_key) == (vectors["address"], vectors["pubkey_b64"])


async def test_the_recorded_hmac_is_accepted(vectors):
    case = vectors["hmac"]
    behaviour = {"hmac_secret": case["secret"], "deployment_format": "lease1"}
    async with world(behaviour=behaviour) as (cloud, me):
        cloud.chain.leases.clear()
        url = f"{cloud.daemons[0].origin}{case['path']}?{case['raw_query']}"
        headers = {
            "X-VE-Principal": case["principal"],
            "X-VE-Timestamp": str(case["timestamp_s"]),
            "X-VE-Signature": case["signature_hex"],
        }
        assert await me.text(url, status=403, sign=False, headers=headers) == "lease not found\n"
        turned = url.replace(case["raw_query"], "tail=50&level=error")
        assert await me.text(turned, status=401, sign=False, headers=headers) == "invalid signature\n"


BODIES = [
    (b'{"b":1,"a":2}', '{"a":2,"b":1}'),
    (
        b' {"a" : [1.0, 1e3, 123456789012345678901234567890]}\n',
        '{"a":[1.0,1e3,123456789012345678901234567890]}',
    ),
    (b'{"t":"a<b> & c"}', '{"t":"a\\u003cb\\u003e \\u0026 c"}'),
    ('{"t":"\u2028\u2029/\x7fé"}'.encode(), '{"t":"\\u2028\\u2029/\x7fé"}'),
    (b'{"t":"\\u0008\\u000c\\u0001\\/\\ud800"}', '{"t":"\\b\\f\\u0001/\ufffd"}'),
    (b'{"a":1,"a":2}', '{"a":2}'),
    ('{"\U00010000":1,"\ue000":2}'.encode(), '{"\ue000":2,"\U00010000":1}'),
    (b'{"t":"\xe2\x82"}', '{"t":"\ufffd\ufffd"}'),
    (b"{}", "{}"),
    (b'{"a":1} trailing', '{"a":1} trailing'),
    (b'{"a":NaN}', '{"a":NaN}'),
    (b"not json", "not json"),
]


@pytest.mark.parametrize(("body", "canonical"), BODIES)
async def test_a_body_is_hashed_in_the_form_that_go_gives_it(cloud, me, daemon, body, canonical):
    url = f"{daemon.origin}/api/v1/deployments/{cloud.chain.leases[0].dseq}/actions"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    headers = me.wallet_headers("POST", url, body_hash=hashed)
    async with me.asked("POST", url, sign=False, body=body, headers=headers) as answer:
        assert answer.status == 400, await answer.text()  # let in, and then it is no action
    assert cloud.signatures[-1].verdict == "accepted"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_the_sandbox_and_the_plugin_agree_on_every_body(value, ascii_only, indent):
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert body_hash(body) == hashlib.sha256(canonical_body(body)).hexdigest()


# What is refused, and in which words.


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        ("X-VE-Nonce", "", "missing wallet authentication headers"),
        ("X-VE-PubKey", "", "missing wallet authentication headers"),
        ("X-VE-Timestamp", "soon", "invalid timestamp"),
        ("X-VE-Timestamp", "1.5", "invalid timestamp"),
        ("X-VE-Signature", "$", "invalid signature encoding"),
        ("X-VE-Signature", "AAAA", "signature verification failed"),
        ("X-VE-PubKey", "AAA", "invalid public key encoding"),
        ("X-VE-PubKey", STRANGER.public_key, "address does not match public key"),
        ("X-VE-Address", "ve1nobody", "invalid address"),
        ("X-VE-Address", STRANGER.address, "address does not match public key"),
        ("X-VE-Nonce", "another", "signature verification failed"),
    ],
)
async def test_what_is_wrong_is_said_in_the_daemons_words(me, metrics, header, value, words):
    headers = {**me.wallet_headers("GET", metrics), header: value}
    assert await me.refused(metrics, 401, sign=False, headers=headers) == words


async def test_a_signature_is_good_for_five_minutes_and_one_minute_ahead(cloud, me, metrics):
    now = int(cloud.clock.now * 1000)
    for shift, words in (
        (-300_000, None),
        (-300_001, "request timestamp too old"),
        (60_000, None),
        (60_001, "request timestamp in future"),
    ):
        headers = me.wallet_headers("GET", metrics, timestamp=now + shift)
        status = 401 if words else 200
        answer = await me.json(metrics, status=status, sign=False, headers=headers)
        assert answer.get("error") == words


async def test_a_nonce_is_used_up_even_by_a_request_that_then_fails(cloud, me, daemon):
    url = f"{daemon.origin}/api/v1/deployments/nothing/metrics"
    headers = me.wallet_headers("GET", url)
    assert await me.refused(url, 403, sign=False, headers=headers) == "lease not found"
    assert await me.refused(url, 401, sign=False, headers=headers) == "nonce already used"
    cloud.advance(301)
    assert await me.refused(url, 401, sign=False, headers=headers) == "request timestamp too old"


async def test_a_nonce_of_a_wrong_signature_is_not_used_up(me, metrics):
    headers = me.wallet_headers("GET", metrics)
    wrong = {**headers, "X-VE-Signature": "AAAA"}
    assert await me.refused(metrics, 401, sign=False, headers=wrong) == "signature verification failed"
    await me.json(metrics, sign=False, headers=headers)


async def test_a_daemon_that_restarts_has_forgotten_the_nonces(daemon, me, metrics):
    headers = me.wallet_headers("GET", metrics)
    await me.json(metrics, sign=False, headers=headers)
    await daemon.stop()
    await daemon.start()
    await me.json(metrics, sign=False, headers=headers)


async def test_only_the_lower_s_is_accepted(cloud, me, metrics):
    headers = me.wallet_headers("GET", metrics)
    raw = base64.b64decode(headers["X-VE-Signature"])
    high = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    headers["X-VE-Signature"] = base64.b64encode(high).decode()
    assert await me.refused(metrics, 401, sign=False, headers=headers) == "signature verification failed"


async def test_the_document_is_not_plain_adr_036(cloud, me, metrics):
    headers = me.wallet_headers("GET", metrics, chain_id="")
    assert await me.refused(metrics, 401, sign=False, headers=headers) == "signature verification failed"
    cloud.daemons[0].chain_id = ""
    assert await me.refused(metrics, 401) == "wallet auth chain id is required"


async def test_a_public_key_of_the_wrong_length_kills_the_handler(me, metrics):
    headers = {**me.wallet_headers("GET", metrics), "X-VE-PubKey": base64.b64encode(b"\2" * 32).decode()}
    with pytest.raises(aiohttp.ClientError):
        await me.json(metrics, sign=False, headers=headers)


async def test_the_query_form_works_too_and_headers_win(cloud, me, metrics):
    headers = me.wallet_headers("GET", metrics)
    names = zip(("ve_address", "ve_ts", "ve_nonce", "ve_sig", "ve_pub"), headers.values(), strict=True)
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in names)
    await me.json(f"{metrics}?{query}", sign=False)
    assert await me.refused(f"{metrics}?{query}", 401, sign=False) == "nonce already used"
    await me.json(f"{metrics}?{query}")
    assert {one.query.get("ve_sig") for one in cloud.log} == {"****"}


async def test_the_prefix_of_an_address_counts_only_for_the_owner(cloud, me, metrics):
    same = Wallet(cloud.wallet.private_key, "virtengine")
    headers = me.wallet_headers("GET", metrics, wallet=same)
    refused = await me.refused(metrics, 403, sign=False, headers=headers)
    assert refused == "address does not own this lease"


# HMAC, and nobody at all.


async def test_an_hmac_principal_must_own_the_lease_too(cloud, me, metrics, daemon):
    daemon.hmac_secret = "s3cret"
    headers = me.hmac_headers("GET", metrics, "ops", "s3cret")
    assert await me.refused(metrics, 403, sign=False, headers=headers) == "address does not own this lease"
    owner = me.hmac_headers("GET", metrics, cloud.wallet.address, "s3cret")
    await me.json(metrics, sign=False, headers=owner)
    await me.json(metrics, sign=False, headers=owner)  # there is no nonce: it may be repeated
    wrong = me.hmac_headers("GET", metrics, cloud.wallet.address, "other")
    for headers in (wrong, {**owner, "X-VE-Signature": "é"}):
        assert await me.refused(metrics, 401, sign=False, headers=headers) == "invalid signature"
    loud = {**owner, "X-VE-Signature": owner["X-VE-Signature"].upper()}
    await me.json(metrics, sign=False, headers=loud)
    cloud.advance(301)
    assert await me.refused(metrics, 401, sign=False, headers=owner) == "request timestamp out of range"


async def test_without_a_secret_there_is_no_hmac(me, metrics):
    headers = me.hmac_headers("GET", metrics, "ops", "s3cret")
    assert await me.refused(metrics, 401, sign=False, headers=headers) == "hmac secret not configured"
    assert await me.refused(metrics, 401, sign=False) == "missing signed request headers"


async def test_the_daemon_that_ships_lets_everybody_in_who_does_not_sign(daemon, me, metrics):
    daemon.allow_insecure, daemon.ownership = True, "unavailable"
    await me.json(metrics, sign=False)
    assert await me.refused(metrics, 403) == "lease query unavailable"


async def test_somebody_else_does_not_own_the_lease(me, metrics):
    headers = me.wallet_headers("GET", metrics, wallet=STRANGER)
    assert await me.refused(metrics, 403, sign=False, headers=headers) == "address does not own this lease"


# What is written down.


async def test_a_replay_at_another_daemon_is_accepted_and_on_record(cloud, me):
    first, second = cloud.daemons[:2]
    headers = me.wallet_headers("GET", f"{first.origin}/api/v1/usage")
    await me.json(f"{first.origin}/api/v1/usage", sign=False, headers=headers)
    await me.json(f"{second.origin}/api/v1/usage", sign=False, headers=headers)
    told = [(one.server, one.first_at, one.verdict, one.named) for one in cloud.signatures]
    assert told == [("provider-1", None, "accepted", True), ("provider-2", "provider-1", "accepted", True)]
    assert "replay of provider-1" in cloud.log[-1].effects[0].tags
    over_http = await me.control("GET", "/signatures", status=200)
    assert [one["first_at"] for one in over_http] == [None, "provider-1"]


async def test_a_signature_for_a_provider_without_a_lease_is_a_stray(cloud, me):
    third = cloud.daemons[2]
    await me.json(f"{third.origin}/api/v1/usage")
    await me.json(f"{cloud.base_url}/virtengine/provider/v1beta4/providers")
    assert [(one.server, one.named) for one in cloud.strays] == [("provider-3", False), ("chain", False)]
    lease = cloud.rent(third)
    await me.json(f"{third.origin}/api/v1/usage")
    assert len(cloud.strays) == 2
    cloud.close(lease)
    await me.json(f"{third.origin}/api/v1/usage")
    assert len(cloud.strays) == 3


async def test_a_signature_is_on_record_where_nobody_checks_it(cloud, me, daemon):
    daemon.turn_hostile("redirect", location="http://127.0.0.1:9/")
    async with me.asked("GET", f"{daemon.origin}/api/v1/health") as answer:
        assert answer.status == 307
    daemon.behave()
    daemon.fault("hang")
    with pytest.raises(TimeoutError):
        await me.json(f"{daemon.origin}/api/v1/health", timeout=0.05)
    assert [one.verdict for one in cloud.signatures] == ["unchecked", "unchecked"]


def test_the_outsiders_document_is_the_recorded_one(vectors):
    for case in vectors["cases"]:
        built = document(
            case["method"],
            case["path"],
            b"",
            address=vectors["address"],
            timestamp=vectors["timestamp_ms"],
            nonce=case["nonce"],
            body_hash=case["body_hash"],
        )
        assert built == case["sign_doc"].encode()
        signature = base64.b64encode(signed(vectors["private_key_hex"], built)).decode()
        assert signature == case["signature_b64"]
