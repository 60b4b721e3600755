"""A provider to test, without an engine around it."""

from contextlib import aclosing, asynccontextmanager

from purveyor.plugin import CreateRequest, SecretRef
from purveyor_digitalocean._config import Settings
from purveyor_digitalocean._plugin import build
from purveyor_digitalocean.sandbox import DigitalOceanSandbox
from purveyor_testing.context import MARK, plain_call, plain_context

NAME = "do-ams"
TOKEN = "dop_v1_canary"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X me@example"
FINGERPRINT = "64:26:41:cb:5e:f9:57:07:9f:08:45:e7:7f:f4:54:95"
"""What ``ssh-keygen -l -E md5`` says of it."""
SPEC = {"name": "web-1", "plan": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "ams3"}
H100 = {"size": "gpu-h100x1-80gb", "image": "gpu-h100x1-base", "region": "nyc2"}


async def provider(base_url, token=TOKEN, region=None, **settings):
    """A provider as the engine would get it."""
    context = plain_context(provider=NAME, type="digitalocean", base_url=base_url, region=region)
    return await build(Settings(token=SecretRef(token), **settings), context)


@asynccontextmanager
async def account(*, token=None, settings=None, **behaviour):
    """A cloud and a provider for it; time stands still unless it is moved."""
    async with (
        DigitalOceanSandbox(**{"seed": 3, "speed": "stepped", "start_at": None, **behaviour}) as cloud,
        aclosing(await provider(cloud.base_url, token or cloud.token, **(settings or {}))) as made,
    ):
        yield cloud, made


async def create(do, mark=MARK, **changes):
    return await do.create_instance(CreateRequest(**{**SPEC, **changes}), plain_call(mark))
