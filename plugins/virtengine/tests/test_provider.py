"""Deployments, by what the leases say and what each provider adds: whole, in units, and with the errors told apart."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from purveyor.plugin import (
    ApiError,
    CostRequest,
    DeploymentAction,
    DeploymentActionRequest,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentStatus,
    EventsRequest,
    GiB,
    InvalidActionError,
    InvalidCredentialsError,
    LogsRequest,
    MetricsHistoryRequest,
    MetricsRequest,
    MissingCredentialsError,
    Money,
    OperationRequest,
    OperationState,
    Outcome,
    OwnershipUnverifiedError,
    PermissionDeniedError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    RateLimitError,
    ResourceBusyError,
    ResourceKind,
    UnsupportedOperationError,
)
from purveyor_virtengine import _chain
from purveyor_virtengine._errors import NoRestError, NoRouteError

from ._build import NAME, call, world

DAY = timedelta(days=1)


@pytest.fixture
async def here():
    async with world(behaviour={"rate_limit": 0}) as made:
        yield made


def web(here):
    """The lease of the deployment that runs at the first provider alone."""
    return here.cloud.chain.leases[0]


async def get(here, daemon, id_, known=None):
    endpoint = await here.endpoint(daemon)
    return await endpoint.get_deployment(DeploymentRequest(id=id_, known=known), call())


async def act(endpoint, lease, action=DeploymentAction.RESTART, **parameters):
    request = DeploymentActionRequest(id=str(lease.dseq), action=action, parameters=parameters)
    return await endpoint.perform_action(request, call())


async def finished(endpoint, operation):
    """The operation, when nothing more will come of it."""
    while not operation.over:
        operation = await endpoint.get_operation(OperationRequest(operation=operation), call())
    return operation


# What the leases say.


async def test_a_deployment_is_where_its_leases_are(here):
    items, errors = await here.deployments()
    first, second, _ = here.cloud.daemons
    api = str(here.cloud.chain.leases[1].dseq)
    assert errors == []
    assert {(one.provider, one.id) for one in items} == {
        (f"{NAME}/{first.address}", str(web(here).dseq)),
        (f"{NAME}/{first.address}", api),
        (f"{NAME}/{second.address}", api),
    }


async def test_what_is_over_is_shown_when_asked_for(here):
    items, _ = await here.deployments(closed=True)
    assert [one.status for one in items].count(DeploymentStatus.CLOSED) == 1


async def test_resources_are_those_of_all_replicas_in_cores_and_bytes(here):
    items, _ = await here.deployments()
    found = next(one for one in items if one.id == str(web(here).dseq))
    assert found.name == "web"
    assert (found.resources.cpus, found.resources.memory, found.resources.storage) == (3.0, 4 * GiB, 20 * GiB)
    (service,) = found.services
    assert (service.name, service.replicas, service.resources.cpus) == ("web", 2, 1.5)


async def test_cost_is_estimated_from_the_measured_pace_of_blocks(here):
    here.cloud.chain.block_seconds = 10.0
    items, _ = await here.deployments()
    found = next(one for one in items if one.id == str(web(here).dseq))
    (cost,) = found.costs
    assert cost.per_hour.currency == "uve"
    assert abs(cost.per_hour.amount - Decimal("9.75") * 360) < 10
    assert "10.0 s a block" in cost.basis


async def test_denominations_stand_side_by_side(here):
    lease = web(here)
    here.cloud.rent(here.cloud.daemons[0], dseq=lease.dseq, gseq=2, denom="uusd", price="1")
    items, _ = await here.deployments()
    found = next(one for one in items if one.id == str(lease.dseq))
    assert {cost.per_hour.currency for cost in found.costs} == {"uve", "uusd"}
    assert len(found.leases) == 2


async def test_all_states_and_all_pages_are_read(monkeypatch):
    monkeypatch.setattr(_chain, "PER_PAGE", 2)
    async with world(furnished=False) as here:
        daemon = here.cloud.daemons[0]
        active = [here.cloud.rent(daemon) for _ in range(4)]
        unpaid = [here.cloud.rent(daemon, state="insufficient_funds") for _ in range(2)]
        items, _ = await here.deployments()
        assert {one.id for one in items} == {str(one.dseq) for one in (*active, *unpaid)}
        by_id = {one.id: one for one in items}
        assert by_id[str(unpaid[0].dseq)].status is DeploymentStatus.UNPAID


async def test_without_blocks_there_are_deployments_but_no_costs(here):
    here.cloud.fault("error_before", times=None, status=503, path="/cosmos/*")
    items, errors = await here.deployments()
    assert len(items) == 3
    assert all(one.costs == () for one in items)
    assert [type(error) for error in errors] == [ProviderUnavailableError]


async def test_without_leases_there_is_nothing_to_show_and_an_error(here):
    here.cloud.rest = False
    with pytest.raises(NoRestError):
        await here.deployments()


async def test_somebody_elses_deployments_can_be_looked_at_without_a_wallet(here):
    chain = await here.wallet(key=None, owner=here.cloud.wallet.address)
    assert len((await here.deployments(chain))[0]) == 3
    nobody = await here.wallet(key=None)
    with pytest.raises(MissingCredentialsError) as caught:
        await here.deployments(nobody)
    assert caught.value.field == "owner"


async def test_one_is_found_by_its_id_or_not_at_all(here):
    daemon = here.cloud.daemons[0]
    found = await here.chain.get_deployment(DeploymentRequest(id=str(web(here).dseq)), call())
    assert found.provider == f"{NAME}/{daemon.address}"
    for id_ in ("1", "", "../../health", "x" * 1000):
        with pytest.raises(DeploymentNotFoundError):
            await here.chain.get_deployment(DeploymentRequest(id=id_), call())
        with pytest.raises(DeploymentNotFoundError):
            await get(here, daemon, id_)


async def test_a_provider_lists_what_runs_at_it(here):
    endpoint = await here.endpoint(here.cloud.daemons[1])
    items, _ = await here.deployments(endpoint)
    assert [(one.provider, one.name) for one in items] == [(f"{NAME}/{here.cloud.daemons[1].address}", "db")]


# What a provider adds.


async def test_a_provider_tells_services_where_it_has_that_route(here):
    daemon = here.cloud.daemons[0]
    daemon.dialect = "openapi"
    found = await get(here, daemon, str(web(here).dseq))
    (service,) = found.services
    assert (service.status, service.ports, service.replicas) == (DeploymentStatus.ACTIVE, ("80/tcp",), 2)
    assert service.resources.cpus == 1.5, "what the chain said of it stays"


async def test_without_that_route_the_chains_picture_is_shown(here):
    found = await get(here, here.cloud.daemons[0], str(web(here).dseq))
    assert found.name == "web"


async def test_what_the_parent_told_is_not_asked_for_again(here):
    known = next(one for one in (await here.deployments())[0] if one.id == str(web(here).dseq))
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    mark = len(here.cloud.log)
    assert await endpoint.get_deployment(DeploymentRequest(id=known.id, known=known), call()) == known
    asked = [entry.path for entry in list(here.cloud.log)[mark:] if entry.server == "chain"]
    assert asked == [f"/virtengine/provider/v1beta4/providers/{daemon.address}"], "only where it is"


async def test_health_is_plain_text_or_json(here):
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    await endpoint.check_health(call())
    daemon.dialect = "openapi"
    await endpoint.check_health(call())
    daemon.health = "degraded"
    await endpoint.check_health(call())
    daemon.health = "down"
    with pytest.raises(ProviderUnavailableError):
        await endpoint.check_health(call())
    assert here.cloud.signatures == []


async def test_facts_are_what_a_provider_says_of_itself(here):
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    facts = await endpoint.get_facts(call())
    assert facts.address == daemon.address
    assert facts.capacity.cpus == 64
    assert {price.resource for price in facts.prices} == {"cpu", "memory", "storage", "gpu"}
    daemon.described = False
    assert (await endpoint.get_facts(call())).name == ""


@pytest.mark.parametrize("claims", [{"address": "ve1somebodyelse"}, {"chain_id": "virtengine-9"}])
async def test_who_says_that_he_is_somebody_else_is_not_believed(here, claims):
    daemon = here.cloud.daemons[0]
    daemon.claims = claims
    endpoint = await here.endpoint(daemon)
    with pytest.raises(ProtocolMismatchError, match=next(iter(claims.values()))):
        await endpoint.get_facts(call())


async def test_a_daemon_that_says_nothing_of_itself_has_no_facts(here):
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    daemon.fault("error_before", times=None, status=405, path="/api/v1/provider/*")
    facts = await endpoint.get_facts(call())
    assert (facts.name, facts.prices, facts.capacity.cpus) == ("", (), None)


# Three errors that look alike.


async def test_no_route_no_deployment_and_no_way_to_check_are_three_errors(here):
    daemon, id_ = here.cloud.daemons[0], str(web(here).dseq)
    endpoint = await here.endpoint(daemon)
    daemon.fault("error_before", times=1, status=404, message="deployment not found", path="*/events")
    with pytest.raises(DeploymentNotFoundError):
        await anext(endpoint.list_events(EventsRequest(id=id_), call()))
    daemon.ownership = "unavailable"
    with pytest.raises(OwnershipUnverifiedError, match="lease query unavailable"):
        await anext(endpoint.list_events(EventsRequest(id=id_), call()))
    with pytest.raises(OwnershipUnverifiedError):
        await anext(endpoint.stream_logs(LogsRequest(id=id_), call()))
    with pytest.raises(NoRouteError, match="no route"):
        await endpoint._client.request(call(), "GET", "/api/v1/deployments")
    assert issubclass(NoRouteError, UnsupportedOperationError)


async def test_a_signature_for_another_chain_is_refused_in_the_daemons_words(here):
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    daemon.chain_id = "virtengine-testnet-1"
    with pytest.raises(InvalidCredentialsError, match="signature verification failed"):
        await anext(endpoint.stream_logs(LogsRequest(id=str(web(here).dseq)), call()))


async def test_a_used_up_limit_says_when_it_is_over(here):
    daemon = here.cloud.daemons[0]
    daemon.rate_limit = 1
    endpoint = await here.endpoint(daemon)
    await endpoint.check_health(call())
    with pytest.raises(RateLimitError) as caught:
        await endpoint.check_health(call())
    assert 0 < caught.value.retry_after <= 60


@pytest.mark.parametrize("way", ["giant_body", "deep_json", "giant_header", "redirect"])
async def test_hostile_answers_are_refused_by_name(here, way):
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    daemon.turn_hostile(way)
    with pytest.raises((ProtocolMismatchError, ProviderUnavailableError)) as caught:
        await endpoint.get_facts(call())
    assert len(str(caught.value)) < 500


# Actions.


async def test_an_action_is_accepted_and_its_end_is_read_from_the_events(here):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    operation = await act(endpoint, web(here))
    assert (operation.state, operation.over) == (OperationState.RUNNING, False)
    done = await finished(endpoint, operation)
    assert done.state is OperationState.SUCCEEDED


async def test_an_action_can_fail_later(here):
    daemon = here.cloud.daemons[0]
    daemon.doomed.append("restart")
    endpoint = await here.endpoint(daemon)
    operation = await act(endpoint, web(here))
    done = await finished(endpoint, operation)
    assert done.state is OperationState.FAILED


async def test_success_that_says_false_is_a_failure(here):
    daemon = here.cloud.daemons[0]
    daemon.lifecycle = "declined"
    endpoint = await here.endpoint(daemon)
    when = call()
    request = DeploymentActionRequest(id=str(web(here).dseq), action=DeploymentAction.RESTART)
    with pytest.raises(ApiError, match="declined by the backend"):
        await endpoint.perform_action(request, when)
    assert when.outcome is Outcome.REFUSED, "no doubt is left"


@pytest.mark.parametrize(
    ("lifecycle", "kind"),
    [
        ("unavailable", UnsupportedOperationError),
        ("no_consent", PermissionDeniedError),
        ("panic", ProviderUnavailableError),
    ],
)
async def test_each_refusal_of_an_action_has_its_own_error(here, lifecycle, kind):
    here.cloud.daemons[0].lifecycle = lifecycle
    endpoint = await here.endpoint(here.cloud.daemons[0])
    with pytest.raises(kind) as caught:
        await act(endpoint, web(here))
    expected = Outcome.UNKNOWN if lifecycle == "panic" else Outcome.REFUSED
    assert caught.value.outcome is expected


async def test_a_second_action_finds_the_deployment_busy(here):
    here.cloud.daemons[0].action_seconds = 3600.0
    endpoint = await here.endpoint(here.cloud.daemons[0])
    await act(endpoint, web(here))
    with pytest.raises(ResourceBusyError):
        await act(endpoint, web(here))


async def test_a_resize_is_in_our_units(here):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    resize = {"cpus": "4", "memory": str(8 * GiB)}
    await finished(endpoint, await act(endpoint, web(here), DeploymentAction.RESIZE, **resize))
    daemon = here.cloud.daemons[0]
    assert daemon.deployment(web(here).dseq).resized == {"cpu_cores": 4, "memory_mb": 8192}


@pytest.mark.parametrize(
    ("action", "parameters", "field"),
    [
        (DeploymentAction.RESIZE, {}, "cpus"),
        (DeploymentAction.RESIZE, {"cpus": "half"}, "cpus"),
        (DeploymentAction.RESIZE, {"cpus": "0.5"}, "cpus"),
        (DeploymentAction.RESIZE, {"memory": "1000"}, "memory"),
        (DeploymentAction.RESIZE, {"memory": "NaN"}, "memory"),
        (DeploymentAction.RESIZE, {"storage": "-1"}, "storage"),
        (DeploymentAction.RESIZE, {"wheels": "4"}, "wheels"),
        (DeploymentAction.RESTART, {"cpus": "4"}, "cpus"),
    ],
)
async def test_a_wrong_parameter_is_named_before_anything_is_sent(here, action, parameters, field):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    with pytest.raises(InvalidActionError) as caught:
        await act(endpoint, web(here), action, **parameters)
    assert (caught.value.field, caught.value.outcome) == (field, Outcome.NOT_SENT)
    assert here.cloud.signatures == []


@pytest.mark.parametrize("action", [DeploymentAction.UPDATE, DeploymentAction.TERMINATE])
async def test_what_a_daemon_does_not_do_it_says_itself(here, action):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    with pytest.raises(InvalidActionError, match="unsupported action"):
        await act(endpoint, web(here), action)


async def test_events_come_page_by_page(here):
    daemon, id_ = here.cloud.daemons[0], str(web(here).dseq)
    for number in range(250):
        daemon.deployment(id_).happened("tick", f"number {number}")
    endpoint = await here.endpoint(daemon)
    pages = [page async for page in endpoint.list_events(EventsRequest(id=id_), call())]
    events = [one for page in pages for one in page.items]
    assert len(events) == len({one.id for one in events}) == 251
    assert events[0].message == "number 249"
    assert events[0].time.tzinfo is UTC


# Metrics and bills.


async def test_metrics_are_in_cores_and_bytes(here):
    daemon, id_ = here.cloud.daemons[0], str(web(here).dseq)
    daemon.deployment(id_).override = {
        "cpu": {"usage": 750, "limit": 2000, "unit": "millicores"},
        "memory": {"usage": 1.5, "limit": 4, "unit": "GiB"},
        "storage": {"usage": 3, "limit": 20},
        "network": {"rxBytes": 10240},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    endpoint = await here.endpoint(daemon)
    request = MetricsRequest(ids=frozenset({id_}))
    (page,) = [page async for page in endpoint.list_metrics(request, call())]
    (one,) = page.items
    assert (one.cpu_used, one.cpu_limit, one.memory_used) == (0.75, 2.0, 1.5 * GiB)
    assert (one.storage_used, one.storage_limit) == (3e9, 20e9)
    assert one.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert one.network_received is None
    assert one.labels["rx_bytes"] == "10240"


async def test_a_deployment_without_metrics_is_an_error_and_no_zero(here):
    daemon = here.cloud.daemons[0]
    daemon.metrics = False
    endpoint = await here.endpoint(daemon)
    pages = [page async for page in endpoint.list_metrics(MetricsRequest(), call())]
    assert [page.items for page in pages] == [(), ()]
    assert {type(error) for page in pages for error in page.unreadable} == {UnsupportedOperationError}


async def test_only_deployments_have_metrics_here(here):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    request = MetricsRequest(kinds=frozenset({ResourceKind.HOST}))
    assert [page async for page in endpoint.list_metrics(request, call())] == []
    assert here.cloud.signatures == []


async def test_history_is_oldest_first(here):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    end = datetime.now(UTC)
    request = MetricsHistoryRequest(id=str(web(here).dseq), start=end - DAY, end=end, interval=3600.0)
    points = await endpoint.get_metrics_history(request, call())
    assert len(points) >= 23
    assert [one.time for one in points] == sorted(one.time for one in points)
    assert all(one.cpu_used is not None for one in points)


async def test_use_and_invoices_keep_their_currency(here):
    endpoint = await here.endpoint(here.cloud.daemons[0])
    end = datetime.now(UTC)
    report = await endpoint.get_costs(CostRequest(start=end - DAY, end=end), call())
    assert [one.currency for one in report.total] == ["uvirt"]
    invoices = [one async for page in endpoint.list_invoices(call()) for one in page.items]
    assert invoices
    assert {one.amount.currency for one in invoices} == {"uvirt"}
    owed = (await endpoint.get_balance(call())).owed
    unpaid = [one.raw.decode() for one in invoices if one.raw.decode()["status"] != "paid"]
    assert owed == Money(
        sum((Decimal(one["total"]) for one in unpaid), Decimal(0)), "uvirt" if unpaid else "uve"
    )


async def test_a_provider_without_a_lease_is_not_asked_for_bills(here):
    stranger = here.cloud.daemons[2]
    endpoint = await here.endpoint(stranger)
    end = datetime.now(UTC)
    assert (await endpoint.get_costs(CostRequest(start=end - DAY, end=end), call())).items == ()
    assert [page async for page in endpoint.list_invoices(call())] == []
    assert (await endpoint.get_balance(call())).owed.amount == 0
    assert [entry for entry in here.cloud.log if entry.server == stranger.server_name] == []


@pytest.mark.parametrize("fault", ["truncate", "garbage", "html", "empty", "wrong_types", "reset_before"])
async def test_whatever_a_daemon_answers_is_a_typed_error(here, fault):
    daemon = here.cloud.daemons[0]
    endpoint = await here.endpoint(daemon)
    daemon.fault(fault, times=None)
    end = datetime.now(UTC)
    for work in (
        endpoint.get_costs(CostRequest(start=end - DAY, end=end), call()),
        endpoint.get_facts(call()),
        act(endpoint, web(here)),
    ):
        with pytest.raises(PurveyorError) as caught:
            await work
        assert "canary" not in str(caught.value)


async def test_a_daemon_may_call_its_deployments_otherwise(here):
    daemon = here.cloud.daemons[0]
    daemon.deployment_format = "{dseq}-{gseq}-{oseq}"
    chain = await here.wallet(deployment_format="{dseq}-{gseq}-{oseq}")
    endpoint = await here.endpoint(daemon, chain)
    lease = web(here)
    daemon.say(f"{lease.dseq}-1-1", "hello")
    lines = [line async for line in endpoint.stream_logs(LogsRequest(id=str(lease.dseq)), call())]
    assert lines[-1].message == "hello"
