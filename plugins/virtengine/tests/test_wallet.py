"""Signatures, byte for byte as the provider daemon checks them, and keys that stay secret."""

import asyncio
import hashlib
import hmac
import json
import pickle
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from coincurve import PublicKey
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import ConfigurationError, InvalidCredentialsError, Outcome, Secret, ValidationError
from purveyor.wire import Unsigned
from purveyor_testing.context import FixedDay
from purveyor_virtengine import _canonical
from purveyor_virtengine._canonical import canonical_body, written
from purveyor_virtengine._keys import (
    ORDER,
    LocalKey,
    RemoteKey,
    address_of,
    derived,
    from_hex,
    from_mnemonic,
    load_sign,
    public_bytes,
)
from purveyor_virtengine._wallet import HmacSigner, WalletSigner

VECTORS = Path(__file__).parents[3] / ".." / "shared" / "data" / "virtengine_auth_vectors.json"

PRIVATE = hashlib.sha256(b"a wallet of the tests").digest()
KEY = LocalKey(PRIVATE)
DAY = FixedDay(datetime(2026, 1, 1, tzinfo=UTC))


def wallet(key=KEY, nonce="0f" * 16, prefix="ve", chain_id="virtengine-1"):
    return WalletSigner(key, prefix=prefix, chain_id=chain_id, clock=DAY, nonce=lambda: nonce)


def asked(method="GET", path="/api/v1/health", query="", body=b""):
    return Unsigned(method=method, path=path, query=query, body=body)


def signed(auth, *what, **more):
    return asyncio.run(auth(asked(*what, **more)))


def fits(headers, document, public=KEY.public):
    """Whether a signature holds for a document, judged without our own code."""
    signature = b64decode(headers["x-ve-signature"])
    s = int.from_bytes(signature[32:], "big")
    found = {
        PublicKey.from_signature_and_message(signature + bytes([one]), document).format() for one in (0, 1)
    }
    return len(signature) == 64 and s <= ORDER // 2 and public in found


@pytest.fixture(scope="module")
def vectors():
    if not VECTORS.exists():
        pytest.skip("the vectors are not at hand")
    return json.loads(VECTORS.read_bytes())


def test_the_vectors_come_out_byte_for_byte(vectors):
    key = from_hex(Secret(vectors["private_key_hex"]))
    day = FixedDay(datetime.fromtimestamp(vectors["timestamp_ms"] / 1000, UTC))
    for case in vectors["cases"]:
        auth = WalletSigner(
            key,
            prefix=vectors["hrp"],
            chain_id=vectors["chain_id"],
            clock=day,
            nonce=lambda case=case: case["nonce"],
        )
        request = asked(case["method"], case["path"], "tail=5", (case["body"] or "").encode())
        document = auth.document(request, stamp=vectors["timestamp_ms"], nonce=case["nonce"])
        assert document.decode() == case["sign_doc"], case["name"]
        assert asyncio.run(auth(request)) == {
            "x-ve-address": vectors["address"],
            "x-ve-timestamp": str(vectors["timestamp_ms"]),
            "x-ve-nonce": case["nonce"],
            "x-ve-signature": case["signature_b64"],
            "x-ve-pubkey": vectors["pubkey_b64"],
        }, case["name"]


def test_the_vector_of_hmac_comes_out_byte_for_byte(vectors):
    case = vectors["hmac"]
    day = FixedDay(datetime.fromtimestamp(case["timestamp_s"], UTC))
    auth = HmacSigner(Secret(case["secret"]), principal=case["principal"], clock=day)
    assert signed(auth, case["method"], case["path"], case["raw_query"]) == {
        "x-ve-principal": case["principal"],
        "x-ve-timestamp": str(case["timestamp_s"]),
        "x-ve-signature": case["signature_hex"],
    }


def test_the_document_is_the_cosmos_one_and_holds_what_was_asked():
    request = asked("POST", "/a b", body=b'{"b":1,"a":"<"}')
    document = wallet().document(request, stamp=1767225600000, nonce="ab")
    doc = json.loads(document)
    assert document.decode() == json.dumps(doc, sort_keys=True, separators=(",", ":"))
    (message,) = doc["msgs"]
    assert message["type"] == "sign/MsgSignData"
    assert message["value"]["signer"] == address_of(KEY.public, "ve")
    inner = b64decode(message["value"]["data"]).decode()
    body_hash = hashlib.sha256(b'{"a":"\\u003c","b":1}').hexdigest()
    assert inner == (
        '{"method":"POST","path":"/a b","timestamp":1767225600000,"nonce":"ab","body_hash":"'
        + body_hash
        + '"}'
    )


@given(
    st.sampled_from(["GET", "POST"]),
    st.text(st.characters(exclude_categories=["C"], exclude_characters='"\\'), min_size=1).map("/".__add__),
    st.binary(),
    st.sampled_from(["ve", "virtengine", "akash"]),
)
def test_each_signature_has_the_lower_s_and_holds_for_its_document(method, path, body, prefix):
    auth = wallet(prefix=prefix, nonce="01" * 16)
    headers = signed(auth, method, path, body=body)
    stamp = int(headers["x-ve-timestamp"])
    assert stamp == 1767225600000
    assert fits(headers, auth.document(asked(method, path, body=body), stamp=stamp, nonce="01" * 16))
    assert headers == signed(auth, method, path, body=body), "the same document has one signature only"


def test_every_attempt_has_a_nonce_of_its_own():
    auth = WalletSigner(KEY, prefix="ve", chain_id="virtengine-1", clock=DAY)
    nonces = {signed(auth)["x-ve-nonce"] for _ in range(100)}
    assert len(nonces) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", nonce) for nonce in nonces)


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/a\nb", "/a\x7f", "/\ud800"])
def test_a_path_that_would_break_the_signed_text_is_not_signed(path):
    for auth in (wallet(), HmacSigner(Secret("s"), principal="ops", clock=DAY)):
        with pytest.raises(ValidationError, match="cannot be signed"):
            signed(auth, path=path)


# What a body is hashed as.


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        ('{"b": 1, "a": [true, false, null]}', '{"a":[true,false,null],"b":1}'),
        ('{"a": 1.0, "b": 1e3, "c": 123456789012345678901234567890, "d": -0.0}', None),
        ('"a<b & c>\u2028\u2029"', '"a\\u003cb \\u0026 c\\u003e\\u2028\\u2029"'),
        ('"\\u00e9\\ud83d\\ude00/\\u007f"', '"\u00e9\U0001f600/\x7f"'),
        ('"\\ud800x"', '"\ufffdx"'),
        ('{"a": 1, "a": 2}', '{"a":2}'),
        ('{"\U00010000": 1, "\uffff": 2}', '{"\uffff":2,"\U00010000":1}'),
        ('"\\b\\f\\u0001"', '"\\b\\f\\u0001"'),
        ("{}  \n", "{}"),
        ('{"b": -0, "a": 0}', '{"a":0,"b":-0}'),
        ('{"b": 1, "a": "\\ud800 <"}', '{"a":"\ufffd \\u003c","b":1}'),
        ('{"\\ud800": 1, "\\udfff": 2}', '{"\ufffd":2}'),
        ("{} {}", "{} {}"),
        ("NaN", "NaN"),
        ("not json", "not json"),
    ],
)
def test_a_body_is_written_as_go_writes_it(body, canonical):
    expected = body.replace(" ", "") if canonical is None else canonical
    assert canonical_body(body.encode()).decode() == expected


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(JSON, st.booleans(), st.none() | st.integers(0, 4))
def test_a_canonical_body_means_the_same_however_it_was_written(value, ascii_only, indent):
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    canonical = canonical_body(written)
    assert json.loads(canonical) == value
    assert canonical == canonical_body(canonical) == canonical_body(json.dumps(value).encode())
    assert not any(one in canonical.decode() for one in "<>&\u2028\u2029")


@given(JSON)
def test_the_quick_way_and_the_exact_way_write_the_same(value):
    body = json.dumps(value).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_canonical, "_without_fractions", _canonical._refuse)
        exact = canonical_body(body)
    assert canonical_body(body) == exact


@given(JSON)
def test_a_body_of_our_own_is_written_so_that_it_need_not_be_read_again(value):
    body = written({"z": value, "a": 1})
    assert canonical_body(body) is body
    assert canonical_body(bytes(body)) == body


@pytest.mark.parametrize("value", ["\ud800", 10**5000], ids=["no character", "too long"])
def test_a_body_that_cannot_be_written_is_not_sent(value):
    with pytest.raises(ValidationError) as caught:
        written({"container": value})
    assert caught.value.outcome is Outcome.NOT_SENT
    assert caught.value.__context__ is None


@given(st.binary())
def test_any_bytes_have_a_canonical_form(body):
    assert isinstance(canonical_body(body), bytes)


# Keys and addresses.


def test_an_address_can_have_another_prefix_and_says_the_same():
    first, second = address_of(KEY.public, "ve"), address_of(KEY.public, "virtengine")
    assert first.startswith("ve1")
    assert second.startswith("virtengine1")
    assert first[3:-6] == second[11:-6]


def test_words_give_the_key_that_cosmos_wallets_make_of_them():
    words = Secret(" ".join(["abandon"] * 11 + ["about"]))
    key = from_mnemonic(words, "m/44'/118'/0'/0/0")
    assert address_of(key.public, "cosmos") == "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
    assert from_mnemonic(words, "m/44'/118'/0'/0/1").public != key.public


def test_keys_below_a_seed_are_those_of_the_first_vector_of_bip_32():
    seed = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    expected = {
        "m": "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
        "m/0'": "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea",
        "m/0'/1": "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368",
        "m/0'/1/2'/2/1000000000": "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8",
    }
    assert {path: derived(seed, path).hex() for path in expected} == expected


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: from_hex(Secret("canary")), "key"),
        (lambda: from_hex(Secret("00" * 32)), "key"),
        (lambda: from_hex(Secret("canary00" * 9)), "key"),
        (lambda: from_hex(Secret("ff" * 32)), "key"),
        (lambda: from_hex(Secret("ab" * 31)), "key"),
        (lambda: from_mnemonic(Secret("canary canary"), "m/0"), "mnemonic"),
        (lambda: from_mnemonic(Secret(" ".join(["abandon"] * 11 + ["about"])), "m/4294967296"), "derivation"),
        (lambda: RemoteKey(lambda _: b"", b"\x02" * 32), "public_key"),
        (lambda: RemoteKey(lambda _: b"", b"\x09" * 33), "public_key"),
        (lambda: public_bytes("?"), "public_key"),
        (lambda: load_sign("no.such.module:sign"), "signer"),
        (lambda: load_sign("json:no_such_name"), "signer"),
        (lambda: load_sign("json:__name__"), "signer"),
    ],
)
def test_a_key_that_is_none_is_named_by_its_setting_and_never_shown(make, field):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.field == field
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"


def test_no_key_shows_itself():
    secret = PRIVATE.hex()
    auth = HmacSigner(Secret("canary"), principal="ops", clock=DAY)
    for one in (KEY, wallet(), auth):
        assert secret not in repr(one)
        assert "canary" not in repr(one)
    with pytest.raises(TypeError):
        pickle.dumps(auth)


# Signers that are somewhere else.


def remote(change=lambda signature: signature, *, later=True):
    async def sign(document):
        await asyncio.sleep(0)
        return change(await KEY.sign(document))

    def at_once(document):
        return change(asyncio.run(KEY.sign(document)))

    return RemoteKey(sign if later else at_once, KEY.public)


def upper(signature):
    return signature[:32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


def test_a_remote_signer_signs_as_a_key_does():
    assert signed(wallet(remote())) == signed(wallet())


def test_the_upper_s_of_a_hardware_wallet_is_turned_into_the_lower_one():
    assert signed(wallet(remote(upper))) == signed(wallet())


def test_a_signer_may_be_a_plain_function():
    key = RemoteKey(lambda _: SIGNATURE, KEY.public)
    assert asyncio.run(key.sign(b"document")) == SIGNATURE


SIGNATURE = asyncio.run(KEY.sign(b"document"))


@pytest.mark.parametrize(
    "answer", [b"", b"\x00" * 64, b"\xff" * 64, SIGNATURE, SIGNATURE + b"\x00", "text", None]
)
def test_an_answer_that_is_no_signature_of_this_document_is_never_sent(answer):
    with pytest.raises(InvalidCredentialsError, match="signer") as caught:
        signed(wallet(RemoteKey(lambda _: answer, KEY.public)))
    assert caught.value.field == "signer"


def test_a_signer_that_fails_is_named_without_its_words():
    def sign(_):
        raise RuntimeError("canary")

    with pytest.raises(InvalidCredentialsError, match="RuntimeError") as caught:
        signed(wallet(RemoteKey(sign, KEY.public)))
    assert "canary" not in str(caught.value)


def test_hmac_covers_the_query_byte_for_byte():
    auth = HmacSigner(Secret("s3cret"), principal="ops", clock=DAY)
    first, second = signed(auth, query="a=1&b=2"), signed(auth, query="b=2&a=1")
    text = b"GET\n/api/v1/health\na=1&b=2\nops\n1767225600"
    assert first["x-ve-signature"] == hmac.new(b"s3cret", text, hashlib.sha256).hexdigest()
    assert first["x-ve-signature"] != second["x-ve-signature"]


def test_public_keys_are_given_in_base64():
    assert public_bytes(b64encode(KEY.public).decode()) == KEY.public
