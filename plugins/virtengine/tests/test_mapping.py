"""From rows to deployments, metrics and actions, for whatever a chain or a daemon may say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import (
    Deployment,
    DeploymentAction,
    DeploymentStatus,
    Operation,
    OperationState,
    ProtocolMismatchError,
    UnsupportedOperationError,
)
from purveyor_virtengine import _actions as actions
from purveyor_virtengine import _daemon_rows as daemon_rows
from purveyor_virtengine import _mapping as mapping
from purveyor_virtengine import _measures as measures
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._blocks import Pace
from purveyor_virtengine._decoding import read_text

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PACE = Pace(height=10_000, time=NOON, seconds=5.0)

STATES = st.sampled_from(["active", "insufficient_funds", "closed", "invalid", "reclaiming", ""])
COINS = st.builds(
    rows.Coin,
    denom=st.sampled_from(["uve", "uvirt", "uakt"]),
    amount=st.decimals(min_value=0, max_value=10**12, places=18) | st.decimals(),
)
IDS = st.builds(
    rows.LeaseId,
    owner=st.just("ve1owner"),
    dseq=st.integers(1, 3),
    provider=st.sampled_from(["ve1one", "ve1two"]),
    gseq=st.integers(1, 3),
)
LEASES = st.lists(
    st.builds(
        rows.Lease,
        id=IDS,
        state=STATES,
        price=st.none() | COINS,
        created_at=st.integers(0, 20_000),
        closed_on=st.integers(0, 20_000),
    ),
    unique_by=lambda lease: lease.id,
)


def mapped(leases, groups=None, pace=PACE):
    return mapping.deployments("ve", [(rows.LeaseRow(one), b"{}") for one in leases], groups or {}, {}, pace)


def lease(**parts):
    return rows.Lease(
        **{"id": rows.LeaseId("ve1owner", 7, "ve1one"), "state": "active", "created_at": 9_000, **parts}
    )


@given(LEASES, st.none() | st.just(PACE))
def test_each_lease_is_in_one_deployment_of_its_provider(leases, pace):
    found = mapped(leases, pace=pace)
    names = [name for one in found for name in one.leases]
    assert sorted(names) == sorted(mapping.lease_name(one.id) for one in leases)
    assert len({(one.provider, one.id) for one in found}) == len(found)
    for one in found:
        assert "/" not in one.id
        assert all(name.endswith(one.provider.removeprefix("ve/")) for name in one.leases)


@given(LEASES)
def test_costs_are_one_for_each_denomination_and_never_merged(leases):
    for one in mapped(leases):
        denominations = [cost.per_hour.currency for cost in one.costs]
        assert len(denominations) == len(set(denominations))
        for cost in one.costs:
            assert cost.accrued.currency == cost.per_hour.currency
            assert cost.per_hour.amount >= 0
            assert cost.accrued.amount >= 0
            assert "5.0 s a block" in cost.basis


def test_a_lease_that_changed_while_it_was_read_is_there_once():
    before, after = lease(price=rows.Coin("uve", Decimal(2))), lease(state="closed", closed_on=9_100)
    (found,) = mapped([before, after])
    assert (found.status, len(found.leases)) == (DeploymentStatus.CLOSED, 1)


def test_an_hour_costs_the_price_times_its_blocks():
    (found,) = mapped([lease(price=rows.Coin("uve", Decimal("9.75")))])
    (cost,) = found.costs
    assert cost.per_hour.amount == Decimal(7020)
    assert cost.accrued.amount == Decimal(9750)


def test_what_is_closed_costs_nothing_any_more():
    over = lease(price=rows.Coin("uve", Decimal(2)), state="closed", closed_on=9_100)
    (found,) = mapped([over])
    (cost,) = found.costs
    assert (cost.per_hour.amount, cost.accrued.amount) == (0, 200)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1", "1e999999"])
def test_a_price_that_is_none_is_left_out(amount):
    (found,) = mapped([lease(price=rows.Coin("uve", Decimal(amount)))])
    assert found.costs == ()


def test_a_height_is_a_time_by_the_pace_of_blocks():
    (found,) = mapped([lease(created_at=9_280)])
    assert found.created_at == NOON - timedelta(hours=1)


@given(st.integers(-(10**20), 10**20), st.floats(1e-6, 1e12))
def test_any_height_has_a_time_or_none(height, seconds):
    when = Pace(height=10_000, time=NOON, seconds=seconds).when(height)
    assert when is None or when <= NOON


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (["active", "closed"], DeploymentStatus.ACTIVE),
        (["insufficient_funds", "closed"], DeploymentStatus.UNPAID),
        (["closed", "closed"], DeploymentStatus.CLOSED),
        (["reclaiming", "closed"], DeploymentStatus.UNKNOWN),
    ],
)
def test_a_deployment_is_what_the_best_of_its_leases_is(states, status):
    found = mapped(
        lease(id=rows.LeaseId("ve1owner", 7, "ve1one", gseq=number), state=state)
        for number, state in enumerate(states)
    )
    assert [one.status for one in found] == [status]


GROUP = b"""{"id": {"owner": "ve1owner", "dseq": "7", "gseq": 1}, "state": "open", "group_spec": {"name": "web",
  "resources": [{"resource": {"id": 1, "cpu": {"units": {"val": "1500"}}, "memory": {"quantity": {"val": "2147483648"}},
    "storage": [{"name": "default", "quantity": {"val": "10"}}, {"name": "data", "quantity": {"val": "5"}}],
    "gpu": {"units": {"val": "1"}}}, "count": 2}]}}"""


def test_resources_are_summed_over_replicas_and_volumes():
    group = read_text(GROUP, rows.Group)
    (found,) = mapped([lease()], {(7, 1): group})
    resources = found.resources
    assert (resources.cpus, resources.memory, resources.storage, resources.gpus) == (3.0, 2**32, 30, 2)


def test_resources_have_two_names_on_the_wire():
    group = read_text(GROUP.replace(b"quantity", b"size").replace(b"group_spec", b"spec"), rows.Group)
    (found,) = mapped([lease()], {(7, 1): group})
    assert (found.name, found.resources.storage) == ("web", 30)


def test_what_is_not_told_is_not_zero():
    group = read_text(b'{"id": {"gseq": 1}, "group_spec": {"resources": [{"resource": {}}]}}', rows.Group)
    (found,) = mapped([lease()], {(7, 1): group})
    assert found.resources.cpus is None
    (unknown,) = mapped([lease()])
    assert (unknown.resources.memory, unknown.services) == (None, ())


@pytest.mark.parametrize(
    ("state", "status"), [("paused", DeploymentStatus.STOPPED), ("open", DeploymentStatus.ACTIVE)]
)
def test_a_group_can_be_paused(state, status):
    group = rows.Group(id=rows.GroupId(1), state=state)
    (found,) = mapped([lease()], {(7, 1): group})
    assert found.status is status


def test_who_cannot_pay_is_not_active_whatever_the_provider_says():
    known = Deployment(provider="ve/ve1one", id="7", status=DeploymentStatus.UNPAID)
    assert mapping.enriched(known, daemon_rows.Status(state="active")).status is DeploymentStatus.UNPAID


def test_a_provider_knows_better_what_an_active_deployment_does():
    known = Deployment(provider="ve/ve1one", id="7", status=DeploymentStatus.ACTIVE)
    assert mapping.enriched(known, daemon_rows.Status(state="failed")).status is DeploymentStatus.ERROR
    assert mapping.enriched(known, daemon_rows.Status(state="dancing")).status is DeploymentStatus.ACTIVE


@pytest.mark.parametrize(
    ("told", "replicas", "ready"), [(b"2", 2, None), (b'{"ready": 1, "total": 2}', 2, 1), (b"null", 3, None)]
)
def test_replicas_are_a_number_or_two(told, replicas, ready):
    status = read_text(
        b'{"state": "active", "services": [{"name": "web", "state": "running", "replicas": %s}]}' % told,
        daemon_rows.Status,
    )
    known = mapped([lease()], {(7, 1): read_text(GROUP.replace(b'"count": 2', b'"count": 3'), rows.Group)})[0]
    (service,) = mapping.enriched(known, status).services
    assert (service.replicas, service.ready) == (replicas, ready)


# What daemons measure.

NUMBERS = st.floats(-1e17, 1e17)
MEASURES = st.fixed_dictionaries(
    {},
    optional={
        "usage": NUMBERS,
        "used": NUMBERS,
        "limit": NUMBERS,
        "unit": st.sampled_from(["cores", "GB", "GiB", "", "parsecs", "m"]),
    },
)


@given(st.dictionaries(st.sampled_from(["cpu", "memory", "storage", "gpu"]), MEASURES))
def test_any_measures_are_amounts_or_nothing(parts):
    told = read_text(msgspec.json.encode(parts), daemon_rows.Metrics)
    one = measures.resource_metrics("ve/ve1one", "7", told, NOON)
    for value in (one.cpu_used, one.memory_limit, one.storage_used):
        assert value is None or value >= 0


def test_units_mean_what_they_say():
    told = daemon_rows.Metrics(
        cpu=daemon_rows.Measure(usage=500, unit="m"), memory=daemon_rows.Measure(used=1, limit=2, unit="GiB")
    )
    one = measures.resource_metrics("ve/ve1one", "7", told, NOON)
    assert (one.cpu_used, one.memory_used, one.memory_limit) == (0.5, 2**30, 2**31)


def test_a_unit_that_nobody_knows_is_no_number():
    told = daemon_rows.Metrics(cpu=daemon_rows.Measure(usage=50, unit="percent"))
    assert measures.resource_metrics("ve/ve1one", "7", told, NOON).cpu_used is None


def test_a_year_of_one_is_no_time():
    item = measures.cost_item(
        daemon_rows.Usage(
            period=daemon_rows.Period(start=datetime(1, 1, 1, tzinfo=UTC)), total_cost="1.5", currency="uvirt"
        ),
        b"",
    )
    assert (item.start, item.amount.amount) == (None, Decimal("1.5"))
    assert measures.cost_item(daemon_rows.Usage(), b"") is None


def test_what_is_owed_in_two_currencies_has_no_sum():
    bills = [daemon_rows.Invoice("1", Decimal(5), currency="uvirt")]
    assert measures.balance("ve/ve1one", bills * 2).owed.amount == 10
    with pytest.raises(UnsupportedOperationError, match="uve, uvirt"):
        measures.balance("ve/ve1one", [*bills, daemon_rows.Invoice("2", Decimal(5), currency="uve")])


@pytest.mark.parametrize("total", ["NaN", "Infinity", "a lot", ""])
def test_a_bill_without_an_amount_cannot_be_read(total):
    with pytest.raises(ProtocolMismatchError):
        read_text(f'{{"id": "1", "total": "{total}"}}', daemon_rows.Invoice)


def test_null_is_nothing_and_a_number_may_be_a_price():
    told = read_text('{"currency": null, "cpu": {"price": 1.5, "unit": null}}', daemon_rows.Pricing)
    assert (told.currency, told.cpu.price, told.cpu.unit) == ("", "1.5", "")
    with pytest.raises(ProtocolMismatchError):
        read_text('{"cpu": {"price": []}}', daemon_rows.Pricing)
    event = read_text('{"id": "e1", "type": null, "message": null}', daemon_rows.Event)
    assert measures.event("ve/ve1one", "7", event).message == ""


# How far an action has come.

KNOWN = Operation(
    provider="ve/ve1one",
    deployment="7",
    action=DeploymentAction.RESTART,
    state=OperationState.RUNNING,
    id="op-1",
)


@pytest.mark.parametrize(
    ("kind", "message", "state"),
    [
        ("lifecycle.completed", "restart completed (operation op-1)", OperationState.SUCCEEDED),
        ("restart_rolled_back", "op-1", OperationState.FAILED),
        ("FAILED", "op-1: no such image", OperationState.FAILED),
        ("awaiting_callback", "op-1", OperationState.RUNNING),
        ("lifecycle.completed", "restart completed (operation op-12)", None),
        ("started", "op-1", None),
    ],
)
def test_an_operation_is_what_the_newest_event_that_names_it_says(kind, message, state):
    found = actions.progress(KNOWN, [daemon_rows.Event(id="e1", type=kind, message=message)])
    assert (found and found.state) == state


@given(st.lists(st.builds(daemon_rows.Event, id=st.text(), type=st.text(), message=st.text())))
def test_any_events_leave_an_operation_what_it_was_or_say_more(events):
    found = actions.progress(KNOWN, events)
    assert found is None or found.id == "op-1"
