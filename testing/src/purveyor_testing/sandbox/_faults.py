"""Faults by name: what they are called, which options they take, which request they hit."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs

_NUMBER: tuple[type, ...] = (int, float)
_MIB = 1024 * 1024

# name -> option -> (accepted types, default)
FAULTS: dict[str, dict[str, tuple[tuple[type, ...], Any]]] = {
    "latency": {"seconds": (_NUMBER, 1.0)},
    "hang": {},
    "reset_before": {},
    "reset_after": {},
    "late_effect": {"seconds": (_NUMBER, 1.0), "hang": ((bool,), False)},
    "error_before": {"status": ((int,), 500), "message": ((str, type(None)), None)},
    "error_after": {"status": ((int,), 500), "message": ((str, type(None)), None)},
    "rate_limit": {"retry_after": ((int, float, str, type(None)), 1)},
    "truncate": {},
    "garbage": {"size": ((int,), 512), "effect": ((bool,), True)},
    "html": {"status": ((int,), 502), "effect": ((bool,), False)},
    "empty": {},
    "wrong_types": {"row": ((int, type(None)), None), "fields": ((list, type(None)), None)},
    "list_lag": {"seconds": (_NUMBER, 5.0)},
    "page_shift": {},
    "no_capacity": {},
    "quota": {},
    "redirect": {"location": ((str, type(None)), None), "status": ((int,), 302)},
    "bomb": {"size": ((int,), 300 * _MIB), "layers": ((int,), 1)},
    "drip": {"interval": (_NUMBER, 0.1)},
    "scope": {},
}

SOFT = frozenset({"latency", "list_lag", "page_shift"})
"""Faults that change how a request is served and leave its answer alone; any number may apply at once."""


class FaultError(ValueError):
    """A fault that does not exist, or options it does not take."""


@attrs.frozen(kw_only=True)
class Fault:
    """One standing fault: what to do to which requests, and how often."""

    name: str
    method: str | None = None
    path: str | None = None
    """Exact, or with ``*`` and ``?`` as in a shell; a trailing slash does not matter."""
    query: Mapping[str, str] = attrs.field(factory=dict)
    """Parameters that must be present with these values."""
    times: int | None = 1
    """How many requests it hits; None is until cleared."""
    options: Mapping[str, Any] = attrs.field(factory=dict)

    def hits(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Whether this request is one it is meant for."""
        if self.name == "page_shift" and not _is_later_page(query):
            return False
        return (
            self.method in (None, method)
            and (self.path is None or fnmatchcase(path.rstrip("/"), self.path.rstrip("/")))
            and self.query.items() <= query.items()
        )


def _is_later_page(query: Mapping[str, str]) -> bool:
    page = query.get("page", "1")
    return page.isdecimal() and int(page) > 1


def make_fault(
    name: str,
    *,
    method: str | None = None,
    path: str | None = None,
    query: Mapping[str, Any] | None = None,
    times: int | None = 1,
    **options: Any,
) -> Fault:
    """A checked fault with its defaults filled in."""
    if name not in FAULTS:
        raise FaultError(f"no such fault: {name!r}; there are {', '.join(sorted(FAULTS))}")
    if times is not None and (isinstance(times, bool) or times < 1):
        raise FaultError("times must be a positive number, or null for every time")
    return Fault(
        name=name,
        method=method.upper() if method else None,
        path=path,
        query={key: str(value) for key, value in (query or {}).items()},
        times=times,
        options=_checked_options(name, options),
    )


def _checked_options(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    known = FAULTS[name]
    if unknown := given.keys() - known.keys():
        takes = ", ".join(known) or "no options"
        raise FaultError(f"{name} does not take {', '.join(sorted(unknown))}; it takes {takes}")
    for key, value in given.items():
        if not _fits(value, known[key][0]):
            raise FaultError(f"{name}.{key} cannot be {value!r}")
    return {key: given.get(key, default) for key, (_, default) in known.items()}


def _fits(value: object, types: tuple[type, ...]) -> bool:
    # In Python a boolean is an integer; in JSON it is not.
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def parse_fault(body: object) -> Fault:
    """A fault from the control endpoint's JSON."""
    if not isinstance(body, dict) or not isinstance(body.get("fault"), str):
        raise FaultError('expected {"fault": NAME, "match": {"method": …, "path": …}, "times": 1, …}')
    options = {key: value for key, value in body.items() if key not in ("fault", "match", "times")}
    times = body.get("times", 1)
    if times is not None and not _fits(times, (int,)):
        raise FaultError("times must be a positive number, or null for every time")
    if reserved := options.keys() & {"method", "path", "query"}:
        raise FaultError(f"{', '.join(sorted(reserved))} belongs in match")
    return make_fault(body["fault"], times=times, **_parse_match(body.get("match")), **options)


def _parse_match(match: object) -> dict[str, Any]:
    if match is None:
        return {}
    if not isinstance(match, dict) or match.keys() - {"method", "path", "query"}:
        raise FaultError("match takes method, path and query")
    wanted: dict[str, tuple[type, ...]] = {"method": (str,), "path": (str,), "query": (dict,)}
    for key, value in match.items():
        if value is not None and not isinstance(value, wanted[key]):
            raise FaultError(f"match.{key} cannot be {value!r}")
    return match


@attrs.define(eq=False)
class FaultBook:
    """The standing faults, oldest first."""

    _standing: list[Fault] = attrs.field(factory=list, init=False)

    def add(self, fault: Fault) -> None:
        """Let it stand from the next request on."""
        self._standing.append(fault)

    def clear(self) -> None:
        """Take every fault away."""
        self._standing.clear()

    def standing(self) -> list[Fault]:
        """What stands now."""
        return list(self._standing)

    def take(self, method: str, path: str, query: Mapping[str, str]) -> list[Fault]:
        """The faults for this request: every soft one that hits, and the oldest other; each counts down."""
        taken: list[Fault] = []
        for fault in self.standing():
            hard_taken = any(one.name not in SOFT for one in taken)
            if fault.hits(method, path, query) and (fault.name in SOFT or not hard_taken):
                taken.append(fault)
                self._count_down(fault)
        return taken

    def _count_down(self, fault: Fault) -> None:
        if fault.times is None:
            return
        index = next(i for i, one in enumerate(self._standing) if one is fault)
        if fault.times == 1:
            del self._standing[index]
        else:
            self._standing[index] = attrs.evolve(fault, times=fault.times - 1)
