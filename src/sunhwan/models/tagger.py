"""Tagger, aligned many to many: a sequence → a label for each of its steps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.layers.crf import CRF, bio_constraints, scheme_constraints
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer
from sunhwan.models.loss import Loss

NO_LABEL = -1
"""In the place of a label: padding, or what training did not know. It has no loss."""


class Tagged(NamedTuple):
    """A batch: one sequence a row, and the labels (N, T) int64, `NO_LABEL` where there is none.

    more: the labels of the further heads, (heads, N, T); None where there are none. characters: what the
    tokenizer learns of the same sentences; None where there is none.
    """

    inputs: Ragged
    labels: Tensor
    more: Tensor | None = None
    characters: "Tagged | None" = None

    def to(self, device: torch.device) -> "Tagged":
        """The same on a device."""
        more = None if self.more is None else self.more.to(device)
        characters = None if self.characters is None else self.characters.to(device)
        return Tagged(self.inputs.to(device), self.labels.to(device), more, characters)


class Nats(NamedTuple):
    """A sum of −log p in nats, and over how many steps it goes."""

    total: Tensor
    steps: Tensor


class Tagger(nn.Module):
    r"""Emissions e_t = y_t W + b of an encoder's outputs y, and what makes labels of them.

    output_layer "softmax": p(label_t | sequence) = softmax(e_t), each step apart from the others.
    "crf": p(labels | sequence) of all steps together, by a `CRF` (Huang et al. 2015; Lample et al.
    2016); none is decoded that the scheme of the labels forbids.

    Args:
        config: the network, complete.
        inputs: the layer that takes the sequences.
        labels: their names, L of them.
        output_layer: "softmax": each label is chosen for itself; "crf": all of a sequence together.
        scheme: that of the labels, see `data.tag_schemes`; None: BIO where they look like it.
        further: how many labels each further head has: of the same encoder, each step by softmax.

    tokenizer: a tagger of characters that is learned beside it, on the same sentences.
    """

    def __init__(
        self,
        config: ModelConfig,
        inputs: InputLayer,
        labels: Sequence[str],
        output_layer: str = "softmax",
        scheme: str | None = None,
        further: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, inputs)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(self.encoder.output_size, len(labels))
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.crf: CRF | None = None
        if output_layer == "crf":
            known = (
                bio_constraints(labels) if scheme is None else scheme_constraints(labels, scheme)
            )
            self.crf = CRF(len(labels), *(known or ()))
        heads = [nn.Linear(self.encoder.output_size, count) for count in further]
        for head in heads:
            nn.init.xavier_uniform_(head.weight)
            nn.init.zeros_(head.bias)
        self.further = nn.ModuleList(heads)
        self.tokenizer: Tagger | None = None

    def forward(self, sequences: Ragged) -> Tensor:
        """Sequences (N, T, …) → emissions (N, T, L)."""
        emissions: Tensor = self.output(self.encode(sequences))
        return emissions

    def encode(self, sequences: Ragged) -> Tensor:
        """Sequences (N, T, …) → what all heads read (N, T, E)."""
        outputs: Tensor = self.dropout(self.encoder(sequences))
        return outputs

    def further_emissions(self, outputs: Tensor) -> list[Tensor]:
        """Outputs (N, T, E) → the emissions of each further head (N, T, L of it)."""
        return [head(outputs) for head in self.further]

    def further_nats(
        self, emissions: Sequence[Tensor], batch: Tagged, smoothing: float = 0.0
    ) -> Tensor:
        """Emissions of the further heads → the sum of −log p over their labels, those that are known."""
        total = torch.zeros((), dtype=self.output.weight.dtype, device=batch.labels.device)
        if batch.more is None:
            return total
        for scores, labels in zip(emissions, batch.more, strict=True):
            known = labels != NO_LABEL
            total = total + functional.cross_entropy(
                scores[known], labels[known], reduction="sum", label_smoothing=smoothing
            )
        return total

    def tokenizer_nats(self, batch: Tagged) -> Tensor | float:
        """The sum of −log p over the labels of the characters, 0 where no tokenizer is learned."""
        if self.tokenizer is None or batch.characters is None:
            return 0.0
        emissions = self.tokenizer(batch.characters.inputs)
        return self.tokenizer.nats(emissions, batch.characters).total

    def nats(self, emissions: Tensor, batch: Tagged) -> Nats:
        """Emissions (N, T, L) → −log p(labels). Steps without a label are left out; with a CRF, which
        judges a sequence as a whole, sequences that have one."""
        labels, lengths = batch.labels, batch.inputs.lengths
        if self.crf is None:
            total = functional.cross_entropy(
                emissions.transpose(1, 2), labels, ignore_index=NO_LABEL, reduction="sum"
            )
            return Nats(total, (labels != NO_LABEL).sum())
        whole = ((labels != NO_LABEL) | ~batch.inputs.is_real()).all(1)
        emissions = emissions.to(self.output.weight.dtype)  # under autocast they have fewer digits
        losses = self.crf.negative_log_likelihood(emissions, labels.clamp(min=0), lengths)
        return Nats(losses[whole].sum(), lengths[whole].sum())

    def decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Emissions (N, T, L), lengths (N) → the best labels (N, T); any behind a row's end."""
        if self.crf is None:
            return emissions.argmax(-1)
        return self.crf.decode(emissions, lengths)

    def loss(self, batch: Tagged, smoothing: float = 0.0) -> Loss:
        """−log p(labels) a step, of all heads together; the objective of a softmax may be smoothed."""
        outputs = self.encode(batch.inputs)
        emissions = self.output(outputs)
        total, steps = self.nats(emissions, batch)
        count = steps.clamp(min=1)
        further, of_tokenizer = self.further_emissions(outputs), self.tokenizer_nats(batch)
        mean = (total + self.further_nats(further, batch) + of_tokenizer) / count
        if not smoothing or self.crf is not None:
            return Loss(mean, mean, terms=steps)
        objective = functional.cross_entropy(
            emissions.transpose(1, 2),
            batch.labels,
            ignore_index=NO_LABEL,
            label_smoothing=smoothing,
        )
        beside = self.further_nats(further, batch, smoothing) + of_tokenizer
        return Loss(mean, objective + beside / count, terms=steps)
