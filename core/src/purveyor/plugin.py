"""Everything that a plugin's author imports from the core, in one place.

HTTP plugins also use :mod:`purveyor.wire`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from purveyor.model.account import *  # noqa: F403
from purveyor.model.catalog import *  # noqa: F403
from purveyor.model.deployment import *  # noqa: F403
from purveyor.model.errors import *  # noqa: F403
from purveyor.model.guards import *  # noqa: F403
from purveyor.model.instance import *  # noqa: F403
from purveyor.model.metrics import *  # noqa: F403
from purveyor.model.selection import *  # noqa: F403
from purveyor.model.values import *  # noqa: F403
from purveyor.model.views import *  # noqa: F403
from purveyor.spi.call import *  # noqa: F403
from purveyor.spi.deployments import *  # noqa: F403
from purveyor.spi.events import *  # noqa: F403
from purveyor.spi.facets import *  # noqa: F403
from purveyor.spi.hookspecs import *  # noqa: F403

if TYPE_CHECKING:
    from purveyor.model.samples import *  # noqa: F403


_SAMPLES = frozenset({"Exemplar", "MetricFamily", "MetricType", "Sample"})


def __dir__() -> list[str]:
    return sorted({*globals(), *_SAMPLES})


def __getattr__(name: str) -> Any:
    """Samples need a library that takes its time to load, and most plugins have none."""
    if name in _SAMPLES:
        return getattr(importlib.import_module("purveyor.model.samples"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
