"""Purveyor's own metrics for Prometheus."""

from purveyor_observer._metrics import MetricsObserver
from purveyor_observer._serving import MetricsServer, serve

__all__ = ["MetricsObserver", "MetricsServer", "serve"]
