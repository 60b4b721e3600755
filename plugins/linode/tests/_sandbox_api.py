"""What the tests of the sandbox ask it with."""

from purveyor_linode.sandbox import LinodeSandbox
from purveyor_testing.asking import Outsider

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example"
EMPTY = {"type": "g6-nanode-1", "region": "us-east"}
BODY = {**EMPTY, "image": "linode/debian12", "authorized_keys": [KEY]}
LINODES = "/linode/instances"


class Api(Outsider):
    """Asks the sandbox, with its token or another."""

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


def sandbox(**options):
    return LinodeSandbox(**{"seed": 3, "speed": "stepped", **options})
