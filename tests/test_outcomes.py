"""Whatever happens to a create, what Purveyor says agrees with what the clouds did, by their own logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from purveyor import (
    Action,
    InstanceSpec,
    InstanceStatus,
    IntentState,
    MultiProviderClient,
    Outcome,
    PurveyorError,
    UncertainOutcomeError,
)
from purveyor_digitalocean.sandbox import DigitalOceanSandbox

SPEC = InstanceSpec(name="web", plan="s-1vcpu-1gb", image="debian-12", region="ams3")
CREATE = {"method": "POST", "path": "/v2/droplets"}


def made(cloud: DigitalOceanSandbox) -> int:
    """How many droplets the cloud truly made, late ones included."""
    if cloud.speed == "stepped":
        cloud.advance(3600)
    return sum(e.kind == "created" and e.type == "droplet" for entry in cloud.log for e in entry.effects)


def arrivals(cloud: DigitalOceanSandbox) -> int:
    return sum((entry.method, entry.path) == ("POST", "/v2/droplets") for entry in cloud.log)


@asynccontextmanager
async def two_accounts(
    timeout: float = 10, speed: str = "stepped", **bounds: float
) -> AsyncIterator[tuple[MultiProviderClient, Any, Any]]:
    async with (
        DigitalOceanSandbox(seed=1, speed=speed) as a,
        DigitalOceanSandbox(seed=2, speed=speed) as b,
    ):
        providers = [
            {
                "name": name,
                "type": "digitalocean",
                "config": {"token": cloud.token, "base_url": cloud.base_url, "timeout": timeout, **bounds},
            }
            for name, cloud in (("a", a), ("b", b))
        ]
        config = {"state": "memory", "selection_policy": "priority", "providers": providers}
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            yield client, a, b


REFUSALS = ["no_capacity", "quota", "scope", "rate_limit"]
DOUBTS: dict[str, dict[str, Any]] = {
    "reset_before": {},
    "reset_after": {},
    "late_effect": {"seconds": 40},
    "error_before": {"status": 500},
    "error_after": {"status": 503},
    "truncate": {},
    "garbage": {},
    "html": {},
    "empty": {},
    "redirect": {"location": "http://127.0.0.1:9/v2/droplets"},
    "bomb": {"size": 64 * 1024 * 1024},
}


async def test_without_a_fault_one_machine_is_made_and_returned() -> None:
    async with two_accounts() as (client, a, b):
        result = await client.provision(SPEC)
        assert (made(a), made(b)) == (1, 0)
        assert result.instance.provider == "a"


@pytest.mark.parametrize("fault", REFUSALS)
async def test_after_a_refusal_the_next_account_is_asked_and_only_one_machine_exists(fault: str) -> None:
    async with two_accounts() as (client, a, b):
        a.fault(fault, **CREATE, times=None)
        result = await client.provision(SPEC)
        assert result.instance.provider == "b"
        assert (made(a), made(b)) == (0, 1)
        assert result.attempts[0].error is not None
        assert result.attempts[0].error.outcome is Outcome.REFUSED


@pytest.mark.parametrize("fault", DOUBTS)
async def test_until_a_doubt_is_settled_nobody_else_is_asked(fault: str) -> None:
    async with two_accounts() as (client, a, b):
        a.fault(fault, **CREATE, times=None, **DOUBTS[fault])
        with suppress(UncertainOutcomeError):
            assert (await client.provision(SPEC, deadline=1)).instance.provider == "a"
            assert made(a) == 1, "it was there and was found"
        assert arrivals(a) == 1, "sent once, never again"
        assert (made(b), arrivals(b)) == (0, 0)
        assert made(a) <= 1


@pytest.mark.parametrize("fault", [fault for fault in DOUBTS if fault != "late_effect"])
async def test_a_doubt_that_is_settled_leaves_exactly_one_machine(fault: str) -> None:
    async with two_accounts(timeout=1, late_commit_bound=0, visibility_grace=0) as (client, a, b):
        a.fault(fault, **CREATE, times=None, **DOUBTS[fault])
        result = await client.provision(SPEC)
        assert made(a) + made(b) == 1
        (machine,) = (await client.list_instances().collect()).items
        assert (machine.provider, machine.id) == (result.instance.provider, result.instance.id)


async def test_a_doubt_that_lasts_is_told_with_its_intent() -> None:
    async with two_accounts() as (client, a, _):
        a.fault("error_before", **CREATE, status=500)
        with pytest.raises(UncertainOutcomeError) as caught:
            await client.provision(SPEC, deadline=1)
        error = caught.value
        assert (error.provider, error.outcome) == ("a", Outcome.UNKNOWN)
        assert error.details["mark"].startswith("pv-")
        assert (await client.get_intent(error.details["intent"])).state is IntentState.UNKNOWN


async def test_the_machine_of_a_lost_answer_carries_the_mark_of_its_intent() -> None:
    async with two_accounts() as (client, a, _):
        a.fault("reset_after", **CREATE)
        await client.provision(SPEC)
        (intent,) = await client.list_intents()
        assert intent.state is IntentState.ADOPTED
        found = await client.list_instances(tag=f"pv-{intent.owner}-{intent.id}").collect()
        assert [one.name for one in found.items] == ["web"]


async def test_a_create_that_is_never_answered_ends_at_the_timeout_in_doubt() -> None:
    async with two_accounts(timeout=0.3) as (client, a, b):
        a.fault("hang", **CREATE)
        with pytest.raises(UncertainOutcomeError):
            await client.provision(SPEC, deadline=1)
        assert (arrivals(a), arrivals(b)) == (1, 0)


async def test_an_account_that_is_not_there_is_passed_over() -> None:
    async with two_accounts() as (client, a, b):
        await client.explain(SPEC)  # the catalogues are known
        await a.stop()
        result = await client.provision(SPEC)
        assert result.instance.provider == "b"
        assert result.attempts[0].error is not None
        assert result.attempts[0].error.outcome is Outcome.NOT_SENT
        assert made(b) == 1


async def test_a_cancelled_create_is_sent_at_most_once_and_the_client_stays_usable() -> None:
    async with two_accounts() as (client, a, b):
        await client.explain(SPEC)
        a.fault("hang", **CREATE)
        task = asyncio.create_task(client.provision(SPEC))
        while not arrivals(a):  # noqa: ASYNC110 - the log is no event
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (arrivals(a), arrivals(b)) == (1, 0)
        assert (await client.provision(SPEC)).complete


WRITES = [
    ("DELETE", "/v2/droplets/*", lambda client, one: client.delete_instance(one)),
    (
        "POST",
        "/v2/droplets/*/actions",
        lambda client, one: client.perform_action(one, Action.POWER_OFF, wait=True),
    ),
]


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "error_before", "error_after"])
@pytest.mark.parametrize(("method", "path", "work"), WRITES, ids=["delete", "power_off"])
async def test_repeatable_writes_reach_their_goal_through_one_fault(
    method: str, path: str, work: Any, fault: str
) -> None:
    async with two_accounts(speed="fast") as (client, a, _):
        one = (await client.provision(SPEC, wait=True)).instance
        a.fault(fault, method=method, path=path, times=1)
        await work(client, f"a/{one.id}")
        if method == "DELETE":
            assert (await client.list_instances().collect()).items == ()
        else:
            assert (await client.get_instance(f"a/{one.id}")).status is InstanceStatus.STOPPED


@pytest.mark.parametrize("fault", ["reset_after", "error_after", "reset_before"])
async def test_an_action_that_is_done_once_is_not_repeated_and_says_so(fault: str) -> None:
    async with two_accounts() as (client, a, _):
        one = (await client.provision(SPEC)).instance
        a.advance(600)
        a.fault(fault, method="POST", path="/v2/droplets/*/actions", times=1)
        with pytest.raises(UncertainOutcomeError) as caught:
            await client.perform_action(f"a/{one.id}", Action.REBOOT)
        assert caught.value.outcome is Outcome.UNKNOWN
        sent = [entry for entry in a.log if entry.path.endswith("/actions") and entry.method == "POST"]
        assert len(sent) == 1


def everything(error: BaseException | None) -> str:
    """What an error and all behind it say."""
    text = []
    while error is not None:
        text.append(f"{error!r} {error} {error.args} {getattr(error, 'details', '')}")
        error = error.__cause__ or error.__context__
    return "".join(text)


async def test_a_secret_is_in_no_error_and_no_log_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    canary = "dop_v1_canary0123456789"
    async with DigitalOceanSandbox(seed=1, speed="stepped", token=canary) as cloud:
        config = {
            "state": "memory",
            "providers": [
                {"name": "a", "type": "digitalocean", "config": {"token": canary, "base_url": cloud.base_url}}
            ],
        }
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            for fault in (*REFUSALS, *DOUBTS):
                cloud.fault(fault, **CREATE, times=None, **DOUBTS.get(fault, {}))
                try:
                    text = repr(await client.provision(SPEC, deadline=2))
                except PurveyorError as error:
                    text = everything(error)
                cloud.clear_faults()
                assert canary not in text, fault
            assert canary not in repr(client.providers())
    assert canary not in caplog.text
