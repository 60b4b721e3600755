from purveyor.plugin import FACETS, Provider
from purveyor_dcgm._config import Settings
from purveyor_dcgm._plugin import PLUGIN, purveyor_register_providers

from ._build import provider


def test_one_provider_type_is_registered():
    assert purveyor_register_providers() == [PLUGIN]
    assert PLUGIN.name == "dcgm"
    assert PLUGIN.config_type is Settings


async def test_the_provider_has_the_facets_that_are_declared():
    made = await provider("http://127.0.0.1:1")
    assert isinstance(made, Provider)
    assert {name for name, facet in FACETS.items() if isinstance(made, facet)} == PLUGIN.facets
    await made.aclose()
    await made.aclose()
