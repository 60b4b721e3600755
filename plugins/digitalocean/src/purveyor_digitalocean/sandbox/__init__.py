"""A sandbox that speaks DigitalOcean's API v2; it needs ``purveyor-testing`` and nothing else of ours."""

from purveyor_digitalocean.sandbox._behaviour import Behaviour
from purveyor_digitalocean.sandbox._cloud import DigitalOceanSandbox

__all__ = ["Behaviour", "DigitalOceanSandbox"]
