"""A classifier that tests of batch prediction share."""

import random
from pathlib import Path

import pytest

import sunhwan
from sunhwan.config import Config
from sunhwan.training import train


@pytest.fixture(scope="session")
def reviews_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells "good" from "bad" by one word, of the columns review and label."""
    folder = tmp_path_factory.mktemp("reviews")
    rng = random.Random(1)
    rows = [
        f"{rng.randrange(100)} {word} {rng.randrange(100)}\t{word}" for word in ["good", "bad"] * 40
    ]
    (folder / "reviews.tsv").write_text("\n".join(["review\tlabel", *rows]) + "\n")
    values = {
        "task.name": "classify", "data.source": str(folder / "reviews.tsv"), "model.hidden_size": 12,
        "data.batch_size": 8, "training.learning_rate": 0.02, "training.steps": 60,
        "training.threads": 1, "training.validations": 1, "model.direction": "forward",
    }  # fmt: skip
    return train(Config().override(values), folder / "run").run


@pytest.fixture(scope="session")
def reviewer(reviews_run: Path) -> sunhwan.tasks.Task:
    """The trained task."""
    return sunhwan.load(reviews_run)
