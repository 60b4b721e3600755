"""The toolkit that HTTP plugins share: a client bound to one origin, its answers and errors, replicas, paging, rows, bodies."""

from purveyor.policy.limits import retry_after
from purveyor.wire.address import link_params, numbered_path, path, unsendable
from purveyor.wire.auth import BasicAuth, BearerAuth, Signer, Unsigned
from purveyor.wire.bodies import Deed, checked_extra, extra_texts, flag, machine_tags, user_data_bytes
from purveyor.wire.client import Client
from purveyor.wire.failures import AlreadySoError, content_if_so, kind_of, one_line
from purveyor.wire.paging import Fetched, by_cursor, by_page
from purveyor.wire.replicas import Replicas
from purveyor.wire.response import Response
from purveyor.wire.rows import (
    Row,
    RowReader,
    Walk,
    has_tag,
    intact,
    only,
    tagged,
    to_page,
    to_pages,
    to_whole_page,
    unique,
)
from purveyor.wire.websocket import WebSocket

__all__ = [
    "AlreadySoError",
    "BasicAuth",
    "BearerAuth",
    "Client",
    "Deed",
    "Fetched",
    "Replicas",
    "Response",
    "Row",
    "RowReader",
    "Signer",
    "Unsigned",
    "Walk",
    "WebSocket",
    "by_cursor",
    "by_page",
    "checked_extra",
    "content_if_so",
    "extra_texts",
    "flag",
    "has_tag",
    "intact",
    "kind_of",
    "link_params",
    "machine_tags",
    "numbered_path",
    "one_line",
    "only",
    "path",
    "retry_after",
    "tagged",
    "to_page",
    "to_pages",
    "to_whole_page",
    "unique",
    "unsendable",
    "user_data_bytes",
]
