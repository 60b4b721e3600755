"""Run every benchmark, one after the other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    failed = False
    for script in sorted(HERE.glob("*.py")):
        if script.name != "run.py" and not script.name.startswith("_"):
            print(f"== {script.name}", flush=True)
            failed |= subprocess.run([sys.executable, script], check=False, cwd=HERE).returncode != 0
    sys.exit(failed)
