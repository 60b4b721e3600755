import pytest

from purveyor.plugin import (
    Action,
    ActionRequest,
    CreateRequest,
    Effect,
    InvalidActionError,
    Outcome,
    SecretRef,
    ValidationError,
)
from purveyor_digitalocean._bodies import DEEDS, action_body, create_body
from purveyor_digitalocean._config import Settings
from purveyor_digitalocean._keys import fingerprint
from purveyor_testing.context import MARK

from ._build import FINGERPRINT, KEY


def body(settings=None, mark=MARK, home=None, **request):
    request = CreateRequest(**{"name": "web-1", "plan": "s-1vcpu-1gb", "image": "debian-12-x64", **request})
    return create_body(request, Settings(token=SecretRef("t"), **(settings or {})), mark, home)


def test_the_least():
    assert body() == {
        "name": "web-1",
        "size": "s-1vcpu-1gb",
        "image": "debian-12-x64",
        "ipv6": False,
        "monitoring": False,
        "backups": False,
        "tags": [MARK.text],
    }


def test_everything():
    settings = {
        "vpc_uuid": "v",
        "ipv6": True,
        "monitoring": True,
        "backups": True,
        "tags": ["all"],
    }
    made = body(
        settings,
        region="ams3",
        user_data="#!/bin/sh",
        tags=("web", "all"),
        extra={"volumes": ["x"], "tags": ["more"]},
    )
    assert made["region"] == "ams3"
    assert made["vpc_uuid"] == "v"
    assert made["ipv6"] is made["monitoring"] is made["backups"] is True
    assert made["user_data"] == "#!/bin/sh"
    assert made["volumes"] == ["x"]
    assert made["tags"] == ["all", "web", "more", MARK.text]


def test_a_request_says_more_than_the_settings():
    assert body({"ipv6": True}, extra={"ipv6": False})["ipv6"] is False


@pytest.mark.parametrize(
    ("home", "region", "applies"),
    [
        ("ams3", "ams3", True),
        ("ams3", None, True),
        ("ams3", "nyc3", False),
        ("nl", "ams3", True),
        ("Amsterdam", "ams2", True),
        ("nl", "nyc3", False),
        # Where nobody says which region the VPC is in, DigitalOcean tells whether it is the right one.
        (None, "nyc3", True),
        (None, None, True),
    ],
)
def test_a_vpc_is_for_the_region_of_the_settings(home, region, applies):
    made = body({"vpc_uuid": "v"}, home=home, region=region)
    assert made.get("vpc_uuid") == ("v" if applies else None)
    assert made.get("region") == region


def test_images_without_a_slug_go_by_number():
    assert body(image="155133621")["image"] == 155133621


def test_user_data_may_be_64_kib():
    assert len(body(user_data="ä" * 32768)["user_data"]) == 32768


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"mark": None}, "mark"),
        ({"user_data": "ä" * 32769}, "user_data"),
        ({"extra": {"names": ["a", "b"]}}, "per_provider"),
        ({"extra": {"size": "s-8vcpu-16gb"}}, "per_provider"),
        ({"extra": {"tags": "web"}}, "per_provider"),
        ({"user_data": "\ud800"}, "user_data"),
    ],
)
def test_what_is_refused_here(request_, field):
    with pytest.raises(ValidationError) as caught:
        body(**request_)
    assert (caught.value.field, caught.value.outcome) == (field, Outcome.NOT_SENT)


def test_the_limit_of_user_data_is_named():
    with pytest.raises(ValidationError, match=r"65537 bytes.*65536"):
        body(user_data="x" * 65537)


@pytest.mark.parametrize(
    ("action", "parameters", "effect", "expected"),
    [
        (Action.START, {}, Effect.CONVERGE, {"type": "power_on"}),
        (Action.STOP, {}, Effect.CONVERGE, {"type": "shutdown"}),
        (Action.POWER_OFF, {}, Effect.CONVERGE, {"type": "power_off"}),
        (Action.REBOOT, {}, Effect.ONCE, {"type": "reboot"}),
        (Action.POWER_CYCLE, {}, Effect.ONCE, {"type": "power_cycle"}),
        (Action.RESIZE, {"plan": "c-2"}, Effect.ONCE, {"type": "resize", "size": "c-2", "disk": False}),
        (
            Action.RESIZE,
            {"plan": "c-2", "disk": "true"},
            Effect.ONCE,
            {"type": "resize", "size": "c-2", "disk": True},
        ),
        (
            Action.REBUILD,
            {"image": "debian-12-x64"},
            Effect.ONCE,
            {"type": "rebuild", "image": "debian-12-x64"},
        ),
        (Action.REBUILD, {"image": "42"}, Effect.ONCE, {"type": "rebuild", "image": 42}),
        (Action.SNAPSHOT, {"name": "s"}, Effect.ONCE, {"type": "snapshot", "name": "s"}),
        (Action.RENAME, {"name": "n"}, Effect.CONVERGE, {"type": "rename", "name": "n"}),
    ],
)
def test_actions(action, parameters, effect, expected):
    assert action_body(ActionRequest(id="5", action=action, parameters=parameters)) == (effect, expected)


def test_there_is_a_deed_for_every_action():
    assert set(DEEDS) == set(Action)


@pytest.mark.parametrize(
    ("action", "parameters", "field"),
    [
        (Action.RESIZE, {}, "plan"),
        (Action.RESIZE, {"plan": "c-2", "disk": "maybe"}, "disk"),
        (Action.REBUILD, {"image": ""}, "image"),
        (Action.SNAPSHOT, {}, "name"),
        (Action.RENAME, {}, "name"),
        (Action.REBOOT, {"name": "x"}, "name"),
    ],
)
def test_parameters_are_checked(action, parameters, field):
    with pytest.raises(InvalidActionError) as caught:
        action_body(ActionRequest(id="5", action=action, parameters=parameters))
    assert (caught.value.field, caught.value.outcome) == (field, Outcome.NOT_SENT)


def test_fingerprints_are_those_of_ssh_keygen():
    assert (
        fingerprint(KEY) == fingerprint(f"  {KEY}\n") == fingerprint(" ".join(KEY.split()[:2])) == FINGERPRINT
    )


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 ???", f"{KEY}\n{KEY}", "-----BEGIN"])
def test_what_is_no_key(text):
    with pytest.raises(ValidationError) as caught:
        fingerprint(text)
    assert (caught.value.field, caught.value.outcome) == ("ssh_keys", Outcome.NOT_SENT)
