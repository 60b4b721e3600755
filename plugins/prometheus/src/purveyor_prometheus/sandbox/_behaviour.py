"""What can be set about the sandbox."""

import attrs


@attrs.define(eq=False, kw_only=True, slots=False)
class Behaviour:
    """How this server behaves."""

    scrape_interval: float = 15.0
    """Seconds between two scrapes; they are at its multiples."""
    history_seconds: float = 6 * 3600.0
    """For how long everything has been running and scraped when the sandbox starts."""
    open: bool = True
    """Whether those who show no credential are let in, as Prometheus does by itself; a wrong one is refused in any case,
    as the proxies that stand before it do."""
