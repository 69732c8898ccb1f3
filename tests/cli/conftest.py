"""Trained runs that the tests of the command line share."""

from pathlib import Path

import pytest

from sunhwan.config import Config
from sunhwan.training import train

KOREAN = "나는 오늘 시장에 갔다. 각자의 길을 간다.\n" * 20


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> dict[str, Path]:
    """Three tiny runs: one document of characters, one of jamo, several documents with EOS."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "korean.txt").write_text(KOREAN, encoding="utf-8")
    (folder / "documents").mkdir()
    for number in range(8):
        (folder / "documents" / f"{number}.txt").write_text("ab" * (number + 2))
    found = {}
    for name, corpus in (
        ("characters", text_file),
        ("jamo", folder / "korean.txt"),
        ("documents", folder / "documents"),
    ):
        config = Config().override(
            {
                "text.corpus": str(corpus), "model.hidden_size": 8, "training.steps": 30,
                "data.batch_size": 4, "data.block_length": 8, "training.threads": 1,
                "training.sample_length": 10,
            }
        )  # fmt: skip
        found[name] = train(config, folder / f"run-{name}").run
    return found
