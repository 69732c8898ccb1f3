"""Files of word vectors in every format, what is wrong with them, and the space they span."""

import gzip
import random
import struct
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.errors import ShapeError, TextError, UsageError
from sunhwan.text import Vectors, map_2d, neighbours, read_vectors
from sunhwan.text.embedding_space import analogy

WORDS = ("사과", "the", "새콤달콤", ",", "😀", "1999", "don't")
VALUES = np.array(
    [
        [0.25, -1.5, 3.0],
        [0.0, 1e-3, 2.5e10],
        [-0.125, 7.0, 0.5],
        [1.0, 2.0, 3.0],
        [0.0, 0.0, 0.0],
        [4.0, -5.0, 6.5],
        [-1.0, 0.1, -0.2],
    ],
    np.float32,
)


def text_lines(end: str = "\n") -> str:
    return "".join(
        f"{word} {' '.join(map(repr, row))}{end}"
        for word, row in zip(WORDS, VALUES.tolist(), strict=True)
    )


def records(words: tuple[str, ...], values: np.ndarray, end: bytes) -> bytes:
    head = b"%d %d\n" % values.shape
    rows = zip(words, values, strict=True)
    return head + b"".join(
        word.encode() + b" " + struct.pack(f"<{len(row)}f", *row) + end for word, row in rows
    )


FORMATS = {
    "word2vec text": f"7 3\n{text_lines(' ' + chr(10))}".encode(),
    "glove": text_lines().encode(),
    "glove without a last line end": text_lines().encode()[:-1],
    "fasttext vec": f"7 3\n{text_lines()}".encode(),
    "crlf": f"7 3\r\n{text_lines(chr(13) + chr(10))}".encode(),
    "byte-order mark": b"\xef\xbb\xbf" + text_lines().encode(),
    "marked, with a header": b"\xef\xbb\xbf7 3\n" + text_lines().encode(),
    "tabs": b"7\t3\n" + text_lines().replace(" ", "\t").encode(),
    "several spaces": text_lines().replace(" ", "  ").encode(),
    "blank lines at the end": text_lines().encode() + b"\n  \n",
    "word2vec binary": records(WORDS, VALUES, b"\n"),
    "gensim binary": records(WORDS, VALUES, b""),
    "decomposed": unicodedata.normalize("NFD", text_lines()).encode(),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vectors.of.any.name"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(file: Path, name: str, packed: bool) -> None:
    file.write_bytes(gzip.compress(FORMATS[name]) if packed else FORMATS[name])
    for path in (file, str(file)):
        vectors = read_vectors(path)
        assert vectors.words == WORDS
        assert vectors.values.dtype == np.float32
        assert np.array_equal(vectors.values, VALUES)


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_wanted_words_are_kept(file: Path, name: str) -> None:
    file.write_bytes(FORMATS[name])
    apple = unicodedata.normalize("NFD", "사과")
    words, values = read_vectors(file, {"1999", "없는", apple, "the "})
    assert words == ("사과", "1999")
    assert np.array_equal(values, VALUES[[0, 5]])
    empty = read_vectors(file, [])
    assert empty.words == ()
    assert empty.values.shape == (0, 3)


def test_of_a_repeated_word_the_first_vector_counts(file: Path) -> None:
    lines = "a 1 2\n\u1100\u1161 3 4\na 5 6\n가 7 8\n"
    file.write_text(lines)
    twice = ("a", "\u1100\u1161", "a", "가")
    values = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float32)
    for data in (lines.encode(), b"4 2\n" + lines.encode(), records(twice, values, b"")):
        file.write_bytes(data)
        vectors = read_vectors(file)
        assert vectors.words == ("a", "가")
        assert np.array_equal(vectors.values, values[:2])
        assert read_vectors(file, ["가"]).values.tolist() == [[3, 4]]


def test_words_may_hold_spaces_in_text(file: Path) -> None:
    file.write_text(". 1 2\nat name@domain.com 3 4\n. . . 5 6\n\u3000끝\u00a0말 7 8\n5 9 1\n")
    assert read_vectors(file).words == (
        *(".", "at name@domain.com", ". . .", "\u3000끝\u00a0말", "5"),
    )
    assert read_vectors(file, [". . ."]).values.tolist() == [[5, 6]]


def test_numbers_are_written_in_many_ways(file: Path) -> None:
    numbers = ["1", "-2.", "+.5", "1e3", "1E-3", "0.1", "-0", "3.4e38", "1e-50", "0" * 50 + "7"]
    file.write_text(f"w {' '.join(numbers)}\n")
    expected = np.array([*map(float, numbers)], np.float32)
    assert np.array_equal(read_vectors(file).values[0], expected)


WRONG = [
    (b"", ": it holds nothing"),
    (b" \n\n", ": it holds nothing"),
    (b"\xef\xbb\xbf", ": it holds nothing"),
    (b"the quick brown fox\n", ": these are no word vectors"),
    (b"0.5\n", ": these are no word vectors"),
    (b"\x89PNG\r\n\x1a\n\0\0 1", ": these are no word vectors"),
    ("the 0.1 0.2\n".encode("utf-16"), ": these are no word vectors"),
    (b"\xba\x16\x4f\x2f\x0c\0\0\0", "give the .vec file"),
    (b"PK\x03\x04rest", "zip archive; unpack it"),
    (b"a 1 2\nb 3\nc 4 5\n", ", line 2: 2 numbers must follow the word, not 1"),
    (b"a 1 2\nb 3 4 5\n", ", line 2: 2 numbers must follow the word, not 3"),
    (b"a 1 2\nb  3 \n", ", line 2: 2 numbers must follow the word, not 1"),
    (b"a 1 2 3\nb 3  4\n", ", line 2: 3 numbers must follow the word, not 2"),
    (b"a 1 2 3\nb 3\t4 5 6\n", ", line 2: 3 numbers must follow the word, not 4"),
    (b"a 1 2\nb\n", ", line 2: 2 numbers must follow the word, not 0"),
    (b"a 1 2\n 3 4\n", ", line 2: 2 numbers must follow the word, not 1"),
    (b"a 1 x 3\n", ", line 1: 'x' is not a number"),
    (b"a 1 2\nb 3 0x4\n", ", line 2: '0x4' is not a number"),
    (b"a 1 2\nb 3 1_0\n", ", line 2: '1_0' is not a number"),
    (b"a 1 2\nb 3 1,5\n", ", line 2: '1,5' is not a number"),
    (b"a 1 2\nb 3 \xff\n", ", line 2: '\ufffd' is not a number"),
    ("a 1 2\nb 3 ４\n".encode(), ", line 2: '４' is not a number"),
    (b"a 1 2\nb -\x0b1 2\n", ", line 2: '-\\x0b1' is not a number"),
    (b"a 1 2\nb 3 NaN\n", ", line 2: NaN is not a finite number"),
    (b"nan nan inf\n", ", line 1: nan is not a finite number"),
    (b"a 1 2\nb -1e39 3\n", ", line 2: -1e39 is not a finite number"),
    (b"a 1 2\nb 1e999 3\n", ", line 2: 1e999 is not a finite number"),
    (b"a 1 2\n\n\nb 3 4\n", ", line 2: the line is empty"),
    ("사과 1 2\n".encode("cp949"), ", line 1: the word "),
    (b"a 1 2\n\xea\xb0 3 4\n", "is not UTF-8; convert"),
    (b"3 2\na 1 2\nb 3 4\n", ": line 1 promises 3 vectors, but the file ends after 2"),
    (b"3 2\na 1 2\nb 3 4\n\n\n", ": line 1 promises 3 vectors, but the file ends after 2"),
    (b"3 2\n", ": line 1 promises 3 vectors, but the file ends after 0"),
    (b"1 2\na 1 2\nb 3 4\n", ", line 3: line 1 promises only 1 vectors"),
    (b"2 2\na 1 2\nb 3\n", ", line 3: 2 numbers must follow the word, not 1"),
    (b"2 2\na b c\n", ", line 2: 'b' is not a number"),
    (b"2 2\n\xbb 1 2\nb 1 2\n", ", line 2: the word '\ufffd' is not UTF-8"),
    (b"0 3\n", "promises 0 vectors of 3 numbers"),
    (b"3 0\n", "promises 3 vectors of 0 numbers"),
    (b"3 999999999999\na 1", "promises 3 vectors of 999999999999 numbers"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("data", "finding"), WRONG)
def test_damaged_text_is_one_sentence(file: Path, data: bytes, finding: str, packed: bool) -> None:
    file.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(TextError) as caught:
        read_vectors(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert finding in message
    assert "; " in message
    assert message.endswith(".")
    assert "\n" not in message


def test_damaged_binary_names_the_byte(file: Path) -> None:
    whole = records(WORDS, VALUES, b"\n")
    second = whole.index(b"the ")

    def sentence(data: bytes) -> str:
        file.write_bytes(data)
        with pytest.raises(TextError) as caught:
            read_vectors(file)
        message = str(caught.value)
        assert "\n" not in message
        assert message.endswith("; fetch the file again.")
        return message.removeprefix(f"{file}, ")

    for size in range(4 + 20, len(whole) - 1):
        message = sentence(whole[:size])
        assert message.startswith(f"byte {size}: line 1 promises 7 vectors, but the file ends")
    extra = sentence(whole + b"more")
    assert extra.startswith(f"byte {len(whole) - 1}: line 1 promises only 7 vectors, but more")
    nan = bytearray(whole)
    nan[second + 4 : second + 8] = struct.pack("<f", float("nan"))
    assert sentence(nan).startswith(f"byte {second - 1}: the vector of this word holds NaN")
    assert sentence(whole.replace(b"the ", b" ")).startswith(f"byte {second - 1}: no word begins")
    assert sentence(whole.replace(b"the", b"t\nh")).startswith(f"byte {second - 1}: no word")
    assert sentence(b"9 3\n" + b"\0" * 9999).startswith("byte 4: no word begins")
    file.write_bytes(whole.replace(b"the", b"t\xffe"))
    with pytest.raises(TextError, match=rf"byte {second - 1}: the word 't\ufffde' is not UTF-8"):
        read_vectors(file)


def test_broken_gzip_and_unreadable_paths(file: Path, tmp_path: Path) -> None:
    packed = gzip.compress(text_lines().encode() * 50)
    for data in (packed[:-9], packed[:40], packed[:30] + b"x" * 30 + packed[60:], b"\x1f\x8b"):
        file.write_bytes(data)
        with pytest.raises(TextError, match="is not a whole gzip file"):
            read_vectors(file)
    with pytest.raises(TextError, match="There is no file"):
        read_vectors(tmp_path / "missing")
    with pytest.raises(TextError, match="is a folder"):
        read_vectors(tmp_path)
    with pytest.raises(TextError, match="cannot be read"):
        read_vectors("nul\0")


def test_what_is_not_wanted_is_counted_but_not_parsed(file: Path) -> None:
    file.write_bytes(b"a 1 2\nb x y\nc 3 4\n")
    assert read_vectors(file, ["c"]).values.tolist() == [[3, 4]]
    file.write_bytes(b"a 1 2\nb x\nc 3 4\n")
    with pytest.raises(TextError, match="line 2"):
        read_vectors(file, ["c"])


def test_long_files_are_read_in_parts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(500, 7)).astype(np.float32)
    words = tuple(f"말{i}" for i in range(500))
    rows = [
        f"{word} {' '.join(map(repr, row))}\n"
        for word, row in zip(words, values.tolist(), strict=True)
    ]
    for chunk in (1, 37, 1000):
        monkeypatch.setattr("sunhwan.text.vectors._CHUNK", chunk)
        for data in ("".join(rows).encode(), records(words, values, b"\n")):
            file.write_bytes(data)
            vectors = read_vectors(file)
            assert vectors.words == words
            assert np.array_equal(vectors.values, values)
        file.write_text("".join(rows[:300]) + "bad 1 2 x 4 5 6 7\n")
        with pytest.raises(TextError, match="line 301: 'x' is not a number"):
            read_vectors(file)


WORD = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=150)
@given(st.lists(WORD, min_size=1, max_size=12), st.integers(3, 9), st.integers(0, 2**32), st.data())
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    size: int,
    seed: int,
    data: st.DataObject,
) -> None:
    words = list(dict.fromkeys(unicodedata.normalize("NFC", word) for word in words))
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, (len(words), size), np.uint32)
    values = bits.view(np.float32)
    values = np.where(np.isfinite(values), values, np.float32(0.5))
    lines = "".join(
        f"{word} {' '.join(map(repr, row))}\n"
        for word, row in zip(words, values.tolist(), strict=True)
    ).encode()
    head = b"%d %d\n" % values.shape
    end = data.draw(st.sampled_from([b"", b"\n"]))
    path = tmp_path_factory.mktemp("vectors") / "file"
    for written in (lines, head + lines, records(tuple(words), values, end)):
        path.write_bytes(written)
        vectors = read_vectors(path)
        assert vectors.words == tuple(words)
        assert np.array_equal(vectors.values, values)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_any_damage_is_read_or_is_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    whole = bytearray(FORMATS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        change = data.draw(st.binary(max_size=3))
        whole[place : place + data.draw(st.integers(0, 3))] = change
    path = tmp_path_factory.mktemp("vectors") / "file"
    path.write_bytes(whole)
    try:
        words, values = read_vectors(path)
    except TextError:
        with pytest.raises(TextError, match=r"^[^\n]*; [^\n]*\.$"):
            read_vectors(path)
    else:
        assert len(words) == len(values) == len(set(words))
        assert np.isfinite(values).all()


def test_a_large_text_takes_a_few_seconds(file: Path) -> None:
    rng = random.Random(2)
    row = " ".join(f"{rng.gauss(0, 1):.4f}" for _ in range(300))
    file.write_text("".join(f"w{i} {row}\n" for i in range(20_000)))
    start = time.process_time()
    assert read_vectors(file).values.shape == (20_000, 300)
    assert time.process_time() - start < 10  # 1.2 seconds on a quiet machine
    start = time.process_time()
    assert read_vectors(file, ["w7"]).words == ("w7",)
    assert time.process_time() - start < 1


SPACE = Vectors(
    ("왕", "여왕", "사과", "배", "영"),
    np.array([[1, 0.1], [2, 0.2], [0, 1], [-1, 0.1], [0, 0]], np.float32),
)


def test_neighbours_are_those_of_the_greatest_cosine() -> None:
    near = neighbours(*SPACE, "왕")
    assert [word for word, _ in near] == ["여왕", "사과", "영", "배"]
    unit = SPACE.values[:4] / np.linalg.norm(SPACE.values[:4], axis=1, keepdims=True)
    expected = unit @ unit[0]
    assert [cosine for _, cosine in near] == pytest.approx([*expected[[1, 2]], 0, expected[3]])
    assert neighbours(*SPACE, unicodedata.normalize("NFD", "왕"), 1) == near[:1]
    by_vector = neighbours(*SPACE, np.array([3.0, 0.3]), n=3)
    assert [word for word, _ in by_vector] == ["왕", "여왕", "사과"]
    assert by_vector[0][1] == pytest.approx(1)
    assert [c for _, c in neighbours(*SPACE, np.zeros(2))] == [0] * 5
    huge = np.array([[1e38, 1e38], [1e-38, 1e-38]], np.float32)
    assert neighbours(("a", "b"), huge, "a") == [("b", pytest.approx(1))]
    assert neighbours(("a",), huge[:1], "a") == []


def test_an_unknown_word_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError, match=r"there is no '여앙' among .*: did you mean '여왕'\?$"):
        neighbours(*SPACE, "여앙")
    with pytest.raises(UsageError, match=r"no 'xyz' among the 5 tokens, which are such as 왕"):
        neighbours(*SPACE, "xyz")
    with pytest.raises(UsageError, match="n is 0"):
        neighbours(*SPACE, "왕", 0)
    with pytest.raises(ShapeError, match="5 words, but 4 vectors"):
        neighbours(SPACE.words, SPACE.values[:4], "왕")
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        neighbours(*SPACE, np.zeros(3))
    with pytest.raises(ShapeError, match="table"):
        neighbours(("a",), np.zeros(3), "a")


@pytest.mark.parametrize("size", [1, 2, 60])
@pytest.mark.parametrize("n", [0, 1, 2, 49, 50, 70])
def test_a_map_has_a_finite_point_for_every_vector(n: int, size: int) -> None:
    values = np.random.default_rng(3).normal(size=(n, size)).astype(np.float32)
    before = values.copy()
    points = map_2d(values)
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()
    assert np.array_equal(map_2d(values), points)
    assert np.array_equal(values, before)
    assert np.array_equal(map_2d(np.ones((n, size))), np.zeros((n, 2)))


@pytest.mark.parametrize("n", [10, 40])
def test_a_map_keeps_groups_apart(n: int) -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(k * 20, 1, (n, 30)) for k in (-1, 0, 1)])
    points = map_2d(values).reshape(3, n, 2)
    centres = points.mean(1)
    within = np.linalg.norm(points - centres[:, None], axis=2).max()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(centres[one] - centres[other]) > 1.5 * within


def test_maps_of_what_is_no_table_of_numbers() -> None:
    with pytest.raises(ShapeError, match="table"):
        map_2d(np.zeros(3))
    with pytest.raises(UsageError, match="NaN"):
        map_2d(np.array([[1.0, np.nan]]))


def test_an_analogy_is_the_nearest_to_the_sum() -> None:
    words = ["man", "woman", "king", "queen", "apple"]
    values = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [-1, 0, 0]], float)
    found = analogy(words, values, "man", "woman", "king", 2)
    assert [word for word, _ in found] == ["queen", "apple"]
    u = values / np.linalg.norm(values, axis=1, keepdims=True)
    wanted = u[1] - u[0] + u[2]
    assert found[0][1] == pytest.approx(float(u[3] @ wanted / np.linalg.norm(wanted)))
    with pytest.raises(UsageError, match="there is no 'quen'"):
        analogy(words, values, "man", "woman", "quen")
