"""Encoder-decoder (Sutskever et al. 2014): an encoder reads the question, a decoder writes the answer."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.layers import Pooling
from sunhwan.models.decoder import Decoder, DecoderState, Memory, Reader
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer
from sunhwan.models.loss import Loss


class Written(NamedTuple):
    """A batch: what is read, and the texts about it (N, T), each with EOS at its end."""

    inputs: Any
    targets: Ragged

    def to(self, device: torch.device) -> "Written":
        """The same on a device."""
        return Written(self.inputs.to(device), self.targets.to(device))


class SequenceReader(Reader):
    """Sequences (N, T, …) → `Memory`: the outputs of every step, and those of both directions' last."""

    def __init__(self, config: ModelConfig, inputs: InputLayer) -> None:
        super().__init__()
        self.encoder = Encoder(config, inputs)
        self.summary_size = self.step_size = size = self.encoder.output_size
        self.pooling = Pooling("last", size, 2 if config.bidirectional else 1)

    def forward(self, sequences: Ragged) -> Memory:
        y = self.encoder(sequences)
        return Memory(self.pooling(y, sequences.lengths), y, sequences.lengths)


class EncoderDecoder(nn.Module):
    """A text about what was read (Cho et al. 2014; Sutskever et al. 2014; Bahdanau et al. 2015).

    Args:
        config: completed.
        reader: inputs → `Memory`; its `summary_size` S, and `step_size` E or None for no steps.
        vocabulary_size: V, of what is written.
        eos: the id of EOS, with which every text ends.
        attention, input_feeding: as in `Decoder`.
    """

    def __init__(
        self,
        config: ModelConfig,
        reader: Reader,
        vocabulary_size: int,
        *,
        eos: int,
        attention: str = "additive",
        input_feeding: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.reader = config, reader
        sizes = reader.summary_size, reader.step_size
        self.decoder = Decoder(
            config,
            vocabulary_size,
            *sizes,
            eos=eos,
            attention=attention,
            input_feeding=input_feeding,
        )

    def forward(self, batch: Written) -> Tensor:
        """Teacher forcing: log p (R, V) of every token, padding left out, rows one after another."""
        vectors = self.decoder(batch.targets.values, self.reader(batch.inputs))
        return torch.log_softmax(self.decoder.output(vectors[batch.targets.is_real()]), -1)

    def loss(self, batch: Written, *, smoothing: float = 0.0, sampled: float = 0.0) -> Loss:
        """The mean cross-entropy of a token; `smoothing` and `sampled` as in `Decoder`."""
        memory = self.reader(batch.inputs)
        return self.decoder.loss(batch.targets, memory, smoothing=smoothing, sampled=sampled)

    def start(self, inputs: Any) -> DecoderState:
        """Read: the state before the first token about each input."""
        return self.decoder.start(self.reader(inputs))

    def step(self, ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """One token further: see `Decoder.step`."""
        return self.decoder.step(ids, state)
