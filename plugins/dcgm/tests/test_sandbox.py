"""The sandbox: a machine that lives through time and can be arranged, as its visitors see it."""

import json
import re

import aiohttp
import pytest

from purveyor.plugin import ResourceKind
from purveyor_dcgm._reading import Reader
from purveyor_dcgm.sandbox import DcgmSandbox
from purveyor_prometheus import parse_exposition

from ._build import address, listed, provider

COPIED = re.compile(r'(,container="[^"]*",namespace="[^"]*",pod="[^"]*",pod_uid=""|,vgpu="\d")')


@pytest.fixture
async def exporter():
    async with DcgmSandbox(speed="stepped") as running:
        yield running


async def get(exporter, path="/metrics"):
    async with aiohttp.ClientSession() as session, session.get(exporter.origin + path) as answer:
        return answer.status, dict(answer.headers), await answer.text()


async def post(exporter, path, **body):
    async with (
        aiohttp.ClientSession() as session,
        session.post(exporter.control_url + path, data=json.dumps(body)) as answer,
    ):
        return answer.status, await answer.text()


async def host_of(exporter):
    items, errors = await listed(await provider(targets=[address(exporter)]))
    assert errors == []
    return items[address(exporter)]


async def test_it_repeats_with_its_seed_and_differs_from_others():
    texts = []
    for seed in (1, 1, 2):
        async with DcgmSandbox(seed=seed, speed="stepped") as exporter:
            exporter.advance(3600)
            texts.append((await get(exporter))[2])
    assert texts[0] == texts[1] != texts[2]


async def test_nothing_changes_between_two_collections(exporter):
    first = await get(exporter)
    exporter.advance(29)
    assert (await get(exporter))[2] == first[2]
    exporter.advance(1)
    assert (await get(exporter))[2] != first[2]


async def test_energy_is_what_power_adds_up_to(exporter):
    before = await host_of(exporter)
    watts = []
    for _ in range(20):
        exporter.advance(30)
        watts.append([gpu.power for gpu in (await host_of(exporter)).gpus])
    after = await host_of(exporter)
    for number, (first, last) in enumerate(zip(before.gpus, after.gpus, strict=True)):
        joules = sum(one[number] * 30 for one in watts)
        assert last.energy - first.energy == pytest.approx(joules, rel=1e-6)
        assert 68 <= last.power <= 700
        assert 25 < last.temperature < 85
        assert 0 <= last.utilization <= 1


async def test_jobs_come_and_go(exporter):
    seen = set()
    for _ in range(50):
        exporter.advance(600)
        seen |= {gpu.containers for gpu in (await host_of(exporter)).gpus}
    assert () in seen
    assert len(seen) > 20


async def test_both_generations_say_the_same_of_the_same_machine(exporter):
    old = await host_of(exporter)
    assert "DCGM_FI_DEV_GPU_UTIL{" in (await get(exporter))[2]
    assert await post(exporter, "/exporter", names="new") == (204, "")
    new = await host_of(exporter)
    text = (await get(exporter))[2]
    assert "DCGM_FI_DEV_GPU_UTIL_RATIO{" in text
    assert "DCGM_FI_DEV_GPU_UTIL{" not in text
    assert 'hostname="gpu-node-1"' in text
    for one, other in zip(old.gpus, new.gpus, strict=True):
        assert (one.utilization, one.power, one.memory_limit) == (
            other.utilization,
            other.power,
            other.memory_limit,
        )
        assert (one.error or None) == other.error, "where there was no error, there is no line now"


async def test_a_gpu_is_cut_into_instances_and_made_whole_again(exporter):
    assert await post(exporter, "/gpus/3", mig=["3g.40gb", "2g.20gb", "1g.10gb"]) == (204, "")
    exporter.advance(30)
    text = (await get(exporter))[2]
    power = re.findall(r'POWER_USAGE\{gpu="3".* (\S+)', text)
    assert len(power) == 3
    assert len(set(power)) == 1, "the board's, repeated"
    assert 'DCGM_FI_DEV_GPU_UTIL{gpu="3"' not in text
    gpus = {gpu.id: gpu for gpu in (await host_of(exporter)).gpus}
    assert len(gpus) == 8 + 3
    parent = next(gpu for gpu in gpus.values() if gpu.index == "3" and not gpu.profile)
    assert (parent.utilization, parent.memory_limit) == (None, None)
    assert f"{parent.power:.6f}" == power[0]
    parts = [gpus[f"{parent.id}/{number}"] for number in (1, 2, 3)]
    assert [one.profile for one in parts] == ["3g.40gb", "2g.20gb", "1g.10gb"]
    assert [one.memory_limit for one in parts] == [mib * 2**20 for mib in (40_448, 20_224, 10_112)]
    exporter.partition(3, [])
    assert len((await host_of(exporter)).gpus) == 8


async def test_pods_share_a_gpu_in_time_slices(exporter):
    whole = await host_of(exporter)
    assert await post(exporter, "/gpus/1", pods=3) == (204, "")
    text = (await get(exporter))[2]
    lines = re.findall(r'DEV_FB_USED\{gpu="1".*', text)
    assert len(lines) == 3
    assert len({COPIED.sub("", line) for line in lines}) == 1
    shared = await host_of(exporter)
    assert (len(shared.gpus), len(shared.gpus[1].containers)) == (8, 3)
    assert shared.gpus[1].power == whole.gpus[1].power


async def test_an_error_stays(exporter):
    exporter.fail(2, 79)
    exporter.advance(86_400)
    assert (await host_of(exporter)).gpus[2].error == 79
    assert 'err_code="79",err_msg="GPU has fallen off the bus"' in (await get(exporter))[2]


async def test_labels_go_out_as_they_are(exporter):
    assert await post(exporter, "/gpus/0", hpc_job='the "big" one') == (204, "")
    text = (await get(exporter))[2]
    assert 'hpc_job="the "big" one"' in text
    reader = Reader()
    reader(text.encode())
    assert reader.refused is not None
    assert (await host_of(exporter)).gpus[0].labels["hpc_job"] == 'the "big" one'


async def test_while_it_reloads_its_answers_are_well_and_empty(exporter):
    assert await post(exporter, "/exporter", reload=5) == (204, "")
    status, headers, text = await get(exporter)
    assert (status, text, headers["Content-Type"]) == (200, "", "text/plain; charset=utf-8")
    status, headers, text = await get(exporter, "/health")
    assert (status, text, headers["X-Reload-In-Progress"]) == (200, "OK - reload in progress", "true")
    exporter.advance(5)
    assert (await get(exporter, "/health"))[2] == "OK"
    assert len((await get(exporter))[2]) > 50_000


async def test_it_writes_what_a_strict_reader_takes(exporter):
    for names in ("old", "new"):
        exporter.names = names
        families = parse_exposition((await get(exporter))[2].encode(), "text/plain; charset=utf-8")
        assert len(families) == 25
        assert all(family.help for family in families)


async def test_other_pages_are_the_exporters():
    async with DcgmSandbox() as exporter:
        assert (await get(exporter, "/"))[2].startswith("<html>")
        assert (await get(exporter, "/other"))[::2] == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/gpus/9", {"pods": 2}, "no GPU 9; there are 8"),
        ("/gpus/0", {"mig": ["9g.1tb"]}, "no profile '9g.1tb'"),
        ("/gpus/0", {"mig": ["7g.80gb", "1g.10gb"]}, "want more"),
        ("/gpus/0", {"mig": [[]]}, "no profile"),
        ("/gpus/0", {"xid": 1}, "no error 1"),
        ("/gpus/0", {"pods": 0}, "at least one pod"),
        ("/gpus/0", {"color": "red"}, "color cannot be 'red'"),
        ("/exporter", {"names": "odd"}, "old or new"),
        ("/exporter", {"reload": "soon"}, "reload cannot be 'soon'"),
    ],
)
async def test_what_cannot_be_arranged_is_refused_with_the_reason(exporter, path, body, words):
    status, text = await post(exporter, path, **body)
    assert status == 400
    assert words in json.loads(text)["error"]


async def test_a_smaller_machine():
    async with DcgmSandbox(gpus=2, host="small") as exporter:
        host = await host_of(exporter)
        assert (len(host.gpus), host.labels["Hostname"], host.kind) == (2, "small", ResourceKind.HOST)
