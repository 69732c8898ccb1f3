"""Awkward bytes and awkward files."""

import gzip
import os
import random
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.errors import TextError
from sunhwan.text import decode, load_corpus, normalize, read_text
from tests.text.random_text import plain_normalize, random_text

KOREAN = "나는 오늘 시장에 갔다.\n사과를 샀다.\n"


def test_normalize_agrees_with_its_plain_version() -> None:
    rng = random.Random(3)
    for _ in range(10_000):
        text = random_text(rng)
        assert normalize(text) == plain_normalize(text)
        assert normalize(normalize(text)) == normalize(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_written_as_utf8_is_read_normalised(text: str) -> None:
    data = text.encode()
    if data.count(0) < 2:  # many NUL bytes mean UTF-16
        assert decode(b"\xef\xbb\xbf" + data, "x") == normalize(text)


@given(st.binary(max_size=40))
def test_any_bytes_are_text_or_a_text_error(data: bytes) -> None:
    try:
        expected = normalize(data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError:
        with pytest.raises(TextError, match=r"^some file, line \d+, byte offset \d+: [^\n]*\.$"):
            decode(data, "some file")
    else:
        if data.count(0) < 2:  # many NUL bytes mean UTF-16
            assert decode(data, "some file") == expected


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbf", ""),
        ("\ufeffa\ufeff".encode(), "a\ufeff"),
        (b"a\r\nb\rc\n\r", "a\nb\nc\n\n"),
        (b"one\0two and three\0", "one\0two and three\0"),
        (b"\0" * 64, "\0" * 64),
        (unicodedata.normalize("NFD", KOREAN).encode(), KOREAN),
        ("👩\u200d👩\u200d👧 🇰🇷".encode(), "👩\u200d👩\u200d👧 🇰🇷"),
    ],
)
def test_legal_text(data: bytes, text: str) -> None:
    assert decode(data, "x") == text


@pytest.mark.parametrize(
    ("data", "line", "offset", "finding"),
    [
        (b"ab\n\xff", 2, 3, "0xFF"),
        (b"a\r\nb\rc\n\xc0 \xaf", 4, 7, "0xC0"),
        ("가나".encode()[:-1], 1, 3, "cut short"),
        (b"ok \xed\xa0\xbd\xed\xb8\x80", 1, 3, "CESU-8"),
        (KOREAN.encode("utf-16"), 1, 0, "UTF-16"),
        (b"\xfe\xff" + KOREAN.encode("utf-16-be"), 1, 0, "UTF-16"),
        (KOREAN.encode("utf-16-le"), 1, 0, "UTF-16LE"),
        (KOREAN.encode("utf-16-be"), 1, 0, "UTF-16BE"),
        (b"plain words\n".decode().encode("utf-16-le"), 1, 1, "UTF-16LE"),
        (b"plain words\n".decode().encode("utf-16-be"), 1, 0, "UTF-16BE"),
        (KOREAN.encode("utf-32"), 1, 0, "UTF-32"),
        (b"plain words\n".decode().encode("utf-32-le"), 1, 1, "UTF-32LE"),
        (KOREAN.encode("utf-32-be"), 1, 2, "UTF-32BE"),
        (KOREAN.encode("cp949"), 1, 0, "CP949"),
        (b"# title\n" + "똠방각하 펲시콜라".encode("cp949"), 2, 8, "CP949"),
        ("caf\xe9\n".encode("latin-1"), 1, 3, "0xE9"),
        (KOREAN.encode() + KOREAN.encode("cp949"), 3, len(KOREAN.encode()), "0xB3"),
    ],
)
def test_other_encodings_are_recognised(data: bytes, line: int, offset: int, finding: str) -> None:
    with pytest.raises(TextError) as caught:
        decode(data, "dir/name.txt")
    message = str(caught.value)
    assert message.startswith(f"dir/name.txt, line {line}, byte offset {offset}: "), message
    assert finding in message
    assert "iconv -f" in message
    others = {"CP949", "UTF-16", "UTF-32", "CESU-8"} - {finding, finding[:6]}
    assert not any(other in message for other in others), message


def test_files(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.txt", tmp_path / "b.TXT.gz"
    plain.write_bytes(b"\xef\xbb\xbf" + KOREAN.encode())
    packed.write_bytes(gzip.compress(KOREAN.encode()))
    assert read_text(plain) == read_text(str(packed)) == KOREAN
    line = "가나다라 " * 700_000
    plain.write_text(line, encoding="utf-8")
    assert plain.stat().st_size > 9_000_000
    assert read_text(plain) == line


@pytest.mark.parametrize("damage", ["cut", "flipped", "not gzip", "empty tail"])
def test_broken_gzip(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(KOREAN.encode() * 50)
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    data = {
        "cut": whole[:-9],
        "flipped": bytes(flipped),
        "not gzip": KOREAN.encode(),
        "empty tail": whole[:12],
    }[damage]
    path = tmp_path / "x.txt.gz"
    path.write_bytes(data)
    with pytest.raises(TextError, match=r"x\.txt\.gz is not a whole gzip file"):
        read_text(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="is a folder"):
        read_text(tmp_path)
    with pytest.raises(TextError, match="There is no file"):
        read_text(tmp_path / "missing.txt")
    for bad in ("nul\0inside", "x" * 5000):
        with pytest.raises(TextError, match="cannot be read"):
            read_text(bad)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("a")

    real = os.open

    def refuse(name: object, *rest: Any, **options: Any) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(name, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(TextError, match="Permission denied"):
        read_text(path)
    with pytest.raises(TextError, match="Permission denied"):
        load_corpus(path)
