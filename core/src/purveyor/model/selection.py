"""Choices and what came of them: candidates, explanations, attempts, results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from purveyor.model.errors import PurveyorError
from purveyor.model.instance import Instance
from purveyor.model.values import Money

__all__ = ["Attempt", "Candidate", "Explanation", "Facts", "Provisioned", "Rejection"]


@attrs.frozen(kw_only=True)
class Candidate:
    """A provider that can serve a request, and exactly what would be bought there.

    Attributes:
        plan: Slug of the plan.
        image: Slug of the image.
        region: Slug of the region; None lets the provider choose.
        price_per_hour: List price of one instance.
        price_per_month: Most that one instance costs a month.
        note: Why it stands where it stands in the order.
    """

    provider: str
    type: str
    plan: str
    image: str
    region: str | None = None
    price_per_hour: Money | None = None
    price_per_month: Money | None = None
    priority: int = 0
    weight: int = 100
    note: str = ""


@attrs.frozen(kw_only=True)
class Rejection:
    """A provider that cannot serve a request, and why.

    Attributes:
        code: Stable word for programs, such as ``disabled``, ``capability``, ``plan``, ``region``.
        reason: The same for people.
    """

    provider: str
    code: str
    reason: str


@attrs.frozen(kw_only=True)
class Facts:
    """What strategies may look at beside the candidates.

    Attributes:
        served: Provider to how often this set of candidates has chosen it.
        inflight: Provider to calls under way.
        latency: Provider to seconds of its last answer.
        default_type: Configured default provider type.
        default_provider: Configured default provider.
        seed: Makes chance repeat.
    """

    served: Mapping[str, int] = attrs.field(factory=dict)
    inflight: Mapping[str, int] = attrs.field(factory=dict)
    latency: Mapping[str, float] = attrs.field(factory=dict)
    default_type: str | None = None
    default_provider: str | None = None
    seed: int = 0


@attrs.frozen(kw_only=True)
class Explanation:
    """Why a request goes where it goes.

    Attributes:
        strategy: Name of the strategy that ordered the candidates.
        candidates: In the order in which they would be tried.
        rejected: Who is out, and why.
        seed: What makes a random choice repeat; None where nothing random was involved.
    """

    strategy: str
    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...] = ()
    seed: int | None = None


@attrs.frozen(kw_only=True)
class Attempt:
    """One try at one provider.

    Attributes:
        seconds: How long it took.
        error: What ended it; None if it succeeded.
    """

    provider: str
    operation: str
    started_at: datetime
    seconds: float
    error: PurveyorError | None = None


@attrs.frozen(kw_only=True)
class Provisioned:
    """What a provisioning call bought.

    Attributes:
        instances: What was made, in the order of the names.
        failures: One error for each instance that was not made, or is late; ``details["name"]`` says which.
        attempts: Every try, including those that failed over.
        warnings: What the caller should know although the machines were made.
        key: Asking again with this key gives the same machines.
        explanation: The choice that the call started from; None if everything had been made before.
    """

    instances: tuple[Instance, ...]
    failures: tuple[PurveyorError, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[str, ...] = ()
    key: str = ""
    explanation: Explanation | None = None

    @property
    def complete(self) -> bool:
        """Whether every requested instance was made, and is ready where that was waited for."""
        return not self.failures

    @property
    def instance(self) -> Instance:
        """The one instance of a request for one."""
        (only,) = self.instances
        return only
