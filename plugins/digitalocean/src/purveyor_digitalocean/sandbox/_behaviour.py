"""What can be set about the sandbox's cloud."""

import attrs


@attrs.define(eq=False, kw_only=True, slots=False)
class Behaviour:
    """How this cloud behaves. Seconds are those of the real thing; fast mode takes a hundredth of them."""

    droplet_limit: int = 100
    """Droplets that the account may have; GET /v2/account tells it."""
    hourly_limit: int = 1_000_000
    """Requests per hour and token; the real API allows 5,000."""
    minute_limit: int = 1_000_000
    """Requests per minute and token; the real API allows 250."""
    keys_limit: int = 10
    """GET /v2/account/keys per minute, as the real API has it."""

    boot_seconds: float = 40.0
    """From the create's answer to status active."""
    unlock_seconds: float = 2.0
    """From active until the create action is completed and the droplet unlocked."""
    address_seconds: float = 0.0
    """From active until the addresses are shown."""
    action_seconds: float | None = None
    """How long every action takes; None is its own time each."""
    get_lag: float = 0.0
    """For so long after the create's answer GET of the new droplet says 404."""
    list_lag: float = 0.0
    """For so long after the create's answer lists leave the new droplet out, with and without a tag."""
    shutdown_stays_active: bool = False
    """Whether shutdown actions complete without the droplet going off, as guests without ACPI do."""

    own_links: bool = False
    """Whether page links name this server. By default they name the real API, as the real API's do behind
    any proxy; a client that follows them as addresses leaves the sandbox."""
    balance: str = "0.00"
    """The account's balance; negative is credit."""
