"""Language model as a subject: each token is predicted from those before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.config import Config
from sunhwan.data import encode
from sunhwan.errors import UsageError
from sunhwan.generation import start_tokens
from sunhwan.inspection.subjects.base import Passage, Subject
from sunhwan.inspection.subjects.token_texts import pieces_of
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import load_corpus


class TextSubject(Subject):
    """A language model: each token is predicted from the output at the one before it."""

    task: LanguageModelTask

    def __init__(self, task: LanguageModelTask) -> None:
        self.task, self.stacks = task, {"recurrent": task.model.recurrent}
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
        return [self.passage(self.task.read(path).ids, str(path))]

    def held_out(self, config: Config) -> list[Passage]:
        text = config.text
        if text.validation:
            documents = load_corpus(text.validation).documents
        else:
            _, documents = load_corpus(text.corpus).split(text.validation_share)
        if not any(document.text for document in documents):
            raise UsageError("the run kept no text for validation: name a file")
        tokens = encode(self.task.vocabulary, documents, "the validation text")
        return [self.passage(tokens.ids, "the validation text")]

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
        y = model.read(ids)[0].transpose(0, 1)
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
