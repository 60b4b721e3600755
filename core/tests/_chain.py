"""A chain in memory: one configured provider that discovers others, which run deployments and do what a test says."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from purveyor import MultiProviderClient
from purveyor.config import load_configuration
from purveyor.engine.plugins import PluginHost
from purveyor.engine.registry import Surroundings
from purveyor.plugin import (
    Call,
    Clock,
    Context,
    CostReport,
    Deployment,
    DeploymentEvent,
    DeploymentNotFoundError,
    DeploymentStatus,
    Discovered,
    Effect,
    LogLine,
    Operation,
    OperationState,
    Page,
    ProtocolMismatchError,
    ProviderFacts,
    ProviderPlugin,
    ProviderUnavailableError,
    ResourceMetrics,
    ShellOutput,
)
from purveyor.state.store import Store
from purveyor_testing.virtual import InlineThread, VirtualClock

from ._cloud import entry, module

HANG = 1e6


@attrs.frozen(kw_only=True)
class Settings:
    """What a chain, or a provider on it, takes."""

    endpoint: str = ""


@attrs.define(kw_only=True, eq=False)
class Chain:
    """What is true on the chain and at its providers, what was asked of whom, and what goes wrong.

    Attributes:
        providers: Name to endpoint, of those that are there now.
        leases: Pairs of provider and deployment.
        wrong: Provider (or the chain's own name) and operation to the error that comes instead, or seconds of silence.
        lines: What every deployment writes.
        steps: How often an operation has to be asked for until it is over.
    """

    name: str
    providers: dict[str, str] = attrs.field(factory=dict)
    leases: list[tuple[str, str]] = attrs.field(factory=list)
    wrong: dict[tuple[str, str], Exception | float] = attrs.field(factory=dict)
    rows: tuple[Discovered, ...] = ()
    unreadable: int = 0
    lines: tuple[str, ...] = ("one", "two", "three")
    ends: list[Exception] = attrs.field(factory=list)
    steps: int = 2
    outcome: OperationState = OperationState.SUCCEEDED
    asked: list[tuple[str, str]] = attrs.field(factory=list)
    contexts: dict[str, Context] = attrs.field(factory=dict)
    built: list[tuple[str, str]] = attrs.field(factory=list)
    closed: list[tuple[str, str]] = attrs.field(factory=list)
    known: list[Deployment | None] = attrs.field(factory=list)
    open: int = 0
    effects: list[Effect] = attrs.field(factory=list)
    release: asyncio.Event | None = None

    def count(self, operation: str, provider: str | None = None) -> int:
        return sum(done == operation and provider in {None, who} for who, done in self.asked)


class FakeNode:
    """The chain itself, or one provider on it: there is one class for both, as there is one factory."""

    def __init__(self, chain: Chain, settings: Settings, ctx: Context) -> None:
        self.chain, self.settings, self.ctx = chain, settings, ctx

    async def _ask(self, operation: str, call: Call, effect: Effect = Effect.READ) -> None:
        chain, who = self.chain, self.ctx.provider
        async with self.ctx.exchange(call, "x", effect) as exchange:
            chain.asked.append((who, operation))
            chain.effects.append(effect)
            exchange.sending()
            wrong = chain.wrong.get((who, operation))
            if isinstance(wrong, Exception):
                raise type(wrong)(*wrong.args)
            await self.ctx.clock.sleep(wrong or 0.01)
            exchange.answered(200, {})

    async def check_health(self, call: Call) -> None:
        await self._ask("check_health", call)

    async def aclose(self) -> None:
        self.chain.closed.append((self.ctx.provider, self.settings.endpoint))

    async def discover(self, request, call: Call) -> AsyncIterator[Page[Discovered]]:
        rows = self.chain.rows or tuple(
            Discovered(
                name=name,
                endpoint=endpoint,
                settings=Settings(endpoint=endpoint),
                attributes=(("region", "eu"), ("region", "nl")),
            )
            for name, endpoint in self.chain.providers.items()
        )
        bad = tuple(
            ProtocolMismatchError(f"row {row} cannot be read") for row in range(self.chain.unreadable)
        )
        for page in (Page(rows[:2], bad), Page(rows[2:])):
            await self._ask("discover", call)
            yield page

    async def list_deployments(self, request, call: Call) -> AsyncIterator[Page[Deployment]]:
        await self._ask("list_deployments", call)
        mine = [
            self._deployment(owner, bare)
            for owner, bare in self.chain.leases
            if self.ctx.provider in {self.chain.name, f"{self.chain.name}/{owner}"}
        ]
        yield Page(tuple(mine))

    def _deployment(self, owner: str, bare: str) -> Deployment:
        return Deployment(provider=f"{self.chain.name}/{owner}", id=bare, status=DeploymentStatus.ACTIVE)

    async def get_deployment(self, request, call: Call) -> Deployment:
        await self._ask("get_deployment", call)
        self.chain.known.append(request.known)
        owner = self.ctx.provider.rpartition("/")[2]
        if (owner, request.id) not in self.chain.leases:
            raise DeploymentNotFoundError(f"no {request.id} here")
        return attrs.evolve(self._deployment(owner, request.id), name="told by its provider")

    async def perform_action(self, request, call: Call) -> Operation:
        effect = Effect.CONVERGE if request.action.value in {"start", "stop"} else Effect.ONCE
        await self._ask("perform_action", call, effect)
        state = OperationState.PENDING if self.chain.steps else self.chain.outcome
        return Operation(
            provider=self.ctx.provider, deployment=request.id, action=request.action, state=state, id="op-1"
        )

    async def get_operation(self, request, call: Call) -> Operation:
        await self._ask("get_operation", call)
        self.chain.steps -= 1
        state = OperationState.RUNNING if self.chain.steps > 0 else self.chain.outcome
        return attrs.evolve(request.operation, state=state, message="so it is")

    async def list_events(self, request, call: Call) -> AsyncIterator[Page[DeploymentEvent]]:
        for number in itertools.count():
            await self._ask("list_events", call)
            one = {"provider": self.ctx.provider, "deployment": request.id, "type": "seen"}
            yield Page(tuple(DeploymentEvent(id=f"{number}-{at}", **one) for at in range(10)))

    async def get_metrics_history(self, request, call: Call) -> tuple[ResourceMetrics, ...]:
        await self._ask("get_metrics_history", call)
        return (
            ResourceMetrics(provider=self.ctx.provider, id=request.id, time=request.start, source="chain"),
        )

    async def stream_metrics(self, request, call: Call) -> AsyncIterator[ResourceMetrics]:
        while True:
            await self._ask("stream_metrics", call)
            now = self.ctx.clock.now()
            yield ResourceMetrics(provider=self.ctx.provider, id=request.id, time=now, source="chain")
            await self.ctx.clock.sleep(request.interval)

    async def stream_logs(self, request, call: Call) -> AsyncIterator[LogLine]:
        self.chain.open += 1
        try:
            await self._ask("stream_logs", call)
            for line in self.chain.lines:
                await self.ctx.clock.sleep(0.01)
                yield LogLine(line)
            if self.chain.ends:
                raise self.chain.ends.pop(0)
            if request.follow:
                await asyncio.Event().wait()
        finally:
            self.chain.open -= 1

    @asynccontextmanager
    async def open_shell(self, request, call: Call):
        self.chain.open += 1
        try:
            await self._ask("open_shell", call)
            yield FakeShell(request)
        finally:
            self.chain.open -= 1

    async def get_facts(self, call: Call) -> ProviderFacts:
        await self._ask("get_facts", call)
        return ProviderFacts(provider=self.ctx.provider, name="Gpu One")

    async def list_metrics(self, request, call: Call) -> AsyncIterator[Page[ResourceMetrics]]:
        await self._ask("list_metrics", call)
        now = self.ctx.clock.now()
        yield Page((ResourceMetrics(provider=self.ctx.provider, id="d", time=now, source="chain"),))

    async def get_balance(self, call: Call):
        raise NotImplementedError

    async def list_invoices(self, call: Call):
        raise NotImplementedError
        yield

    async def get_costs(self, request, call: Call) -> CostReport:
        raise NotImplementedError


class FakeShell:
    """Says what it is told, and ends when it is told that there is no more."""

    def __init__(self, request) -> None:
        self.request = request
        self.exit_code: int | None = None
        self.sizes: list[tuple[int, int]] = []
        self._output: asyncio.Queue[ShellOutput | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[ShellOutput]:
        while (piece := await self._output.get()) is not None:
            yield piece

    async def send(self, data: bytes) -> None:
        self._output.put_nowait(ShellOutput(data, stderr=data.startswith(b"!")))

    async def send_eof(self) -> None:
        self.exit_code = 7
        self._output.put_nowait(None)

    async def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))


class ChainWorld:
    """Chains, and clients that are configured for them; of type ``bare`` are providers that discover nobody."""

    def __init__(self, module_name: str) -> None:
        self.chains: dict[str, Chain] = {}
        self.configs: dict[str, dict] = {}
        self._ids = itertools.count()
        plugins = [
            ProviderPlugin(
                name="chain",
                factory=self._build,
                config_type=Settings,
                facets=frozenset({"deployments", "discovery"}),
                discovered_facets=frozenset({"deployments", "metrics"}),
            ),
            ProviderPlugin(
                name="bare", factory=self._build, config_type=Settings, facets=frozenset({"deployments"})
            ),
        ]
        module(module_name, lambda: plugins)
        self.entries = [entry(one.name, module_name) for one in plugins]

    async def _build(self, settings: Settings, ctx: Context) -> FakeNode:
        chain = self.chains[ctx.provider.partition("/")[0]]
        chain.contexts[ctx.provider] = ctx
        chain.built.append((ctx.provider, settings.endpoint))
        return FakeNode(chain, settings, ctx)

    def add(self, name: str = "ve", type: str = "chain", **config) -> Chain:  # noqa: A002 - the configuration's word
        self.chains[name] = Chain(name=name)
        self.configs[name] = {"name": name, "type": type, "config": config}
        return self.chains[name]

    def client(self, *, clock: Clock | None = None, **options) -> MultiProviderClient:
        host = PluginHost(self.entries, {})
        around = Surroundings(
            clock=clock or VirtualClock(),
            random=random.Random(1),
            ids=lambda: f"{next(self._ids):016d}",
            environ={},
        )
        options = {"health_interval": None, **options}
        document = {"providers": list(self.configs.values())}
        return MultiProviderClient(
            load_configuration(document, host, environ={}),
            plugins=host,
            around=around,
            store=Store(None, InlineThread()),
            **options,
        )


def down(text: str = "nobody is there") -> ProviderUnavailableError:
    return ProviderUnavailableError(text)
