"""Telling observers what happens, at next to no cost while there are none and at no risk for what they observe."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from purveyor.model.errors import PurveyorError
from purveyor.spi.call import Call, Clock
from purveyor.spi.events import CANCELLED, CallFinished, CallRetried, Event, Observer

__all__ = ["CallStory", "Observers"]

T = TypeVar("T")

_log = logging.getLogger("purveyor")


class Observers:
    """Who is told. It is false while there is nobody, so that events need not even be made."""

    def __init__(self) -> None:
        self._all: list[Observer] = []
        self._reported: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, observer: Observer) -> None:
        """Tell one more, from now on."""
        self._all.append(observer)

    def tell(self, event: Event) -> None:
        """Tell everybody. What one of them raises is logged the first time, and harms nobody."""
        for number, observer in enumerate(self._all):
            try:
                observer(event)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - whatever an observer raises, even an exit
                if number not in self._reported:
                    self._reported.add(number)
                    name = getattr(observer, "__qualname__", type(observer).__qualname__)
                    _log.warning(
                        "the observer %s failed with %s; it is told on, and not reported again",
                        name,
                        type(exc).__name__,
                    )


class CallStory:
    """One call to a provider as it goes on; a context manager around all of it, which tells how it ended."""

    def __init__(self, observers: Observers, clock: Clock, provider: str, operation: str) -> None:
        self._observers = observers
        self._clock = clock
        self._provider = provider
        self._operation = operation
        self._began = clock.monotonic()
        self._attempts = 0
        self._failed_at = self._began
        self._error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ours = error if isinstance(error, PurveyorError) else None
        self._observers.tell(
            CallFinished(
                provider=self._provider,
                operation=self._operation,
                seconds=self._clock.monotonic() - self._began,
                attempts=self._attempts,
                error=ours.code if ours else None if error is None else CANCELLED,
                outcome=ours.outcome if ours else None,
            )
        )

    def heard(self, work: Callable[[Call], Awaitable[T]]) -> Callable[[Call], Awaitable[T]]:
        """The same work, whose tries are counted and told of."""

        async def attempt(call: Call) -> T:
            self._attempts = call.attempt
            if call.attempt > 1:
                self._observers.tell(
                    CallRetried(
                        provider=self._provider,
                        operation=self._operation,
                        attempt=call.attempt,
                        seconds=self._clock.monotonic() - self._failed_at,
                        error=self._error,
                    )
                )
            try:
                return await work(call)
            except PurveyorError as error:
                self._failed_at, self._error = self._clock.monotonic(), error.code
                raise

        return attempt
