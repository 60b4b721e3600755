"""Money and transfer: dollars as numbers, gigabytes as integers."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import attrs

from purveyor_linode.sandbox._belongings import sent
from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._paging import page
from purveyor_linode.sandbox._words import not_found, reply
from purveyor_linode.sandbox._world import Linode, World
from purveyor_testing.sandbox import Answer, Call, Route

_GB = 10**9
_CAPABILITIES = (
    "Linodes",
    "NodeBalancers",
    "Block Storage",
    "Kubernetes",
    "Cloud Firewall",
    "Vlans",
    "Machine Images",
    "Managed Databases",
)


@attrs.define(eq=False)
class Billing:
    """Answers for /account and its bills: three past months, and what this one has cost so far."""

    world: World
    _invoices: list[Row] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        month = datetime.fromtimestamp(self.world.clock.now, UTC).replace(day=1, hour=4, minute=0, second=0)
        for _ in range(3):
            cents = self.world.chance.stream("billing").randint(500, 9000)
            self._invoices.insert(0, self._invoice(month, cents / 100))
            month = (month - timedelta(days=1)).replace(day=1)

    def _invoice(self, date: datetime, total: float) -> Row:
        id_ = 30_000_000 - len(self._invoices) * 41_000
        return {
            "id": id_,
            "date": self.world.time(date.timestamp()),
            "label": f"Invoice #{id_}",
            "subtotal": total,
            "tax": 0.0,
            "total": total,
            "tax_summary": [],
            "billing_source": "linode",
        }

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        account, scope = "/v4/account", "account:read_only"
        return (
            Route("GET", account, self.show, scope),
            Route("GET", f"{account}/transfer", self.transfer, scope),
            Route("GET", f"{account}/invoices", self.invoices, scope),
            Route("GET", f"{account}/invoices/{{invoice}}", self.invoice, scope),
            Route("GET", f"{account}/invoices/{{invoice}}/items", self.items, scope),
            Route("GET", f"{account}/payments", self.payments, scope),
            Route("GET", f"{account}/payments/{{payment}}", self.payment, scope),
        )

    def usage(self) -> float:
        """What this month's Linodes, those gone included, have cost so far."""
        now = self.world.clock.now
        alive = [(linode, now) for linode in self.world.linodes.values()]
        return round(sum(self._cost(*one) for one in (*alive, *self.world.gone)), 2)

    def _cost(self, linode: Linode, until: float) -> float:
        type_ = self.world.types[linode.row["type"]]
        dearer = (one for one in type_["region_prices"] if one["id"] == linode.row["region"])
        price = next(dearer, type_["price"])
        cost: float = min(price["hourly"] * (until - linode.created_at) / 3600, price["monthly"])
        return cost

    def show(self, call: Call) -> Answer:
        """GET /account."""
        del call
        return reply(
            {
                "company": "Sandbox",
                "email": "sandbox@example.com",
                "first_name": "Sandy",
                "last_name": "Box",
                "address_1": "1 Loopback Lane",
                "address_2": "",
                "city": "Localhost",
                "state": "PA",
                "zip": "19106",
                "country": "US",
                "phone": "",
                "balance": self.world.behaviour.balance,
                "tax_id": "",
                "billing_source": "linode",
                "credit_card": {"last_four": "4242", "expiry": "12/2030"},
                "balance_uninvoiced": self.usage(),
                "active_since": "2018-01-02T03:04:05",
                "capabilities": list(_CAPABILITIES),
                "active_promotions": [],
                "euuid": self.world.account_uuid,
            }
        )

    def transfer(self, call: Call) -> Answer:
        """GET /account/transfer: one pool, and one for each region that has its own."""
        del call
        quota: dict[str, int] = defaultdict(int)
        used: dict[str, int] = defaultdict(int)
        for linode in self.world.linodes.values():
            region = linode.row["region"]
            own = region if region in ("id-cgk", "br-gru") else ""
            quota[own] += linode.row["specs"]["transfer"]
            used[own] += sent(self.world, linode)
        pools = [
            {"id": region, "billable": 0, "quota": quota[region], "used": used[region] // _GB}
            for region in sorted(quota)
            if region
        ]
        common = {"billable": 0, "quota": quota[""], "used": used[""] // _GB}
        return reply({**common, "region_transfers": pools})

    def invoices(self, call: Call) -> Answer:
        """GET /account/invoices."""
        return page(call, self._invoices, ("date", "label", "total", "billing_source"))

    def _find(self, rows: list[Row], id_: str) -> Row:
        found = next((row for row in rows if str(row["id"]) == id_), None)
        if found is None:
            raise not_found()
        return found

    def invoice(self, call: Call) -> Answer:
        """GET /account/invoices/{id}."""
        return reply(self._find(self._invoices, call.params["invoice"]))

    def items(self, call: Call) -> Answer:
        """GET /account/invoices/{id}/items: a unit price is a string."""
        invoice = self._find(self._invoices, call.params["invoice"])
        end = datetime.fromisoformat(invoice["date"]).replace(tzinfo=UTC) - timedelta(hours=4, seconds=1)
        item = {
            "label": "Linode 2GB - web-01 (90000000)",
            "type": "hourly",
            "from": self.world.time(end.replace(day=1, hour=0, minute=0, second=0).timestamp()),
            "to": self.world.time(end.timestamp()),
            "quantity": 672,
            "unit_price": "0.018",
            "amount": invoice["subtotal"],
            "tax": 0.0,
            "total": invoice["total"],
            "region": "us-east",
        }
        return page(call, [item])

    def _payments(self) -> list[Row]:
        return [{"id": one["id"] // 2, "date": one["date"], "usd": one["total"]} for one in self._invoices]

    def payments(self, call: Call) -> Answer:
        """GET /account/payments."""
        return page(call, self._payments(), ("date", "usd"))

    def payment(self, call: Call) -> Answer:
        """GET /account/payments/{id}."""
        return reply(self._find(self._payments(), call.params["payment"]))
