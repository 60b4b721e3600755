"""What servers say of GPUs: three queries, however many GPUs there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import attrs

from purveyor.plugin import Call, Labels, MetricSeries, ProviderUnavailableError, PurveyorError, Sample
from purveyor_dcgm._fields import NAMES
from purveyor_prometheus.sources import Answer, Api

__all__ = ["Asker", "Told"]

_WORKLOAD = ("namespace", "pod", "container")
_Target = tuple[str, str]
"""Job and address."""


@attrs.define
class Told:
    """What servers say.

    Attributes:
        samples: The newest of each series, with the time when it was measured.
        down: By address, exporters that told of GPUs within the last hour and do not do so now.
        errors: What could not be asked.
    """

    samples: list[Sample] = attrs.field(factory=list)
    down: dict[str, PurveyorError] = attrs.field(factory=dict)
    errors: list[PurveyorError] = attrs.field(factory=list)


class Asker:
    """Asks servers about GPUs.

    Args:
        api: The servers.
        match: Labels that series must have.
        provider: Name of the provider.
    """

    def __init__(self, api: Api, match: Mapping[str, str], provider: str) -> None:
        self._api = api
        self._provider = provider
        self._queries = _queries(match)

    async def ask(self, call: Call) -> Told:
        """All that is known of all GPUs.

        Raises:
            PurveyorError: The values could not be asked for.
        """
        asked = [self._api.query(call, promql) for promql in self._queries.values()]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told = Told()
        found: dict[str, Sequence[MetricSeries]] = {}
        for name, answer in zip(self._queries, answers, strict=True):
            if isinstance(answer, Answer):
                found[name] = answer.series
            elif name == "values" or not isinstance(answer, PurveyorError):
                raise answer
            else:
                answer.message = f"query {name}: {answer.message}"
                told.errors.append(answer)
        self._tell(told, found)
        return told

    def _tell(self, told: Told, found: Mapping[str, Sequence[MetricSeries]]) -> None:
        times = {one.labels: one.points[-1].value for one in found.get("times", ()) if one.points}
        targets = {_target(one.labels): one for one in found.get("targets", ()) if one.points}
        speaking: set[str] = set()
        for series in found["values"]:
            if series.points:
                target = targets.get(_target(series.labels))
                labels = _foreign(series.labels, target.labels if target else {})
                asked, value = series.points[-1]
                told.samples.append(Sample(series.name, labels, value, times.get(series.labels, asked)))
                speaking.add(labels.get("instance", ""))
        for (_, address), target in targets.items():
            if address not in speaking:
                told.down[address] = self._silent(address, up=target.points[-1].value == 1)

    def _silent(self, address: str, *, up: bool) -> PurveyorError:
        why = (
            "it has nothing to say at present, as while it reloads"
            if up
            else "the server cannot scrape it at present"
        )
        return ProviderUnavailableError(
            f"{address}: {why}", provider=self._provider, details={"target": address}
        )


def _target(labels: Mapping[str, str]) -> _Target:
    return labels.get("job", ""), labels.get("instance", "")


def _foreign(labels: Labels, its_own: Mapping[str, str]) -> Labels:
    """The labels without the pod that the exporter itself runs in, which a GPU has that is given to nobody."""
    if not its_own.get("pod") or labels.get("pod") != its_own["pod"]:
        return labels
    return Labels({name: value for name, value in labels.items() if name not in _WORKLOAD})


def _queries(match: Mapping[str, str]) -> dict[str, str]:
    """Values, their times, and the exporters that they are from.

    An answer says when it was asked for, not when its values were measured. ``timestamp`` does, of one name at a time;
    labels are the same for all names.
    """
    wanted = "".join(f",{name}={json.dumps(value, ensure_ascii=False)}" for name, value in match.items())
    all_names = f'{{__name__=~"{"|".join(NAMES)}"{wanted}}}'
    return {
        "values": all_names,
        "times": " or ".join(f"timestamp({name}{{{wanted[1:]}}})" for name in NAMES),
        "targets": f"up and on (job, instance) count by (job, instance) (last_over_time({all_names}[1h]))",
    }
