"""Questions of one step: what reads them, and what it leaves a decoder."""

import pytest
import torch
from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.models.inputs import InputLayer
from sunhwan.models.readers import ImageInput, LabelsInput, StepReader, VectorInput

CONFIG = ModelConfig(hidden_size=5, num_layers=1, dropout=0.0, embedding_size=4)


def steps(values: Tensor) -> Ragged:
    return Ragged(values.unsqueeze(1), torch.ones(len(values), dtype=torch.int64))


def layers() -> list[tuple[InputLayer, Tensor]]:
    torch.manual_seed(1)
    return [
        (VectorInput(7, 4), torch.randn(3, 7)),
        (ImageInput(8, 4), torch.randn(3, 64)),
        (ImageInput(11, 4), torch.randn(3, 121)),
        (ImageInput(1, 4), torch.randn(3, 1)),
        (LabelsInput([3, 2], 4), torch.tensor([[0, 1], [2, 0], [2, 1]])),
    ]


@pytest.mark.parametrize("place", range(5))
def test_each_row_is_read_by_itself(place: int) -> None:
    layer, values = layers()[place]
    found = layer(steps(values))
    assert isinstance(found, Tensor)
    assert found.shape == (3, 1, layer.output_size)
    for row in range(3):
        alone = layer(steps(values[row : row + 1]))
        assert isinstance(alone, Tensor)
        torch.testing.assert_close(alone[0], found[row])


def test_a_vector_goes_through_two_layers() -> None:
    (layer, x), *_ = layers()
    first, _, second = layer.layers  # type: ignore[misc, union-attr]
    expected = second(torch.clamp(x @ first.weight.T + first.bias, min=0))
    torch.testing.assert_close(layer(steps(x))[:, 0], expected)


def test_an_image_is_read_row_by_row() -> None:
    """A pixel moves what lies below it, not what lies beside it in the row of numbers."""
    layer = ImageInput(8, 4)
    first = layer.layers[0]
    assert isinstance(first, nn.Conv2d)
    image = torch.zeros(8, 8)
    image[2, 7] = 1.0
    flat = image.flatten()
    seen = first(flat.reshape(1, 1, 8, 8)) - first(torch.zeros(1, 1, 8, 8))
    where = seen.abs().sum(1)[0] > 0
    assert where.nonzero().tolist() == [[i, j] for i in (1, 2, 3) for j in (6, 7)]
    # Halved until four are left: 8 → 4.
    assert [m.stride for m in layer.layers if isinstance(m, nn.Conv2d)] == [(1, 1), (2, 2)]


def test_labels_stand_side_by_side() -> None:
    *_, (layer, ids) = layers()
    assert isinstance(layer, LabelsInput)
    first, second = (e.weight for e in layer.embeddings)
    expected = torch.cat((first[ids[:, 0]], second[ids[:, 1]]), -1)
    torch.testing.assert_close(layer(steps(ids))[:, 0], expected)
    assert layer.output_size == 8


def test_gradients_are_those_of_finite_differences() -> None:
    for layer, values in layers():
        layer.double()
        values = values.double() if values.is_floating_point() else values
        parameters = list(layer.parameters())

        def total(layer: InputLayer = layer, values: Tensor = values) -> Tensor:
            found = layer(steps(values))
            assert isinstance(found, Tensor)
            return found.square().sum()

        total().backward()  # type: ignore[no-untyped-call]
        for parameter in parameters:
            assert parameter.grad is not None
            place = int(torch.randint(parameter.numel(), ()))
            flat = parameter.data.view(-1)
            kept, epsilon = flat[place].item(), 1e-6
            flat[place] = kept + epsilon
            above = total().item()
            flat[place] = kept - epsilon
            below = total().item()
            flat[place] = kept
            slope = (above - below) / (2 * epsilon)
            assert parameter.grad.view(-1)[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_a_reader_leaves_one_vector_and_no_steps() -> None:
    for layer, values in layers():
        reader = StepReader(CONFIG, layer)
        memory = reader(steps(values))
        found = layer(steps(values))
        assert isinstance(found, Tensor)
        torch.testing.assert_close(memory.summary, found[:, 0])
        assert (memory.steps, memory.lengths, reader.step_size) == (None, None, None)
        assert memory.summary.shape == (3, reader.summary_size)
