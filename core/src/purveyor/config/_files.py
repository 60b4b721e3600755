"""Finding and reading the configuration file."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from purveyor.model.errors import ConfigurationError

__all__ = ["FILE_NAMES", "find_file", "read_file"]

FILE_NAMES = ("purveyor.yaml", "purveyor.yml", "purveyor.toml", "purveyor.json")


def find_file(path: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: the given one, ``$PURVEYOR_CONFIG``, the working folder's, the user's.

    Raises:
        ConfigurationError: There is none; says where it was looked for.
    """
    named = path or environ.get("PURVEYOR_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs  # noqa: PLC0415 - only needed when nothing is named

    folders = (Path(), platformdirs.user_config_path("purveyor"))
    for place in (folder / name for folder in folders for name in FILE_NAMES):
        if place.is_file():
            return place
    raise ConfigurationError(
        f"no configuration found: neither ./purveyor.yaml nor {folders[1] / 'purveyor.yaml'} is there; "
        "'purveyor init' writes one, --config or PURVEYOR_CONFIG names another",
        details={"looked_in": [str(folder.absolute()) for folder in folders]},
    )


def read_file(path: Path) -> Any:
    """The file's content as plain values; YAML, TOML or JSON by its suffix.

    Raises:
        ConfigurationError: It cannot be read or parsed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            return tomllib.loads(text)
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_once)
        from purveyor.config._yaml import load_yaml  # noqa: PLC0415 - only needed for YAML

        return load_yaml(text)
    except OSError as exc:
        raise ConfigurationError(
            f"{path} cannot be read: {exc.strerror}", details={"path": str(path)}
        ) from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{path} cannot be parsed: {exc}", details={"path": str(path)}) from exc


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, unless a key is there twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            msg = f"the key {key!r} is there twice"
            raise ValueError(msg)
        found[key] = value
    return found
