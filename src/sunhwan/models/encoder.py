"""Encoder: input layer and recurrent stack, shared by all tasks that read sequences."""

from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.models.inputs import InputLayer
from sunhwan.models.recurrence import recurrence
from sunhwan.ops import LazyEmbedding


class Encoder(nn.Module):
    r"""Sequences → their outputs at every step: y = Recurrent(dropout(input(x))).

    values (N, T, …), lengths (N) → y (N, T, E), 0 behind a row's end, E = `output_size`.
    """

    def __init__(self, config: ModelConfig, inputs: InputLayer) -> None:
        super().__init__()
        self.inputs = inputs
        self.dropout = nn.Dropout(config.dropout)
        self.recurrent = recurrence(config, inputs.output_size, bidirectional=config.bidirectional)
        self.output_size = self.recurrent.output_size

    def forward(self, sequences: Ragged) -> Tensor:
        x = self.inputs(sequences)
        if not isinstance(x, LazyEmbedding):
            x = self.dropout(x)
        y: Tensor = self.recurrent(x, lengths=sequences.lengths)[0]
        return y
