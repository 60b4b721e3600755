"""Configuration: found, read, checked as a whole, every mistake reported with its path."""

from purveyor.config._document import Configuration, Limits, load_configuration
from purveyor.config._files import FILE_NAMES, find_file, read_file
from purveyor.config._shapes import Mistake

__all__ = [
    "FILE_NAMES",
    "Configuration",
    "Limits",
    "Mistake",
    "find_file",
    "load_configuration",
    "read_file",
]
