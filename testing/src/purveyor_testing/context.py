"""A context for a provider that is tested without an engine around it."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import attrs

from purveyor.plugin import (
    Call,
    CommonSettings,
    Context,
    Effect,
    Exchange,
    LoopClock,
    Mark,
    Secret,
    SecretRef,
)

__all__ = ["MARK", "FixedDay", "plain_call", "plain_context"]

MARK = Mark("owner00001", "intent0000000001")


@attrs.frozen
class FixedDay(LoopClock):
    """The running loop's time, on a day that is always the same."""

    today: datetime = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """That day."""
        return self.today


def plain_context(
    *,
    provider: str = "test",
    type: str = "test",  # noqa: A002 - the configuration's word
    timeout: float = 10.0,
    **settings: Any,
) -> Context:
    """A context whose exchanges only keep the record on their call, and whose secrets are what the settings say.

    ``settings`` are those of ``CommonSettings``.
    """

    @asynccontextmanager
    async def exchange(call: Call, group: str, effect: Effect) -> AsyncIterator[Exchange]:
        record = Exchange(group, effect, timeout=timeout)
        call.exchanges.append(record)
        yield record

    async def resolve(reference: SecretRef) -> Secret:
        return Secret(reference.reference)

    return Context(
        provider=provider,
        type=type,
        settings=CommonSettings(timeout=timeout, **settings),
        clock=FixedDay(),
        random=random.Random(1),  # noqa: S311 - a test that repeats
        ids=lambda: "0" * 16,
        log=logging.getLogger("purveyor.test"),
        resolve=resolve,
        exchange=exchange,
    )


def plain_call(mark: Mark | None = MARK) -> Call:
    """A call with all the time of the world."""
    return Call(deadline=1e9, mark=mark)
