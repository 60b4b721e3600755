"""Whom a signature is made for: only providers that an active lease names, where the chain says that they are."""

import pytest

from purveyor.plugin import (
    Call,
    ConfigurationError,
    DeploymentAction,
    DeploymentActionRequest,
    DeploymentNotFoundError,
    DeploymentRequest,
    EventsRequest,
    LogsRequest,
    MetricsRequest,
    MissingCredentialsError,
    Outcome,
    PermissionDeniedError,
    PurveyorError,
    ShellRequest,
    UnsafeEndpointError,
    UnsupportedOperationError,
)
from purveyor_virtengine._leases import MovedError
from purveyor_virtengine.sandbox import _node

from ._build import call, until, world


async def logs(endpoint, id_):
    return [line async for line in endpoint.stream_logs(LogsRequest(id=id_), call())]


async def shell(endpoint, id_):
    async with endpoint.open_shell(ShellRequest(id=id_), call()):
        pass


async def act(endpoint, id_):
    return await endpoint.perform_action(
        DeploymentActionRequest(id=id_, action=DeploymentAction.RESTART), call()
    )


async def events(endpoint, id_):
    return [page async for page in endpoint.list_events(EventsRequest(id=id_), call())]


async def status(endpoint, id_):
    return await endpoint.get_deployment(DeploymentRequest(id=id_), call())


SIGNED = [logs, shell, act, events]
ids = [one.__name__ for one in SIGNED]


def to(cloud, daemon):
    """What came to a provider."""
    return [entry for entry in cloud.log if entry.server == daemon.server_name]


@pytest.mark.parametrize("operation", SIGNED, ids=ids)
async def test_who_has_no_lease_gets_no_request_at_all(operation):
    async with world() as here:
        stranger = here.cloud.daemons[2]
        endpoint = await here.endpoint(stranger)
        for lease in here.cloud.chain.leases:
            with pytest.raises(DeploymentNotFoundError) as caught:
                await operation(endpoint, str(lease.dseq))
            assert caught.value.outcome is Outcome.NOT_SENT
        assert to(here.cloud, stranger) == []


@pytest.mark.parametrize("operation", SIGNED, ids=ids)
async def test_a_lease_that_is_over_or_unpaid_vouches_for_nobody(operation):
    async with world(furnished=False) as here:
        cloud, daemon = here.cloud, here.cloud.daemons[0]
        over, unpaid, foreign = (
            cloud.rent(daemon),
            cloud.rent(daemon, state="insufficient_funds"),
            cloud.rent(daemon, owner=daemon.address),
        )
        endpoint = await here.endpoint(daemon)
        cloud.close(over)
        for lease in (over, unpaid, foreign):
            with pytest.raises(DeploymentNotFoundError):
                await operation(endpoint, str(lease.dseq))
        assert to(cloud, daemon) == []


@pytest.mark.parametrize("operation", SIGNED, ids=ids)
async def test_whose_lease_ends_gets_nothing_from_that_moment(operation):
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon)
        await operation(endpoint, str(lease.dseq))
        here.cloud.close(lease)
        before = len(here.cloud.signatures)
        with pytest.raises(DeploymentNotFoundError):
            await operation(endpoint, str(lease.dseq))
        assert len(here.cloud.signatures) == before
        assert here.cloud.strays == []


@pytest.mark.parametrize("operation", SIGNED, ids=ids)
async def test_where_a_provider_was_before_it_moved_nothing_is_signed(operation):
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon)
        here.cloud.announce(daemon, "https://elsewhere.example.net")
        with pytest.raises(MovedError, match=r"elsewhere\.example\.net"):
            await operation(endpoint, str(lease.dseq))
        here.cloud.withdraw(daemon)
        with pytest.raises(MovedError, match="registered no more"):
            await operation(endpoint, str(lease.dseq))
        assert to(here.cloud, daemon) == []


@pytest.mark.parametrize("operation", SIGNED, ids=ids)
async def test_a_node_that_ignores_what_it_was_asked_for_vouches_for_nobody(operation, monkeypatch):
    monkeypatch.setattr(_node, "_fits", lambda *_: True)
    async with world(furnished=False) as here:
        cloud, daemon = here.cloud, here.cloud.daemons[0]
        mine = cloud.rent(cloud.daemons[1])
        leases = [cloud.rent(daemon, owner=daemon.address), cloud.rent(daemon, state="closed")]
        endpoint = await here.endpoint(daemon)
        for lease in (mine, *leases):
            with pytest.raises(DeploymentNotFoundError):
                await operation(endpoint, str(lease.dseq))
        assert cloud.signatures == []
        items, _ = await here.deployments()
        assert [one.id for one in items] == [str(mine.dseq)]


async def test_without_the_chain_nothing_is_signed():
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon)
        here.cloud.fault("error_before", times=None, status=503)
        with pytest.raises(PurveyorError):
            await logs(endpoint, str(lease.dseq))
        assert here.cloud.signatures == []


async def test_without_a_wallet_nothing_is_sent_unsigned():
    async with world(behaviour={"allow_insecure": True}) as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        chain = await here.wallet(key=None, owner=here.cloud.wallet.address)
        endpoint = await here.endpoint(daemon, chain)
        for operation in SIGNED:
            with pytest.raises(MissingCredentialsError) as caught:
                await operation(endpoint, str(lease.dseq))
            assert caught.value.field == "key"
        assert (await status(endpoint, str(lease.dseq))).id == str(lease.dseq)
        assert to(here.cloud, daemon) == []


async def test_every_attempt_has_a_nonce_and_a_connection_of_its_own():
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon)
        for _ in range(5):
            await logs(endpoint, str(lease.dseq))
            await shell(endpoint, str(lease.dseq))
        signatures = here.cloud.signatures
        assert len({one.nonce for one in signatures}) == len(signatures) == 15
        assert {one.verdict for one in signatures} == {"accepted"}
        assert here.cloud.strays == []
        await until(lambda: daemon.connections == 0)


async def test_a_dropped_answer_is_not_fetched_by_sending_the_same_nonce_again():
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon)
        daemon.fault("reset_after", times=None)
        with pytest.raises(PurveyorError):
            await logs(endpoint, str(lease.dseq))
        assert len(to(here.cloud, daemon)) == 1


async def test_hmac_signs_as_well_and_for_the_same_few():
    async with world(behaviour={"hmac_secret": "s3cret"}) as here:
        cloud, daemon = here.cloud, here.cloud.daemons[0]
        principal = cloud.daemons[2].address
        lease = cloud.rent(daemon, owner=principal)
        chain = await here.wallet(key=None, hmac_secret="s3cret", principal=principal)
        endpoint = await here.endpoint(daemon, chain)
        await logs(endpoint, str(lease.dseq))
        async with endpoint.open_shell(ShellRequest(id=str(lease.dseq)), call()) as opened:
            await opened.send(b"exit 0\n")
            assert [one async for one in opened]
        assert {one.scheme for one in cloud.signatures} == {"hmac"}
        assert {one.verdict for one in cloud.signatures} == {"accepted"}


async def test_over_plain_http_nothing_is_signed_but_on_loopback():
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        here.cloud.announce(daemon, "http://gpu.example.net")
        endpoint = await here.endpoint(daemon)
        for operation in SIGNED:
            with pytest.raises(ConfigurationError, match="https://"):
                await operation(endpoint, str(lease.dseq))


async def test_a_guarded_endpoint_on_loopback_is_refused():
    async with world() as here:
        with pytest.raises(UnsafeEndpointError):
            await here.endpoint(here.cloud.daemons[0], guarded=True)


async def test_a_redirect_takes_no_signature_along():
    async with world() as here:
        lease, daemon, other = here.cloud.chain.leases[0], *here.cloud.daemons[:2]
        daemon.turn_hostile("redirect", location=f"{other.origin}/api/v1/deployments/{lease.dseq}/logs")
        endpoint = await here.endpoint(daemon)
        for operation in SIGNED:
            with pytest.raises(PurveyorError, match="redirects are not followed"):
                await operation(endpoint, str(lease.dseq))
        assert to(here.cloud, other) == []


async def test_a_fresh_lease_counts_though_older_ones_are_remembered():
    async with world(furnished=False) as here:
        daemon = here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon)
        first = here.cloud.rent(daemon)
        await status(endpoint, str(first.dseq))
        second = here.cloud.rent(daemon)
        await status(endpoint, str(second.dseq))
        assert {one.verdict for one in here.cloud.signatures} <= {"accepted", "unchecked"}


async def test_metrics_of_all_providers_read_the_leases_once():
    async with world(providers=3) as here:
        endpoints = [await here.endpoint(daemon) for daemon in here.cloud.daemons]
        mark = len(here.cloud.log)
        for endpoint in endpoints:
            async for _ in endpoint.list_metrics(MetricsRequest(), call()):
                pass
        leases = [one for one in list(here.cloud.log)[mark:] if one.path.endswith("/leases/list")]
        assert len(leases) == 2, "one for each state"
        assert to(here.cloud, here.cloud.daemons[2]) == []


async def test_the_chain_itself_gets_no_signature_and_signs_nothing():
    async with world() as here:
        await here.deployments(closed=True)
        await here.found()
        with pytest.raises(UnsupportedOperationError):
            here.chain.stream_logs(LogsRequest(id="1"), call())
        with pytest.raises(UnsupportedOperationError):
            await here.chain.get_facts(Call(deadline=1.0))
        assert here.cloud.signatures == []


async def test_a_missing_score_is_named_by_its_setting():
    async with world() as here:
        lease, daemon = here.cloud.chain.leases[0], here.cloud.daemons[0]
        endpoint = await here.endpoint(daemon, await here.wallet(veid_score=None))
        with pytest.raises(PermissionDeniedError, match="missing VEID score") as caught:
            await shell(endpoint, str(lease.dseq))
        assert caught.value.field == "veid_score"
