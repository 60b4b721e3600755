"""Accounts: credentials, balances, invoices, costs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import attrs

from purveyor.model.values import Money, Raw

__all__ = ["Balance", "CostItem", "CostReport", "CredentialReport", "Invoice", "calendar_month"]


@attrs.frozen(kw_only=True)
class CredentialReport:
    """What a provider says about the credentials that it accepted.

    Attributes:
        account: Whom they belong to, in the provider's words.
        active: Whether the account may buy at present.
        scopes: What they allow, where the provider tells; None where it does not.
        missing: Scopes that some operation of Purveyor needs and that are known to be missing.
        instance_limit: How many machines the account may have, where the provider tells.
        note: What the provider wants its customer to know.
    """

    provider: str
    account: str | None = None
    active: bool = True
    scopes: tuple[str, ...] | None = None
    missing: tuple[str, ...] = ()
    instance_limit: int | None = None
    note: str = ""


@attrs.frozen(kw_only=True)
class Balance:
    """What is owed. Positive means that the customer owes.

    Attributes:
        owed: Balance of the account without this month's use.
        month_to_date: Use since the start of the month, not invoiced yet.
        as_of: When the provider computed it.
    """

    provider: str
    owed: Money
    month_to_date: Money | None = None
    as_of: datetime | None = None
    raw: Raw = attrs.field(default=Raw(), eq=False)


@attrs.frozen(kw_only=True)
class Invoice:
    """One bill.

    Attributes:
        id: The provider's id, as text.
        amount: Its total.
        period_start: First moment that it covers.
        period_end: First moment after it.
        preview: Whether the period is still running.
    """

    provider: str
    id: str
    amount: Money
    issued_at: datetime | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    preview: bool = False
    raw: Raw = attrs.field(default=Raw(), eq=False)

    def as_item(self) -> CostItem:
        """The whole bill as one line, for bills whose lines are not told."""
        return CostItem(
            description="Not invoiced yet" if self.preview else f"Invoice {self.id}",
            amount=self.amount,
            start=self.period_start,
            end=self.period_end,
            raw=self.raw,
        )


def calendar_month(year: int, month: int) -> tuple[datetime, datetime]:
    """First moment of a month, and first moment after it."""
    return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class CostItem:
    """What one thing cost within a period.

    Attributes:
        resource_id: The instance (or other resource) that it is for, where the provider says so.
        quantity: How much was used, in ``unit``.
    """

    description: str
    amount: Money
    product: str = ""
    resource_id: str | None = None
    quantity: float | None = None
    unit: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    raw: Raw = attrs.field(default=Raw(), eq=False)


def _sums(items: Iterable[CostItem]) -> tuple[Money, ...]:
    sums: dict[str, Money] = {}
    for item in items:
        known = sums.get(item.amount.currency)
        sums[item.amount.currency] = item.amount if known is None else known + item.amount
    return tuple(sums.values())


@attrs.frozen(kw_only=True)
class CostReport:
    """Cost and use of a period, item by item.

    Attributes:
        start: First moment of the period.
        end: First moment after it.
        total: One sum for each currency; that of the items unless it is given.
    """

    provider: str
    start: datetime
    end: datetime
    items: tuple[CostItem, ...] = ()
    total: tuple[Money, ...] = attrs.field(
        default=attrs.Factory(lambda report: _sums(report.items), takes_self=True)
    )
