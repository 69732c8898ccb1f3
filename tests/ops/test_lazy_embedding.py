"""A folded table gives the numbers and gradients of the sequence that it stands for."""

from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.cells import get_cell
from sunhwan.layers import Recurrent
from sunhwan.ops import LazyEmbedding, materialised, recur
from tests.shapes import SHAPES

V, D, H, N = 4, 3, 5, 3

each_cell = pytest.mark.parametrize("cell", SHAPES)


def embedded(T: int, *, rows: int = V) -> LazyEmbedding:
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(rows, D, generator=draw, dtype=torch.float64, requires_grad=True)
    return LazyEmbedding(torch.randint(rows, (N, T), generator=draw), weight)


def network(cell: Any, **options: Any) -> Recurrent:
    torch.manual_seed(2)
    made = Recurrent(cell, D, H, **{"learned_initial_state": True, **options}).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return made


def everything(made: Recurrent, table: Tensor, x: Any, **more: Any) -> list[Tensor]:
    """Output, last state, and the gradients of a sum of both in the table and all parameters."""
    torch.manual_seed(3)
    output, state = made(x, **more)
    values = [output, *(field for one in state for field in one)]
    draw = torch.Generator().manual_seed(4)
    total = sum((v * torch.randn(v.shape, generator=draw, dtype=v.dtype)).sum() for v in values)
    ends = [table, *made.parameters()]
    gradients = torch.autograd.grad(total, ends, allow_unused=True, materialize_grads=True)
    return [v.detach() for v in values] + list(gradients)


def check(made: Recurrent, x: LazyEmbedding, **more: Any) -> None:
    folded = everything(made, x.weight, x, **more)
    plain = everything(made, x.weight, x.materialise(), **more)
    for got, wanted in zip(folded, plain, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@each_cell
@pytest.mark.parametrize("bias", [True, False])
def test_a_folded_table_changes_no_number(cell: str, bias: bool) -> None:
    x = embedded(7)
    assert x.folds
    check(network(cell, bias=bias), x)


@each_cell
def test_no_steps_and_no_rows(cell: str) -> None:
    check(network(cell), embedded(0))
    x = embedded(7)
    check(network(cell), LazyEmbedding(x.ids[:0], x.weight))


@pytest.mark.parametrize("backend", ["reference", "unrolled", "fused"])
def test_every_backend_reads_it(backend: str) -> None:
    check(network("lstm", backend=backend), embedded(7))


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 2}, {"num_layers": 2, "connection": "dense"}, {"bidirectional": True},
        {"num_layers": 2, "dropout": 0.4, "locked_dropout": True}, {"zoneout": 0.3},
        {"weight_drop": 0.3, "recurrent_dropout": 0.2},
    ],
    ids=str,
)  # fmt: skip
def test_every_network_reads_it(options: dict[str, Any]) -> None:
    check(network("lstm_layer_norm", **options), embedded(7))


def test_with_resets_and_lengths() -> None:
    x = embedded(9)
    resets = torch.zeros(N, 9, dtype=torch.bool)
    resets[1, 4] = resets[0, 0] = True
    check(network("gru"), x, resets=resets)
    check(network("gru"), x, resets=resets, lengths=[9, 2, 0])


def test_a_mask_on_the_input_of_the_first_layer() -> None:
    made, x = network("lstm"), embedded(7)
    (masks,) = made.draw_masks(N)
    half = torch.tensor([0.0, 2.0, 2.0], dtype=torch.float64).expand(1, N, D)
    check(made, x, masks=[masks._replace(x=half)])


@pytest.mark.parametrize("T", [1, 2])
def test_a_large_vocabulary_is_looked_up(T: int) -> None:
    x = embedded(T)
    assert not x.folds
    check(network("lstm"), x)


def rows_multiplied(x: Any) -> int:
    """How many rows the input product of an LSTM has."""
    cell = get_cell("lstm")
    parameters = {n: p.double() for n, p in cell.initial_parameters(D, H).items()}
    shapes = []

    class Watching(type(cell)):  # type: ignore[misc]
        def inputs(self, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
            shapes.append(x.shape)
            return super().inputs(x, parameters)  # type: ignore[no-any-return]

    state = cell.zero_state(N, H, dtype=torch.float64)
    recur(Watching(), x, parameters, state, backend="reference")
    ((rows, _),) = shapes
    return int(rows)


def test_the_product_has_the_rows_of_the_table() -> None:
    x = embedded(7).transpose(0, 1)
    assert rows_multiplied(x) == V
    assert rows_multiplied(x.materialise()) == 7 * N
    assert rows_multiplied(x[:1]) == N  # too few steps to pay


def test_it_is_as_what_it_stands_for() -> None:
    x = embedded(7)
    tensor = x.materialise()
    assert materialised(x).equal(tensor)
    assert materialised(tensor) is tensor
    for part, wanted in ((x, tensor), (x[1:2], tensor[1:2]), (x.transpose(0, 1), tensor.mT)):
        assert len(part) == len(materialised(part))
        assert part.dim() == wanted.dim() == 3
        assert part.dtype == wanted.dtype
        assert part.device == wanted.device
        assert part.shape == part.materialise().shape
    assert x[1:2].materialise().equal(tensor[1:2])
    assert x.transpose(0, 1).materialise().equal(tensor.transpose(0, 1))
    assert x.to(torch.zeros(1)).materialise().equal(tensor.float())


def test_autocast_keeps_the_precision_of_the_weights() -> None:
    made, x = network("lstm"), embedded(7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = made(x)
    torch.testing.assert_close(output, made(x.materialise())[0], rtol=1e-12, atol=1e-14)
