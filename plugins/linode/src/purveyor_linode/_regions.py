"""What is known about data centers: where they are, in words that all providers share, and what they sell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from purveyor_linode import _rows as rows

__all__ = ["places", "sells", "takes_machines"]

CONTINENTS: Mapping[str, str] = {
    "af": "ao cd ci cm dz eg et gh ke ma mu mz na ng rw sn tn tz ug za zm zw",
    "as": "ae am az bd bh ge hk id il in jo jp kh kr kw kz la lk mm mn mo my np om ph pk qa sa sg th tw uz vn",
    "eu": "ad al at ba be bg by ch cy cz de dk ee es fi fr gb gr hr hu ie im is it je li lt lu lv mc md me mk mt nl "
    "no pl pt ro rs ru se si sk sm tr ua va",
    "na": "bb bm bs ca cr cu do gt hn ht jm mx ni pa pr sv tt us",
    "oc": "au fj gu nc nz pf pg",
    "sa": "ar bo br cl co ec gy pe py sr uy ve",
}
"""Continent to the countries where data centers are, or may come to be."""

FEATURES: Mapping[str | None, str] = {
    "gpu": "GPU Linodes",
    "premium": "Premium Plans",
    "accelerated": "NETINT Quadra T1U",
}
"""Class of a plan to what a region must be able to do, beside ``Linodes``."""

_CONTINENT_OF = {country: name for name, countries in CONTINENTS.items() for country in countries.split()}


def takes_machines(region: rows.Region) -> bool:
    """Whether new machines can be made there."""
    return region.status in {None, "ok"} and (region.capabilities is None or "Linodes" in region.capabilities)


def sells(region: rows.Region, size: rows.Type, told: Mapping[tuple[str, str], bool]) -> bool:
    """Whether a region sells a plan: what Linode tells counts, else what the region can do."""
    if not takes_machines(region):
        return False
    feature = FEATURES.get(size.class_)
    able = feature is None or region.capabilities is None or feature in region.capabilities
    # Distributed sites have plans of their own, and only those.
    apart = (region.site_type == "distributed") == ("-edge-" in size.id)
    return told.get((region.id, size.id), able and apart)


@lru_cache(maxsize=1024)
def places(label: str | None, country: str | None) -> tuple[str, ...]:
    """City, country and continent, as far as they are known: ``Tokyo 3, JP`` is in ``tokyo``, ``jp`` and ``as``."""
    code = (country or "").lower().replace("uk", "gb")
    return tuple(filter(None, (_city(label or ""), code, _CONTINENT_OF.get(code))))


def _city(label: str) -> str:
    """``Edge - Bogotá 2, CO`` is in ``bogota``."""
    name, comma, _ = label.partition(",")
    name = re.sub(r"^Edge\s*-|\d+\s*$", "", name.strip())
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall("[a-z]+", plain)) if comma else ""
