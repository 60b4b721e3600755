"""``purveyor metrics`` against an exporter on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest

from purveyor import ResourceMetrics, total_metrics
from purveyor_cli.commands.metrics import bar, summary

TEXT = b"""\
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 8589934592
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 6442450944
"""


class Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def target() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def configure(home: Path, *targets: str) -> None:
    config = {"targets": list(targets), "scrape_pause": 0}
    document = {"state": "memory", "providers": [{"name": "lab", "type": "prometheus", "config": config}]}
    (home / "purveyor.yaml").write_text(json.dumps(document), encoding="utf-8")


def test_a_host_is_shown_with_bars_and_what_is_unknown_is_left_out(cli: Any, home: Path, target: str) -> None:
    configure(home, target)
    result = cli("metrics", "--format", "table")
    assert (result.code, result.err) == (0, "")
    assert "■■□□□□□□ 2 GiB of 8 GiB" in result.out
    assert "CORES" not in result.out


def test_json_says_null_where_there_is_no_data(cli: Any, home: Path, target: str) -> None:
    configure(home, target)
    (item,) = cli("metrics", "lab", "--kind", "host").json["items"]
    assert (item["provider"], item["memory_used"], item["cpu_used"]) == ("lab", 2 * 2**30, None)
    assert cli("metrics", "--kind", "container").json["items"] == []


def test_a_target_that_is_not_there_makes_it_partial(cli: Any, home: Path, target: str) -> None:
    configure(home, target, "127.0.0.1:9")
    result = cli("metrics")
    assert result.code == 3
    assert len(result.json["items"]) == 1
    assert "127.0.0.1:9" in result.err


def test_a_provider_without_metrics_says_who_has_them(cli: Any, cloud: Any) -> None:
    result = cli("metrics", "do-a")
    assert result.code == 1
    assert result.error["code"] == "UNSUPPORTED_OPERATION"


@pytest.mark.parametrize(
    ("share", "shown"), [(0, "□□□□□□□□"), (0.5, "■■■■□□□□"), (1, "■■■■■■■■"), (7, "■■■■■■■■")]
)
def test_bars(share: float, shown: str) -> None:
    assert bar(share) == shown


def test_totals_are_told_below_the_table_and_beside_the_items(cli: Any, home: Path, target: str) -> None:
    configure(home, target)
    assert "1 host: 2 GiB of 8 GiB memory" in cli("metrics", "--format", "table").out
    assert "lab, 1 host: 2 GiB" in cli("metrics", "--by", "provider", "--format", "table").out
    (total,) = cli("metrics").json["totals"]
    assert (total["kind"], total["memory_used"], total["cpu_used"]) == ("host", 2 * 2**30, None)


def test_a_sum_that_lacks_somebody_says_so() -> None:
    told = ResourceMetrics(
        provider="a", id="1", time=datetime.now(UTC), source="", cpu_used=1.5, cpu_limit=4.0, gpus=()
    )
    silent = ResourceMetrics(provider="a", id="2", time=datetime.now(UTC), source="", cpu_limit=4.0)
    (total,) = total_metrics([told, silent])
    assert summary(total) == "2 hosts: ≥ 1.5 of 8 cores"
    (total,) = total_metrics([told, attrs.evolve(silent, cpu_used=1.0, cpu_limit=None)])
    assert summary(total) == "2 hosts: 2.5 cores", "a limit that not everybody has is no limit of the sum"


@pytest.fixture
def watching(home: Path, target: str) -> Callable[..., subprocess.Popen[str]]:
    """Starts ``purveyor metrics --watch`` as a process of its own."""
    configure(home, target)

    def start(*options: str, **how: Any) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "purveyor_cli", "metrics", "--watch", "--interval", "0.1", *options]
        return subprocess.Popen(line, stderr=subprocess.PIPE, text=True, **how)

    return start


def test_watching_gives_programs_a_line_each_round_until_it_is_interrupted(watching: Any) -> None:
    with watching(stdout=subprocess.PIPE) as process:
        rounds = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert all(json.loads(line)["complete"] for line in out.splitlines())
    for one in rounds:
        assert one["items"][0]["memory_used"] == 2 * 2**30
        assert one["totals"][0]["resources"] == 1
    times = [one["items"][0]["time"] for one in rounds]
    assert times == sorted(set(times)), "each round measures anew"


def test_watching_gives_tables_one_below_the_other_to_a_file(watching: Any) -> None:
    with watching("--format", "table", stdout=subprocess.PIPE) as process:
        lines = [process.stdout.readline() for _ in range(8)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert [line for line in lines if line.startswith("PROVIDER")] == [lines[0], lines[4]]
    assert "\x1b" not in "".join(lines)


def test_a_reader_that_goes_ends_it_quietly(watching: Any) -> None:
    with watching(stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_on_a_terminal_one_table_changes_in_place(watching: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, theirs = pty.openpty()
    with watching(stdout=theirs) as process:
        os.close(theirs)
        seen = b""
        while seen.count(b"1 host:") < 3:
            seen += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while os.read(terminal, 4096):
                pass
        process.communicate()
    os.close(terminal)
    assert process.returncode == 0
    assert b"\x1b[1A" in seen, "the cursor goes back up to the table"
    assert b"until Ctrl-C" in seen


def test_a_provider_that_fails_is_told_each_round_and_the_round_goes_on(
    watching: Any, home: Path, target: str
) -> None:
    configure(home, target, "127.0.0.1:9")
    with watching(stdout=subprocess.PIPE) as process:
        one = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert (len(one["items"]), one["complete"]) == (1, False)
    assert "127.0.0.1:9" in one["failures"]["lab"]["message"]
