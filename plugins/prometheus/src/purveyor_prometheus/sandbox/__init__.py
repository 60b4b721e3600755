"""A host, containers, and a Prometheus that scrapes them; it needs ``purveyor-testing`` and nothing else of ours."""

from purveyor_prometheus.sandbox._behaviour import Behaviour
from purveyor_prometheus.sandbox._cloud import PrometheusSandbox

__all__ = ["Behaviour", "PrometheusSandbox"]
