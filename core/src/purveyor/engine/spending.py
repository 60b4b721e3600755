"""The configured guard on spending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from purveyor.model.errors import QuotaExceededError
from purveyor.model.instance import Instance
from purveyor.model.intent import Intent
from purveyor.model.selection import Candidate, Explanation
from purveyor.model.values import Money
from purveyor.model.views import View
from purveyor.state.journal import Admission

__all__ = ["SpendingGuard"]


@attrs.frozen
class SpendingGuard:
    """Refuses a request that would pass a limit of the configuration.

    Attributes:
        max_price_per_hour: Most that all machines together may cost an hour, in each currency.
        max_instances: Most machines that may exist together.
    """

    max_price_per_hour: Decimal | None = None
    max_instances: int | None = None

    @property
    def active(self) -> bool:
        """Whether anything is limited."""
        return self.max_price_per_hour is not None or self.max_instances is not None

    def admission(self, existing: View[Instance], plan: Explanation, asked_at: datetime) -> Admission:
        """Checks a request at the moment when it is written down, so that of two at once the second sees the first.

        Args:
            existing: What was there.
            plan: Where the machines would be made.
            asked_at: When the providers began to be asked what is there.
        """
        seen = {(one.provider, one.id) for one in existing.items}

        def admit(fresh: int, intents: Sequence[Intent]) -> None:
            on_the_way = sum(
                (one.provider, one.instance_id) not in seen
                and (
                    one.state.wants_machine
                    or one.state.doubtful
                    or (one.state.owns_machine and one.updated_at >= asked_at)
                )
                for one in intents
            )
            self.check(existing, plan, fresh + on_the_way)

        return admit

    def check(self, existing: View[Instance], plan: Explanation, count: int) -> None:
        """Refuse unless ``count`` more machines fit, at the dearest candidate's price.

        Raises:
            QuotaExceededError: They do not, or what exists cannot be seen whole.
        """
        if not existing.complete:
            missing = ", ".join(existing.failures)
            raise QuotaExceededError(
                f"the configured limits cannot be checked: {missing} did not tell what is running there",
                field="limits",
            )
        if self.max_instances is not None and len(existing.items) + count > self.max_instances:
            raise QuotaExceededError(
                f"{len(existing.items)} machines exist and {count} more would pass the configured limit of "
                f"{self.max_instances}",
                field="limits.max_instances",
            )
        for candidate in plan.candidates:
            self._check_price(existing, candidate, count)

    def _check_price(self, existing: View[Instance], candidate: Candidate, count: int) -> None:
        price = candidate.price_per_hour
        if self.max_price_per_hour is None:
            return
        if price is None:
            raise QuotaExceededError(
                f"{candidate.provider} tells no price for {candidate.plan}, so the configured limit cannot be checked",
                field="limits.max_price_per_hour",
            )
        running = [one.price_per_hour for one in existing.items if one.price_per_hour is not None]
        total = sum(
            (cost for cost in running if cost.currency == price.currency), Money(Decimal(0), price.currency)
        )
        if total.amount + price.amount * count > self.max_price_per_hour:
            raise QuotaExceededError(
                f"machines for {total} an hour exist; {count} more for {price} each at {candidate.provider} would pass the "
                f"configured limit of {self.max_price_per_hour} {price.currency}",
                field="limits.max_price_per_hour",
            )
