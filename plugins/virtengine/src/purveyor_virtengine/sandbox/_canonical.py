"""JSON as the daemon canonicalises it before hashing: Go's encoding/json with sorted keys and untouched numbers.

Source: virtengine ``pkg/provider_daemon/auth/cosmos_verify.go``.
"""

import codecs
import hashlib
import json
import re
from typing import Any

_GO_ESCAPES = str.maketrans({one: f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"})
_SURROGATE = re.compile("[\ud800-\udfff]")


def _replace_byte(error: UnicodeError) -> tuple[str, int]:
    """Go puts a replacement character for each byte that is no UTF-8, Python for each run of them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd", error.start + 1


codecs.register_error("go", _replace_byte)


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _text(value: str) -> str:
    return json.dumps(_SURROGATE.sub("\ufffd", value), ensure_ascii=False).translate(_GO_ESCAPES)


def canonical(value: Any) -> str:
    """A parsed value written canonically."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-8", "surrogatepass"))
        return f"{{{','.join(f'{_text(key)}:{canonical(value[key])}' for key in keys)}}}"
    return json.dumps(value)


def body_hash(body: bytes) -> str:
    """What a signature holds of a body: "" for none, else the SHA-256 of its canonical form, or of itself."""
    if not body:
        return ""
    try:
        value = json.loads(
            body.decode(errors="go"), parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
        signed = canonical(value).encode()
    except (ValueError, RecursionError):
        signed = body
    return hashlib.sha256(signed).hexdigest()
