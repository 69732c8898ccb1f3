"""Network of rating: an encoder, and one number of its last outputs."""

from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.layers.pooling import Pooling
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer


class Rater(nn.Module):
    """Sequences (N, T) → numbers (N)."""

    def __init__(self, config: ModelConfig, inputs: InputLayer) -> None:
        super().__init__()
        self.encoder = Encoder(config, inputs)
        size, directions = self.encoder.output_size, 2 if config.bidirectional else 1
        self.pooling = Pooling("last", size, directions)
        self.output = nn.Linear(size, 1)

    def forward(self, texts: Ragged) -> Tensor:
        return self.output(self.pooling(self.encoder(texts), texts.lengths)).squeeze(1)
