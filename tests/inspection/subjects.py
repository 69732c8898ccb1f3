"""Tiny models of every task, untrained, with the texts they would be trained on."""

from pathlib import Path
from typing import NamedTuple

import torch

from sunhwan.config import Config
from sunhwan.inspection.subjects import Passage, Subject, subject_of
from sunhwan.tasks import TASKS
from sunhwan.tasks.common.interface import Prepared
from tests.tasks.cases import CASES, SMALL

NAMES = ["language_model", *sorted(set(CASES) - {"forecast"})]
"""The tasks whose models can be looked into."""
TEXT = "강아지가 꼬리를 흔든다. The hen pecks at 3 seeds, and again.\n" * 12


class Made(NamedTuple):
    """A subject, the configuration of its run, and what its run would train with."""

    subject: Subject
    config: Config
    prepared: Prepared

    @property
    def some(self) -> list[Passage]:
        """A few passages of unequal lengths, with answers."""
        passages = self.subject.held_out(self.config)
        return self.subject.windows(passages, 40, 4)


def write_text(folder: Path) -> Path:
    """Korean and English, a line over and over."""
    path = folder / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def make(name: str, folder: Path, *, seed: int = 1, scale: float = 0.3, **settings: object) -> Made:
    """A model of a task in float64, its parameters random throughout."""
    write = write_text if name == "language_model" else CASES[name].write
    values = {
        "task.name": name,
        ("text.corpus" if name == "language_model" else "data.source"): str(write(folder)),
        "text.validation_share": 0.3,
        **SMALL,
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    torch.manual_seed(seed)
    prepared = TASKS[name].prepare(Config().override(values, "the test"))
    model = prepared.task.model.double()
    if name == "describe":
        # Its vectors come in float32.
        model.reader.register_forward_pre_hook(
            lambda _, given: (given[0]._replace(values=given[0].values.double()),)
        )
    with torch.no_grad():
        for p in model.parameters():
            p += scale * torch.randn_like(p)
    return Made(subject_of(prepared.task), prepared.config, prepared)
