"""Lifecycle, control endpoints, log, tokens."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from purveyor_testing.sandbox import write_ready_file

DAY = timedelta(days=1)


async def test_serves_on_loopback_until_stopped(cloud, http):
    assert cloud.base_url.startswith("http://127.0.0.1:")
    assert (await http.get("/things")).status == 200
    await cloud.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get("/things")
    await cloud.stop()


async def test_serves_https_where_it_has_a_certificate(cloud, http, tmp_path, monkeypatch):
    trusting, serving = _certified(tmp_path)
    monkeypatch.setattr(cloud, "tls", lambda: serving)
    await cloud.stop()
    await cloud.start()
    assert cloud.base_url.startswith("https://127.0.0.1:")
    async with http.get(f"{cloud.base_url}/things", ssl=trusting) as answer:
        assert answer.status == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await http.get(f"{cloud.base_url}/things")
    assert len(cloud.log) == 1


def _certified(folder):
    """What a client trusts, and what a server on loopback shows it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now - DAY, now + DAY)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    signed = certificate.add_extension(loopback, critical=False).sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(secret + pem)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return ssl.create_default_context(cadata=pem.decode()), serving


async def test_stops_at_once_with_requests_hanging(cloud, http):
    cloud.fault("hang", times=None)
    hanging = [asyncio.create_task(http.post("/things")) for _ in range(3)]
    while len(cloud.log) < 3:  # noqa: ASYNC110 - the server runs on this loop and gets its turns
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await cloud.stop()
    for result in await asyncio.gather(*hanging, return_exceptions=True):
        assert isinstance(result, aiohttp.ClientError)


async def test_can_start_again_with_what_it_had(cloud, http):
    await http.post("/things", json={"name": "x"})
    await cloud.stop()
    await cloud.start()
    assert len(cloud.things) == 1
    async with http.get(f"{cloud.base_url}/things") as answer:
        assert answer.status == 200


async def test_log_counts_connections_and_keeps_no_secret(cloud):
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {cloud.token}"}) as session:
        for query in ("", "?a=b"):
            await (await session.get(f"{cloud.base_url}/things{query}")).read()
    async with aiohttp.ClientSession() as session:
        assert (await session.get(f"{cloud.base_url}/things")).status == 401
    first, second, third = cloud.log
    assert first.connection == second.connection != third.connection
    assert (second.query, second.seq, third.status) == ({"a": "b"}, 2, 401)
    assert cloud.token not in repr(cloud.log)


async def test_tokens_have_scopes(cloud, http):
    cloud.add_token("reader", scopes=["things:read"])
    headers = {"Authorization": "Bearer reader"}
    assert (await http.get("/things", headers=headers)).status == 200
    assert (await http.post("/things", headers=headers, json={"name": "x"})).status == 403


async def test_bad_bodies_and_unknown_paths(cloud, http):
    assert (await http.post("/things", data=b"{")).status == 400
    assert (await http.post("/things", data=b"[]")).status == 400
    assert (await http.get("/nothing")).status == 404


async def test_the_same_seed_gives_the_same_ids(cloud):
    twin = type(cloud)(seed=7, speed="stepped")
    other = type(cloud)(seed=8, speed="stepped")
    ids = [[one.chance.uuid("x"), one.chance.number("y", 100)] for one in (cloud, twin, other)]
    assert ids[0] == ids[1] != ids[2]


# Control.


async def test_faults_over_http(cloud, http):
    body = {
        "fault": "error_before",
        "match": {"method": "POST", "path": "/things"},
        "times": None,
        "status": 502,
    }
    async with http.post(f"{cloud.control_url}/faults", json=body) as answer:
        assert (answer.status, (await answer.json())["options"]["status"]) == (201, 502)
    assert (await http.post("/things", json={"name": "x"})).status == 502
    async with http.get(f"{cloud.control_url}/faults") as answer:
        assert [fault["name"] for fault in await answer.json()] == ["error_before"]
    async with http.delete(f"{cloud.control_url}/faults") as answer:
        assert answer.status == 204
    assert (await http.post("/things", json={"name": "x"})).status == 201
    async with http.get(f"{cloud.control_url}/log") as answer:
        log = await answer.json()
    assert [(entry["method"], entry["status"], entry["fault"]) for entry in log] == [
        ("POST", 502, "error_before"),
        ("POST", 201, None),
    ]
    assert log[1]["effects"] == [{"kind": "created", "type": "thing", "id": "1", "tags": ["a"]}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("no json", "Expecting value"),
        ("[]", "expected"),
        ('{"fault": "gremlins"}', "no such fault"),
        ('{"fault": "hang", "times": "often"}', "times"),
        ('{"fault": "hang", "times": true}', "times"),
        ('{"fault": "hang", "match": {"host": "x"}}', "match takes"),
        ('{"fault": "hang", "match": {"path": 3}}', "match.path"),
        ('{"fault": "hang", "path": "/things"}', "path belongs in match"),
        ('{"fault": "hang", "colour": "red"}', "does not take colour"),
    ],
)
async def test_bad_faults_get_a_clear_400(cloud, http, body, message):
    async with http.post(f"{cloud.control_url}/faults", data=body) as answer:
        assert answer.status == 400
        assert message in (await answer.json())["error"]


async def test_time_and_tokens_over_http(cloud, http):
    before = cloud.clock.now
    async with http.post(f"{cloud.control_url}/advance", json={"seconds": 2.5}) as answer:
        assert await answer.json() == {"now": before + 2.5}
    async with http.post(f"{cloud.control_url}/advance", json={"seconds": "soon"}) as answer:
        assert answer.status == 400
    async with http.post(f"{cloud.control_url}/tokens", json={"token": "t", "scopes": []}) as answer:
        assert answer.status == 204
    assert (await http.get("/things", headers={"Authorization": "Bearer t"})).status == 403
    async with http.get(f"{cloud.control_url}/nothing") as answer:
        assert answer.status == 404


async def test_ready_file_is_whole_and_private(cloud, tmp_path):
    path = tmp_path / "ready.json"
    path.write_text("old")
    write_ready_file(path, [cloud])
    assert json.loads(path.read_text()) == {
        "sandbox": {
            "base_url": cloud.base_url,
            "token": cloud.token,
            "control_url": f"{cloud.base_url}/__sandbox__",
        }
    }
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


async def test_it_says_how_a_provider_is_configured_for_it(cloud):
    assert cloud.settings() == {"token": cloud.token, "base_url": cloud.base_url}
