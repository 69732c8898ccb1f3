"""Classifiers, taggers and forecasters as one graph each: what is read → what is predicted."""

import numpy as np
import torch

from sunhwan.exporting.onnx.encoder_nodes import add_inputs, attend, pool, run_encoder
from sunhwan.exporting.onnx.example_programs import (
    ANSWER,
    CLASSIFY,
    CLASSIFY_PAIR,
    GIVEN,
    TAG,
    example,
)
from sunhwan.exporting.onnx.graph import FLOAT, INT64, Graph
from sunhwan.exporting.onnx.ngram_nodes import add_ngrams
from sunhwan.exporting.onnx.parts import OnnxParts
from sunhwan.exporting.predictor_checks import prediction_checks
from sunhwan.layers.crf import CRF
from sunhwan.models.forecaster import QUANTILES
from sunhwan.tasks.answer.passage_words import MARKS
from sunhwan.tasks.answer.task import AnswerQuestions
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.forecast.task import Forecast
from sunhwan.tasks.tag.task import Tag

FILE = "model.onnx"


def classify_parts(task: Classify, weights: str) -> OnnxParts:
    """logits (batch, labels) of one sequence a row, or of two."""
    model, graph = task.model, Graph("model", weights=weights)
    count = task.input_kind.sequences(len(task.columns.inputs))
    suffixes = ["", "_2"][:count]
    pooled, read = [], []
    for suffix in suffixes:
        given = add_inputs(graph, model.encoder.inputs, suffix)
        y = run_encoder(graph, model.encoder, given)
        read.append(given)
        pooled.append(pool(graph, model.pooling, y, given.lengths))
    v = pooled[0]
    if count == 2:
        off = graph.op("Abs", graph.op("Sub", *pooled))
        v = graph.op("Concat", *pooled, off, graph.op("Mul", *pooled), axis=-1)
    logits = graph.linear(v, model.output.weight, model.output.bias)
    if model.linear is not None:
        first = read[0]
        beside = add_ngrams(graph, model.linear, first.tokens, first.letters, first.lengths)
        logits = graph.op("Add", logits, beside)
    if model.temperature != 1.0:
        logits = graph.op("Div", logits, graph.constant(model.temperature))
    graph.output("logits", logits, FLOAT, ["batch", len(task.labels)])

    script = example("The logits of inputs kept in a file.", "INPUTS.npz", GIVEN)
    if isinstance(task.input_kind, TextKind):
        kind = task.input_kind.vocabulary.kind
        script = example("The label of a text.", "TEXT", CLASSIFY, kind)
        if count == 2:
            script = example("The label of two texts.", "TEXT TEXT", CLASSIFY_PAIR, kind)
    checks = prediction_checks(task, FILE)
    return OnnxParts({FILE: graph}, checks, {"labels": task.labels}, task.preprocessing(), script)


def tag_parts(task: Tag, weights: str) -> OnnxParts:
    """emissions (batch, time, labels) and the numbers of the best labels (batch, time)."""
    model, graph = task.model, Graph("model", weights=weights)
    given = add_inputs(graph, model.encoder.inputs)
    y = run_encoder(graph, model.encoder, given)
    emissions = graph.linear(y, model.output.weight, model.output.bias)
    if model.crf is None:
        best = graph.op("ArgMax", emissions, axis=2, keepdims=0)
    else:
        best = _viterbi(graph, model.crf, emissions, given.lengths)
    real = graph.squeeze(graph.padding(graph.size(y, 0), given.lengths), 2)
    best = graph.op("Where", real, best, graph.constant(0, np.int64))
    by_row = graph.op("Transpose", emissions, perm=[1, 0, 2])
    graph.output("emissions", by_row, FLOAT, ["batch", "time", len(task.labels)])
    graph.output("labels", graph.op("Transpose", best, perm=[1, 0]), INT64, ["batch", "time"])

    checks = prediction_checks(task, FILE)
    script = example("The labels of inputs kept in a file.", "INPUTS.npz", GIVEN)
    if isinstance(task.input_kind, WordsKind):
        script = example(
            "The label of each word.", '"A SENTENCE"', TAG, task.input_kind.letters.kind
        )
    return OnnxParts({FILE: graph}, checks, {"labels": task.labels}, task.preprocessing(), script)


def _viterbi(graph: Graph, crf: CRF, emissions: str, lengths: str) -> str:
    """emissions (T, N, L) → the labels with the largest score (T, N): two loops, there and back."""
    with torch.no_grad():
        start, transitions, end = crf._scores(constrained=True)
    L = crf.labels
    first = graph.squeeze(graph.slice(emissions, 0, 1, axis=0), 0)
    best = graph.op("Add", first, graph.constant(start))
    # The first step is none that one comes to from another: for it the labels stay.
    t = graph.padding(graph.size(emissions, 0), lengths)
    later = graph.padding(graph.size(emissions, 0), graph.whole(1))
    moves = graph.op("And", t, graph.op("Not", later))

    there = Graph("there", graph)
    before = there.input(there.fresh("best"), FLOAT, ["batch", L])
    e = there.input(there.fresh("emission"), FLOAT, ["batch", L])
    moving = there.input(there.fresh("moves"), 9, ["batch", 1])
    totals = there.op("Add", there.unsqueeze(before, 2), there.constant(transitions))
    reached = there.op("Add", there.op("ReduceMax", totals, axes=[1], keepdims=0), e)
    origin = there.op("ArgMax", totals, axis=1, keepdims=0)
    stay = there.constant(np.arange(L)[None], np.int64)
    after = there.op("Where", moving, reached, before)
    there.output(there.fresh("after"), after, FLOAT, ["batch", L])
    there.output(
        there.fresh("origin"), there.op("Where", moving, origin, stay), INT64, ["batch", L]
    )
    best, origins = graph.ops(
        "Scan", 2, best, emissions, moves, body=there.body(), num_scan_inputs=2
    )

    last = graph.op("ArgMax", graph.op("Add", best, graph.constant(end)), axis=1, keepdims=0)
    back = Graph("back", graph)
    label = back.input(back.fresh("label"), INT64, ["batch"])
    origin = back.input(back.fresh("origin"), INT64, ["batch", L])
    come = back.op("GatherElements", origin, back.unsqueeze(label, 1), axis=1)
    back.output(back.fresh("before"), back.squeeze(come, 1), INT64, ["batch"])
    back.output(back.fresh("path"), label, INT64, ["batch"])
    _, path = graph.ops(
        "Scan", 2, last, origins, body=back.body(), num_scan_inputs=1,
        scan_input_directions=[1], scan_output_directions=[1],
    )  # fmt: skip
    return path


def answer_parts(task: AnswerQuestions, weights: str) -> OnnxParts:
    """The weight of each word of a passage (batch, time); the question's inputs end in _2."""
    model, graph = task.model, Graph("model", weights=weights)
    passage = add_inputs(graph, model.encoder.inputs)
    question = add_inputs(graph, model.encoder.inputs, "_2")
    keys = graph.op("Transpose", run_encoder(graph, model.encoder, passage), perm=[1, 0, 2])
    query = pool(
        graph, model.pooling, run_encoder(graph, model.encoder, question), question.lengths
    )
    projected = graph.linear(keys, model.attention.key.weight, None)
    _, looked = attend(graph, model.attention, query, keys, projected, passage.lengths)
    graph.output("weights", looked, FLOAT, ["batch", "time"])

    checks = prediction_checks(task, FILE)
    script = example(
        "The word of a passage that answers a question.", '"A PASSAGE" "A QUESTION"', ANSWER,
        task.input_kind.letters.kind,
    )  # fmt: skip
    return OnnxParts({FILE: graph}, checks, {"marks": MARKS}, task.preprocessing(), script)


def forecast_parts(task: Forecast, weights: str) -> OnnxParts:
    """Scaled quantiles (batch, horizon, quantiles), in ascending order."""
    model, graph, H = task.model, Graph("model", weights=weights), task.horizon
    given = add_inputs(graph, model.encoder.inputs)
    y = graph.op("Transpose", run_encoder(graph, model.encoder, given), perm=[1, 0, 2])
    ahead = graph.constant(np.arange(-H, 0)[None], np.int64)
    places = graph.op("Add", graph.unsqueeze(given.lengths, 1), ahead)
    future = graph.op("GatherND", y, graph.unsqueeze(places, 2), batch_dims=1)
    said = graph.linear(future, model.output.weight, model.output.bias)
    Q = len(QUANTILES)
    ordered, _ = graph.ops("TopK", 2, said, graph.whole(Q), axis=-1, largest=0, sorted=1)
    graph.output("quantiles", ordered, FLOAT, ["batch", H, Q])

    facts = {
        "quantiles": list(QUANTILES), "horizon": H, "season": task.season,
        "frames": "the columns of sunhwan.tasks.forecast.tracks.Window.inputs: the scaled series and the "
        "season before it; whether a step is ahead and how far; the calendar; the inputs",
    }  # fmt: skip
    script = example("The scaled quantiles of inputs kept in a file.", "INPUTS.npz", GIVEN)
    checks = prediction_checks(task, FILE)
    return OnnxParts({FILE: graph}, checks, facts, task.preprocessing(), script)
