"""Models exported to ONNX say what the models say, with onnxruntime and numpy alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import export, parity
from sunhwan.exporting.onnx import language_model_graphs
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import build_vocabulary


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Compared at fewer sizes than users' models are."""
    monkeypatch.setattr(language_model_graphs, "BATCHES", (1, 3))
    monkeypatch.setattr(language_model_graphs, "LENGTHS", (1, 20))


GOLDEN = Path(__file__).parents[1] / "golden" / "v1"

TEXT = "나는 산에서 웃고\nthe cat sings at sea\n"


def small(kind: str = "characters", **model: object) -> LanguageModelTask:
    """A fresh language model of few units."""
    settings = {"hidden_size": 5, "num_layers": 1, "embedding_size": 4, "input": "embedding"}
    settings |= {"dropout": 0.0, **model}
    config = Config().override({f"model.{name}": value for name, value in settings.items()})
    vocabulary = build_vocabulary(kind, [TEXT])
    torch.manual_seed(1)
    return LanguageModelTask(config, vocabulary, LanguageModel(config.model, len(vocabulary)))


def nodes(file: Path) -> set[str]:
    """The kinds of the nodes of a graph, its loops included."""
    found = set()
    waiting = [onnx.load(file).graph]
    while waiting:
        for node in waiting.pop().node:
            found.add(node.op_type)
            waiting += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return found


def of_sentences(task: LanguageModelTask) -> LanguageModelTask:
    """The same model as if it had learned line by line."""
    config = task.config.override({"data.batches": "sentences"})
    return LanguageModelTask(config, task.vocabulary, task.model)


def unread(file: Path) -> set[str]:
    """The weights of a graph that no node reads."""
    graph = onnx.load(file).graph
    read: set[str] = set()
    waiting = [graph]
    while waiting:
        for node in waiting.pop().node:
            read |= set(node.input)
            waiting += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return {weight.name for weight in graph.initializer} - read


@pytest.mark.parametrize(
    ("cell", "operator"),
    [
        ("lstm_peephole", "LSTM"), ("gru", "GRU"), ("gru_reset_before", "GRU"),
        ("lstm_layer_norm", "Scan"), ("slstm", "Scan"),
    ],
)  # fmt: skip
def test_operators(tmp_path, cell, operator):
    """A cell that is exactly one of ONNX's operators is that one; the parity is part of the export."""
    found = export(small(cell=[cell]), tmp_path / "out")
    kinds = nodes(tmp_path / "out" / "sequence.onnx")
    assert operator in kinds
    assert len(kinds & {"LSTM", "GRU", "RNN", "Scan"}) == 1
    assert found.deviation < 1e-4
    assert "Scan" not in nodes(tmp_path / "out" / "step.onnx")
    assert not unread(tmp_path / "out" / "sequence.onnx")


@pytest.mark.parametrize(
    "model",
    [
        {"cell": ["lstm"], "zoneout": 0.2, "zoneout_cell": 0.1},
        {"cell": ["gru"], "num_layers": 2, "connection": "residual", "layer_norm": True},
        {
            "cell": ["lstm", "mingru"],
            "num_layers": 2,
            "connection": "dense",
            "learned_initial_state": True,
        },
        {"cell": ["ugrnn"], "num_layers": 2, "connection": "highway", "bias": False},
        {"cell": ["gru"], "input": "one-hot"},
        {"cell": ["lstm"], "lag": 2},
    ],
    ids=str,
)
def test_what_is_around_the_cells(tmp_path, model):
    task = small(**model)
    with torch.no_grad():
        for parameter in task.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert export(task, tmp_path / "out").deviation < 1e-5


@pytest.mark.parametrize(
    "name", ["texts/bytes", "texts/subwords", "cells/antisymmetric", "cells/irnn"]
)
def test_the_example_writes_what_sample_writes(tmp_path, name):
    """Of every kind of vocabulary; greedily, in float32."""
    task = sunhwan.load(GOLDEN / name)
    assert isinstance(task, LanguageModelTask)
    sunhwan.export(GOLDEN / name, tmp_path / "out")
    for prompt in ("나는 the 사", ""):
        (wanted,) = task.sample(prompt, length=60, temperature=0, precision="fp32")
        script = tmp_path / "out" / "example.py"
        done = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", script, prompt, "60"], capture_output=True, text=True,
            encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout == wanted.prompt + wanted.text + "\n"


def test_a_model_of_sentences_begins_each_line_anew(tmp_path):
    task = of_sentences(small(cell=["gru"]))
    sunhwan.export(task, tmp_path / "out")
    for prompt in ("the cat\n나", ""):
        (wanted,) = task.sample(prompt, length=60, temperature=0, precision="fp32")
        assert "\n" in prompt + wanted.text
        done = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", tmp_path / "out" / "example.py", prompt, "60"],
            capture_output=True, text=True, encoding="utf-8", check=True,
        )  # fmt: skip
        assert done.stdout == wanted.prompt + wanted.text + "\n"


def test_the_example_needs_neither_sunhwan_nor_torch(tmp_path):
    export(small(), tmp_path / "out")
    source = (tmp_path / "out" / "example.py").read_text(encoding="utf-8")
    assert "import sunhwan" not in source
    assert "import torch" not in source


def test_the_folder(tmp_path, command):
    done = command("export", GOLDEN / "texts" / "two_cells", "--out", tmp_path / "out", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    names = {Path(file).name for file in found["files"]}
    assert names == {"step.onnx", "sequence.onnx", "metadata.json", "tokenizer.json", "example.py"}
    about = json.loads((tmp_path / "out" / "metadata.json").read_text(encoding="utf-8"))
    assert about["opset"] == 17
    assert about["deviation"] == found["deviation"] < 1e-5
    assert about["files"]["sequence.onnx"]["input"]["tokens"] == ["int64", "batch", "time"]
    assert [field["size"] for field in about["state"]] == [3, 4, 4]
    for name in ("step.onnx", "sequence.onnx"):
        onnx.checker.check_model(str(tmp_path / "out" / name), full_check=True)
    again = command("export", GOLDEN / "texts" / "two_cells", "--out", tmp_path / "out")
    assert again.code == 0
    assert "numbers differ from the model's by" in again.out


@pytest.mark.parametrize(("weights", "most", "kind"), [("fp16", 0.55, 10), ("int8", 0.32, 2)])
def test_smaller_weights(tmp_path, weights, most, kind):
    """Operators, bodies of loops and tables; a row of a batch is the row alone."""
    task = small(cell=["lstm", "slstm"], num_layers=2, hidden_size=64, embedding_size=32)
    found = export(task, tmp_path / "out", weights=weights)
    export(task, tmp_path / "large")
    assert 0 < found.deviation < parity.SHARES[weights]
    assert f"weights in {weights}" in found.summary()
    about = json.loads((tmp_path / "out" / "metadata.json").read_text(encoding="utf-8"))
    assert (about["weights"], about["deviation"]) == (weights, found.deviation)
    for name in ("step.onnx", "sequence.onnx"):
        file = tmp_path / "out" / name
        assert file.stat().st_size < most * (tmp_path / "large" / name).stat().st_size
        stored = {w.data_type for w in onnx.load(file).graph.initializer if len(w.dims) > 1}
        assert kind in stored
    assert ("MatMulInteger" in nodes(tmp_path / "out" / "step.onnx")) == (weights == "int8")
    session = onnxruntime.InferenceSession(tmp_path / "out" / "sequence.onnx")
    given = {v.name: np.zeros((3, v.shape[1]), np.float32) for v in session.get_inputs()[2:]}
    given |= {"tokens": np.arange(12).reshape(3, 4), "lengths": np.full(3, 4)}
    together = session.run(None, given)[0]
    alone = session.run(None, {name: value[1:2] for name, value in given.items()})[0]
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)


def test_weights_that_are_too_small_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sunhwan.exporting.onnx.small_weights.MOST", 3)
    with pytest.raises(ConfigError, match=r"with weights in int8 .* export it with larger weights"):
        export(small(cell=["gru"]), tmp_path / "out", weights="int8")
    assert not (tmp_path / "out").exists()


def test_a_state_goes_on_where_it_ended(tmp_path):
    """Any batch, any length: a sequence in two parts is the sequence, a row alone the row."""
    export(small(cell=["lstm_coupled"]), tmp_path / "out")
    session = onnxruntime.InferenceSession(tmp_path / "out" / "sequence.onnx")
    ids = np.random.default_rng(1).integers(0, 9, (4, 11))
    zero = {f"state_0_{field}": np.zeros((4, 5), np.float32) for field in "hc"}

    def run(ids, state):
        given = {"tokens": ids, "lengths": np.full(len(ids), ids.shape[1]), **state}
        logits, *after = session.run(None, given)
        return logits, dict(zip(state, after, strict=True))

    whole, end = run(ids, zero)
    first, state = run(ids[:, :4], zero)
    second, last = run(ids[:, 4:], state)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, atol=1e-6)
    np.testing.assert_allclose(last["state_0_c"], end["state_0_c"], atol=1e-6)
    alone, _ = run(ids[2:3], {name: field[2:3] for name, field in zero.items()})
    np.testing.assert_allclose(alone, whole[2:3], atol=1e-6)


def test_a_graph_that_disagrees_is_not_written(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(
        "sunhwan.exporting.onnx.recurrent_nodes.GRU_GATES", ("r", "z", "n")
    )  # the gates in the wrong order
    with pytest.raises(
        ConfigError, match=r"^step\.onnx is not written: logits is off by .* at batch"
    ):
        export(small(cell=["gru"]), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_deviation():
    one = np.ones(3, np.float32)
    assert parity.deviation(one, one[:2]) == np.inf
    assert parity.deviation(one * 100, one * 101) == pytest.approx(1 / 101)
    assert not parity.deviation(one * np.nan, one) <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "pickle"), "there is no format 'pickle' to export to: choose from onnx, c, html"),
        (("--to", "onnx"), "holds other files: name a new folder"),
        (
            ("--weights", "int4"),
            "no weights of 'int4' (did you mean 'int8'?) in the format onnx: choose from fp32, fp16, int8",
        ),
    ],
)
def test_refusals(tmp_path, command, arguments, said):
    (tmp_path / "notes.txt").write_text("mine")
    done = command("export", GOLDEN / "texts" / "tied", "--out", tmp_path, *arguments)
    assert done.code == 2
    assert said in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_onnx_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"pip install 'sunhwan\[export\]'"):
        export(small(), tmp_path / "out")


def test_a_cell_that_cannot_be_traced_is_refused(tmp_path):
    task = small()
    from tests.laws.test_check import Sorting

    task.model.recurrent.stack[0].cell = Sorting()
    task.model.recurrent.stack[0]._stored = {"W_x": "W_x_T", "W_h": "W_h_T", "b": "b"}
    with pytest.raises(
        ConfigError, match=r"aten.sort.default is no operation of programs \(test_check"
    ):
        export(task, tmp_path / "out")
