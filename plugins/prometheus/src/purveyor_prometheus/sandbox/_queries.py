"""The query API: what is asked, checked as Prometheus checks it, and answered from the simulated truth."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import attrs

from purveyor_prometheus.sandbox import _promql as promql
from purveyor_prometheus.sandbox._evaluation import EvaluationError, Evaluator, Row
from purveyor_prometheus.sandbox._world import Family, Labels, Storage, Target, number
from purveyor_testing.sandbox import Answer, Call, Refusal, Route, rfc3339

MAX_STEPS = 11_000
EARLIEST, LATEST = -9.2e9, 9.2e9
"""Seconds that fit into the server's times."""

BUILD = {
    "version": "2.42.0",
    "revision": "sandbox",
    "branch": "sandbox",
    "buildUser": "purveyor",
    "buildDate": "",
    "goVersion": "",
}
Row_ = dict[str, Any]


@attrs.define(eq=False)
class Queries:
    """Answers below /api/v1."""

    storage: Storage

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        both = {
            "query": self.query,
            "query_range": self.query_range,
            "series": self.series,
            "labels": self.labels,
        }
        for name, serve in both.items():
            yield from (Route(method, f"/api/v1/{name}", serve) for method in ("GET", "POST"))
        yield Route("GET", "/api/v1/label/{name}/values", self.label_values)
        yield Route("GET", "/api/v1/targets", self.targets)
        yield Route("GET", "/api/v1/targets/metadata", self.targets_metadata)
        yield Route("GET", "/api/v1/metadata", self.metadata)
        yield Route("GET", "/api/v1/status/buildinfo", lambda _: _success(BUILD))

    def query(self, call: Call) -> Answer:
        """One expression at one time."""
        asked = _Asked(call)
        moment = asked.moment("time", self.storage.now())
        expression = asked.expression()
        found = self._evaluated(expression, moment)
        if isinstance(found, str):
            return _result("string", [moment, found])
        if isinstance(found, float):
            return _result("scalar", [moment, number(found)])
        if promql.kind_of(expression) == promql.RANGE:
            rows = [{"metric": labels, "values": _points(points)} for labels, points in found]
            return _result("matrix", rows)
        return _result("vector", [_row(one, moment) for one in found])

    def query_range(self, call: Call) -> Answer:
        """One expression at many times."""
        asked = _Asked(call)
        start, end = asked.moment("start"), asked.moment("end")
        if end < start:
            raise _bad("end", "end timestamp must not be before start time")
        step = asked.seconds("step")
        if step <= 0:
            raise _bad(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            )
        if (end - start) / step > MAX_STEPS:
            raise Refusal(
                400,
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            )
        expression = asked.expression()
        kind = promql.kind_of(expression)
        if kind in {promql.RANGE, promql.STRING}:
            raise Refusal(
                400, f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            )
        moments = [round(start + at * step, 3) for at in range(math.floor((end - start) / step + 1e-9) + 1)]
        return _result("matrix", self._over_time(expression, moments))

    def _over_time(self, expression: promql.Expression, moments: Iterable[float]) -> list[Row_]:
        evaluator = Evaluator(self.storage)
        rows: dict[frozenset[tuple[str, str]], Row_] = {}
        for moment in moments:
            found = self._evaluated(expression, moment, evaluator)
            vector = [Row({}, found, moment)] if isinstance(found, float) else found
            for one in vector:
                key = frozenset(one.labels.items())
                row = rows.setdefault(key, {"metric": one.labels, "values": []})
                row["values"].append([moment, number(one.value)])
        return list(rows.values())

    def _evaluated(self, expression: promql.Expression, moment: float, by: Evaluator | None = None) -> Any:
        try:
            return (by or Evaluator(self.storage)).value(expression, moment)
        except EvaluationError as error:
            raise Refusal(422, str(error)) from error

    def series(self, call: Call) -> Answer:
        """Label sets that any of the selectors fits."""
        selectors = _Asked(call).selectors()
        if not selectors:
            raise Refusal(400, "no match[] parameter provided")
        evaluator = Evaluator(self.storage)
        found = [labels for selector in selectors for labels, _ in evaluator.series(selector)]
        return _success(list({frozenset(labels.items()): labels for labels in found}.values()))

    def labels(self, call: Call) -> Answer:
        """Names of labels."""
        return _success(sorted({name for labels in self._sets(call) for name in labels}))

    def label_values(self, call: Call) -> Answer:
        """Values of a label."""
        name = call.params["name"]
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise Refusal(400, f'invalid label name: "{name}"')
        return _success(sorted({labels[name] for labels in self._sets(call) if name in labels}))

    def _sets(self, call: Call) -> Iterable[Labels]:
        everything = promql.Selector((promql.Matcher("__name__", "!=", ""),))
        evaluator = Evaluator(self.storage)
        for selector in _Asked(call).selectors() or [everything]:
            yield from (labels for labels, _ in evaluator.series(selector))

    def targets(self, call: Call) -> Answer:
        """What is scraped, and whether it answered the last time."""
        wanted = call.query.get("state", "any") != "dropped"
        active = [self._target(one) for one in self.storage.targets] if wanted else []
        return _success({"activeTargets": active, "droppedTargets": []})

    def _target(self, target: Target) -> Row_:
        instance, last = self.storage.instance(), self.storage.last_scrape(self.storage.now())
        url = f"http://{instance}{target.path}"
        up = target.up(last)
        every = f"{self.storage.interval:g}s"
        return {
            "discoveredLabels": {
                "__address__": instance,
                "__metrics_path__": target.path,
                "__scheme__": "http",
                "__scrape_interval__": every,
                "__scrape_timeout__": "10s",
                "job": target.job,
            },
            "labels": {"instance": instance, "job": target.job},
            "scrapePool": target.job,
            "scrapeUrl": url,
            "globalUrl": url,
            "lastError": "" if up else "server returned HTTP status 503 Service Unavailable",
            "lastScrape": rfc3339(last, fraction=True),
            "lastScrapeDuration": 0.01,
            "health": "up" if up else "down",
            "scrapeInterval": every,
            "scrapeTimeout": "10s",
        }

    def targets_metadata(self, call: Call) -> Answer:
        """What each target says about a metric."""
        wanted = call.query.get("metric")
        own = {"instance": self.storage.instance()}
        return _success(
            [
                {
                    "target": {**own, "job": target.job},
                    **_about(family),
                    **({} if wanted else {"metric": family.name}),
                }
                for target in self.storage.targets
                for family in target.families
                if wanted in {None, "", family.name}
            ]
        )

    def metadata(self, call: Call) -> Answer:
        """Type and help of metrics."""
        wanted = call.query.get("metric") or None
        families = (family for target in self.storage.targets for family in target.families)
        return _success({one.name: [_about(one)] for one in families if wanted in {None, one.name}})


class _Asked:
    """The parameters of one request, from its query and its form."""

    def __init__(self, call: Call) -> None:
        form = call.body.decode("utf-8", "replace") if call.method == "POST" else ""
        self._given: Mapping[str, list[str]] = {
            **parse_qs(call.query_string, keep_blank_values=True),
            **parse_qs(form, keep_blank_values=True),
        }

    def _one(self, name: str) -> str:
        return self._given.get(name, [""])[0]

    def expression(self) -> promql.Expression:
        return _parsed(self._one("query"), "query")

    def selectors(self) -> list[promql.Selector]:
        found = [_parsed(text, "match[]") for text in self._given.get("match[]", [])]
        for one in found:
            if not isinstance(one, promql.Selector) or one.seconds is not None:
                raise _bad("match[]", "1:1: parse error: unexpected expression, expected a series selector")
        return found  # type: ignore[return-value]

    def moment(self, name: str, default: float | None = None) -> float:
        text = self._one(name)
        if not text and default is not None:
            return round(default, 3)
        try:
            seconds = float(text) if not re.search("[T_]", text) else datetime.fromisoformat(text).timestamp()
        except ValueError:
            seconds = math.nan
        if not EARLIEST < seconds < LATEST:
            told = f"cannot parse {_quoted(text)} to a valid timestamp"
            raise _bad(name, f"Invalid time value for '{name}': {told}" if name == "time" else told)
        return round(seconds, 3)

    def seconds(self, name: str) -> float:
        text = self._one(name)
        if re.fullmatch(r"(\d+(ms|[smhdwy]))+", text):
            return promql.duration(text)
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not EARLIEST < found < LATEST or "_" in text:
            raise _bad(name, f"cannot parse {_quoted(text)} to a valid duration")
        return found


def _parsed(text: str, name: str) -> promql.Expression:
    try:
        return promql.parse(text)
    except (promql.BadQueryError, RecursionError) as error:
        reason = (
            str(error) if isinstance(error, promql.BadQueryError) else "1:1: parse error: nested too deeply"
        )
        raise _bad(name, reason) from None


def _bad(name: str, reason: str) -> Refusal:
    return Refusal(400, f'invalid parameter "{name}": {reason}')


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _about(family: Family) -> Row_:
    return {"type": family.type, "help": family.help, "unit": ""}


def _success(data: object) -> Answer:
    return Answer.json({"status": "success", "data": data}, headers={"Content-Type": "application/json"})


def _result(kind: str, result: object) -> Answer:
    return _success({"resultType": kind, "result": result})


def _row(row: Row, moment: float) -> Row_:
    return {"metric": row.labels, "value": [moment, number(row.value)]}


def _points(points: Iterable[tuple[float, float]]) -> list[Any]:
    return [[at, number(value)] for at, value in points]
