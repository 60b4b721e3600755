"""What the tests of the sandbox ask it with."""

import aiohttp
import attrs

from purveyor_linode.sandbox import LinodeSandbox

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example"
EMPTY = {"type": "g6-nanode-1", "region": "us-east"}
BODY = {**EMPTY, "image": "linode/debian12", "authorized_keys": [KEY]}
LINODES = "/linode/instances"


@attrs.define
class Api:
    """Asks the sandbox, with its token or another."""

    cloud: LinodeSandbox
    session: aiohttp.ClientSession

    async def ask(self, method, path, status=200, *, token=None, **how):
        headers = {"Authorization": f"Bearer {token or self.cloud.token}", **how.pop("headers", {})}
        async with self.session.request(method, self.cloud.base_url + path, headers=headers, **how) as answer:
            body = await answer.json() if answer.content_type == "application/json" else await answer.read()
            assert answer.status == status, body
            self.headers = answer.headers
            return body

    async def refused(self, method, path, status=400, **how):
        """Each reason, with its field where there is one."""
        body = await self.ask(method, path, status, **how)
        return [(one.get("field"), one["reason"]) for one in body["errors"]]

    async def create(self, **fields):
        return await self.ask("POST", LINODES, json={**BODY, **fields})

    async def invalid(self, **fields):
        return await self.refused("POST", LINODES, json={**BODY, **fields})

    async def running(self, **fields):
        id_ = (await self.create(**fields))["id"]
        self.cloud.advance(60)
        return id_

    async def show(self, id_):
        return await self.ask("GET", f"{LINODES}/{id_}")

    async def rows(self, path, **how):
        return (await self.ask("GET", path, **how))["data"]

    headers: object = None


def sandbox(**options):
    return LinodeSandbox(**{"seed": 3, "speed": "stepped", **options})
