"""Everything that a plugin's author imports from the core, in one place.

HTTP plugins also use :mod:`purveyor.wire`.
"""

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
