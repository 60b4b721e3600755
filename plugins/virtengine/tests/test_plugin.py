"""The package, its descriptor and its settings, as the host sees them."""

import subprocess
import sys
from base64 import b64encode
from importlib.metadata import entry_points
from importlib.resources import files

import pytest

from purveyor.plugin import ConfigurationError, Deployments, Discovery, SecretRef
from purveyor.spi.facets import FACETS
from purveyor_virtengine import _home
from purveyor_virtengine._config import Settings
from purveyor_virtengine._keys import LocalKey
from purveyor_virtengine._plugin import PLUGIN, build

from ._build import context, world

KEY = LocalKey(b"\x07" * 32)


async def sign_as_seven(document):
    """What a settings' ``signer`` may name."""
    return await KEY.sign(document)


def test_the_entry_point_has_the_name_of_the_type():
    (found,) = [one for one in entry_points(group="purveyor") if one.name == "virtengine"]
    assert found.value == "purveyor_virtengine._plugin"
    assert PLUGIN.name == "virtengine"
    assert files("purveyor_virtengine").joinpath("py.typed").is_file()


def test_looking_at_the_descriptor_loads_nothing_heavy():
    code = "import sys, purveyor_virtengine._plugin; print(*{'aiohttp', 'coincurve', 'msgspec'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_each_facet_that_is_declared_is_there():
    async with world() as here:
        endpoint = await here.endpoint(here.cloud.daemons[0])
        assert isinstance(here.chain, Deployments)
        assert isinstance(here.chain, Discovery)
        assert all(isinstance(here.chain, FACETS[name]) for name in PLUGIN.facets)
        assert all(isinstance(endpoint, FACETS[name]) for name in PLUGIN.discovered_facets)
        await endpoint.aclose()
        await endpoint.aclose()


async def test_an_idle_provider_holds_no_connection():
    async with world() as here:
        await here.endpoint(here.cloud.daemons[0])
        assert here.cloud.daemons[0].connections == 0


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"key": "00", "mnemonic": "a b"}, "mnemonic"),
        ({"key": "00", "hmac_secret": "s", "principal": "ops"}, "hmac_secret"),
        ({"signer": "a:b"}, "public_key"),
        ({"public_key": "a"}, "public_key"),
        ({"hmac_secret": "s"}, "principal"),
        ({"principal": "ops"}, "principal"),
        ({"key": "canary"}, "key"),
        ({"signer": "no_such_module:sign", "public_key": b64encode(KEY.public).decode()}, "signer"),
    ],
)
async def test_settings_that_do_not_fit_together_are_named(settings, field):
    secrets = {"key", "mnemonic", "hmac_secret"}
    given = {name: SecretRef(text) if name in secrets else text for name, text in settings.items()}
    with pytest.raises(ConfigurationError) as caught:
        await build(Settings(**given), context(base_url="http://127.0.0.1:1"))
    assert caught.value.field == field
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("chain_id", 'a"b'),
        ("prefix", "VE"),
        ("owner", "somebody"),
        ("derivation", "44/118"),
        ("signer", "no colon"),
        ("deployment_format", "{gseq}"),
        ("deployment_format", "{dseq.real}"),
        ("deployment_format", "{dseq!r}"),
        ("deployment_format", "{dseq:>5}"),
        ("deployment_format", "{dseq"),
        ("deployment_format", "{owner}/{dseq}"),
        ("deployment_format", '{dseq}"'),
        ("leases_ttl", 0.0),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_once(setting, value):
    with pytest.raises(ValueError, match="must"):
        Settings(**{setting: value})


async def test_a_signer_somewhere_else_is_found_by_its_name(monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "wallet_of_the_tests", module)
    settings = Settings(signer="wallet_of_the_tests:sign_as_seven", public_key=b64encode(KEY.public).decode())
    home = await _home.make_home(settings, context(base_url="http://127.0.0.1:1"))
    assert home.leases.owner == home.sign.principal
    await home.chain.aclose()
