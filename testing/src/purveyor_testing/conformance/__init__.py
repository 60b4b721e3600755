"""What every provider plugin with machines must do, as a suite of tests that its author inherits.

```python
from purveyor import InstanceSpec
from purveyor_testing.conformance import ProviderConformance


class TestLinode(ProviderConformance):
    plugin = "linode"
    spec = InstanceSpec(name="conformance", plan="g6-nanode-1", image="debian-12", region="nl-ams")
    create = ("POST", "/v4/linode/instances")
```

The numbers of the scenarios are those of ``docs/conformance.md``. They run against the plugin's own sandbox, so they are
worth as much as the sandbox is true. They need pytest with pytest-asyncio in ``auto`` mode.
"""

from __future__ import annotations

from purveyor_testing.conformance._machines import Machines
from purveyor_testing.conformance._offers import Offers
from purveyor_testing.conformance._troubles import Troubles

__all__ = ["ProviderConformance"]


class ProviderConformance(Offers, Machines, Troubles):
    """Inherit it, and say which plugin and what its sandbox sells."""
