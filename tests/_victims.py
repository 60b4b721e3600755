"""Processes that may be killed at any instant. Run with orders on stdin; tells on stdout what came of them.

All of them are forked from this one, which has everything imported and no thread, so that hundreds take seconds.
An order is a list of steps of one state folder, done one after the other: ``{"job": "buy", "kills": [0.1], …}`` starts
the job once for each kill, kills it so many seconds after it has begun, and then starts it until it has success.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import rich.console  # noqa: F401 - imported once, for all

import purveyor_linode._provider  # noqa: F401 - likewise
from purveyor import InstanceSpec, MultiProviderClient, PurveyorError
from purveyor_cli.cli import run

sys.path.insert(0, str(Path(__file__).parent))
from _calm import without_breaker, without_rates

for _what in (without_breaker(), without_rates("digitalocean"), without_rates("linode")):
    setattr(*_what)
_TRIES = 20
Begin = Callable[[], object]
"""Told by a job when it begins."""


async def buy(step: dict[str, Any], begin: Begin) -> list[str]:
    """One machine for each name, which is its key as well; their ids."""
    async with MultiProviderClient.from_config(step["config"], health_interval=None) as client:
        begin()

        async def one(name: str) -> str:
            made = await client.provision(InstanceSpec(name=name, **step["spec"]), key=name, deadline=60)
            return made.instance.id

        return await asyncio.gather(*map(one, step["names"]))


async def settle(step: dict[str, Any], begin: Begin) -> bool:
    """Be open, and let the background do its work until nothing is in doubt."""
    async with MultiProviderClient.from_config(step["config"]) as client:
        begin()
        while any(one.state.doubtful for one in await client.list_intents()):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)
    return True


def reconcile(step: dict[str, Any], begin: Begin) -> bool:
    """The command."""
    begin()
    config = Path(step["config"]["state_dir"]) / "purveyor.json"
    config.write_text(json.dumps(step["config"]), encoding="utf-8")
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of this process' life
    return run(["reconcile", "--apply", "--config", str(config)]) == 0


JOBS = {
    "buy": lambda *how: asyncio.run(buy(*how)),
    "settle": lambda *how: asyncio.run(settle(*how)),
    "reconcile": reconcile,
}


def child(step: dict[str, Any], after: float | None) -> Any:
    """What a new process brings; nothing if it is killed first, or fails."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        try:
            result = JOBS[step["job"]](step, partial(os.write, theirs, b" "))
            os.write(theirs, json.dumps(result).encode())
        except PurveyorError as error:
            os.write(2, f"{step['job']}: {error!r}\n".encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.read(ours, 1)
    if not select.select([ours], [], [], after)[0]:
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(ours, "rb") as pipe:
        told = pipe.read().strip()
    os.waitpid(pid, 0)
    return json.loads(told) if told else None


def left_behind(step: dict[str, Any]) -> list[str]:
    """In which states the journal has the intents after a kill."""
    file = Path(step["config"]["state_dir"]) / "state.sqlite3"
    names = json.dumps(step["names"])
    query = "SELECT state FROM intent WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return [state for (state,) in db.execute(query, (names,))]
    except sqlite3.OperationalError:  # killed before there was a file, or a table
        return []


def carry_out(step: dict[str, Any]) -> dict[str, Any]:
    """One step to its end; a process that is killed before it has done anything is given longer the next time."""
    found: list[list[str]] = []
    patience = 1.0
    for after in step["kills"]:
        if child(step, after * patience) is None:
            found.append(left_behind(step))
            patience *= 1.3 if found[-2:-1] == found[-1:] else 1.0
    result = next(filter(None, (child(step, None) for _ in range(_TRIES))), None)
    return {"job": step["job"], "result": result, "found": found}


def main() -> None:
    """One process for each order."""
    gc.freeze()  # what is shared stays shared
    pids = []
    for order in json.load(sys.stdin):
        pid = os.fork()
        if not pid:
            for step in order:
                os.write(1, json.dumps(carry_out(step)).encode() + b"\n")
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
