"""Answers as JSON."""

import json
import math
from typing import Any

from starlette.responses import Response


def json_of(value: Any) -> bytes:
    """UTF-8; numbers that are none become null."""
    try:
        text = _dumped(value)
    except ValueError:
        text = _dumped(_finite(value))
    return text.encode("utf-8", "replace")


def json_response(body: bytes) -> Response:
    """An answer of JSON that is written already."""
    return Response(body, media_type="application/json")


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
