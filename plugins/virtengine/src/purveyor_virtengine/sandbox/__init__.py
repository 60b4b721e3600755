"""A sandbox that is a chain and its providers; it needs ``purveyor-testing`` and nothing else of ours."""

from purveyor_virtengine.sandbox._behaviour import Behaviour
from purveyor_virtengine.sandbox._chain import Chain, Lease, Provider
from purveyor_virtengine.sandbox._daemon import ProviderDaemon
from purveyor_virtengine.sandbox._hostile import WAYS
from purveyor_virtengine.sandbox._keys import Wallet
from purveyor_virtengine.sandbox._node import ChainNode
from purveyor_virtengine.sandbox._record import Signature
from purveyor_virtengine.sandbox._virtengine import VirtEngineSandbox

__all__ = [
    "WAYS",
    "Behaviour",
    "Chain",
    "ChainNode",
    "Lease",
    "Provider",
    "ProviderDaemon",
    "Signature",
    "VirtEngineSandbox",
    "Wallet",
]
