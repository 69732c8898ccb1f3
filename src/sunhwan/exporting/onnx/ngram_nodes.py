"""The linear model of n-grams as nodes: `sunhwan.models.ngrams`, operation by operation."""

import numpy as np

from sunhwan.exporting.onnx.graph import BOOL, INT64, Graph
from sunhwan.models.ngrams import BASE, PRIME, NgramLinear


def add_ngrams(graph: Graph, part: NgramLinear, tokens: str, letters: str, lengths: str) -> str:
    """Tokens (N, T), or the letters of words (N, T, C), and lengths (N) → logits (N, L)."""
    one = graph.constant(1, np.int64)
    code = _word_codes(graph, part, letters) if part.words else graph.op("Add", tokens, one)
    steps = graph.size(code, 1)
    real = graph.squeeze(graph.padding(steps, lengths), 2)
    real = graph.op("Transpose", real, perm=[1, 0])
    nothing = graph.constant(-1, np.int64)
    base, prime = (graph.constant(number, np.int64) for number in (BASE, PRIME))
    whole, there = code, real
    found = [graph.op("Where", there, whole, nothing)]
    ahead, ends = code, graph.op("Cast", real, to=INT64)
    for _ in range(1, part.longest):
        ahead, ends = _shifted(graph, ahead), _shifted(graph, ends)
        whole = graph.op("Mod", graph.op("Add", graph.op("Mul", whole, base), ahead), prime)
        there = graph.op("And", there, graph.op("Cast", ends, to=BOOL))
        found.append(graph.op("Where", there, whole, nothing))
    codes = graph.op("Concat", *found, axis=1)
    zero = graph.constant(0, np.int64)
    rows = graph.op("Mod", graph.op("Max", codes, zero), graph.constant(part.buckets, np.int64))
    f = graph.op("Gather", graph.constant(part.frequency), rows)
    f = graph.op("Where", graph.op("GreaterOrEqual", codes, zero), f, graph.constant(0.0))
    squares = graph.op("ReduceSum", graph.op("Mul", f, f), graph.whole(1), keepdims=1)
    norm = graph.op("Max", graph.op("Sqrt", squares), graph.constant(1e-6))
    scaled = graph.unsqueeze(graph.op("Div", f, norm), 1)
    weights = graph.op("Gather", graph.constant(part.weight), rows)
    logits = graph.squeeze(graph.op("MatMul", scaled, weights), 1)
    return graph.op("Add", logits, graph.constant(part.bias))


def _shifted(graph: Graph, x: str) -> str:
    """x (N, T) one step ahead, 0 at the last one."""
    zero = graph.op("Mul", graph.slice(x, 0, 1, axis=1), graph.constant(0, np.int64))
    later = graph.op("Slice", x, graph.whole(1), graph.whole(2**31), graph.whole(1))
    return graph.op("Concat", later, zero, axis=1)


def _word_codes(graph: Graph, part: NgramLinear, letters: str) -> str:
    """letters (N, T, C), −1 behind a word's end → the hash of each word (N, T)."""
    zero = graph.constant(0, np.int64)
    last, one = graph.whole(-1), graph.constant(1, np.int64)
    spelled, folded = (
        graph.op("Gather", graph.constant(table, np.int64), letters)
        for table in (part.spelled, part.folded)
    )
    marks = graph.op("Equal", graph.op("ReduceMax", spelled, axes=[-1], keepdims=1), zero)
    kept = graph.op("Where", marks, folded, spelled)
    counts = graph.op("Cast", graph.op("Greater", kept, zero), to=INT64)
    place = graph.op("CumSum", counts, graph.constant(-1, np.int64))
    place = graph.op("Max", graph.op("Sub", place, one), zero)
    powers = graph.op("Gather", graph.constant(part.powers, np.int64), place)
    total = graph.op("ReduceSum", graph.op("Mul", kept, powers), last, keepdims=0)
    return graph.op("Mod", total, graph.constant(PRIME, np.int64))
