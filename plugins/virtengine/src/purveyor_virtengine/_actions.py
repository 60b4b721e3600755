"""Actions: from ours to a daemon's, and how far they have come.

A daemon has no route to ask after an action, so its events are read for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

from purveyor.plugin import (
    ApiError,
    DeploymentAction,
    DeploymentActionRequest,
    Effect,
    GiB,
    InvalidActionError,
    MiB,
    Operation,
    OperationState,
)
from purveyor.wire import one_line, unsendable
from purveyor_virtengine import _daemon_rows as daemon_rows

__all__ = ["body_of", "effect_of", "operation", "progress", "refusal"]

STATES: Mapping[str, OperationState] = {
    "pending": OperationState.PENDING,
    "accepted": OperationState.PENDING,
    "executing": OperationState.RUNNING,
    "awaiting_callback": OperationState.RUNNING,
    "completed": OperationState.SUCCEEDED,
    "committed": OperationState.SUCCEEDED,
    "failed": OperationState.FAILED,
    "rolled_back": OperationState.FAILED,
    "cancelled": OperationState.CANCELLED,
}

SIZES: Mapping[str, tuple[str, int]] = {
    "cpus": ("cpu_cores", 1),
    "memory": ("memory_mb", MiB),
    "storage": ("storage_gb", GiB),
    "gpus": ("gpu_count", 1),
}
"""Our parameters of a resize to the daemon's, with what one unit of those is in ours."""

CONVERGING = frozenset({DeploymentAction.START, DeploymentAction.STOP})


def effect_of(action: DeploymentAction) -> Effect:
    """What repeating it would do."""
    return Effect.CONVERGE if action in CONVERGING else Effect.ONCE


def body_of(request: DeploymentActionRequest) -> dict[str, Any]:
    """The daemon's body.

    Raises:
        InvalidActionError: A parameter is missing, wrong, or none of the action's.
    """
    known = SIZES if request.action is DeploymentAction.RESIZE else {}
    strange = min(request.parameters.keys() - known.keys(), default=None)
    if strange is not None:
        raise unsendable(f"{request.action.value} has no parameter {strange}", strange, InvalidActionError)
    if known and not request.parameters:
        raise unsendable("resize needs cpus, memory, storage or gpus", "cpus", InvalidActionError)
    sizes = {SIZES[name][0]: _size(name, text) for name, text in request.parameters.items()}
    return {"action": request.action.value} | ({"parameters": sizes} if sizes else {})


def _size(name: str, text: str) -> int:
    try:
        amount = Decimal(text) / SIZES[name][1]
        if amount > 0 and amount == amount.to_integral_value():
            return int(amount)
    except InvalidOperation:
        pass
    unit = {MiB: "MiB", GiB: "GiB"}.get(SIZES[name][1], "one")
    raise unsendable(f"{name} must be whole multiples of {unit}, not {text!r:.40}", name, InvalidActionError)


def operation(provider: str, request: DeploymentActionRequest, told: daemon_rows.Accepted) -> Operation:
    """What a daemon answered to an action that it took."""
    state = told.state or told.status
    return Operation(
        provider=provider,
        deployment=request.id,
        action=request.action,
        state=STATES.get(state.lower(), OperationState.UNKNOWN),
        id=told.operation_id or None,
        message=one_line([told.message]),
    )


def refusal(request: DeploymentActionRequest, told: daemon_rows.Accepted) -> ApiError | None:
    """The error in an answer that is a success and says that nothing was done."""
    if told.success is not False:
        return None
    words = one_line([told.message]) or "the provider gives no reason"
    return ApiError(
        f"{request.action.value} failed: {words}",
        details={"state": told.state or None, "operation_id": told.operation_id or None},
    )


def progress(known: Operation, events: Iterable[daemon_rows.Event]) -> Operation | None:
    """How far the action has come by its newest event; None where there is none."""
    for event in events:
        if known.id is not None and _is_about(event, known.id):
            state = next((STATES[word] for word in _words(event.type) if word in STATES), None)
            if state is not None:
                return attrs.evolve(known, state=state, message=one_line([event.message]))
    return None


def _is_about(event: daemon_rows.Event, operation_id: str) -> bool:
    whole_word = rf"(?<![\w-]){re.escape(operation_id)}(?![\w-])"
    return event.id == operation_id or re.search(whole_word, event.message) is not None


def _words(kind: str) -> Iterable[str]:
    """``lifecycle.restart_completed`` ends in ``completed``."""
    parts = re.split(r"[._\s:-]", kind.lower())
    return (kind.lower(), "_".join(parts[-2:]), parts[-1])
