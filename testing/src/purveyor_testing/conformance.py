"""What every provider plugin with machines must do, as a suite of tests that its author inherits.

```python
from purveyor import InstanceSpec
from purveyor_testing.conformance import ProviderConformance


class TestLinode(ProviderConformance):
    plugin = "linode"
    spec = InstanceSpec(name="conformance", plan="g6-nanode-1", image="debian-12", region="nl-ams")
    create = ("POST", "/v4/linode/instances")
```

The numbers of the scenarios are those of ``docs/conformance.md``. They run against the plugin's own sandbox, so they are
worth as much as the sandbox is true. They need pytest with pytest-asyncio in ``auto`` mode.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

import attrs
import pytest

from purveyor.client import MultiProviderClient
from purveyor.engine.plugins import PluginHost
from purveyor.model.errors import (
    CapacityError,
    InstanceNotFoundError,
    InvalidCredentialsError,
    NoCompatibleProvidersError,
    NotFoundError,
    Outcome,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    UncertainOutcomeError,
    ValidationError,
)
from purveyor.model.instance import Action, InstanceSpec, InstanceStatus
from purveyor.plugin import (
    FACETS,
    ActionRequest,
    Call,
    CatalogRequest,
    CreateRequest,
    InstanceRequest,
    ListRequest,
    Mark,
    Marking,
    MarkRequest,
    ProviderPlugin,
)
from purveyor_testing.context import MARK, plain_call, plain_context
from purveyor_testing.sandbox import Sandbox

__all__ = ["ProviderConformance"]

REFUSALS = ("no_capacity", "quota", "scope")
DOUBTS: Mapping[str, Mapping[str, Any]] = {
    "reset_before": {},
    "reset_after": {},
    "late_effect": {"seconds": 30},
    "error_before": {"status": 500},
    "error_after": {"status": 502},
    "truncate": {},
    "garbage": {},
    "html": {},
    "empty": {},
    "redirect": {"location": "http://127.0.0.1:9/"},
    "bomb": {"size": 64 * 1024 * 1024},
}
CANARY = "canary0123456789canary0123456789"


class ProviderConformance:
    """Inherit it, and say which plugin and what its sandbox sells."""

    plugin: ClassVar[str]
    """Name of the provider type."""
    spec: ClassVar[InstanceSpec]
    """A request that the sandbox can serve."""
    create: ClassVar[tuple[str, str]]
    """Method and path of the request that makes a machine."""
    listing: ClassVar[tuple[str, str] | None] = None
    """Method and path of the request that lists machines, where the path is not that of ``create``."""

    def settings(self, cloud: Sandbox) -> dict[str, Any]:
        """The provider's settings for a sandbox."""
        return {"token": cloud.token, "base_url": cloud.base_url}

    # What the scenarios stand on.

    @property
    def descriptor(self) -> ProviderPlugin:
        """What the plugin registers."""
        return PluginHost().provider_type(self.plugin)

    @asynccontextmanager
    async def cloud(self, **options: Any) -> AsyncIterator[Sandbox]:
        """The plugin's sandbox, served; in stepped time unless told otherwise."""
        assert self.descriptor.sandbox, "the descriptor names no sandbox"
        module, _, name = self.descriptor.sandbox.partition(":")
        sandbox: Sandbox = getattr(importlib.import_module(module), name)(
            **{"seed": 1, "speed": "stepped", **options}
        )
        async with sandbox:
            yield sandbox

    @asynccontextmanager
    async def client(self, cloud: Sandbox, **settings: Any) -> AsyncIterator[MultiProviderClient]:
        """A client with one provider, ``it``."""
        # Nothing here lags unless a scenario says so: no waiting for what is surely visible.
        bounds = {"visibility_grace": 0, "late_commit_bound": 0}
        config = {**self.settings(cloud), **bounds, **settings}
        providers = [{"name": "it", "type": self.plugin, "config": config}]
        configuration = {"state": "memory", "providers": providers}
        async with MultiProviderClient.from_config(configuration, health_interval=None) as client:
            yield client

    @asynccontextmanager
    async def provider(self, cloud: Sandbox) -> AsyncIterator[Any]:
        """The provider itself, with no engine around it."""
        own = {key: value for key, value in self.settings(cloud).items() if key != "base_url"}
        host = PluginHost()
        from purveyor.config import load_configuration  # noqa: PLC0415 - only for shaping the settings

        providers = [{"name": "it", "type": self.plugin, "config": own}]
        shaped = load_configuration({"state": "memory", "providers": providers}, host).providers[0].own
        context = plain_context(provider="it", type=self.plugin, base_url=cloud.base_url)
        provider = await self.descriptor.factory(shaped, context)
        try:
            yield provider
        finally:
            await provider.aclose()

    def with_key(self) -> InstanceSpec:
        """The request, with a key to log in by."""
        keys: tuple[str, ...] = (KEY,)
        return attrs.evolve(self.spec, ssh_keys=keys)

    async def resolved(self, client: MultiProviderClient) -> CreateRequest:
        """What a create call is given for ``spec``."""
        (candidate,) = (await client.explain(self.spec)).candidates
        return CreateRequest(
            name=self.spec.name,
            plan=candidate.plan,
            image=candidate.image,
            region=candidate.region,
            ssh_keys=(KEY,),
        )

    def made(self, cloud: Sandbox) -> int:
        """How many machines carry a mark, by the sandbox's log, an hour later."""
        if cloud.speed == "stepped":
            cloud.advance(3600)
        effects = [effect for entry in cloud.log for effect in entry.effects]
        return sum(
            one.kind == "created" and any(tag.startswith("pv-") for tag in one.tags) for one in effects
        )

    def sent(self, cloud: Sandbox) -> int:
        """How many creates arrived."""
        return sum((entry.method, entry.path) == self.create for entry in cloud.log)

    # 1. The package.

    def test_1_1_hook_implementations_take_no_defaults_and_register_this_type(self) -> None:
        """Versions of pluggy have passed them differently."""
        module = inspect.getmodule(self.descriptor.factory)
        assert module is not None
        hooks = [one for name, one in vars(module).items() if name.startswith("purveyor_")]
        assert hooks
        for hook in hooks:
            assert not [
                one for one in inspect.signature(hook).parameters.values() if one.default is not one.empty
            ]
        assert self.descriptor.name == self.plugin

    def test_1_2_the_package_ships_its_types(self) -> None:
        """Users of the plugin check their code too."""
        from importlib.resources import files  # noqa: PLC0415 - only here

        package = self.descriptor.factory.__module__.partition(".")[0]
        assert (files(package) / "py.typed").is_file()

    async def test_1_3_it_implements_exactly_the_facets_that_it_declares(self) -> None:
        """The engine trusts the declaration."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            assert {
                name for name, facet in FACETS.items() if isinstance(provider, facet)
            } == self.descriptor.facets

    async def test_1_4_closing_twice_is_fine(self) -> None:
        """Whoever cleans up may not know who did before."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            await provider.check_health(plain_call())
            await provider.aclose()
            await provider.aclose()

    # 2. Credentials.

    async def test_2_1_good_credentials_are_online(self) -> None:
        """And the report says whose they are."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            (health,) = (await client.check_health().collect()).items
            assert health.health.value == "online"
            (report,) = (await client.validate_credentials().collect()).items
            assert report.provider == "it"
            assert report.account

    async def test_2_2_bad_credentials_are_named_as_such(self) -> None:
        """In every facet, not only when asked for."""
        async with self.cloud() as cloud, self.client(cloud, token=CANARY) as client:
            for view in (client.validate_credentials(), client.list_instances()):
                (error,) = (await view.collect()).failures.values()
                assert isinstance(error, InvalidCredentialsError)

    # 3. Catalogues.

    async def test_3_1_catalogues_are_whole_and_unique(self) -> None:
        """Ids are what a create call takes."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            for view in (client.list_plans(), client.list_images(), client.list_regions()):
                rows = await view.collect()
                assert rows.complete
                assert rows.items
                assert len({row.id for row in rows.items}) == len(rows.items)
                assert all(row.provider == "it" and row.raw for row in rows.items)

    async def test_3_2_plans_are_in_the_right_units(self) -> None:
        """No machine has less than 256 MiB or more than 64 TiB of memory."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            for plan in (await client.list_plans().collect()).items:
                assert plan.cpus >= 1
                assert 2**28 <= plan.memory <= 2**46
                assert plan.disk == 0 or 2**30 <= plan.disk <= 2**47
                if plan.price_per_hour and plan.price_per_month:
                    assert 0 < plan.price_per_hour.amount < plan.price_per_month.amount

    async def test_3_3_common_images_and_places_have_portable_names(self) -> None:
        """The same request lands on any cloud."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            aliases = {
                alias for image in (await client.list_images().collect()).items for alias in image.aliases
            }
            assert {"debian-12", "ubuntu-24.04"} <= aliases
            places = {
                place for region in (await client.list_regions().collect()).items for place in region.places
            }
            assert {"eu", "us"} <= places or {"eu", "na"} <= places
            assert all(place == place.lower() for place in places)

    # 4. The life of a machine.

    async def test_4_1_a_whole_life(self) -> None:
        """Made, ready, listed once, stopped, started, rebooted, deleted, gone; deleting again is fine."""
        async with self.cloud(speed="fast") as cloud, self.client(cloud) as client:
            one = (await client.provision(self.with_key(), wait=True)).instance
            where = f"it/{one.id}"
            assert one.ready
            assert (one.name, one.provider) == (self.spec.name, "it")
            assert one.plan
            assert one.region
            assert one.created_at
            listed = (await client.list_instances().collect()).items
            assert [found.id for found in listed] == [one.id]
            assert (
                await client.perform_action(where, Action.STOP, wait=True)
            ).status is InstanceStatus.STOPPED
            assert (
                await client.perform_action(where, Action.START, wait=True)
            ).status is InstanceStatus.RUNNING
            assert (
                await client.perform_action(where, Action.REBOOT, wait=True)
            ).status is InstanceStatus.RUNNING
            await client.delete_instance(where)
            await client.delete_instance(where)
            assert [
                found for found in (await client.list_instances().collect()).items if not _going(found)
            ] == []

    async def test_4_2_converging_actions_are_content_with_what_is(self) -> None:
        """Starting what runs is success."""
        async with self.cloud(speed="fast") as cloud, self.client(cloud) as client:
            one = (await client.provision(self.with_key(), wait=True)).instance
            await client.perform_action(f"it/{one.id}", Action.START, wait=True)

    async def test_4_3_a_missing_parameter_is_named_before_anything_is_sent(self) -> None:
        """Resizing needs a plan."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            with pytest.raises(ValidationError) as caught:
                await provider.perform_action(ActionRequest(id="1", action=Action.RESIZE), plain_call())
            assert caught.value.field == "plan"
            assert cloud.log == []

    @pytest.mark.parametrize(
        "hostile", ["999999999", "../account", "1?x=y", "1/actions", "%2e%2e", "1\r\nX: y", ""]
    )
    async def test_4_4_unknown_and_hostile_ids_find_nothing(self, hostile: str) -> None:
        """And reach no other path."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            with pytest.raises((InstanceNotFoundError, ValidationError)):
                await provider.get_instance(InstanceRequest(hostile), plain_call())
            assert all(entry.path.endswith("/999999999") for entry in cloud.log)

    # 5. Marks.

    async def test_5_1_a_machine_is_found_by_its_mark_and_by_no_other(self) -> None:
        """This is what makes a lost answer harmless."""
        async with self.cloud() as cloud, self.client(cloud) as client, self.provider(cloud) as provider:
            made = await provider.create_instance(await self.resolved(client), plain_call())
            assert await _ids(provider.find_by_mark(MarkRequest(MARK), plain_call())) == [made.id]
            other = Mark("owner00001", "intent0000000002")
            assert await _ids(provider.find_by_mark(MarkRequest(other), plain_call())) == []

    async def test_5_2_nothing_is_made_without_a_mark(self) -> None:
        """An unmarked machine could never be found again."""
        async with self.cloud() as cloud, self.client(cloud) as client, self.provider(cloud) as provider:
            request = await self.resolved(client)
            with pytest.raises(PurveyorError):
                await provider.create_instance(request, plain_call(mark=None))
            assert self.made(cloud) == 0

    # 6. Outcomes.

    @pytest.mark.parametrize("fault", REFUSALS)
    async def test_6_1_a_refusal_says_that_nothing_was_made(self, fault: str) -> None:
        """Only then may somebody else be asked."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=None)
            with pytest.raises(PurveyorError) as caught:
                await client.provision(self.spec)
            assert caught.value.outcome is Outcome.REFUSED
            assert caught.value.elsewhere
            assert self.made(cloud) == 0

    @pytest.mark.parametrize("fault", DOUBTS)
    async def test_6_2_a_lost_or_unreadable_answer_is_doubt_until_it_is_settled(self, fault: str) -> None:
        """A machine that is there is found; while it may still come, nothing makes a second one."""
        async with self.cloud() as cloud, self.client(cloud, late_commit_bound=1000) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=None, **DOUBTS[fault])
            with suppress(UncertainOutcomeError):
                assert (await client.provision(self.spec, deadline=1)).complete
                assert self.made(cloud) == 1
            if self.descriptor.marking is Marking.TAG:
                assert self.sent(cloud) == 1
            assert self.made(cloud) <= 1

    async def test_6_3_a_dead_server_has_not_been_sent_anything(self) -> None:
        """So somebody else may be asked."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            await client.explain(self.spec)
            await cloud.stop()
            with pytest.raises(PurveyorError) as caught:
                await client.provision(self.spec, deadline=2)
            assert caught.value.outcome is Outcome.NOT_SENT

    async def test_6_4_a_cancelled_create_leaves_nothing_running(self) -> None:
        """No task, and the client goes on."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            await client.explain(self.spec)
            before = asyncio.all_tasks()
            cloud.fault("hang", method=self.create[0], path=self.create[1])
            task = asyncio.create_task(client.provision(self.spec))
            while not self.sent(cloud):  # noqa: ASYNC110 - the log is no event
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(10):
                while {one for one in asyncio.all_tasks() - before if "purveyor" in repr(one)} - {task}:  # noqa: ASYNC110 - tasks are no event
                    await asyncio.sleep(0)  # what is still being written down
            assert self.sent(cloud) == 1

    @pytest.mark.parametrize("fault", [fault for fault in DOUBTS if fault != "late_effect"])
    async def test_6_5_a_lost_answer_makes_one_machine_all_the_same(self, fault: str) -> None:
        """It is found by its mark, or surely does not exist and is made then."""
        async with self.cloud() as cloud, self.client(cloud, timeout=1) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=1, **DOUBTS[fault])
            made = await client.provision(self.spec, key="once")
            again = await client.provision(self.spec, key="once")
            assert self.made(cloud) == 1
            assert made.instance.id == again.instance.id
            (intent,) = await client.list_intents()
            assert (intent.state.owns_machine, intent.instance_id) == (True, made.instance.id)

    # 7. Lists and rows.

    async def test_7_1_every_exchange_is_on_record(self) -> None:
        """One limiter token an exchange, no more and no less."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            for work in (self._list, self._plans):
                before, call = len(cloud.log), plain_call()
                await work(provider, call)
                assert len(cloud.log) - before == len(call.exchanges) > 0

    async def test_7_2_a_row_of_wrong_types_is_reported_and_the_others_survive(self) -> None:
        """One bad row must not hide the rest."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            await client.provision(self.spec, count=3)
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault("wrong_types", method=method, path=path, row=1, times=None)
            view = await client.list_instances().collect()
            assert len(view.items) == 2
            assert isinstance(view.failures["it"], ProtocolMismatchError)

    @pytest.mark.parametrize("fault", ["html", "garbage", "empty", "truncate", "redirect"])
    async def test_7_3_what_is_no_answer_is_a_typed_error(self, fault: str) -> None:
        """Never a traceback, never an empty list."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault(fault, method=method, path=path, times=None)
            view = await client.list_instances(deadline=2).collect()
            assert view.items == ()
            assert not isinstance(view.failures["it"], NotFoundError)

    async def test_7_4_a_rate_limit_says_how_long(self) -> None:
        """In seconds, whatever the vendor writes."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault("rate_limit", method=method, path=path, times=None, retry_after=3600)
            (error,) = (await client.list_instances(deadline=2).collect()).failures.values()
            assert isinstance(error, RateLimitError)
            assert error.retry_after is not None
            assert error.retry_after >= 3590

    # 8. Secrets.

    async def test_8_1_a_secret_is_in_no_error_no_repr_and_no_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not even when everything goes wrong."""
        caplog.set_level(0)
        told = []
        async with self.cloud(token=CANARY) as cloud:
            for fault in (*REFUSALS, *DOUBTS):
                # A client for each: one that was refused does not ask for the same again.
                async with self.client(cloud) as client:
                    await client.explain(self.spec)
                    cloud.fault(
                        fault, method=self.create[0], path=self.create[1], times=None, **DOUBTS.get(fault, {})
                    )
                    try:
                        told.append(repr(await client.provision(self.spec, deadline=2)))
                    except PurveyorError as error:
                        told.append(_everything(error))
                    cloud.clear_faults()
                    told.append(repr(client.providers()))
        assert CANARY not in "".join(told)
        assert CANARY not in caplog.text

    # 9. Guards.

    async def test_9_1_the_breaker_hears_of_each_call_once_and_then_nothing_is_sent(self) -> None:
        """However many requests a call takes, and however often they are tried."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            method, path = self.listing or ("GET", self.create[1])
            cloud.fault("error_before", method=method, path=path, times=None, status=500)
            for number in range(7):
                before = len(cloud.log)
                (error,) = (await client.list_instances().collect()).failures.values()
                assert isinstance(error, ProviderUnavailableError)
                assert (len(cloud.log) > before) == (number < 5)
            assert error.outcome is Outcome.NOT_SENT
            assert error.retry_after is not None
            assert error.retry_after > 30

    @pytest.mark.parametrize("fault", ["no_capacity", "quota"])
    async def test_9_2_what_is_sold_out_is_not_asked_for_again(self, fault: str) -> None:
        """For a while, and the reason is told."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            cloud.fault(fault, method=self.create[0], path=self.create[1], times=None)
            with pytest.raises(CapacityError):
                await client.provision(self.spec)
            with pytest.raises(NoCompatibleProvidersError, match="blocked until"):
                await client.provision(self.spec)
            assert self.sent(cloud) == 1

    # Small things.

    async def _list(self, provider: Any, call: Call) -> None:
        await _ids(provider.list_instances(ListRequest(), call))

    async def _plans(self, provider: Any, call: Call) -> None:
        await provider.list_plans(CatalogRequest(), call)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X conformance"


async def _ids(pages: AsyncIterator[Any]) -> list[str]:
    return [one.id async for page in pages for one in page.items]


def _going(instance: Any) -> bool:
    return instance.status in {InstanceStatus.DELETING, InstanceStatus.DELETED}


def _everything(error: BaseException | None) -> str:
    """All that an error and what led to it say."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {error.args} {getattr(error, 'details', '')}"
        error = error.__cause__ or error.__context__
    return text
