"""Clouds in memory: a plugin whose accounts do what a test tells them, and remember what was really made there."""

import asyncio
import functools
import importlib.metadata
import itertools
import random
import sys
import types
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from purveyor import GiB, MultiProviderClient
from purveyor.config import load_configuration
from purveyor.engine.plugins import PluginHost
from purveyor.engine.registry import Surroundings
from purveyor.plugin import (
    Action,
    ActionRequest,
    App,
    Balance,
    Call,
    CatalogRequest,
    ConflictError,
    Context,
    CostReport,
    CostRequest,
    CreateRequest,
    CredentialReport,
    Effect,
    Image,
    Instance,
    InstanceNotFoundError,
    InstanceRequest,
    InstanceSpec,
    InstanceStatus,
    Invoice,
    ListRequest,
    Marking,
    MarkRequest,
    Money,
    Needs,
    Outcome,
    Page,
    Plan,
    ProtocolMismatchError,
    ProviderPlugin,
    ProviderUnavailableError,
    PurveyorError,
    Region,
    SecretRef,
    hookimpl,
)
from purveyor.state.store import Store
from purveyor_testing.virtual import InlineThread, VirtualClock, run_virtual

ALL_FACETS = frozenset({"compute", "catalog", "credentials", "billing", "marks"})
SPEC = InstanceSpec(name="web", plan=Needs(cpus=1), image="ubuntu-24.04")


def virtual(test):
    """Run an async test in virtual time; no task may be left when it ends."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        async def story():
            await test(*args, **kwargs)
            for _ in range(5):  # what was just cancelled gets its turns to end
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run_virtual(story())

    return run


def plan(slug: str, price: str | None = "0.01", **traits: Any) -> Plan:
    traits = {"cpus": 1, "memory": GiB, "disk": 25 * GiB, **traits}
    return Plan(
        provider="", id=slug, name=slug, price_per_hour=Money(price) if price is not None else None, **traits
    )


def image(slug: str, *aliases: str, **traits: Any) -> Image:
    return Image(provider="", id=slug, name=slug, aliases=aliases, **traits)


def region(slug: str, *places: str, **traits: Any) -> Region:
    return Region(provider="", id=slug, name=slug, places=places, **traits)


@attrs.frozen(kw_only=True)
class Fault:
    """What goes wrong with one exchange.

    Attributes:
        kind: ``not_sent``, ``refused``, ``lost_before`` and ``lost_after`` (the effect), ``bug``, ``junk``, or
            ``slow``, where nothing else goes wrong.
        seconds: How long the answer takes; ``HANG`` is for ever.
        page: The page of a listing at which it happens.
    """

    kind: str = "slow"
    error: Callable[[], Exception] | None = None
    seconds: float = 0.0
    headers: Mapping[str, str] = attrs.field(factory=dict)
    status: int = 422
    page: int = 0


HANG = 1e6
NOT_SENT = Fault(kind="not_sent")
LOST_BEFORE = Fault(kind="lost_before")
LOST_AFTER = Fault(kind="lost_after")
BUG = Fault(kind="bug")
JUNK = Fault(kind="junk")


def refused(error: type[PurveyorError] | Callable[[], Exception], **traits: Any) -> Fault:
    make = functools.partial(error, "no, says the cloud") if isinstance(error, type) else error
    return Fault(kind="refused", error=make, **traits)


@attrs.define(kw_only=True, eq=False)
class Cloud:
    """One account: what is true there, what was asked, what goes wrong next, and always."""

    name: str
    entry: dict[str, Any]
    machines: dict[str, Instance] = attrs.field(factory=dict)
    created: list[tuple[str, str]] = attrs.field(factory=list)  # name and mark of everything ever made
    unmarked: list[str] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    requests: list[CreateRequest] = attrs.field(factory=list)
    faults: defaultdict[str, list[Fault]] = attrs.field(factory=lambda: defaultdict(list))
    always: dict[str, Fault] = attrs.field(factory=dict)
    headers: dict[str, str] = attrs.field(factory=dict)
    born: dict[str, Any] = attrs.field(factory=dict)  # how a machine differs that was just made
    hides_new: bool = False
    page_size: int = 2
    unreadable: int = 0
    plans: tuple[Plan, ...] = (
        plan("s-1"),
        plan("s-2", "0.03", cpus=2, memory=4 * GiB),
        plan("g-1", "0.001", cpus=8, memory=64 * GiB, gpu=1),
    )
    images: tuple[Image, ...] = (image("u24", "ubuntu-24.04"),)
    regions: tuple[Region, ...] = (region("ams", "amsterdam", "nl", "eu"), region("nyc", "us"))
    under_way: int = 0
    most_under_way: int = 0
    built: int = 0
    closed: int = 0
    build_fault: Callable[[], Any] | None = None
    close_fault: Callable[[], Any] | None = None
    contexts: list[Context] = attrs.field(factory=list)
    open_listings: int = 0

    def fail(self, operation: str, *faults: Fault) -> None:
        """The next exchanges of an operation go wrong like this, one fault each; None lets one pass."""
        self.faults[operation] += faults

    def hold(self, number: int) -> None:
        """Machines that exist already."""
        for index in range(number):
            self.machines[f"{self.name}{index}"] = self.machine(f"{self.name}{index}", f"old-{index}")

    def machine(self, bare: str, name: str, **traits: Any) -> Instance:
        traits = {"status": InstanceStatus.RUNNING, "public_ipv4": ("192.0.2.1",), **traits}
        return Instance(provider=self.name, id=bare, name=name, **traits)

    def count(self, operation: str) -> int:
        return self.asked.count(operation)


class FakeProvider:
    """Drives its exchanges by hand, as a plugin without HTTP does."""

    def __init__(self, cloud: Cloud, ctx: Context) -> None:
        self.cloud, self.ctx = cloud, ctx

    async def _ask(
        self, operation: str, effect: Effect, call: Call, act: Callable[[], Any], page: int = 0
    ) -> Any:
        cloud = self.cloud
        waiting = cloud.faults[operation]
        async with self.ctx.exchange(call, operation.partition("_")[0], effect) as exchange:
            fault = cloud.always.get(operation, Fault())
            if waiting and waiting[0].page == page:
                fault = waiting.pop(0)
            cloud.asked.append(operation)
            cloud.times.append(self.ctx.clock.monotonic())
            cloud.under_way += 1
            cloud.most_under_way = max(cloud.most_under_way, cloud.under_way)
            try:
                if fault.kind == "not_sent":
                    raise ProviderUnavailableError("nobody answers the door", outcome=Outcome.NOT_SENT)
                exchange.sending()
                await self.ctx.clock.sleep(fault.seconds)
                if fault.kind == "refused":
                    exchange.answered(fault.status, {**cloud.headers, **fault.headers})
                    exchange.refused()
                    raise fault.error()
                if fault.kind == "lost_before":
                    raise ProviderUnavailableError("the line was cut")
                if fault.kind == "bug":
                    raise TypeError("a canary that no message may hold")
                result = act()
                if fault.kind == "lost_after":
                    raise ProviderUnavailableError("the line was cut")
                exchange.answered(200, {**cloud.headers, **fault.headers})
                exchange.outcome = Outcome.MADE
                return None if fault.kind == "junk" else result
            finally:
                cloud.under_way -= 1

    async def check_health(self, call: Call) -> None:
        await self._ask("check_health", Effect.READ, call, lambda: None)

    async def aclose(self) -> None:
        if self.cloud.close_fault is not None:
            await self.cloud.close_fault()
        self.cloud.closed += 1

    async def create_instance(self, request: CreateRequest, call: Call) -> Instance:
        cloud = self.cloud

        def act() -> Instance:
            same = [one for one in cloud.machines.values() if call.mark.text in one.tags]
            if cloud.entry["type"] == "token" and same:
                return same[0]
            bare = f"{cloud.name}-{len(cloud.created)}"
            cloud.created.append((request.name, call.mark.text))
            cloud.requests.append(request)
            traits = {"tags": (call.mark.text,), "plan": request.plan, **cloud.born}
            made = cloud.machine(bare, request.name, **traits)
            if not cloud.hides_new:
                cloud.machines[bare] = made
            return made

        taken = {one.name for one in cloud.machines.values()}
        if cloud.entry["type"] == "named" and request.name in taken and not cloud.faults["create_instance"]:
            cloud.fail("create_instance", refused(ConflictError))
        return await self._ask("create_instance", Effect.ONCE, call, act)

    async def remove_mark(self, request: MarkRequest, call: Call) -> None:
        await self._ask(
            "remove_mark", Effect.IDEMPOTENT, call, lambda: self.cloud.unmarked.append(request.mark.text)
        )

    async def get_instance(self, request: InstanceRequest, call: Call) -> Instance:
        found = await self._ask(
            "get_instance", Effect.READ, call, lambda: self.cloud.machines.get(request.id)
        )
        if found is None:
            raise InstanceNotFoundError(f"no instance {request.id}")
        return found

    async def list_instances(self, request: ListRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        async for page in self._pages("list_instances", call, lambda one: request.tag in {None, *one.tags}):
            yield page

    async def find_by_mark(self, request: MarkRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        async for page in self._pages("find_by_mark", call, lambda one: request.mark.text in one.tags):
            yield page

    async def _pages(
        self, operation: str, call: Call, good: Callable[[Instance], bool]
    ) -> AsyncIterator[Page[Instance]]:
        cloud = self.cloud
        cloud.open_listings += 1
        try:
            size = cloud.page_size
            for number in itertools.count():
                rows = [one for one in cloud.machines.values() if good(one)]
                part = await self._ask(
                    operation,
                    Effect.READ,
                    call,
                    lambda rows=rows, number=number: rows[number * size : (number + 1) * size],
                    page=number,
                )
                bad = tuple(
                    ProtocolMismatchError(f"row {row} of {cloud.name} cannot be read")
                    for row in range(cloud.unreadable if number == 0 else 0)
                )
                yield Page(tuple(part), bad)
                if (number + 1) * size >= len(rows):
                    return
        finally:
            cloud.open_listings -= 1

    async def delete_instance(self, request: InstanceRequest, call: Call) -> None:
        await self._ask(
            "delete_instance", Effect.IDEMPOTENT, call, lambda: self.cloud.machines.pop(request.id, None)
        )

    async def perform_action(self, request: ActionRequest, call: Call) -> None:
        once = request.action in {Action.REBOOT, Action.SNAPSHOT}
        await self._ask(
            "perform_action", Effect.ONCE if once else Effect.CONVERGE, call, lambda: self._act(request)
        )

    def _act(self, request: ActionRequest) -> None:
        status = InstanceStatus.STOPPED if request.action is Action.STOP else InstanceStatus.RUNNING
        machine = self.cloud.machines[request.id]
        self.cloud.machines[request.id] = attrs.evolve(machine, status=status)

    async def _rows(self, operation: str, call: Call, rows: tuple[Any, ...]) -> Page[Any]:
        found = await self._ask(operation, Effect.READ, call, lambda: rows)
        return (
            None
            if found is None
            else Page(tuple(attrs.evolve(one, provider=self.cloud.name) for one in found))
        )

    async def list_plans(self, request: CatalogRequest, call: Call) -> Page[Plan]:
        return await self._rows("list_plans", call, self.cloud.plans)

    async def list_images(self, request: CatalogRequest, call: Call) -> Page[Image]:
        return await self._rows("list_images", call, self.cloud.images)

    async def list_regions(self, request: CatalogRequest, call: Call) -> Page[Region]:
        return await self._rows("list_regions", call, self.cloud.regions)

    async def list_apps(self, request: CatalogRequest, call: Call) -> Page[App]:
        return await self._rows("list_apps", call, ())

    async def validate_credentials(self, call: Call) -> CredentialReport:
        return await self._ask(
            "validate_credentials", Effect.READ, call, lambda: CredentialReport(provider=self.cloud.name)
        )

    async def get_balance(self, call: Call) -> Balance:
        owed = Balance(provider=self.cloud.name, owed=Money("1.50"))
        return await self._ask("get_balance", Effect.READ, call, lambda: owed)

    async def list_invoices(self, call: Call) -> AsyncIterator[Page[Invoice]]:
        for number in range(2):
            bill = Invoice(provider=self.cloud.name, id=str(number), amount=Money("5"))
            one = await self._ask("list_invoices", Effect.READ, call, lambda bill=bill: bill, page=number)
            yield Page((one,))

    async def get_costs(self, request: CostRequest, call: Call) -> CostReport:
        report = CostReport(provider=self.cloud.name, start=request.start, end=request.end)
        return await self._ask("get_costs", Effect.READ, call, lambda: report)


@attrs.frozen(kw_only=True)
class Settings:
    """What an account of the made-up vendor takes."""

    token: SecretRef | None = None
    zones: tuple[str, ...] = ()


def module(name: str, hook: Callable[[], Any] | None = None, **names: Any) -> types.ModuleType:
    """A plugin's module, as if it were installed; ``hook`` is its implementation."""
    made = types.ModuleType(name)
    if hook is not None:
        made.purveyor_register_providers = hookimpl(hook)
    vars(made).update(names)
    sys.modules[name] = made
    return made


def entry(name: str, value: str) -> importlib.metadata.EntryPoint:
    return importlib.metadata.EntryPoint(name=name, value=value, group="purveyor")


def no_factory(settings: Any, ctx: Context) -> Any:
    raise AssertionError("nobody should be built")


def descriptor(name: str, **traits: Any) -> ProviderPlugin:
    """A provider type that is never used."""
    traits = {"factory": no_factory, "config_type": Settings, "facets": frozenset(), **traits}
    return ProviderPlugin(name=name, **traits)


class World:
    """Clouds, and clients that are configured for them.

    ``fake`` has every facet, ``plain`` only machines and a catalogue; ``named`` has unique names, and ``token`` gives the
    same machine for the same mark.
    """

    def __init__(self, module_name: str) -> None:
        self.clouds: dict[str, Cloud] = {}
        self.environ: dict[str, str] = {}
        plain = frozenset({"compute", "catalog"})
        facets = {"fake": ALL_FACETS, "plain": plain, "named": plain, "token": plain}
        marking = {"named": Marking.NAME, "token": Marking.TOKEN}
        self.plugins = {
            name: ProviderPlugin(
                name=name,
                factory=self._build,
                config_type=Settings,
                facets=facets[name],
                capabilities=frozenset({"machines", name}),
                visibility_grace=30.0,
                marking=marking.get(name, Marking.TAG),
            )
            for name in facets
        }
        module(module_name, lambda: list(self.plugins.values()))
        self.entries = [entry(name, module_name) for name in facets]
        self._ids = itertools.count()

    async def _build(self, settings: Settings, ctx: Context) -> FakeProvider:
        cloud = self.clouds[ctx.provider]
        cloud.contexts.append(ctx)
        if settings.token is not None:
            await ctx.resolve(settings.token)
        if cloud.build_fault is not None:
            await cloud.build_fault()
        cloud.built += 1
        return FakeProvider(cloud, ctx)

    def add(self, name: str, type: str = "fake", **entry: Any) -> Cloud:  # noqa: A002 - the configuration's word
        cloud = Cloud(name=name, entry={"name": name, "type": type, **entry})
        self.clouds[name] = cloud
        return cloud

    def host(self, *more: importlib.metadata.EntryPoint) -> PluginHost:
        return PluginHost([*self.entries, *more], self.environ)

    def around(self, seed: int = 1, **place: str) -> Surroundings:
        return Surroundings(
            **place,
            clock=VirtualClock(),
            random=random.Random(seed),
            ids=lambda: f"{next(self._ids):06d}".ljust(16, "x"),
            environ=self.environ,
        )

    def client(
        self,
        *,
        store: Store | None = None,
        health_interval: float | None = None,
        more: tuple[Any, ...] = (),
        extra: tuple[dict[str, Any], ...] = (),
        host: str = "here",
        boot: str = "first",
        **config: Any,
    ) -> MultiProviderClient:
        """A client over all clouds; ``more`` are further entry points, ``extra`` further providers."""
        plugins = self.host(*more)
        document = {"providers": [cloud.entry for cloud in self.clouds.values()] + list(extra), **config}
        return MultiProviderClient(
            load_configuration(document, plugins, environ=self.environ),
            plugins=plugins,
            around=self.around(host=host, boot=boot),
            store=store or Store(None, InlineThread()),
            health_interval=health_interval,
        )

    @property
    def bought(self) -> list[str]:
        """Names of everything that was ever made anywhere."""
        return sorted(name for cloud in self.clouds.values() for name, _ in cloud.created)


JANUARY = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
