"""Providers as they are registered: their addresses, names and attributes, in all places where these have been seen."""

from __future__ import annotations

from purveyor_virtengine import _rows as rows

__all__ = ["attributes_of", "endpoint_of"]

ENDPOINT_KEYS = (
    "host_uri",
    "hostURI",
    "endpoint",
    "provider_endpoint",
    "api_endpoint",
    "portal_endpoint",
    "url",
    "uri",
)


def attributes_of(row: rows.ChainProvider) -> tuple[tuple[str, str], ...]:
    """All attributes in order; a key may come several times."""
    listed = row.attributes or ()
    if isinstance(listed, dict):
        return tuple((key, str(value)) for key, value in listed.items())
    return tuple((one.key, one.value or "") for one in listed)


def endpoint_of(row: rows.ChainProvider) -> str | None:
    """Where a provider's API is; None where it has none. Whether it may be spoken to is the guards' business."""
    attributes = dict(attributes_of(row))
    given = (row.host_uri, row.host_uri_too, *(attributes.get(key) for key in ENDPOINT_KEYS))
    found = next((text.strip() for text in given if text and text.strip()), None)
    if found is None:
        return None
    # Host and port alone are no address that the chain takes, but clients have put up with them.
    return (found if "://" in found else f"https://{found}").rstrip("/")
