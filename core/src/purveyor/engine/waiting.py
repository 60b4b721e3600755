"""Waiting until a machine is as it was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from purveyor.model.errors import CallTimeoutError, InstanceNotFoundError, ProviderUnavailableError
from purveyor.model.instance import Instance, InstanceStatus
from purveyor.spi.call import Clock

__all__ = ["BrokenMachineError", "wait_until"]

_FIRST_POLL, _SLOWEST_POLL = 1.0, 5.0


class BrokenMachineError(ProviderUnavailableError):
    """The provider made the machine and says that it failed."""


async def wait_until(
    look: Callable[[], Awaitable[Instance]],
    good: Callable[[Instance], bool],
    *,
    clock: Clock,
    deadline: float,
    visibility_grace: float,
) -> Instance:
    """Look until the machine is good.

    A machine that was just made may not be visible yet: within ``visibility_grace`` seconds, "not found" is no answer.

    Raises:
        CallTimeoutError: It is not good by the deadline; says what it was last.
        BrokenMachineError: The provider says that the machine failed.
        InstanceNotFoundError: It is gone.
    """
    pause, visible_by, last = _FIRST_POLL, clock.monotonic() + visibility_grace, None
    while True:
        try:
            last = await look()
        except InstanceNotFoundError:
            if last is not None or clock.monotonic() >= visible_by:
                raise
        else:
            if good(last):
                return last
            if last.status is InstanceStatus.ERROR:
                raise BrokenMachineError(
                    f"instance {last.id} failed to come up; delete it and try again",
                    provider=last.provider,
                    details={"id": last.id},
                )
        if clock.monotonic() + pause >= deadline:
            told = (
                f"is {last.status.value}{' and busy' if last.busy else ''}" if last else "is not visible yet"
            )
            raise CallTimeoutError(
                f"the instance {told}; it exists and is billed, look at it later",
                details={"id": last.id} if last else {},
            )
        await clock.sleep(pause)
        pause = min(pause * 1.5, _SLOWEST_POLL)
