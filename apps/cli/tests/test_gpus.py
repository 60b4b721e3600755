"""``purveyor metrics`` against a machine with GPUs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from purveyor import ResourceMetrics
from purveyor_cli.commands.metrics import _gpus
from purveyor_dcgm.sandbox import DcgmSandbox


@pytest.fixture
def exporter(serving: Callable[[DcgmSandbox], DcgmSandbox]) -> DcgmSandbox:
    return serving(DcgmSandbox(seed=1, speed="stepped"))


def show_gpus(home: Path, exporter: DcgmSandbox, *more: str) -> None:
    targets = [exporter.origin, *more]
    providers = [{"name": "gpus", "type": "dcgm", "config": {"targets": targets}}]
    document = {"state": "memory", "providers": providers}
    (home / "purveyor.yaml").write_text(json.dumps(document), encoding="utf-8")


def test_gpus_are_counted_once_whatever_they_are_cut_into(
    cli: Any, home: Path, exporter: DcgmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    for gpu in exporter.machine.gpus:
        gpu.xid = 0
    exporter.partition(3, ["3g.40gb", "2g.20gb", "1g.10gb"])
    exporter.fail(0, 79)
    show_gpus(home, exporter, "127.0.0.1:9")
    result = cli("metrics", "--format", "table", "--kind", "host")
    assert (result.code, result.err) == (0, "")
    (shown,) = (line for line in result.out.splitlines() if "8 + 3 MIG" in line)
    watts = sum(gpu.watts for gpu in exporter.machine.gpus)
    mib = 7 * 80_896 + 40_448 + 20_224 + 10_112
    assert "% busy, XID 79" in shown
    assert f"of {mib / 1024:.0f} GiB" in shown
    assert f"{watts / 1000:.2f} kW" in shown
    assert "dcgm absent" in result.out
    assert "  MEMORY" not in result.out.replace("GPU MEMORY", "")


def test_a_machine_whose_exporter_finds_no_gpus_has_none() -> None:
    assert (
        _gpus(ResourceMetrics(provider="p", id="i", time=datetime.now(UTC), source="dcgm", gpus=())) == "none"
    )
    assert _gpus(ResourceMetrics(provider="p", id="i", time=datetime.now(UTC), source="node_exporter")) == ""


def test_an_exporter_that_reloads_is_a_warning_with_its_name(
    cli: Any, home: Path, exporter: DcgmSandbox
) -> None:
    exporter.reload(1e6)
    show_gpus(home, exporter)
    result = cli("metrics", "--format", "table")
    assert result.code == 3
    assert f"gpus: {exporter.origin}/metrics: the answer is empty" in result.err
