"""One call through the sandbox: faults, credentials, limits, the vendor's route, the log."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from purveyor_testing.sandbox._faults import SOFT, Fault
from purveyor_testing.sandbox._log import Entry
from purveyor_testing.sandbox._spoil import SPOIL, garbage
from purveyor_testing.sandbox._wire import Answer, BadBodyError, Call, Refusal, Route

if TYPE_CHECKING:
    from purveyor_testing.sandbox._sandbox import Sandbox, Why

SILENT = frozenset({"hang", "reset_before", "late_effect"})
"""Faults that send no answer, and change nothing now."""

WHY: "dict[str, Why]" = {"scope": "scope", "quota": "quota", "no_capacity": "no_capacity"}
"""Faults that are the vendor's own refusals."""

REFUSED = frozenset({"error_before", "rate_limit", "redirect", *WHY})
"""Faults that answer in the cloud's stead: nothing happens."""


@attrs.define(eq=False)
class Desk:
    """Where calls are answered. Nothing here waits, so every call is one atomic step."""

    _sandbox: "Sandbox"
    _routes: list[Route] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._routes = list(self._sandbox.routes())

    def arrive(self, call: Call, connection: int) -> tuple[Entry, list[Fault]]:
        """Note the call and find the faults that it meets."""
        self._sandbox.clock.settle()
        call.request_id = self._sandbox.chance.uuid("request")
        faults = self._sandbox.faults.take(call.method, call.path, call.query)
        names = "+".join(fault.name for fault in faults) or None
        entry = self._sandbox.truth.begin(
            connection=connection,
            method=call.method,
            path=call.path,
            query=self._shown(call.query),
            fault=names,
            server=self._sandbox.server_name,
        )
        self._sandbox.note(call, entry)
        return entry, faults

    def _shown(self, query: Mapping[str, str]) -> dict[str, str]:
        secret = self._sandbox.secret_params
        return {key: "****" if key in secret else value for key, value in query.items()}

    def answer(self, call: Call, entry: Entry, faults: Iterable[Fault]) -> Answer:
        """Serve the call as far as its faults let it, and note what came of it."""
        self._sandbox.clock.settle()
        for fault in faults:
            call.lag = fault.options["seconds"] if fault.name == "list_lag" else call.lag
            call.shift = call.shift or fault.name == "page_shift"
        hard = next((fault for fault in faults if fault.name not in SOFT), None)
        answer = self._serve(call) if hard is None else self._suffer(call, entry, hard)
        sent = answer.status if answer.manner not in ("reset", "hang") else None
        self._sandbox.truth.complete(entry.seq, sent, call.effects)
        return answer

    def _suffer(self, call: Call, entry: Entry, fault: Fault) -> Answer:
        name, options = fault.name, fault.options
        if name == "late_effect":
            self._sandbox.clock.after(options["seconds"], lambda: self._happen_late(call, entry))
        if name in SILENT:
            return Answer(manner="hang" if name == "hang" or options.get("hang") else "reset")
        if name in REFUSED:
            return self._stamp(call, self._refuse(call, fault))
        answer = self._serve(call) if options.get("effect", True) else self._stamp(call, Answer())
        return self._spoil(call, answer, fault)

    def _spoil(self, call: Call, answer: Answer, fault: Fault) -> Answer:
        if fault.name == "error_after":
            return self._stamp(call, self._broken(call, fault))
        if fault.name == "garbage":
            return garbage(answer, self._sandbox.chance, fault.options["size"])
        return SPOIL[fault.name](answer, fault.options)

    def _happen_late(self, call: Call, cause: Entry) -> None:
        sandbox = self._sandbox
        entry = sandbox.truth.begin(
            connection=cause.connection,
            method=call.method,
            path=call.path,
            query=cause.query,
            fault=cause.fault,
            follows=cause.seq,
            server=cause.server,
        )
        self._serve(call)
        sandbox.truth.complete(entry.seq, None, call.effects)

    def _refuse(self, call: Call, fault: Fault) -> Answer:
        sandbox, options = self._sandbox, fault.options
        if fault.name == "redirect":
            location = options["location"] or f"{sandbox.origin}/moved{call.path}"
            return Answer(options["status"], b"", {"Location": location})
        if fault.name == "error_before":
            return self._broken(call, fault)
        if fault.name == "rate_limit":
            refusal = sandbox.refusal("rate_limit")
            if options["retry_after"] is not None:
                refusal.headers["Retry-After"] = str(options["retry_after"])
            return sandbox.error(call, refusal)
        return sandbox.error(call, sandbox.refusal(WHY[fault.name]))

    def _broken(self, call: Call, fault: Fault) -> Answer:
        words = fault.options["message"] or self._sandbox.refusal("broken").message
        return self._sandbox.error(call, Refusal(fault.options["status"], words))

    def _serve(self, call: Call) -> Answer:
        sandbox = self._sandbox
        try:
            sandbox.authenticate(call)
            sandbox.admit(call)
            answer = self._route(call)
        except Refusal as refusal:
            answer = sandbox.error(call, refusal)
        except BadBodyError:
            answer = sandbox.error(call, sandbox.refusal("bad_body"))
        return self._stamp(call, answer)

    def _route(self, call: Call) -> Answer:
        for route in self._routes:
            params = route.match(call.method, call.path)
            if params is not None:
                call.params = params
                self._sandbox.require(call, route.scope)
                return route.serve(call)
        raise self._sandbox.refusal("not_found")

    def _stamp(self, call: Call, answer: Answer) -> Answer:
        return attrs.evolve(answer, headers={**self._sandbox.headers(call), **answer.headers})
