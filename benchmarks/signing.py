"""Signed requests for VirtEngine's providers, side by side with nothing but the signatures.

Bare is libsecp256k1 signing a document that is ready: by coincurve, on which the plugin stands, with the same key. Beside it
stands what a provider's client does before it sends: nonce, time, the document's two layers, hashes, Base64, headers, and
the request itself, for one of a hundred deployments in turn. No two bodies are the same. What is measured is the
processor's time. Run it alone: ``python benchmarks/signing.py``. It sends nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from itertools import count, cycle

from coincurve import PrivateKey

from purveyor.plugin import LoopClock
from purveyor.wire import Client, Unsigned
from purveyor_testing.context import plain_context
from purveyor_virtengine._canonical import written
from purveyor_virtengine._keys import LocalKey
from purveyor_virtengine._wallet import WalletSigner

PRIVATE = bytes(range(1, 33))
PATHS = [f"/api/v1/deployments/{412_000 + number}/metrics" for number in range(100)]
ROUNDS, TIMES = 101, 100
TARGET = 0.6


async def rate(work: Callable[[], Awaitable[object]]) -> float:
    """How often a second of the processor's time."""
    start = time.process_time()
    for _ in range(TIMES):
        await work()
    return TIMES / (time.process_time() - start)


async def main() -> None:
    """Take turns, so that what else the computer does meets all alike."""
    bare = PrivateKey(PRIVATE)
    sign = WalletSigner(LocalKey(PRIVATE), prefix="ve", chain_id="virtengine-1", clock=LoopClock())
    client = Client(plain_context(), base_url="https://provider.example.net:8443")
    plain = Unsigned(method="GET", path=PATHS[0], query="", body=b"")
    document = sign.document(plain, stamp=1767225600000, nonce="00" * 16)
    paths, sizes = cycle(PATHS), count(8192)

    async def signature() -> object:
        return bare.sign_recoverable(document)[:64]

    async def headers() -> object:
        return await sign(plain)

    async def request(method: str, body: bytes | None) -> object:
        made = client._build(  # noqa: SLF001 - all of it but the sending
            method, next(paths), operation="benchmark", params=None, body=body, headers=None, sign=sign
        )
        return await client._sign(made, sign)  # noqa: SLF001

    async def get() -> object:
        return await request("GET", None)

    async def post() -> object:
        return await request(
            "POST", b'{"action":"resize","parameters":{"cpu_cores":4,"memory_mb":%d}}' % next(sizes)
        )

    async def written_post() -> object:
        parameters = {"cpu_cores": 4, "memory_mb": next(sizes)}
        return await request("POST", written({"action": "resize", "parameters": parameters}))

    rivals = {
        "headers alone": headers,
        "whole GET": get,
        "whole POST, its body of bytes": post,
        "whole POST, its body of values": written_post,
    }
    alone: list[float] = []
    rates: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(ROUNDS):
        alone.append(await rate(signature))
        for name, work in rivals.items():
            rates[name].append(await rate(work))
    print(f"bare signatures: {statistics.median(alone):,.0f} a second")
    for name, found in rates.items():
        share = statistics.median(one / base for one, base in zip(found, alone, strict=True))
        print(f"  {name:30} {statistics.median(found):8,.0f} a second   {share:.2f} of it (target {TARGET})")
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main())
