"""The control endpoints: faults, the log, time and tokens, for tests in any language."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from purveyor_testing.sandbox._faults import parse_fault
from purveyor_testing.sandbox._wire import Answer, Call, Refusal, Route

if TYPE_CHECKING:
    from purveyor_testing.sandbox._sandbox import Sandbox

CONTROL = "/__sandbox__"
"""Where they are, below a sandbox's origin."""


@attrs.define(eq=False)
class Control:
    """Answers what is asked below ``/__sandbox__``; none of it is logged."""

    _sandbox: "Sandbox"
    _routes: list[Route] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._routes = [
            Route("GET", "/faults", self._standing),
            Route("POST", "/faults", self._add_fault),
            Route("DELETE", "/faults", self._clear_faults),
            Route("GET", "/log", self._log),
            Route("POST", "/advance", self._advance),
            Route("POST", "/tokens", self._add_token),
            *self._sandbox.control_routes(),
        ]

    def answer(self, call: Call) -> Answer:
        """Serve one control request; a bad body gets a 400 that says what was expected."""
        self._sandbox.clock.settle()
        for route in self._routes:
            if (params := route.match(call.method, call.path)) is not None:
                call.params = params
                return self._guarded(route.serve, call)
        return Answer.json({"error": f"no control endpoint {call.method} {call.path}"}, 404)

    def _guarded(self, serve: Callable[[Call], Answer], call: Call) -> Answer:
        try:
            return serve(call)
        except Refusal as refusal:
            return Answer.json({"error": refusal.message}, refusal.status)
        except ValueError as error:
            return Answer.json({"error": str(error)}, 400)

    def _standing(self, call: Call) -> Answer:
        del call
        return Answer.json([attrs.asdict(fault) for fault in self._sandbox.faults.standing()])

    def _add_fault(self, call: Call) -> Answer:
        fault = parse_fault(json.loads(call.body))
        self._sandbox.faults.add(fault)
        return Answer.json(attrs.asdict(fault), 201)

    def _clear_faults(self, call: Call) -> Answer:
        del call
        self._sandbox.clear_faults()
        return Answer(204)

    def _log(self, call: Call) -> Answer:
        del call
        return Answer.json([attrs.asdict(entry) for entry in self._sandbox.log])

    def _advance(self, call: Call) -> Answer:
        seconds = _field(call.json(), "seconds", (int, float))
        self._sandbox.advance(seconds)
        return Answer.json({"now": self._sandbox.clock.now})

    def _add_token(self, call: Call) -> Answer:
        body = call.json()
        scopes = body.get("scopes")
        if scopes is not None and not isinstance(scopes, list):
            raise ValueError("scopes must be a list of names, or left out for all of them")
        self._sandbox.add_token(_field(body, "token", (str,)), scopes)
        return Answer(204)


def _field(body: Mapping[str, Any], key: str, types: tuple[type, ...]) -> Any:
    value = body.get(key)
    if not isinstance(value, types) or isinstance(value, bool):
        raise ValueError(f"expected a JSON object with {key} ({' or '.join(one.__name__ for one in types)})")  # noqa: TRY004
    return value
