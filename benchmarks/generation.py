"""Tokens a second of generating text, one text at a time, all measured in turn in one process.

Every engine reads a token, gives the logits of the next and draws it. Beside ours PyTorch's modules in
a loop, NumPy, and ONNX Runtime where `onnx` and `onnxruntime` are installed. Bits per character are
those of the same weights on held-out text, read token by token.
`python -m benchmarks.generation [--run RUN | --minutes 1] [--json FILE] [--markdown FILE]`
"""

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from sunhwan.api import load_language
from sunhwan.config import Config
from sunhwan.generation import PRECISIONS, Engine, RowRequest, SamplingFilters
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import load_corpus
from sunhwan.training import train

CHUNK = 64
SHAPES = [(2, 512), (1, 256)]

Step = Callable[[int], Any]
"""A token → the logits (V) of the next, the state being kept inside."""


class Side(NamedTuple):
    """An engine: how it starts afresh, giving its step; or ours, which needs none."""

    engine: str
    precision: str
    start: Callable[[], Step] | None
    ours: Engine | None = None


def embedding_of(model: LanguageModel) -> nn.Embedding:
    """Where all but our engine look a token up."""
    assert model.embedding is not None
    return model.embedding


def by_torch(model: LanguageModel) -> Step:
    """The loop that one writes around `nn.LSTM`."""
    lstm = model.recurrent.to_torch().eval()
    state = tuple(torch.cat([s[k] for s in model.initial_state(1)])[:, None] for k in (0, 1))
    embedding = embedding_of(model)

    def step(token: int) -> Tensor:
        nonlocal state
        with torch.no_grad():
            x = embedding(torch.tensor([[token]]))
            y, state = lstm(x, state)
            logits: Tensor = model.output(y)[0, 0]
            return logits

    return step


def by_numpy(model: LanguageModel) -> Step:
    """The equations in NumPy, x and h side by side before one matrix."""
    weights = [
        (
            torch.cat([one.W_x, one.W_h]).T.numpy(force=True),
            one.parameters_of_cell["b"].numpy(force=True),
        )
        for one in model.recurrent.stack
    ]
    states = [[field[0].numpy(force=True) for field in state] for state in model.initial_state(1)]
    embedding = embedding_of(model).weight.numpy(force=True)
    W, b = model.output.weight.numpy(force=True), model.output.bias.numpy(force=True)

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def step(token: int) -> Any:
        x = embedding[token]
        for (W_xh, bias), state in zip(weights, states, strict=True):
            i, f, g, o = np.split(W_xh @ np.concatenate((x, state[0])) + bias, 4)
            state[1] = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
            state[0] = x = sigmoid(o) * np.tanh(state[1])
        return W @ x + b

    return step


def onnx_model(model: LanguageModel) -> Any:
    """One step as a graph: embedding, an LSTM node a layer, the output."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: Tensor) -> Any:
        return numpy_helper.from_array(np.ascontiguousarray(value.numpy(force=True)), name)

    def reordered(value: Tensor) -> Tensor:
        i, f, g, o = value.chunk(4)
        return torch.cat((i, o, f, g))[None]

    constants = [constant("E", embedding_of(model).weight)]
    nodes = [helper.make_node("Gather", ["E", "token"], ["x0"])]
    inputs = [helper.make_tensor_value_info("token", TensorProto.INT64, [1, 1])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, len(model.output.bias)])
    ]
    for k, layer in enumerate(model.recurrent.stack):
        H = layer.hidden_size
        b = reordered(layer.parameters_of_cell["b"])
        constants += [
            constant(f"W{k}", reordered(layer.W_x.T)),
            constant(f"R{k}", reordered(layer.W_h.T)),
            constant(f"B{k}", torch.cat((b, torch.zeros_like(b)), 1)),
        ]
        nodes.append(
            helper.make_node(
                "LSTM", [f"x{k}", f"W{k}", f"R{k}", f"B{k}", "", f"h{k}", f"c{k}"],
                [f"y{k}", f"h{k}_", f"c{k}_"], hidden_size=H,
            )
        )  # fmt: skip
        nodes.append(helper.make_node("Squeeze", [f"y{k}", "direction"], [f"x{k + 1}"]))
        for name in (f"h{k}", f"c{k}"):
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, H]))
            outputs.append(helper.make_tensor_value_info(f"{name}_", TensorProto.FLOAT, [1, 1, H]))
    constants += [
        constant("direction", torch.tensor([1])),
        constant("first", torch.tensor([0])),
        constant("W", model.output.weight.T),
        constant("b", model.output.bias),
    ]
    last = f"x{len(model.recurrent.stack)}"
    nodes += [
        helper.make_node("Squeeze", [last, "first"], ["y"]),
        helper.make_node("MatMul", ["y", "W"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "step", inputs, outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


def by_onnxruntime(model: LanguageModel, folder: Path) -> Iterator[Side]:
    """In float32 and with weights quantised dynamically to int8; nothing where it is missing."""
    try:
        import onnx
        import onnxruntime
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        print(f"ONNX Runtime is left out: {error}")
        return
    files = {"fp32": folder / "fp32.onnx", "int8": folder / "int8.onnx"}
    onnx.save(onnx_model(model), files["fp32"])
    quantize_dynamic(files["fp32"], files["int8"], weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    for precision, file in files.items():
        session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])

        def start(session: Any = session) -> Step:
            names = [f"{field}{k}" for k in range(len(model.recurrent.stack)) for field in "hc"]
            fields = [f for state in model.initial_state(1) for f in state]
            state = dict(zip(names, (f[None].numpy(force=True) for f in fields), strict=True))

            def step(token: int) -> Any:
                nonlocal state
                logits, *new = session.run(None, {"token": np.array([[token]]), **state})
                state = dict(zip(names, new, strict=True))
                return logits[0]

            return step

        yield Side("ONNX Runtime", precision, start)


def draw(logits: Any, uniform: float) -> int:
    """A token of softmax(logits)."""
    logits = np.asarray(logits, dtype=np.float64)
    upto = np.exp(logits - logits.max()).cumsum()
    return int(np.searchsorted(upto, uniform * upto[-1], side="right"))


def generator_of(side: Side) -> Callable[[], None]:
    """A call draws CHUNK tokens, and goes on from where the last one ended."""
    if side.ours is not None:
        engine = side.ours
        state, last = None, 0

        def ours() -> None:
            nonlocal state, last
            uniforms = torch.rand(CHUNK, dtype=torch.float64)
            (result,) = engine.run_rows([RowRequest([last], state, uniforms, SamplingFilters())])
            state, last = result.state, result.drawn[-1]

        return ours
    assert side.start is not None
    step, token = side.start(), 0

    def theirs() -> None:
        nonlocal token
        for _ in range(CHUNK):
            token = draw(step(token), np.random.random())

    return theirs


def bits_per_character(side: Side, ids: list[int], characters: int) -> float:
    """Of a text read token by token from the initial state."""
    if side.ours is not None:
        read, _ = side.ours(torch.tensor([ids[:-1]]))
        found = torch.log_softmax(read[0].double(), -1)
        nats = -found.gather(1, torch.tensor(ids[1:])[:, None]).sum().item()
        return nats / math.log(2) / characters
    assert side.start is not None
    step, nats = side.start(), 0.0
    for token, following in pairwise(ids):
        logits = np.asarray(step(token), dtype=np.float64)
        most = logits.max()
        nats += math.log(np.exp(logits - most).sum()) + most - logits[following]
    return nats / math.log(2) / characters


def sweep_of(engine: Engine) -> tuple[Callable[[], object], int]:
    """A call that reads the packed weights and computes nothing, and how many times it does."""
    times = max(1, 2_000_000_000 // engine.sweep(1))
    return lambda: engine.sweep(times), times


def measure(language: LanguageModelTask, rounds: int, characters: int) -> list[dict[str, object]]:
    """The rows of one model."""
    model = language.model
    text = "".join(document.text for document in load_corpus("stdlib").documents)[-characters:]
    ids = language.vocabulary.encode(text).tolist()
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            *(Side("sunhwan", p, None, Engine(model, p)) for p in PRECISIONS),
            Side("nn.LSTM, eager", "fp32", lambda: by_torch(model)),
            Side("NumPy", "fp32", lambda: by_numpy(model)),
            *by_onnxruntime(model, Path(folder)),
        ]
        calls = {f"{side.engine}, {side.precision}": generator_of(side) for side in sides}
        sweeps = {side.precision: sweep_of(side.ours) for side in sides if side.ours is not None}
        seconds = in_turn(calls | {p: call for p, (call, _) in sweeps.items()}, rounds=rounds)
        speeds = {name: CHUNK / seconds[name] for name in calls}
        rows = []
        for side in sides:
            speed = speeds[f"{side.engine}, {side.precision}"]
            # There is no fp16 of its own there.
            other = "int8" if side.precision == "int8" else "fp32"
            theirs = speeds.get(f"ONNX Runtime, {other}")
            limit = None
            if side.ours is not None:
                limit = sweeps[side.precision][1] / seconds[side.precision]
            rows.append(
                {
                    "layers": len(model.recurrent.stack),
                    "hidden_size": model.recurrent.stack[0].hidden_size,
                    "engine": side.engine,
                    "precision": side.precision,
                    "tokens_per_second": speed,
                    "ratio_to_onnxruntime": None if theirs is None else speed / theirs,
                    "share_of_bandwidth": None if limit is None else speed / limit,
                    "bits_per_character": bits_per_character(side, ids, characters),
                }
            )
    return rows


def trained(layers: int, hidden_size: int, minutes: float, folder: Path) -> LanguageModelTask:
    """A model that has read the standard library for so long, 96 tokens large or nearly."""
    config = Config().override(
        {
            "text.max_size": 96, "model.hidden_size": hidden_size, "model.num_layers": layers,
            "training.minutes": minutes, "training.threads": torch.get_num_threads(),
        }
    )  # fmt: skip
    return load_language(train(config, folder / f"{layers}x{hidden_size}").run)


def models(arguments: argparse.Namespace, folder: Path) -> Iterator[LanguageModelTask]:
    if arguments.run is not None:
        yield load_language(arguments.run)
        return
    for layers, hidden_size in SHAPES:
        yield trained(layers, hidden_size, arguments.minutes, folder)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--run", type=Path, help="a run folder, of an lstm, instead of training")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training, a model")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--characters", type=int, default=10_000, help="of held-out text")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for language in models(arguments, Path(folder)):
            rows += measure(language, arguments.rounds, arguments.characters)
    text = table(
        [
            "lstm",
            "engine",
            "precision",
            "tokens/s",
            "× ONNX Runtime",
            "of the limit",
            "bits/character",
        ],
        [
            (
                f"{row['layers']} × {row['hidden_size']}",
                row["engine"],
                row["precision"],
                f"{row['tokens_per_second']:,.0f}",
                shown(row["ratio_to_onnxruntime"], ".2f"),
                shown(row["share_of_bandwidth"], ".0%"),
                f"{row['bits_per_character']:.4f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nOne text at a time, medians of {arguments.rounds} rounds measured in turn; {machine()}. "
        "× ONNX Runtime: to its int8 (dynamic) for int8, to its float32 for the others. Of the limit: "
        "to a loop that reads the same weights and computes nothing.\n"
    )
    publish(text, rows, arguments)


def shown(value: float | None, format: str) -> str:
    return "" if value is None else f"{value:{format}}"


if __name__ == "__main__":
    main()
