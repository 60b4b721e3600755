"""YAML without surprises: only ``true`` and ``false`` are booleans, dates stay text, keys are not repeated."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

__all__ = ["load_yaml"]

_MOST_VALUES = 100_000
"""Most values that a document may come to once its aliases are followed."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "bool": (r"true|false", "tf"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
    "null": (r"null|~|", ["n", "~", ""]),
    "merge": (r"<<", "<"),
}
"""What is not text; of PyYAML's own rules, a time such as ``22:22`` is a number and ``010`` is eight."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with plainer rules."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Refuse a key that is there twice."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    msg = f"the key {key.value!r} is there twice, in {_where(key.start_mark)}"
                    raise ValueError(msg)
                seen.add(key.value)
        return node

    def construct_document(self, node: Any) -> Any:
        """Bound what aliases may grow to."""
        if _weight(node, {}) > _MOST_VALUES:
            msg = f"its aliases make it more than {_MOST_VALUES} values long"
            raise ValueError(msg)
        return super().construct_document(node)


for _kind, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def load_yaml(text: str) -> Any:
    """The document as plain values.

    Raises:
        ValueError: It is not YAML, repeats a key, or its aliases grow too much; says where.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as exc:  # its own text quotes the line, which may hold a secret
        mark = exc.problem_mark or exc.context_mark
        msg = f"{exc.problem or exc.context}, in {_where(mark)}"
        raise ValueError(msg) from None
    except yaml.YAMLError as exc:
        msg = " ".join(str(exc).split())
        raise ValueError(msg) from None


def _weight(node: Any, known: dict[int, float]) -> float:
    """How many values a node stands for; an alias within what it names never ends."""
    if id(node) not in known:
        known[id(node)] = math.inf
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for one in inside for part in (one if isinstance(one, tuple) else (one,))]
        known[id(node)] = 1 + sum(_weight(part, known) for part in parts)
    return known[id(node)]


def _where(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
