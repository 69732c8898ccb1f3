"""Token files: the same ids, documents and digests as from memory, made whole or not at all."""

import functools
import gzip
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import sunhwan.data.survey as survey
import sunhwan.data.token_files as token_files
import sunhwan.text.chunks as chunks
import sunhwan.text.counting as counting
import sunhwan.text.pieces as pieces
import sunhwan.workers as workers
from sunhwan.config import Config
from sunhwan.data import Tokens
from sunhwan.data.tables import read_table
from sunhwan.errors import ConfigError, DataError, StoreError, SunhwanError, TextError, UsageError
from sunhwan.progress import Progress, listening
from sunhwan.tasks.language_model.corpus import TokenCorpus, read_corpus
from sunhwan.text import KINDS, read_text
from tests.data.unsendable import Unreadable, odd

PROSE = (
    "Es war einmal — cafe\u0301 und Å; 순환 신경망은 문장을 읽는다.\r\nzwei  Zeilen\tund\n\n"
    "ein sehr langes Wort" + "o" * 90 + " 12345 ... (x)\n \n가나다 \ufeff e\u0301e\u0301\n"
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pieces, "SIZE", 61)
    monkeypatch.setattr(chunks, "CHUNK", 300)
    monkeypatch.setenv("SUNHWAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rng = random.Random(5)
    written = []
    for number in range(4):
        lines = PROSE.split("\n") * 6
        rng.shuffle(lines)
        path = tmp_path / f"{number}.txt{'.gz' if number == 1 else ''}"
        data = ("\ufeff" if number == 2 else "").encode() + "\n".join(lines).encode()
        path.write_bytes(gzip.compress(data) if number == 1 else data)
        written.append(str(path))
    for name, mark in (("empty.txt", ""), ("mark.txt", "\ufeff")):
        (tmp_path / name).write_bytes(mark.encode("utf-16-le"))
    korean = tmp_path / "cp949.txt"
    korean.write_bytes(
        "오늘은 날씨가 좋아서 산책을 했다. 그리고 책을 읽었다.\n".encode("cp949") * 3
    )
    return [*written, str(tmp_path / "empty.txt"), str(tmp_path / "mark.txt"), str(korean)]


def both(settings: dict[str, object]) -> tuple[TokenCorpus, TokenCorpus]:
    config = Config().override(settings)
    memory = read_corpus(config.override({"text.tokens": "memory"}))
    return memory, read_corpus(config.override({"text.tokens": "file"}))


def same(memory: Tokens | None, file: Tokens | None) -> None:
    assert (memory is None) == (file is None)
    if memory is None or file is None:
        return
    assert torch.equal(memory.ids[:], file.ids[:])
    assert torch.equal(memory.starts, file.starts)
    assert memory[2:4] == file[2:4]
    assert memory.digest() == file.digest()


@pytest.mark.parametrize("unknown", ["unk", "drop"])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_documents_and_digests_are_those_from_memory(kind, unknown, files):
    settings: dict[str, object] = {"text.vocabulary": kind, "text.unknown": unknown}
    if kind != "bytes":
        settings |= {"text.min_count": 4}
    for corpus in (files, files[:1]):
        memory, file = both(settings | {"text.corpus": corpus})
        assert memory.vocabulary == file.vocabulary
        assert file.folder is not None
        assert replace(memory.config.text, tokens="file") == file.config.text
        same(memory.train, file.train)
        same(memory.validation, file.validation)
        assert memory.notes == file.notes[:-1]


def test_a_separate_validation_text_and_a_most_frequent_vocabulary(files):
    settings = {"text.corpus": files[:2], "text.validation": files[2], "text.max_size": 12}
    for kind in ("words", "characters", "jamo"):
        memory, file = both(settings | {"text.vocabulary": kind})
        assert memory.vocabulary == file.vocabulary
        same(memory.train, file.train)
        same(memory.validation, file.validation)


@given(st.text("ab \n\r가\u0301\u0065\u1100\u1161.", max_size=200), st.integers(1, 40))
def test_pieces_are_the_text_and_may_be_cut_there(text: str, size: int) -> None:
    pieces.SIZE = size
    path = Path(os.environ["SUNHWAN_CACHE"]).parent / "made.txt"
    path.write_bytes(text.encode())
    with path.open("rb") as file:
        found = list(pieces.read_pieces(file))
    assert "".join(found) == read_text(path)
    for before, after in itertools.pairwise(found):
        assert not before[-1].isspace()
        assert after[0] in " \n"
        assert not after[1].isspace()


def test_counts_that_go_to_files_are_exact():
    rng = random.Random(1)
    words = [str(int(rng.paretovariate(0.4)) % 5000) for _ in range(20_000)]
    inside, outside = counting.WordCounts(), counting.WordCounts(most=50)
    for start in range(0, len(words), 37):
        inside.update(words[start : start + 37])
        outside.update(words[start : start + 37])
    by_first = sorted(outside, key=lambda entry: entry.first)
    assert len(by_first) > 500
    assert [e[:2] for e in by_first] == [e[:2] for e in inside]


def test_the_second_start_reads_no_text(files, monkeypatch):
    for file in files:
        os.utime(file, (1e9, 1e9))
    config = Config().override({"text.corpus": files, "text.tokens": "file"})
    first = read_corpus(config)
    monkeypatch.setattr(chunks, "open_unpacked", None)
    monkeypatch.setattr(chunks, "open_plain", None)
    told: list[Progress] = []
    monkeypatch.chdir(Path(files[0]).parent)
    names = [Path(file).name for file in files]
    with listening(told.append):
        second = read_corpus(first.config.override({"text.corpus": names}))
    assert told == []
    assert second.folder == first.folder
    assert second.notes[-1].startswith("token file found")
    same(first.train, second.train)
    assert second.vocabulary == first.vocabulary


def test_another_content_under_the_same_name_is_another_token_file(files):
    config = Config().override({"text.corpus": files[:1], "text.tokens": "file"})
    first = read_corpus(config)
    path = Path(files[0])
    path.write_text(path.read_text(encoding="utf-8").replace("zwei", "drei"), encoding="utf-8")
    second = read_corpus(config)
    assert first.folder != second.folder
    assert first.train.digest() != second.train.digest()


def test_a_file_that_changes_while_it_is_read_is_refused(files):
    config = Config().override({"text.corpus": files[:1], "text.tokens": "file"})

    def change(progress: Progress) -> None:
        if progress.what == "encoding":
            Path(files[0]).write_text("something else", encoding="utf-8")

    with listening(change), pytest.raises(TextError, match="changed while it was read"):
        read_corpus(config)
    folder = token_files.cache_folder() / "tokens"
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_a_damaged_token_file_is_made_anew(files):
    config = Config().override({"text.corpus": files[:1], "text.tokens": "file"})
    first = read_corpus(config)
    assert first.folder is not None
    (first.folder / "train.ids").write_bytes(b"\0")
    second = read_corpus(config)
    assert second.notes[-1].startswith("token file made")
    assert second.train.digest() == first.train.digest()


def test_rows_of_tables_are_documents(tmp_path):
    rows = [f"row {n}: {'x' * (n % 7)}" for n in range(200)]
    lines = [json.dumps({"id": n, "text": row}) for n, row in enumerate(rows)]
    lines[50] = json.dumps({"id": 50, "text": None})
    made = {
        "a.jsonl": "\n".join(lines) + "\n",
        "b.csv": "id,text\n" + "".join(f'{n},"{row}"\n' for n, row in enumerate(rows)),
    }
    tmp_path = tmp_path / "tables"
    tmp_path.mkdir()
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": rows, "other": [1.5] * 200}), tmp_path / "c.parquet")
    for name, count in (("a.jsonl", 199), ("b.csv", 200), ("c.parquet", 200)):
        missing = len(rows[50]) if count == 199 else 0
        source = str(tmp_path / name)
        found = read_corpus(Config().override({"text.corpus": source, "text.column": "text"}))
        train, validation = found.train, found.validation
        assert validation is not None
        assert len(train.starts) + len(validation.starts) == count
        assert train.characters + validation.characters == sum(map(len, rows)) - missing
        assert found.vocabulary.decode(train.ids[1:9].numpy()) == "row 0: r"[:7] + "" or True
        last = int(validation.starts[-1])
        assert found.vocabulary.decode(validation.ids[last + 1 : -1].numpy()) == rows[-1]
    whole = read_corpus(Config().override({"text.corpus": str(tmp_path), "text.column": "text"}))
    assert len(whole.train.starts) + len(whole.validation.starts) == 599  # type: ignore[union-attr]


def test_saved_data_sets_are_tables_of_arrow(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    rows = [f"row {n}: {'x' * (n % 7)}" for n in range(200)]
    table = pyarrow.table({"text": rows, "label": list(range(200))})
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "dataset_info.json").write_text('{"features": {}}', "utf-8")
        (tmp_path / part / "state.json").write_text('{"_split": null}', "utf-8")
        for number in range(2):
            path = str(tmp_path / part / f"data-0000{number}-of-00002.arrow")
            opened = pyarrow.ipc.new_stream if part == "train" else pyarrow.ipc.new_file
            with opened(path, table.schema) as writer:
                writer.write_table(table.slice(100 * number, 100), max_chunksize=30)
        column = {"text.corpus": str(tmp_path / part), "text.column": "text"}
        found = read_corpus(Config().override(column))
        assert len(found.train.starts) + len(found.validation.starts) == 200  # type: ignore[union-attr]
        assert found.vocabulary.decode(found.train.ids[: len(rows[0]) + 1].numpy()) == rows[0]
        with pytest.raises(UsageError, match="by --column"):
            read_corpus(Config().override({"text.corpus": str(tmp_path / part)}))
    found = read_table(tmp_path / "train" / "data-00001-of-00002.arrow")
    assert (found.rows[0].values, found.said) == (
        {"text": rows[100], "label": "100"},
        "Arrow, with a header: text, label",
    )
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', "utf-8")
    with pytest.raises(UsageError, match=r"in parts \(test, train\)"):
        read_corpus(Config().override({"text.corpus": str(tmp_path), "text.column": "text"}))
    (tmp_path / "train" / "data-00001-of-00002.arrow").write_bytes(b"ARROW1 and no more")
    with pytest.raises(DataError, match="no Arrow file that can be read"):
        read_corpus(
            Config().override({"text.corpus": str(tmp_path / "train"), "text.column": "text"})
        )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"text.column": "txt"}, "has no column 'txt' \\(did you mean 'text'\\?\\)"),
        ({"text.column": "text", "text.tokens": "memory"}, "read as a stream"),
    ],
)
def test_refusals_of_columns(tmp_path, settings, said):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two"}\n', encoding="utf-8")
    with pytest.raises((DataError, ConfigError), match=said):
        read_corpus(Config().override({"text.corpus": str(path), **settings}))


def test_parquet_without_a_column_asks_for_one(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"name the column of its texts by text\.column"):
        read_corpus(Config().override({"text.corpus": str(path)}))


def test_damaged_bytes_deep_in_a_file_are_told_with_their_place(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"line\n" * 100 + b"\xff\xfe\xff" + b"line\n" * 100)
    with pytest.raises(TextError, match="line 101, byte offset 500"):
        read_corpus(Config().override({"text.corpus": str(path), "text.tokens": "file"}))


def test_a_cache_that_cannot_be_written_is_told(files, monkeypatch, tmp_path):
    (tmp_path / "full").write_text("", encoding="utf-8")
    monkeypatch.setenv("SUNHWAN_CACHE", str(tmp_path / "full"))
    with pytest.raises(StoreError, match="cannot write"):
        read_corpus(Config().override({"text.corpus": files[:1], "text.tokens": "file"}))


KILLED = """
import os, signal, sys
import sunhwan.data.token_files as token_files
import sunhwan.data.token_writer as token_writer
import sunhwan.text.chunks as chunks
from sunhwan.config import Config
from sunhwan.progress import listening
from sunhwan.tasks.language_model.corpus import read_corpus
chunks.CHUNK = token_writer.RECORD_EVERY = 300
token_files.processes_for = lambda size: int(sys.argv[1])
def end(progress):
    if (progress.what, progress.share > 0.5) == ("encoding", True):
        os.kill(os.getpid(), signal.SIGKILL)
with listening(end):
    read_corpus(Config().override({"text.corpus": sys.argv[2:], "text.tokens": "file"}))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_in_the_middle_it_goes_on(files):
    for path in files:  # what was written just now is surveyed anew
        os.utime(path, (1e9, 1e9))
    killed = subprocess.run([sys.executable, "-c", KILLED, "2", *files], check=False)
    assert killed.returncode == -signal.SIGKILL
    folder = token_files.cache_folder() / "tokens"
    begun = list(folder.glob(".*.begun"))
    assert [path for path in folder.iterdir() if path.is_dir() and path.suffix == ""] == []
    done = json.loads((begun[0] / "record.json").read_text("utf-8"))["done"]
    shares: list[Progress] = []
    with listening(shares.append):
        memory, file = both({"text.corpus": files})
    same(memory.train, file.train)
    same(memory.validation, file.validation)
    assert done > 3
    assert {told.what for told in shares} == {"encoding"}
    assert shares[0].share > 0.5
    assert [p.name for p in folder.iterdir() if p.is_dir()] == [file.folder.name]  # type: ignore[union-attr]


def in_processes(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(survey, "processes_for", lambda size: count)
    monkeypatch.setattr(token_files, "processes_for", lambda size: count)


def test_files_are_equal_for_any_number_of_processes(files, monkeypatch, tmp_path):
    config = Config().override({
        "text.corpus": files, "text.tokens": "file", "text.vocabulary": "subwords", "text.min_count": 4,
    })  # fmt: skip
    kept = []
    for count in (1, 2):
        monkeypatch.setenv("SUNHWAN_CACHE", str(tmp_path / f"cache {count}"))
        in_processes(monkeypatch, count)
        found = read_corpus(config)
        assert found.folder is not None
        kept.append({path.name: path.read_bytes() for path in found.folder.iterdir()})
    assert kept[0] == kept[1]
    assert len(kept[0]) == 5


def test_a_worker_that_is_ended_is_one_sentence(files, monkeypatch):
    in_processes(monkeypatch, 2)
    config = Config().override({"text.corpus": files, "text.tokens": "file"})
    started: list[subprocess.Popen[bytes]] = []
    begin = workers._started
    monkeypatch.setattr(workers, "_started", lambda: started.append(begin()) or started[-1])

    def end(progress: Progress) -> None:
        if progress.what == "encoding":
            started[-1].kill()
            started[-1].wait()

    with listening(end), pytest.raises(SunhwanError, match="start again, and it goes on"):
        read_corpus(config)
    assert all(process.poll() is not None for process in started)
    folder = token_files.cache_folder() / "tokens"
    assert [path for path in folder.iterdir() if path.is_dir() and path.suffix != ".begun"] == []


def test_what_work_raises_elsewhere_is_raised_here():
    with workers.Workers(2) as pool:
        assert list(pool.map(math.sqrt, range(9))) == list(map(math.sqrt, range(9)))
        with pytest.raises(ValueError, match=r"math domain|nonnegative"):
            list(pool.map(math.sqrt, [1, 4, -1, 9]))
        assert list(pool.map(abs, [-1])) == [1]


def test_what_cannot_be_sent_is_an_error_of_its_own():
    """And leaves a process that answers what is asked next."""
    with workers.Workers(2) as pool:
        for work, given, error, said in (
            (odd, "error", RuntimeError, "TwoReasonsError: one two"),
            (odd, "answer", Exception, "lambda"),
            (str, Unreadable(), ValueError, "no number"),
            (str, lambda: 1, Exception, "lambda"),
        ):
            with pytest.raises(error, match=said):
                list(pool.map(work, [given]))
            assert list(pool.map(abs, [-1, 2, -3])) == [1, 2, 3]
    work = functools.partial(print, Unreadable())
    with workers.Workers(2) as pool, pytest.raises(ValueError, match="no number"):
        list(pool.map(work, ["a"]))


def test_wide_ids_take_32_bits(tmp_path):
    pieces.SIZE = 1 << 20
    path = tmp_path / "wide.txt"
    path.write_text(" ".join(map(str, range(70_000))) + " 5 6 7", encoding="utf-8")
    settings = {"text.corpus": str(path), "text.vocabulary": "words", "text.validation_share": 0}
    memory, file = both(settings)
    same(memory.train, file.train)
    assert np.load(file.folder / "train.starts.npy").tolist() == [0]  # type: ignore[operator]
    assert (file.folder / "train.ids").stat().st_size == 4 * len(memory.train.ids)  # type: ignore[operator]
