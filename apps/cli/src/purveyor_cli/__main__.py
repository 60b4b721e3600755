"""Where the command starts; says its version before anything is loaded that could be slow or broken."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command with the arguments of the process; the exit code."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415 - nothing more is needed for it

        sys.stdout.write(f"purveyor {version('purveyor-cli')}\n")
        return 0
    from purveyor_cli.cli import run  # noqa: PLC0415 - everything else, and not needed for the version

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
