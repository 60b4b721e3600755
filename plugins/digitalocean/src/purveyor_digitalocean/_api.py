"""DigitalOcean's API on the wire: operations, paths, limits, pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec.json import Decoder

from purveyor.plugin import Call, Effect, Raw
from purveyor.wire import Client, Fetched, Response, Row, Walk, by_page, numbered_path, path
from purveyor_digitalocean import _decoding as decoding
from purveyor_digitalocean._decoding import Kind, read_list, read_one
from purveyor_digitalocean._rows import (
    Account,
    Action,
    Balance,
    Droplet,
    Image,
    Invoice,
    InvoiceItem,
    InvoicePreview,
    Key,
    OneClick,
    Region,
    Size,
)

__all__ = ["Api"]

R = TypeVar("R")

OVERLAP = 12
"""Pages of a list that are fetched at a time; what is left of a provider's 16 exchanges is for other calls."""

_INVOICES = "/v2/customers/my/invoices"

_ACCOUNT = Decoder(Account)
_ACTION = Decoder(Action)
_BALANCE = Decoder(Balance)
_DROPLET = Decoder(Droplet)
_KEY = Decoder(Key)
_PREVIEW: Decoder[InvoicePreview | None] = Decoder(InvoicePreview | None)


def _droplet(droplet_id: str) -> str:
    return numbered_path("/v2/droplets/{}", droplet_id)


class Api:
    """The operations that we use; each is one request, but for the lists."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # Droplets.

    def droplets(
        self, call: Call, operation: str, filters: Mapping[str, str] | None = None, *, overlap: int = OVERLAP
    ) -> Walk[Droplet]:
        """Some droplets; without filters all but those with GPUs."""
        return self._walk(decoding.DROPLETS, call, operation, "/v2/droplets", filters, overlap)

    async def droplet(self, call: Call, droplet_id: str) -> tuple[Droplet, Raw]:
        """One droplet."""
        response = await self._get(call, "get_instance", _droplet(droplet_id))
        return read_one(response, _DROPLET, "droplet")

    async def came_to_nothing(self, call: Call, droplet_id: str) -> bool:
        """Whether a droplet's creation failed; such a droplet stays new, is billed, and never starts."""
        response = await self._get(call, "get_instance", _droplet(droplet_id) + "/actions")
        actions = [row[0] for row in read_list(response, decoding.ACTIONS).rows if isinstance(row, tuple)]
        return any(action.type == "create" and action.status == "errored" for action in actions)

    async def create_droplet(self, call: Call, body: Mapping[str, Any]) -> tuple[Droplet, Raw]:
        """Make one droplet."""
        response = await self._client.request(
            call,
            "POST",
            "/v2/droplets",
            operation="create_instance",
            group="create",
            effect=Effect.ONCE,
            json=body,
        )
        return read_one(response, _DROPLET, "droplet")

    async def delete_droplet(self, call: Call, droplet_id: str) -> None:
        """Delete one droplet."""
        response = await self._client.request(
            call,
            "DELETE",
            _droplet(droplet_id),
            operation="delete_instance",
            effect=Effect.IDEMPOTENT,
        )
        if response.body:
            raise response.mismatch("a deletion is answered without a body")

    async def delete_tag(self, call: Call, name: str) -> None:
        """Delete a tag, which an account keeps when nothing carries it any more."""
        await self._client.request(
            call,
            "DELETE",
            f"/v2/tags/{name}",
            operation="remove_mark",
            effect=Effect.IDEMPOTENT,
        )

    async def act(self, call: Call, droplet_id: str, effect: Effect, body: Mapping[str, Any]) -> None:
        """Start an action on one droplet."""
        response = await self._client.request(
            call,
            "POST",
            _droplet(droplet_id) + "/actions",
            operation="perform_action",
            effect=effect,
            json=body,
        )
        read_one(response, _ACTION, "action")

    async def probe(self, call: Call, operation: str) -> None:
        """Ask for as little as possible with the scope that every use needs, ``droplet:read``."""
        read_list(await self._get(call, operation, "/v2/droplets", {"per_page": 1}), decoding.DROPLETS)

    # What is sold.

    def sizes(self, call: Call) -> Walk[Size]:
        """All sizes."""
        return self._walk(decoding.SIZES, call, "list_plans", "/v2/sizes")

    def images(self, call: Call, filters: Mapping[str, str]) -> Walk[Image]:
        """Images: of ``type`` ``distribution``, or the account's own, where ``private`` is ``true``."""
        return self._walk(decoding.IMAGES, call, "list_images", "/v2/images", filters)

    def regions(self, call: Call) -> Walk[Region]:
        """All regions."""
        return self._walk(decoding.REGIONS, call, "list_regions", "/v2/regions")

    async def one_clicks(self, call: Call) -> Fetched[Row[OneClick]]:
        """All marketplace apps for droplets; this list has no pages."""
        return read_list(
            await self._get(call, "list_apps", "/v2/1-clicks", {"type": "droplet"}), decoding.ONE_CLICKS
        )

    # The account.

    async def account(self, call: Call) -> Account:
        """Whom the token belongs to."""
        return read_one(await self._get(call, "validate_credentials", "/v2/account"), _ACCOUNT, "account")[0]

    async def key(self, call: Call, fingerprint: str) -> None:
        """Find an SSH key; these requests have a limit of their own, 10 a minute."""
        route = path("/v2/account/keys/{}", fingerprint)
        response = await self._client.request(call, "GET", route, operation="create_instance", group="keys")
        read_one(response, _KEY, "ssh_key")

    async def add_key(self, call: Call, name: str, public_key: str) -> None:
        """Store an SSH key."""
        response = await self._client.request(
            call,
            "POST",
            "/v2/account/keys",
            operation="create_instance",
            group="keys",
            effect=Effect.CONVERGE,
            json={"name": name, "public_key": public_key},
        )
        read_one(response, _KEY, "ssh_key")

    async def balance(self, call: Call) -> tuple[Balance, Raw]:
        """What is owed."""
        return read_one(await self._get(call, "get_balance", "/v2/customers/my/balance"), _BALANCE)

    def invoices(self, call: Call, operation: str) -> Walk[Invoice]:
        """All invoices, but for the running month's."""
        return self._walk(decoding.INVOICES, call, operation, _INVOICES)

    async def invoice_preview(self, call: Call, operation: str) -> tuple[InvoicePreview, Raw] | None:
        """The running month's bill as it stands, where there is one."""
        response = await self._get(call, operation, _INVOICES, {"per_page": 1})
        preview, raw = read_one(response, _PREVIEW, "invoice_preview")
        return None if preview is None else (preview, raw)

    def invoice_items(self, call: Call, uuid: str) -> Walk[InvoiceItem]:
        """The lines of one bill; the preview goes by the word ``preview``."""
        return self._walk(decoding.INVOICE_ITEMS, call, "get_costs", path(_INVOICES + "/{}", uuid))

    # Requests.

    async def _get(
        self, call: Call, operation: str, route: str, params: Mapping[str, str | int] | None = None
    ) -> Response:
        return await self._client.request(call, "GET", route, operation=operation, params=params)

    def _walk(
        self,
        kind: Kind[R],
        call: Call,
        operation: str,
        route: str,
        filters: Mapping[str, str] | None = None,
        overlap: int = OVERLAP,
    ) -> Walk[R]:
        async def fetch(page: int) -> Fetched[Row[R]]:
            query: dict[str, str | int] = {**(filters or {}), "page": page, "per_page": decoding.PER_PAGE}
            return read_list(await self._get(call, operation, route, query), kind)

        return by_page(fetch, overlap=overlap)
