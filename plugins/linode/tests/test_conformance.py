from typing import ClassVar

from purveyor import InstanceSpec
from purveyor_testing.conformance import ProviderConformance


class TestLinode(ProviderConformance):
    plugin = "linode"
    spec: ClassVar = InstanceSpec(name="conformance", plan="g6-nanode-1", image="debian-12", region="nl-ams")
    create: ClassVar = ("POST", "/v4/linode/instances")
