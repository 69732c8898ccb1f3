"""The built-in example: a network of three units that learns to write "hello"."""

from functools import cache

import torch

from sunhwan.config import Config
from sunhwan.data import Block
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import build_vocabulary

WORD = "hello"
STEPS = 400
LEARNING_RATE = 0.05
SEED = 1


def hello_model(
    cell: str = "elman", hidden_size: int = 3, *, trained: bool = True
) -> LanguageModelTask:
    """A language model of the letters h, e, l and o, one-hot; as it begins, or after 400 steps of Adam.

    It reads "hellohello…" from the initial state, and learns each next letter.
    """
    model = {
        "cell": cell, "hidden_size": hidden_size, "num_layers": 1, "embedding_size": 1,
        "input": "one-hot", "dropout": 0.0, "direction": "forward", "learned_initial_state": False,
    }  # fmt: skip
    vocabulary = build_vocabulary("characters", [WORD], unk=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        config = Config.from_dict({"model": model})
        task = LanguageModelTask(config, vocabulary, LanguageModel(config.model, len(vocabulary)))
    if trained:
        task.model.load_state_dict(_learned(cell, hidden_size))
    task.model.eval()
    return task


def following(text: str) -> str:
    """The letter that follows a text in "hellohello…"; "" where the text is no part of it."""
    circle = WORD * (len(text) // len(WORD) + 2)
    place = circle.find(text)
    return circle[place + len(text)] if place >= 0 else ""


@cache
def _learned(cell: str, hidden_size: int) -> dict[str, torch.Tensor]:
    """The weights after training, which is done once in a process."""
    task = hello_model(cell, hidden_size, trained=False)
    ids = torch.from_numpy(task.vocabulary.encode(WORD * 4 + WORD[0])).unsqueeze(0)
    _learn(task.model, ids)
    return task.model.state_dict()


def _learn(model: LanguageModel, ids: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    block = Block(ids[:, :-1], ids[:, 1:], None)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            model.loss(block).objective.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
