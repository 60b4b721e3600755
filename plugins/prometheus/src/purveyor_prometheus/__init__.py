"""Prometheus for Purveyor: PromQL, scraped endpoints, and a fast reader of the exposition formats."""

from purveyor_prometheus._exposition import ExpositionReader, iter_exposition, parse_exposition
from purveyor_prometheus._exposition_grammar import ExpositionLimits

__all__ = ["ExpositionLimits", "ExpositionReader", "iter_exposition", "parse_exposition"]
