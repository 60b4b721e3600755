"""Providers behind https, with an authority of their own: who is not who the certificate says gets no signature."""

from contextlib import aclosing, asynccontextmanager

import pytest

from purveyor import DeploymentAction, MultiProviderClient, Outcome, ProviderUnavailableError
from purveyor_virtengine.sandbox import VirtEngineSandbox

from ._sandbox_client import world

SECONDS = 20.0


@asynccontextmanager
async def network(certificate, **config):
    """A provider with a certificate, a client, and the deployment that the wallet has there."""
    behaviour = {"certificate": certificate}
    async with VirtEngineSandbox(seed=7, providers=1, furnished=False, behaviour=behaviour) as cloud:
        lease = cloud.rent(cloud.daemons[0])
        cloud.daemons[0].say(lease.dseq, "hello")
        settings = {**cloud.settings(), **config}
        document = {
            "state": "memory",
            "providers": [{"name": "ve", "type": "virtengine", "config": settings}],
        }
        async with MultiProviderClient.from_config(document, health_interval=None) as client:
            yield cloud, client, str(lease.dseq)


async def logs(client, id_):
    return [line.message async for line in client.stream_logs(id_, deadline=SECONDS)]


async def followed(client, id_):
    async with aclosing(client.stream_logs(id_, follow=True)) as lines:
        return (await anext(lines)).message


async def shell(client, id_):
    async with client.open_shell(id_) as opened:
        await opened.send(b"exit 3\n")
        async for _ in opened:
            pass
    return opened.exit_code


async def act(client, id_):
    return await client.perform_deployment_action(id_, DeploymentAction.RESTART)


SIGNED = [logs, followed, shell, act]
ids = [one.__name__ for one in SIGNED]


async def test_with_the_authority_in_ca_file_everything_is_signed_and_goes_over_tls():
    async with network("good") as (cloud, client, id_):
        assert cloud.daemons[0].origin.startswith("https://")
        assert await logs(client, id_) == ["hello"]
        assert await followed(client, id_) == "hello"
        assert await shell(client, id_) == 3
        assert not (await act(client, id_)).over
        view = await client.list_metrics(deadline=SECONDS).collect()
        assert view.complete
        assert view.items
        assert {one.verdict for one in cloud.signatures} == {"accepted"}
        assert cloud.strays == []


@pytest.mark.parametrize("operation", SIGNED, ids=ids)
@pytest.mark.parametrize(
    ("certificate", "way_out"),
    [("other_host", "serve one for this name"), ("expired", "renew it"), ("stranger", "ca_file")],
)
async def test_who_cannot_show_a_certificate_is_sent_nothing_at_all(certificate, way_out, operation):
    async with network(certificate) as (cloud, client, id_):
        daemon = cloud.daemons[0]
        with pytest.raises(ProviderUnavailableError, match=way_out) as caught:
            await operation(client, id_)
        assert caught.value.provider == f"ve/{daemon.address}"
        assert daemon.origin.removeprefix("https://") in caught.value.message
        assert caught.value.outcome is Outcome.NOT_SENT
        assert not caught.value.retryable
        assert {entry.server for entry in cloud.log} == {"chain"}
        assert cloud.signatures == []


async def test_an_authority_that_is_not_told_is_not_trusted():
    async with network("good", ca_file=None) as (cloud, client, id_):
        with pytest.raises(ProviderUnavailableError, match="ca_file"):
            await logs(client, id_)
        assert {entry.server for entry in cloud.log} == {"chain"}


@pytest.mark.parametrize("certificate", ["stranger", "none"])
async def test_whoever_takes_a_providers_place_without_its_certificate_is_sent_nothing(certificate):
    async with network("good") as (cloud, client, id_):
        daemon = cloud.daemons[0]
        assert await logs(client, id_) == ["hello"]
        came = len(cloud.signatures)
        await daemon.stop()
        daemon.certificate = certificate
        await daemon.start()
        for operation in SIGNED:
            with pytest.raises(ProviderUnavailableError) as caught:
                await operation(client, id_)
            assert caught.value.outcome is Outcome.NOT_SENT
        assert len(cloud.signatures) == came


async def test_over_control_requests_a_provider_can_get_a_certificate_too():
    async with world(providers=1) as (cloud, me):
        assert "ca_file" not in cloud.settings()
        await me.control("POST", "/providers", {"certificate": "good"}, status=201)
        assert cloud.daemons[1].origin.startswith("https://")
        assert cloud.settings()["ca_file"] == cloud.ready()["ca_file"] == cloud.authority.ca_file
