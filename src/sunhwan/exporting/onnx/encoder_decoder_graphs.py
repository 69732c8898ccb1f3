"""Encoder-decoders as two graphs: what is read, and one token further of what is written."""

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from sunhwan.data import Ragged
from sunhwan.exporting.onnx.encoder_nodes import add_inputs, attend, pool, run_encoder
from sunhwan.exporting.onnx.example_programs import TRANSLATE, WRITE, example
from sunhwan.exporting.onnx.graph import FLOAT, INT64, Graph
from sunhwan.exporting.onnx.language_model_graphs import (
    by_state,
    give_state,
    given_state,
    state_names,
)
from sunhwan.exporting.onnx.parts import OnnxParts
from sunhwan.exporting.onnx.recurrent_nodes import run_stack
from sunhwan.exporting.parity import Check, Numbers
from sunhwan.exporting.predictor_checks import doubled, drawn
from sunhwan.models.decoder import Decoder, DecoderState
from sunhwan.models.encoder_decoder import EncoderDecoder, SequenceReader
from sunhwan.models.readers import StepReader
from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask

BATCHES, LENGTHS, WRITTEN = (1, 3, 17), (1, 2, 50, 333), 5
"""At which the files are compared with the model: rows, steps that are read, tokens that are written."""


def parts(task: EncoderDecoderTask, weights: str) -> OnnxParts:
    """encoder.onnx and step.onnx."""
    model = task.model
    unk = task.vocabulary.unk_id
    facts = {
        "state": [
            {"input": before, "output": after, "size": size}
            for before, after, size in _carried(model.decoder)
        ],
        "given": _given_names(model.decoder),
        "eos": task.eos,
        "never": [] if unk is None else [unk],
        "limit": task.limit,
    }
    text = task.input_kind.kind == "text" and task.input_kind.vocabulary is not None
    kinds = {task.vocabulary.kind}
    if text and task.input_kind.vocabulary is not None:
        kinds.add(task.input_kind.vocabulary.kind)
    if text:
        script = example(
            "Writes about a text, always the likeliest token.", "TEXT", TRANSLATE, *kinds
        )
    else:
        script = example(
            "Writes about inputs kept in a file, always the likeliest token.",
            "INPUTS.npz",
            WRITE,
            *kinds,
        )
    return OnnxParts(graphs(model, weights), checks(model), facts, task.preprocessing(), script)


def graphs(model: EncoderDecoder, weights: str) -> dict[str, Graph]:
    """Both graphs of a model."""
    return {
        "encoder.onnx": _encoder(model, Graph("encoder", weights=weights)),
        "step.onnx": _step(model.decoder, Graph("step", weights=weights)),
    }


def _given_names(decoder: Decoder) -> list[str]:
    """What the encoder leaves for every step, beside the state."""
    return ["summary"] if decoder.attention is None else ["keys", "projected", "source_lengths"]


def _carried(decoder: Decoder) -> list[tuple[str, str, int]]:
    """What goes from step to step: name before, name after, size."""
    fed = [("fed", "next_fed", decoder.width)] if decoder.input_feeding else []
    return [*state_names(decoder.recurrent), *fed]


def _encoder(model: EncoderDecoder, graph: Graph) -> Graph:
    reader, decoder = model.reader, model.decoder
    lengths = keys = ""
    if isinstance(reader, SequenceReader):
        given = add_inputs(graph, reader.encoder.inputs)
        y = run_encoder(graph, reader.encoder, given)
        summary, lengths = pool(graph, reader.pooling, y, given.lengths), given.lengths
        keys = graph.op("Transpose", y, perm=[1, 0, 2])
    else:
        assert isinstance(reader, StepReader)
        summary = graph.squeeze(add_inputs(graph, reader.inputs).x, 0)
    first = graph.op("Tanh", graph.linear(summary, decoder.first.weight, decoder.first.bias))
    decided = {
        (depth, name): (start, stop) for depth, name, start, stop in decoder.summary_fields()
    }
    names = iter(state_names(decoder.recurrent))
    rows = graph.size(summary, 0)
    for depth, layer in enumerate(decoder.recurrent.stack):
        for field in layer.cell.state_type._fields:
            name, _, size = next(names)
            if (depth, field) in decided:
                value = graph.slice(first, *decided[depth, field])
            else:
                value = _zeros(graph, rows, size)
            graph.output(name, value, FLOAT, ["batch", size])
    if decoder.input_feeding:
        graph.output("fed", _zeros(graph, rows, decoder.width), FLOAT, ["batch", decoder.width])
    attention = decoder.attention
    if attention is None:
        graph.output("summary", summary, FLOAT, ["batch", reader.summary_size])
        return graph
    K = attention.key_size
    projected = keys if attention.kind == "dot" else graph.linear(keys, attention.key.weight, None)
    width = K if attention.kind == "dot" else attention.key.out_features
    graph.output("keys", keys, FLOAT, ["batch", "source", K])
    graph.output("projected", projected, FLOAT, ["batch", "source", width])
    graph.output("source_lengths", lengths, INT64, ["batch"])
    return graph


def _zeros(graph: Graph, rows: str, size: int) -> str:
    shape = graph.op("Concat", rows, graph.whole(size), axis=0)
    return graph.op("Expand", graph.constant([[0.0]]), shape)


def _step(decoder: Decoder, graph: Graph) -> Graph:
    attention = decoder.attention
    tokens = graph.input("tokens", INT64, ["batch"])
    state = given_state(graph, decoder.recurrent)
    beside = [graph.op("Gather", graph.constant(decoder.inputs.embedding.weight), tokens)]
    summary = ""
    if attention is None:
        size = decoder.first.in_features
        summary = graph.input("summary", FLOAT, ["batch", size])
        beside.append(summary)
    if decoder.input_feeding:
        beside.append(graph.input("fed", FLOAT, ["batch", decoder.width]))
    x = beside[0] if len(beside) == 1 else graph.op("Concat", *beside, axis=-1)
    y, last = run_stack(graph, decoder.recurrent, graph.unsqueeze(x, 0), state, single=True)
    y = graph.squeeze(y, 0)
    context, weights = summary, ""
    if attention is not None:
        K = attention.key_size
        width = K if attention.kind == "dot" else attention.key.out_features
        keys = graph.input("keys", FLOAT, ["batch", "source", K])
        projected = graph.input("projected", FLOAT, ["batch", "source", width])
        lengths = graph.input("source_lengths", INT64, ["batch"])
        context, weights = attend(graph, attention, y, keys, projected, lengths)
    both = graph.op("Concat", y, context, axis=-1)
    vector = graph.op("Tanh", graph.linear(both, decoder.combine.weight, None))
    logits = graph.linear(vector, decoder.output.weight, decoder.output.bias)
    graph.output("log_probabilities", graph.op("LogSoftmax", logits, axis=-1), FLOAT,
                 ["batch", decoder.output.out_features])  # fmt: skip
    give_state(graph, decoder.recurrent, last)
    if decoder.input_feeding:
        graph.output("next_fed", vector, FLOAT, ["batch", decoder.width])
    if weights:
        graph.output("weights", weights, FLOAT, ["batch", "source"])
    return graph


# Parity


def checks(model: EncoderDecoder) -> Iterator[Check]:
    """Expected outputs of both graphs: to random batches, and at some steps of writing about them."""
    draw = torch.Generator().manual_seed(1)
    whole, reader = copy.deepcopy(model).double(), model.reader
    layer = reader.encoder.inputs if isinstance(reader, SequenceReader) else reader.inputs
    V = model.decoder.output.out_features
    for N in BATCHES:
        for T in LENGTHS:
            batch, given = drawn(layer, N, T, draw)  # type: ignore[arg-type]
            tokens = torch.randint(V, (WRITTEN, N), generator=draw)
            where = f"batch {N}, {T} steps"
            said = _said(model, batch, tokens)
            for n, (asked, wanted) in enumerate(said):
                file = "step.onnx" if n else "encoder.onnx"
                exact = partial(_exact, whole, batch, tokens, n)
                yield Check(file, asked if n else given, wanted, exact, where)


def _exact(whole: EncoderDecoder, batch: Ragged, tokens: Tensor, n: int) -> Numbers:
    return list(_said(whole, doubled(batch), tokens))[n][1]


@torch.no_grad()
def _said(
    model: EncoderDecoder, batch: Ragged, tokens: Tensor
) -> Iterator[tuple[Numbers, Numbers]]:
    """What the encoder says, and then what is given to each step and what it says."""
    decoder, lengths = model.decoder, batch.lengths
    state = model.start(batch)
    yield {}, _named(decoder, state, lengths)
    for ids in tokens:
        given = {"tokens": ids.numpy()} | _named(decoder, state, lengths)
        log_p, state, weights = decoder.step(ids, state)
        wanted = {"log_probabilities": log_p.numpy()}
        wanted |= by_state(decoder.recurrent, state.layers, after=True)
        if state.fed is not None:
            wanted["next_fed"] = state.fed.numpy()
        if weights is not None:
            wanted["weights"] = weights.numpy()
        yield given, wanted


def _named(decoder: Decoder, state: DecoderState, lengths: Tensor) -> Numbers:
    """A decoder's state under the names of the encoder's outputs."""
    found = by_state(decoder.recurrent, state.layers)
    if state.fed is not None:
        found["fed"] = state.fed.numpy()
    if state.keys is None:
        found["summary"] = state.summary.numpy()
    else:
        found |= {"keys": state.keys.keys.numpy(), "projected": state.keys.projected.numpy()}
        found["source_lengths"] = lengths.numpy()
    return found
