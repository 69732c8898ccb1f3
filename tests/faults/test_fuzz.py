"""A few of the random command lines, files and settings of `tests.deep.fuzz`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deep import fuzz


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("fuzz")
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MALLOC_TOP_PAD_", "65536")
        fuzz.furnish(made)
        os.chdir(made)
        try:
            yield made
        finally:
            os.chdir(before)


READERS = (
    "text", "table", "series", "treebank", "tunes", "vectors", "arrays", "frames", "image", "settings",
    "tensors", "log", "config", "tokenizer",
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_random_files_are_read_or_refused(folder: Path, reader: str) -> None:
    assert set(READERS) == set(fuzz.readers(folder))
    failures, ends = fuzz.run(reader, fuzz.draw_file(reader, folder), range(60), folder)
    assert not failures, failures[0]
    assert ends["sentence"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("commands", 60), ("settings", 15)])
def test_random_commands_and_settings_end_in_answers_or_sentences(
    folder: Path, kind: str, count: int
) -> None:
    draw = {"commands": fuzz.draw_command, "settings": fuzz.draw_settings}[kind]
    failures, ends = fuzz.run(kind, draw, range(count), folder)
    assert not failures, failures[0]
    assert ends["sentence"] > 0
