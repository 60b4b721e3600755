"""From GPUs to resources: the machines that they are in, and the containers that they are given to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from purveyor.plugin import GpuMetrics, Labels, ResourceKind, ResourceMetrics, Sample
from purveyor_dcgm._gpus import Whose, gpus, held, look
from purveyor_prometheus.sources import Places

__all__ = ["SOURCE", "Mapper"]

SOURCE = "dcgm"

_OF_ONE_GPU = frozenset({"device", "pci_bus_id"})


class Mapper:
    """Makes resources of samples.

    Args:
        provider: Name of the provider.
        places: Whose machines and deployments these are.
    """

    def __init__(self, provider: str, places: Places) -> None:
        self._provider = provider
        self._places = places

    def resources(
        self, samples: Iterable[Sample], now: datetime, instance: str = ""
    ) -> list[ResourceMetrics]:
        """The machines with their GPUs, and then the containers with what they are given of these.

        Args:
            samples: All samples of an exporter, or of many.
            now: The time that samples without one are of.
            instance: The exporter's address, where the samples do not say it.
        """
        seen = look(samples, instance)
        hosts: dict[tuple[str, str], list[tuple[Whose, list[GpuMetrics]]]] = defaultdict(list)
        for whose, card in gpus(seen):
            hosts[whose.instance, whose.host].append((whose, card))
        names = _names(hosts)
        found = [self._host(names[place], cards, now) for place, cards in hosts.items()]
        found += [self._container(name, given, now) for name, given in held(seen).items()]
        return found

    def without(self, instance: str, now: datetime, *, absent: bool) -> ResourceMetrics:
        """A machine without GPUs, or one that has nobody who could tell of them (``absent``)."""
        labels = Labels({"instance": instance})
        return ResourceMetrics(
            provider=self._provider,
            id=instance,
            time=now,
            source=SOURCE,
            instance_id=self._places.instance(instance, labels),
            deployment=self._places.deployment(instance, labels),
            gpus=None if absent else (),
            absent=(SOURCE,) if absent else (),
            labels=labels,
        )

    def _host(
        self, name: str, cards: Sequence[tuple[Whose, list[GpuMetrics]]], now: datetime
    ) -> ResourceMetrics:
        return self._resource(ResourceKind.HOST, name, dict(cards), {}, now)

    def _container(
        self, name: str, given: Mapping[Whose, list[GpuMetrics]], now: datetime
    ) -> ResourceMetrics:
        parts = dict(zip(("container", "pod", "namespace"), reversed(name.split("/")), strict=False))
        return self._resource(ResourceKind.CONTAINER, name, given, parts, now)

    def _resource(
        self,
        kind: ResourceKind,
        name: str,
        cards: Mapping[Whose, list[GpuMetrics]],
        more: Mapping[str, str],
        now: datetime,
    ) -> ResourceMetrics:
        whose = next(iter(cards))
        places = {"instance": whose.instance, "Hostname": whose.host}
        labels = Labels({**_common(cards), **{key: text for key, text in places.items() if text}, **more})
        shown = tuple(gpu for card in cards.values() for gpu in card)
        return ResourceMetrics(
            provider=self._provider,
            id=name,
            time=max((gpu.time for gpu in shown if gpu.time is not None), default=now),
            source=SOURCE,
            kind=kind,
            instance_id=self._places.instance(name, labels, whose.host),
            deployment=self._places.deployment(name, labels, whose.host),
            gpus=shown,
            labels=labels,
        )


def _names(places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A machine is known by its exporter's address; by its own name as well where one address tells of several."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for instance, host in places:
        hosts[instance].append(host)
    return {
        (instance, host): "/".join(part for part in (instance, host if len(its) > 1 else "") if part)
        or host
        or "unknown"
        for instance, its in hosts.items()
        for host in its
    }


def _common(cards: Iterable[Whose]) -> dict[str, str]:
    """The labels that all of them have, but for those that tell one GPU from another."""
    shared = set.intersection(*(set(whose.labels.items()) for whose in cards))
    return {name: value for name, value in sorted(shared) if name not in _OF_ONE_GPU}
