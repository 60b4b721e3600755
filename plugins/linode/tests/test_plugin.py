import pytest

from purveyor.plugin import ConfigurationError, SecretRef
from purveyor_linode._config import Settings
from purveyor_linode._plugin import PLUGIN, purveyor_register_providers

from ._build import provider


def test_one_provider_type_is_registered():
    assert purveyor_register_providers() == [PLUGIN]
    assert PLUGIN.name == "linode"
    assert PLUGIN.config_type is Settings
    assert {"linodes", "gpu", "ipv6", "ssh_keys", "tags", "user_data"} <= PLUGIN.capabilities


async def test_a_token_is_not_sent_in_the_clear():
    with pytest.raises(ConfigurationError):
        await provider("http://api.linode.com/v4")


def test_settings_do_not_show_the_token():
    assert "canary" not in repr(Settings(token=SecretRef("canary")))
