"""From samples to GPUs: which GPU each sample is about, and what is known of each.

The same number may be there several times: once for every MIG instance, once for every pod that shares a GPU, and, from
a server, once more for the pod that had the GPU a minute ago. The newest counts, and of equally new ones the largest;
nothing is ever added up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs

from purveyor.plugin import GpuMetrics, Labels, Sample
from purveyor_dcgm._fields import NAMES, OURS, of_the_board, value_of

__all__ = ["Seen", "Whose", "gpus", "held", "look"]


class Whose(NamedTuple):
    """What a sample is about.

    Attributes:
        uuid: Of the GPU; a MIG instance has its parent's.
        part: Id of the MIG instance; empty for the whole GPU.
        number: Its number within the machine.
        container: Whom it is given to, as ``namespace/pod/container``; empty for nobody.
        instance: The exporter's address.
        host: The machine's name, as the exporter knows it.
        labels: All labels but those that are said above.
    """

    uuid: str
    part: str
    profile: str
    number: str
    model: str
    container: str
    instance: str
    host: str
    labels: Labels


class Reading(NamedTuple):
    """One number; newer is more, and among equally new ones larger is more."""

    time: float
    value: float


@attrs.define
class Seen:
    """All that is said in one way of one GPU.

    Attributes:
        time: Seconds since 1970 of the newest sample; 0 where samples have no times.
        fields: By the names of ``FIELDS``.
    """

    time: float = 0.0
    fields: dict[str, Reading] = attrs.field(factory=dict)


_NEVER = 253_402_300_800.0
"""The end of the year 9999, in seconds since 1970."""
_UUID = ("UUID", "uuid")
_PLACES = ("instance", "Hostname", "hostname")
_ABOUT = ("gpu", "modelName", "GPU_I_ID", "GPU_I_PROFILE")
_HOLDERS = (
    ("exported_namespace", "exported_pod", "exported_container"),
    ("namespace", "pod", "container"),
    ("pod_namespace", "pod_name", "container_name"),
)
"""Where servers find a label that they have themselves, they rename the exporter's."""
_PASSING = ("err_code", "err_msg", "pod_uid", "vgpu", "exported_pod_uid")
"""They change with the number, or tell copies of it apart."""
_SAID = frozenset({*_UUID, *_PLACES, *_ABOUT, *_PASSING, *(label for holder in _HOLDERS for label in holder)})


def look(samples: Iterable[Sample], instance: str = "") -> dict[Whose, Seen]:
    """What is said, by whom it is said of.

    A GPU of which only unknown fields are told is there without any.

    Args:
        samples: All samples, whatever they are of.
        instance: The address that they are from, where they do not say so themselves.
    """
    found: dict[Whose, Seen] = {}
    known: dict[Labels, Seen | None] = {}
    for sample in samples:
        if not sample.name.startswith(OURS):
            continue
        if sample.labels not in known:
            whose = _whose(sample.labels, instance)
            known[sample.labels] = None if whose is None else found.setdefault(whose, Seen())
        seen = known[sample.labels]
        if seen is not None:
            _add(seen, sample)
    return found


def _add(seen: Seen, sample: Sample) -> None:
    time = sample.timestamp if sample.timestamp and 0 < sample.timestamp < _NEVER else 0.0
    seen.time = max(seen.time, time)
    field = NAMES.get(sample.name)
    value = None if field is None else value_of(field, sample.value)
    if field is not None and value is not None:
        reading = Reading(time, value)
        seen.fields[field] = max(reading, seen.fields.get(field, reading))


def _whose(labels: Labels, instance: str) -> Whose | None:
    uuid = _text(labels, *_UUID)
    if not uuid:
        return None  # a switch, a link, a CPU
    return Whose(
        uuid=uuid,
        part=_text(labels, "GPU_I_ID"),
        profile=_text(labels, "GPU_I_PROFILE"),
        number=_text(labels, "gpu"),
        model=_text(labels, "modelName"),
        container=_container(labels),
        instance=labels.get("instance") or instance,
        host=_text(labels, "Hostname", "hostname"),
        labels=Labels({name: value for name, value in labels.items() if value and name not in _SAID}),
    )


def _text(labels: Mapping[str, str], *names: str) -> str:
    """The first label that says something; DCGM has texts, too, that say why there is none (``<<<NULL>>>``)."""
    told = (labels.get(name, "") for name in names)
    return next((one for one in told if one and not one.startswith("<<<")), "")


def _container(labels: Mapping[str, str]) -> str:
    """A namespace without a pod is the exporter's, or its target's."""
    for holder in _HOLDERS:
        if labels.get(holder[1]):
            return "/".join(labels[name] for name in holder if labels.get(name))
    return ""


def gpus(seen: Mapping[Whose, Seen]) -> list[tuple[Whose, list[GpuMetrics]]]:
    """Each GPU once, in the order of their numbers, each with its MIG instances behind it; and where it is."""
    cards: dict[str, dict[Whose, Seen]] = defaultdict(dict)
    for whose, one in seen.items():
        cards[whose.uuid][whose] = one
    found = [(_newest(card), _card(card)) for card in cards.values()]
    return sorted(found, key=lambda one: (_number(one[0].number), one[0].uuid))


def held(seen: Mapping[Whose, Seen]) -> dict[str, dict[Whose, list[GpuMetrics]]]:
    """By container what it is given, without what is the whole board's."""
    rooms: dict[tuple[str, str], dict[Whose, Seen]] = defaultdict(dict)
    for whose, one in seen.items():
        rooms[whose.uuid, whose.part][whose] = one
    found: dict[str, dict[Whose, list[GpuMetrics]]] = defaultdict(dict)
    for room in sorted(
        rooms.values(), key=lambda one: (_number(_newest(one).number), _number(_newest(one).part))
    ):
        for container in _containers(room):
            its = {whose: one for whose, one in room.items() if whose.container == container}
            found[container][_newest(its)] = [_gpu(its, lambda field: not of_the_board(field))]
    return found


def _card(card: Mapping[Whose, Seen]) -> list[GpuMetrics]:
    """The GPU and its MIG instances."""
    parts: dict[str, dict[Whose, Seen]] = defaultdict(dict)
    for whose, one in card.items():
        parts[whose.part][whose] = one
    whole = parts.pop("", {})
    # Cut into instances, a GPU has no utilization that is measured: old drivers say 0.
    fields = _best(whole, lambda field: not (parts and field == "utilization"))
    fields |= _best(card, of_the_board)
    newest = _newest(whole or card)._replace(part="", profile="")
    first = _made(newest, card, fields)
    rest = [_gpu(parts[part], lambda field: not of_the_board(field)) for part in sorted(parts, key=_number)]
    return [first, *rest]


def _gpu(seen: Mapping[Whose, Seen], wanted: Callable[[str], bool]) -> GpuMetrics:
    whose, fields = _newest(seen), _best(seen, wanted)
    if whose.part:
        fields.pop("utilization", None)
        if "engine_active" in fields:
            fields["utilization"] = fields["engine_active"]
    return _made(whose, seen, fields)


def _made(whose: Whose, seen: Mapping[Whose, Seen], fields: Mapping[str, Reading]) -> GpuMetrics:
    amounts: dict[str, Any] = {field: reading.value for field, reading in fields.items()}
    free = amounts.pop("memory_free", None)
    if free is not None and "memory_used" in amounts:
        amounts["memory_limit"] = amounts["memory_used"] + free
    if "error" in amounts:
        amounts["error"] = int(amounts["error"])
    time = max(one.time for one in seen.values())
    return GpuMetrics(
        id=f"{whose.uuid}/{whose.part}" if whose.part else whose.uuid,
        index=whose.number,
        model=whose.model,
        profile=whose.profile or ("unknown" if whose.part else ""),
        containers=_containers(seen),
        time=datetime.fromtimestamp(time, UTC) if time else None,
        labels=whose.labels,
        **amounts,
    )


def _best(seen: Mapping[Whose, Seen], wanted: Callable[[str], bool]) -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    for one in seen.values():
        for field, reading in one.fields.items():
            if wanted(field):
                found[field] = max(reading, found.get(field, reading))
    return found


def _newest(seen: Mapping[Whose, Seen]) -> Whose:
    return max(seen, key=lambda whose: (seen[whose].time, whose.container, whose.part))


def _containers(seen: Mapping[Whose, Seen]) -> tuple[str, ...]:
    """Who has it now; who had it before is in older samples only."""
    newest: dict[str, float] = defaultdict(float)
    for whose, one in seen.items():
        newest[whose.part] = max(newest[whose.part], one.time)
    found = {whose.container for whose, one in seen.items() if one.time == newest[whose.part]}
    return tuple(sorted(found - {""}))


def _number(text: str) -> tuple[int, str]:
    """Sorts numbers by their size, before everything else."""
    return (int(text), "") if text.isdecimal() and len(text) < 10 else (2**31, text)
