"""``python -m purveyor_testing.simulation --seed 7`` tells the story of one world; ``--seeds 20000`` runs many."""

from __future__ import annotations

import argparse
import os
import sys
import time

from purveyor_testing.simulation.run import simulate_many, tell


def main() -> int:
    """Run what the command line asks for; 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="purveyor_testing.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="tell the story of this world")
    parser.add_argument("--seeds", type=int, default=20_000, help="how many worlds to run")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes to run them in")
    asked = parser.parse_args()
    if asked.seed is not None:
        broken, history = tell(asked.seed)
        _say("\n".join(history))
        _say("\n".join(f"BROKEN: {one}" for one in broken) or "everything held")
        return 1 if broken else 0
    return _many(range(asked.first, asked.first + asked.seeds), asked.jobs)


def _many(seeds: range, jobs: int) -> int:
    began, done, failed = time.monotonic(), 0, 0
    for number, failures in simulate_many(seeds, jobs):
        done += number
        failed += len(failures)
        for failure in failures:
            _say(f"seed {failure.seed}: {'; '.join(failure.broken)}\n  make simulate SEED={failure.seed}")
        if done % 10_000 == 0:
            _say(f"{done} worlds, {failed} failed, {time.monotonic() - began:.0f} s")
    _say(f"{done} worlds, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
