import base64

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
from purveyor_linode._bodies import DEEDS, Step, action_step, create_body
from purveyor_linode._config import Settings
from purveyor_testing.context import MARK

from ._build import KEY

SECRET = "canary-PASSWORD-0"


def body(settings=None, mark=MARK, **request):
    request = CreateRequest(
        **{"name": "web-1", "plan": "g6-nanode-1", "image": "linode/debian12", "ssh_keys": (KEY,), **request}
    )
    return create_body(request, Settings(token=SecretRef("t"), **(settings or {})), mark, lambda: SECRET)


def step(action, **parameters):
    return action_step(ActionRequest(id="5", action=action, parameters=parameters), lambda: SECRET)


def test_the_least():
    assert body() == {
        "label": "web-1",
        "type": "g6-nanode-1",
        "image": "linode/debian12",
        "booted": True,
        "authorized_keys": [KEY],
        "tags": [MARK.text],
    }


def test_everything():
    settings = {
        "authorized_users": ["ann"],
        "private_ip": True,
        "backups": True,
        "firewall_id": 5,
        "tags": ["all"],
    }
    extra = {
        "stackscript_id": 10079,
        "stackscript_data": {"gh_username": "linode"},
        "swap_size": 1024,
        "tags": ["more"],
        "authorized_users": ["bob", "ann"],
    }
    made = body(settings, region="nl-ams", user_data="#!/bin/sh", tags=("web", "all"), extra=extra)
    assert made == {
        "label": "web-1",
        "type": "g6-nanode-1",
        "image": "linode/debian12",
        "region": "nl-ams",
        "booted": True,
        "private_ip": True,
        "backups_enabled": True,
        "firewall_id": 5,
        "metadata": {"user_data": base64.b64encode(b"#!/bin/sh").decode()},
        "stackscript_id": 10079,
        "stackscript_data": {"gh_username": "linode"},
        "swap_size": 1024,
        "authorized_keys": [KEY],
        "authorized_users": ["ann", "bob"],
        "tags": ["all", "web", "more", MARK.text],
    }


def test_a_request_says_more_than_the_settings():
    made = body({"firewall_id": 5, "private_ip": True}, extra={"firewall_id": 6, "booted": False})
    assert (made["firewall_id"], made["private_ip"], made["booted"]) == (6, True, False)


@pytest.mark.parametrize(
    ("settings", "request_", "password"),
    [
        ({}, {"ssh_keys": ()}, SECRET),
        ({}, {"ssh_keys": (KEY,)}, None),
        ({"authorized_users": ["ann"]}, {"ssh_keys": ()}, None),
        ({}, {"ssh_keys": (), "extra": {"authorized_users": ["ann"]}}, None),
        ({}, {"ssh_keys": (), "extra": {"authorized_keys": [KEY]}}, None),
        ({}, {"ssh_keys": (), "extra": {"root_pass": "their own"}}, "their own"),
        ({}, {"ssh_keys": (KEY,), "extra": {"root_pass": "their own"}}, "their own"),
    ],
)
def test_a_password_is_made_only_where_nobody_could_log_in(settings, request_, password):
    assert body(settings, **request_).get("root_pass") == password


def test_keys_are_each_there_once_and_one_line():
    made = body(ssh_keys=(f"{KEY}\n", KEY), extra={"authorized_keys": ["ssh-rsa AAAA you"]})
    assert made["authorized_keys"] == ["ssh-rsa AAAA you", KEY]


def test_user_data_is_counted_before_it_is_coded():
    made = body(user_data="ä" * 32767 + "x")["metadata"]["user_data"]
    assert len(base64.b64decode(made)) == 65535


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"mark": None}, "mark"),
        ({"user_data": "ä" * 32768}, "user_data"),
        ({"extra": {"label": "other"}}, "per_provider"),
        ({"extra": {"type": "g6-standard-8"}}, "per_provider"),
        ({"extra": {"tags": "web"}}, "per_provider"),
        ({"extra": {"authorized_keys": [5]}}, "per_provider"),
        ({"user_data": "x", "extra": {"metadata": {"user_data": "eQ=="}}}, "per_provider"),
    ],
)
def test_what_is_refused_here(request_, field):
    with pytest.raises(ValidationError) as caught:
        body(**request_)
    assert (caught.value.field, caught.value.outcome) == (field, Outcome.NOT_SENT)


def test_the_limit_of_user_data_is_named():
    with pytest.raises(ValidationError, match=r"65536 bytes.*65535") as caught:
        body(user_data="x" * 65536)
    assert caught.value.details == {"size": 65536, "limit": 65535}


@pytest.mark.parametrize(
    ("action", "parameters", "deed", "effect", "expected"),
    [
        (Action.START, {}, "boot", Effect.CONVERGE, {}),
        (Action.STOP, {}, "shutdown", Effect.CONVERGE, {}),
        (Action.POWER_OFF, {}, "shutdown", Effect.CONVERGE, {}),
        (Action.REBOOT, {}, "reboot", Effect.ONCE, {}),
        (Action.POWER_CYCLE, {}, "reboot", Effect.ONCE, {}),
        (Action.RESIZE, {"plan": "g6-standard-2"}, "resize", Effect.ONCE, {"type": "g6-standard-2"}),
        (
            Action.RESIZE,
            {"plan": "g6-standard-2", "disk": "false"},
            "resize",
            Effect.ONCE,
            {"type": "g6-standard-2", "allow_auto_disk_resize": False},
        ),
        (
            Action.REBUILD,
            {"image": "linode/debian12"},
            "rebuild",
            Effect.ONCE,
            {"image": "linode/debian12", "root_pass": SECRET},
        ),
        (
            Action.REBUILD,
            {"image": "linode/debian12", "ssh_keys": f"{KEY}\n\n {KEY}2\n", "user_data": "x"},
            "rebuild",
            Effect.ONCE,
            {
                "image": "linode/debian12",
                "authorized_keys": [KEY, f"{KEY}2"],
                "metadata": {"user_data": "eA=="},
            },
        ),
        (Action.SNAPSHOT, {"name": "s"}, "backups", Effect.ONCE, {"label": "s"}),
        (Action.RENAME, {"name": "n"}, "", Effect.CONVERGE, {"label": "n"}),
    ],
)
def test_actions(action, parameters, deed, effect, expected):
    assert step(action, **parameters) == Step(deed, effect, expected)


def test_a_step_does_not_show_its_password():
    assert SECRET not in repr(step(Action.REBUILD, image="linode/debian12"))


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
        step(action, **parameters)
    assert (caught.value.field, caught.value.outcome) == (field, Outcome.NOT_SENT)
