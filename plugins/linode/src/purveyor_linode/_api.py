"""Linode's API on the wire: operations, paths, limits, pages, filters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec.json import Decoder

from purveyor.plugin import Call, Effect, NotFoundError, Raw
from purveyor.wire import Client, Fetched, Response, Row, Walk, by_page, numbered_path, path
from purveyor_linode import _decoding as decoding
from purveyor_linode import _rows as rows
from purveyor_linode._decoding import Kind, read_list, read_one

__all__ = ["Api", "Filter"]

R = TypeVar("R")
Filter: TypeAlias = Mapping[str, Any]
"""What rows must be like, in the words of the header ``X-Filter``."""

OVERLAP = 12
"""Pages of a list that are fetched at a time; what is left of a provider's 16 exchanges is for other calls."""


class _Anything(msgspec.Struct):
    """An object whose content does not matter; most deeds are answered with an empty one."""


_ACCOUNT = Decoder(rows.Account)
_ANYTHING = Decoder(_Anything)
_BALANCE = Decoder(rows.Balance)
_GRANTS = Decoder(rows.Grants)
_LINODE = Decoder(rows.Linode)
_PROFILE = Decoder(rows.Profile)


def _linode(linode_id: str) -> str:
    return numbered_path("/linode/instances/{}", linode_id)


class Api:
    """The operations that we use; each is one request, but for the lists."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # Linodes.

    def linodes(
        self, call: Call, operation: str, only: Filter | None = None, *, overlap: int = OVERLAP
    ) -> Walk[rows.Linode]:
        """All Linodes, or some."""
        return self._walk(
            decoding.LINODES, call, operation, "/linode/instances", only=only, group="lists", overlap=overlap
        )

    async def linode(self, call: Call, linode_id: str) -> tuple[rows.Linode, Raw]:
        """One Linode."""
        return read_one(await self._get(call, "get_instance", _linode(linode_id)), _LINODE)

    async def create_linode(self, call: Call, body: Mapping[str, Any]) -> tuple[rows.Linode, Raw]:
        """Make one Linode; these requests have a limit of their own, 20 in 15 seconds."""
        response = await self._client.request(
            call,
            "POST",
            "/linode/instances",
            operation="create_instance",
            group="create",
            effect=Effect.ONCE,
            json=body,
        )
        return read_one(response, _LINODE)

    async def delete_linode(self, call: Call, linode_id: str) -> None:
        """Delete one Linode."""
        response = await self._client.request(
            call,
            "DELETE",
            _linode(linode_id),
            operation="delete_instance",
            effect=Effect.IDEMPOTENT,
        )
        read_one(response, _ANYTHING)

    async def has_label(self, call: Call, label: str) -> bool:
        """Whether a Linode is listed under a label."""
        query = {"page": 1, "page_size": decoding.LINODES.per_page or 25}
        response = await self._get(
            call, "create_instance", "/linode/instances", query, only={"label": label}, group="lists"
        )
        return bool(read_list(response, decoding.LINODES).rows)

    async def delete_tag(self, call: Call, label: str) -> None:
        """Delete a tag, which an account keeps when nothing carries it any more."""
        await self._client.request(
            call, "DELETE", f"/tags/{label}", operation="remove_mark", effect=Effect.IDEMPOTENT
        )

    async def act(
        self, call: Call, linode_id: str, effect: Effect, deed: str, body: Mapping[str, Any]
    ) -> None:
        """Do something to one Linode, or change it where the deed has no name."""
        response = await self._client.request(
            call,
            "POST" if deed else "PUT",
            _linode(linode_id) + (f"/{deed}" if deed else ""),
            operation="perform_action",
            effect=effect,
            json=body,
        )
        read_one(response, _ANYTHING)

    async def events(self, call: Call, operation: str, only: Filter) -> Fetched[Row[rows.Event]]:
        """The first page of what was done, as far as it fits."""
        query = {"page": 1, "page_size": decoding.EVENTS.per_page or 25}
        return read_list(
            await self._get(call, operation, "/account/events", query, only=only, group="lists"),
            decoding.EVENTS,
        )

    # What is sold.

    def types(self, call: Call, operation: str) -> Walk[rows.Type]:
        """All plans."""
        return self._walk(decoding.TYPES, call, operation, "/linode/types")

    def images(self, call: Call) -> Walk[rows.Image]:
        """All images, the account's own among them; these requests have a limit of their own, 20 a minute."""
        return self._walk(decoding.IMAGES, call, "list_images", "/images", group="images")

    def regions(self, call: Call, operation: str) -> Walk[rows.Region]:
        """All data centers."""
        return self._walk(decoding.REGIONS, call, operation, "/regions")

    def availability(self, call: Call, operation: str) -> Walk[rows.Availability]:
        """Plans that some regions have run out of, or have while others have not."""
        return self._walk(decoding.AVAILABILITY, call, operation, "/regions/availability", group="lists")

    def stackscripts(self, call: Call, only: Filter) -> Walk[rows.StackScript]:
        """Scripts; these requests have a limit of their own, 60 a minute."""
        route = "/linode/stackscripts"
        return self._walk(
            decoding.STACKSCRIPTS, call, "list_apps", route, only=only, group="stackscripts", overlap=2
        )

    # The account.

    async def profile(self, call: Call, operation: str) -> tuple[rows.Profile, str | None]:
        """The token's user, and the token's scopes as the answer's header lists them; any token may ask."""
        response = await self._get(call, operation, "/profile")
        return read_one(response, _PROFILE)[0], response.headers.get("x-oauth-scopes")

    async def grants(self, call: Call) -> rows.Grants:
        """What the token's user may do; unrestricted users have no grants."""
        return read_one(await self._get(call, "validate_credentials", "/profile/grants"), _GRANTS)[0]

    async def account(self, call: Call) -> rows.Account:
        """The user's account."""
        return read_one(await self._get(call, "validate_credentials", "/account"), _ACCOUNT)[0]

    async def balance(self, call: Call, operation: str) -> tuple[rows.Balance, Raw]:
        """What the account owes."""
        return read_one(await self._get(call, operation, "/account"), _BALANCE)

    def invoices(self, call: Call, operation: str, only: Filter | None = None) -> Walk[rows.Invoice]:
        """All invoices, or some; the running month has none yet."""
        return self._walk(decoding.INVOICES, call, operation, "/account/invoices", only=only, group="lists")

    def invoice_items(self, call: Call, invoice_id: str) -> Walk[rows.InvoiceItem]:
        """The lines of one invoice."""
        route = path("/account/invoices/{}/items", invoice_id)
        return self._walk(decoding.INVOICE_ITEMS, call, "get_costs", route, group="lists")

    # Requests.

    async def _get(
        self,
        call: Call,
        operation: str,
        route: str,
        params: Mapping[str, str | int] | None = None,
        *,
        only: Filter | None = None,
        group: str = "default",
    ) -> Response:
        headers = None if only is None else {"x-filter": json.dumps(only, separators=(",", ":"))}
        return await self._client.request(
            call, "GET", route, operation=operation, group=group, params=params, headers=headers
        )

    def _walk(
        self,
        kind: Kind[R],
        call: Call,
        operation: str,
        route: str,
        *,
        only: Filter | None = None,
        group: str = "default",
        overlap: int = OVERLAP,
    ) -> Walk[R]:
        async def fetch(page: int) -> Fetched[Row[R]]:
            query = None if kind.per_page is None else {"page": page, "page_size": kind.per_page}
            try:
                response = await self._get(call, operation, route, query, only=only, group=group)
            except NotFoundError:
                if page == 1 or overlap == 1:
                    raise
                # The list has grown shorter since the page before was fetched.
                return Fetched(())
            fetched = read_list(response, kind)
            return fetched if kind.per_page else Fetched(fetched.rows)

        return by_page(fetch, overlap=overlap)
