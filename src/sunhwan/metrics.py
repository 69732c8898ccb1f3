"""Metrics of language models and of what they write: cross-entropy, perplexity, bits a character."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sunhwan.data import Block, Tokens, warm_blocks
from sunhwan.models import LanguageModel
from sunhwan.models.mode import evaluating
from sunhwan.models.softmax import AdaptiveSoftmax
from sunhwan.progress import tell


def perplexity(loss: float) -> float:
    """exp(loss), bounded: that of a loss of 700 and more is 1e304."""
    return math.exp(min(loss, 700.0))


def perplexity_text(loss: float, digits: int = 2) -> str:
    """The perplexity of a loss for people: no row of three hundred digits where training diverged."""
    value = perplexity(loss)
    return f"{value:.{digits}f}" if value < 1e6 else f"{value:.1e}"


class Scores(NamedTuple):
    """A model's figures on a text.

    loss: mean cross-entropy in nats a token. accuracy: share of tokens the model ranks first.
    tokens: how many were predicted. characters: how many characters the text has. unknown: how many
    tokens of the whole text are UNK, which is easier to predict than what it stands for.
    """

    loss: float
    accuracy: float
    tokens: int
    characters: int
    unknown: int = 0

    @property
    def rank(self) -> float:
        """Model-selection criterion; lower is better."""
        return self.loss

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the model is still in doubt."""
        return perplexity(self.loss)

    @property
    def bits_per_character(self) -> float:
        """loss · tokens / (ln 2 · characters): comparable between vocabularies."""
        return self.loss * self.tokens / (math.log(2) * max(self.characters, 1))

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON."""
        return {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bits_per_character": self.bits_per_character,
            "accuracy": self.accuracy,
            "tokens": self.tokens,
            "characters": self.characters,
            "unknown": self.unknown,
        }

    def summary(self) -> str:
        """The figures in one line."""
        return (
            f"loss {self.loss:.4f}  perplexity {perplexity_text(self.loss)}  "
            f"bits per character {self.bits_per_character:.4f}  accuracy {self.accuracy:.4f}"
        )

    def table(self) -> list[tuple[str, str]]:
        """The figures as rows of name and value."""
        rows = [
            ("loss", f"{self.loss:.4f} nats per token"),
            ("perplexity", perplexity_text(self.loss, 3)),
            ("bits per character", f"{self.bits_per_character:.4f}"),
            ("accuracy", f"{self.accuracy:.4f}"),
            ("tokens", f"{self.tokens:,}"),
            ("characters", f"{self.characters:,}"),
        ]
        if self.unknown:
            flatters = f"{self.unknown:,} (scored as UNK, which flatters)"
            rows.append(("unknown tokens", flatters))
        return rows


LOGITS = 2**25
"""How many an evaluation holds at once: 128 MB of them."""


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """logits (N, T, V), targets (N, T) → −log p(target) (N, T), in nats."""
    rows, N = logits.transpose(0, 1).flatten(0, 1), len(targets)  # a view: models write (T, N, V)
    nats = functional.cross_entropy(rows, targets.T.flatten(), reduction="none")
    return nats.view(-1, N).T


@torch.no_grad()
def evaluate_tokens(
    model: LanguageModel,
    tokens: Tokens,
    *,
    rows: int | None = None,
    limit: int = 0,
    interrupted: Callable[[], bool] = lambda: False,
    read: Callable[..., tuple[Tensor, Any]] | None = None,
) -> Scores:
    """Score a whole text with the state carried from its first token to its last.

    rows: in how many pieces the text is read side by side, each from a state warmed on the 512
    tokens before it; None: 1, the exact definition, up to 50,000 tokens, and more beyond, none
    longer than that. limit: score only so many tokens, in equal pieces spread over the text; 0: all.
    `interrupted` is asked between blocks; InterruptedError is raised if it says so.
    read: what gives the logits in the place of the model, called as it is.
    """
    rows = rows or max(1, -(-tokens.targets // 50_000))
    loss = torch.zeros((), dtype=torch.float64)
    right = count = 0
    with evaluating(model):
        for nats, ranked_first, scored in _scored_blocks(model, tokens, rows, limit, read):
            if interrupted():
                raise InterruptedError("the evaluation was interrupted")
            loss += nats[scored].double().sum().cpu()
            right += int(ranked_first[scored].sum())
            count += int(scored.sum())
            tell("measuring", count, limit or tokens.targets)
        characters = round(tokens.characters * count / tokens.targets)
        return Scores(loss.item() / count, right / count, count, characters, tokens.unknown)


PIECE_ROWS, PIECE_TOKENS = 64, 128
"""Of `piece_losses`: rows read side by side at most, and targets a piece is of at most."""


@torch.no_grad()
def piece_losses(model: LanguageModel, tokens: Tokens) -> NDArray[np.float64]:
    """Score a whole text piece by piece: nats and targets of each, (pieces, 2)."""
    rows = max(1, min(PIECE_ROWS, tokens.targets // PIECE_TOKENS))
    found = []
    with evaluating(model):
        for losses, _, scored in _scored_blocks(model, tokens, rows, 0, None, PIECE_TOKENS):
            nats = torch.where(scored, losses, 0.0).double().sum(1)
            found.append(torch.stack((nats, scored.sum(1).double()), 1).cpu())
    pieces = torch.cat(found)
    return np.asarray(pieces[pieces[:, 1] > 0].numpy())


def _scored_blocks(
    model: LanguageModel,
    tokens: Tokens,
    rows: int,
    limit: int,
    read: Callable[..., tuple[Tensor, Any]] | None = None,
    longest: int = 2048,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each block −log p of the targets, which are the likeliest, and which count, all (N, T)."""
    block_length = min(longest, max(64, 8192 // rows))
    adaptive = model.output if isinstance(model.output, AdaptiveSoftmax) else None
    if adaptive is None:
        # Of a large vocabulary shorter blocks, for each gives (rows, block_length, V) logits.
        block_length = min(block_length, max(1, LOGITS // (rows * model.vocabulary_size)))
    device, state = model.like.device, None
    for block, scored in warm_blocks(
        tokens, rows=rows, block_length=block_length, limit=limit or None
    ):
        block = to_device(block, device)
        given = block.inputs, state, block.resets
        if adaptive is None:
            logits, state = (read or model)(*given)
            nats, right = token_losses(logits, block.targets), logits.argmax(-1) == block.targets
        else:
            y, state = model.read(*given)
            flat = adaptive.judge(y.transpose(0, 1).flatten(0, 1), block.targets.flatten())
            nats, right = (value.view_as(block.targets) for value in flat)
        yield nats, right, scored.to(device)


def scored_places(tokens: Tokens, rows: int, limit: int) -> Tensor:
    """The places in the text of the tokens that `evaluate_tokens` scores with these rows and limit."""
    part = -(-tokens.targets // max(1, min(rows, tokens.targets)))
    starts = torch.arange(0, tokens.targets, part)
    steps = torch.arange(min(part, -(-limit // max(1, min(rows, tokens.targets)))))
    places = (starts.unsqueeze(1) + steps).flatten() + 1
    return places[places <= tokens.targets]


def to_device(block: Block, device: torch.device) -> Block:
    """The block with inputs and targets on a device; resets stay where the layer reads them."""
    if device.type == "cpu":
        return block
    lengths = None if block.lengths is None else block.lengths.to(device)
    return block._replace(
        inputs=block.inputs.to(device), targets=block.targets.to(device), lengths=lengths
    )


def confusion(targets: Sequence[int], guesses: Sequence[int], labels: int) -> list[list[int]]:
    """How often label i (row) was said to be label j (column)."""
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(targets, guesses, labels=list(range(labels)))
    return [[int(count) for count in row] for row in table]


def macro_f1(targets: Sequence[int], guesses: Sequence[int]) -> float:
    """The mean over the labels, that occur or are guessed, of F1 = 2 · precision · recall / sum."""
    from sklearn.metrics import f1_score

    return float(f1_score(targets, guesses, average="macro", zero_division=0))


class Measured(NamedTuple):
    """A figure of sacrebleu, between 0 and 100, and the signature that says how it was computed."""

    name: str
    score: float
    signature: str


def bleu(answers: Sequence[str], right: Sequence[str]) -> Measured:
    """Corpus BLEU (Papineni et al. 2002; Post 2018).

    Over characters (tokenize "char") where a fifth of the right answers' characters are Hangul, kana
    or Chinese, for a Korean word is stem and endings in one; else over words ("13a").
    """
    from sacrebleu.metrics.bleu import BLEU

    text = "".join(right)
    dense = sum("぀" <= character <= "鿿" or "가" <= character <= "힣" for character in text)
    metric = BLEU(tokenize="char" if 5 * dense > len(text) else "13a")
    score = metric.corpus_score(list(answers), [list(right)]).score
    return Measured("BLEU", float(score), str(metric.get_signature()))


def chrf(answers: Sequence[str], right: Sequence[str]) -> Measured:
    """Corpus chrF2, F of the character n-grams up to 6 (Popović 2015): needs no words to be cut."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    score = metric.corpus_score(list(answers), [list(right)]).score
    return Measured("chrF", float(score), str(metric.get_signature()))


class Agreement(NamedTuple):
    """How many of a kind were found rightly, how many were said to be there, how many are."""

    right: int
    said: int
    present: int

    @property
    def precision(self) -> float:
        """The share of right ones among those said; 0 where none was."""
        return self.right / max(self.said, 1)

    @property
    def recall(self) -> float:
        """The share of those present that were found; 0 where none is."""
        return self.right / max(self.present, 1)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / max(self.said + self.present, 1)


def label_agreement(table: Sequence[Sequence[int]]) -> list[Agreement]:
    """The agreement in each label, from the table that `confusion` gives."""
    return [
        Agreement(table[i][i], sum(row[i] for row in table), sum(table[i]))
        for i in range(len(table))
    ]


def entity_agreement(
    targets: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]]
) -> dict[str, Agreement]:
    """The agreement in entities of each kind, from sentences of labels in IOB1, BIO or BIOES.

    Right is an entity whose kind, first and last word are; entities are read from labels as by the
    script conlleval of the shared task of 2000 (seqeval's default mode).
    """
    from seqeval.metrics.sequence_labeling import get_entities

    present, said = (
        {(n, *entity) for n, row in enumerate(rows) for entity in get_entities(list(row))}
        for rows in (targets, guesses)
    )
    counts = [Counter(entity[1] for entity in some) for some in (present & said, said, present)]
    return {kind: Agreement(*(c[kind] for c in counts)) for kind in sorted(counts[1] | counts[2])}


def in_all(agreements: Iterable[Agreement]) -> Agreement:
    """Of all kinds together, each occurrence alike."""
    return Agreement(*map(sum, zip(Agreement(0, 0, 0), *agreements, strict=True)))
