"""Where texts come from, and how they are split."""

import gzip
import os
import random
import unicodedata
from pathlib import Path

import pytest

from sunhwan.config import Config
from sunhwan.errors import ConfigError, TextError, UsageError
from sunhwan.text import BUILT_IN, KINDS, Corpus, Document, load_corpus


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def text_of(documents: tuple[Document, ...]) -> str:
    return "".join(document.text for document in documents)


def test_hello() -> None:
    corpus = load_corpus("hello")
    assert corpus.documents == (Document("hello", "hello" * 200),)
    assert corpus.suggested == {
        "text.vocabulary": "characters",
        "text.unknown": "drop",
        "model.input": "one-hot",
    }
    assert corpus.name == "hello"


@pytest.mark.parametrize("name", BUILT_IN)
def test_suggestions_are_settings(name: str) -> None:
    sections: dict[str, dict[str, object]] = {}
    for setting, value in load_corpus(name).suggested.items():
        section, key = setting.split(".")
        sections.setdefault(section, {})[key] = value
    assert sections["text"]["vocabulary"] in KINDS
    Config.from_dict(sections)
    with pytest.raises(ConfigError):
        Config.from_dict({"text": {"vocabulary": "unknown"}})


def test_korean() -> None:
    corpus = load_corpus("korean")
    (document,) = corpus.documents
    size = len(document.text.encode())
    assert 20_000 < size < 40_000
    hangul = sum("가" <= character <= "힣" for character in document.text)
    assert hangul > 0.6 * len(document.text)
    assert unicodedata.is_normalized("NFC", document.text)
    pieces = document.text.split("\n\n")
    assert len(pieces) > 15
    titles = [piece.split("\n")[0] for piece in pieces]
    assert all(len(title) < 20 for title in titles)
    assert len(set(titles)) == len(titles)
    assert all(line == line.strip() for line in document.text.split("\n"))
    sentences = [line for line in document.text.split("\n") if len(line) > 40]
    assert len(set(sentences)) == len(sentences)


def test_stdlib() -> None:
    corpus = load_corpus("stdlib")
    names = [document.name for document in corpus.documents]
    assert 5_000_000 < corpus.characters < 20_000_000
    assert {"stdlib/json/decoder.py", "stdlib/argparse.py", "stdlib/encodings/utf_8.py"} <= {*names}
    unwanted = (
        "/test/",
        "/tests/",
        "idlelib",
        "site-packages",
        "pydoc_data",
        "cp1252",
        "sysconfigd",
    )
    assert not [name for name in names if any(part in name for part in unwanted)]
    assert names != sorted(names)
    assert len(set(names)) == len(names)
    assert load_corpus("stdlib").documents == corpus.documents
    train, validation = corpus.split()
    assert len(text_of(validation)) == pytest.approx(0.1 * corpus.characters, rel=0.1)
    # The families of modules are on both sides.
    families = [{d.name.split("/")[1] for d in part} for part in (train, validation)]
    assert {"email", "unittest"} <= families[0]
    assert families[0] & families[1]


def test_a_file_with_a_built_in_name(here: Path) -> None:
    (here / "hello").write_text("mine")
    assert load_corpus("hello").characters == 1000
    for source in ("./hello", Path("hello"), here / "hello"):
        corpus = load_corpus(source)
        assert text_of(corpus.documents) == "mine"
        assert corpus.suggested == {}


def test_a_folder_gives_its_text_files_in_order(here: Path) -> None:
    sub = here / "data" / "sub"
    sub.mkdir(parents=True)
    (here / "data" / ".hidden").mkdir()
    write(here / "data", b="2", a="1", empty="")
    write(here / "data" / ".hidden", x="no")
    write(sub, c="3")
    (sub / "d.md.gz").write_bytes(gzip.compress(b"4"))
    (sub / ".e.txt").write_text("no")
    (sub / "image.png").write_bytes(b"\x89PNG")
    (sub / "README").write_text("no")
    (sub / "broken.txt").symlink_to("nowhere")
    (sub / "loop").symlink_to(here / "data")
    corpus = load_corpus("data")
    assert corpus.documents == (
        Document("a.txt", "1"),
        Document("b.txt", "2"),
        Document("sub/c.txt", "3"),
        Document("sub/d.md.gz", "4"),
    )
    assert corpus.name == "data"
    assert load_corpus(str(here / "data")) == corpus


def test_files_patterns_and_several_sources(here: Path) -> None:
    write(here, b="2", a="1")
    (here / "odd.name").write_text("3")
    (here / "a[1].txt").write_text("4")
    (here / "c.txt").mkdir()
    assert text_of(load_corpus("odd.name").documents) == "3"
    assert text_of(load_corpus("?.txt").documents) == "12"
    assert text_of(load_corpus(str(here / "**" / "?.txt")).documents) == "12"
    assert text_of(load_corpus("a[1].txt").documents) == "4"
    both = load_corpus(["b.txt", Path("a.txt"), "hello"])
    assert text_of(both.documents) == "21" + "hello" * 200
    assert both.name == "b.txt+a.txt+hello"
    assert both.suggested == {}


def test_missing_sources_list_the_built_in_ones(here: Path) -> None:
    for source in ("nothing", "no/*.txt", "", "nul\0", "x" * 5000, Path("stdlib")):
        with pytest.raises(TextError, match="hello, korean, stdlib") as caught:
            load_corpus(source)
        assert "\n" not in str(caught.value)
    assert [*BUILT_IN] == ["hello", "korean", "stdlib"]


def test_empty_sources(here: Path) -> None:
    write(here, empty="", bom="\ufeff")
    (here / "folder").mkdir()
    for source in ("empty.txt", "bom.txt", ["empty.txt", "bom.txt"], ".", []):
        with pytest.raises(TextError, match="holds no text"):
            load_corpus(source)
    with pytest.raises(TextError, match=r"folder holds no text file"):
        load_corpus("folder")
    write(here, one="가")
    assert load_corpus(".").characters == 1


def test_one_bad_file_in_a_folder_is_named(here: Path) -> None:
    write(here, good="a")
    (here / "bad.txt").write_bytes("쏜띨".encode("cp949"))
    with pytest.raises(TextError, match=r"bad\.txt, line 1, byte offset 0.*CP949"):
        load_corpus(here)


def test_encodings_of_files_are_told(here: Path) -> None:
    write(here, a="나")
    (here / "b.txt").write_bytes("오늘은 비가 온다".encode("cp949"))
    (here / "c.txt").write_bytes("어제는 맑았다".encode("cp949"))
    corpus = load_corpus(here)
    assert text_of(corpus.documents) == "나오늘은 비가 온다어제는 맑았다"
    assert corpus.notes == ("b.txt, c.txt: read as CP949",)


@pytest.mark.skipif(os.name != "posix", reason="file names are text there")
def test_a_file_name_that_is_not_utf8(here: Path) -> None:
    try:
        Path(os.fsdecode(b"\xff.txt")).write_text("a")
    except OSError:
        pytest.skip("the file system refuses such names")
    corpus = load_corpus(".")
    assert corpus.documents == (Document("\ufffd.txt", "a"),)


def test_one_document_is_cut_exactly() -> None:
    for size in range(1, 60):
        text = "".join(chr(0xAC00 + i) for i in range(size))
        for fraction in (0.0, 0.1, 0.25, 0.5, 0.9):
            train, validation = Corpus("x", (Document("x", text),)).split(fraction)
            cut = int(size * (1 - fraction)) or size  # something is always learned from
            assert text_of(train) == text[:cut]
            assert text_of(validation) == text[cut:]
            assert all(document.text for document in (*train, *validation))


def test_the_end_of_every_document_is_for_validation() -> None:
    documents = (Document("prose", "p" * 900), Document("lyrics", "l" * 100))
    train, validation = Corpus("x", documents).split(0.1)
    assert train == (Document("prose", "p" * 810), Document("lyrics", "l" * 90))
    assert validation == (Document("prose", "p" * 90), Document("lyrics", "l" * 10))


def test_a_mixed_corpus_is_cut_at_a_boundary() -> None:
    documents = tuple(Document(str(i), "x" * size) for i, size in enumerate([50, 37, 5, 8]))
    train, validation = Corpus("x", documents, mixed=True).split(0.1)
    assert train == documents[:3]
    assert validation == documents[3:]
    documents = (Document("a", "a" * 10), Document("b", "b" * 90))
    train, validation = Corpus("x", documents, mixed=True).split(0.1)
    assert train == (Document("a", "a" * 10), Document("b", "b" * 80))
    assert validation == (Document("b", "b" * 10),)


def test_every_split_keeps_its_fraction_and_every_character() -> None:
    rng = random.Random(4)
    for _ in range(2_000):
        sizes = [rng.choice((1, 3, 20, 300)) for _ in range(rng.randrange(1, 12))]
        documents = tuple(Document(str(i), chr(97 + i) * size) for i, size in enumerate(sizes))
        corpus = Corpus("x", documents)
        fraction = rng.choice((0.0, 0.05, 0.1, 0.3, 0.5, 0.8, 0.99))
        train, validation = corpus.split(fraction)
        whole: dict[str, str] = dict.fromkeys((d.name for d in documents), "")
        for name, text in (*train, *validation):
            whole[name] += text
        assert whole == dict(documents)
        total = corpus.characters
        wanted = total - int(total * (1 - fraction))
        assert len(text_of(validation)) == (wanted if int(total * (1 - fraction)) else 0)
        mixed_train, mixed = Corpus("x", documents, mixed=True).split(fraction)
        assert text_of(mixed_train) + text_of(mixed) == text_of(documents)
        assert abs(len(text_of(mixed)) - wanted) <= fraction * total / 2


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2, float("nan")])
def test_unusable_fractions(fraction: float) -> None:
    with pytest.raises(UsageError, match="fraction"):
        load_corpus("hello").split(fraction)
