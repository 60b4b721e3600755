"""A provider's daemon on its own port: routing, limits, signatures and ownership as the Go daemon does them.

Source: virtengine ``pkg/provider_daemon/portal_api.go`` and ``portal_middleware.go``.
"""

import posixpath
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import attrs

from purveyor_testing.sandbox import Answer, Call, Entry, Refusal, Route, Sandbox, Why
from purveyor_virtengine.sandbox._actions import Actions
from purveyor_virtengine.sandbox._behaviour import Behaviour
from purveyor_virtengine.sandbox._certificates import Authority
from purveyor_virtengine.sandbox._chain import Chain
from purveyor_virtengine.sandbox._deployments import Deployments
from purveyor_virtengine.sandbox._facts import Facts
from purveyor_virtengine.sandbox._hostile import Hostility
from purveyor_virtengine.sandbox._logs import Logs
from purveyor_virtengine.sandbox._money import Money
from purveyor_virtengine.sandbox._record import Record
from purveyor_virtengine.sandbox._runtime import Runtime
from purveyor_virtengine.sandbox._shell import Shells
from purveyor_virtengine.sandbox._verify import (
    MAX_AGE,
    Claim,
    PanicError,
    UnsignedError,
    check_hmac,
    check_wallet,
    claim_of,
)
from purveyor_virtengine.sandbox._words import (
    InsteadError,
    described,
    fall_over,
    moved,
    nowhere,
    text,
    wrong_method,
)

API = "/api/v1"
WINDOW = 60.0
"""Seconds of the rate limit's fixed window."""


@attrs.define(eq=False, kw_only=True, slots=False)
class ProviderDaemon(Behaviour, Sandbox):
    """One provider; ``await daemon.stop()`` takes it offline, ``await daemon.start()`` brings it back."""

    address: str = ""
    """The provider's account."""
    chain: Chain = attrs.field(init=False, repr=False)
    record: Record = attrs.field(init=False, repr=False)
    authority: Callable[[], Authority] = attrs.field(init=False, repr=False)
    """Gives who vouches for it."""
    hostility: Hostility | None = attrs.field(default=None, init=False)
    runtimes: dict[str, Runtime] = attrs.field(factory=dict, init=False, repr=False)
    nonces: dict[str, float] = attrs.field(factory=dict, init=False, repr=False)
    """``address:nonce`` to when it is forgotten. In memory only: a daemon that restarts has seen none."""
    _window: tuple[float, int] = attrs.field(default=(0.0, 0), init=False, repr=False)
    _limited: Call | None = attrs.field(default=None, init=False, repr=False)
    """The call that was counted last: calls are answered one after another."""
    started_at: float = attrs.field(default=0.0, init=False)
    """When it began to serve, epoch seconds."""
    _deployments: Deployments = attrs.field(init=False, repr=False)
    _shells: Shells = attrs.field(init=False, repr=False)
    _table: list[Route] = attrs.field(init=False, repr=False)

    name: ClassVar[str] = "virtengine-provider"
    secret_params: ClassVar[frozenset[str]] = frozenset({"token", "sig", "ve_sig"})
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = {
        **Sandbox.refusals,
        "rate_limit": (429, "rate limit exceeded"),
        "not_found": (404, "deployment not found"),
        "bad_body": (400, "invalid request body"),
        "no_capacity": (503, "lifecycle service unavailable"),
    }

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._shells, self._deployments = Shells(self), Deployments(self)
        rooms = (Facts(self), Money(self), self._deployments, Actions(self), Logs(self), self._shells)
        self._table = [known for room in rooms for route in room.routes() for known in _at_their_paths(route)]

    # What tests arrange.

    async def start(self) -> "ProviderDaemon":
        """Serve, on the port of last time if there was one; nonces and shells of before are forgotten."""
        self.nonces.clear()
        self._shells.forget()
        self._window = (0.0, 0)
        self.started_at = self.clock.now
        await super().start()
        self.port = urlsplit(self.origin).port or 0
        return self

    def turn_hostile(self, way: str, *, path: str = "*", **options: Any) -> None:
        """Answer whatever comes below `path` (``*`` and ``?`` as in a shell) in a hostile way, signed or not.

        The ways and their options are in `hostile.WAYS`; ``behave`` ends it.
        """
        self.hostility = Hostility.of(way, path, options)

    def behave(self) -> None:
        """Be honest again."""
        self.hostility = None

    def runtime(self, id_: str) -> Runtime | None:
        """The deployment that goes by this id here, if the chain knows a lease of it."""
        leases = [one for one in self.chain.leased(provider=self.address) if self.id_of(one) == id_]
        if not leases:
            return None
        if id_ not in self.runtimes:
            began = self.chain.block_time(min(one.created_at for one in leases))
            self.runtimes[id_] = Runtime(id_, leases, self.clock, began)
            self.runtimes[id_].happened("started", "deployment started")
        self.runtimes[id_].leases = leases
        return self.runtimes[id_]

    def deployment(self, id_: str | int) -> Runtime:
        """The same, for those who are sure."""
        found = self.runtime(str(id_))
        if found is None:
            raise LookupError(f"{self.server_name} has no deployment {id_}")
        return found

    def id_of(self, lease: Any) -> str:
        """What this daemon calls a lease."""
        return self.deployment_format.format(**attrs.asdict(lease))

    def say(self, id_: str | int, message: str, level: str = "info") -> None:
        """Let a deployment write a line; whoever follows its log gets it."""
        self.deployment(id_).say(message, level)

    # What it serves.

    def routes(self) -> Iterable[Route]:
        """Everything below /api/v1, and the older twins of health, logs and shell beside it."""
        return self._table

    @property
    def _served(self) -> Iterator[Route]:
        """What the router of this dialect knows."""
        return (one for one in self._table if self._deployments.exists(one.template))

    def tls(self) -> ssl.SSLContext | None:
        """By its certificate of now."""
        return None if self.certificate == "none" else self.authority().context(self.certificate)

    def note(self, call: Call, entry: Entry) -> None:
        """Write down whatever is signed, before anything happens to it."""
        self.record.arrived(call, entry, self.address)

    def authenticate(self, call: Call) -> None:
        """Before signatures: hostility, the router, the rate limit."""
        if self.hostility is not None and (answer := self.hostility.answer(call)) is not None:
            raise InsteadError(answer)
        self._find(call)
        if self.rate_limit > 0 and call.path.startswith(f"{API}/"):
            self._limited = call
            self._count()

    def _find(self, call: Call) -> None:
        path = unquote(call.path)
        clean = _cleaned(path)
        if clean != path:
            raise moved(clean)
        matching = {one.method for one in self._served if one.match(one.method, path) is not None}
        if not matching or (path.endswith("/") and path != "/"):
            raise nowhere()
        if call.method not in matching:
            raise wrong_method()

    def _count(self) -> None:
        began, count = self._window
        if self.clock.now - began >= WINDOW:
            began, count = self.clock.now, 0
        if count >= self.rate_limit:
            raise self.refusal("rate_limit")
        self._window = (began, count + 1)

    def headers(self, call: Call) -> Mapping[str, str]:
        """The rate limit's, on every route that is limited, and on nothing that is no route. There is never a Retry-After."""
        if call is not self._limited:
            return {}
        began, count = self._window
        return {
            "X-RateLimit-Limit": str(self.rate_limit),
            "X-RateLimit-Remaining": str(max(self.rate_limit - count, 0)),
            "X-RateLimit-Reset": str(int(began + WINDOW)),
        }

    def require(self, call: Call, scope: str) -> None:
        """``public`` asks nobody; ``optional`` checks who is named; ``principal`` wants a name; ``owner`` the lease's.

        With ``text`` refusals are plain text, as those handlers write them.
        """
        words = scope.split()
        if words[0] == "public" or (words[0] == "optional" and not self._is_named(call)):
            return
        try:
            call.token, kind = self._principal(call)
        except UnsignedError as error:
            self.record.judged(call, str(error))
            raise self._no(401, str(error), words) from None
        except PanicError as error:
            self.record.judged(call, f"panic: {error}")
            fall_over()
        self.record.judged(call, "accepted")
        if words[0] == "owner" and kind != "insecure":
            self._check_owner(call, words)

    @staticmethod
    def _is_named(call: Call) -> bool:
        claim = claim_of(call)
        return claim is not None and bool(claim.address)

    def _principal(self, call: Call) -> tuple[str, str]:
        """Who asks, and how that is known."""
        claim, now = claim_of(call), self.clock.now
        if claim is not None and claim.scheme == "wallet":
            check_wallet(call, claim, chain_id=self.chain_id, now=now, seen=self.nonces)
            self.nonces[f"{claim.address}:{claim.nonce}"] = int(claim.timestamp) / 1000 + MAX_AGE
            return claim.address, "wallet"
        if self.allow_insecure and (not self.hmac_secret or claim is None or not claim.whole):
            return "dev", "insecure"
        return self._hmac_principal(call, claim, now), "hmac"

    def _hmac_principal(self, call: Call, claim: Claim | None, now: float) -> str:
        if claim is None or not claim.whole:
            raise UnsignedError("missing signed request headers")
        check_hmac(call, claim, secret=self.hmac_secret, now=now)
        return claim.address

    def _check_owner(self, call: Call, words: list[str]) -> None:
        if self.ownership == "unavailable":
            raise self._no(403, "lease query unavailable", words)
        found = self.runtime(call.params["id"])
        if found is None:
            raise self._no(403, "lease not found", words)
        if found.leases[0].owner != call.token:
            raise self._no(403, "address does not own this lease", words)

    def _no(self, status: int, message: str, words: list[str]) -> Refusal:
        return text(status, message) if "text" in words else Refusal(status, message)

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """``{"error": …}``, or whatever answer the refusal brings; in the other dialect, the description's shape."""
        del call
        if self.dialect == "openapi" and refusal.status not in (0, 200, 301) and refusal.message:
            return Answer.json(described(refusal), refusal.status, _plain(refusal))
        if isinstance(refusal, InsteadError):
            return refusal.answer
        return Answer.json({"error": refusal.message}, refusal.status, refusal.headers)


def _at_their_paths(route: Route) -> Iterator[Route]:
    yield Route(route.method, API + route.template, route.serve, route.scope)
    if route.template.endswith(("/health", "/logs", "/shell", "/shell/session")):
        yield route


def _plain(refusal: Refusal) -> dict[str, str]:
    return {
        key: value for key, value in refusal.headers.items() if not key.startswith(("Content-", "X-Content-"))
    }


def _cleaned(path: str) -> str:
    """A path as Go's router cleans it: no empty, ``.`` or ``..`` segments; a slash at the end stays."""
    clean = posixpath.normpath(path if path.startswith("/") else f"/{path}")
    clean = clean.replace("//", "/", 1) if clean.startswith("//") else clean
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean
