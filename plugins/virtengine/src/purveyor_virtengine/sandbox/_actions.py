"""Actions on deployments: accepted at once, done later, and one at a time.

Source: virtengine ``pkg/provider_daemon/portal_lifecycle.go``.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from purveyor_testing.sandbox import Answer, Call, Refusal, Route
from purveyor_virtengine.sandbox._runtime import Runtime
from purveyor_virtengine.sandbox._words import fall_over

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon

ACTIONS = ("start", "stop", "restart", "resize")
SIZES = ("cpu_cores", "memory_mb", "storage_gb", "gpu_count")


@attrs.define(eq=False)
class Actions:
    """``/deployments/{id}/actions``. What came of one is told by the deployment's events."""

    _daemon: "ProviderDaemon"
    _number: int = attrs.field(default=0, init=False)

    def routes(self) -> Iterable[Route]:
        """One."""
        return (Route("POST", "/deployments/{id}/actions", self._act, scope="owner"),)

    def _act(self, call: Call) -> Answer:
        daemon = self._daemon
        if daemon.lifecycle == "unavailable":
            raise Refusal(503, "lifecycle service unavailable")
        action, parameters = self._read(call)
        if daemon.lifecycle == "no_consent":
            raise Refusal(403, f"consent not granted for lifecycle action {action}")
        if daemon.lifecycle == "panic":
            fall_over()
        sizes = _sizes(parameters) if action == "resize" else {}
        if action not in ACTIONS:
            raise Refusal(400, "unsupported action")
        runtime = daemon.runtime(call.params["id"])
        if runtime is None:
            raise Refusal(404, "resource not found")
        _check(runtime, action)
        if daemon.lifecycle == "declined":
            return Answer.json({"success": False, "message": "declined by the backend", "state": "failed"})
        return self._begin(call, runtime, action, sizes)

    @staticmethod
    def _read(call: Call) -> tuple[str, dict[str, Any]]:
        try:
            body = json.loads(call.body)
            action, parameters = body.get("action", ""), body.get("parameters") or {}
        except (ValueError, AttributeError):
            raise Refusal(400, "invalid request body") from None
        if not isinstance(action, str) or not isinstance(parameters, dict):
            raise Refusal(400, "invalid request body")
        if not action.strip():
            raise Refusal(400, "action required")
        return action.strip().lower(), parameters

    def _begin(self, call: Call, runtime: Runtime, action: str, sizes: dict[str, float]) -> Answer:
        daemon = self._daemon
        self._number += 1
        id_ = runtime.operation = f"op-{self._number}"
        runtime.happened("lifecycle.executing", f"{action} executing (operation {id_})")
        seconds = daemon.clock.lifecycle(daemon.action_seconds)
        daemon.clock.after(seconds, lambda: self._finish(runtime, action, id_, sizes))
        call.effect("changed", "deployment", runtime.id, (action, id_))
        return Answer.json(
            {"success": True, "message": "accepted", "operation_id": id_, "state": "executing"}
        )

    def _finish(self, runtime: Runtime, action: str, id_: str, sizes: dict[str, float]) -> None:
        runtime.operation = None
        if action in self._daemon.doomed:
            self._daemon.doomed.remove(action)
            runtime.happened("lifecycle.failed", f"{action} failed (operation {id_})")
            return
        runtime.running = action != "stop"
        runtime.resized.update(sizes)
        runtime.say(f"{action} done")
        runtime.happened("lifecycle.completed", f"{action} completed (operation {id_})")


def _check(runtime: Runtime, action: str) -> None:
    if runtime.operation is not None:
        raise Refusal(409, "resource is busy")
    fits = {"start": not runtime.running, "stop": runtime.running, "restart": runtime.running}
    if runtime.state() == "closed" or not fits.get(action, True):
        raise Refusal(400, "invalid resource state for operation")


def _sizes(parameters: dict[str, Any]) -> dict[str, float]:
    if not parameters:
        raise Refusal(400, "resize parameters required")
    sizes: dict[str, float] = {}
    for name in SIZES:
        value = parameters.get(name)
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if value < 0:
                kind = "out of range" if name in ("cpu_cores", "gpu_count") else "must be non-negative"
                raise Refusal(400, f"{name} {kind}")
            sizes[name] = int(value)
    limits = parameters.get("custom_limits")
    if limits is not None and not isinstance(limits, dict):
        raise Refusal(400, "invalid custom_limits value")
    if not sizes and limits is None:
        raise Refusal(400, "resize parameters missing")
    return sizes
