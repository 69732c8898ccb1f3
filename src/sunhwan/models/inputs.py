"""Input layers: a batch of sequences of tokens, numbers or words → vectors (N, T, D)."""

import math

import torch
from torch import Tensor, nn

from sunhwan.data import Ragged
from sunhwan.layers import Recurrent
from sunhwan.layers.pooling import last_step
from sunhwan.ops import LazyEmbedding


class InputLayer(nn.Module):
    """sequences (N, T, …) → x (N, T, D), D = `output_size`."""

    output_size: int

    def forward(self, sequences: Ragged) -> Tensor | LazyEmbedding:
        raise NotImplementedError


class TokenInput(InputLayer):
    """Token ids (N, T) → rows of an embedding E (V, D), of which dropout drops whole vectors' entries."""

    def __init__(self, vocabulary_size: int, size: int, *, token_dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, size)
        nn.init.normal_(self.embedding.weight)
        self.token_dropout = token_dropout
        self.output_size = size

    def table(self) -> Tensor:
        """The embedding (V, D); in training the share `token_dropout` of its rows is 0."""
        weight = self.embedding.weight
        if self.training and self.token_dropout:
            keep = torch.rand(len(weight), 1, device=weight.device) >= self.token_dropout
            weight = weight * keep / (1 - self.token_dropout)
        return weight

    def forward(self, sequences: Ragged) -> Tensor | LazyEmbedding:
        # In (T, N) order, so that the layer's time-major view costs no copy.
        return LazyEmbedding(sequences.values.T, self.table()).transpose(0, 1)


class FrameInput(InputLayer):
    """Vectors (N, T, F) → x W + b (N, T, D)."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, size)
        self.output_size = size

    def forward(self, sequences: Ragged) -> Tensor:
        projected: Tensor = self.linear(sequences.values)
        return projected


class WordInput(InputLayer):
    """Words (N, T, 1 + C), a word's id and the ids of its letters, −1 behind them → (N, T, D).

    [E[word]; the last outputs of two recurrences over the word's letters, from its first and from
    its last] (Ling et al. 2015; Lample et al. 2016): what is not in the vocabulary is still spelled
    out. In training a word is read as UNK with `word_dropout`, or else UNK would never be learned.
    """

    def __init__(
        self, words: int, letters: int, word_size: int, letter_size: int, cell: str,
        *, unk: int = 0, word_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.words = nn.Embedding(words, word_size)
        nn.init.normal_(self.words.weight, std=1 / math.sqrt(word_size))
        self.letters = nn.Embedding(letters, letter_size)
        nn.init.normal_(self.letters.weight)
        self.onward = Recurrent(cell, letter_size, letter_size)
        self.back = Recurrent(cell, letter_size, letter_size)
        self.unk, self.word_dropout = unk, word_dropout
        self.output_size = word_size + 2 * self.onward.output_size

    def forward(self, sequences: Ragged) -> Tensor:
        values, real = sequences.values, sequences.is_real()
        known = real
        if self.training and self.word_dropout:
            known = real & (torch.rand(real.shape, device=real.device) >= self.word_dropout)
        words = self.words(torch.where(known, values[..., 0], self.unk))
        # Each word is spelled once, however often it occurs in the batch.
        letters, place = torch.unique(values[..., 1:][real], dim=0, return_inverse=True)
        spelled = self.spell(letters)
        spellings = spelled.new_zeros(*real.shape, spelled.shape[1])
        spellings[real] = spelled[place]
        return torch.cat((words, spellings), -1)

    def spell(self, letters: Tensor) -> Tensor:
        """Letters (M, C), −1 behind a word's end → what both readers end in (M, 2 H), 0 without any."""
        lengths = (letters >= 0).sum(1)
        order = lengths.argsort()
        # Short words apart from long ones: half the steps would be padding.
        ends = [self._ends(letters[half], lengths[half]) for half in order.tensor_split(2)]
        return torch.cat(ends)[order.argsort()]

    def _ends(self, letters: Tensor, lengths: Tensor) -> Tensor:
        letters = letters[:, : max([1, *lengths[-1:].tolist()])]  # the last is the longest
        steps = torch.arange(letters.shape[1], device=letters.device)
        reversed_ = letters.gather(1, (lengths.unsqueeze(1) - 1 - steps).clamp(min=0))
        ends = []
        # Without lengths, which cost more: outputs behind the last letter are not read.
        for reader, row in ((self.onward, letters), (self.back, reversed_)):
            x = LazyEmbedding(row.clamp(min=0).T, self.letters.weight).transpose(0, 1)
            y, _ = reader(x)
            ends.append(last_step(y, lengths))
        return torch.where((lengths > 0).unsqueeze(1), torch.cat(ends, -1), 0)
