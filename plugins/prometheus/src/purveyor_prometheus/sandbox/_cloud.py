"""The sandbox itself: a host with containers, its exporters, and a Prometheus that scrapes them."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import ClassVar

import attrs

from purveyor_prometheus.sandbox._behaviour import Behaviour
from purveyor_prometheus.sandbox._exporters import container_families, host_families
from purveyor_prometheus.sandbox._machine import Machine, make_machine
from purveyor_prometheus.sandbox._queries import Queries
from purveyor_prometheus.sandbox._world import Storage, Target
from purveyor_testing.sandbox import Answer, Call, Refusal, Route, Sandbox, Why

TYPES: Mapping[int, str] = {400: "bad_data", 422: "execution", 500: "internal", 503: "timeout"}
"""What the API calls a status; it says others in plain text, as do the proxies before it."""

TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


@attrs.define(eq=False, kw_only=True, slots=False)
class PrometheusSandbox(Behaviour, Sandbox):
    """A Prometheus on loopback, and what it scrapes: ``async with PrometheusSandbox(seed=1) as server:``.

    The exporters answer at :attr:`targets`, the query API at ``base_url``. Both read one simulated truth.
    """

    machine: Machine = attrs.field(init=False, repr=False)
    storage: Storage = attrs.field(init=False, repr=False)

    name: ClassVar[str] = "prometheus"
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = {
        "unauthorized": (401, "Unauthorized"),
        "scope": (403, "Forbidden"),
        "not_found": (404, "404 page not found"),
        "bad_body": (400, "bad request"),
        "rate_limit": (429, "Too Many Requests"),
        "no_capacity": (503, "query timed out in query queue"),
        "quota": (422, "query processing would load too many samples into memory in query execution"),
        "broken": (500, "internal server error"),
    }

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        since = self.clock.now - self.history_seconds
        self.machine = make_machine(self.chance, since)
        self.storage = Storage(
            targets=(
                Target("node", "/node/metrics", host_families(self.machine)),
                Target("cadvisor", "/cadvisor/metrics", container_families(self.machine), stamped=True),
            ),
            interval=self.scrape_interval,
            since=since,
            instance=lambda: self.origin.removeprefix("http://"),
            now=lambda: self.clock.now,
        )

    # What tests arrange.

    @property
    def targets(self) -> list[str]:
        """Addresses of the exporters."""
        return [self.origin + target.path for target in self.storage.targets]

    def restart(self, name: str | None = None) -> None:
        """Start a container again, or the whole host, so that its counters begin at zero."""
        machine = self.machine
        chosen = [one.life for one in machine.containers if name in {None, one.name}]
        if not chosen:
            names = ", ".join(one.name for one in machine.containers)
            raise ValueError(f"no container {name!r}; there are {names}")
        for life in [machine.life, *chosen] if name is None else chosen:
            life.restart(self.clock.now)

    def turn(self, job: str, *, up: bool) -> None:
        """Let an exporter (``node`` or ``cadvisor``) answer from now on, or not."""
        found = [target for target in self.storage.targets if target.job == job]
        if not found:
            raise ValueError(f"no job {job!r}; there are node and cadvisor")
        found[0].turn(self.clock.now, up=up)

    def ready(self) -> dict[str, str]:
        """Its entry in the ready file: the exporters' addresses too, by their jobs."""
        addresses = (target.job for target in self.storage.targets)
        return {**super().ready(), **dict(zip(addresses, self.targets, strict=True))}

    # What Prometheus does its own way.

    def routes(self) -> Iterable[Route]:
        """The query API, the management API, and the exporters."""
        yield from Queries(self.storage).routes()
        for name, word in (("healthy", "Healthy"), ("ready", "Ready")):
            said = f"Prometheus Server is {word}.\n".encode()
            yield Route("GET", f"/-/{name}", partial(_say, said))
        for target in self.storage.targets:
            yield Route("GET", target.path, partial(self._scraped, target))

    def control_routes(self) -> Iterable[Route]:
        """``POST {control_url}/restart {"name": "web"}`` and ``/turn {"job": "node", "up": false}``."""
        return (Route("POST", "/restart", self._restart), Route("POST", "/turn", self._turn))

    def _restart(self, call: Call) -> Answer:
        name = call.json().get("name")
        self.restart(None if name is None else str(name))
        return Answer(204)

    def _turn(self, call: Call) -> Answer:
        body = call.json()
        self.turn(str(body.get("job")), up=bool(body.get("up")))
        return Answer(204)

    def _scraped(self, target: Target, call: Call) -> Answer:
        del call
        now = self.clock.now
        if not target.up(now):
            raise Refusal(503, "Service Unavailable")
        return Answer(200, target.text(now).encode(), TEXT)

    def authenticate(self, call: Call) -> None:
        """The exporters are open to everybody."""
        shown = "Authorization" in call.headers
        exporter = any(call.path == target.path for target in self.storage.targets)
        if exporter or (self.open and not shown):
            call.scopes = None
        else:
            super().authenticate(call)

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """The API's envelope where it has a word for the status; plain text elsewhere."""
        kind = TYPES.get(refusal.status) if call.path.startswith("/api/") else None
        if kind is None:
            return Answer(refusal.status, f"{refusal.message}\n".encode(), {**PLAIN, **refusal.headers})
        body = {"status": "error", "errorType": kind, "error": refusal.message}
        return Answer.json(body, refusal.status, {"Content-Type": "application/json", **refusal.headers})


def _say(words: bytes, call: Call) -> Answer:
    del call
    return Answer(200, words, PLAIN)
