"""Several nodes of one chain: one is asked, and the next one if it does not answer well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from purveyor.plugin import Call, CallTimeoutError, Clock, PurveyorError
from purveyor.wire import Client, Response
from purveyor_virtengine._errors import NoRestError, of_the_request

__all__ = ["Nodes"]

T = TypeVar("T")


class Nodes:
    """Equal nodes. Reads start at the one that answered last, so that a dead one costs its time-out once.

    Args:
        clients: Address and client of each, in the order of preference.
        clock: Time.
    """

    def __init__(self, clients: Sequence[tuple[str, Client]], clock: Clock) -> None:
        self._clients = tuple(clients)
        self._clock = clock
        self._first = 0

    async def get(
        self,
        call: Call,
        path: str,
        params: Mapping[str, str | int],
        read: Callable[[Response], T],
        *,
        operation: str,
    ) -> T:
        """Ask one node after the other until one gives what can be read.

        Args:
            call: The call that it belongs to.
            path: Path below each base URL.
            params: Query.
            read: Makes sense of an answer.
            operation: What is being done, for errors.

        Raises:
            PurveyorError: None did; ``details["nodes"]`` says each one's reason. That a node serves no REST is only said
                if that is all that is wrong.
        """
        failed: dict[str, PurveyorError] = {}
        count = len(self._clients)
        order = [(self._first + step) % count for step in range(count)]
        for left, index in zip(range(count, 0, -1), order, strict=True):
            address, client = self._clients[index]
            try:
                asked = client.request(call, "GET", path, operation=operation, group=address, params=params)
                found = read(await self._in_time(asked, call, left))
            except PurveyorError as error:
                if of_the_request(error):
                    raise
                failed[address] = error
            else:
                self._first = index
                return found
        reasons = [*failed.values()]
        worst = next((one for one in reasons if not isinstance(one, NoRestError)), reasons[0])
        worst.details["nodes"] = {address: one.message for address, one in failed.items()}
        raise worst

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
