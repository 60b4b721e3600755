"""How long one waits before anything happens: the command's version, and the library's import.

Run it alone: ``python benchmarks/startup.py``. Every measurement is a process of its own; the contenders take turns in
every round, so that whatever else the machine does meets all of them. Medians are compared; the exit code is 1 if a
target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMANDS: Mapping[str, Sequence[str]] = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "import attrs": (sys.executable, "-c", "import attrs"),
    "purveyor --version": (str(Path(sys.executable).with_name("purveyor")), "--version"),
    "import purveyor": (sys.executable, "-c", "import purveyor"),
    "import libcloud.compute.providers": (sys.executable, "-c", "import libcloud.compute.providers"),
}
TARGETS = (
    # What, beside what, and how many times as long it may take.
    ("purveyor --version", "import attrs", 2.5),
    ("import purveyor", "import libcloud.compute.providers", 0.6),
)


def measure(command: Sequence[str]) -> float:
    """Milliseconds from start to end of a process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def medians(rounds: int) -> dict[str, float]:
    """Milliseconds of every contender; a first round, which fills the file caches, does not count."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            took = measure(command)
            if number:
                times[name].append(took)
    return {name: statistics.median(some) for name, some in times.items()}


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    found = medians(rounds)
    print(f"median of {rounds} processes each, in turn")
    for name, milliseconds in found.items():
        print(f"{milliseconds:8.1f} ms  {name}")
    missed = 0
    for name, beside, most in TARGETS:
        ratio = found[name] / found[beside]
        missed += ratio > most
        verdict = "MISSED" if ratio > most else "ok"
        print(f"{ratio:8.2f} x   {name} : {beside}, at most {most}: {verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
