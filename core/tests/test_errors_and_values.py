"""The error tree and the small values that everything else is made of."""

import copy
import inspect
import json
import logging
import pickle
import re
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor import (
    Attempt,
    GiB,
    KiB,
    MiB,
    Money,
    Outcome,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    Raw,
    Secret,
    TiB,
)
from purveyor.model import errors
from purveyor.spi.call import Mark, SecretRef

from ._cloud import JANUARY

CODES = """
    CONFIGURATION_ERROR PLUGIN_ERROR STATE_UNAVAILABLE MISSING_CREDENTIALS INVALID_CREDENTIALS PERMISSION_DENIED
    VALIDATION_ERROR INVALID_ACTION PROVIDER_NOT_FOUND PROVIDER_INACTIVE NO_ENABLED_PROVIDERS NO_COMPATIBLE_PROVIDERS
    INSTANCE_NOT_FOUND DEPLOYMENT_NOT_FOUND TEMPLATE_NOT_FOUND REQUEST_NOT_FOUND INTENT_NOT_FOUND INSUFFICIENT_RESOURCES QUOTA_EXCEEDED
    CONFLICT RESOURCE_BUSY RATE_LIMIT_EXCEEDED PROVIDER_UNAVAILABLE TIMEOUT UNSUPPORTED_OPERATION PROTOCOL_MISMATCH
    UNCERTAIN_OUTCOME ALL_PROVIDERS_FAILED API_ERROR UNKNOWN_ERROR
"""
CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, PurveyorError)]


def drawing() -> dict[str, tuple[str | None, str | None]]:
    """Class to parent and code, as the module's docstring draws them."""
    found, path = {}, {-1: None}
    for line in re.search(r"```\n(.*?)```", errors.__doc__, re.DOTALL).group(1).splitlines():
        stem, name, code = re.match(r"([│├└─ ]*)(\w+)\s*(\w+)?", line).groups()
        depth = len(stem) // 4
        path[depth] = name
        found[name] = (path[depth - 1], code)
    return found


def test_the_drawing_is_the_tree():
    drawn = drawing()
    assert drawn.keys() == {one.__name__ for one in CLASSES}
    for one in CLASSES:
        parent, code = drawn[one.__name__]
        assert one is PurveyorError or one.__base__.__name__ == parent
        if code is not None:
            assert one.code == code
        else:  # a branch that is only there to be caught
            assert one.__subclasses__()
            assert "code" not in vars(one)


def test_every_code_is_one_of_the_agreed_ones():
    assert {one.code for one in CLASSES} <= set(CODES.split())


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.__name__)
class TestEveryError:
    def test_carries_what_is_known(self, one):
        error = one("no", provider="a", operation="x", field="f", details={"k": 1}, outcome=Outcome.REFUSED)
        assert (error.message, str(error), str(one("no"))) == ("no", "a: no", "no")
        assert (error.provider, error.operation, error.field, error.details) == ("a", "x", "f", {"k": 1})

    def test_may_be_copied_and_pickled(self, one):
        error = one("no", provider="a", details={"k": 1}, outcome=Outcome.UNKNOWN, retry_after=5)
        error.attempts = (
            Attempt(provider="a", operation="x", started_at=JANUARY[0], seconds=1, error=error),
        )
        for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(other) is one
            assert (str(other), other.details, other.outcome, other.retry_after) == (
                "a: no",
                {"k": 1},
                Outcome.UNKNOWN,
                5,
            )
            assert other.attempts[0].provider == "a"

    def test_fails_over_only_if_nothing_was_bought_and_it_helps(self, one):
        allowed = {outcome for outcome in (None, *Outcome) if one("no", outcome=outcome).may_fail_over}
        assert allowed == ({Outcome.NOT_SENT, Outcome.REFUSED} if one.elsewhere else set())


def test_details_are_the_errors_own():
    details = {"k": 1}
    error = PurveyorError("no", details=details)
    error.details["more"] = 2
    assert details == {"k": 1}


def test_what_repeats_and_what_moves_on():
    assert RateLimitError.retryable
    assert RateLimitError.elsewhere
    assert ProviderUnavailableError.retryable
    assert not errors.UncertainOutcomeError.retryable
    assert not errors.UncertainOutcomeError.elsewhere
    assert not errors.AllProvidersFailedError.retryable


AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**9), max_value=10**9)


class TestMoney:
    @given(one=AMOUNTS, other=AMOUNTS)
    def test_one_currency_adds_up_exactly(self, one, other):
        assert (Money(one, "EUR") + Money(other, "EUR")).amount == one + other

    def test_two_never_do(self):
        with pytest.raises(ValueError, match="EUR"):
            Money("1", "USD") + Money("1", "EUR")
        with pytest.raises(TypeError):
            Money("1", "USD") < Money("1", "EUR")  # noqa: B015 - that it raises is the point
        with pytest.raises(TypeError):
            Money("1") * 1.5
        assert Money("1", "USD") != Money("1", "EUR")

    def test_it_is_exact_and_reads_plainly(self):
        assert Money(0.1).amount == Decimal("0.1")
        assert str(Money("0.00000744") * 3) == "0.00002232 USD"
        assert str(Money("1E+3")) == "1000 USD"


class TestSecret:
    @given(value=st.text(min_size=4).filter(lambda text: text not in "Secret(****)"))
    def test_nothing_shows_it(self, value):
        secret = Secret(value)
        shown = [
            repr(secret),
            str(secret),
            f"{secret}",
            f"{secret:>40}",
            "%s %r" % (secret, secret),  # noqa: UP031 - one of the ways to show it
            repr({"k": [secret]}),
        ]
        assert all(value not in text for text in shown)
        assert secret.reveal() == value

    def test_nor_a_log_nor_an_error(self, caplog):
        logging.getLogger("purveyor.test").warning("%s %r", Secret("canary"), {"token": Secret("canary")})
        error = PurveyorError(f"bad {Secret('canary')}", details={"token": Secret("canary")})
        assert "canary" not in caplog.text + str(error) + repr(error) + repr(error.details)

    def test_it_does_not_leave_the_process(self):
        for leave in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars):
            with pytest.raises(TypeError):
                leave(Secret("canary"))

    def test_it_can_be_compared_and_kept_in_a_set(self):
        assert {Secret("a"), Secret("a")} == {Secret("a")}
        assert Secret("a") != "a"

    def test_where_it_is_may_be_the_secret_itself(self):
        assert "canary" not in repr(SecretRef("canary"))


class TestRaw:
    def test_it_is_decoded_when_asked_for_and_shows_only_its_size(self):
        raw = Raw(b'{"password": "canary"}')
        assert raw.decode() == {"password": "canary"}
        assert repr(raw) == "Raw(22 bytes)"
        assert raw
        assert not Raw()
        with pytest.raises(ValueError, match="Expecting"):
            Raw(b"{").decode()

    @given(data=st.binary())
    def test_bytes_survive_being_remembered(self, data):
        from purveyor.engine.catalogue import _converter

        there = json.dumps(_converter().unstructure(Raw(data)))
        assert _converter().structure(json.loads(there), Raw) == Raw(data)


def test_sizes_are_powers_of_two():
    assert (KiB, MiB, GiB, TiB) == (2**10, 2**20, 2**30, 2**40)


@given(
    owner=st.text("abcdef0123456789", min_size=10, max_size=10),
    intent=st.text("abcdef0123456789", min_size=16, max_size=16),
)
def test_a_mark_is_one_short_word(owner, intent):
    assert re.fullmatch(r"[a-z0-9-]{1,40}", Mark(owner, intent).text)


def test_values_do_not_change():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Money("1").amount = 2
