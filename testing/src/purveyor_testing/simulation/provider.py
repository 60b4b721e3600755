"""A plugin whose three types are the three ways to find a machine again; each account is a cloud of the world."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs

from purveyor.config import Configuration, load_configuration
from purveyor.engine.plugins import PluginHost
from purveyor.model.guards import BreakerPhase
from purveyor.plugin import (
    ActionRequest,
    App,
    Call,
    CallTimeoutError,
    CatalogRequest,
    ConflictError,
    Context,
    CreateRequest,
    Effect,
    Exchange,
    Image,
    Instance,
    InstanceNotFoundError,
    InstanceRequest,
    InstanceStatus,
    InsufficientResourcesError,
    ListRequest,
    Marking,
    MarkRequest,
    Money,
    Outcome,
    Page,
    PermissionDeniedError,
    Plan,
    ProtocolMismatchError,
    ProviderPlugin,
    ProviderUnavailableError,
    PurveyorError,
    QuotaExceededError,
    RateLimitError,
    Region,
    ResourceBusyError,
    UnsupportedOperationError,
    hookimpl,
)
from purveyor.wire.paging import Fetched, by_page
from purveyor_testing.simulation.cloud import Cloud, Machine, NameTakenError
from purveyor_testing.simulation.faults import GRACE, LATE, TIMEOUT
from purveyor_testing.simulation.process import PROCESS, Process

__all__ = ["Account", "Setup", "setup"]

T = TypeVar("T")

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PLAN = Plan(
    provider="", id="small", name="small", cpus=1, memory=2**30, disk=2**34, price_per_hour=Money("0.01")
)
_REFUSALS: dict[str, tuple[int, type[PurveyorError]]] = {
    "capacity": (422, InsufficientResourcesError),
    "quota": (422, QuotaExceededError),
    "denied": (403, PermissionDeniedError),
    "busy": (422, ResourceBusyError),
}


@attrs.frozen(kw_only=True)
class Settings:
    """Which of the world's clouds the provider is."""

    account: str


class Account:
    """One configured provider, in one process."""

    def __init__(self, settings: Settings, ctx: Context) -> None:
        self._process: Process = PROCESS.get()
        self._cloud: Cloud = self._process.world.clouds[settings.account]
        self._name = ctx.provider
        self._ctx = ctx

    async def check_health(self, call: Call) -> None:
        """Answer."""
        await self._read(call, lambda: None)

    async def aclose(self) -> None:
        """There is nothing to give back."""

    # Machines

    async def create_instance(self, request: CreateRequest, call: Call) -> Instance:
        """Make a machine, unless something comes in between."""
        cloud, faults, mark = self._cloud, self._cloud.faults, call.mark
        assert mark is not None  # noqa: S101 - creations carry one
        async with self._exchange(call, "create", Effect.ONCE, faults.of_create()) as (exchange, fault):
            self._process.world.judge.asked(self._process, self._name, cloud, mark)
            if fault in _REFUSALS or fault == "rate_limit" or cloud.releasing(request.name):
                await self._wait(exchange, 0.1)
                raise self._refusal(exchange, fault if fault in {*_REFUSALS, "rate_limit"} else "busy")
            effect, answer = self._delays(fault, exchange.timeout)
            made = [] if effect is None else cloud.order(request.name, mark, effect)
            await self._wait(exchange, answer)
            if fault in {"error_before", "error_after", "late_error"}:
                exchange.answered(503, {})
                raise ProviderUnavailableError("503, says the cloud")
            if fault in {"lost_before", "lost_after", "late_lost"}:
                raise ProviderUnavailableError("the line was cut")
            if fault == "junk":
                exchange.answered(201, {})
                raise ProtocolMismatchError("the answer cannot be read")
            (result,) = made
            if isinstance(result, NameTakenError):
                exchange.answered(409, {})
                exchange.refused()
                raise ConflictError("the name is taken", field="name")
            exchange.answered(201, {})
            exchange.outcome = Outcome.MADE
            return self._instance(result)

    def _delays(self, fault: str, timeout: float) -> tuple[float | None, float]:
        """Seconds until a creation has its effect, if it has one, and until its answer comes."""
        faults = self._cloud.faults
        soon = faults.chance.uniform(0.05, 0.5)
        if fault in {"error_before", "lost_before"}:
            return None, soon
        if fault.startswith("late"):
            most = TIMEOUT + LATE * (1.9 if faults.beyond else 1.0)
            return faults.delay(most), TIMEOUT * 2 if fault == "late_hang" else soon
        if fault == "slow":
            answer = timeout * faults.chance.uniform(0.5, 1.5)
            return answer * faults.chance.uniform(0.1, 0.9), answer
        return soon, soon * 2

    async def get_instance(self, request: InstanceRequest, call: Call) -> Instance:
        """Tell about one machine."""
        found = await self._read(call, lambda: self._cloud.get(request.id))
        if found is None:
            raise InstanceNotFoundError(f"no machine {request.id}")
        return self._instance(found)

    def list_instances(self, request: ListRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream all machines."""
        return self._pages(call, "", request.tag)

    def find_by_mark(self, request: MarkRequest, call: Call) -> AsyncIterator[Page[Instance]]:
        """Stream the machines with a mark."""
        return self._pages(call, request.mark.text, request.mark.text)

    async def _pages(self, call: Call, subject: str, tag: str | None) -> AsyncIterator[Page[Instance]]:
        cloud = self._cloud
        walk = cloud.walk(subject)

        async def fetch(number: int) -> Fetched[Machine]:
            rows, pages = await self._read(
                call, lambda: cloud.page(walk, number), cloud.faults.page_delay(number)
            )
            cloud.stir(walk)
            return Fetched(rows, total_pages=pages)

        async with aclosing(by_page(fetch)) as pages:
            async for page in pages:
                found = [one for one in page.rows if tag is None or (one.mark and one.mark.text == tag)]
                bad = (
                    (ProtocolMismatchError("a row cannot be read"),)
                    if page.rows and self._unreadable()
                    else ()
                )
                yield Page(tuple(self._instance(one) for one in found), bad)

    def _unreadable(self) -> bool:
        faults = self._cloud.faults
        return "unreadable" in faults.read and faults.happens(faults.read_rate)

    async def delete_instance(self, request: InstanceRequest, call: Call) -> None:
        """Delete one machine; one that is gone already is success."""
        fault = self._cloud.faults.of_delete()
        async with self._exchange(call, "delete", Effect.IDEMPOTENT, fault) as (exchange, _):
            found = self._cloud.machines.get(request.id)
            soon = self._cloud.faults.chance.uniform(0.1, 1.0)
            await self._wait(exchange, soon)
            if found is not None and fault != "error_before":
                self._process.world.judge.deletes(self._process, self._cloud, found)
                self._cloud.delete(found, self._process.host.name)
            if fault:
                raise ProviderUnavailableError("the line was cut")
            exchange.answered(204, {})

    async def perform_action(self, request: ActionRequest, call: Call) -> None:  # noqa: ARG002 - facets take it
        """No machine of this cloud can do anything."""
        raise UnsupportedOperationError("there are no actions here")

    async def remove_mark(self, request: MarkRequest, call: Call) -> None:
        """Forget a mark, which also takes it off every machine that has it."""
        fault = self._cloud.faults.of_delete()
        async with self._exchange(call, "delete", Effect.IDEMPOTENT, fault) as (exchange, _):
            await self._wait(exchange, 0.1)
            if fault != "error_before":
                self._process.world.judge.unmarks(self._process, self._cloud, request.mark)
            if fault:
                raise ProviderUnavailableError("the line was cut")
            exchange.answered(204, {})

    # The catalogue

    async def list_plans(self, request: CatalogRequest, call: Call) -> Page[Plan]:  # noqa: ARG002 - facets take it
        """One plan."""
        return await self._read(call, lambda: Page((attrs.evolve(_PLAN, provider=self._name),)))

    async def list_images(self, request: CatalogRequest, call: Call) -> Page[Image]:  # noqa: ARG002 - facets take it
        """One image."""
        return await self._read(call, lambda: Page((Image(provider=self._name, id="linux", name="linux"),)))

    async def list_regions(self, request: CatalogRequest, call: Call) -> Page[Region]:  # noqa: ARG002 - facets take it
        """No regions."""
        return await self._read(call, lambda: Page(()))

    async def list_apps(self, request: CatalogRequest, call: Call) -> Page[App]:  # noqa: ARG002 - facets take it
        """No apps."""
        return await self._read(call, lambda: Page(()))

    # Exchanges

    async def _read(self, call: Call, look: Callable[[], T], seconds: float = 0.1) -> T:
        fault = self._cloud.faults.of_read()
        async with self._exchange(call, "read", Effect.READ, fault) as (exchange, _):
            await self._wait(exchange, TIMEOUT * 2 if fault == "hang" else seconds)
            if fault == "rate_limit":
                raise self._refusal(exchange, fault)
            if fault in {"error", "lost"}:
                raise ProviderUnavailableError("503, says the cloud")
            exchange.answered(200, {})
            return look()

    @asynccontextmanager
    async def _exchange(
        self, call: Call, group: str, effect: Effect, fault: str
    ) -> AsyncIterator[tuple[Exchange, str]]:
        """One exchange; the process may die before anything is sent and after anything has come of it."""
        process, judge = self._process, self._process.world.judge
        begins = call.attempt == 1 and not call.exchanges
        phase = BreakerPhase.CLOSED  # others were let out before
        if begins:
            phase = process.breaker(self._name, written=effect is Effect.ONCE)
        async with self._ctx.exchange(call, group, effect) as exchange:
            process.point(f"before {group} at {self._name}")
            with judge.called(process, self._name, phase):
                if fault == "not_sent":
                    raise ProviderUnavailableError("nobody answers", outcome=Outcome.NOT_SENT)
                exchange.sending()
                try:
                    if self._cloud.is_down:
                        await self._wait(exchange, 0.1)
                        raise ProviderUnavailableError("503, says the cloud")
                    yield exchange, fault
                finally:
                    process.point(f"after {group} at {self._name}")

    async def _wait(self, exchange: Exchange, seconds: float) -> None:
        """Until the answer comes, or until it has not come for too long."""
        await asyncio.sleep(min(seconds, exchange.timeout))
        self._process.point("")
        if seconds > exchange.timeout:
            raise CallTimeoutError("no answer came in time")

    def _refusal(self, exchange: Exchange, fault: str) -> PurveyorError:
        """The cloud says no."""
        exchange.refused()
        if fault == "rate_limit":
            seconds = self._cloud.faults.chance.choice((1, 10, 40, 60))
            exchange.answered(429, {"retry-after": str(seconds)})
            return RateLimitError("too fast, says the cloud", retry_after=float(seconds))
        status, error = _REFUSALS[fault]
        exchange.answered(status, {})
        return error(f"{fault}, says the cloud")

    def _instance(self, machine: Machine) -> Instance:
        now = self._cloud.now()
        status = InstanceStatus.RUNNING
        if machine.gone is not None:
            status = InstanceStatus.DELETED
        elif machine.broken and now > machine.made + 2:
            status = InstanceStatus.ERROR
        elif now < machine.made + 2:
            status = InstanceStatus.PROVISIONING
        return Instance(
            provider=self._name,
            id=machine.id,
            name=machine.name,
            status=status,
            public_ipv4=("192.0.2.1",),
            tags=(machine.mark.text,) if machine.mark else (),
            price_per_hour=_PLAN.price_per_hour,
            created_at=_START + timedelta(seconds=machine.made),
        )


async def _build(settings: Settings, ctx: Context) -> Account:
    return Account(settings, ctx)


@hookimpl
def purveyor_register_providers() -> list[ProviderPlugin]:
    """Three types of one made-up vendor."""
    return [
        ProviderPlugin(
            name=f"sim-{marking.value}",
            factory=_build,
            config_type=Settings,
            facets=frozenset({"compute", "catalog"} | ({"marks"} if marking is Marking.TAG else set())),
            visibility_grace=GRACE,
            late_commit_bound=LATE,
            marking=marking,
        )
        for marking in Marking
    ]


@attrs.frozen
class Setup:
    """A configuration and the host that it was loaded with, shared by all worlds that have the same providers.

    Attributes:
        accounts: Cloud to how its machines are found again.
    """

    configuration: Configuration
    plugins: PluginHost
    accounts: dict[str, Marking]


@functools.cache
def setup(providers: tuple[tuple[str, Marking], ...]) -> Setup:
    """The setup of providers that are called ``p0``, ``p1`` and so on, each an account with its kind of marking."""
    entries = [
        importlib.metadata.EntryPoint(name=f"sim-{marking.value}", value=__name__, group="purveyor")
        for marking in Marking
    ]
    plugins = PluginHost(entries, {})
    document = {
        "providers": [
            {
                "name": f"p{number}",
                "type": f"sim-{marking.value}",
                "priority": number,
                "config": {"account": account, "timeout": TIMEOUT},
            }
            for number, (account, marking) in enumerate(providers)
        ]
    }
    return Setup(load_configuration(document, plugins, environ={}), plugins, dict(providers))
