"""What can be set about the sandbox's cloud."""

from typing import Literal

import attrs


@attrs.define(eq=False, kw_only=True, slots=False)
class Behaviour:
    """How this cloud behaves. Seconds are those of the real thing; fast mode takes a hundredth of them."""

    account_limit: int = 100
    """Linodes that the account may have; those being deleted count."""
    balance: float = 0.0
    """The account's balance in USD; negative is credit."""
    unrestricted_grants: Literal[204, 400] = 400
    """What GET /profile/grants says to an unrestricted user: both have been seen."""

    create_limit: int = 20
    """Creates and clones per 15 seconds. All limits are per token and operation, and the real API's."""
    images_limit: int = 20
    """GET /images per minute."""
    stackscripts_limit: int = 60
    """GET /linode/stackscripts per minute."""
    stats_limit: int = 50
    """Statistics per minute."""
    page_limit: int = 200
    """GET of any other paginated collection, per minute."""
    other_limit: int = 1600
    """Everything else, per minute."""

    provision_seconds: float = 30.0
    """From the create's answer until the disks are there: status provisioning."""
    idle_seconds: float = 2.0
    """Between that and the boot: status offline, although a boot is scheduled."""
    boot_seconds: float = 20.0
    """Status booting."""
    pickup_seconds: float = 1.0
    """Until a job is picked up: its event is scheduled, and the status is still the old one."""
    job_seconds: float | None = None
    """How long every job takes, once picked up; None is its own time each."""
    linger_seconds: float = 2.0
    """For so long after its last event is finished a Linode is still busy."""
    delete_seconds: float = 5.0
    """Status deleting."""
    label_release_seconds: float = 0.0
    """For so long after a deleted Linode is gone its label is still taken."""
    get_lag: float = 0.0
    """For so long after the create's answer GET of the new Linode says 404."""
    list_lag: float = 0.0
    """For so long after the create's answer lists leave the new Linode out, filtered or not."""
    event_lag: float = 0.0
    """For so long after a job was accepted its event cannot be seen."""
    stats_seconds: float = 300.0
    """For so long after the create there are no statistics."""
