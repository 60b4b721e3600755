"""Buying from the command line, where somebody may press Ctrl-C at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Iterator
from typing import Any

from purveyor import Intent, MultiProviderClient, Provisioned, UncertainOutcomeError
from purveyor_cli.commands.ordering import Order
from purveyor_cli.session import Session

__all__ = ["buy"]


async def buy(
    client: MultiProviderClient, session: Session, order: Order, *, key: str | None, wait: bool
) -> Provisioned:
    """Make what was ordered. The first Ctrl-C stops buying and settles what was sent, the second leaves that as it is.

    Raises:
        UncertainOutcomeError: Stopped, and it is not known whether a machine was made.
        KeyboardInterrupt: Stopped, and nothing is in doubt; what was made has been told.
        PurveyorError: As ``provision`` does.
    """
    key = key or secrets.token_hex(8)
    buying = asyncio.ensure_future(
        client.provision(order.spec, count=order.count, key=key, wait=wait, **order.choice, **session.within)
    )
    with _interrupting(buying):
        try:
            return await buying
        except asyncio.CancelledError:
            if not buying.cancelled():
                raise
    await _settle(client, session, key)
    raise KeyboardInterrupt


async def _settle(client: MultiProviderClient, session: Session, key: str) -> None:
    """Tell what was made under a key, and find out what became of everything else that was sent."""
    intents = [one for one in await client.list_intents() if one.key == key]
    for intent in intents:
        if intent.state.owns_machine:
            _tell(session, intent)
    for intent in [one for one in intents if one.state.doubtful]:
        session.warn(f"intent {intent.id} is in doubt and being settled; Ctrl-C again leaves it")
        settling = asyncio.ensure_future(client.resolve_intent(intent.id, **session.within))
        with _interrupting(settling):
            try:
                _tell(session, await settling)
            except asyncio.CancelledError:
                if not settling.cancelled():
                    raise
                raise _left(intent) from None


def _tell(session: Session, intent: Intent) -> None:
    made = f"{intent.provider}/{intent.instance_id} was made" if intent.instance_id else "nothing was made"
    session.warn(f"intent {intent.id} is {intent.state.value}: {made}; --key {intent.key} goes on from there")


def _left(intent: Intent) -> UncertainOutcomeError:
    return UncertainOutcomeError(
        f"stopped; whether {intent.name} was made is not known",
        provider=intent.provider,
        operation="create_instance",
        details={"intent": intent.id, "key": intent.key},
    )


@contextlib.contextmanager
def _interrupting(task: asyncio.Future[Any]) -> Iterator[None]:
    """Ctrl-C cancels this task and nothing else."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    except (NotImplementedError, RuntimeError, ValueError):  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
