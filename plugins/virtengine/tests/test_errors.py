"""What each answer that is no success means, whichever of its shapes it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import (
    DeploymentNotFoundError,
    InvalidActionError,
    InvalidCredentialsError,
    NotFoundError,
    Outcome,
    OwnershipUnverifiedError,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    ResourceBusyError,
    UnsupportedOperationError,
    ValidationError,
)
from purveyor.wire import Response
from purveyor_virtengine._errors import (
    NoRestError,
    NoRouteError,
    of_the_request,
    translate_chain,
    translate_daemon,
)

TEXT, JSON = "text/plain; charset=utf-8", "application/json"


def answer(status, body, kind=JSON):
    return Response(status=status, headers={"content-type": kind}, body=body.encode())


def shapes(status, words):
    """One refusal as a daemon, its plain handlers, and its description write it."""
    return [
        answer(status, f'{{"error":"{words}"}}'),
        answer(status, f"{words}\n", TEXT),
        answer(status, f'{{"error":"x","message":"{words}","code":"X","details":{{}}}}'),
        answer(status, f'{{"error":{{"code":"provider:1801","message":"{words}"}}}}'),
    ]


@pytest.mark.parametrize(
    ("status", "words", "kind", "field"),
    [
        (400, "invalid interval", ValidationError, None),
        (400, "unsupported action", InvalidActionError, "action"),
        (401, "signature verification failed", InvalidCredentialsError, None),
        (401, "nonce already used", InvalidCredentialsError, None),
        (401, "request timestamp too old", InvalidCredentialsError, "clock"),
        (401, "session expired", PermissionDeniedError, None),
        (403, "address does not own this lease", PermissionDeniedError, None),
        (403, "lease not found", PermissionDeniedError, None),
        (403, "lease query unavailable", OwnershipUnverifiedError, None),
        (403, "missing VEID score", PermissionDeniedError, "veid_score"),
        (403, "VEID score 10 below minimum 80", PermissionDeniedError, "veid_score"),
        (403, "consent not granted for lifecycle action stop", PermissionDeniedError, None),
        (404, "deployment not found", DeploymentNotFoundError, None),
        (409, "resource is busy", ResourceBusyError, None),
        (429, "rate limit exceeded", RateLimitError, None),
        (500, "internal error", ProviderUnavailableError, None),
        (503, "lifecycle service unavailable", UnsupportedOperationError, None),
        (503, "portal feature unavailable: metrics backend", UnsupportedOperationError, None),
        (503, "shell backend unavailable", UnsupportedOperationError, None),
        (503, "Service Unavailable", ProviderUnavailableError, None),
        (503, "Service Temporarily Unavailable", ProviderUnavailableError, None),
    ],
)
def test_a_daemons_words_count_in_each_of_their_shapes(status, words, kind, field):
    for response in shapes(status, words):
        error = translate_daemon(response)
        assert type(error) is kind
        assert error.field == field
        assert words in error.message


def test_a_clock_that_is_wrong_is_named():
    error = translate_daemon(answer(401, '{"error":"request timestamp in future"}'))
    assert "clock" in error.message


@pytest.mark.parametrize(
    "response",
    [
        answer(404, "404 page not found\n", TEXT),
        answer(404, "", ""),
        answer(405, "", ""),
        answer(404, "<html>404</html>", "text/html"),
        answer(404, '{"message":"no Route matched with those values"}'),
    ],
)
def test_a_route_that_is_not_there_is_no_missing_deployment(response):
    error = translate_daemon(response)
    assert type(error) is NoRouteError
    assert error.outcome is Outcome.REFUSED


def test_a_page_of_something_in_front_is_its_status_only():
    assert translate_daemon(answer(502, "<html>canary</html>", "text/html")) is None


@given(st.integers(400, 599), st.binary(max_size=200), st.sampled_from([TEXT, JSON, "text/html", ""]))
def test_any_refusal_is_understood_or_left_to_its_status(status, body, kind):
    response = Response(status=status, headers={"content-type": kind}, body=body)
    for translate in (translate_daemon, translate_chain):
        error = translate(response)
        assert error is None or isinstance(error, PurveyorError)
        assert error is None or len(error.message) < 400


# The chain.


@pytest.mark.parametrize(
    ("status", "code", "words", "kind"),
    [
        (400, 3, "invalid state value", ValidationError),
        (404, 5, "invalid provider: address not found", NotFoundError),
        (501, 12, "Not Implemented", NoRestError),
        (503, 14, "connection refused", ProviderUnavailableError),
        (500, 2, "pagination: invalid key: invalid checksum", ProtocolMismatchError),
        (500, 13, "pagination: invalid key: invalid checksum", ProtocolMismatchError),
    ],
)
def test_the_chain_speaks_in_the_codes_of_grpc(status, code, words, kind):
    response = answer(status, f'{{"code":{code},"message":"{words}","details":[]}}')
    assert type(translate_chain(response)) is kind


def test_a_404_without_a_code_is_a_path_that_nobody_serves():
    assert type(translate_chain(answer(404, "404 page not found", TEXT))) is NoRestError
    assert type(translate_chain(answer(501, "", ""))) is NoRestError


def test_only_the_chains_own_word_is_the_same_at_every_node():
    refused = translate_chain(answer(400, '{"code":3,"message":"invalid address","details":[]}'))
    bare = translate_chain(answer(501, '{"code":12,"message":"Not Implemented","details":[]}'))
    assert of_the_request(refused)
    assert not of_the_request(bare)
    assert not of_the_request(ValidationError("from something in front"))
