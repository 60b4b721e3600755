"""From our requests to the bodies that an API takes: what is checked and put together the same way everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs

from purveyor.model.errors import InvalidActionError
from purveyor.spi.call import Effect, Mark
from purveyor.spi.facets import ActionRequest, CreateRequest
from purveyor.wire.address import unsendable

__all__ = ["Deed", "checked_extra", "encoded", "extra_texts", "flag", "machine_tags", "user_data_bytes"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@attrs.frozen
class Deed:
    """What one of our actions is in an API.

    Attributes:
        name: The vendor's word.
        effect: What repeating it would do.
        needs: Our parameter to the API's field, for what must be given.
        takes: The same for what may be given.
    """

    name: str
    effect: Effect
    needs: Mapping[str, str] = attrs.field(factory=dict)
    takes: Mapping[str, str] = attrs.field(factory=dict)

    def fields(
        self, request: ActionRequest, values: Mapping[str, Callable[[str], Any]] | None = None
    ) -> dict[str, Any]:
        """The API's fields for an action's parameters.

        Args:
            request: What to do.
            values: Parameter to what makes the API's value of the text.

        Raises:
            InvalidActionError: A parameter is missing or none of the action's.
        """
        name, given, known = request.action.value, request.parameters, {**self.needs, **self.takes}
        for parameter in self.needs:
            if not given.get(parameter):
                raise unsendable(f"{name} needs the parameter {parameter}", parameter, InvalidActionError)
        strange = min(given.keys() - known.keys(), default=None)
        if strange is not None:
            raise unsendable(f"{name} has no parameter {strange}", strange, InvalidActionError)
        return {known[one]: (values or {}).get(one, str)(text) for one, text in given.items()}


def flag(parameter: str) -> Callable[[str], bool]:
    """Reads a parameter of an action that is true or false."""

    def read(text: str) -> bool:
        if text not in {"true", "false"}:
            raise unsendable(f"{parameter} is true or false", parameter, InvalidActionError)
        return text == "true"

    return read


def checked_extra(request: CreateRequest, said: Collection[str]) -> Mapping[str, Any]:
    """The extra fields of a request, if none of them is what the request says itself.

    Raises:
        ValidationError: One is.
    """
    clash = min(request.extra.keys() & said, default=None)
    if clash is not None:
        raise unsendable(f"{clash} is said by the request itself", "per_provider")
    return request.extra


def extra_texts(request: CreateRequest, field: str) -> Sequence[str]:
    """A list among the extra fields that ours is added to.

    Raises:
        ValidationError: It is no list of texts.
    """
    given = request.extra.get(field) or ()
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise unsendable(f"{field} is a list of texts", "per_provider")
    return given


def machine_tags(request: CreateRequest, always: Iterable[str], mark: Mark | None) -> list[str]:
    """All tags of a machine to make, each once, its mark among them.

    Args:
        request: What is wanted; an extra field ``tags`` may have more of them.
        always: Tags of all the account's machines.
        mark: What the machine must carry.

    Raises:
        ValidationError: There is no mark, or the extra tags are no list of texts.
    """
    if mark is None:
        raise unsendable("a machine without a mark could not be found again", "mark")
    return list(dict.fromkeys((*always, *request.tags, *extra_texts(request, "tags"), mark.text)))


def user_data_bytes(text: str, limit: int, vendor: str) -> bytes:
    """User data as it goes out, before any coding.

    Raises:
        ValidationError: It is longer than the vendor takes, or no text.
    """
    data = b""
    with suppress(UnicodeEncodeError):
        data = text.encode()
    if text and not data:
        raise unsendable("user_data holds what is no character", "user_data")
    if len(data) > limit:
        error = unsendable(f"user_data has {len(data)} bytes; {vendor} takes {limit}", "user_data")
        error.details.update(size=len(data), limit=limit)
        raise error
    return data


def encoded(body: Any) -> bytes:
    """A body as JSON.

    Raises:
        ValidationError: A part of it cannot be written; the part is named, and its value never shown.
    """
    data = _json(body)
    if data is None:
        parts = body.items() if isinstance(body, dict) else ()
        field = next((ascii(key).strip("'") for key, part in parts if _json({key: part}) is None), "json")
        raise unsendable(f"{field} cannot be written as JSON", field)
    return data


def _json(value: Any) -> bytes | None:
    # The encoder's errors may show the value, so ours is raised where no trace of them stays.
    with suppress(TypeError, ValueError, RecursionError):
        return _ENCODER.encode(value).encode()
    return None
