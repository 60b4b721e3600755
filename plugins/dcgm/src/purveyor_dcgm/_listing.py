"""One listing of what many say: each resource once, and everybody heard before somebody is called absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from purveyor.plugin import PurveyorError, ResourceMetrics

__all__ = ["Listing"]


@attrs.define
class Listing:
    """What has been shown, and what waits.

    Exporters are heard as they answer. What servers tell waits until all of these have answered, since an exporter's own
    word counts; who is absent waits until servers have told, since they may reach whom we do not.
    """

    _heard: set[str] = attrs.field(factory=set)
    _absent: dict[str, ResourceMetrics] = attrs.field(factory=dict)
    _missed: set[str] = attrs.field(factory=set)
    _others: Mapping[str, ResourceMetrics] | None = None

    def servers_told(self, resources: Iterable[ResourceMetrics]) -> None:
        """Take what servers tell; nothing, where there are none."""
        self._others = {one.id: one for one in resources}

    def exporters_told(self, resources: Iterable[ResourceMetrics]) -> list[ResourceMetrics]:
        """Take what exporters tell; returns what can be shown now."""
        fresh: dict[str, ResourceMetrics] = {}
        for one in resources:
            if one.absent:
                self._absent.setdefault(one.id, one)
            elif one.id not in self._heard:
                fresh[one.id] = one
        self._heard |= _names(fresh.values())
        return [*fresh.values(), *self._surely_absent()]

    def rest(self) -> list[ResourceMetrics]:
        """What servers tell of resources that have not spoken themselves, once all exporters have been heard."""
        return [one for one in (self._others or {}).values() if not _names([one]) & self._heard]

    def complaints(self, down: Mapping[str, PurveyorError]) -> tuple[PurveyorError, ...]:
        """The errors about exporters, by address, that have not spoken themselves."""
        return tuple(error for address, error in down.items() if address not in self._heard)

    def _surely_absent(self) -> list[ResourceMetrics]:
        if self._others is None:
            return []
        found = {
            name: one for name, one in self._absent.items() if name not in self._others.keys() | self._missed
        }
        self._missed |= found.keys()
        return list(found.values())


def _names(resources: Iterable[ResourceMetrics]) -> set[str]:
    """Ids of resources and of the GPUs in them, by either of which somebody else may tell of them again."""
    return {
        name for one in resources for name in (one.id, *(gpu.id.partition("/")[0] for gpu in one.gpus or ()))
    }
