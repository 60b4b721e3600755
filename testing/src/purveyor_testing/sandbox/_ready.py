"""The ready file: how another process learns that the sandboxes serve, and where."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol


class HasReadyEntry(Protocol):
    """Anything that serves under a name."""

    @property
    def name(self) -> str:
        """The provider type."""

    def ready(self) -> Mapping[str, Any]:
        """What a configuration needs, and ``control_url``."""


def write_ready_file(path: str | os.PathLike[str], sandboxes: Iterable[HasReadyEntry]) -> None:
    """Write ``{"digitalocean": {"base_url": …, "token": …, "control_url": …}}`` at once, by rename.

    Whoever waits for the file sees all of it or nothing. Only its owner can read it.
    """
    target = Path(path)
    ready = {sandbox.name: sandbox.ready() for sandbox in sandboxes}
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(ready, file, indent=2)
            file.write("\n")
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
