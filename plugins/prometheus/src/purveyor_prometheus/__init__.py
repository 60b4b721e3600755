"""Prometheus for Purveyor: PromQL, scraped endpoints, and a fast reader of the exposition formats.

What brings an HTTP client is in :mod:`purveyor_prometheus.sources`.
"""

from purveyor_prometheus._config import SourceSettings
from purveyor_prometheus._exposition import ExpositionReader, iter_exposition, parse_exposition
from purveyor_prometheus._exposition_grammar import ExpositionLimits

__all__ = ["ExpositionLimits", "ExpositionReader", "SourceSettings", "iter_exposition", "parse_exposition"]
