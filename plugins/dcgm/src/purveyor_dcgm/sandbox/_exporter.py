"""The sandbox itself: dcgm-exporter's three pages, and what can be arranged in the machine that it runs on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import attrs

from purveyor_dcgm.sandbox._machine import STEP, XIDS, Machine
from purveyor_dcgm.sandbox._text import Names, written
from purveyor_testing.sandbox import Answer, Call, Refusal, Route, Sandbox, Why

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_FIRST_PAGE = (
    b'<html><head><title>GPU Exporter</title></head><body><a href="./metrics">Metrics</a></body></html>'
)


@attrs.define(eq=False, kw_only=True, slots=False)
class DcgmSandbox(Sandbox):
    """An exporter on a machine with GPUs: ``async with DcgmSandbox(seed=1) as exporter:``.

    Everything is collected anew every 30 seconds, and in fast mode a hundred times as often: hours pass in minutes.
    """

    gpus: int = 8
    host: str = "gpu-node-1"
    names: Names = "old"
    """``old`` up to DCGM 4.5; ``new`` from 4.6 on."""
    machine: Machine = attrs.field(init=False, repr=False)
    _began: float = attrs.field(init=False, repr=False)
    _lived: int = attrs.field(init=False, repr=False)
    _reloads_until: float = attrs.field(default=0.0, init=False, repr=False)

    name: ClassVar[str] = "dcgm"
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = {
        **Sandbox.refusals,
        "unauthorized": (401, "Unauthorized"),
        "not_found": (404, "404 page not found"),
        "broken": (500, "Internal Server Error"),
    }

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.machine = Machine(self.chance, self.gpus, self.host)
        self._began, self._lived = self.clock.now, self.machine.steps

    # What tests arrange.

    def partition(self, gpu: int, profiles: Sequence[str]) -> None:
        """Cut a GPU into MIG instances, such as ``["3g.40gb", "1g.10gb"]``; an empty list makes it whole again."""
        self._live()
        self.machine.partition(gpu, profiles)

    def share(self, gpu: int, pods: int) -> None:
        """Let so many pods have a GPU in time slices."""
        self._live()
        self.machine.share(gpu, pods)

    def fail(self, gpu: int, xid: int) -> None:
        """Let the driver report an error of a GPU; it stays. 0 is a restart."""
        if xid and xid not in XIDS:
            raise ValueError(f"no error {xid}; there are {', '.join(map(str, XIDS))}")
        self.machine.gpu(gpu).xid = xid

    def job(self, gpu: int, text: str) -> None:
        """Let a scheduler name the job on a GPU; quotes in it go out as they are, as from the real exporter."""
        self.machine.gpu(gpu).hpc_job = text

    def reload(self, seconds: float) -> None:
        """Reload for so long, as after a change of its configuration: its answers are well, and empty."""
        self._reloads_until = self.clock.now + seconds

    # What the exporter does.

    def settings(self) -> dict[str, object]:
        """A provider scrapes it."""
        return {"targets": [self.origin.removeprefix("http://")]}

    def authenticate(self, call: Call) -> None:
        """Without ``--web-config-file`` nobody is asked who they are."""

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """Go's web server answers in one line."""
        del call
        return Answer(refusal.status, f"{refusal.message}\n".encode(), {**_TEXT, **refusal.headers})

    def routes(self) -> Iterable[Route]:
        """The pages."""
        return (
            Route("GET", "/metrics", self._metrics),
            Route("GET", "/health", self._health),
            Route("GET", "/", lambda _: Answer(200, _FIRST_PAGE, {"Content-Type": "text/html"})),
        )

    def control_routes(self) -> Iterable[Route]:
        """What is arranged from outside."""
        return (Route("POST", "/gpus/{gpu}", self._arrange_gpu), Route("POST", "/exporter", self._arrange))

    def _live(self) -> None:
        self.clock.settle()
        passed = self.clock.now - self._began
        self.machine.live_to(self._lived + int(passed / self.clock.lifecycle(STEP)))

    @property
    def _reloads(self) -> bool:
        return self.clock.now < self._reloads_until

    def _metrics(self, call: Call) -> Answer:
        del call
        if self._reloads:
            return Answer(200, b"", _TEXT)
        self._live()
        return Answer(200, written(self.machine, self.names).encode(), _TEXT)

    def _health(self, call: Call) -> Answer:
        del call
        if self._reloads:
            return Answer(200, b"OK - reload in progress", {**_TEXT, "X-Reload-In-Progress": "true"})
        return Answer(200, b"OK", _TEXT)

    def _arrange_gpu(self, call: Call) -> Answer:
        body = _known(call.json(), {"mig": list, "pods": int, "xid": int, "hpc_job": str})
        gpu = int(call.params["gpu"])
        self.machine.gpu(gpu)
        if "mig" in body:
            self.partition(gpu, [str(one) for one in body["mig"]])
        if "pods" in body:
            self.share(gpu, body["pods"])
        if "xid" in body:
            self.fail(gpu, body["xid"])
        if "hpc_job" in body:
            self.job(gpu, body["hpc_job"])
        return Answer(204)

    def _arrange(self, call: Call) -> Answer:
        body = _known(call.json(), {"names": str, "reload": (int, float)})
        if body.get("names", "old") not in ("old", "new"):
            raise ValueError("names are old or new")
        self.names = cast(Names, body.get("names", self.names))
        if "reload" in body:
            self.reload(body["reload"])
        return Answer(204)


def _known(body: dict[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in body.items():
        if name not in kinds or not isinstance(value, kinds[name]) or isinstance(value, bool):
            raise ValueError(f"{name} cannot be {value!r}; there are {', '.join(kinds)}")
    return body
