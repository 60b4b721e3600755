"""Configuration: every form is read, every mistake is told at once with its place, no secret is ever told."""

import json
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor import ConfigurationError, MissingCredentialsError, MultiProviderClient, PluginError
from purveyor.config import FILE_NAMES, find_file, load_configuration, read_file
from purveyor.engine.secrets import resolve_secret
from purveyor.policy.selection import STRATEGIES
from purveyor.spi.call import SecretRef

from ._cloud import descriptor, entry, module, virtual

ONE = {"name": "a", "type": "fake"}


def mistakes(world, data, environ=None) -> dict[str, str]:
    """Path to message, of a configuration that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(data, world.host(), environ=environ or {})
    found = caught.value.details["mistakes"]
    assert all(one["path"] in str(caught.value) for one in found)
    assert all(one["message"] in str(caught.value) for one in found)
    return {one["path"]: one["message"] for one in found}


def load(world, data, **environ):
    return load_configuration(data, world.host(), environ=environ)


FLAT = {
    "selection_policy": "round_robin",
    "default_provider_type": "fake",
    "default_provider_instance": "a",
    "state": "memory",
    "limits": {"max_price_per_hour": "2.00", "max_instances": 20},
    "providers": [
        {
            "name": "a",
            "type": "fake",
            "priority": 3,
            "weight": 7,
            "capabilities": ["gpu"],
            "config": {"token": "env:TOKEN", "zones": ["x", "y"], "timeout": 5, "max_concurrency": 2},
        },
        {"name": "b", "type": "plain", "enabled": False},
    ],
}


class TestForms:
    def test_flat(self, world):
        got = load(world, FLAT)
        first, second = got.providers
        assert (got.selection_policy, got.default_provider_type) == ("round_robin", "fake")
        assert (got.default_provider_instance, got.state_dir) == ("a", None)
        assert (got.limits.max_price_per_hour, got.limits.max_instances) == (Decimal("2.00"), 20)
        assert (first.name, first.type, first.priority, first.weight) == ("a", "fake", 3, 7)
        assert first.capabilities == {"gpu"}
        assert (first.settings.timeout, first.settings.max_concurrency) == (5.0, 2)
        assert (first.own.token, first.own.zones) == (SecretRef("env:TOKEN"), ("x", "y"))
        assert (second.enabled, second.priority, second.weight, second.capabilities) == (False, 0, 100, None)

    @pytest.mark.parametrize("key", ["providers", "provider"])
    def test_nested_and_the_host_factorys(self, world, key):
        outside = {"state", "limits"}
        nested = {name: value for name, value in FLAT.items() if name not in outside}
        data = {key: nested, **{name: FLAT[name] for name in outside}}
        assert load(world, data) == load(world, FLAT)

    def test_all_files_say_the_same(self, world, tmp_path):
        texts = {
            "c.json": json.dumps(FLAT),
            "c.yaml": json.dumps(FLAT),  # JSON is YAML
            "c.toml": """
                selection_policy = "round_robin"
                default_provider_type = "fake"
                default_provider_instance = "a"
                state = "memory"
                limits = {max_price_per_hour = "2.00", max_instances = 20}
                [[providers]]
                name = "a"
                type = "fake"
                priority = 3
                weight = 7
                capabilities = ["gpu"]
                config = {token = "env:TOKEN", zones = ["x", "y"], timeout = 5, max_concurrency = 2}
                [[providers]]
                name = "b"
                type = "plain"
                enabled = false
            """,
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            assert load(world, read_file(tmp_path / name)) == load(world, FLAT)

    def test_a_heading_whose_every_line_is_a_comment_is_as_good_as_none(self, world, tmp_path):
        path = tmp_path / "c.yaml"
        path.write_text("limits:\n  # max_instances: 3\nproviders:\n- name: a\n  type: fake\n  config:\n")
        assert load(world, read_file(path)) == load(world, {"providers": [ONE]})

    @pytest.mark.parametrize(
        ("word", "strategy"),
        [
            *((name.upper(), name) for name in STRATEGIES),
            ("Weighted-Round-Robin", "weighted_round_robin"),
            ("FIRST_AVAILABLE", "priority"),
            ("CAPABILITY_BASED", "capability"),
            ("FASTEST_RESPONSE", "lowest_latency"),
            ("LEAST_CONNECTIONS", "least_inflight"),
            ("HEALTH_BASED", "priority"),
        ],
    )
    def test_a_policy_in_any_case_and_by_the_host_factorys_names(self, world, word, strategy):
        assert load(world, {"selection_policy": word}).selection_policy == strategy

    def test_state_folder(self, world, monkeypatch):
        monkeypatch.setenv("HOME", "/home/me")
        assert load(world, {"state_dir": "~/x"}).state_dir == Path("/home/me/x")
        assert load(world, {}).state_dir.name == "purveyor"
        assert load(world, {"state": "memory", "state_dir": "/x"}).state_dir is None


class TestTheEnvironment:
    def test_variables_and_their_defaults(self, world):
        data = {"providers": [{**ONE, "config": {"zones": ["${A}-${B:-b}", "${C:-}", "$D", "${E:-x:-y}"]}}]}
        got = load(world, data, A="1", B="", D="no")
        assert got.providers[0].own.zones == ("1-b", "", "$D", "x:-y")

    def test_numbers_and_switches_may_come_from_it(self, world):
        data = {
            "limits": {"max_price_per_hour": "${P}", "max_instances": "${M}"},
            "providers": [{**ONE, "weight": "${W:-10}", "enabled": "${E}", "config": {"timeout": "${T}"}}],
        }
        got = load(world, data, P="1.5", M="3", E="true", T="2.5")
        assert (got.limits.max_price_per_hour, got.limits.max_instances) == (Decimal("1.5"), 3)
        assert (got.providers[0].weight, got.providers[0].enabled) == (10, True)
        assert got.providers[0].settings.timeout == 2.5

    def test_text_that_looks_like_a_number_stays_text(self, world):
        data = {"providers": [{**ONE, "name": "${N}", "config": {"region": "${R}", "token": "${T}"}}]}
        (got,) = load(world, data, N="7", R="10", T="123456").providers
        assert (got.name, got.settings.region, got.own.token.reference) == ("7", "10", "123456")
        assert type(got.name) is type(got.settings.region) is str

    def test_what_is_not_set_is_a_mistake_with_its_place(self, world):
        data = {"providers": {"providers": [{**ONE, "config": {"zones": ["x", "${NOT_SET}"]}}]}}
        found = mistakes(world, data)
        assert list(found) == ["providers.providers[0].config.zones[1]"]
        assert "NOT_SET" in found["providers.providers[0].config.zones[1]"]

    def test_what_it_holds_is_never_told(self, world):
        data = {
            "selection_policy": "priority",
            "providers": [{**ONE, "weight": "${X}", "config": {"timeout": "${X}", "zones": "${X}"}}],
        }
        assert "canary" not in str(mistakes(world, data, {"X": "canary"}))


MISTAKES = {
    "no mapping": (None, {"": "must be a mapping"}),
    "a list": ([], {"": "must be a mapping"}),
    "text": ("providers", {"": "must be a mapping"}),
    "unknown key": ({"providrs": []}, {"providrs": "did you mean 'providers'?"}),
    "key that is no text": ({5: 1}, {"5": "no setting"}),
    "providers of the wrong type": ({"providers": 5}, {"providers": "must be a list, not 5"}),
    "providers as text": ({"providers": "a"}, {"providers": "must be a list"}),
    "provider of the wrong type": ({"providers": ["a"]}, {"providers[0]": "must be a mapping"}),
    "no name, no type": (
        {"providers": [{}]},
        {"providers[0].name": "is missing", "providers[0].type": "is missing"},
    ),
    "unknown type": (
        {"providers": [{"name": "a", "type": "fak"}]},
        {"providers[0].type": "did you mean 'fake'?"},
    ),
    "weight 0": ({"providers": [{**ONE, "weight": 0}]}, {"providers[0].weight": "above zero, not 0"}),
    "weight -1": ({"providers": [{**ONE, "weight": -1}]}, {"providers[0].weight": "above zero, not -1"}),
    "weight ten": (
        {"providers": [{**ONE, "weight": "ten"}]},
        {"providers[0].weight": "whole number, not 'ten'"},
    ),
    "weight 1.5": ({"providers": [{**ONE, "weight": 1.5}]}, {"providers[0].weight": "whole number, not 1.5"}),
    "weight true": (
        {"providers": [{**ONE, "weight": True}]},
        {"providers[0].weight": "whole number, not True"},
    ),
    "weight null": ({"providers": [{**ONE, "weight": None}]}, {"providers[0].weight": "not nothing"}),
    "enabled yes": ({"providers": [{**ONE, "enabled": "yes"}]}, {"providers[0].enabled": "true or false"}),
    "enabled 1": ({"providers": [{**ONE, "enabled": 1}]}, {"providers[0].enabled": "true or false, not 1"}),
    "capabilities as text": (
        {"providers": [{**ONE, "capabilities": "gpu"}]},
        {"providers[0].capabilities": "must be a list"},
    ),
    "a capability that is no text": (
        {"providers": [{**ONE, "capabilities": ["gpu", 5]}]},
        {"providers[0].capabilities[1]": "must be text, not 5"},
    ),
    "unknown key of a provider": (
        {"providers": [{**ONE, "weigth": 5}]},
        {"providers[0].weigth": "did you mean 'weight'?"},
    ),
    "unknown setting of a type": (
        {"providers": [{**ONE, "config": {"tokn": "x"}}]},
        {"providers[0].config.tokn": "did you mean 'token'?"},
    ),
    "misspelt common setting": (
        {"providers": [{**ONE, "config": {"timeuot": 5}}]},
        {"providers[0].config.timeuot": "did you mean 'timeout'?"},
    ),
    "common settings out of range": (
        {"providers": [{**ONE, "config": {"timeout": 0, "max_concurrency": 0, "visibility_grace": -1}}]},
        {
            "providers[0].config.timeout": "above zero",
            "providers[0].config.max_concurrency": "above zero",
            "providers[0].config.visibility_grace": "negative",
        },
    ),
    "numbers without end": (
        {"providers": [{**ONE, "config": {"timeout": float("inf"), "late_commit_bound": float("nan")}}]},
        {"providers[0].config.timeout": "a number", "providers[0].config.late_commit_bound": "a number"},
    ),
    "config of the wrong type": (
        {"providers": [{**ONE, "config": "secret"}]},
        {"providers[0].config": "must be a mapping"},
    ),
    "unknown key of the limits": (
        {"limits": {"max_instnces": 5}},
        {"limits.max_instnces": "did you mean 'max_instances'?"},
    ),
    "limits that limit nothing": (
        {"limits": {"max_instances": 0, "max_price_per_hour": -1}},
        {"limits.max_instances": "above zero", "limits.max_price_per_hour": "above zero"},
    ),
    "a limit that is no number": (
        {"limits": {"max_price_per_hour": "nan", "max_instances": "3"}},
        {"limits.max_price_per_hour": "a number", "limits.max_instances": "whole number"},
    ),
    "unknown policy": ({"selection_policy": "prioritty"}, {"selection_policy": "did you mean 'priority'?"}),
    "unknown state": ({"state": "disk"}, {"state": "'memory'"}),
    "unknown default provider": (
        {"default_provider_instance": "aa", "providers": [{"name": "aaa", "type": "fake"}]},
        {"default_provider_instance": "did you mean 'aaa'?"},
    ),
    "unknown default type": (
        {"default_provider_type": "fkae", "providers": [ONE]},
        {"default_provider_type": "did you mean 'fake'?"},
    ),
    "two of one name": ({"providers": [ONE, ONE]}, {"providers[1].name": "already the name of providers[0]"}),
    "a name with a slash": (
        {"providers": [{"name": "a/b", "type": "fake"}]},
        {"providers[0].name": "letters, digits"},
    ),
    "no such source of secrets": (
        {"providers": [{**ONE, "config": {"token": "evn:TOKEN"}}]},
        {"providers[0].config.token": "did you mean 'env:'?"},
    ),
    "a secret that is a number": (
        {"providers": [{**ONE, "config": {"token": 5}}]},
        {"providers[0].config.token": "must be text such as env:NAME"},
    ),
    "an empty secret": (
        {"providers": [{**ONE, "config": {"token": ""}}]},
        {"providers[0].config.token": "must be text such as env:NAME"},
    ),
    "places in the nested form": (
        {"providers": {"bogus": 1, "providers": [{**ONE, "weight": 0}]}, "odd": 1},
        {
            "providers.bogus": "no setting",
            "odd": "no setting",
            "providers.providers[0].weight": "above zero",
        },
    ),
    "places in the host factory's form": (
        {"provider": {"selection_policy": 5, "providers": [{"name": "a"}]}},
        {"provider.selection_policy": "must be text", "provider.providers[0].type": "is missing"},
    ),
    "all at once": (
        {
            "selection_policy": "nope",
            "state": "disk",
            "limits": {"x": 1},
            "odd": 1,
            "providers": [
                {"name": "a", "type": "fake", "weight": 0, "config": {"tokn": 1, "timeout": 0}},
                {"type": "fake", "config": {"zones": 5}},
                {"name": "a", "type": "fakee", "enabled": 1},
            ],
        },
        {
            "odd": "no setting",
            "limits.x": "no setting",
            "providers[0].weight": "above zero",
            "providers[0].config.tokn": "no setting",
            "providers[0].config.timeout": "above zero",
            "providers[1].name": "is missing",
            "providers[1].config.zones": "must be a list, not 5",
            "providers[2].enabled": "true or false",
            "providers[2].name": "already",
            "providers[2].type": "did you mean 'fake'?",
        },
    ),
}


@pytest.mark.parametrize(("data", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_every_mistake_is_told_with_its_place(world, data, expected):
    found = mistakes(world, data)
    assert found.keys() == expected.keys()
    for path, part in expected.items():
        assert part in found[path]


def test_nesting_without_end_is_a_mistake(world):
    data = inner = {}
    for _ in range(5000):
        inner["x"] = inner = {}
    assert mistakes(world, {"providers": data}) == {"": "is nested too deeply"}
    inner["x"] = data
    assert mistakes(world, {"providers": data}) == {"": "is nested too deeply"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "providers",
                    "provider",
                    "name",
                    "type",
                    "config",
                    "limits",
                    "weight",
                    "token",
                    "x",
                    "capabilities",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(data=JUNK, entries=st.lists(JUNK, max_size=3))
def test_whatever_is_written_is_read_or_told(data, entries):
    """Anything but a configuration or a ConfigurationError is a bug."""
    from purveyor.engine.plugins import PluginHost

    host = PluginHost([], {})
    for one in (data, {"providers": entries}, {"providers": [{**ONE, "config": data}]}):
        try:
            load_configuration(one, host, environ={})
        except ConfigurationError as error:
            assert error.details["mistakes"]  # noqa: PT017 - either is fine


class TestProviderTypes:
    def test_a_disabled_one_needs_no_plugin(self, world):
        got = load(world, {"providers": [{"name": "a", "type": "nowhere", "enabled": False}]})
        assert got.providers[0].plugin is None

    def test_a_broken_plugin_is_kept_as_that_providers_error(self, world):
        world.environ["PURVEYOR_DISABLE_PLUGINS"] = "plain"
        got = load(world, {"providers": [ONE, {"name": "b", "type": "plain"}]})
        assert [type(one.error) for one in got.providers] == [type(None), PluginError]

    @pytest.mark.parametrize("name", ["late", "odd"])
    def test_settings_that_nobody_can_read_are_the_plugins_fault(self, world, name):
        @attrs.frozen
        class Late:
            x: "NoSuchType" = 1  # noqa: F821 - that is the point

        @attrs.frozen
        class Odd:
            x: object = attrs.field(default=1, validator=lambda *_: 1 / 0)

        config_type = {"late": Late, "odd": Odd}[name]
        module("purveyor_fake_x", lambda: [descriptor("x", config_type=config_type)])
        host = world.host(entry("x", "purveyor_fake_x"))
        got = load_configuration(
            {"providers": [ONE, {"name": "b", "type": "x", "config": {"x": 1}}]}, host, environ={}
        )
        assert isinstance(got.providers[1].error, PluginError)
        assert got.providers[0].error is None

    def test_a_types_own_rules_are_told_beside_the_field(self, world):
        @attrs.frozen
        class Inner:
            size: int = attrs.field(default=1, validator=attrs.validators.ge(1))

        @attrs.frozen
        class Own:
            inner: Inner | None = None
            color: str = attrs.field(default="red", validator=attrs.validators.in_(("red", "blue")))
            sizes: dict[str, int] = attrs.field(factory=dict)

        module("purveyor_fake_own", lambda: [descriptor("own", config_type=Own)])
        host = world.host(entry("own", "purveyor_fake_own"))

        def attempt(config):
            data = {"providers": [{"name": "a", "type": "own", "config": config}]}
            return load_configuration(data, host, environ={}).providers[0].own

        assert attempt({"inner": {"size": 3}, "sizes": {"a": 1}}) == Own(inner=Inner(3), sizes={"a": 1})
        with pytest.raises(ConfigurationError) as caught:
            attempt({"inner": {"size": 0}, "color": "red", "sizes": {"a": "1"}})
        assert {one["path"] for one in caught.value.details["mistakes"]} == {
            "providers[0].config.inner.size",
            "providers[0].config.sizes.a",
        }
        with pytest.raises(ConfigurationError) as caught:
            attempt({"color": "green"})
        assert caught.value.field == "providers[0].config.color"


class TestYaml:
    def read(self, tmp_path, text, name="c.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_file(path)

    @pytest.mark.parametrize(
        "word",
        [
            "yes",
            "no",
            "on",
            "off",
            "Yes",
            "TRUE",
            "False",
            "y",
            "2026-01-01",
            "010",
            "0x1F",
            "22:22",
            "1_000",
            ".inf",
            ".nan",
            "1e",
            "=",
        ],
    )
    def test_what_looks_like_something_else_stays_text(self, tmp_path, word):
        assert self.read(tmp_path, f"x: {word}") == {"x": word}

    @pytest.mark.parametrize(
        ("word", "value"),
        [
            ("true", True),
            ("false", False),
            ("7", 7),
            ("-7", -7),
            ("0", 0),
            ("2.50", 2.5),
            ("1e3", 1000.0),
            ("null", None),
            ("~", None),
            ("", None),
        ],
    )
    def test_what_is_plainly_something_else_is_that(self, tmp_path, word, value):
        got = self.read(tmp_path, f"x: {word}")
        assert got == {"x": value}
        assert type(got["x"]) is type(value)

    @given(value=st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers_are_read_as_python_writes_them(self, value):
        from purveyor.config._yaml import load_yaml

        assert load_yaml(f"x: {json.dumps(value)}") == {"x": value}

    @pytest.mark.parametrize("name", ["c.yaml", "c.json", "c.toml"])
    def test_a_key_that_is_there_twice_is_refused(self, tmp_path, name):
        text = {
            "c.yaml": "a: 1\nb:\n  x: 1\n  x: 2\n",
            "c.json": '{"b": {"x": 1, "x": 2}}',
            "c.toml": "x=1\nx=2\n",
        }
        with pytest.raises(ConfigurationError) as caught:
            self.read(tmp_path, text[name], name)
        assert name in str(caught.value)
        if name == "c.yaml":
            assert "line 4" in str(caught.value)

    def test_merging_is_no_repetition(self, tmp_path):
        text = "x:\n  y: &a {<<: &base {k: 1, m: 1}, k: 2}\nb: {<<: *a, k: 3}\n"
        got = self.read(tmp_path, text)
        assert got == {"x": {"y": {"k": 2, "m": 1}}, "b": {"k": 3, "m": 1}}

    def test_aliases_may_be_used_and_may_not_explode(self, tmp_path):
        shared = "base: &b {timeout: 5}\nall: [" + ", ".join(["*b"] * 500) + "]\n"
        assert len(self.read(tmp_path, shared)["all"]) == 500
        bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in range(1, 9):
            bomb += f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 10) + "]\n"
        with pytest.raises(ConfigurationError, match="100000 values"):
            self.read(tmp_path, bomb)
        with pytest.raises(ConfigurationError, match="100000 values"):
            self.read(tmp_path, "a: &a [1, *a]\n")

    @pytest.mark.parametrize(
        ("name", "text"),
        [("c.yaml", "[" * 50_000), ("c.json", "[" * 50_000), ("c.toml", "x=" + "[" * 50_000)],
    )
    def test_depth_without_end_is_refused(self, tmp_path, name, text):
        with pytest.raises(ConfigurationError):
            self.read(tmp_path, text, name)

    @pytest.mark.parametrize(
        "text",
        [
            "token: canary\n bad: indent",
            "token: 'canary",
            "token: canary\ntoken: canary",
            "{token: canary",
            "token: canary\n\tx: 1",
            "x: *canary-is-no-anchor\ntoken: canary2",
            "token: !!python/object:os.system canary",
        ],
    )
    def test_what_cannot_be_parsed_says_where_and_quotes_nothing(self, tmp_path, text):
        with pytest.raises(ConfigurationError, match="line") as caught:
            self.read(tmp_path, text)
        assert "token: " not in str(caught.value)
        assert "canary\n" not in str(caught.value) + "\n"

    def test_a_large_file_takes_no_square_of_its_size(self, tmp_path):
        """Twenty thousand keys: a look at every pair of them would not end in time."""
        text = "".join(f"k{number}: 1\n" for number in range(20_000))
        assert len(self.read(tmp_path, text)) == 20_000


class TestFiles:
    def test_the_first_that_is_found(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
        with pytest.raises(ConfigurationError) as caught:
            find_file(environ={})
        assert caught.value.details["looked_in"] == [str(tmp_path), str(tmp_path / "user" / "purveyor")]
        (tmp_path / "user" / "purveyor").mkdir(parents=True)
        (tmp_path / "user" / "purveyor" / "purveyor.yaml").touch()
        assert find_file(environ={}) == tmp_path / "user" / "purveyor" / "purveyor.yaml"
        for name in reversed(FILE_NAMES):
            (tmp_path / name).touch()
            assert find_file(environ={}) == Path(name)
        assert find_file(environ={"PURVEYOR_CONFIG": "x.toml"}) == Path("x.toml")
        assert find_file("y.toml", {"PURVEYOR_CONFIG": "x.toml"}) == Path("y.toml")

    def test_one_that_is_missing_or_no_file_is_named(self, tmp_path):
        for path in (tmp_path / "nope.yaml", tmp_path):
            with pytest.raises(ConfigurationError, match="cannot be read") as caught:
                read_file(path)
            assert caught.value.details == {"path": str(path)}

    @pytest.mark.parametrize("name", ["c.yaml", "c.json", "c.toml"])
    def test_bytes_that_are_no_text_are_refused(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigurationError, match="cannot be parsed"):
            read_file(tmp_path / name)

    def test_a_client_names_the_file_in_its_complaint(self, tmp_path):
        path = tmp_path / "c.yaml"
        path.write_text("nope: 1")
        with pytest.raises(ConfigurationError, match=str(path)):
            MultiProviderClient.from_file(path, environ={})


class TestSecrets:
    async def test_from_the_environment_from_a_file_and_as_they_are(self, tmp_path):
        (tmp_path / "secret").write_text("  from file\n")
        environ = {"TOKEN": " from env \n"}
        for reference, value in (
            ("env:TOKEN", "from env"),
            (f"file:{tmp_path / 'secret'}", "from file"),
            ("plain", "plain"),
        ):
            secret = await resolve_secret(SecretRef(reference), "a", environ)
            assert secret.reveal() == value

    @pytest.mark.parametrize(
        "reference", ["env:MISSING", "env:EMPTY", "file:/nowhere/at/all", "file:BINARY", "  "]
    )
    async def test_one_that_is_not_there_is_named_by_its_place(self, tmp_path, reference):
        (tmp_path / "binary").write_bytes(b"\xff\xff")
        reference = reference.replace("BINARY", str(tmp_path / "binary"))
        with pytest.raises(MissingCredentialsError) as caught:
            await resolve_secret(SecretRef(reference), "a", {"EMPTY": " "})
        assert caught.value.provider == "a"
        if reference.strip():
            assert caught.value.details["reference"] == reference

    @virtual
    async def test_they_are_fetched_late_and_a_missing_one_is_its_own_providers_trouble(self, world):
        world.add("a", config={"token": "env:NOT_THERE"}).hold(1)
        world.add("b").hold(1)
        async with world.client() as client:
            view = await client.list_instances().collect()
        assert isinstance(view.failures["a"], MissingCredentialsError)
        assert [one.id for one in view.items] == ["b0"]

    def test_a_client_looks_them_up_where_it_looks_up_variables(self, world):
        world.add("a", config={"token": "env:ONLY_HERE"})
        client = MultiProviderClient.from_config(
            {"state": "memory", "providers": [world.clouds["a"].entry]},
            plugins=world.host(),
            environ={"ONLY_HERE": "x"},
        )
        assert client._around.environ == {"ONLY_HERE": "x"}

    def test_they_are_in_no_repr_and_in_no_mistake(self, world):
        data = {"providers": [{**ONE, "config": {"token": "canary-token", "tokn": "canary-2"}}]}
        assert "canary" not in str(mistakes(world, data))
        for colon in ("canary:secret", "user:canary"):
            data = {"providers": [{**ONE, "config": {"token": colon}}]}
            assert "canary" not in str(mistakes(world, data))
        got = load(world, {"providers": [{**ONE, "config": {"token": "canary"}}]})
        assert "canary" not in repr(got)
        data = {"providers": [{**ONE, "config": "canary-token"}]}
        assert "canary" not in str(mistakes(world, data))
