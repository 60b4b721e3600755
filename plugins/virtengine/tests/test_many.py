"""A whole network through the client: many providers, of which some are dead, some hang, and some are somebody else's."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from purveyor import (
    CallTimeoutError,
    DeploymentAction,
    DeploymentNotFoundError,
    MultiProviderClient,
    ProviderUnavailableError,
    UnsafeEndpointError,
)
from purveyor_virtengine.sandbox import VirtEngineSandbox

ALIVE, DEAD, HUNG = 35, 10, 5
SECONDS = 5.0
"""Far more than those who answer need; those who hang cost it all."""


@asynccontextmanager
async def network(providers=3, config=None, **behaviour):
    """A sandbox, and a client for it."""
    cloud = VirtEngineSandbox(seed=7, providers=providers, speed="fast", furnished=False)
    async with cloud:
        for daemon in cloud.daemons:
            cloud.rent(daemon, **behaviour)
        given = {**cloud.settings(), **(config or {})}
        document = {"state": "memory", "providers": [{"name": "ve", "type": "virtengine", "config": given}]}
        async with MultiProviderClient.from_config(document) as client:
            yield cloud, client
        assert cloud.strays == []


async def partly_dead(cloud):
    dead, hung, alive = (
        cloud.daemons[:DEAD],
        cloud.daemons[DEAD : DEAD + HUNG],
        cloud.daemons[DEAD + HUNG :],
    )
    await asyncio.gather(*(daemon.stop() for daemon in dead))
    for daemon in hung:
        daemon.fault("hang", times=None)
    return dead, hung, alive


def names(daemons):
    return {f"ve/{daemon.address}" for daemon in daemons}


async def test_of_fifty_providers_ten_are_dead_and_five_hang_and_the_rest_is_complete():
    async with network(ALIVE + DEAD + HUNG) as (cloud, client):
        dead, hung, alive = await partly_dead(cloud)
        for daemon in cloud.daemons:
            daemon.dialect = "openapi"
        view = await client.list_deployments(deadline=SECONDS).collect()
        assert {one.provider for one in view.items} == names(cloud.daemons), "the chain knows of all"
        told = {one.provider for one in view.items if one.updated_at is not None}
        assert told == names(alive)
        assert view.failures.keys() == names([*dead, *hung])
        assert {type(view.failures[name]) for name in names(dead)} == {ProviderUnavailableError}
        assert {type(view.failures[name]) for name in names(hung)} == {CallTimeoutError}
        assert not view.complete


async def test_metrics_of_the_rest_are_complete_too():
    async with network(ALIVE + DEAD + HUNG) as (cloud, client):
        dead, hung, alive = await partly_dead(cloud)
        await client.discover().collect()
        view = await client.list_metrics(deadline=SECONDS).collect()
        assert {one.provider for one in view.items} == names(alive)
        assert view.failures.keys() == names([*dead, *hung])


async def test_a_provider_that_was_found_must_be_at_a_public_address():
    async with network(config={"allow_private": []}) as (cloud, client):
        view = await client.list_deployments(deadline=SECONDS).collect()
        assert len(view.items) == 3, "the chain's word is shown"
        assert {type(error) for error in view.failures.values()} == {UnsafeEndpointError}
        assert {entry.server for entry in cloud.log} == {"chain"}


async def test_a_log_finds_its_way_to_the_provider_of_its_lease():
    async with network() as (cloud, client):
        daemon, lease = cloud.daemons[1], cloud.chain.leases[1]
        daemon.say(lease.dseq, "hello")
        lines = [line.message async for line in client.stream_logs(str(lease.dseq))]
        assert lines == ["hello"]
        assert {one.server for one in cloud.signatures} == {daemon.server_name}
        with pytest.raises(DeploymentNotFoundError):
            async for _ in client.stream_logs("1"):
                pass


async def test_a_followed_log_survives_its_provider():
    async with network() as (cloud, client):
        daemon, lease = cloud.daemons[0], cloud.chain.leases[0]
        daemon.say(lease.dseq, "before")
        seen = []
        async with aclosing(client.stream_logs(str(lease.dseq), follow=True)) as lines:
            async for line in lines:
                seen.append(line.message)
                if line.message == "before":
                    await daemon.stop()
                    daemon.say(lease.dseq, "meanwhile")
                    await daemon.start()
                if line.message == "meanwhile":
                    daemon.say(lease.dseq, "after")
                if line.message == "after":
                    break
        assert seen == ["before", "meanwhile", "after"]


async def test_an_action_is_followed_to_its_end():
    async with network() as (cloud, client):
        lease = cloud.chain.leases[0]
        done = await client.perform_deployment_action(str(lease.dseq), DeploymentAction.RESTART, wait=True)
        assert done.over
        assert done.message.startswith("restart completed")


async def test_a_shell_is_opened_where_the_deployment_runs():
    async with network() as (cloud, client):
        lease = cloud.chain.leases[2]
        async with client.open_shell(str(lease.dseq)) as shell:
            await shell.send(b"exit 3\n")
            async for _ in shell:
                pass
        assert shell.exit_code == 3
