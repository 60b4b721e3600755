"""The listing: from exporters, from servers, from both; and what is bad costs only itself."""

import asyncio

import pytest

from purveyor.plugin import (
    CallTimeoutError,
    ConfigurationError,
    InvalidCredentialsError,
    MetricsRequest,
    NotFoundError,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    ResourceKind,
)
from purveyor_dcgm.sandbox import DcgmSandbox

from ._build import Saying, address, call, listed, provider

NODE = b"# TYPE node_load1 gauge\nnode_load1 1\n"
ONE = 'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-0",Hostname="gpu-node-9"} 70.5\n'
BOMB = "DCGM_FI_DEV_POWER_USAGE{" + ",".join(f'l{at}="v"' for at in range(1000)) + "} 1\n"

BAD = {
    "401": (Saying(body=b""), ("error_before", {"status": 401}), InvalidCredentialsError, "401"),
    "404": (Saying(body=b""), ("error_before", {"status": 404}), NotFoundError, "404"),
    "503": (Saying(body=b""), ("error_before", {"status": 503}), ProviderUnavailableError, "503"),
    "hang": (Saying(body=b""), ("hang", {}), CallTimeoutError, "within"),
    "a byte a second": (Saying(body=ONE.encode()), ("drip", {"interval": 1}), CallTimeoutError, "within"),
    "cut on the wire": (Saying(body=ONE.encode()), ("truncate", {}), ProviderUnavailableError, "cut"),
    "garbage": (Saying(body=ONE.encode()), ("garbage", {}), ProtocolMismatchError, ""),
    "a proxy's page": (Saying(body=b""), ("html", {"status": 200}), ProtocolMismatchError, "text/html"),
    "HTML as text": (Saying(body=b"<html>Sign in</html>"), None, ProtocolMismatchError, "line 1"),
    "empty": (Saying(body=b""), None, ProviderUnavailableError, "reloads"),
    "a bomb": (Saying(body=b""), ("bomb", {}), ProtocolMismatchError, "larger than"),
    "too large": (Saying(body=ONE.encode() * 20_000), None, ProtocolMismatchError, "larger than"),
    "too many samples": (Saying(body=ONE.encode() * 5_000), None, ProtocolMismatchError, "samples"),
    "too many labels": (Saying(body=BOMB.encode()), None, ProtocolMismatchError, "labels"),
    "another way": (Saying(body=b""), ("redirect", {}), ProtocolMismatchError, "redirects"),
    "no UTF-8": (Saying(body=b"\xff\xfe 1\n"), None, ProtocolMismatchError, "UTF-8"),
}


@pytest.fixture
async def exporter():
    async with DcgmSandbox(speed="stepped") as running:
        yield running


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_target_is_named_with_its_reason_and_costs_the_good_one_nothing(name, exporter):
    server, fault, kind, words = BAD[name]
    async with server:
        if fault:
            server.fault(fault[0], **fault[1])
        targets = [address(server), address(exporter)]
        made = await provider(
            targets=targets, scrape_timeout=0.5, scrape_max_body=1_000_000, scrape_max_samples=2_000
        )
        items, (error,) = await listed(made)
    assert len(items[address(exporter)].gpus) == 8
    assert address(server) not in items
    assert type(error) is kind
    assert words in error.message
    assert error.message.startswith(server.origin)
    assert error.details["target"] == f"{server.origin}/metrics"
    assert error.provider == "lab"


async def test_numbers_that_are_none_leave_their_gpu_there():
    async with Saying(body=ONE.replace("70.5", "NaN").encode()) as server:
        (host,), errors = await values(await provider(targets=[address(server)]))
    assert (host.gpus[0].id, host.gpus[0].power, errors) == ("GPU-0", None, [])


async def values(made, **request):
    items, errors = await listed(made, **request)
    return list(items.values()), errors


async def test_what_was_read_of_a_document_that_was_cut_is_shown_beside_the_error():
    text = ONE + 'DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-0"'
    async with Saying(body=text.encode()) as server:
        (host,), (error,) = await values(await provider(targets=[address(server)]))
    assert (host.gpus[0].power, host.gpus[0].memory_used) == (70.5, None)
    assert isinstance(error, ProtocolMismatchError)
    assert "line 2" in error.message
    assert error.details["target"] == f"{server.origin}/metrics"


async def test_a_server_that_is_scraped_for_what_others_say_tells_of_all_of_them():
    """As ``/federate`` does: with addresses and times of its own, and no types."""
    rows = "".join(
        ONE.replace('gpu="0"', f'gpu="0",instance="{at}:9400"').replace("GPU-0", f"GPU-{at}")[:-1]
        + " 77500\n"
        for at in (1, 2)
    )
    async with Saying(body=rows.encode()) as server:
        items, errors = await listed(await provider(targets=[f"{server.origin}/metrics?match[]=x"]))
    assert (set(items), errors) == ({"1:9400", "2:9400"}, [])
    assert {one.time.timestamp() for one in items.values()} == {77.5}


async def test_without_dcgm_a_machine_says_so_and_nothing_is_wrong():
    async with Saying(body=NODE) as other:
        targets = [address(other), "127.0.0.1:9", "127.0.0.1:9/other"]
        made = await provider(targets=targets, instances={"127.0.0.1:9": "do/1"})
        items, errors = await listed(made)
    assert errors == []
    assert set(items) == {address(other), "127.0.0.1:9"}
    for one in items.values():
        assert (one.absent, one.gpus, one.source) == (("dcgm",), None, "dcgm")
    assert items["127.0.0.1:9"].instance_id == "do/1"


async def test_an_exporter_without_gpus_says_that_there_are_none():
    text = b"# HELP DCGM_FI_DEV_GPU_UTIL x\n# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n"
    async with Saying(body=text) as server:
        (host,), errors = await values(await provider(targets=[address(server)]))
    assert (host.gpus, host.absent, errors) == ((), (), [])


async def test_an_exporter_that_spoke_and_is_gone_is_an_error():
    async with DcgmSandbox() as exporter:
        made = await provider(targets=[address(exporter)])
        await listed(made)
    items, (error,) = await listed(made)
    assert items == {}
    assert isinstance(error, ProviderUnavailableError)
    assert error.details["target"] == f"{exporter.origin}/metrics"


async def test_a_reload_is_an_error_for_as_long_as_it_takes(exporter):
    made = await provider(targets=[address(exporter)])
    exporter.reload(5)
    items, (error,) = await listed(made)
    assert items == {}
    assert isinstance(error, ProviderUnavailableError)
    assert error.retryable
    exporter.advance(6)
    items, errors = await listed(made)
    assert (len(items[address(exporter)].gpus), errors) == (8, [])


async def test_only_what_was_asked_for_is_given(exporter):
    exporter.share(0, 2)
    made = await provider(targets=[address(exporter)])
    everything, _ = await listed(made)
    hosts, _ = await listed(made, kinds=frozenset({ResourceKind.HOST}))
    assert set(hosts) == {address(exporter)} < set(everything)
    container = next(name for name in everything if name not in hosts)
    assert set((await listed(made, ids=frozenset({container})))[0]) == {container}
    assert await listed(made, kinds=frozenset({ResourceKind.DEPLOYMENT})) == ({}, [])


def labels(**more):
    return {
        "job": "dcgm",
        "instance": "10.0.0.7:9400",
        "gpu": "0",
        "UUID": "GPU-7",
        "Hostname": "gpu-7",
    } | more


UP = {"job": "dcgm", "instance": "10.0.0.7:9400"}


def told(*values, times=(), targets=((UP, 1),)):
    """What a server answers to our three queries."""
    return Saying(answers={"{__name__": list(values), "timestamp(": list(times), "up and": list(targets)})


async def test_a_server_alone_tells_of_gpus_and_when_they_were_measured():
    busy = labels(namespace="ml", pod="train", container="main")
    power = (busy | {"__name__": "DCGM_FI_DEV_BOARD_POWER_WATTS"}, 300)
    used = (busy | {"__name__": "DCGM_FI_DEV_FB_USED"}, 1000)
    async with told(power, used, times=[(busy, 77.5)]) as server:
        made = await provider(server.base_url, instances={"gpu-7": "do/7"})
        items, errors = await listed(made)
        assert errors == []
        host, container = items["10.0.0.7:9400"], items["ml/train/main"]
        assert (host.time.timestamp(), host.instance_id, host.gpus[0].power) == (77.5, "do/7", 300)
        assert (container.gpus[0].memory_used, container.gpus[0].power) == (1000 * 2**20, None)
        assert container.labels["pod"] == "train"
        assert host.labels == {"Hostname": "gpu-7", "instance": "10.0.0.7:9400", "job": "dcgm"}


async def test_the_exporters_own_pod_has_no_gpu():
    its_own = {"namespace": "gpu-operator", "pod": "dcgm-x", "container": "exporter"}
    name = {"__name__": "DCGM_FI_DEV_FB_USED"}
    idle = (labels(UUID="GPU-1") | its_own | name, 1)
    busy = (labels(UUID="GPU-2", exported_namespace="ml", exported_pod="train") | its_own | name, 2)
    async with told(idle, busy, targets=[(UP | its_own, 1)]) as server:
        (host, container), errors = await values(await provider(server.base_url))
    assert {gpu.id: gpu.containers for gpu in host.gpus} == {"GPU-1": (), "GPU-2": ("ml/train",)}
    assert (container.id, errors) == ("ml/train", [])


async def test_exporters_that_are_down_or_reload_are_named():
    targets = [({"job": "dcgm", "instance": "a:1"}, 0), ({"job": "dcgm", "instance": "b:1"}, 1)]
    async with told(targets=targets) as server:
        made = await provider(server.base_url)
        items, errors = await listed(made)
        assert items == {}
        assert {error.details["target"]: error.message.partition(": ")[2] for error in errors} == {
            "a:1": "the server cannot scrape it at present",
            "b:1": "it has nothing to say at present, as while it reloads",
        }
        assert all(isinstance(error, ProviderUnavailableError) for error in errors)
        assert await listed(made, ids=frozenset({"x"})) == ({}, [])


async def test_an_exporter_that_one_of_two_jobs_reaches_is_not_down():
    power = (labels() | {"__name__": "DCGM_FI_DEV_POWER_USAGE"}, 300)
    async with told(power, targets=[(UP, 1), (UP | {"job": "other"}, 0)]) as server:
        items, errors = await listed(await provider(server.base_url))
    assert (set(items), errors) == ({"10.0.0.7:9400"}, [])


async def test_a_server_that_knows_of_no_gpus_is_no_error():
    async with told(targets=()) as server:
        assert await listed(await provider(server.base_url)) == ({}, [])


async def test_labels_to_match_are_in_every_query():
    async with told() as server:
        await listed(await provider(server.base_url, match={"cluster": 'a"b'}))
        queries = [entry.query["query"] for entry in server.log]
    assert len(queries) == 3
    assert all('cluster="a\\"b"' in promql for promql in queries)


async def test_what_an_exporter_says_itself_counts_before_what_a_server_says(exporter):
    """The server may know it under another address; and it knows of one that does not speak to us."""
    made = await provider(targets=[address(exporter)])
    ((first, *_),) = [one.gpus for one in (await listed(made))[0].values() if one.kind is ResourceKind.HOST]
    name = {"__name__": "DCGM_FI_DEV_POWER_USAGE"}
    same = (labels(UUID=first.id, instance="other:9400") | name, 1)
    hidden = (labels(instance="127.0.0.1:9") | name, 2)
    async with told(same, hidden, targets=()) as server:
        made = await provider(server.base_url, targets=[address(exporter), "127.0.0.1:9"])
        items, errors = await listed(made)
    assert errors == []
    assert {one.id for one in items.values() if one.kind is ResourceKind.HOST} == {
        address(exporter),
        "127.0.0.1:9",
    }
    assert items["127.0.0.1:9"].gpus[0].power == 2


async def test_an_exporter_that_speaks_to_us_is_not_down_whatever_a_server_says(exporter):
    async with told(targets=[({"job": "dcgm", "instance": address(exporter)}, 0)]) as server:
        items, errors = await listed(await provider(server.base_url, targets=[address(exporter)]))
    assert address(exporter) in items
    assert errors == []


async def test_an_exporter_that_does_not_listen_any_more_is_down_if_a_server_has_known_it():
    async with told(targets=[({"job": "dcgm", "instance": "127.0.0.1:9"}, 0)]) as server:
        items, (error,) = await listed(await provider(server.base_url, targets=["127.0.0.1:9"]))
    assert items["127.0.0.1:9"].absent == ("dcgm",)
    assert error.details["target"] == "127.0.0.1:9"


async def test_a_server_that_is_down_does_not_hide_the_exporters(exporter):
    made = await provider("http://127.0.0.1:1", targets=[address(exporter)])
    items, errors = await listed(made)
    assert address(exporter) in items
    assert [type(error) for error in errors] == [ProviderUnavailableError]
    with pytest.raises(ProviderUnavailableError):
        await listed(await provider("http://127.0.0.1:1"))


async def test_a_server_that_hangs_keeps_no_exporter_waiting(exporter):
    async with told() as server:
        server.fault("hang", times=None)
        made = await provider(server.base_url, timeout=1.0, targets=[address(exporter)])
        pages = made.list_metrics(MetricsRequest(), call())
        first = await anext(pages)
        assert address(exporter) in {one.id for one in first.items}
        errors = [error async for page in pages for error in page.unreadable]
        assert [type(error) for error in errors] == [CallTimeoutError]


async def test_a_listing_that_is_left_leaves_nothing_behind(exporter):
    async with told() as server:
        server.fault("hang", times=None)
        made = await provider(server.base_url, targets=[address(exporter)])
        pages = made.list_metrics(MetricsRequest(), call())
        await anext(pages)
        await pages.aclose()
        assert not [task for task in asyncio.all_tasks() if "Dcgm." in repr(task)]


async def test_one_query_that_fails_costs_only_what_it_tells():
    power = (labels() | {"__name__": "DCGM_FI_DEV_POWER_USAGE"}, 300)
    async with told(power) as server:
        server.fault("error_before", query={"query": _query_of("times")}, status=500)
        (host,), (error,) = await values(await provider(server.base_url))
    assert (host.gpus[0].power, host.time.timestamp()) == (300, 100.0)
    assert error.message.startswith("query times: ")


def _query_of(name):
    from purveyor_dcgm._asking import _queries

    return _queries({})[name]


async def test_health_is_that_of_a_server_or_of_any_exporter(exporter):
    await (await provider(targets=["127.0.0.1:9", address(exporter)])).check_health(call())
    with pytest.raises(PurveyorError, match=r"127\.0\.0\.1:9"):
        await (await provider(targets=["127.0.0.1:9"])).check_health(call())


async def test_settings_that_name_nothing_to_read_are_refused():
    with pytest.raises(ConfigurationError, match="nothing to read"):
        await provider()
    with pytest.raises(ValueError, match="names of labels"):
        await provider(targets=["a:1"], match={"a b": "c"})


async def test_two_hundred_exporters_at_once():
    servers = [Saying(body=ONE.replace("GPU-0", f"GPU-{at}").encode()) for at in range(200)]
    try:
        for server in servers:
            await server.start()
        items, errors = await listed(await provider(targets=[address(one) for one in servers]))
    finally:
        for server in servers:
            await server.stop()
    assert (len(items), errors) == (200, [])


async def test_a_large_document_is_read_whole():
    rows = "".join(ONE.replace("GPU-0", f"GPU-{at}") + "\n" * 200 for at in range(5000))
    assert len(rows) > 2**20
    async with Saying(body=rows.encode()) as server:
        (host,), _ = await values(await provider(targets=[address(server)]))
    assert len(host.gpus) == 5000
