"""From plain values to attrs classes, strictly, with every mistake and its path."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

from purveyor.spi.call import SecretRef

__all__ = ["Mistake", "Shaper"]

T = TypeVar("T")

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@attrs.frozen
class Mistake:
    """One thing that is wrong, and where: ``providers[0].weight``."""

    path: str
    message: str

    @classmethod
    def unknown(cls, path: str, kind: str, word: object, known: Iterable[str]) -> Mistake:
        """A word that nobody knows, with the nearest that somebody does."""
        names = sorted(known)
        near = difflib.get_close_matches(str(word), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names) or 'none'}"
        return cls(path, f"no {kind} is called {word!r}; {hint}")


class Shaper:
    """Shapes values and gathers mistakes instead of stopping at the first."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        self._converter = _converter()

    def shape(self, value: Any, to: type[T], path: str, *, also: Collection[str] = ()) -> T | None:
        """The value as ``to``, or None with the mistakes noted. ``also`` are keys to suggest beside its own."""
        try:
            return self._converter.structure(value, to)
        except BaseValidationError as group:
            self._walk(group, path, to, also)
        except (TypeError, ValueError) as exc:
            self.mistakes.append(Mistake(path, str(exc)))
        return None

    def _walk(self, group: BaseException, path: str, to: Any, also: Collection[str]) -> None:
        if isinstance(group, ForbiddenExtraKeysError):
            known = [field.name for field in attrs.fields(group.cl)] if attrs.has(group.cl) else []
            for key in sorted(map(str, group.extra_fields)):
                self.mistakes.append(Mistake.unknown(_join(path, key), "setting", key, [*known, *also]))
        elif isinstance(group, BaseExceptionGroup):
            for one in group.exceptions:
                self._walk(one, path + _place(one), to, also)
        elif isinstance(group, KeyError):
            self.mistakes.append(Mistake(_join(path, str(group.args[0])), "is missing"))
        else:
            self.mistakes.append(Mistake(path.lstrip("."), str(group)))


def _place(error: BaseException) -> str:
    """Where cattrs says that an error belongs, as a piece of a path."""
    for note in getattr(error, "__notes__", ()):
        index, name = getattr(note, "index", None), getattr(note, "name", None)
        if index is not None:
            return f"[{index}]"
        if name is not None and not isinstance(error, KeyError):
            return f".{name}"
    return ""


def _join(path: str, key: str) -> str:
    return f"{path}.{key}".lstrip(".")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for exact in (str, int, bool):
        converter.register_structure_hook(exact, _exactly)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(SecretRef, _secret)
    return converter


def _exactly(value: Any, to: type[Any]) -> Any:
    if type(value) is not to:
        msg = f"must be {_WORDS[to]}, not {_told(value)}"
        raise TypeError(msg)
    return value


def _secret(value: Any, _: type) -> SecretRef:
    if not isinstance(value, str) or not value:
        msg = "must be text such as env:NAME or file:PATH"
        raise TypeError(msg)
    return SecretRef(value)


def _number(value: Any, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"must be a number, not {_told(value)}"
        raise TypeError(msg)
    return float(value)


def _decimal(value: Any, _: type) -> Decimal:
    try:
        return Decimal(str(_number(value, float) if not isinstance(value, str) else value))
    except InvalidOperation:
        msg = f"must be a number, not {_told(value)}"
        raise ValueError(msg) from None


def _told(value: object) -> str:
    """What was found, without quoting what may be long or secret."""
    if isinstance(value, str):
        return "text" if len(value) > 20 else repr(value)
    return (
        "nothing"
        if value is None
        else repr(value)
        if isinstance(value, bool | int | float)
        else f"a {type(value).__name__}"
    )
