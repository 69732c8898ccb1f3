"""Parts of an export: what a task gives the writer of the folder."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sunhwan.exporting.onnx.graph import Graph
from sunhwan.exporting.parity import Check


class OnnxParts(NamedTuple):
    """The graphs by file, what they must say, facts for `metadata.json`, vocabularies, the example."""

    graphs: Mapping[str, Graph]
    checks: Iterable[Check]
    facts: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    example: str
