"""An outsider who speaks to a sandbox over HTTP, and signs with a code of its own."""

import base64
import contextlib
import hashlib
import hmac
import json
from urllib.parse import unquote, urlsplit

import aiohttp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def signed(private_key: str, document: bytes) -> bytes:
    key = ec.derive_private_key(int(private_key, 16), ec.SECP256K1())
    r, s = decode_dss_signature(key.sign(document, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


def document(method, path, body, *, address, timestamp, nonce, chain_id="virtengine-1", body_hash=None):
    if body_hash is None:
        body_hash = hashlib.sha256(body).hexdigest() if body else ""
    inner = (
        f'{{"method":"{method}","path":"{path}","timestamp":{timestamp},"nonce":"{nonce}",'
        f'"body_hash":"{body_hash}"}}'
    )
    data = base64.b64encode(inner.encode()).decode()
    return (
        f'{{"account_number":"0","chain_id":"{chain_id}","fee":{{"amount":[],"gas":"0"}},"memo":"","msgs":'
        f'[{{"type":"sign/MsgSignData","value":{{"data":"{data}","signer":"{address}"}}}}],"sequence":"0"}}'
    ).encode()


class Outsider:
    """Asks one server. Its clock is the sandbox's."""

    def __init__(self, cloud, session):
        self.cloud, self.session = cloud, session
        self.nonces = 0

    def wallet_headers(self, method, url, body=b"", *, wallet=None, **changed):
        wallet = wallet or self.cloud.wallet
        self.nonces += 1
        facts = {
            "address": wallet.address,
            "timestamp": int(self.cloud.clock.now * 1000),
            "nonce": f"{self.nonces:032x}",
            **changed,
        }
        path = unquote(urlsplit(url).path)
        signature = signed(wallet.private_key, document(method, path, body, **facts))
        return {
            "X-VE-Address": facts["address"],
            "X-VE-Timestamp": str(facts["timestamp"]),
            "X-VE-Nonce": facts["nonce"],
            "X-VE-Signature": base64.b64encode(signature).decode(),
            "X-VE-PubKey": wallet.public_key,
        }

    def hmac_headers(self, method, url, principal, secret):
        parts = urlsplit(url)
        timestamp = str(int(self.cloud.clock.now))
        text = "\n".join((method, unquote(parts.path), parts.query, principal, timestamp))
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {"X-VE-Principal": principal, "X-VE-Timestamp": timestamp, "X-VE-Signature": digest}

    @contextlib.asynccontextmanager
    async def asked(self, method, url, *, sign=True, body=b"", headers=None, **options):
        auth = self.wallet_headers(method, url, body) if sign else {}
        sent = {**auth, **({"Content-Type": "application/json"} if body else {}), **(headers or {})}
        async with self.session.request(
            method, url, data=body or None, headers=sent, allow_redirects=False, **options
        ) as answer:
            yield answer

    async def json(self, url, *, status=200, method="GET", **options):
        async with self.asked(method, url, **options) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            assert answer.content_type == "application/json", text
            return json.loads(text)

    async def text(self, url, *, status=200, method="GET", **options):
        async with self.asked(method, url, **options) as answer:
            assert answer.status == status, (answer.status, await answer.text())
            return await answer.text()

    async def refused(self, url, status, *, method="GET", **options):
        """The words of a JSON error."""
        return (await self.json(url, status=status, method=method, **options))["error"]

    async def post(self, url, body, **options):
        return await self.json(url, method="POST", body=compact(body), **options)

    async def refused_post(self, url, body, status):
        """The words of a JSON error to a signed body."""
        return (await self.post(url, body, status=status))["error"]

    def socket(self, url, *, sign=True, headers=None, **options):
        auth = self.wallet_headers("GET", url) if sign else {}
        # A log never answers a goodbye, so there is no use in waiting for it.
        impatient = aiohttp.ClientWSTimeout(ws_close=0.05)
        sent = {**auth, **(headers or {})}
        return self.session.ws_connect(url, headers=sent, max_msg_size=0, timeout=impatient, **options)

    async def control(self, method, path, body=None, status=204):
        url = self.cloud.control_url + path
        async with self.session.request(method, url, json=body) as answer:
            assert answer.status == status, (answer.status, await answer.text())
            return json.loads(await answer.text() or "null")


@contextlib.asynccontextmanager
async def world(**options):
    from purveyor_virtengine.sandbox import VirtEngineSandbox

    options = {"seed": 1, "speed": "stepped", **options}
    async with VirtEngineSandbox(**options) as cloud, aiohttp.ClientSession() as session:
        yield cloud, Outsider(cloud, session)
