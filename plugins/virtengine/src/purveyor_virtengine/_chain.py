"""The chain's REST: paths of its modules in all their versions, pages with opaque keys, one state at a time.

Source: the protos of virtengine/virtengine and ``x/*/keeper/grpc_query.go``; each path is what a node really registers
first, and what documents name after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from purveyor.plugin import Call
from purveyor.wire import Fetched, Replicas, Response, Row, Walk, by_cursor, only, path, unique
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._decoding import read_list, read_one
from purveyor_virtengine._errors import NoRestError

__all__ = ["CLOSED", "OPEN", "Chain"]

R = TypeVar("R")
T = TypeVar("T")

OPEN = ("active", "insufficient_funds")
"""States of leases that are not over."""
CLOSED = ("closed",)

PER_PAGE = 200
MAX_PAGES = 1_000

ROUTES: Mapping[str, tuple[str, ...]] = {
    "providers": ("/virtengine/provider/v1beta4/providers", "/virtengine/provider/v1/providers"),
    "leases": tuple(
        f"/virtengine/market/{version}/leases/list" for version in ("v1beta5", "v2beta1", "v1beta4")
    ),
    "deployments": tuple(
        f"/virtengine/deployment/{version}/deployments/list" for version in ("v1beta4", "v1beta5")
    ),
}
BLOCKS = "/cosmos/base/tendermint/v1beta1/blocks/{}"


class _OneProvider(msgspec.Struct):
    provider: rows.ChainProvider


class Chain:
    """What is on the chain, as its nodes tell it.

    Args:
        nodes: Whom to ask.
        chain_id: Name of the chain; a node of another one is no answer.
    """

    def __init__(self, nodes: Replicas, chain_id: str) -> None:
        self._nodes = nodes
        self._chain_id = chain_id
        self._working: dict[str, str] = {}

    def providers(self, call: Call) -> Walk[rows.ChainProvider]:
        """Everybody who is registered."""
        walk = self._walk(call, "discover", "providers", rows.ChainProvider, {})
        return unique(walk, lambda row: row.owner)

    async def provider(self, call: Call, address: str) -> rows.ChainProvider:
        """One provider.

        Raises:
            NotFoundError: There is none.
        """
        read = partial(read_one, row=_OneProvider)
        one = path("/{}", address)
        return (await self._get(call, "discover", "providers", one, {}, read))[0].provider

    def leases(self, call: Call, operation: str, *, owner: str, state: str) -> Walk[rows.LeaseRow]:
        """The leases of one owner that are in one state.

        Asked for all states at once, a node stops where a page ends exactly at the end of a state.
        """
        walk = self._walk(call, operation, "leases", rows.LeaseRow, _only(owner, state))
        # Checked here again: a node that ignores what it was asked for must not vouch for anybody.
        return only(
            unique(walk, lambda row: row.lease.id),
            lambda row: (row.lease.id.owner, row.lease.state) == (owner, state),
        )

    def deployments(self, call: Call, operation: str, *, owner: str, state: str) -> Walk[rows.Deployment]:
        """The deployments of one owner that are in one state."""
        walk = self._walk(call, operation, "deployments", rows.Deployment, _only(owner, state))
        return only(
            unique(walk, lambda row: row.deployment.id.dseq), lambda row: row.deployment.id.owner == owner
        )

    async def block(self, call: Call, height: int | None = None) -> rows.Header:
        """The head of one block, or of the latest.

        Raises:
            ProtocolMismatchError: The node belongs to another chain.
        """
        route = path(BLOCKS, "latest" if height is None else height)
        return await self._nodes.get(call, route, {}, self._header, operation="block")

    async def aclose(self) -> None:
        """Close all connections; may be called twice."""
        await self._nodes.aclose()

    def _header(self, response: Response, _: str) -> rows.Header:
        header = read_one(response, rows.BlockAnswer)[0].block.header
        if header.chain_id != self._chain_id:
            told = f"it is a node of {header.chain_id!r:.60}, not of {self._chain_id} (chain_id)"
            raise response.mismatch(told)
        return header

    def _walk(self, call: Call, operation: str, kind: str, row: type[R], asked: Mapping[str, str]) -> Walk[R]:
        read = partial(read_list, key=kind, row=row)

        async def fetch(key: str | None) -> Fetched[Row[R]]:
            params: dict[str, str | int] = {**asked, "pagination.limit": PER_PAGE}
            params |= {} if key is None else {"pagination.key": key}
            return await self._get(call, operation, kind, "", params, read)

        return by_cursor(fetch, max_pages=MAX_PAGES, ahead=True)

    async def _get(
        self,
        call: Call,
        operation: str,
        kind: str,
        below: str,
        params: Mapping[str, str | int],
        read: Callable[[Response], T],
    ) -> T:
        """Ask at the path that worked the last time, then at the others, in order."""
        failed: NoRestError | None = None
        for route in sorted(ROUTES[kind], key=lambda one: one != self._working.get(kind)):
            try:
                found = await self._nodes.get(
                    call, route + below, params, lambda response, _: read(response), operation=operation
                )
            except NoRestError as error:
                failed = failed or error
            else:
                self._working[kind] = route
                return found
        raise failed or NoRestError("no node serves REST")


def _only(owner: str, state: str) -> dict[str, str]:
    return {"filters.owner": owner, "filters.state": state}
