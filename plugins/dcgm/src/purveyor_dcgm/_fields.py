"""The fields of DCGM that are read: all the names that they have had, their units, and what is no value of them.

Names are those of DCGM 4.6 (``…_RATIO``, ``…_WATTS``), of all versions before it, and of dcgm-exporter's old namespace.
The new names promise base units and do not keep it: ``GPU_UTIL_RATIO`` still goes up to 100.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from purveyor.plugin import convert_unit

__all__ = ["FIELDS", "NAMES", "OURS", "Field", "of_the_board", "value_of"]

OURS = ("DCGM_", "dcgm_")
"""What the names of all series of dcgm-exporter begin with."""

# Where there is no value, DCGM has numbers that say why: from 2^31 - 16, from 2^47, or from 2^63 - 16 on, by the type
# of the field. Exporters of old and foreign ones print them. As floats, the last ones all are 2^63.
_SMALL = 2.0**31 - 17
_LARGE = 2.0**63 - 2**11


@attrs.frozen
class Field:
    """One field.

    Attributes:
        names: Newest first.
        unit: What its values are in, whatever its name and its help say.
        most: The largest value that it can have; above it are blanks, and garbage that drivers have been seen to give.
        of_the_board: Whether it is measured for the board, and merely repeated for every MIG instance.
    """

    names: tuple[str, ...]
    unit: str
    most: float = _SMALL
    of_the_board: bool = False


FIELDS: Mapping[str, Field] = {
    "utilization": Field(
        ("DCGM_FI_DEV_GPU_UTIL_RATIO", "DCGM_FI_DEV_GPU_UTIL", "dcgm_gpu_utilization"), "percent", 100.0
    ),
    "engine_active": Field(
        (
            "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO",
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
            "dcgm_fi_prof_gr_engine_active",
        ),
        "ratio",
        1.0,
    ),
    "memory_used": Field(("DCGM_FI_DEV_FB_USED", "dcgm_fb_used"), "mebibytes"),
    "memory_free": Field(("DCGM_FI_DEV_FB_FREE", "dcgm_fb_free"), "mebibytes"),
    "memory_reserved": Field(("DCGM_FI_DEV_FB_RESERVED",), "mebibytes"),
    "power": Field(
        ("DCGM_FI_DEV_BOARD_POWER_WATTS", "DCGM_FI_DEV_POWER_USAGE", "dcgm_power_usage"),
        "watts",
        of_the_board=True,
    ),
    "energy": Field(
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "dcgm_total_energy_consumption"),
        "millijoules",
        _LARGE,
        of_the_board=True,
    ),
    "temperature": Field(
        ("DCGM_FI_DEV_GPU_TEMP_CELSIUS", "DCGM_FI_DEV_GPU_TEMP", "dcgm_gpu_temp"),
        "celsius",
        of_the_board=True,
    ),
    "error": Field(("DCGM_FI_DEV_XID_ERROR", "DCGM_FI_DEV_XID_ERRORS", "dcgm_xid_errors"), ""),
}
"""By what they become; ``memory_free`` becomes a part of ``memory_limit``."""

NAMES: Mapping[str, str] = {name: field for field, one in FIELDS.items() for name in one.names}
"""Every name, and the field that it is."""

_UNITS: Mapping[str, str] = {
    "percent": "ratio",
    "mebibytes": "bytes",
    "millijoules": "joules",
}


def of_the_board(field: str) -> bool:
    """Whether a field is measured for the whole board."""
    return FIELDS[field].of_the_board


def value_of(field: str, value: float) -> float | None:
    """The value in the unit of our field; None if it is none."""
    one = FIELDS[field]
    if not math.isfinite(value) or value > one.most:
        return None
    return convert_unit(value, one.unit, _UNITS[one.unit]) if one.unit in _UNITS else value
