"""The toolkit that HTTP plugins share: a client bound to one origin, its answers and errors, and paging."""

from purveyor.wire.address import link_params, path
from purveyor.wire.client import BearerAuth, Client
from purveyor.wire.failures import retry_after
from purveyor.wire.paging import Fetched, by_cursor, by_page
from purveyor.wire.response import Response

__all__ = [
    "BearerAuth",
    "Client",
    "Fetched",
    "Response",
    "by_cursor",
    "by_page",
    "link_params",
    "path",
    "retry_after",
]
