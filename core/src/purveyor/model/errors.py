"""Everything that can go wrong, as one tree.

```
PurveyorError                          UNKNOWN_ERROR
├── ConfigurationError                 CONFIGURATION_ERROR
├── PluginError                        PLUGIN_ERROR
├── StateUnavailableError              STATE_UNAVAILABLE
├── CredentialsError
│   ├── MissingCredentialsError        MISSING_CREDENTIALS
│   ├── InvalidCredentialsError        INVALID_CREDENTIALS
│   └── PermissionDeniedError          PERMISSION_DENIED
├── ValidationError                    VALIDATION_ERROR
│   └── InvalidActionError             INVALID_ACTION
├── SelectionError
│   ├── ProviderNotFoundError          PROVIDER_NOT_FOUND
│   ├── ProviderInactiveError          PROVIDER_INACTIVE
│   ├── NoEnabledProvidersError        NO_ENABLED_PROVIDERS
│   └── NoCompatibleProvidersError     NO_COMPATIBLE_PROVIDERS
├── NotFoundError                      API_ERROR
│   ├── InstanceNotFoundError          INSTANCE_NOT_FOUND
│   ├── DeploymentNotFoundError        DEPLOYMENT_NOT_FOUND
│   └── IntentNotFoundError            INTENT_NOT_FOUND
├── CapacityError
│   ├── InsufficientResourcesError     INSUFFICIENT_RESOURCES
│   └── QuotaExceededError             QUOTA_EXCEEDED
├── ConflictError                      CONFLICT
├── ResourceBusyError                  RESOURCE_BUSY
├── RateLimitError                     RATE_LIMIT_EXCEEDED
├── ProviderUnavailableError           PROVIDER_UNAVAILABLE
│   └── OwnershipUnverifiedError       PROVIDER_UNAVAILABLE
├── CallTimeoutError                   TIMEOUT
├── UnsupportedOperationError          UNSUPPORTED_OPERATION
├── ProtocolMismatchError              PROTOCOL_MISMATCH
│   └── UnsafeEndpointError            PROTOCOL_MISMATCH
├── UncertainOutcomeError              UNCERTAIN_OUTCOME
├── AllProvidersFailedError            ALL_PROVIDERS_FAILED
└── ApiError                           API_ERROR
```
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from purveyor.model.selection import Attempt

__all__ = [
    "AllProvidersFailedError",
    "ApiError",
    "CallTimeoutError",
    "CapacityError",
    "ConfigurationError",
    "ConflictError",
    "CredentialsError",
    "DeploymentNotFoundError",
    "InstanceNotFoundError",
    "InsufficientResourcesError",
    "IntentNotFoundError",
    "InvalidActionError",
    "InvalidCredentialsError",
    "MissingCredentialsError",
    "NoCompatibleProvidersError",
    "NoEnabledProvidersError",
    "NotFoundError",
    "Outcome",
    "OwnershipUnverifiedError",
    "PermissionDeniedError",
    "PluginError",
    "ProtocolMismatchError",
    "ProviderInactiveError",
    "ProviderNotFoundError",
    "ProviderUnavailableError",
    "PurveyorError",
    "QuotaExceededError",
    "RateLimitError",
    "ResourceBusyError",
    "SelectionError",
    "StateUnavailableError",
    "UncertainOutcomeError",
    "UnsafeEndpointError",
    "UnsupportedOperationError",
    "ValidationError",
]


class Outcome(Enum):
    """What is known about the effect of one exchange with a provider."""

    NOT_SENT = "not_sent"
    """Nothing left this machine; the provider cannot have acted."""
    REFUSED = "refused"
    """The provider said no; it did not act."""
    UNKNOWN = "unknown"
    """The request may have arrived and may have been carried out."""
    MADE = "made"
    """The provider said that it acted."""


class PurveyorError(Exception):
    """The root of everything that Purveyor raises.

    Attributes:
        message: One sentence for a person; never a secret, never a whole response. What is no text is replaced.
        provider: Name of the configured provider, where one was involved.
        operation: What was being done, such as ``create_instance``.
        field: The input field at fault, such as ``plan``.
        details: Facts for programs, JSON-like.
        attempts: What was tried before giving up, oldest first.
        outcome: What is known about the effect, for errors of exchanges.
        retry_after: Seconds to wait that the provider asked for.
    """

    code: ClassVar[str] = "UNKNOWN_ERROR"
    retryable: ClassVar[bool] = False
    """Whether the same request may do better a moment later."""
    elsewhere: ClassVar[bool] = False
    """Whether another provider might do better."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        operation: str | None = None,
        field: str | None = None,
        details: Mapping[str, Any] | None = None,
        attempts: tuple[Attempt, ...] = (),
        outcome: Outcome | None = None,
        retry_after: float | None = None,
    ) -> None:
        # Providers may send halves of surrogate pairs, which no log, terminal or file takes.
        self.message = str(message).encode(errors="replace").decode()
        super().__init__(self.message)
        self.provider = provider
        self.operation = operation
        self.field = field
        self.details: dict[str, Any] = dict(details or {})
        self.attempts = attempts
        self.outcome = outcome
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.provider}: {self.message}" if self.provider else self.message

    @property
    def may_fail_over(self) -> bool:
        """Whether moving on to another provider is legal and useful.

        Legal means that this attempt is known not to have bought anything.
        """
        return self.elsewhere and self.outcome in {Outcome.NOT_SENT, Outcome.REFUSED}


class ConfigurationError(PurveyorError):
    """The configuration is wrong; ``details["mistakes"]`` lists every mistake with its path."""

    code = "CONFIGURATION_ERROR"


class PluginError(PurveyorError):
    """A plugin that is needed cannot be used; ``details["distribution"]`` names where it came from."""

    code = "PLUGIN_ERROR"


class StateUnavailableError(PurveyorError):
    """The state folder cannot be read or written."""

    code = "STATE_UNAVAILABLE"


class CredentialsError(PurveyorError):
    """A provider's credentials do not do what was asked of them."""

    elsewhere = True


class MissingCredentialsError(CredentialsError):
    """A secret that the configuration refers to is not there."""

    code = "MISSING_CREDENTIALS"


class InvalidCredentialsError(CredentialsError):
    """The provider does not accept the credentials."""

    code = "INVALID_CREDENTIALS"


class PermissionDeniedError(CredentialsError):
    """The credentials are good but lack a scope or a grant."""

    code = "PERMISSION_DENIED"


class ValidationError(PurveyorError):
    """The input is not acceptable; ``field`` says which part."""

    code = "VALIDATION_ERROR"


class InvalidActionError(ValidationError):
    """The action does not exist or does not fit the instance's state."""

    code = "INVALID_ACTION"


class SelectionError(PurveyorError):
    """No provider could be chosen."""


class ProviderNotFoundError(SelectionError):
    """No provider of that name is configured."""

    code = "PROVIDER_NOT_FOUND"


class ProviderInactiveError(SelectionError):
    """The provider is configured but disabled."""

    code = "PROVIDER_INACTIVE"


class NoEnabledProvidersError(SelectionError):
    """Every configured provider is disabled, or none is configured."""

    code = "NO_ENABLED_PROVIDERS"


class NoCompatibleProvidersError(SelectionError):
    """No enabled provider can serve this request; ``details["rejected"]`` says why, by provider."""

    code = "NO_COMPATIBLE_PROVIDERS"


class NotFoundError(PurveyorError):
    """What was asked for does not exist."""

    code = "API_ERROR"


class InstanceNotFoundError(NotFoundError):
    """No instance has this id."""

    code = "INSTANCE_NOT_FOUND"


class DeploymentNotFoundError(NotFoundError):
    """No deployment has this id."""

    code = "DEPLOYMENT_NOT_FOUND"


class IntentNotFoundError(NotFoundError):
    """The journal has no intent of this id."""

    code = "INTENT_NOT_FOUND"


class CapacityError(PurveyorError):
    """The provider cannot give that much, now or to this account."""

    elsewhere = True


class InsufficientResourcesError(CapacityError):
    """The provider has no capacity for this plan in this region at present."""

    code = "INSUFFICIENT_RESOURCES"


class QuotaExceededError(CapacityError):
    """A limit of the account is reached."""

    code = "QUOTA_EXCEEDED"


class ConflictError(PurveyorError):
    """The request clashes with what already exists."""

    code = "CONFLICT"


class ResourceBusyError(PurveyorError):
    """Another operation on the same thing is under way."""

    code = "RESOURCE_BUSY"
    retryable = True


class RateLimitError(PurveyorError):
    """Too many requests; ``retry_after`` says how long to wait, where the provider said so."""

    code = "RATE_LIMIT_EXCEEDED"
    retryable = True
    elsewhere = True


class ProviderUnavailableError(PurveyorError):
    """The provider cannot be reached or answers that it is out of order."""

    code = "PROVIDER_UNAVAILABLE"
    retryable = True
    elsewhere = True


class OwnershipUnverifiedError(ProviderUnavailableError):
    """The provider cannot check who owns what it was asked about: it is set up wrongly, the credentials may be good."""

    retryable = False


class CallTimeoutError(PurveyorError):
    """The deadline passed, or the provider took too long to answer."""

    code = "TIMEOUT"
    retryable = True
    elsewhere = True


class UnsupportedOperationError(PurveyorError):
    """This provider does not offer the operation; ``details["available_providers"]`` says who does."""

    code = "UNSUPPORTED_OPERATION"
    elsewhere = True


class ProtocolMismatchError(PurveyorError):
    """The answer is not what the provider's API promises."""

    code = "PROTOCOL_MISMATCH"


class UnsafeEndpointError(ProtocolMismatchError):
    """A discovered endpoint leads where nothing may be sent, such as into the local network; nothing was sent."""


class UncertainOutcomeError(PurveyorError):
    """A request may have been carried out, its answer is lost, and the doubt could not be settled in time.

    Nothing was failed over. ``details["intent"]`` is the intent that keeps the doubt; the same request with
    ``details["key"]`` goes on where this one stopped. ``__cause__`` is the error that left the doubt, and
    ``details["mark"]`` finds the machine if it exists.
    """

    code = "UNCERTAIN_OUTCOME"


class AllProvidersFailedError(PurveyorError):
    """Every candidate refused or could not be reached; ``attempts`` tells each story."""

    code = "ALL_PROVIDERS_FAILED"


class ApiError(PurveyorError):
    """The provider answered with an error that has no better name here."""

    code = "API_ERROR"
