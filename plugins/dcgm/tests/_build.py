"""A provider to test without an engine around it, and servers that say what they are told to."""

import asyncio
import json
from pathlib import Path

import attrs

from purveyor.plugin import Call, MetricsRequest
from purveyor_dcgm._config import Settings
from purveyor_dcgm._plugin import build
from purveyor_testing.context import plain_context
from purveyor_testing.sandbox import Answer, Route, Sandbox

ROOT = Path(__file__).resolve().parents[3].parent / "shared" / "data"

MADE = []
"""Providers that are closed behind each test."""


@attrs.define(eq=False, kw_only=True, slots=False)
class Saying(Sandbox):
    """A server whose metrics are that text, and whose PromQL is answered by parts of the query."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    answers: dict = attrs.field(factory=dict)

    def authenticate(self, call):
        pass

    def routes(self):
        yield Route("GET", "/metrics", lambda _: Answer(200, self.body, {"Content-Type": self.content_type}))
        yield Route("GET", "/api/v1/query", self._query)

    def _query(self, call):
        promql = call.query["query"]
        rows = [row for part, rows in self.answers.items() if promql.startswith(part) for row in rows]
        rows = [{"metric": labels, "value": [100.0, str(value)]} for labels, value in rows]
        return Answer.json({"status": "success", "data": {"resultType": "vector", "result": rows}})


def address(server):
    """Host and port, as Prometheus names them."""
    return server.origin.removeprefix("http://")


async def provider(base_url=None, *, timeout=5.0, **settings):
    """A provider as the engine would get it."""
    made = await build(
        Settings(**settings), plain_context(provider="lab", base_url=base_url, timeout=timeout)
    )
    MADE.append(made)
    return made


def call(seconds=20.0):
    """A call that may take that long."""
    return Call(deadline=asyncio.get_running_loop().time() + seconds)


async def listed(made, **request):
    """All resources by id, and all errors."""
    items, errors = {}, []
    async for page in made.list_metrics(MetricsRequest(**request), call()):
        for item in page.items:
            assert item.id not in items, "each once"
            items[item.id] = item
        errors += page.unreadable
    return items, errors


def expectations():
    """An independent reading of every GPU document, where these are present."""
    path = ROOT / "exposition" / "dcgm_expect.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
