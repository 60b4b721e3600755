"""The base of every sandbox: a stateful cloud on loopback that can misbehave on request."""

import ssl
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

import attrs

from purveyor_testing.sandbox._clock import Clock, Speed
from purveyor_testing.sandbox._control import CONTROL
from purveyor_testing.sandbox._faults import Fault, FaultBook, make_fault
from purveyor_testing.sandbox._log import Entry, TruthLog
from purveyor_testing.sandbox._seeded import Seeded
from purveyor_testing.sandbox._server import LoopbackServer
from purveyor_testing.sandbox._wire import Answer, Call, Refusal, Route, Scopes

Why = Literal[
    "unauthorized", "scope", "not_found", "bad_body", "rate_limit", "no_capacity", "quota", "broken"
]
"""Why a vendor says no; each has its own status and words."""


@attrs.define(eq=False, kw_only=True, slots=False)
class Sandbox:
    """A cloud on ``127.0.0.1``; subclasses say what the vendor's routes, words and headers are.

    ``async with VendorSandbox(seed=1) as cloud:`` serves until the block ends. Everything it does repeats
    with the seed; `log` tells what truly happened.
    """

    seed: int = 1
    speed: Speed = "fast"
    """real: lifecycles take realistic time. fast: a hundredth of it. stepped: time moves by `advance` only."""
    port: int = 0
    """0 picks a free one."""
    token: str = attrs.field(default="sandbox-token", repr=False)
    """A token that may do everything."""
    start_at: datetime | None = None
    """When sandbox time begins: now, or a fixed day where it is stepped."""

    clock: Clock = attrs.field(init=False, repr=False)
    chance: Seeded = attrs.field(init=False, repr=False)
    faults: FaultBook = attrs.field(factory=FaultBook, init=False, repr=False)
    server_name: str = attrs.field(default="", init=False)
    """What the log calls this server, where several belong together."""
    truth: TruthLog = attrs.field(init=False, repr=False)
    _tokens: dict[str, Scopes] = attrs.field(factory=dict, init=False, repr=False)
    _server: LoopbackServer = attrs.field(init=False, repr=False)

    name: ClassVar[str] = "sandbox"
    """The provider type, and the key in the ready file."""
    base_path: ClassVar[str] = ""
    """What the vendor's own clients take as part of the base URL, such as ``/v4``."""
    secret_params: ClassVar[frozenset[str]] = frozenset()
    """Query parameters that are credentials: the log shows that they were there, and no more."""
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = {
        "unauthorized": (401, "unauthorized"),
        "scope": (403, "forbidden"),
        "not_found": (404, "not found"),
        "bad_body": (400, "bad request"),
        "rate_limit": (429, "too many requests"),
        "no_capacity": (503, "no capacity"),
        "quota": (403, "quota exceeded"),
        "broken": (500, "internal server error"),
    }
    """The vendor's status and words for each reason."""

    def __attrs_post_init__(self) -> None:
        self.clock = Clock(self.speed, self.start_at)
        self.chance = Seeded(self.seed)
        self.truth = TruthLog(lambda: self.clock.now)
        self._tokens[self.token] = None
        self._server = LoopbackServer(self)

    # What a vendor says differently.

    def routes(self) -> Iterable[Route]:
        """Every operation of the vendor's API; asked for once, at the start."""
        return ()

    def control_routes(self) -> Iterable[Route]:
        """Further control endpoints of this vendor, below `control_url`."""
        return ()

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """An error in the vendor's shape."""
        del call
        return Answer.json({"error": refusal.message}, refusal.status, refusal.headers)

    def authenticate(self, call: Call) -> None:
        """Set the call's token and scopes, or refuse it."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._tokens:
            raise self.refusal("unauthorized")
        call.token, call.scopes = token, self._tokens[token]

    def admit(self, call: Call) -> None:
        """Refuse a call that is over a rate limit."""

    def headers(self, call: Call) -> Mapping[str, str]:
        """What every answer of this vendor carries; asked for once per call."""
        del call
        return {}

    def tls(self) -> ssl.SSLContext | None:
        """What it serves https with; asked for at each start."""
        return None

    # What tests and vendors' routes use.

    def refusal(self, why: Why) -> Refusal:
        """The vendor's own no."""
        status, words = self.refusals[why]
        return Refusal(status, words)

    def require(self, call: Call, scope: str) -> None:
        """Refuse a call whose token lacks a scope; several are separated by spaces."""
        if call.scopes is not None and not call.scopes.issuperset(scope.split()):
            raise self.refusal("scope")

    def add_token(self, token: str, scopes: Iterable[str] | None = None) -> None:
        """Accept another token; without scopes it may do everything."""
        self._tokens[token] = None if scopes is None else frozenset(scopes)

    def fault(self, name: str, **how: Any) -> Fault:
        """Let a fault stand: ``fault("reset_after", method="POST", path="/v2/droplets", times=1)``.

        Further keywords are the fault's options. Its seconds are wall time where it concerns the wire
        (latency, drip) and sandbox time where it concerns the cloud (late_effect, list_lag).
        """
        fault = make_fault(name, **how)
        self.faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Take every fault away."""
        self.faults.clear()

    def note(self, call: Call, entry: Entry) -> None:
        """Look at a call that has just arrived, before any fault or check."""

    @property
    def log(self) -> list[Entry]:
        """What truly happened, in order, late effects included."""
        self.clock.settle()
        return self.truth.entries()

    def advance(self, seconds: float) -> None:
        """Move sandbox time forward."""
        self.clock.advance(seconds)

    # Serving.

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self._server.origin

    @property
    def base_url(self) -> str:
        """What a client is configured with."""
        return self.origin + self.base_path

    @property
    def control_url(self) -> str:
        """Where faults are set and the log is read."""
        return self.origin + CONTROL

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return self._server.connections

    def settings(self) -> dict[str, Any]:
        """What a provider's ``config`` needs to use it."""
        return {"token": self.token, "base_url": self.base_url}

    def ready(self) -> dict[str, Any]:
        """Its entry in the ready file."""
        return {"base_url": self.base_url, "token": self.token, "control_url": self.control_url}

    async def start(self) -> Self:
        """Serve from now on."""
        await self._server.start(self.port, self.tls())
        return self

    async def stop(self) -> None:
        """Stop at once; requests that hang are cut off."""
        await self._server.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
