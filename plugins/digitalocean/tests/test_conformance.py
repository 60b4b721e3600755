from typing import ClassVar

from purveyor import InstanceSpec
from purveyor_testing.conformance import ProviderConformance


class TestDigitalOcean(ProviderConformance):
    plugin = "digitalocean"
    spec: ClassVar = InstanceSpec(name="conformance", plan="s-1vcpu-1gb", image="debian-12", region="ams3")
    create: ClassVar = ("POST", "/v2/droplets")
