"""``purveyor metrics`` against an exporter on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from purveyor_cli.commands.metrics import bar

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
    assert "1 resource" in result.out


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
