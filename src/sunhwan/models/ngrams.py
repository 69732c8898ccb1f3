"""Linear model of n-grams: the wide part beside a network (Cheng et al. 2016)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sunhwan.data import Ragged

PRIME, BASE = 2**31 - 1, 1_000_003
"""Of the rolling hash: products of two codes fit into 63 bits."""
LONGEST_WORD = 64
"""Letters that a code is made of; input kinds cut longer words."""


class NgramLinear(nn.Module):
    r"""Sequences → logits (N, L) of a linear model of their n-grams, hashed into `buckets` rows.

    .. math:: z = b + \sum_g f_g W_g \Big/ \sqrt{\sum_g f_g^2}

    over all n-grams g of up to `longest` steps, each as often as it occurs; :math:`f_g` is its inverse
    document frequency, in models of today times what it tells of the label. A step is a token (N, T), or a
    word (N, T, 1 + C) by its letters, in small letters and without its marks, unless it is nothing but
    marks. What is fitted, by `sunhwan.tasks.classify.ngrams`, learns nothing from gradients.

    letters: of words, the letter that each id is; none where steps are tokens.
    """

    weight: Tensor
    frequency: Tensor
    bias: Tensor
    folded: Tensor
    spelled: Tensor
    powers: Tensor

    def __init__(
        self, buckets: int, labels: int, longest: int, letters: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.buckets, self.longest, self.words = buckets, longest, bool(letters)
        self.register_buffer("weight", torch.zeros(buckets, labels))
        self.register_buffer("frequency", torch.ones(buckets))
        self.register_buffer("bias", torch.zeros(labels))
        if letters:
            # The place behind the last letter's is that of id −1: no letter.
            ids: dict[str, int] = {}
            folded = [ids.setdefault(letter.casefold(), k + 1) for k, letter in enumerate(letters)]
            kept = [k if letter.isalnum() else 0 for k, letter in zip(folded, letters, strict=True)]
            powers = [pow(BASE, k, PRIME) for k in range(LONGEST_WORD)]
            for name, values in (("folded", folded), ("spelled", kept), ("powers", powers)):
                end = [] if name == "powers" else [0]
                self.register_buffer(name, torch.tensor(values + end), persistent=False)

    def codes(self, sequences: Ragged) -> Tensor:
        """The hash of every n-gram (N, longest · T), −1 where there is none."""
        values, real = sequences.values, sequences.is_real()
        one = self._word_codes(values[..., 1:]) if self.words else values + 1
        whole, there = one, real
        found = [torch.where(there, whole, -1)]
        for n in range(1, self.longest):
            ahead = torch.zeros_like(one)
            ahead[:, : max(one.shape[1] - n, 0)] = one[:, n:]
            ends = torch.zeros_like(real)
            ends[:, : max(one.shape[1] - n, 0)] = real[:, n:]
            whole, there = (whole * BASE + ahead) % PRIME, there & ends
            found.append(torch.where(there, whole, -1))
        return torch.cat(found, 1)

    def forward(self, sequences: Ragged) -> Tensor:
        codes = self.codes(sequences)
        rows = codes.clamp(min=0) % self.buckets
        f = torch.where(codes >= 0, self.frequency[rows], 0)
        norm = f.square().sum(1, keepdim=True).sqrt().clamp(min=1e-6)
        return torch.einsum("nk,nkl->nl", f / norm, self.weight[rows]) + self.bias

    def _word_codes(self, letters: Tensor) -> Tensor:
        """letters (N, T, C), −1 behind a word's end → the hash of each word (N, T)."""
        kept = self.spelled[letters]
        marks = ~(kept > 0).any(-1, keepdim=True)
        kept = torch.where(marks, self.folded[letters], kept)
        place = ((kept > 0).cumsum(-1) - 1).clamp(min=0)
        return (kept * self.powers[place]).sum(-1) % PRIME
