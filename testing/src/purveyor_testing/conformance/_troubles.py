"""Scenarios 7 to 9: broken rows, secrets and guards."""

from __future__ import annotations

from typing import Any

import pytest

from purveyor.model.errors import (
    CapacityError,
    NoCompatibleProvidersError,
    NotFoundError,
    Outcome,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
)
from purveyor.plugin import (
    Call,
    CatalogRequest,
    ListRequest,
)
from purveyor_testing.conformance._bench import CANARY, DOUBTS, REFUSALS, Bench, ids_of
from purveyor_testing.context import plain_call

__all__ = ["Troubles"]


class Troubles(Bench):
    """Lists and rows, secrets, guards."""

    # 7. Lists and rows.

    async def test_7_1_every_exchange_is_on_record(self) -> None:
        """One limiter token an exchange, no more and no less."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            for work in (self._list, self._plans):
                before, call = len(cloud.log), plain_call()
                await work(provider, call)
                assert len(cloud.log) - before == len(call.exchanges) > 0

    async def test_7_2_a_row_of_wrong_types_is_reported_and_the_others_survive(self) -> None:
        """One bad row must not hide the rest."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            await client.provision(self.spec, count=3)
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault("wrong_types", method=method, path=path, row=1, times=None)
            view = await client.list_instances().collect()
            assert len(view.items) == 2
            assert isinstance(view.failures["it"], ProtocolMismatchError)

    @pytest.mark.parametrize("fault", ["html", "garbage", "empty", "truncate", "redirect"])
    async def test_7_3_what_is_no_answer_is_a_typed_error(self, fault: str) -> None:
        """Never a traceback, never an empty list."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault(fault, method=method, path=path, times=None)
            view = await client.list_instances(deadline=2).collect()
            assert view.items == ()
            assert not isinstance(view.failures["it"], NotFoundError)

    async def test_7_4_a_rate_limit_says_how_long(self) -> None:
        """In seconds, whatever the vendor writes."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault("rate_limit", method=method, path=path, times=None, retry_after=3600)
            (error,) = (await client.list_instances(deadline=2).collect()).failures.values()
            assert isinstance(error, RateLimitError)
            assert error.retry_after is not None
            assert error.retry_after >= 3590

    # 8. Secrets.

    async def test_8_1_a_secret_is_in_no_error_no_repr_and_no_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not even when everything goes wrong."""
        caplog.set_level(0)
        told = []
        async with self.cloud(token=CANARY) as cloud:
            for fault in (*REFUSALS, *DOUBTS):
                # A client for each: one that was refused does not ask for the same again.
                async with self.client(cloud) as client:
                    await client.explain(self.spec)
                    cloud.fault(
                        fault, method=self.create[0], path=self.create[1], times=None, **DOUBTS.get(fault, {})
                    )
                    try:
                        told.append(repr(await client.provision(self.spec, deadline=2)))
                    except PurveyorError as error:
                        told.append(_everything(error))
                    cloud.clear_faults()
                    told.append(repr(client.providers()))
        assert CANARY not in "".join(told)
        assert CANARY not in caplog.text

    # 9. Guards.

    async def test_9_1_the_breaker_hears_of_each_call_once_and_then_nothing_is_sent(self) -> None:
        """However many requests a call takes, and however often they are tried."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault("error_before", method=method, path=path, times=None, status=500)
            for number in range(7):
                before = len(cloud.log)
                (error,) = (await client.list_instances().collect()).failures.values()
                assert isinstance(error, ProviderUnavailableError)
                assert (len(cloud.log) > before) == (number < 5)
            assert error.outcome is Outcome.NOT_SENT
            assert error.retry_after is not None
            assert error.retry_after > 30

    @pytest.mark.parametrize("fault", ["no_capacity", "quota"])
    async def test_9_2_what_is_sold_out_is_not_asked_for_again(self, fault: str) -> None:
        """For a while, and the reason is told."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=None)
            with pytest.raises(CapacityError):
                await client.provision(self.spec)
            with pytest.raises(NoCompatibleProvidersError, match="blocked until"):
                await client.provision(self.spec)
            assert self.sent(cloud) == 1

    async def _list(self, provider: Any, call: Call) -> None:
        await ids_of(provider.list_instances(ListRequest(), call))

    async def _plans(self, provider: Any, call: Call) -> None:
        await provider.list_plans(CatalogRequest(), call)


def _everything(error: BaseException | None) -> str:
    """All that an error and what led to it say."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {error.args} {getattr(error, 'details', '')}"
        error = error.__cause__ or error.__context__
    return text
