"""The sizes are the model's own, and what a block keeps is what PyTorch keeps."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.config import Config
from sunhwan.data import Block
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.saved_values import backend_of, saved_by_layers
from sunhwan.inspection.measures.unrolling import Unrolling, unrolled
from sunhwan.inspection.subjects import subject_of
from sunhwan.layers import Recurrent
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import build_vocabulary
from tests.inspection.subjects import NAMES, make
from tests.shapes import SHAPES

N, T, H, D = 4, 64, 32, 16


def text_task(tokens: int = 50, **settings: object) -> tuple[LanguageModelTask, Config]:
    """A language model in float32, and the configuration of its training."""
    values = {
        "model.hidden_size": H, "model.embedding_size": D, "model.num_layers": 1,
        "model.input": "embedding", "model.dropout": 0.0, "data.batch_size": N,
        "data.block_length": T, **{key.replace("__", "."): v for key, v in settings.items()},
    }  # fmt: skip
    config = Config().override(values, "the test")
    letters = "".join(chr(0x4E00 + n) for n in range(tokens))
    torch.manual_seed(1)
    return LanguageModelTask(config, build_vocabulary("characters", [letters], unk=False)), config


def saved_bytes(run: Callable[[], Any], parameters: Iterable[Tensor]) -> int:
    """Bytes that a forward pass saves for its backward pass, each memory once, parameters left out."""
    known = {p.untyped_storage().data_ptr() for p in parameters}
    found: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage  # alive, or its place would be another's
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    assert result is not None
    return sum(storage.nbytes() for storage in found.values())


def block_of(task: LanguageModelTask, config: Config) -> Block:
    ids = torch.randint(0, len(task.vocabulary), (config.data.batch_size, config.data.block_length))
    return Block(ids, ids.clone(), torch.zeros(ids.shape, dtype=torch.bool))


def check_bytes(
    task: LanguageModelTask, config: Config, backend: str | None, tolerance: float
) -> None:
    for layer in task.model.recurrent.stack:
        layer.backend = backend
    found = unrolled(subject_of(task), config)
    if any(layer.backend == "fused" for layer in found.layers):
        pytest.skip("PyTorch's fused operators do not tell what they keep")
    block = block_of(task, config)
    measured = saved_bytes(lambda: task.model.train().loss(block), task.model.parameters())
    # Random numbers that decide which units are held are kept too, by the reference loop not in
    # PyTorch's graph.
    model = config.model
    fields = len(task.model.recurrent.stack[0].cell.state_type._fields)
    drawn = H * ((model.zoneout > 0) + (model.zoneout_cell > 0) * (fields - 1)) * model.num_layers
    assert found.bytes is not None
    layers = task.model.recurrent.stack
    by_kernel = all(backend_of(layer, ragged=False) == "native" for layer in layers)
    said = found.bytes - (0 if by_kernel else 4 * N * T * drawn)
    assert said == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize("tokens", [20, 300])
@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("cell", SHAPES)
def test_what_is_kept_of_each_cell(cell: str, backend: str | None, tokens: int) -> None:
    """With a folded first product, and with one over every step."""
    check_bytes(*text_task(tokens, model__cell=cell), backend, 0.08)


@pytest.mark.parametrize("tokens", [20, 300])
@pytest.mark.parametrize("cell", ["mingru", "minlstm", "rglru"])
def test_what_is_kept_of_a_scan(cell: str, tokens: int) -> None:
    check_bytes(*text_task(tokens, model__cell=cell), "scan", 0.1)


SETTINGS: list[dict[str, object]] = [
    {"model__dropout": 0.2, "model__num_layers": 2},
    {"model__dropout": 0.2, "model__num_layers": 2, "model__locked_dropout": True},
    {"model__num_layers": 3, "model__connection": "residual"},
    {"model__num_layers": 3, "model__connection": "highway", "model__dropout": 0.1},
    {"model__num_layers": 3, "model__connection": "highway", "model__layer_norm": True},
    {"model__num_layers": 3, "model__connection": "dense"},
    {"model__num_layers": 2, "model__layer_norm": True, "model__dropout": 0.3},
    {"model__num_layers": 2, "model__zoneout": 0.1, "model__zoneout_cell": 0.2},
    {"model__recurrent_dropout": 0.2},
    {"model__lag": 4},
    {"model__tied": True},
    {"model__input": "one-hot"},
    {"model__learned_initial_state": False},
    {"model__cell": ("gru", "mingru"), "model__num_layers": 2, "model__hidden_size": (24, 40)},
    {"training__bptt_memory": "full", "data__block_length": 5, "data__batch_size": 40},
]


@pytest.mark.parametrize("tokens", [50, 200])
@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_what_is_kept_of_each_setting(
    settings: dict[str, object], backend: str | None, tokens: int
) -> None:
    check_bytes(*text_task(tokens, **settings), backend, 0.1)


def test_of_a_large_vocabulary_gradients_are_kept_in_the_place_of_logits() -> None:
    task, config = text_task(15_000, data__batch_size=8)
    check_bytes(task, config, None, 0.05)
    found = unrolled(subject_of(task), config)
    assert found.bytes is not None
    assert found.output_saved == H
    assert found.bytes < 4 * 8 * T * 15_000


@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "slstm"])
@pytest.mark.parametrize(
    "options",
    [
        {"bidirectional": True},
        {"bidirectional": True, "num_layers": 2, "dropout": 0.2},
        {"bidirectional": True, "num_layers": 2, "merge": "sum"},
        {"num_layers": 2},
    ],
    ids=str,
)
def test_what_is_kept_of_rows_with_ends(
    options: dict[str, Any], cell: str, backend: str | None
) -> None:
    torch.manual_seed(1)
    net = Recurrent(cell, D, H, backend=backend, **options)
    x, lengths = torch.randn(N, T, D), torch.tensor([T, T - 1, 40, 30])
    measured = saved_bytes(lambda: net(x, lengths=lengths), net.parameters())
    kept = saved_by_layers(net, ragged=True, folded=False)
    assert len(kept) == len(net.stack)
    packed = all(backend_of(layer, ragged=True) == "native" for layer in net.stack)
    steps = int(lengths.sum()) if packed else N * T  # packed sequences keep real steps alone
    assert 4 * steps * sum(one.total for one in kept) == pytest.approx(measured, rel=0.1)


# Blocks.


@pytest.mark.parametrize("length", [1, 2, 16, 50, 64])
def test_pieces_are_those_that_are_computed(length: int) -> None:
    task, config = text_task(data__block_length=length, training__bptt_memory="sqrt")
    found = unrolled(subject_of(task), config)
    seen: list[int] = []
    task.model.recurrent.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    task.loss(block_of(task, config), None, config.training)
    assert len(seen) == found.pieces
    assert sum(seen) == length
    assert max(seen) == found.piece_length


def test_pieces_keep_less_and_what_the_parts_say() -> None:
    def bytes_of(**settings: object) -> Unrolling:
        task, config = text_task(20, **settings)
        return unrolled(subject_of(task), config)

    full, pieces = bytes_of(), bytes_of(training__bptt_memory="sqrt")
    assert (full.pieces, full.piece_length, full.block_length) == (1, T, T)
    assert (pieces.pieces, pieces.piece_length, pieces.block_length) == (8, 8, T)
    assert full.bytes is not None
    assert pieces.bytes is not None
    one_piece = bytes_of(data__block_length=8)
    assert one_piece.bytes is not None
    # Of the other seven pieces the states they begin in: h and c of every row.
    assert pieces.bytes == one_piece.bytes + 7 * N * 2 * H * 4
    assert full.bytes > 5 * pieces.bytes
    twice = bytes_of(data__block_length=2 * T)
    assert twice.bytes is not None
    assert twice.bytes == pytest.approx(2 * full.bytes, rel=0.01)


def test_the_gradient_stops_at_the_border_of_a_block_and_the_state_does_not() -> None:
    """What `block_length` says of a training run, as the training loop does it."""
    from sunhwan.layers import detach

    task, config = text_task(data__block_length=6)
    blocks = [block_of(task, config) for _ in range(2)]
    first = task.loss(blocks[0], None, config.training)
    assert first.state is not None
    carried = detach(first.state)
    assert not any(field.requires_grad for state in carried for field in state)
    with_state = task.loss(blocks[1], carried, config.training).nats
    without = task.loss(blocks[1], None, config.training).nats
    assert float(with_state.detach()) != float(without.detach())
    assert unrolled(subject_of(task), config).block_length == 6


def test_a_block_that_overlaps_keeps_what_its_loss_needs() -> None:
    task, config = text_task(data__block_length=24, data__bptt_length=T)
    found = unrolled(subject_of(task), config)
    block = block_of(task, config.override({"data.block_length": T}))._replace(overlap=T - 24)
    measured = saved_bytes(lambda: task.model.train().loss(block), task.model.parameters())
    assert found.bytes == pytest.approx(measured, rel=0.08)
    assert found.memory is not None
    assert (found.block_length, found.memory.lengths[found.memory.own]) == (24, T)
    assert found.memory.full[found.memory.own] == found.bytes


def test_memory_grows_as_t_or_as_its_root() -> None:
    task, config = text_task()
    memory = unrolled(subject_of(task), config).memory
    assert memory is not None
    at = memory.lengths.index
    assert memory.full[at(4096)] == pytest.approx(4 * memory.full[at(1024)], rel=0.01)
    assert memory.sqrt[at(4096)] == pytest.approx(2 * memory.sqrt[at(1024)], rel=0.05)


# Sizes.


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_those_of_the_model(name: str, tmp_path: Path) -> None:
    one = make(name, tmp_path, model__num_layers=2)
    subject, model = one.subject, one.prepared.task.model
    found = unrolled(subject, one.config)
    assert found.total == sum(p.numel() for p in model.parameters())
    assert found.total == sum(found.parameters.values())
    assert all(count >= 0 for count in found.parameters.values())
    layers = [(name, layer) for name, stack in subject.recurrents.items() for layer in stack.stack]
    assert len(found.layers) == len(layers)
    for shown, (stack, layer) in zip(found.layers, layers, strict=True):
        assert shown.stack == stack
        assert (shown.input_size, shown.hidden_size) == (layer.input_size, layer.hidden_size)
        assert sum(shown.parameters.values()) == sum(p.numel() for p in layer.parameters())
        assert shown.parameters["W_h"] == 4 * 5 * 5
        assert shown.states == {"h": 5, "c": 5}
    way = {"backward", "forward"} if subject.recurrents[subject.main].bidirectional else {"forward"}
    assert {layer.direction for layer in found.layers if layer.stack == subject.main} == way
    assert found.batch_size == one.config.data.batch_size
    assert json_values(found)["layers"][0]["saved"]["states"] > 0
    if name == "language_model":
        assert found.tokens == found.output_size == len(one.prepared.task.vocabulary)
        assert found.block_length == one.config.data.block_length
        assert found.reset_probability == one.config.data.reset_probability
    else:
        assert (found.block_length, found.bytes, found.reset_probability) == (None, None, 0)
        assert found.pieces == 1


def test_parts_of_a_tied_and_of_a_one_hot_model() -> None:
    task, config = text_task(50, model__tied=True)
    tied = unrolled(subject_of(task), config).parameters
    assert (tied["input"], tied["output"]) == (50 * H, 50)  # the weight is the embedding's
    task, config = text_task(50, model__input="one-hot")
    one_hot = unrolled(subject_of(task), config)
    assert (one_hot.parameters["input"], one_hot.input_size) == (0, 50)
    task, config = text_task(50, model__connection="highway", model__num_layers=3)
    assert unrolled(subject_of(task), config).parameters["others"] == 2 * (H * H + H)


def test_the_equation_says_how_many_parameters_a_layer_has() -> None:
    for cell, gates in {"elman": 1, "gru": 3, "lstm": 4}.items():
        task, config = text_task(50, model__cell=cell, model__learned_initial_state=False)
        (layer,) = unrolled(subject_of(task), config).layers
        wanted = {"W_x": gates * D * H, "W_h": gates * H * H, "b": gates * H}
        assert layer.parameters == wanted | ({"b_h": 3 * H} if cell == "gru" else {})


def test_a_cell_of_ones_own_is_counted_by_a_step(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "from sunhwan.cells import Cell, HiddenState\n\n\n"
        "class Mine(Cell):\n"
        "    gates = ('z', 'n')\n"
        "    state_type = HiddenState\n"
        "    saved_names = ('z',)\n\n"
        "    def pointwise(self, a, u, state, *extra):\n"
        "        s_z, n = (a + u).chunk(2, -1)\n"
        "        z = torch.sigmoid(s_z)\n"
        "        return HiddenState(z * state[0] + (1 - z) * torch.tanh(n)), (z,)\n",
        encoding="utf-8",
    )
    from sunhwan.cells import own_cell

    name = own_cell(f"{tmp_path / 'mine.py'}:Mine")
    task, config = text_task(model__cell=name)
    check_bytes(task, config, None, 0.1)
