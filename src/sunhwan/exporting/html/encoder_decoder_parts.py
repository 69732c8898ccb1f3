"""Decoders as parts of a page."""

from typing import Any

from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.models.decoder import Decoder


def decoder(parts: PageParts, model: Decoder) -> dict[str, Any]:
    """The decoder: its state before the first token, a step, what it looks at."""
    table = parts.table("written", model.inputs.embedding)
    levels = parts.stack(model.recurrent)
    fields = [
        [levels[depth]["layers"][0], f"state_{depth}_{name}", start, stop]
        for depth, name, start, stop in model.summary_fields()
    ]
    return {
        "embedding": table,
        "size": model.inputs.output_size,
        "stack": levels,
        "fields": fields,
        "first": parts.linear("first", model.first),
        "attention": None if model.attention is None else parts.attention(model.attention),
        "fed": model.width if model.input_feeding else 0,
        "combine": parts.linear("combine", model.combine),
        "output": parts.linear("written output", model.output),
    }
