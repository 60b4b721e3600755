"""What servers say of hosts and containers: all queries of a kind at once, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import attrs

from purveyor.plugin import (
    Call,
    Context,
    MetricSeries,
    ProtocolMismatchError,
    ProviderUnavailableError,
    PurveyorError,
    ResourceKind,
)
from purveyor_prometheus._api import Api
from purveyor_prometheus._config import Settings
from purveyor_prometheus._decoding import Answer
from purveyor_prometheus._mapping import Key, Measured, from_series, identity
from purveyor_prometheus._queries import DOWN, prepared

__all__ = ["Asker", "Told"]

Answers = dict[str, Answer]
Failed = dict[str, PurveyorError]


@attrs.define
class Told:
    """What servers say.

    Attributes:
        found: What each resource uses.
        down: Resources that the servers cannot reach, and the error to show for them.
        errors: Queries that failed or gave what cannot be used.
        silent: Why there is nothing at all of some kind, if no query of it was answered.
    """

    found: dict[Key, Measured] = attrs.field(factory=dict)
    down: dict[Key, PurveyorError] = attrs.field(factory=dict)
    errors: list[PurveyorError] = attrs.field(factory=list)
    silent: PurveyorError | None = None


class Asker:
    """Asks servers for what resources use.

    Args:
        api: The servers.
        settings: Queries and their window.
        ctx: The provider's context.
    """

    def __init__(self, api: Api, settings: Settings, ctx: Context) -> None:
        self._api = api
        self._settings = settings
        self._ctx = ctx

    async def ask(self, call: Call, kinds: Iterable[ResourceKind]) -> Told:
        """All that is known of these kinds; stops where no query is answered."""
        told = Told()
        for kind in kinds:
            queries = prepared(
                kind,
                window=self._settings.window,
                labels=self._settings.labels,
                instead=self._settings.queries,
            )
            answers, failed = await self._answers(queries, call)
            if queries and not answers:
                told.silent = next(iter(failed.values()))
                break
            self._add(told, kind, answers, failed)
        return told

    async def _answers(self, queries: Mapping[str, str], call: Call) -> tuple[Answers, Failed]:
        """By field: what was answered, and what failed."""
        asked = [self._api.query(call, promql) for promql in queries.values()]
        answers: Answers = {}
        failed: Failed = {}
        for field, answer in zip(queries, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(answer, PurveyorError):
                failed[field] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                answers[field] = answer
        return answers, failed

    def _add(self, told: Told, kind: ResourceKind, answers: Answers, failed: Failed) -> None:
        for field, error in failed.items():
            error.message = f"query {kind.value}.{field}: {error.message}"
            told.errors.append(error)
        for field, answer in answers.items():
            name = f"{kind.value}.{field}"
            told.errors += self._strange(kind, name, answer.series)
            for warning in answer.warnings:
                self._ctx.log.warning("query %s: %s", name, warning[:300])
        series = {field: answer.series for field, answer in answers.items()}
        for name in filter(None, (identity(kind, one.labels) for one in series.pop(DOWN, ()))):
            told.down[kind, name] = self._unreachable(name)
        told.found |= {(kind, name): one for name, one in from_series(kind, series).items()}

    def _strange(self, kind: ResourceKind, name: str, series: Iterable[MetricSeries]) -> list[PurveyorError]:
        if all(identity(kind, one.labels) for one in series):
            return []
        wanted = "instance" if kind is ResourceKind.HOST else "container or name"
        reason = f"query {name} gives series without the label {wanted}"
        return [ProtocolMismatchError(reason, provider=self._ctx.provider)]

    def _unreachable(self, name: str) -> PurveyorError:
        reason = f"{name}: the server cannot scrape it at present"
        return ProviderUnavailableError(reason, provider=self._ctx.provider, details={"target": name})
