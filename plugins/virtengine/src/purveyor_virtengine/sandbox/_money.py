"""Usage and invoices of whoever asks."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from purveyor_testing.sandbox import Answer, Call, Refusal, Route, rfc3339
from purveyor_virtengine.sandbox import _asking as asking
from purveyor_virtengine.sandbox._chain import Lease

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time."""
CURRENCY = "uvirt"
"""The daemon's billing knows no other; the chain's is another."""


@attrs.define(eq=False)
class Money:
    """``/usage`` and ``/invoices``. Nothing of it is about one deployment, so a signature for it is good anywhere."""

    _daemon: "ProviderDaemon"

    def routes(self) -> Iterable[Route]:
        """All for a principal."""
        return (
            Route("GET", "/usage", self._usage, scope="principal"),
            Route("GET", "/usage/history", self._history, scope="principal"),
            Route("GET", "/invoices", self._invoices, scope="principal"),
            Route("GET", "/invoices/{invoice}", self._invoice, scope="principal"),
        )

    def _leases(self, call: Call) -> list[Lease]:
        return list(self._daemon.chain.leased(owner=call.token, provider=self._daemon.address))

    def _cost(self, leases: Iterable[Lease], start: float, end: float) -> int:
        chain = self._daemon.chain
        total = Decimal(0)
        for lease in leases:
            last = chain.block_time(lease.closed_on) if lease.closed_on else end
            seconds = max(min(end, last) - max(start, chain.block_time(lease.created_at)), 0)
            total += Decimal(lease.price) * Decimal(int(seconds / chain.block_seconds))
        return int(total)

    def _period(self, leases: list[Lease], start: float, end: float) -> dict[str, Any]:
        return {
            "period": {"start": rfc3339(start), "end": rfc3339(end)},
            "total_cost": str(self._cost(leases, start, end)),
            "currency": CURRENCY,
        }

    def _usage(self, call: Call) -> Answer:
        leases = self._leases(call)
        if not leases:
            return Answer.json({"period": {"start": NEVER, "end": NEVER}, "total_cost": "", "currency": ""})
        daemon = self._daemon
        now = daemon.clock.now
        first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        runtime = daemon.deployment(daemon.id_of(leases[0]))
        body = self._period(leases, first.timestamp(), now)
        return Answer.json({**body, "resources": runtime.metrics()})

    def _history(self, call: Call) -> Answer:
        leases = self._leases(call)
        step = asking.interval(call, 3600.0)
        moments = asking.moments(call, 3600.0)
        series = [self._period(leases, one, one + step) for one in moments] if leases else []
        return Answer.json({"series": series})

    def _rows(self, call: Call) -> list[dict[str, Any]]:
        """Three months: two that are paid and one that is not."""
        leases = self._leases(call)
        now = datetime.fromtimestamp(self._daemon.clock.now, UTC)
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        rows: list[dict[str, Any]] = []
        for number in range(3 if leases else 0):
            end, month = month, (month - timedelta(days=1)).replace(day=1)
            rows.append(_invoice(number, leases[0], month, end, "paid" if number else "pending"))
        return rows

    def _invoices(self, call: Call) -> Answer:
        wanted = call.query.get("status", "")
        rows = [one for one in self._rows(call) if wanted in ("", one["status"])]
        shown, cursor = asking.page(rows, call)
        return Answer.json({"invoices": shown, **cursor})

    def _invoice(self, call: Call) -> Answer:
        for one in self._rows(call):
            if one["id"] == call.params["invoice"]:
                return Answer.json(one)
        raise Refusal(404, "invoice not found")


def _invoice(number: int, lease: Lease, start: datetime, end: datetime, status: str) -> dict[str, Any]:
    hours = (end - start).total_seconds() / 3600
    price = Decimal(lease.price) * 720
    total = str(int(price * Decimal(hours)))
    line = {
        "description": f"Lease {lease.dseq}/{lease.gseq}/{lease.oseq}",
        "quantity": hours,
        "unit_price": str(price),
        "total": total,
    }
    return {
        "id": f"inv-{start:%Y%m}-{number}",
        "number": f"INV-{start:%Y-%m}",
        "status": status,
        "total": total,
        "currency": CURRENCY,
        "due_date": rfc3339((end + timedelta(days=14)).timestamp()),
        "issued_at": rfc3339(end.timestamp()),
        "line_items": [line],
    }
