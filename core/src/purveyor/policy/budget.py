"""The retry budget: what is tried again must stay a small part of what is asked.

The arithmetic is gRPC's retry throttling: a bucket of ten tokens, of which every failure that could be tried again takes
one and every success gives a tenth back. Extra requests, retries as well as failovers that arrive, need more than half.
"""

from __future__ import annotations

import attrs

from purveyor.model.errors import PurveyorError, RateLimitError, ResourceBusyError

__all__ = ["MOST", "PER_SUCCESS", "Budget", "costs"]

MOST = 10.0
"""Tokens of a full budget."""
PER_SUCCESS = 0.1
"""Tokens that a success gives back."""


@attrs.frozen
class Budget:
    """One provider's tokens."""

    tokens: float = MOST

    @property
    def allows(self) -> bool:
        """Whether one more request may be sent than was asked for."""
        return self.tokens > MOST / 2

    def moved(self, tokens: float) -> Budget:
        """After that many tokens were given, or taken if negative; never below none, never above the most."""
        # Tenths add up to what they should: 0.1 ten times is 1.
        return Budget(min(MOST, max(0.0, round(self.tokens + tokens, 6))))


def costs(error: PurveyorError) -> bool:
    """Whether a failure takes a token.

    What the provider itself asks to have repeated later takes none: the limiter keeps it until then.
    """
    if isinstance(error, ResourceBusyError) or (isinstance(error, RateLimitError) and error.retry_after):
        return False
    return error.retryable
