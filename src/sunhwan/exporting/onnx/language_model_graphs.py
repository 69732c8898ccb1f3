"""A language model as two graphs: one token further, and whole sequences."""

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.exporting.onnx.example_programs import LANGUAGE_MODEL, example
from sunhwan.exporting.onnx.graph import FLOAT, INT64, Axis, Graph
from sunhwan.exporting.onnx.parts import OnnxParts
from sunhwan.exporting.onnx.recurrent_nodes import States, initial_numbers, run_stack
from sunhwan.exporting.parity import Check, Numbers
from sunhwan.generation.prompt import start_tokens
from sunhwan.layers import Recurrent
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask


def parts(task: LanguageModelTask, weights: str) -> OnnxParts:
    """The files of an exported language model."""
    vocabulary, model = task.vocabulary, task.model
    line = task.line_break
    begins = vocabulary.eos_id is not None or line is not None
    facts = {
        "state": state_facts(model.recurrent),
        "begin": start_tokens(vocabulary) if begins else [],
        "line_break": None if line is None else line.token,
        "joins": vocabulary.kind == "jamo",
    }
    script = example("Writes on, always the likeliest token.", "[PROMPT [TOKENS]]", LANGUAGE_MODEL,
                     vocabulary.kind)  # fmt: skip
    return OnnxParts(graphs(model, weights), checks(model), facts, vocabulary.to_dict(), script)


BATCHES, LENGTHS = (1, 3, 17), (1, 2, 50, 333)
"""At which a file is compared with the model."""


def graphs(model: LanguageModel, weights: str) -> dict[str, Graph]:
    """step.onnx and sequence.onnx."""
    step = Graph("step", weights=weights)
    tokens = step.input("tokens", INT64, ["batch"])
    x = step.unsqueeze(_embedded(step, model, tokens), 0)
    y, last = run_stack(step, model.recurrent, x, given_state(step, model.recurrent), single=True)
    logits = step.linear(step.squeeze(y, 0), model.output.weight, model.output.bias)
    V = model.vocabulary_size
    step.output("logits", logits, FLOAT, ["batch", V])
    give_state(step, model.recurrent, last)

    whole = Graph("sequence", weights=weights)
    tokens = whole.input("tokens", INT64, ["batch", "time"])
    lengths = whole.input("lengths", INT64, ["batch"])
    x = whole.op("Transpose", _embedded(whole, model, tokens), perm=[1, 0, 2])
    y, last = run_stack(whole, model.recurrent, x, given_state(whole, model.recurrent), lengths)
    logits = whole.linear(
        whole.op("Transpose", y, perm=[1, 0, 2]), model.output.weight, model.output.bias
    )
    whole.output("logits", logits, FLOAT, ["batch", "time", V])
    give_state(whole, model.recurrent, last)
    return {"step.onnx": step, "sequence.onnx": whole}


def _embedded(graph: Graph, model: LanguageModel, tokens: str) -> str:
    if model.embedding is not None:
        return graph.op("Gather", graph.constant(model.embedding.weight), tokens)
    depth = graph.whole(model.vocabulary_size)
    return graph.op("OneHot", tokens, depth, graph.constant([0.0, 1.0]), axis=-1)


# The state in and out, as every graph of a recurrence has it


def state_names(recurrent: Recurrent) -> list[tuple[str, str, int]]:
    """Name of every field of the state before, of that after, and its size."""
    return [
        (f"state_{depth}_{field}", f"next_{depth}_{field}", size)
        for depth, layer in enumerate(recurrent.stack)
        for field, size in zip(
            layer.cell.state_type._fields, layer.cell.state_sizes(layer.hidden_size), strict=True
        )
    ]


def given_state(graph: Graph, recurrent: Recurrent) -> list[tuple[str, ...]]:
    """Inputs for the state."""
    names = iter(state_names(recurrent))
    found = []
    for layer in recurrent.stack:
        fields = [next(names) for _ in layer.cell.state_type._fields]
        found.append(tuple(graph.input(name, FLOAT, ["batch", size]) for name, _, size in fields))
    return found


def give_state(graph: Graph, recurrent: Recurrent, last: States) -> None:
    """Outputs for it."""
    flat = [value for fields in last for value in fields]
    for (_, name, size), value in zip(state_names(recurrent), flat, strict=True):
        shape: list[Axis] = ["batch", size]
        graph.output(name, value, FLOAT, shape)


def state_facts(recurrent: Recurrent) -> list[dict[str, Any]]:
    """What a caller must know of the state; initial: a number, or one for each unit."""
    values = [field for layer in recurrent.stack for field in initial_numbers(layer)]
    return [
        {
            "input": before,
            "output": after,
            "size": size,
            "initial": 0.0 if not bool(value.any()) else value.tolist(),
        }
        for (before, after, size), value in zip(state_names(recurrent), values, strict=True)
    ]


def by_state(recurrent: Recurrent, state: Sequence[State], after: bool = False) -> Numbers:
    """A state under the names of the graphs' inputs, or of their outputs."""
    flat = [field for layer in state for field in layer]
    return {
        (second if after else first): field.detach().numpy()
        for (first, second, _), field in zip(state_names(recurrent), flat, strict=True)
    }


# Parity


@torch.no_grad()
def checks(model: LanguageModel) -> Iterator[Check]:
    """Expected outputs of both graphs: from the initial state and from one that was reached."""
    draw = torch.Generator().manual_seed(1)
    V, whole = model.vocabulary_size, copy.deepcopy(model).double()
    for N in BATCHES:
        _, reached = model(torch.randint(V, (N, 7), generator=draw))
        for name, state in (("zero", model.initial_state(N)), ("reached", reached)):
            ids = torch.randint(V, (N, max(LENGTHS)), generator=draw)
            given = by_state(model.recurrent, state)
            one = torch.ones(N, dtype=torch.int64)

            def answer(
                by: LanguageModel, ids: Tensor, lengths: Tensor, state: Sequence[State] = state
            ) -> Numbers:
                with torch.no_grad():
                    y, after = by.recurrent(_vectors(by, ids), state, lengths=lengths)
                    found = {"logits": by.output(y).numpy()}
                return found | by_state(by.recurrent, after, after=True)

            def first(by: LanguageModel, ids: Tensor = ids, one: Tensor = one) -> Numbers:
                found = answer(by, ids[:, :1], one)
                return found | {"logits": found["logits"][:, 0]}

            where = f"batch {N}, {name} state"
            step = {"tokens": ids[:, 0].numpy(), **given}
            yield Check("step.onnx", step, first(model), partial(first, whole), where)
            for T in LENGTHS:
                lengths = torch.randint(1, T + 1, (N,), generator=draw)
                lengths[0] = T
                asked = {"tokens": ids[:, :T].numpy(), "lengths": lengths.numpy(), **given}
                exact = partial(answer, whole, ids[:, :T], lengths)
                wanted = answer(model, ids[:, :T], lengths)
                yield Check("sequence.onnx", asked, wanted, exact, f"{where}, {T} steps")


def _vectors(model: LanguageModel, ids: Tensor) -> Tensor:
    if model.embedding is not None:
        vectors: Tensor = model.embedding(ids)
        return vectors
    return torch.nn.functional.one_hot(ids, model.vocabulary_size).to(model.output.weight.dtype)
