"""The ``purveyor`` command."""
