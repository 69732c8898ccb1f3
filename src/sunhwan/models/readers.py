"""Readers of a question of one step: a vector, an image, or labels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.models.decoder import Memory, Reader
from sunhwan.models.inputs import InputLayer


class VectorInput(InputLayer):
    """Vectors (N, 1, F) → relu(x W_1 + b_1) W_2 + b_2 (N, 1, D)."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, size), nn.ReLU(), nn.Linear(size, size))
        self.output_size = size

    def forward(self, vectors: Ragged) -> Tensor:
        found: Tensor = self.layers(vectors.values)
        return found


class ImageInput(InputLayer):
    """Square grey images (N, 1, side²), row by row → (N, 1, D).

    Convolutions of 3 × 3, the first at the full size and each further one halving it until 4 × 4 or
    less are left (LeCun et al. 1989), then a linear layer over all of that.
    """

    def __init__(self, side: int, size: int, channels: int = 32) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, padding=1), nn.ReLU()]
        while side > SMALL:
            wider = min(2 * channels, WIDEST)
            layers += [nn.Conv2d(channels, wider, 3, stride=2, padding=1), nn.ReLU()]
            channels, side = wider, -(-side // 2)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side**2, size))
        self.output_size = size

    def forward(self, images: Ragged) -> Tensor:
        N = len(images.values)
        found: Tensor = self.layers(images.values.reshape(N, 1, self.side, self.side))
        return found.unsqueeze(1)


SMALL, WIDEST = 4, 64


class LabelsInput(InputLayer):
    """Numbers of labels (N, 1, C) → their embeddings side by side (N, 1, C · D).

    counts: how many labels each of the C columns knows.
    """

    def __init__(self, counts: Sequence[int], size: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, size) for count in counts)
        for weight in self.embeddings.parameters():
            nn.init.normal_(weight, std=1 / math.sqrt(size))
        self.output_size = size * len(counts)

    def forward(self, labels: Ragged) -> Tensor:
        columns = labels.values.unbind(-1)
        pairs = zip(self.embeddings, columns, strict=True)
        return torch.cat([embedding(column) for embedding, column in pairs], -1)


class StepReader(Reader):
    """Questions of one step (N, 1, …) → `Memory` of their vectors alone: nothing to attend to."""

    def __init__(self, config: ModelConfig, inputs: InputLayer) -> None:
        super().__init__()
        self.inputs = inputs
        self.dropout = nn.Dropout(config.dropout)
        self.summary_size, self.step_size = inputs.output_size, None

    def forward(self, questions: Ragged) -> Memory:
        return Memory(self.dropout(self.inputs(questions)[:, 0]))
