"""Awkward texts through `sunhwan train`: a result, or one sentence and nothing left behind."""

import gzip
import json
import os
import unicodedata
from pathlib import Path

import pytest
import torch

from sunhwan.store import Run, load_model
from sunhwan.text import normalize
from tests.conftest import TEXT, TINY, Command, Outcome

KOREAN = "나는 오늘 시장에 갔다. 각자의 길을 간다.\n" * 9
KINDS = ("", "bytes", "characters", "words", "jamo", "subwords")

GOOD = {
    "three": b"abc",
    "one letter": b"a" * 50,
    "nul": b"a\0b\0\0c" * 30,
    "nul only": b"\0" * 40,
    "nfd": unicodedata.normalize("NFD", KOREAN).encode(),
    "korean": KOREAN.encode(),
    "lone jamo": "ㄱㄴ 각 ᆨ ᅡ".encode() * 20,
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1f0\U0001f1f7 ".encode() * 20,
    "crlf": TEXT.replace(" ", "\r\n").encode(),
    "cr": TEXT.replace(" ", "\r").encode(),
    "bom": b"\xef\xbb\xbf" + TEXT.encode(),
    "white space": b" \n\t " * 30,
    "replacement": "a\ufffdb".encode() * 30,
    "special": b"<unk> <eos> \xe2\x80\xa8 \x0c " * 20,
    "combining": ("e" + "\u0301" * 200).encode() * 3,
    "every byte of ascii": bytes(range(128)) * 3,
    "words of one line": b"word " * 60,
}
"""Texts that can be learned from, by every kind of vocabulary that finds a token in them."""

BAD = {
    "empty": b"",
    "one": b"a",
    "bom only": b"\xef\xbb\xbf",
    "surrogate": b"abc \xed\xa0\x80 abc" * 9,
    "cut": "한글".encode()[:-1],
    "cut later": KOREAN.encode()[:-3],
    "random": bytes(range(256)) * 3,
}


def train(command: Command, corpus: Path | str, out: Path, *more: str, steps: int = 3) -> Outcome:
    """A tiny run."""
    return command(
        "train", corpus, "--out", out, f"--steps={steps}", "--json", "--quiet", *TINY, *more
    )


def left_nothing(folder: Path, before: set[Path]) -> None:
    assert set(folder.rglob("*")) == before


PAIRED = [
    *((name, kind) for k, name in enumerate(GOOD) for kind in ("", KINDS[1 + k % 5])),
    ("white space", "words"), ("special", "words"), ("korean", "jamo"), ("emoji", "subwords"),
]  # fmt: skip
"""Each text by the vocabulary that is chosen for it, and by one other."""


@pytest.mark.parametrize(("name", "kind"), sorted(set(PAIRED)))
def test_texts_that_can_be_learned_from(
    command: Command, tmp_path: Path, name: str, kind: str
) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(GOOD[name])
    before = set(tmp_path.rglob("*"))
    done = train(command, file, tmp_path / "run", f"--set=text.vocabulary={kind}")
    if kind == "words" and name in ("white space", "special"):
        assert done.code == 1
        assert done.sentence
        left_nothing(tmp_path, before)
        return
    assert done.code == 0, done.err
    assert done.err == ""
    report = json.loads(done.out)
    assert report["steps"] == 3
    saved = load_model(tmp_path / "run")
    if kind:
        assert saved.task.vocabulary.kind == kind
    if kind in ("bytes", "characters", "jamo"):
        head = normalize(GOOD[name].decode().removeprefix("\ufeff"))
        head = head[: int(len(head) * 0.9)]
        assert saved.task.vocabulary.decode(saved.task.vocabulary.encode(head)) == head
    scored = command("evaluate", tmp_path / "run", file, "--json")
    assert scored.code == 0, scored.err
    assert command("sample", tmp_path / "run", "--length=9").code == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD)
def test_texts_that_cannot_be_learned_from(
    command: Command, tmp_path: Path, name: str, kind: str
) -> None:
    if name == "one" and kind == "words":
        pytest.skip("a word and its end can be learned from")
    file = tmp_path / "text.txt"
    file.write_bytes(BAD[name])
    before = set(tmp_path.rglob("*"))
    done = train(command, file, tmp_path / "run", f"--set=text.vocabulary={kind}")
    assert (done.code, done.out) == (1, "")
    assert done.sentence
    left_nothing(tmp_path, before)


@pytest.mark.parametrize("kind", KINDS)
def test_two_characters(command: Command, tmp_path: Path, kind: str) -> None:
    """One is for validation; the other is a word between two line ends, but else a lone token."""
    (tmp_path / "text.txt").write_bytes(b"ab")
    done = train(command, tmp_path / "text.txt", tmp_path / "run", f"--set=text.vocabulary={kind}")
    assert done.code == (0 if kind == "words" else 1)
    assert done.code == 0 or done.sentence
    assert (tmp_path / "run").exists() == (kind == "words")


def test_one_line_of_ten_megabytes(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(b"abcdefghij" * 10**6)
    done = train(command, file, tmp_path / "run", "--set=training.validation_tokens=64", steps=1)
    assert done.code == 0, done.err
    assert json.loads(done.out)["steps"] == 1


def test_compressed_texts(command: Command, tmp_path: Path) -> None:
    packed = gzip.compress(TEXT.encode())
    for name, data in (("whole", packed), ("text", TEXT.encode())):
        (tmp_path / f"{name}{'.gz' if name == 'whole' else ''}").write_bytes(data)
    runs = [tmp_path / "a", tmp_path / "b"]
    for file, run in zip(("whole.gz", "text"), runs, strict=True):
        assert train(command, tmp_path / file, run).code == 0
    kept = [(run / "model" / "tokenizer.json").read_bytes() for run in runs]
    assert kept[0] == kept[1]
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 1
    broken = {"cut": packed[:-9], "flipped": bytes(flipped), "text": b"plain text", "none": b""}
    for name, data in broken.items():
        file = tmp_path / f"{name}.gz"
        file.write_bytes(data)
        before = set(tmp_path.rglob("*"))
        done = train(command, file, tmp_path / "run")
        assert done.code == 1
        assert file.name in done.sentence
        left_nothing(tmp_path, before)


def test_folders_and_patterns(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "inner").mkdir(parents=True)
    done = train(command, folder, tmp_path / "run")
    assert (done.code, "no text file" in done.sentence) == (1, True)
    (folder / "empty.txt").touch()
    (folder / "image.png").write_bytes(b"\x89PNG\xff")
    assert train(command, folder, tmp_path / "run").code == 1
    assert not (tmp_path / "run").exists()
    (folder / "one.txt").write_text(TEXT)
    (folder / "inner" / "two.md").write_text(TEXT)
    assert train(command, folder, tmp_path / "run").code == 0
    saved = load_model(tmp_path / "run")
    assert saved.task.vocabulary.eos_id is not None
    assert train(command, f"{folder}/**/*.md", tmp_path / "pattern").code == 0
    assert load_model(tmp_path / "pattern").task.vocabulary.eos_id is None
    done = train(command, f"{folder}/*.none", tmp_path / "run2")
    assert (done.code, "*.none" in done.sentence) == (1, True)
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    done = train(command, folder, tmp_path / "run2")
    assert (done.code, "latin.txt" in done.sentence) == (1, True)
    assert not (tmp_path / "run2").exists()


def test_a_file_whose_name_is_no_text_is_one_sentence(command: Command, tmp_path: Path) -> None:
    file = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt"))
    file.write_text(TEXT)
    done = train(command, file, tmp_path / "run")
    assert (done.code, "UTF-8" in done.sentence) == (2, True)
    named = tmp_path / "text.txt"
    file.rename(named)
    done = train(command, named, Path(os.fsdecode(bytes(tmp_path) + b"/r\xe9")))
    assert (done.code, "UTF-8" in done.sentence) == (2, True)
    assert list(tmp_path.iterdir()) == [named]


def test_unseen_characters_in_the_validation_text(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "other.txt").write_text("한글 ÜÖÄ " * 9, encoding="utf-8")
    for unknown in ("unk", "drop"):
        out = tmp_path / unknown
        other = f"--validation={tmp_path / 'other.txt'}"
        done = train(command, tmp_path / "text.txt", out, other, f"--set=text.unknown={unknown}")
        assert done.code == 0, done.err
        tokens = json.loads(done.out)["best"]["tokens"]
        assert tokens == (62 if unknown == "unk" else 17)
    assert Run.open(tmp_path / "unk").config().text.unknown == "unk"


@pytest.mark.parametrize("sizes", [(1, 1), (65536, 1), (1, 5000), (7, 900)])
def test_batches_larger_than_the_text(
    command: Command, text_file: Path, tmp_path: Path, sizes: tuple[int, int]
) -> None:
    rows, steps = sizes
    done = train(
        command, text_file, tmp_path / "run", f"--set=data.batch_size={rows}",
        f"--set=data.block_length={steps}", steps=2,
    )  # fmt: skip
    assert done.code == 0, done.err
    tokens = len(TEXT) * 9 // 10 - 1
    assert json.loads(done.out)["tokens"] == 2 * min(rows, tokens) * steps


def test_weights_and_checkpoints_are_those_from_memory(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUNHWAN_CACHE", str(tmp_path / "cache"))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("a", "b"):
        (corpus / f"{name}.txt").write_text(TEXT + KOREAN + name, encoding="utf-8")
    made = command("tokenize", corpus, "--vocabulary=characters", "--json")
    assert made.code == 0, made.err
    facts = json.loads(made.out)
    assert facts["tokens"] == facts["characters"] + 3
    for kind in ("memory", "file"):
        run = tmp_path / kind
        tokens = f"--set=text.tokens={kind}"
        done = train(command, corpus, run, tokens, "--set=text.vocabulary=characters", steps=6)
        assert done.code == 0, done.err
    states = [Run.open(tmp_path / kind).load_checkpoint() for kind in ("memory", "file")]
    for name, tensor in states[0][0].items():
        assert torch.equal(tensor, states[1][0][name]), name
    assert states[0][1]["data"] == states[1][1]["data"]
    assert len(list((tmp_path / "cache" / "tokens").glob("[0-9a-f]*"))) == 1
    # A run that was begun from memory goes on from the token file.
    config = tmp_path / "memory" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace('"memory"', '"file"'), "utf-8")
    resumed = command("resume", tmp_path / "memory")
    assert resumed.code == 0, resumed.err
    assert command("train", corpus, "--set=text.tokens=file", "--column=x").code == 1
    assert "stays in memory" in command("tokenize", "hello").sentence
