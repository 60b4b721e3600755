"""The sandbox kit: stateful clouds on loopback, with faults, their own clock and a true log.

A vendor's sandbox subclasses `Sandbox`, lists its `Route` objects and says in which words the vendor
refuses; lifecycle, control endpoints, faults, log, time, tokens and seeded chance are here.
"""

from purveyor_testing.sandbox._addresses import PUBLIC, PUBLIC6, address_in
from purveyor_testing.sandbox._clock import Clock, Speed, rfc3339
from purveyor_testing.sandbox._faults import FAULTS, Fault, FaultError
from purveyor_testing.sandbox._limits import SlidingWindow, Verdict
from purveyor_testing.sandbox._log import Effect, Entry
from purveyor_testing.sandbox._machine import Machine
from purveyor_testing.sandbox._ready import write_ready_file
from purveyor_testing.sandbox._sandbox import Sandbox, Why
from purveyor_testing.sandbox._seeded import Seeded
from purveyor_testing.sandbox._wire import Answer, Call, Refusal, Route, Scopes, Socket, Talk, compact

__all__ = [
    "FAULTS",
    "PUBLIC",
    "PUBLIC6",
    "Answer",
    "Call",
    "Clock",
    "Effect",
    "Entry",
    "Fault",
    "FaultError",
    "Machine",
    "Refusal",
    "Route",
    "Sandbox",
    "Scopes",
    "Seeded",
    "SlidingWindow",
    "Socket",
    "Speed",
    "Talk",
    "Verdict",
    "Why",
    "address_in",
    "compact",
    "rfc3339",
    "write_ready_file",
]
