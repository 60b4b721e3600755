"""Several servers that hold the same data: one is asked, and the next one if it does not answer well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from purveyor.model.errors import CallTimeoutError, PurveyorError
from purveyor.spi.call import Call, Clock
from purveyor.wire.client import Client
from purveyor.wire.response import Response

__all__ = ["Replicas"]

T = TypeVar("T")


class Replicas:
    """Equal servers of one provider. Reads start at the one that answered last, so that a dead one costs its time-out once.

    Args:
        clients: Address and client of each, in the order of preference; the address is the operation group too.
        clock: Time.
        of_the_request: Whether an equal server would say the same, so that nobody else is asked.
        naming: Writes into an error which address it is about; by default nothing is written.
        least: Errors that say least; one of these is raised only if there are no others.
        called: What the reasons are called in the details of an error.
    """

    def __init__(
        self,
        clients: Sequence[tuple[str, Client]],
        clock: Clock,
        *,
        of_the_request: Callable[[PurveyorError], bool],
        naming: Callable[[PurveyorError, str], object] = lambda *_: None,
        least: type[PurveyorError] | None = None,
        called: str = "replicas",
    ) -> None:
        self._clients = tuple(clients)
        self._clock = clock
        self._of_the_request, self._naming = of_the_request, naming
        self._least, self._called = least, called
        self._first = 0

    async def get(
        self,
        call: Call,
        path: str,
        params: Mapping[str, str | int],
        read: Callable[[Response, str], T],
        *,
        operation: str,
    ) -> T:
        """Ask one server after the other until one gives what can be read.

        Args:
            call: The call that it belongs to.
            path: Path below each base URL.
            params: Query.
            read: Makes sense of an answer, given with the address that it came from.
            operation: What is being done, for errors.

        Raises:
            PurveyorError: None did; it is the first one's that says enough, and its ``details`` hold each one's reason.
        """
        failed: dict[str, PurveyorError] = {}
        count = len(self._clients)
        order = [(self._first + step) % count for step in range(count)]
        for left, index in zip(range(count, 0, -1), order, strict=True):
            address, client = self._clients[index]
            try:
                asked = client.request(call, "GET", path, operation=operation, group=address, params=params)
                found = read(await self._in_time(asked, call, left), address)
            except PurveyorError as error:
                self._naming(error, address)
                failed[address] = error
                if self._of_the_request(error):
                    raise
            else:
                self._first = index
                return found
        raise self._worst(failed)

    def _worst(self, failed: Mapping[str, PurveyorError]) -> PurveyorError:
        told = [
            error for error in failed.values() if self._least is None or not isinstance(error, self._least)
        ]
        worst = next(iter(told or failed.values()))
        worst.details[self._called] = {address: one.message for address, one in failed.items()}
        return worst

    async def _in_time(self, asked: Awaitable[Response], call: Call, left: int) -> Response:
        """One try, within its share of the time that is left, so that one that hangs leaves time for the others."""
        if left == 1:
            return await asked
        share = (call.deadline - self._clock.monotonic()) / left
        with suppress(TimeoutError):
            async with asyncio.timeout(max(share, 0.0)):
                return await asked
        raise CallTimeoutError(f"no whole answer within {share:.1f} s")

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        for _, client in self._clients:
            await client.aclose()
