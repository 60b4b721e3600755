"""The plugin host: what is broken is named with its distribution and hides nothing else."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from purveyor import ConfigurationError, PluginError
from purveyor.engine.plugins import PluginHost
from purveyor.spi.hookspecs import ProviderPlugin

from ._cloud import descriptor, entry, module, virtual

GOOD = """
from purveyor.plugin import ProviderPlugin, hookimpl
import attrs

@attrs.frozen
class Settings:
    pass

async def build(settings, ctx): ...

@hookimpl
def purveyor_register_providers():
    return [
        ProviderPlugin(name=name, factory=build, config_type=Settings, facets=frozenset())
        for name in ("good", "better")
    ]
"""

BROKEN = {
    "a broken import": ("import there_is_no_such_module", "there_is_no_such_module"),
    "a syntax error": ("def :", "SyntaxError"),
    "an exit while it is imported": ("raise SystemExit('bye')", "SystemExit"),
    "a hook with a wrong signature": (
        "from purveyor.plugin import hookimpl\n@hookimpl\ndef purveyor_register_providers(surprise): ...",
        "surprise",
    ),
    "a misspelt hook": (
        "from purveyor.plugin import hookimpl\n@hookimpl\ndef purveyor_register_provider(): return []",
        "purveyor_register_provider",
    ),
    "no hook at all": ("", "registers nothing that is called"),
    "a hook that raises": (
        "from purveyor.plugin import hookimpl\n@hookimpl\ndef purveyor_register_providers(): return 1 / 0",
        "ZeroDivisionError",
    ),
    "a hook that returns nothing": (
        "from purveyor.plugin import hookimpl\n@hookimpl\ndef purveyor_register_providers(): pass",
        "TypeError",
    ),
    "a hook that returns junk": (
        "from purveyor.plugin import hookimpl\n@hookimpl\ndef purveyor_register_providers(): return [5]",
        "int, not ProviderPlugin",
    ),
    "a descriptor under another name": (GOOD.replace('"good", "better"', '"other",'), "called 'broken'"),
    "another version of the interface": (
        GOOD.replace('"good", "better"', '"broken",').replace("facets=", "api_version=99, facets="),
        "plugin API 99",
    ),
    "a facet that there is not": (
        GOOD.replace('"good", "better"', '"broken",').replace("frozenset()", 'frozenset({"teleport"})'),
        "teleport",
    ),
    "settings that are no attrs class": (
        GOOD.replace('"good", "better"', '"broken",').replace("config_type=Settings", "config_type=dict"),
        "config_type",
    ),
}


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[importlib.metadata.EntryPoint] = []

    def install(self, dist: str, code: str, **names: str) -> None:
        """A distribution with one module; ``names`` are entry points, by name and module."""
        stem = f"purveyor_fake_{dist.replace('-', '_')}"
        (self.folder / f"{stem}.py").write_text(code)
        info = self.folder / f"{dist}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        lines = "".join(f"{name} = {at or stem}\n" for name, at in names.items())
        (info / "entry_points.txt").write_text(f"[purveyor]\n{lines}")
        self.entries += importlib.metadata.Distribution.at(info).entry_points

    def host(self, **environ: str) -> PluginHost:
        return PluginHost(self.entries, environ)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("purveyor_fake"):
            del sys.modules[name]


def states(host: PluginHost) -> dict[str, str]:
    return {one.name: one.state for one in host.listing(load=True)}


@pytest.mark.parametrize(("code", "told"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_named_with_its_distribution_and_the_others_work(site, code, told):
    site.install("dist-a", GOOD, good="")
    site.install("dist-b", code, broken="")
    site.install("dist-c", GOOD, better="")
    host = site.host()
    assert states(host) == {"better": "loaded", "broken": "failed", "good": "loaded"}
    with pytest.raises(PluginError) as caught:
        host.provider_type("broken")
    assert "'broken' of dist-b 1.2" in str(caught.value)
    assert told in str(caught.value)
    assert caught.value.details == {"plugin": "broken", "distribution": "dist-b", "version": "1.2"}
    (listed,) = [one for one in host.listing() if one.name == "broken"]
    assert (listed.distribution, listed.version) == ("dist-b", "1.2")
    assert listed.error is not None
    assert host.provider_type("good").name == "good"


def test_the_one_that_came_before_the_broken_one_does_not_matter(site):
    site.install("dist-b", BROKEN["a misspelt hook"][0], abroken="")
    site.install("dist-a", GOOD, good="")
    host = site.host()
    with pytest.raises(PluginError):
        host.provider_type("abroken")
    assert host.provider_type("good").name == "good"


def test_an_interruption_while_loading_is_not_swallowed(site):
    site.install("dist-a", "raise KeyboardInterrupt", good="")
    with pytest.raises(KeyboardInterrupt):
        site.host().provider_type("good")


def test_listing_imports_nothing(site):
    site.install("dist-a", "raise AssertionError('imported')", good="")
    (one,) = site.host().listing()
    assert (one.name, one.distribution, one.state, one.error) == ("good", "dist-a", "available", None)
    assert "purveyor_fake_dist_a" not in sys.modules


def test_only_what_is_asked_for_is_imported(site):
    site.install("dist-a", GOOD, good="")
    site.install("dist-b", "raise AssertionError('imported')", broken="")
    host = site.host()
    host.provider_type("good")
    assert {one.name: one.state for one in host.listing()} == {"good": "loaded", "broken": "available"}


def test_two_distributions_with_one_name_are_both_named_and_neither_is_used(site):
    site.install("dist-a", GOOD, good="", better="")
    site.install("dist-b", GOOD, good="")
    host = site.host()
    with pytest.raises(PluginError, match=r"dist-a 1\.2 and dist-b 1\.2"):
        host.provider_type("good")
    assert host.provider_type("better").name == "better"


def test_one_distribution_that_is_seen_twice_is_no_clash(site):
    site.install("dist-a", GOOD, good="")
    assert PluginHost(site.entries * 2, {}).provider_type("good").name == "good"


def test_one_module_may_stand_under_two_names(site):
    site.install("dist-a", GOOD, good="", better="")
    assert states(site.host()) == {"better": "loaded", "good": "loaded"}


def test_the_environment_allows_and_refuses(site):
    site.install("dist-a", GOOD, good="", better="")
    assert states(site.host(PURVEYOR_PLUGINS=" good , other")) == {"better": "refused", "good": "loaded"}
    assert states(site.host(PURVEYOR_DISABLE_PLUGINS="good")) == {"better": "loaded", "good": "refused"}
    assert states(site.host(PURVEYOR_PLUGINS="good", PURVEYOR_DISABLE_PLUGINS="good")) == {
        "better": "refused",
        "good": "refused",
    }
    assert states(site.host(PURVEYOR_PLUGINS="")) == {"better": "loaded", "good": "loaded"}
    with pytest.raises(PluginError, match="PURVEYOR_DISABLE_PLUGINS"):
        site.host(PURVEYOR_DISABLE_PLUGINS="good").provider_type("good")


def test_what_is_refused_is_not_imported(site):
    site.install("dist-a", "raise AssertionError('imported')", good="")
    host = site.host(PURVEYOR_DISABLE_PLUGINS="good")
    host.listing(load=True)
    with pytest.raises(PluginError, match="refused"):
        host.provider_type("good")


def test_an_unknown_type_comes_with_a_near_match_or_what_to_install(site):
    site.install("dist-a", GOOD, good="")
    with pytest.raises(ConfigurationError, match="did you mean 'good'") as caught:
        site.host().provider_type("goood")
    assert caught.value.details == {"requested_type": "goood", "available_types": ["good"]}
    with pytest.raises(ConfigurationError, match="pip install purveyor-linode"):
        site.host().provider_type("linode")


def test_the_environments_own_plugins_are_found():
    """The group is the one that distributions really use."""
    installed = {one.name for one in importlib.metadata.entry_points(group="purveyor")}
    assert {one.name for one in PluginHost(environ={}).listing()} == installed


def test_each_host_is_its_own(site):
    site.install("dist-a", GOOD, good="")
    one, other = site.host(), site.host()
    one.provider_type("good")
    assert other.listing()[0].state == "available"
    assert other.provider_type("good").name == "good"


def test_the_example_in_the_hooks_docstring_works(world):
    from purveyor.spi.hookspecs import purveyor_register_providers

    code = purveyor_register_providers.__doc__.split("```python")[1].split("```")[0]
    lines = [line[8:] for line in code.splitlines()]
    made = module("purveyor_fake_example")
    exec("\n".join(lines), vars(made))
    assert PluginHost([entry("lamp", made.__name__)], {}).provider_type("lamp").name == "lamp"


@virtual
async def test_a_provider_that_lacks_a_declared_facet_is_an_error_of_its_own(world):
    class Empty:
        async def check_health(self, call): ...

        async def aclose(self): ...

    async def build(settings, ctx):
        return Empty()

    hook = lambda: [descriptor("empty", factory=build, facets=frozenset({"compute"}))]  # noqa: E731
    module("purveyor_fake_empty", hook)
    world.add("a").hold(1)
    async with world.client(
        more=(entry("empty", "purveyor_fake_empty"),), extra=({"name": "e", "type": "empty"},)
    ) as client:
        view = await client.list_instances().collect()
    assert isinstance(view.failures["e"], PluginError)
    assert "compute" in str(view.failures["e"])
    assert len(view.items) == 1


@virtual
async def test_a_factory_that_fails_is_an_error_of_that_provider(world):
    async def build(settings, ctx):
        raise ValueError("canary")

    module("purveyor_fake_bad", lambda: [descriptor("bad", factory=build, facets=frozenset({"compute"}))])
    world.add("a").hold(1)
    async with world.client(
        more=(entry("bad", "purveyor_fake_bad"),), extra=({"name": "b", "type": "bad"},)
    ) as client:
        view = await client.list_instances().collect()
    assert isinstance(view.failures["b"], PluginError)
    assert "canary" not in str(view.failures["b"])
    assert len(view.items) == 1


def test_a_descriptor_says_what_its_type_can_do():
    plugin = descriptor("x", capabilities=frozenset({"gpu"}))
    assert isinstance(plugin, ProviderPlugin)
    assert hash(plugin)
