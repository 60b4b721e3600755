import json

import pytest

from purveyor.plugin import (
    ApiError,
    CallTimeoutError,
    ConflictError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    InvalidActionError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    ResourceBusyError,
    ValidationError,
)
from purveyor.wire import AlreadySoError, Response
from purveyor_linode._errors import MaintenanceError, translate

LINODES, ONE, BOOT = "/linode/instances", "/linode/instances/5", "/linode/instances/5/boot"
SOLD_OUT = (
    "The Linode plan you chose is not currently available in the selected region. Please select another."
)


def translated(status, reason="", field=None, path=LINODES, *, headers=None, body=None, operation=None):
    error = {"reason": reason} | ({"field": field} if field else {})
    body = {"errors": [error]} if body is None else body
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    operation = operation or ("perform_action" if path.startswith(f"{ONE}/") else "create_instance")
    response = Response(status=status, path=path, headers=headers or {}, body=data, operation=operation)
    return translate(response)


@pytest.mark.parametrize(
    ("status", "reason", "field", "path", "kind", "ours"),
    [
        (401, "Invalid Token", None, LINODES, InvalidCredentialsError, None),
        (
            401,
            "Your OAuth token is not authorized to use this endpoint.",
            None,
            ONE,
            PermissionDeniedError,
            None,
        ),
        (403, "Unauthorized", None, LINODES, PermissionDeniedError, None),
        (404, "Not found", None, ONE, InstanceNotFoundError, None),
        (404, "Not found", None, BOOT, InstanceNotFoundError, None),
        (404, "Not found", None, "/linode/types/g9", NotFoundError, None),
        (404, "Not found", None, LINODES, NotFoundError, None),
        (400, "Linode busy.", None, BOOT, ResourceBusyError, None),
        (400, "Linode busy.", None, ONE, ResourceBusyError, None),
        (409, "Conflict", None, ONE, ResourceBusyError, None),
        (400, "Label must be unique among your linodes", "label", LINODES, ConflictError, "name"),
        (400, "Label must be unique among your linodes", None, LINODES, ConflictError, "name"),
        (
            400,
            "Account Limit reached. Please open a support ticket.",
            None,
            LINODES,
            QuotaExceededError,
            None,
        ),
        (
            403,
            "Your account must be activated before you can use this endpoint.",
            None,
            LINODES,
            QuotaExceededError,
            None,
        ),
        (403, SOLD_OUT, None, LINODES, InsufficientResourcesError, None),
        (400, "No open slots for this plan!", None, LINODES, InsufficientResourcesError, None),
        (400, "Region is not available", "region", LINODES, InsufficientResourcesError, "region"),
        (400, "This plan is unavailable in us-east", "type", LINODES, InsufficientResourcesError, "plan"),
        (400, "type is not valid", "type", LINODES, ValidationError, "plan"),
        (400, "region is required", "region", LINODES, ValidationError, "region"),
        (400, "image is not valid", "image", LINODES, ValidationError, "image"),
        (400, "label must be 3-64 characters", "label", LINODES, ValidationError, "name"),
        (400, "invalid key", "authorized_keys[0]", LINODES, ValidationError, "ssh_keys"),
        (400, "no such user", "authorized_users", LINODES, ValidationError, "ssh_keys"),
        (400, "too long", "metadata.user_data", LINODES, ValidationError, "user_data"),
        (400, "Metadata is not available in this region", "region", LINODES, ValidationError, "region"),
        (
            400,
            "The image must support cloud-init to use metadata",
            None,
            LINODES,
            ValidationError,
            "user_data",
        ),
        (400, "too short", "tags[3]", LINODES, ValidationError, "tags[3]"),
        (400, "firewall_id is not valid", "firewall_id", LINODES, ValidationError, "firewall_id"),
        (400, "Cannot filter on foo", "X-Filter", LINODES, ValidationError, "X-Filter"),
        (400, "", None, LINODES, ValidationError, None),
        (422, "whatever", None, LINODES, ValidationError, None),
        (400, "Linode must be powered off to reset the root password.", None, BOOT, InvalidActionError, None),
        (400, "image is not valid", "image", BOOT, InvalidActionError, "image"),
        (400, "Linode 5 already booted.", None, BOOT, AlreadySoError, None),
        (400, "Linode is already powered off", None, BOOT, AlreadySoError, None),
        (400, "Linode is not running", None, BOOT, AlreadySoError, None),
        (408, "Please try again", None, LINODES, CallTimeoutError, None),
        (429, "Too many requests", None, LINODES, RateLimitError, None),
        (500, "Internal Server Error", None, LINODES, ProviderUnavailableError, None),
        (503, "Service Unavailable", None, LINODES, ProviderUnavailableError, None),
    ],
)
def test_what_an_answer_means(status, reason, field, path, kind, ours):
    error = translated(status, reason, field, path)
    assert (type(error), error.field) == (kind, ours)
    assert error.message == reason or not reason
    assert error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ValidationError), (402, ApiError), (408, CallTimeoutError), (409, ResourceBusyError)],
)
def test_a_status_has_its_kind(status, kind):
    assert type(translated(status, "x")) is kind


@pytest.mark.parametrize("status", [300, 302, 307])
def test_other_statuses_are_left_to_the_wire(status):
    assert translated(status, "words") is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>nginx</html>", b"\xff", b'"text"', b"[]", b"null", b"{}", b'{"errors": "x"}']
)
def test_what_does_not_come_from_the_api_is_left_to_the_wire(body):
    try:
        assert translated(404, path=ONE, body=body) is None
    except ProtocolMismatchError:
        return


def test_a_400_from_what_stands_in_front_leaves_doubt():
    headers = {"content-type": "text/html; charset=utf-8", "server": "nginx"}
    error = translated(400, body=b"<html>400 Bad Request</html>", headers=headers)
    assert (type(error), error.outcome, error.retryable) == (ProviderUnavailableError, Outcome.UNKNOWN, True)


@pytest.mark.parametrize("body", [None, b"", b"<html>"])
def test_maintenance_is_not_asked_about_again(body):
    error = translated(503, body=body, headers={"x-maintenance-mode": "1"})
    assert (type(error), error.code) == (MaintenanceError, "PROVIDER_UNAVAILABLE")
    assert (error.retryable, error.elsewhere) == (False, True)


@pytest.mark.parametrize(
    ("errors", "message", "field"),
    [
        (
            [
                {"reason": "type is required", "field": "type"},
                {"reason": "region is required", "field": "region"},
            ],
            "type is required; region is required",
            "plan",
        ),
        ([{"reason": "one"}, {"reason": "two", "field": "label"}], "one; two", "name"),
        ([{"reason": "one", "field": None}, {"reason": "one", "field": ""}], "one", None),
        ([{"reason": "two\n lines"}], "two lines", None),
        ([{"reason": "x" * 500, "field": "y" * 500}], "x" * 199 + "…", "y" * 80),
        ([{"reason": 5, "field": 6}, "text", None, []], "Linode answered 400 and gave no reason", None),
        ([], "Linode answered 400 and gave no reason", None),
    ],
)
def test_the_vendors_words(errors, message, field):
    error = translated(400, body={"errors": errors})
    assert (error.message, error.field) == (message, field)


def test_a_missing_scope_is_named():
    headers = {"x-accepted-oauth-scopes": "linodes:read_write"}
    error = translated(401, "Your OAuth token is not authorized to use this endpoint.", headers=headers)
    assert error.details == {"status": 401, "scope": "linodes:read_write"}
    assert translated(401, "Invalid Token", headers=headers).details == {"status": 401}
