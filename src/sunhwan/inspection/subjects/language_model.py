"""Language model as a subject: each token is predicted from those before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.config import Config
from sunhwan.data import Tokens
from sunhwan.errors import UsageError
from sunhwan.generation import PromptContext, next_token_logits, start_tokens
from sunhwan.inspection.subjects.base import Passage, StackRun, Subject
from sunhwan.inspection.subjects.token_texts import pieces_of
from sunhwan.models.mode import evaluating
from sunhwan.tasks import LanguageModelTask
from sunhwan.tasks.language_model.corpus import read_held_out

MOST = 1 << 20
"""Tokens of a token file that are looked at, the first ones."""


def _first(tokens: Tokens) -> Tensor:
    return tokens.ids if isinstance(tokens.ids, Tensor) else tokens.ids[:MOST]


class LanguageModelSubject(Subject):
    """A language model: each token is predicted from the output at the one before it."""

    task: LanguageModelTask
    running_text = True
    steps_to_predict = 2
    warm_up = 40

    def __init__(self, task: LanguageModelTask) -> None:
        self.task, self.recurrents = task, {"recurrent": task.model.recurrent}
        self.unit = {"characters": "characters", "words": "words"}.get(
            task.vocabulary.kind, "tokens"
        )

    def passage(self, ids: Tensor, where: str) -> Passage:
        """Ids (T) → a passage."""
        vocabulary, numbers = self.task.vocabulary, ids.tolist()
        names = [vocabulary.display(token) for token in range(len(vocabulary))]
        return Passage(
            vocabulary.decode(numbers),
            tuple(pieces_of(vocabulary, numbers)),
            tuple(names[token] for token in numbers),
            where,
            ids,
        )

    def passages(self, text: str) -> list[Passage]:
        vocabulary = self.task.vocabulary
        ids = [*start_tokens(vocabulary), *vocabulary.encode(text).tolist()]
        found = self.passage(torch.tensor(ids, dtype=torch.int64), "the text")
        if not start_tokens(vocabulary):
            return [found]
        # What is read before the text is a step, but no part of it.
        pieces = ("", *found.pieces[1:])
        return [found._replace(text="".join(pieces), pieces=pieces)]

    def read(self, path: Path) -> list[Passage]:
        return [self.passage(_first(self.task.read(path)), str(path))]

    def held_out(self, config: Config) -> list[Passage]:
        tokens = read_held_out(config, self.task.vocabulary)
        return [self.passage(_first(tokens), "the validation text")]

    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        steps = sum(len(passage.given) for passage in passages)
        found = []
        for passage in passages:
            T = len(passage.given)
            last = max(T - length, 0)
            # Not all but the same, where the text is short.
            most = last // min(length, 8) + 1
            own = max(1, min(round(count * T / max(steps, 1)), most))
            starts = sorted({round(last * (k + 0.5) / own) for k in range(own)})
            found += [self.cut(passage, start, start + length) for start in starts]
        return found[:count]

    def cut(self, passage: Passage, start: int, end: int) -> Passage:
        """The steps start … end − 1."""
        pieces = passage.pieces[start:end]
        where = f"{passage.where}, from token {start}" if start else passage.where
        text, labels = "".join(pieces), passage.labels[start:end]
        return Passage(text, pieces, labels, where, passage.given[start:end])

    def continued(self, text: str) -> Passage:
        """A typed text and the model's likeliest next token; UsageError where that is nothing.

        Never UNK, nor a letter that would change the last syllable, as when it writes.
        """
        (passage,) = self.passages(text)
        ids, model = passage.given, self.task.model
        if not len(ids):
            raise UsageError("there is nothing to read: give a text")
        beginning = PromptContext.of(self.task.vocabulary, text)
        with evaluating(model):
            logits, _ = next_token_logits(model, self._last_line(ids).tolist())
        following = logits.cpu().masked_fill(beginning.never | beginning.first, -torch.inf).argmax()
        grown = self.passage(torch.cat((ids, following.unsqueeze(0))), passage.where)
        # What is read before the text is no part of it.
        pieces = (*passage.pieces[:1], *grown.pieces[1:])
        return grown._replace(text="".join(pieces), pieces=pieces)

    def _last_line(self, ids: Tensor) -> Tensor:
        """What the state still depends on of ids (T)."""
        resets = self.task.resets(ids)
        return ids if resets is None or not resets.any() else ids[int(resets.nonzero()[-1]) :]

    def until(self, passage: Passage, prediction: int) -> tuple[Passage, int]:
        return self.cut(passage, 0, prediction + 2), -1

    def step_predicted(self, prediction: int) -> int | None:
        return prediction + 1

    def predicts_blank(self, passage: Passage, prediction: int) -> bool:
        return not passage.pieces[prediction + 1].strip()

    @property
    def output_layer(self) -> nn.Module:
        output: nn.Module = self.task.model.output
        return output

    @property
    def input_layers(self) -> tuple[int, list[nn.Module]]:
        embedding = self.task.model.embedding
        return self.task.model.vocabulary_size, [] if embedding is None else [embedding]

    def mean_input(self, x: Tensor) -> Tensor:
        embedding = self.task.model.embedding
        if embedding is None:
            return torch.full_like(x[0], 1 / x.shape[1])
        return embedding.weight.detach().mean(0)

    @torch.no_grad()
    def log_p_without(
        self, passage: Passage, steps: range, mean: Tensor, prediction: int, run: StackRun
    ) -> Tensor:
        """As of any subject, of the last token: read on from the state before the first of the steps."""
        model, n, start = self.task.model, len(steps), steps.start
        x = run.x[:, start:-1].repeat(n, 1, 1)
        x[range(n), range(n)] = mean
        state = model.initial_state(n)
        if start:
            kinds = [layer.cell.state_type for layer in model.recurrent.stack]
            state = [
                kind(*(values[name][:, start - 1].expand(n, -1) for name in kind._fields))
                for kind, values in zip(kinds, run.traced.layers, strict=True)
            ]
        with evaluating(model):
            resets = self.task.resets(passage.given[start:-1].to(x.device).expand(n, -1))
            y, _ = model.recurrent(x, state, resets)
        return torch.log_softmax(model.output(y[:, -1]), -1)[:, passage.given[-1]]

    def predicted(self, passage: Passage) -> list[str]:
        return list(passage.labels[1:])

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        model, device = self.task.model, self.task.device
        lengths = torch.tensor([len(p.given) for p in passages])
        N, T = len(passages), max(int(lengths.max()), 1)
        ids = torch.zeros(N, T, dtype=torch.int64)
        for row, passage in zip(ids, passages, strict=True):
            row[: len(passage.given)] = passage.given
        ids, lengths = ids.to(device), lengths.to(device)
        y = model.read(ids, None, self.task.resets(ids))[0].transpose(0, 1)
        places = torch.arange(T - 1, device=device).expand(N, T - 1)
        real = places < lengths.unsqueeze(1) - 1
        targets = ids[:, 1:]
        if last and T > 1:
            at = (lengths - 2).clamp(min=0).unsqueeze(1)
            places, real, targets = at, real.any(1, keepdim=True), targets.gather(1, at)
        N, P = places.shape
        read = y[torch.arange(N, device=device).unsqueeze(1), places]
        losses = functional.cross_entropy(
            model.output(read).flatten(0, 1), targets.flatten(), reduction="none"
        )
        losses = torch.where(real, losses.view(N, P), 0)
        return losses, real, [(lengths, places)]
