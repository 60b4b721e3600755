import json

import pytest

from purveyor.plugin import (
    ApiError,
    ConflictError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    InvalidActionError,
    InvalidCredentialsError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    ResourceBusyError,
    ValidationError,
)
from purveyor.wire import AlreadySoError, Response
from purveyor_digitalocean._errors import translate

DROPLETS, ACTIONS = "/v2/droplets", "/v2/droplets/5/actions"


def translated(status, message="", path=DROPLETS, headers=None, body=None):
    body = {"id": "whatever", "message": message} if body is None else body
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return translate(Response(status=status, path=path, headers=headers or {}, body=data))


@pytest.mark.parametrize(
    ("status", "message", "path", "kind", "field"),
    [
        (401, "Unable to authenticate you.", DROPLETS, InvalidCredentialsError, None),
        (403, "You are not authorized to perform this operation", DROPLETS, PermissionDeniedError, None),
        (
            404,
            "The resource you requested could not be found.",
            "/v2/droplets/5",
            InstanceNotFoundError,
            None,
        ),
        (404, "The resource you requested could not be found.", ACTIONS, InstanceNotFoundError, None),
        (404, "The resource you requested could not be found.", "/v2/account/keys/5", NotFoundError, None),
        (409, "The request could not be completed due to a conflict.", DROPLETS, ResourceBusyError, None),
        (422, "Droplet already has a pending event.", ACTIONS, ResourceBusyError, None),
        (
            422,
            "creating this/these droplet(s) will exceed your droplet limit",
            DROPLETS,
            QuotaExceededError,
            None,
        ),
        (422, "Droplet limit exceeded", DROPLETS, QuotaExceededError, None),
        (403, "You have reached your droplet limit.", DROPLETS, QuotaExceededError, None),
        (422, "This size is currently restricted.", DROPLETS, QuotaExceededError, None),
        (422, "Size is not available in this region.", DROPLETS, InsufficientResourcesError, None),
        (422, "Size is not available.", DROPLETS, InsufficientResourcesError, None),
        (422, "Region is not available", DROPLETS, InsufficientResourcesError, None),
        (422, "this size is unavailable", DROPLETS, InsufficientResourcesError, None),
        (422, "There is no capacity left in this datacenter", DROPLETS, InsufficientResourcesError, None),
        (
            422,
            "Size is too large to fit on your droplet's server",
            ACTIONS,
            InsufficientResourcesError,
            "plan",
        ),
        (422, "This size is not available because it has a smaller disk.", ACTIONS, ValidationError, "plan"),
        (
            422,
            "The image you specified is not available in the selected region, you can transfer it",
            DROPLETS,
            ValidationError,
            "image",
        ),
        (422, "Image is not available in this region.", DROPLETS, ValidationError, "image"),
        (422, "You specified an invalid size for Droplet creation.", DROPLETS, ValidationError, "plan"),
        (422, "You specified an invalid image for Droplet creation.", DROPLETS, ValidationError, "image"),
        (422, "You specified an invalid region for Droplet creation.", DROPLETS, ValidationError, "region"),
        (422, "Image requires a larger disk than the size has.", DROPLETS, ValidationError, "image"),
        (
            422,
            "cd:e8:2a are invalid key identifiers for Droplet creation.",
            DROPLETS,
            ValidationError,
            "ssh_keys",
        ),
        (
            422,
            "Key invalid, key should be of the format `type key [comment]`",
            "/v2/account/keys",
            ValidationError,
            "ssh_keys",
        ),
        (422, "SSH Key is already in use on your account", "/v2/account/keys", ConflictError, "ssh_keys"),
        (422, "User data is too long (maximum is 65536 bytes)", DROPLETS, ValidationError, "user_data"),
        (422, "Tag names may only contain letters, numbers and colons", DROPLETS, ValidationError, "tags"),
        (
            422,
            "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)",
            DROPLETS,
            ValidationError,
            "name",
        ),
        (422, "Name can't be blank", DROPLETS, ValidationError, "name"),
        (422, "", DROPLETS, ValidationError, None),
        (400, "error parsing request body", DROPLETS, ValidationError, None),
        (422, "Droplet is already powered off", ACTIONS, AlreadySoError, None),
        (422, "Droplet is already powered on", ACTIONS, AlreadySoError, None),
        (422, "Droplet is powered off", ACTIONS, AlreadySoError, None),
        (422, "Droplet must be powered off to resize.", ACTIONS, InvalidActionError, None),
        (422, "You specified an invalid image.", ACTIONS, InvalidActionError, "image"),
        (429, "API Rate limit exceeded.", DROPLETS, RateLimitError, None),
        (500, "Unexpected server-side error", DROPLETS, ProviderUnavailableError, None),
        (503, "limit reached", DROPLETS, ProviderUnavailableError, None),
    ],
)
def test_what_an_answer_means(status, message, path, kind, field):
    error = translated(status, message, path)
    assert (type(error), error.field) == (kind, field)
    assert error.message == message or not message
    assert error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (402, ApiError),
        (409, ResourceBusyError),
        (412, ConflictError),
        (422, ValidationError),
        (429, RateLimitError),
        (500, ProviderUnavailableError),
        (503, ProviderUnavailableError),
    ],
)
def test_the_id_counts_for_nothing(status, kind):
    kinds = {
        type(translated(status, body={"id": name, "message": "x"}))
        for name in ("", "unprocessible_entity", "?")
    }
    assert kinds == {kind}


@pytest.mark.parametrize("status", [300, 302, 307])
def test_other_statuses_are_left_to_the_wire(status):
    assert translated(status, "words") is None


@pytest.mark.parametrize("body", [b"", b"<html>Cloudflare</html>", b"\xff", b'"text"', b"[]", b"null"])
def test_what_does_not_come_from_the_api_is_left_to_the_wire(body):
    try:
        assert translated(404, path="/v2/droplets/5", body=body) is None
    except ProtocolMismatchError:
        return


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "not_found", "messages": None, "root_causes": []}, "not_found"),
        ({"error": "bad", "messages": ["one", "two"], "root_causes": ["deep"]}, "one; two; deep"),
        ({"message": "two\n lines"}, "two lines"),
        ({"message": "x" * 500}, "x" * 199 + "…"),
        (
            {"message": {"not": "text"}, "messages": 5, "root_causes": {}},
            "DigitalOcean answered 422 and gave no reason",
        ),
        ({}, "DigitalOcean answered 422 and gave no reason"),
    ],
)
def test_the_vendors_words(body, message):
    assert translated(422, body=body).message == message


def test_the_request_id_of_the_body_counts_more():
    headers = {"x-request-id": "header"}
    assert translated(422, headers=headers).details == {"status": 422, "request_id": "header"}
    body = {"message": "m", "request_id": "body"}
    assert translated(422, headers=headers, body=body).details["request_id"] == "body"


def test_a_missing_scope_is_named():
    error = translated(403, "You are missing the required permission droplet:create")
    assert error.details["scope"] == "droplet:create"
