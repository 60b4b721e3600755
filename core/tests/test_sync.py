"""The blocking twin: the same methods, from any thread, and Ctrl-C ends what is under way."""

import asyncio
import gc
import inspect
import re
import threading
from concurrent.futures import Future

import pytest

import purveyor
from purveyor import DeploymentAction, ProviderNotFoundError, PurveyorError, View, sync
from purveyor.engine.views import ViewStream as AsyncViewStream
from purveyor.spi.call import LoopClock

from ._cloud import HANG, SPEC, Fault, World

OTHERS = {"aclose", "from_config", "from_file"}


@pytest.fixture
def build(world: World):
    """A blocking client over the world's clouds, on the real clock; none of its threads outlives the test."""
    clients = []

    def make(**options):
        world.around = real_around(world)
        clients.append(sync.MultiProviderClient(lambda: world.client(**options)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    assert not [one for one in threading.enumerate() if one.name == "purveyor-sync"]


def real_around(world: World):
    import attrs

    around = World.around(world)
    return lambda **_: attrs.evolve(around, clock=LoopClock())


def public(of: type) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(of, inspect.isfunction)
    return {
        name: inspect.signature(one) for name, one in found if not name.startswith("_") and name not in OTHERS
    }


def without_async(annotation: str) -> str:
    annotation = re.sub(r"AsyncGenerator\[(\w+), None\]", r"Iterator[\1]", annotation)
    return annotation.replace("AbstractAsyncContextManager[Shell]", "Shell")


def test_both_have_the_same_methods_with_the_same_parameters():
    ours, theirs = public(sync.MultiProviderClient), public(purveyor.MultiProviderClient)
    assert ours.pop("close")
    assert ours.keys() == theirs.keys()
    for name, signature in theirs.items():
        assert ours[name].parameters == signature.parameters, name
        result = without_async(str(signature.return_annotation))
        assert str(ours[name].return_annotation) == result, name


def test_what_streams_there_can_be_iterated_and_collected_here():
    there = {
        name
        for name, _ in inspect.getmembers(AsyncViewStream, inspect.isfunction)
        if not name.startswith("_")
    }
    here = {
        name
        for name, _ in inspect.getmembers(sync.ViewStream, inspect.isfunction)
        if not name.startswith("_")
    }
    assert here == there == {"collect"}


def test_everything_without_async(world, build):
    world.add("a").hold(2)
    with build() as client:
        assert [one.name for one in client.providers()] == ["a"]
        view = client.list_instances().collect()
        assert isinstance(view, View)
        assert [one.id for one in client.list_instances()] == ["a0", "a1"]
        assert client.get_instance("a/a0").id == "a0"
        made = client.provision(SPEC, wait=True)
        assert made.instance.name == "web"
        client.delete_instance(f"a/{made.instance.id}")
        assert client.explain(SPEC).candidates[0].provider == "a"
        assert client.clear_cache() == 3
        assert client.cached_catalogues() == []
        assert client.check_health().collect().items[0].provider == "a"
        with pytest.raises(ProviderNotFoundError):
            client.provider("nope")
    assert world.clouds["a"].closed == 1


def test_failures_are_told_after_the_iteration(world, build):
    world.add("a").always["list_instances"] = Fault(seconds=HANG)
    world.add("b").hold(1)
    with build() as client:
        stream = client.list_instances(deadline=0.05)
        assert [one.id for one in stream] == ["b0"]
        assert stream.failures["a"].code == "TIMEOUT"


def test_an_interruption_cancels_the_work_and_waits_for_its_end(world, build, monkeypatch):
    cloud = world.add("a")
    cloud.always["get_balance"] = Fault(seconds=HANG)
    stopped = []
    real = Future.result

    def interrupted(future, timeout=None):
        if stopped or threading.current_thread() is not threading.main_thread():
            return real(future, timeout)
        while not cloud.under_way:
            pass
        stopped.append(future)
        raise KeyboardInterrupt

    with build() as client:
        monkeypatch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.get_balances(deadline=20).collect()
        assert stopped[0].cancelled()
        assert cloud.under_way == 0
        cloud.always.clear()
        assert client.get_balances().collect().complete


def test_an_iteration_that_is_left_ends_what_fetches_for_it(world, build):
    cloud = world.add("a")
    cloud.hold(50)
    cloud.fail("list_instances", Fault(), Fault(seconds=HANG, page=1))
    with build() as client:
        for one in client.list_instances():
            assert one.id == "a0"
            break
        gc.collect()
        assert cloud.open_listings == 0
        assert client.get_balances().collect().complete


def test_an_iteration_that_outlives_the_client_does_no_harm(world, build):
    cloud = world.add("a")
    cloud.hold(50)
    cloud.fail("list_instances", Fault(), Fault(seconds=HANG, page=1))
    client = build()
    items = iter(client.list_instances())
    assert next(items).id == "a0"
    client.close()
    assert cloud.open_listings == 0
    items.close()


def test_inside_a_running_loop(world, build):
    world.add("a").hold(1)

    async def main():
        with build() as client:
            return client.list_instances().collect()

    assert len(asyncio.run(main()).items) == 1


def test_from_several_threads_at_once_and_without_with(world, build, monkeypatch):
    cloud = world.add("a")
    client = build()
    loops = []

    class Counted(sync.Loop):
        def __init__(self):
            loops.append(client._starting.locked())
            super().__init__()

    monkeypatch.setattr(sync, "Loop", Counted)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(client.get_balances().collect())) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.complete for one in results] == [True] * 8
    assert loops == [True]
    client.close()
    assert cloud.closed == 1


def test_closing_twice_and_using_it_afterwards(world, build):
    world.add("a")
    client = build()
    client.close()
    client.get_balances().collect()
    client.close()
    client.close()
    with pytest.raises(PurveyorError, match="closed"):
        client.get_balances().collect()


def test_from_config_and_from_file(world, tmp_path):
    world.add("a").hold(1)
    config = {"state": "memory", "providers": [world.clouds["a"].entry]}
    with sync.MultiProviderClient.from_config(config, plugins=world.host(), health_interval=None) as client:
        assert len(client.list_instances().collect().items) == 1
    path = tmp_path / "c.json"
    path.write_text('{"state": "memory", "providers": [{"name": "a", "type": "fake"}]}')
    with sync.MultiProviderClient.from_file(path, plugins=world.host()) as client:
        assert len(client.list_instances().collect().items) == 1


def test_deployments_logs_and_a_shell_without_async(chains):
    chain = chains.add()
    chain.providers, chain.leases = {"one": "https://one.example"}, [("one", "7")]
    with sync.MultiProviderClient(lambda: chains.client(clock=LoopClock())) as client:
        assert [one.name for one in client.discover().collect().items] == ["ve/one"]
        assert [one.id for one in client.list_deployments()] == ["7"]
        assert client.get_deployment("7").provider == "ve/one"
        assert [line.message for line in client.stream_logs("7")] == ["one", "two", "three"]
        for line in client.stream_logs("7", follow=True):
            assert line.message == "one"
            break
        with client.open_shell("7") as shell:
            shell.send(b"hello")
            shell.resize(80, 24)
            shell.send_eof()
            assert [piece.data for piece in shell] == [b"hello"]
            assert shell.exit_code == 7
        assert chain.open == 0
        with pytest.raises(PurveyorError, match="not open"):
            client.open_shell("7").send(b"x")
        assert next(client.stream_deployment_metrics("7")).provider == "ve/one"
        assert len(client.list_deployment_events("7", limit=3)) == 3
        done = client.perform_deployment_action("7", DeploymentAction.STOP)
        assert done.action is DeploymentAction.STOP
        assert client.get_provider_facts("ve/one").name == "Gpu One"
    assert not [one for one in threading.enumerate() if one.name == "purveyor-sync"]
