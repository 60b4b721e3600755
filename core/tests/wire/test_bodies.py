"""What goes into a body is checked before anything is sent, and the field at fault is named."""

import pytest

from purveyor.model.errors import (
    InstanceNotFoundError,
    InvalidActionError,
    InvalidCredentialsError,
    Outcome,
    ValidationError,
)
from purveyor.model.instance import Action
from purveyor.spi.call import Effect
from purveyor.spi.facets import ActionRequest, CreateRequest
from purveyor.wire import (
    AlreadySoError,
    Deed,
    checked_extra,
    content_if_so,
    flag,
    machine_tags,
    numbered_path,
    one_line,
    user_data_bytes,
)
from purveyor_testing.context import MARK

from ._server import once

RESIZE = Deed("resize", Effect.ONCE, {"plan": "type"}, {"disk": "grow"})


def fields(**parameters):
    request = ActionRequest(id="5", action=Action.RESIZE, parameters=parameters)
    return RESIZE.fields(request, {"disk": flag("disk")})


def request(**changes):
    return CreateRequest(**{"name": "web", "plan": "s", "image": "i", **changes})


def refused(work, *args, kind=ValidationError):
    with pytest.raises(kind) as caught:
        work(*args)
    assert caught.value.outcome is Outcome.NOT_SENT
    return caught.value.field


def endless():
    deep = {}
    deep["deep"] = deep
    return deep


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("volumes", {1, 2}),
        ("volumes", object()),
        ("volumes", float("nan")),
        ("volumes", [float("inf")]),
        ("volumes", "half \ud800"),
        ("volumes", {"\udfff": 1}),
        ("volumes", {(1, 2): 3}),
        ("volumes", endless()),
        ("volumes", b"bytes"),
    ],
)
async def test_what_is_no_json_is_refused_before_it_is_sent(ask, serve, part, value):
    server = await serve(once(b""))
    error = await ask.error(
        ask.client(server.url), "POST", effect=Effect.ONCE, json={"name": "canary", part: value}
    )
    assert (type(error), error.field, error.outcome) == (ValidationError, part, Outcome.NOT_SENT)
    assert (error.__cause__, error.__context__) == (None, None)
    assert "canary" not in str(error)
    assert server.arrivals == []


@pytest.mark.parametrize("body", [float("nan"), ["\ud800"], {"\ud800": 1}])
async def test_a_body_without_a_part_to_name(ask, serve, body):
    server = await serve(once(b""))
    error = await ask.error(ask.client(server.url), "POST", json=body)
    assert (type(error), error.outcome) == (ValidationError, Outcome.NOT_SENT)
    str(error).encode()


async def test_a_query_that_cannot_be_written_is_refused(ask, serve):
    server = await serve(once(b""))
    error = await ask.error(ask.client(server.url), params={"tag_name": "\ud800"})
    assert (type(error), error.field, error.outcome) == (ValidationError, "params", Outcome.NOT_SENT)


def test_parameters_become_the_apis_fields():
    assert fields(plan="c-2") == {"type": "c-2"}
    assert fields(disk="true", plan="c-2") == {"type": "c-2", "grow": True}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "plan"),
        ({"plan": ""}, "plan"),
        ({"plan": "c-2", "disk": "yes"}, "disk"),
        ({"plan": "c-2", "name": "x"}, "name"),
    ],
)
def test_parameters_are_checked(parameters, field):
    assert refused(lambda: fields(**parameters), kind=InvalidActionError) == field


def test_each_tag_is_there_once_and_the_mark_among_them():
    wanted = request(tags=("web", "all"), extra={"tags": ["more", "web"]})
    assert machine_tags(wanted, ("all",), MARK) == ["all", "web", "more", MARK.text]


def test_what_is_refused_in_a_request():
    assert refused(machine_tags, request(), (), None) == "mark"
    assert refused(machine_tags, request(extra={"tags": "web"}), (), MARK) == "per_provider"
    assert refused(checked_extra, request(extra={"size": "x", "other": 1}), {"size"}) == "per_provider"
    assert checked_extra(request(extra={"other": 1}), {"size"}) == {"other": 1}


def test_user_data_is_counted_in_bytes():
    assert user_data_bytes("ä", 2, "Lamp") == b"\xc3\xa4"
    assert user_data_bytes("", 2, "Lamp") == b""
    assert refused(user_data_bytes, "ää", 3, "Lamp") == "user_data"
    assert refused(user_data_bytes, "a\ud800", 30, "Lamp") == "user_data"


@pytest.mark.parametrize(
    "hostile", ["", "../account", "1?x=y", "1/actions", "1\n", "\u0661", "-1", "x" * 1000]
)
def test_only_numbers_find_their_way_into_a_numbered_path(hostile):
    assert refused(numbered_path, "/v2/droplets/{}", hostile, kind=InstanceNotFoundError) == "id"
    assert numbered_path("/v2/droplets/{}", "007") == "/v2/droplets/007"


def test_already_so_is_success_only_for_what_reaches_a_state():
    with content_if_so(Effect.CONVERGE):
        raise AlreadySoError("it is off")
    with pytest.raises(AlreadySoError), content_if_so(Effect.ONCE):
        raise AlreadySoError("it is off")
    with pytest.raises(InvalidCredentialsError), content_if_so(Effect.CONVERGE):
        raise InvalidCredentialsError("who?")


def test_a_vendors_words_fit_on_one_line():
    assert one_line(["two\n lines", "more"]) == "two lines; more"
    assert one_line(["x" * 500]) == "x" * 199 + "…"
