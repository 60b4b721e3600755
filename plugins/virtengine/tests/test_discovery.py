"""Who is on the chain: every page of every version, honest nodes and others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor.plugin import (
    CallTimeoutError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    UnsupportedOperationError,
)
from purveyor_virtengine import _chain
from purveyor_virtengine._errors import NoRestError
from purveyor_virtengine._registered import ENDPOINT_KEYS, attributes_of, endpoint_of
from purveyor_virtengine._rows import Attribute, ChainProvider

from ._build import call, world

PROVIDERS = "/virtengine/provider/v1beta4/providers"


def asked(cloud, node="chain"):
    """Paths of what a node was asked."""
    return [entry.path for entry in cloud.log if entry.server == node]


async def test_everybody_is_found_with_his_address_and_all_attributes():
    async with world(providers=3) as here:
        found = await here.found()
        assert {one.endpoint for one in found.values()} == {one.origin for one in here.cloud.daemons}
        first = found[here.cloud.daemons[0].address]
        assert first.settings.provider == first.name == here.cloud.daemons[0].address
        keys = [key for key, _ in first.attributes]
        assert keys.count("capabilities/storage/1/class") == 2
        assert not here.cloud.signatures


async def test_all_pages_are_read_each_provider_once(monkeypatch):
    monkeypatch.setattr(_chain, "PER_PAGE", 3)
    async with world(providers=0) as here:
        for _ in range(10):
            here.cloud.announce(here.cloud.new_provider(), "https://one.example.net:8443")
        assert len(await here.found()) == 10
        assert asked(here.cloud).count(PROVIDERS) == 4


async def test_an_empty_network_is_empty_and_no_outage():
    async with world(providers=0) as here:
        assert await here.found() == {}
        assert asked(here.cloud) == [PROVIDERS]


async def test_a_version_that_is_not_there_is_asked_for_once():
    async with world(provider_versions=("v1",)) as here:
        assert len(await here.found()) == 3
        assert len(await here.found()) == 3
        assert asked(here.cloud).count(PROVIDERS) == 1


async def test_a_node_without_rest_is_not_an_empty_network():
    async with world(rest=False) as here:
        with pytest.raises(NoRestError, match="serves no REST") as caught:
            await here.found()
        assert isinstance(caught.value, UnsupportedOperationError)
        await here.chain.check_health(call())


async def test_another_node_is_asked_where_one_serves_no_rest():
    async with world(rest=False, further_nodes=1) as here:
        assert len(await here.found()) == 3
        assert len(await here.found()) == 3
        assert asked(here.cloud).count(PROVIDERS) == 1, "the one that answered last comes first"


async def test_another_node_is_asked_where_one_is_out_of_order():
    async with world(further_nodes=1) as here:
        here.cloud.fault("error_before", times=None, status=503, path=PROVIDERS)
        assert len(await here.found()) == 3


async def test_that_all_nodes_fail_is_told_node_by_node():
    async with world(further_nodes=1) as here:
        here.cloud.rest = False
        await here.cloud.nodes[1].stop()
        with pytest.raises(ProviderUnavailableError) as caught:
            await here.found()
        assert len(caught.value.details["nodes"]) == 2


async def test_a_node_that_hangs_leaves_time_for_the_next():
    async with world(further_nodes=1) as here:
        here.cloud.fault("hang", times=None, path=PROVIDERS)
        one = here.chain.discover(None, call(1.0))
        assert len((await anext(one)).items) == 3
        await one.aclose()
    async with world() as here:
        here.cloud.fault("hang", times=None, path=PROVIDERS)
        chain = await here.wallet(timeout=0.2)
        with pytest.raises(CallTimeoutError):
            await here.found(chain)


@pytest.mark.parametrize("lie", ["loop", "endless"])
async def test_a_node_that_lies_about_page_keys_is_caught(lie, monkeypatch):
    monkeypatch.setattr(_chain, "MAX_PAGES", 20)
    async with world() as here:
        here.cloud.lie = lie
        with pytest.raises(ProtocolMismatchError, match=r"leads back|more than 20 pages"):
            await here.found()
        assert len(asked(here.cloud)) <= 21


async def test_what_a_node_repeats_is_found_once(monkeypatch):
    monkeypatch.setattr(_chain, "PER_PAGE", 1)
    async with world() as here:
        here.cloud.lie = "repeat"
        assert len(await here.found()) == 3


async def test_a_row_that_cannot_be_read_costs_only_itself():
    async with world() as here:
        here.cloud.announce(here.cloud.daemons[0], row={"owner": 7})
        here.cloud.announce(here.cloud.daemons[1], row={"owner": "../evil", "host_uri": "https://a.example"})
        pages = [page async for page in here.chain.discover(None, call())]
        assert [one.name for page in pages for one in page.items] == [here.cloud.daemons[2].address]
        errors = [error for page in pages for error in page.unreadable]
        assert len(errors) == 2
        assert all(isinstance(error, ProtocolMismatchError) for error in errors)


async def test_a_list_that_breaks_off_raises(monkeypatch):
    monkeypatch.setattr(_chain, "PER_PAGE", 1)
    async with world(providers=10) as here:
        found = []

        async def find():
            async for page in here.chain.discover(None, call()):
                found.extend(page.items)
                await here.cloud.nodes[0].stop()

        with pytest.raises(ProviderUnavailableError):
            await find()
        assert 1 <= len(found) < 10


async def test_providers_come_go_and_move():
    async with world() as here:
        before = await here.found()
        first, second, third = here.cloud.daemons
        here.cloud.withdraw(first)
        await here.cloud.move(second)
        fourth = await here.cloud.add_provider()
        after = await here.found()
        assert after.keys() == {second.address, third.address, fourth.address}
        assert after[third.address] == before[third.address], "who stays is the same"
        assert after[second.address] != before[second.address]
        assert after[second.address].endpoint == second.origin


async def test_a_gateway_may_want_a_key_and_a_prefix():
    async with world(api_key="canary-key", path_prefix="/v1/chain") as here:
        chain = await here.wallet(api_key="canary-key")
        assert len(await here.found(chain)) == 3


async def test_a_node_of_another_chain_is_no_answer():
    async with world(chain_id="virtengine-2") as here:
        chain = await here.wallet(chain_id="virtengine-1")
        with pytest.raises(ProtocolMismatchError, match="virtengine-2"):
            await chain.check_health(call())


# Where somebody is.


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://gpu.example.net:8443", "https://gpu.example.net:8443"),
        ("https://gpu.example.net/", "https://gpu.example.net"),
        ("gpu.example.net:8443", "https://gpu.example.net:8443"),
        (" https://gpu.example.net ", "https://gpu.example.net"),
        ("http://gpu.example.net", "http://gpu.example.net"),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_taken_as_it_was_meant(given, expected):
    assert endpoint_of(ChainProvider("ve1", host_uri=given)) == expected


@pytest.mark.parametrize("key", ENDPOINT_KEYS)
def test_an_address_may_stand_among_the_attributes(key):
    row = ChainProvider("ve1", attributes=[Attribute(key, "https://gpu.example.net")])
    assert endpoint_of(row) == "https://gpu.example.net"


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_attributes_may_be_a_map(values):
    row = ChainProvider("ve1", attributes=values)
    assert dict(attributes_of(row)) == {key: str(value) for key, value in values.items()}
