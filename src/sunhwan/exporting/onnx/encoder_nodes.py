"""Encoders as nodes: input layers, the recurrence over them, pooling and attention.

Inputs are (N, T, …) with lengths (N), as a batch of the model is; inside, time is the first axis.
"""

from typing import NamedTuple

import numpy as np
from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.exporting.onnx.graph import FLOAT, INT64, Graph
from sunhwan.exporting.onnx.recurrent_nodes import run_stack, turned, zero_state
from sunhwan.layers import Attention, Pooling
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import FrameInput, InputLayer, TokenInput, WordInput
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput

STEPS = (VectorInput, ImageInput, LabelsInput)
"""Layers whose input is one step."""


class EncoderInputs(NamedTuple):
    """x (T, N, D), lengths (N), and what is read: tokens (N, T), or words and letters (N, T, C)."""

    x: str
    lengths: str
    tokens: str = ""
    letters: str = ""


def add_inputs(graph: Graph, layer: InputLayer, suffix: str = "") -> EncoderInputs:
    """The inputs that a layer takes, and what it makes of them."""
    if isinstance(layer, STEPS):
        x = graph.unsqueeze(_one_step(graph, layer, suffix), 0)
        ones = graph.op("Expand", graph.whole(1), graph.size(x, 1))
        return EncoderInputs(x, ones)
    lead, tokens, letters = ["batch", f"time{suffix}"], "", ""
    if isinstance(layer, TokenInput):
        tokens = graph.input(f"tokens{suffix}", INT64, lead)
        x = graph.op("Gather", graph.constant(layer.embedding.weight), tokens)
    elif isinstance(layer, FrameInput):
        frames = graph.input(f"frames{suffix}", FLOAT, [*lead, layer.linear.in_features])
        x = graph.linear(frames, layer.linear.weight, layer.linear.bias)
    elif isinstance(layer, WordInput):
        words = graph.input(f"words{suffix}", INT64, lead)
        letters = graph.input(f"letters{suffix}", INT64, [*lead, f"letters{suffix}"])
        known = graph.op("Gather", graph.constant(layer.words.weight), words)
        x = graph.op("Concat", known, _spelled(graph, layer, words, letters), axis=-1)
    else:
        raise ConfigError(f"the input layer {type(layer).__name__} has no nodes in ONNX")
    lengths = graph.input(f"lengths{suffix}", INT64, ["batch"])
    return EncoderInputs(graph.op("Transpose", x, perm=[1, 0, 2]), lengths, tokens, letters)


def _one_step(graph: Graph, layer: InputLayer, suffix: str) -> str:
    """(N, D) of a vector, an image or labels."""
    if isinstance(layer, LabelsInput):
        labels = graph.input(f"labels{suffix}", INT64, ["batch", len(layer.embeddings)])
        parts = []
        for column, embedding in enumerate(layer.embeddings):
            table = graph.constant(embedding.weight)
            number = graph.squeeze(graph.slice(labels, column, column + 1), 1)
            parts.append(graph.op("Gather", table, number))
        return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=-1)
    if isinstance(layer, ImageInput):
        side = layer.side
        x = graph.input(f"numbers{suffix}", FLOAT, ["batch", side**2])
        x = graph.op("Reshape", x, graph.whole(-1, 1, side, side))
        modules: nn.Module = layer.layers
    else:
        assert isinstance(layer, VectorInput)
        first = layer.layers[0]
        assert isinstance(first, nn.Linear)
        x = graph.input(f"numbers{suffix}", FLOAT, ["batch", first.in_features])
        modules = layer.layers
    for module in modules.children():
        if isinstance(module, nn.Linear):
            x = graph.linear(x, module.weight, module.bias)
        elif isinstance(module, nn.ReLU):
            x = graph.op("Relu", x)
        elif isinstance(module, nn.Flatten):
            x = graph.op("Flatten", x)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            weights = graph.constant(module.weight), graph.constant(module.bias)
            x = graph.op("Conv", x, *weights, pads=[1] * 4, strides=list(module.stride))
    return x


def _spelled(graph: Graph, layer: WordInput, words: str, letters: str) -> str:
    """letters (N, T, C), −1 behind a word's end → the last outputs of both readers (N, T, 2 H)."""
    rows = graph.op(
        "Reshape", letters, graph.op("Concat", graph.whole(-1), graph.size(letters, 2), axis=0)
    )
    zero = graph.constant(0, np.int64)
    real = graph.op("Cast", graph.op("GreaterOrEqual", rows, zero), to=INT64)
    lengths = graph.op("ReduceSum", real, graph.whole(1), keepdims=0)
    some = graph.op("Max", lengths, graph.constant(1, np.int64))
    ids = graph.op("Transpose", graph.op("Max", rows, zero), perm=[1, 0])
    table = graph.constant(layer.letters.weight)
    ends = []
    for reader, order in ((layer.onward, ids), (layer.back, turned(graph, ids, some))):
        x = graph.op("Gather", table, order)
        _, last = run_stack(graph, reader, x, zero_state(graph, reader, rows), some)
        ends.append(last[-1][0])
    spelled = graph.op("Concat", *ends, axis=-1)
    any_ = graph.unsqueeze(graph.op("Greater", lengths, zero), 1)
    spelled = graph.op("Where", any_, spelled, graph.constant(0.0))
    shape = graph.op(
        "Concat", graph.op("Shape", words), graph.whole(layer.onward.output_size * 2), axis=0
    )
    return graph.op("Reshape", spelled, shape)


def run_encoder(graph: Graph, encoder: Encoder, given: EncoderInputs) -> str:
    """The outputs of every step (T, N, E), 0 behind a row's end."""
    rows = graph.op("Transpose", given.x, perm=[1, 0, 2])
    state = zero_state(graph, encoder.recurrent, rows)
    return run_stack(graph, encoder.recurrent, given.x, state, given.lengths)[0]


# Over time


def pool(graph: Graph, pooling: Pooling, y: str, lengths: str) -> str:
    """y (T, N, E), 0 behind a row's end → (N, `output_size`)."""
    kinds = {"last": _last, "mean": _mean, "max": _max, "attention": _weighted}
    names = ("last", "mean", "max") if pooling.kind == "concat" else (pooling.kind,)
    parts = [kinds[name](graph, pooling, y, lengths) for name in names]
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=-1)


def _real(graph: Graph, y: str, lengths: str) -> str:
    return graph.padding(graph.size(y, 0), lengths)


def _over_time(graph: Graph, y: str) -> str:
    return graph.op("ReduceSum", y, graph.whole(0), keepdims=0)


def _last(graph: Graph, pooling: Pooling, y: str, lengths: str) -> str:
    half = pooling.size // pooling.directions
    before = graph.op("Sub", lengths, graph.constant(1, np.int64))
    other = graph.op("Xor", _real(graph, y, lengths), _real(graph, y, before))
    onward = y if pooling.directions == 1 else graph.slice(y, 0, half)
    ended = _over_time(graph, graph.op("Where", other, onward, graph.constant(0.0)))
    if pooling.directions == 1:
        return ended
    first = graph.squeeze(graph.slice(graph.slice(y, half, pooling.size), 0, 1, axis=0), 0)
    return graph.op("Concat", ended, first, axis=-1)


def _mean(graph: Graph, pooling: Pooling, y: str, lengths: str) -> str:
    some = graph.op("Cast", graph.op("Max", lengths, graph.constant(1, np.int64)), to=FLOAT)
    return graph.op("Div", _over_time(graph, y), graph.unsqueeze(some, 1))


def _max(graph: Graph, pooling: Pooling, y: str, lengths: str) -> str:
    least = graph.op("Where", _real(graph, y, lengths), y, graph.constant(-np.inf))
    largest = graph.op("ReduceMax", least, axes=[0], keepdims=0)
    none = graph.unsqueeze(graph.op("Equal", lengths, graph.constant(0, np.int64)), 1)
    return graph.op("Where", none, graph.constant(0.0), largest)


def _weighted(graph: Graph, pooling: Pooling, y: str, lengths: str) -> str:
    hidden = graph.op("Tanh", graph.linear(y, pooling.hidden.weight, pooling.hidden.bias))
    scores = graph.linear(hidden, pooling.score.weight, None)
    weights = masked_softmax(graph, scores, _real(graph, y, lengths), 0)
    return _over_time(graph, graph.op("Mul", weights, y))


def masked_softmax(graph: Graph, scores: str, real: str, axis: int) -> str:
    """Softmax over an axis of the real steps; weights 0 where there is none."""
    least = graph.op("Where", real, scores, graph.constant(-1e30))
    top = graph.op("ReduceMax", least, axes=[axis], keepdims=1)
    e = graph.op("Where", real, graph.op("Exp", graph.op("Sub", least, top)), graph.constant(0.0))
    total = graph.op("ReduceSum", e, graph.whole(axis), keepdims=1)
    return graph.op("Div", e, graph.op("Max", total, graph.constant(1e-30)))


def attend(
    graph: Graph, attention: Attention, query: str, keys: str, projected: str, lengths: str
) -> tuple[str, str]:
    """query (N, Q), keys and their projection (N, S, ·) → context (N, K), weights (N, S)."""
    if attention.kind == "additive":
        asked = graph.linear(query, attention.query.weight, attention.query.bias)
        hidden = graph.op("Tanh", graph.op("Add", graph.unsqueeze(asked, 1), projected))
        scores = graph.squeeze(graph.linear(hidden, attention.score.weight, None), 2)
    else:
        scores = graph.squeeze(graph.op("MatMul", projected, graph.unsqueeze(query, 2)), 2)
    real = graph.padding(graph.size(keys, 1), lengths)
    weights = masked_softmax(
        graph, scores, graph.squeeze(graph.op("Transpose", real, perm=[1, 0, 2]), 2), 1
    )
    context = graph.squeeze(graph.op("MatMul", graph.unsqueeze(weights, 1), keys), 1)
    return context, weights
