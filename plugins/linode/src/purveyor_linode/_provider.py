"""The provider: each method is one operation of the API and one mapping."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from datetime import UTC, timedelta

import attrs

from purveyor.plugin import (
    ActionRequest,
    App,
    Balance,
    Call,
    CatalogRequest,
    ConflictError,
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
    InsufficientResourcesError,
    Invoice,
    ListRequest,
    MarkRequest,
    NotFoundError,
    Page,
    PermissionDeniedError,
    Plan,
    Region,
    ResourceBusyError,
    Secret,
)
from purveyor.wire import BearerAuth, Client, content_if_so, intact, only, to_pages, to_whole_page
from purveyor_linode import _linodes as linodes
from purveyor_linode import _mapping as mapping
from purveyor_linode import _rows as rows
from purveyor_linode._api import Api
from purveyor_linode._bodies import action_step, create_body
from purveyor_linode._config import BASE_URL, Settings
from purveyor_linode._credentials import report, scopes_of
from purveyor_linode._errors import translate
from purveyor_linode._offers import Picker, fetch_offers

__all__ = ["Linode"]

_BILLED_WITHIN = timedelta(days=45)
"""What was used is on a bill by then; bills are made at the start of each month."""


class Linode:
    """One Linode account."""

    def __init__(self, settings: Settings, ctx: Context, token: Secret) -> None:
        self._name = ctx.provider
        self._ctx = ctx
        self._settings = settings
        self._client = Client(
            ctx,
            base_url=ctx.settings.base_url or BASE_URL,
            auth=BearerAuth(token),
            translate=translate,
        )
        self._api = Api(self._client)
        self._births = linodes.Births(self._api)
        self._picker = Picker(self._name, self._api, ctx.clock)

    async def check_health(self, call: Call) -> None:
        """Return if the API answers; any token may ask for its user."""
        await self._api.profile(call, "check_health")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    # Compute.

    async def create_instance(self, request: CreateRequest, call: Call) -> Instance:
        """Make one Linode that carries the call's mark as a tag.

        A label stays taken for a while after its Linode is gone; that passes, while a Linode of that name does not.
        """
        body = create_body(request, self._settings, call.mark, self._password)
        if request.region is None:
            metadata = "metadata" in body
            body["region"] = await self._picker.pick(request.plan, call, metadata=metadata)
        try:
            return mapping.instance(self._name, *await self._api.create_linode(call, body))
        except InsufficientResourcesError:
            self._picker.forget()
            raise
        except ConflictError as error:
            if error.field != "name" or await self._api.has_label(call, request.name):
                raise
            raise ResourceBusyError(
                f"the label {request.name} belonged to a Linode that is gone and is still being released",
                field="name",
            ) from error

    async def get_instance(self, request: InstanceRequest, call: Call) -> Instance:
        """Tell about one Linode."""
        found = mapping.instance(self._name, *await self._api.linode(call, request.id))
        if await self._births.failed(found, self._ctx.clock.now(), call):
            return attrs.evolve(found, status=InstanceStatus.ERROR, busy=False)
        return found

    def list_instances(self, request: ListRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream all Linodes."""
        return to_pages(self._name, linodes.every(self._api, call, request.tag), mapping.instance)

    async def delete_instance(self, request: InstanceRequest, call: Call) -> None:
        """Delete one Linode; one that is gone already is success."""
        with suppress(InstanceNotFoundError):
            await self._api.delete_linode(call, request.id)

    async def perform_action(self, request: ActionRequest, call: Call) -> None:
        """Start an action on one Linode."""
        step = action_step(request, self._password)
        with content_if_so(step.effect):
            await self._api.act(call, request.id, step.effect, step.deed, step.body)

    def find_by_mark(self, request: MarkRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream the Linodes that carry a mark."""
        return to_pages(self._name, linodes.marked(self._api, call, request.mark.text), mapping.instance)

    # Marks.

    async def remove_mark(self, request: MarkRequest, call: Call) -> None:
        """Delete a mark's tag; one that is gone already is success."""
        with suppress(NotFoundError):
            await self._api.delete_tag(call, request.mark.text)

    # Catalog.

    async def list_plans(self, request: CatalogRequest, call: Call) -> Page[Plan]:  # noqa: ARG002 - facets take it
        """All plans, with the regions that sell them."""
        return (await fetch_offers(self._name, self._api, call, "list_plans")).plans

    async def list_images(self, request: CatalogRequest, call: Call) -> Page[Image]:  # noqa: ARG002 - likewise
        """Linode's distributions, and the account's own images."""
        return await to_whole_page(self._name, self._api.images(call), mapping.image)

    async def list_regions(self, request: CatalogRequest, call: Call) -> Page[Region]:  # noqa: ARG002 - likewise
        """All data centers."""
        return await to_whole_page(self._name, self._api.regions(call, "list_regions"), mapping.region)

    async def list_apps(self, request: CatalogRequest, call: Call) -> Page[App]:  # noqa: ARG002 - likewise
        """All marketplace apps: scripts that Linode's own user publishes under such a label."""
        walk = self._api.stackscripts(call, {"username": "linode", "label": {"+contains": mapping.ONE_CLICK}})
        return await to_whole_page(self._name, only(walk, _is_app), mapping.app)

    # Credentials.

    async def validate_credentials(self, call: Call) -> CredentialReport:
        """Ask whom the token belongs to, and what it may see."""
        profile, header = await self._api.profile(call, "validate_credentials")
        account, grants = None, None
        try:
            account = await self._api.account(call)
        except PermissionDeniedError:
            self._ctx.log.debug("the token may not see its account")
        if profile.restricted:
            grants = await self._api.grants(call)
        return report(self._name, profile, scopes_of(header), account, grants)

    # Billing.

    async def get_balance(self, call: Call) -> Balance:
        """What is owed now."""
        return mapping.balance(self._name, *await self._api.balance(call, "get_balance"))

    def list_invoices(self, call: Call) -> AsyncIterator[Page[Invoice]]:
        """Stream all invoices, the running month's as it stands first."""
        return self._bills(call, "list_invoices")

    async def get_costs(self, request: CostRequest, call: Call) -> CostReport:
        """The lines, each whole, of all bills that may hold something of the period, as far as they touch it."""
        items: list[CostItem] = []
        since = request.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        async with aclosing(self._bills(call, "get_costs", {"date": {"+gte": since}})) as bills:
            async for bill in bills:
                for invoice in intact(bill):
                    if _may_hold(invoice, request):
                        items += await self._lines(invoice, request, call)
        return CostReport(provider=self._name, start=request.start, end=request.end, items=tuple(items))

    async def _bills(
        self, call: Call, operation: str, only: dict[str, dict[str, str]] | None = None
    ) -> AsyncGenerator[Page[Invoice], None]:
        balance = await self._api.balance(call, operation)
        running = mapping.preview(self._name, *balance, self._ctx.clock.now())
        if running is not None:
            yield Page((running,))
        walk = self._api.invoices(call, operation, only)
        async with aclosing(to_pages(self._name, walk, mapping.invoice)) as pages:
            async for page in pages:
                yield page

    async def _lines(self, invoice: Invoice, request: CostRequest, call: Call) -> list[CostItem]:
        if invoice.preview:
            # Its lines are not told.
            return [invoice.as_item()]
        page = await to_whole_page(self._name, self._api.invoice_items(call, invoice.id), mapping.cost_item)
        return [item for item in intact(page) if request.touches(item.start, item.end)]

    def _password(self) -> str:
        """A root password that nobody is told: whoever wants one sets a new one in Linode's console."""
        return f"{self._ctx.ids()}-{self._ctx.ids().upper()}"


def _is_app(script: rows.StackScript) -> bool:
    """Filters are asked for and checked here again: anybody may publish scripts."""
    return script.username == "linode" and mapping.ONE_CLICK in (script.label or "")


def _may_hold(invoice: Invoice, request: CostRequest) -> bool:
    """Whether lines of a bill may touch the period: they are older than the bill, and not much."""
    if not request.touches(invoice.period_start, invoice.period_end):
        return False
    return invoice.issued_at is None or invoice.issued_at < request.end + _BILLED_WITHIN
