"""Encoder-decoders as parts of a page: readers of one step, and the decoder."""

from typing import Any

from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.exporting.html.encoder_parts import Parts
from sunhwan.layers import Attention
from sunhwan.models.decoder import Decoder
from sunhwan.models.inputs import InputLayer
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput


def step_reader(parts: Parts, layer: InputLayer) -> dict[str, Any]:
    """What reads numbers, an image or labels."""
    if isinstance(layer, LabelsInput):
        tables = []
        for column, embedding in enumerate(layer.embeddings):
            assert isinstance(embedding, nn.Embedding)
            name = parts.table(f"labels {column}", embedding)
            tables.append({"table": name, "size": embedding.embedding_dim})
        return {"tables": tables}
    if not isinstance(layer, VectorInput | ImageInput):
        raise ConfigError("a page describes numbers, an image or labels: export the model to ONNX")
    side, layers = getattr(layer, "side", 0), list[Any]()
    for number, module in enumerate(layer.layers.children()):
        name = f"reader {number}"
        if isinstance(module, nn.Conv2d):
            made = parts.product(name, module.weight.flatten(1), module.bias)
            stride = module.stride[0]
            layers.append({**made, "channels": module.in_channels, "side": side, "stride": stride})
            side = -(-side // stride)
        elif isinstance(module, nn.Linear):
            layers.append(parts.linear(name, module))
        elif isinstance(module, nn.ReLU):
            layers.append("relu")
    return {"layers": layers}


def decoder(parts: Parts, model: Decoder) -> dict[str, Any]:
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
        "attention": None if model.attention is None else _attention(parts, model.attention),
        "fed": model.width if model.input_feeding else 0,
        "combine": parts.linear("combine", model.combine),
        "output": parts.linear("written output", model.output),
    }


def _attention(parts: Parts, attention: Attention) -> dict[str, Any]:
    names = {"additive": ("query", "key", "score"), "general": ("key",), "dot": ()}
    found: dict[str, Any] = {"size": attention.key_size}
    for name in names[attention.kind]:
        found[name] = parts.linear(f"attention {name}", getattr(attention, name))
    return found
