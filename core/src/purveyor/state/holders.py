"""Who works on an intent: every process holds a lock for its life, and the operating system takes it off the dead."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

__all__ = ["Holders"]


class Holders:
    """The holders that share one state folder, and this one among them.

    A holder's lock says that it lives, whatever clocks say; ``kill -9`` takes it off. Without a folder there is nobody
    else. Nothing here waits. A process that was forked is a holder of its own.

    Attributes:
        name: This one's, as soon as it has entered.
    """

    def __init__(self, folder: Path | None, name: str) -> None:
        self.name = self._minted = name
        self._folder = None if folder is None else folder / "holders"
        self._file: int | None = None
        self._process = 0

    def enter(self) -> None:
        """Take the lock; may be called again.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._folder is None or self.has_entered:
            return
        self._forget()
        self._process = os.getpid()
        self.name = f"{self._minted}-{self._process}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._folder / self.name, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file = file

    def lives(self, holder: str) -> bool:
        """Whether another holder still has its lock. Who is dead stays dead: names are not used again."""
        if self._folder is None:
            return False
        try:
            file = os.open(self._folder / holder, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        with contextlib.suppress(FileNotFoundError):
            (self._folder / holder).unlink()
        return False

    def leave(self) -> None:
        """Give the lock back; may be called twice."""
        if self._folder is not None and self.has_entered:
            with contextlib.suppress(OSError):
                (self._folder / self.name).unlink()
        self._forget()

    @property
    def has_entered(self) -> bool:
        """Whether the lock is taken, or there is nobody else to see it."""
        return self._folder is None or (self._file is not None and self._process == os.getpid())

    def _forget(self) -> None:
        """Close the file, whose lock lasts as long as another process has it open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
