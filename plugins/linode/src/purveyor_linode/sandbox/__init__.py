"""A sandbox that speaks Linode's API v4; it needs ``purveyor-testing`` and nothing else of ours."""

from purveyor_linode.sandbox._behaviour import Behaviour
from purveyor_linode.sandbox._cloud import LinodeSandbox

__all__ = ["Behaviour", "LinodeSandbox"]
