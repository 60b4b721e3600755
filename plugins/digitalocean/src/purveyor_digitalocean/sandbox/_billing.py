"""Balance, invoices, billing history: strings all of them, as in the real API."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs

from purveyor_digitalocean.sandbox._paging import Pager
from purveyor_digitalocean.sandbox._words import not_found
from purveyor_digitalocean.sandbox._world import Droplet, Row, World
from purveyor_testing.sandbox import Answer, Call, Route

_CENT = Decimal("0.01")


@attrs.define(eq=False)
class Billing:
    """Answers below /v2/customers/my: three past months, and what this one has cost so far."""

    world: World
    pager: Pager
    _invoices: list[Row] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        month = datetime.fromtimestamp(self.world.clock.now, UTC).replace(day=1, hour=0, minute=0, second=0)
        self._invoices = []
        for _ in range(3):
            updated, month = month, (month - timedelta(days=1)).replace(day=1)
            cents = self.world.chance.stream("billing").randint(500, 9000)
            self._invoices.append(self._invoice(month, updated, Decimal(cents) * _CENT))

    def _invoice(self, month: datetime, updated: datetime, amount: Decimal) -> Row:
        return {
            "invoice_uuid": self.world.chance.uuid("billing"),
            "invoice_id": str(self.world.chance.number("billing", 500_000_000)),
            "amount": str(amount),
            "invoice_period": month.strftime("%Y-%m"),
            "updated_at": self.world.time(updated.timestamp()),
        }

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        mine = "/v2/customers/my"
        return (
            Route("GET", f"{mine}/balance", self.balance, "billing:read"),
            Route("GET", f"{mine}/billing_history", self.history, "billing:read"),
            Route("GET", f"{mine}/invoices", self.invoices, "billing:read"),
            Route("GET", f"{mine}/invoices/{{uuid}}", self.items, "billing:read"),
            Route("GET", f"{mine}/invoices/{{uuid}}/summary", self.summary, "billing:read"),
        )

    def usage(self) -> Decimal:
        """What this month's droplets, those gone included, have cost so far."""
        return sum((self._cost(one) for one in self._billed()), Decimal(0)).quantize(_CENT)

    def _billed(self) -> Iterable[Droplet]:
        return (*self.world.droplets.values(), *self.world.gone)

    def _until(self, droplet: Droplet) -> float:
        return self.world.deleted_at.get(droplet.id, self.world.clock.now)

    def _hours(self, droplet: Droplet) -> Decimal:
        return Decimal(str((self._until(droplet) - droplet.created_at) / 3600))

    def _cost(self, droplet: Droplet) -> Decimal:
        hourly, monthly = (Decimal(str(droplet.row["size"][f"price_{per}"])) for per in ("hourly", "monthly"))
        return min(hourly * self._hours(droplet), monthly)

    def balance(self, call: Call) -> Answer:
        """GET /v2/customers/my/balance: no root key."""
        del call
        account, usage = Decimal(self.world.behaviour.balance), self.usage()
        return Answer.json(
            {
                "month_to_date_balance": str((account + usage).quantize(_CENT)),
                "account_balance": str(account.quantize(_CENT)),
                "month_to_date_usage": str(usage),
                "generated_at": self.world.time(),
            }
        )

    def history(self, call: Call) -> Answer:
        """GET /v2/customers/my/billing_history: an invoice and its payment a month."""
        rows = []
        for invoice in self._invoices:
            common = {"date": invoice["updated_at"]}
            period = datetime.strptime(invoice["invoice_period"], "%Y-%m").replace(tzinfo=UTC)
            ids = {key: invoice[key] for key in ("invoice_id", "invoice_uuid")}
            words = f"Invoice for {period:%B %Y}"
            rows.append(
                {
                    "description": "Payment (Visa 4242)",
                    "amount": f"-{invoice['amount']}",
                    "type": "Payment",
                    **common,
                }
            )
            rows.append(
                {"description": words, "amount": invoice["amount"], "type": "Invoice", **ids, **common}
            )
        return self.pager.page(call, "billing_history", rows)

    def invoices(self, call: Call) -> Answer:
        """GET /v2/customers/my/invoices: this month's preview beside the list."""
        now = datetime.fromtimestamp(self.world.clock.now, UTC)
        preview = {
            "invoice_uuid": self.world.account_uuid,
            "amount": str(self.usage()),
            "invoice_period": now.strftime("%Y-%m"),
            "updated_at": self.world.time(),
        }
        return self.pager.page(call, "invoices", self._invoices, invoice_preview=preview)

    def _find(self, call: Call) -> Row:
        found = next((row for row in self._invoices if row["invoice_uuid"] == call.params["uuid"]), None)
        if found is None:
            raise not_found()
        return found

    def items(self, call: Call) -> Answer:
        """GET /v2/customers/my/invoices/{uuid}, where the running month goes by the word ``preview``."""
        if call.params["uuid"] == "preview":
            rows = [self._line(droplet) for droplet in self._billed()]
        else:
            invoice = self._find(call)
            month = f"{invoice['invoice_period']}-01T00:00:00Z"
            rows = [
                _item(
                    "480000000",
                    "web-01 (s-1vcpu-1gb)",
                    invoice["amount"],
                    "672",
                    month,
                    invoice["updated_at"],
                )
            ]
        return self.pager.page(call, "invoice_items", rows)

    def _line(self, droplet: Droplet) -> Row:
        row, time = droplet.row, self.world.time
        return _item(
            str(droplet.id),
            f"{row['name']} ({row['size_slug']})",
            str(self._cost(droplet).quantize(_CENT)),
            str(int(self._hours(droplet)) + 1),
            time(droplet.created_at),
            time(self._until(droplet)),
        )

    def summary(self, call: Call) -> Answer:
        """GET /v2/customers/my/invoices/{uuid}/summary: no root key."""
        invoice = self._find(call)
        nothing = {"amount": "0.00"}
        return Answer.json(
            {
                "invoice_uuid": invoice["invoice_uuid"],
                "invoice_id": invoice["invoice_id"],
                "billing_period": invoice["invoice_period"],
                "amount": invoice["amount"],
                "user_name": "Sandbox",
                "user_billing_address": {
                    "address_line1": "1 Loopback Lane",
                    "city": "Localhost",
                    "country_iso2_code": "US",
                },
                "user_company": "",
                "user_email": "sandbox@example.com",
                "product_charges": {
                    "name": "Product usage charges",
                    "amount": invoice["amount"],
                    "items": [{"name": "Droplets", "amount": invoice["amount"], "count": "1"}],
                },
                "overages": {"name": "Overages", **nothing},
                "taxes": {"name": "Taxes", **nothing},
                "credits_and_adjustments": {"name": "Credits & adjustments", **nothing},
            }
        )


def _item(resource: str, description: str, amount: str, hours: str, start: str, end: str) -> Row:
    """One line of a bill."""
    return {
        "product": "Droplets",
        "resource_uuid": "",
        "resource_id": resource,
        "group_description": "",
        "description": description,
        "amount": amount,
        "duration": hours,
        "duration_unit": "Hours",
        "start_time": start,
        "end_time": end,
        "project_name": "default",
        "category": "iaas",
    }
