"""A sandbox that speaks like dcgm-exporter; it needs ``purveyor-testing`` and nothing else of ours."""

from purveyor_dcgm.sandbox._exporter import DcgmSandbox

__all__ = ["DcgmSandbox"]
