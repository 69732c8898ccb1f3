"""Batches of sentences: each line of a text by itself, padded, from the initial state."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sunhwan.data.batches import Batches
from sunhwan.data.sequences import pad
from sunhwan.data.streams import Block
from sunhwan.data.tokens import Tokens
from sunhwan.errors import DataError
from sunhwan.text import Vocabulary

_PIECE = 1 << 20
"""Ids that are looked through at once."""


def line_break_of(vocabulary: Vocabulary) -> int | None:
    """The token of a line break, where that is a single one which is known."""
    breaks = vocabulary.encode("\n").tolist()
    return breaks[0] if len(breaks) == 1 and breaks[0] != vocabulary.unk_id else None


def sentence_starts(tokens: Tokens, vocabulary: Vocabulary) -> Tensor:
    """Positions in the ids at which a sentence begins, ascending: (S,) int64.

    A sentence begins at a document's start, and with the line break before its line, from which its
    first token is predicted; it ends by predicting the next line break, or EOS.
    """
    line_break = line_break_of(vocabulary)
    found = [tokens.starts]
    if line_break is not None:
        for start in range(0, tokens.targets, _PIECE):
            piece = tokens.ids[start : min(start + _PIECE, tokens.targets)]
            found.append((piece == line_break).nonzero().flatten() + start)
    every = torch.cat([*found, torch.zeros(1, dtype=torch.int64)])
    starts: Tensor = torch.unique(every[every < tokens.targets])
    return starts


def by_sentence(tokens: Tokens, vocabulary: Vocabulary) -> Tokens:
    """The same text with every sentence as a document, so that the state begins anew at each."""
    return tokens._replace(starts=sentence_starts(tokens, vocabulary))


def sentence_batches(
    tokens: Tokens, vocabulary: Vocabulary, batch_size: int, *, seed: int = 0
) -> Batches[int, Block]:
    """Endless batches of sentences, each once an epoch, those of like lengths together.

    The pairs of an input and a target are those of the whole text, each in one sentence. DataError
    where the text is a single one.
    """
    starts = sentence_starts(tokens, vocabulary)
    if len(starts) < 2:
        raise DataError(
            "the text is a single sentence, for it has one line: set data.batches to 'streams', or put "
            "a line break behind each sentence"
        )
    ends = torch.cat((starts[1:], torch.tensor([tokens.targets])))

    def block(numbers: list[int]) -> Block:
        spans = [(int(starts[k]), int(ends[k])) for k in numbers]
        return padded([tokens.ids[a : b + 1] for a, b in spans])

    lengths = (ends - starts).tolist()
    return Batches(range(len(starts)), lengths, batch_size, block, seed=seed)


def padded(sentences: list[Tensor]) -> Block:
    """Ids of each sentence with its last target → a block whose rows end where they do."""
    inputs = pad([ids[:-1] for ids in sentences])
    targets = pad([ids[1:] for ids in sentences])
    return Block(inputs.values, targets.values, None, inputs.lengths)


def one_by_one(tokens: Tokens, vocabulary: Vocabulary) -> Iterator[Block]:
    """Every sentence as a block of its own, without padding."""
    starts = sentence_starts(tokens, vocabulary).tolist()
    for start, end in zip(starts, [*starts[1:], tokens.targets], strict=True):
        ids = tokens.ids[start : end + 1]
        yield Block(ids[:-1].unsqueeze(0), ids[1:].unsqueeze(0), None)
