"""One thread beside the loop, for work that may wait for the disk."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["OneThread", "if_waited_for"]

T = TypeVar("T")

_Given = SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None]


class OneThread:
    """Does what it is given, one after the other, in a thread that is begun with the first of it.

    An executor would do the same. Its futures cost as much as a small transaction, since they are made for waiting in
    threads, too; here only loops wait.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._given: _Given = SimpleQueue()
        self._begun = False

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """What comes of the work, which is carried out even if nobody waits for it any more."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._begun:
            # Should the program end first, a transaction that is cut short is one that never was.
            threading.Thread(target=_run, args=(self._given,), name=self._name, daemon=True).start()
            self._begun = True
            weakref.finalize(self, self._given.put, None)
        self._given.put((work, future))
        return future

    def close(self) -> None:
        """End it as soon as everything is done."""
        self._given.put(None)


def _run(all_given: _Given) -> None:
    """Do everything; knows nothing of whom it is done for, who is dropped some day."""
    while (given := all_given.get()) is not None:
        work, future = given
        try:
            tell = functools.partial(future.set_result, work())
        except BaseException as exc:  # noqa: BLE001 - whoever waits gets it
            tell = functools.partial(future.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody waits
            future.get_loop().call_soon_threadsafe(if_waited_for, future, tell)
        del given, work, future, tell  # nothing is kept alive until the next one comes


def if_waited_for(future: asyncio.Future[Any], tell: Callable[[], None]) -> None:
    """Tell what has come of it, unless whoever waited was cancelled meanwhile."""
    if not future.done():
        tell()
