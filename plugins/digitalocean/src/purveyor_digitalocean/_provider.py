"""The provider: each method is one operation of the API and one mapping."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

import attrs

from purveyor.plugin import (
    ActionRequest,
    App,
    Balance,
    Call,
    CatalogRequest,
    Context,
    CostItem,
    CostReport,
    CostRequest,
    CreateRequest,
    CredentialReport,
    Image,
    Instance,
    InstanceNotFoundError,
    InstanceRequest,
    InstanceStatus,
    Invoice,
    ListRequest,
    MarkRequest,
    NotFoundError,
    Page,
    PermissionDeniedError,
    Plan,
    Region,
    Secret,
    ValidationError,
)
from purveyor.wire import BearerAuth, Client, content_if_so, intact, to_page, to_pages, to_whole_page
from purveyor_digitalocean import _droplets as droplets
from purveyor_digitalocean import _mapping as mapping
from purveyor_digitalocean._api import Api
from purveyor_digitalocean._bodies import action_body, create_body
from purveyor_digitalocean._config import BASE_URL, Settings
from purveyor_digitalocean._errors import translate
from purveyor_digitalocean._keys import Keys

__all__ = ["DigitalOcean"]


class DigitalOcean:
    """One DigitalOcean account."""

    def __init__(self, settings: Settings, ctx: Context, token: Secret) -> None:
        self._name = ctx.provider
        self._settings = settings
        self._home = ctx.settings.region
        self._client = Client(
            ctx,
            base_url=ctx.settings.base_url or BASE_URL,
            auth=BearerAuth(token),
            translate=translate,
        )
        self._api = Api(self._client)
        self._keys = Keys(self._api)

    async def check_health(self, call: Call) -> None:
        """Return if the API answers."""
        await self._api.probe(call, "check_health")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    # Compute.

    async def create_instance(self, request: CreateRequest, call: Call) -> Instance:
        """Make one droplet that carries the call's mark as a tag."""
        body = create_body(request, self._settings, call.mark, self._home)
        fingerprints = await self._keys.ensure(request.ssh_keys, call)
        body["ssh_keys"] = [*body.get("ssh_keys", ()), *fingerprints]
        try:
            return mapping.instance(self._name, *await self._api.create_droplet(call, body))
        except ValidationError as error:
            if error.field == "ssh_keys":
                self._keys.forget()
            raise

    async def get_instance(self, request: InstanceRequest, call: Call) -> Instance:
        """Tell about one droplet. A new one that nothing is being done to is asked what went wrong."""
        droplet, raw = await self._api.droplet(call, request.id)
        found = mapping.instance(self._name, droplet, raw)
        idle = found.status is InstanceStatus.PROVISIONING and not found.busy
        if idle and await self._api.came_to_nothing(call, request.id):
            return attrs.evolve(found, status=InstanceStatus.ERROR)
        return found

    def list_instances(self, request: ListRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream all droplets."""
        return to_pages(self._name, droplets.every(self._api, call, request.tag), mapping.instance)

    async def delete_instance(self, request: InstanceRequest, call: Call) -> None:
        """Delete one droplet; one that is gone already is success."""
        with suppress(InstanceNotFoundError):
            await self._api.delete_droplet(call, request.id)

    async def perform_action(self, request: ActionRequest, call: Call) -> None:
        """Start an action on one droplet."""
        effect, body = action_body(request)
        with content_if_so(effect):
            await self._api.act(call, request.id, effect, body)

    def find_by_mark(self, request: MarkRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream the droplets that carry a mark."""
        return to_pages(self._name, droplets.marked(self._api, call, request.mark.text), mapping.instance)

    # Marks.

    async def remove_mark(self, request: MarkRequest, call: Call) -> None:
        """Delete a mark's tag; one that is gone already is success."""
        with suppress(NotFoundError):
            await self._api.delete_tag(call, request.mark.text)

    # Catalog.

    async def list_plans(self, request: CatalogRequest, call: Call) -> Page[Plan]:  # noqa: ARG002 - facets take it
        """All sizes."""
        return await to_whole_page(self._name, self._api.sizes(call), mapping.plan)

    async def list_images(self, request: CatalogRequest, call: Call) -> Page[Image]:  # noqa: ARG002 - likewise
        """DigitalOcean's distributions, and the account's own snapshots, backups and uploads."""
        public = await to_whole_page(
            self._name, self._api.images(call, {"type": "distribution"}), mapping.image
        )
        own = await to_whole_page(self._name, self._api.images(call, {"private": "true"}), mapping.image)
        known = {image.id for image in public.items}
        more = tuple(image for image in own.items if image.id not in known)
        return Page(public.items + more, public.unreadable + own.unreadable)

    async def list_regions(self, request: CatalogRequest, call: Call) -> Page[Region]:  # noqa: ARG002 - likewise
        """All data centers."""
        return await to_whole_page(self._name, self._api.regions(call), mapping.region)

    async def list_apps(self, request: CatalogRequest, call: Call) -> Page[App]:  # noqa: ARG002 - likewise
        """All marketplace apps for droplets."""
        return to_page(self._name, (await self._api.one_clicks(call)).rows, mapping.app)

    # Credentials.

    async def validate_credentials(self, call: Call) -> CredentialReport:
        """Ask whom the token belongs to; a token that may not know that may still be good for droplets."""
        try:
            return mapping.credentials(self._name, await self._api.account(call))
        except PermissionDeniedError:
            missing = ["account:read"]
        try:
            await self._api.probe(call, "validate_credentials")
        except PermissionDeniedError:
            missing.append("droplet:read")
        return CredentialReport(provider=self._name, missing=tuple(missing))

    # Billing.

    async def get_balance(self, call: Call) -> Balance:
        """What is owed now."""
        return mapping.balance(self._name, *await self._api.balance(call))

    def list_invoices(self, call: Call) -> AsyncIterator[Page[Invoice]]:
        """Stream all invoices, the running month's preview first."""
        return self._bills(call, "list_invoices")

    async def get_costs(self, request: CostRequest, call: Call) -> CostReport:
        """The lines, each whole, of all bills that touch the period, as far as they themselves touch it."""
        items: list[CostItem] = []
        async with aclosing(self._bills(call, "get_costs")) as bills:
            async for bill in bills:
                for invoice in intact(bill):
                    if request.touches(invoice.period_start, invoice.period_end):
                        items += await self._lines(invoice, request, call)
        return CostReport(provider=self._name, start=request.start, end=request.end, items=tuple(items))

    async def _bills(self, call: Call, operation: str) -> AsyncGenerator[Page[Invoice], None]:
        preview = await self._api.invoice_preview(call, operation)
        if preview is not None:
            yield Page((mapping.invoice(self._name, *preview),))
        async with aclosing(
            to_pages(self._name, self._api.invoices(call, operation), mapping.invoice)
        ) as pages:
            async for page in pages:
                yield page

    async def _lines(self, invoice: Invoice, request: CostRequest, call: Call) -> list[CostItem]:
        walk = self._api.invoice_items(call, "preview" if invoice.preview else invoice.id)
        try:
            page = await to_whole_page(self._name, walk, mapping.cost_item)
        except NotFoundError:
            # The preview gets its lines once a day, later than its amount.
            return [invoice.as_item()]
        return [item for item in intact(page) if request.touches(item.start, item.end)]
