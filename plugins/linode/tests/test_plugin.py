import subprocess
import sys

import pytest

from purveyor.plugin import FACETS, ConfigurationError, Provider, SecretRef
from purveyor_linode._config import Settings
from purveyor_linode._plugin import PLUGIN, purveyor_register_providers

from ._build import provider

HEAVY = ("aiohttp", "httpx", "msgspec")


def test_one_provider_type_is_registered():
    assert purveyor_register_providers() == [PLUGIN]
    assert PLUGIN.name == "linode"
    assert PLUGIN.config_type is Settings
    assert {"linodes", "gpu", "ipv6", "ssh_keys", "tags", "user_data"} <= PLUGIN.capabilities


def test_the_descriptor_imports_nothing_heavy():
    code = "import sys, purveyor_linode._plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name.partition(".")[0] for name in loaded.split()} & set(HEAVY)


async def test_the_provider_has_the_facets_that_are_declared():
    made = await provider("http://127.0.0.1:1/v4")
    assert isinstance(made, Provider)
    assert {name for name, facet in FACETS.items() if isinstance(made, facet)} == PLUGIN.facets
    await made.aclose()
    await made.aclose()


async def test_a_token_is_not_sent_in_the_clear():
    with pytest.raises(ConfigurationError):
        await provider("http://api.linode.com/v4")


def test_settings_do_not_show_the_token():
    assert "canary" not in repr(Settings(token=SecretRef("canary")))
