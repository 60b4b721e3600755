"""From plain values to attrs classes, strictly, with every mistake and its path."""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast

import attrs
import cattrs

from purveyor.spi.call import SecretRef

__all__ = ["FromEnvironment", "Mistake", "Shaper"]

T = TypeVar("T")

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_LISTS = frozenset({list, tuple, set, frozenset})
_MAPPINGS = frozenset({dict, Mapping})


class FromEnvironment(str):
    """Text that ``${VAR}`` was a part of: it may stand for a number, and it is never quoted."""

    __slots__ = ()


@attrs.frozen
class Mistake:
    """One thing that is wrong, and where: ``providers[0].weight``."""

    path: str
    message: str

    @classmethod
    def unknown(cls, path: str, kind: str, word: object, known: Iterable[str]) -> Mistake:
        """A word that nobody knows, with the nearest that somebody does."""
        names = sorted(set(known))
        near = difflib.get_close_matches(str(word), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names) or 'none'}"
        return cls(path, f"no {kind} is called {word!r}; {hint}")


class Shaper:
    """Shapes values and gathers mistakes instead of stopping at the first."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        self._converter = _converter()

    def shape(self, value: Any, to: type[T], path: str, *, also: Collection[str] = ()) -> T | None:
        """The value as attrs class ``to``, or None with the mistakes noted.

        ``also`` are keys to suggest beside its own.
        """
        if not isinstance(value, Mapping):
            self._wrong(path, f"must be a mapping, not {_told(value)}")
            return None
        before = len(self.mistakes)
        fields = {field.name: field for field in _fields(to) if field.init}
        for key in sorted(map(str, value.keys() - fields.keys())):
            self.mistakes.append(Mistake.unknown(_join(path, key), "setting", key, [*fields, *also]))
        made: dict[str, Any] = {}
        for name, field in fields.items():
            optional = field.default is not attrs.NOTHING
            if name not in value or (optional and value[name] is None and _holds_others(field.type)):
                if not optional:
                    self._wrong(_join(path, name), "is missing")
                continue
            made[field.alias or name] = self._value(value[name], field.type, _join(path, name))
        return self._build(to, made, path) if len(self.mistakes) == before else None

    def _build(self, to: type[T], made: Mapping[str, Any], path: str) -> T | None:
        """The object, or None with what its validators say, each beside its field."""
        try:
            return to(**made)
        except (TypeError, ValueError) as exc:
            before = len(self.mistakes)
            for field in _fields(to):
                if field.validator is not None and (field.alias or "") in made:
                    try:
                        field.validator(types.SimpleNamespace(**made), field, made[field.alias or ""])
                    except (TypeError, ValueError) as one:
                        self._wrong(_join(path, field.name), str(one))
            if len(self.mistakes) == before:
                self._wrong(path, str(exc))
        return None

    def _value(self, value: Any, to: Any, path: str) -> Any:
        """One value as a type that a field may have."""
        origin, arguments = _form(to)
        if origin in {typing.Union, types.UnionType} and len(arguments) == 2 and type(None) in arguments:
            (only,) = set(arguments) - {type(None)}
            return None if value is None else self._value(value, only, path)
        if attrs.has(to) and to is not SecretRef:
            return self.shape(value, to, path)
        if origin in _LISTS and isinstance(value, list | tuple):
            return origin(self._value(one, arguments[0], f"{path}[{at}]") for at, one in enumerate(value))
        if origin in _MAPPINGS and isinstance(value, Mapping):
            return {str(key): self._value(one, arguments[1], _join(path, key)) for key, one in value.items()}
        if origin in _LISTS | _MAPPINGS:
            kind = "list" if origin in _LISTS else "mapping"
            return self._wrong(path, f"must be a {kind}, not {_told(value)}")
        return self._leaf(value, to, path)

    def _leaf(self, value: Any, to: Any, path: str) -> Any:
        if to in {None, Any}:
            return value
        if isinstance(value, FromEnvironment):
            value = _meant(value, to)
        try:
            return self._converter.structure(value, to)
        except (TypeError, ValueError) as exc:
            return self._wrong(path, str(exc))

    def _wrong(self, path: str, message: str) -> None:
        self.mistakes.append(Mistake(path, message))


def _holds_others(to: Any) -> bool:
    """Whether an empty entry, such as a heading whose every line is a comment, is as good as none."""
    return attrs.has(to) or typing.get_origin(to) in _LISTS | _MAPPINGS


def _form(to: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a type is made of; nothing for tuples of fixed length, which are left to cattrs."""
    origin, arguments = typing.get_origin(to), typing.get_args(to)
    return (None, ()) if origin is tuple and arguments[1:] != (...,) else (origin, arguments)


def _fields(to: type) -> tuple[attrs.Attribute[Any], ...]:
    return cast("tuple[attrs.Attribute[Any], ...]", attrs.fields(attrs.resolve_types(to)))


def _join(path: str, key: object) -> str:
    return f"{path}.{key}".lstrip(".")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    for exact in (str, int, bool):
        converter.register_structure_hook(exact, _exactly)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(SecretRef, _secret)
    return converter


def _meant(text: FromEnvironment, to: Any) -> Any:
    """The environment only has text; where a number or a switch is wanted, what the text says is taken."""
    if to is bool and text in {"true", "false"}:
        return text == "true"
    if to in {int, float}:
        try:
            return to(text)
        except ValueError:
            return text
    return text if to is bool else str(text)


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
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"must be a number, not {_told(value)}"
        raise TypeError(msg)
    return float(value)


def _decimal(value: Any, _: type) -> Decimal:
    try:
        number = Decimal(value if isinstance(value, str) else str(_number(value, float)))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        msg = f"must be a number, not {_told(value)}"
        raise ValueError(msg)
    return number


def _told(value: object) -> str:
    """What was found, without quoting what may be long or secret."""
    if isinstance(value, str):
        return "text" if len(value) > 8 or isinstance(value, FromEnvironment) else repr(value)
    return (
        "nothing"
        if value is None
        else repr(value)
        if isinstance(value, bool | int | float)
        else f"a {type(value).__name__}"
    )
