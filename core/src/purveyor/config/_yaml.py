"""YAML without surprises: only ``true`` and ``false`` are booleans, dates stay text, keys are not repeated."""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["load_yaml"]

_MAX_ALIASES = 100


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with plainer rules."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Bound the aliases: a handful that refer to one another grow without end."""
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > _MAX_ALIASES:
                msg = f"more than {_MAX_ALIASES} aliases"
                raise ValueError(msg)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                msg = f"the key {key!r} is there twice, {str(node.start_mark).strip()}"
                raise ValueError(msg)
        return super().construct_mapping(node, deep)


_SURPRISES = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag not in _SURPRISES]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


def load_yaml(text: str) -> Any:
    """The document as plain values.

    Raises:
        ValueError: It is not YAML, repeats a key, or has too many aliases; says where.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as exc:
        msg = " ".join(str(exc).split())
        raise ValueError(msg) from exc
