"""Awkward bytes and awkward files."""

import gzip
import os
import random
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.errors import TextError
from sunhwan.text import decode, load_corpus, normalize, read_text
from sunhwan.text.decoding import decode_known
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
        try:
            found = decode_known(data, "some file")
        except TextError as error:
            assert re.fullmatch(r"some file, line \d+, byte offset \d+: [^\n]*\.|some file is an?"  # noqa: PT017
                                r" [^\n]*\.", str(error))  # fmt: skip
        else:
            assert found.text == normalize(data.decode(found.encoding).removeprefix("\ufeff"))
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


GERMAN = "Ärger über Öl und Straßen: Die Bäume blühen schön.\n"
FRENCH = "L’été à Nîmes fut chaud, mais le café était créé.\n"
POLISH = "Dziś poszliśmy na targ i kupiliśmy dużo owoców; pogoda była bardzo ładna.\n"
CHINESE = "我们今天去市场买了很多水果，天气非常好，所以大家都很高兴。\n"
JAPANESE = "私は今日市場に行きました。りんごを買いました。とても美味しかったです。\n"


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (KOREAN.encode("cp949"), "CP949", KOREAN),
        (b"# title\n" + "똠방각하 펲시콜라".encode("cp949"), "CP949", "# title\n똠방각하 펲시콜라"),
        ("id,평\r\n1,ㅋㅋㅋ 최고였다…\r\n".encode("cp949"), "CP949", "id,평\n1,ㅋㅋㅋ 최고였다…\n"),
        *(
            (
                f"date,{name}\n2024-01-01,10\n".encode("cp949"),
                "CP949",
                f"date,{name}\n2024-01-01,10\n",
            )
            for name in (
                "금액",
                "값",
                "수량",
                "지역",
                "단가",
                "판매량",
                "매출",
                "날짜",
                "y값",
                "1월",
                "품목",
            )
        ),
        ("produto,AÇÃO\n".encode("latin-1"), "Latin-1", "produto,AÇÃO\n"),
        (GERMAN.encode("latin-1"), "Latin-1", GERMAN),
        (FRENCH.encode("cp1252"), "cp1252", FRENCH),
        (b"caf\xe9\n", "Latin-1", "café\n"),
        (b"It\x92s \x93fine\x94 for \xa3 5\n", "cp1252", "It’s “fine” for £ 5\n"),
        # A letter that stands for a word, as messages have it.
        (40 * b"are \xfc coming for \xa3 5\n", "Latin-1", 40 * "are ü coming for £ 5\n"),
        (KOREAN.encode("utf-16"), "UTF-16", KOREAN),
        (b"\xfe\xff" + KOREAN.encode("utf-16-be"), "UTF-16", KOREAN),
        (KOREAN.encode("utf-16-le"), "UTF-16LE", KOREAN),
        (KOREAN.encode("utf-16-be"), "UTF-16BE", KOREAN),
        ("가장 대단한 가격, 가\n".encode("utf-16-le"), "UTF-16LE", "가장 대단한 가격, 가\n"),
        ("가장 대단한 가격, 가\n".encode("utf-16-be"), "UTF-16BE", "가장 대단한 가격, 가\n"),
        ("plain words\n".encode("utf-16-le"), "UTF-16LE", "plain words\n"),
        ("plain words\n".encode("utf-16-be"), "UTF-16BE", "plain words\n"),
        (KOREAN.encode("utf-32"), "UTF-32", KOREAN),
        ("plain words\n".encode("utf-32-le"), "UTF-32LE", "plain words\n"),
        (KOREAN.encode("utf-32-be"), "UTF-32BE", KOREAN),
    ],
)
def test_other_encodings_that_are_certain_are_read(data: bytes, encoding: str, text: str) -> None:
    assert decode_known(data, "x") == (text, encoding)
    assert decode(data, "x") == text


@pytest.mark.parametrize(
    ("data", "line", "offset", "finding"),
    [
        (b"ab\n\xff", 2, 3, "0xFF"),
        (b"a\r\nb\rc\n\xc0 \xaf", 4, 7, "0xC0"),
        ("가나".encode()[:-1], 1, 3, "cut short"),
        (b"ok, caf\xc3", 1, 7, "cut short"),
        (b"ok \xed\xa0\xbd\xed\xb8\x80", 1, 3, "CESU-8"),
        (KOREAN.encode() + KOREAN.encode("cp949"), 3, len(KOREAN.encode()), "0xB3"),
        (KOREAN.encode("cp949") + b"\xff\n", 1, 0, "0xB3"),
        ("쏜띨".encode("cp949"), 1, 0, "CP949 ('쏜띨'; Latin-1: '½ð¶î'), which is not certain"),
        (b"x,\xbc\xbd\n", 1, 2, "CP949 ('섹'; Latin-1: '¼½'), which is not certain"),
        (
            "日期,价格\n".encode("gbk"),
            1,
            0,
            "CP949 ('휑퍅'; Latin-1: 'ÈÕÆÚ'), which is not certain",
        ),
        (KOREAN.encode("utf-16")[:-3], 2, 42, "damaged"),
        (POLISH.encode("cp1250"), 1, 3, "0x9C"),
        (POLISH.encode("iso8859-2"), 1, 3, "0xB6"),
        ("Příliš žluťoučký kůň".encode("cp1250"), 1, 1, "0xF8"),
        ("Bugün çok güzel, ağır ışık".encode("cp1254"), 1, 3, "0xFC"),
        ("Погода была хорошая".encode("cp1251"), 1, 0, "0xCF"),
        (FRENCH.replace("’", "'").encode("cp850"), 1, 2, "0x82"),
        (GERMAN.encode("mac-roman"), 1, 0, "0x80"),
        (CHINESE.encode("gbk"), 1, 0, ""),
        (CHINESE.encode("gb18030"), 1, 0, ""),
        ("我們今天去市場買了很多水果，所以大家都很高興。".encode("big5"), 1, 0, ""),
        (JAPANESE.encode("shift-jis"), 1, 0, ""),
        (JAPANESE.encode("euc-jp"), 1, 0, ""),
    ],
)
def test_what_is_not_certain_is_refused(data: bytes, line: int, offset: int, finding: str) -> None:
    with pytest.raises(TextError) as caught:
        decode(data, "dir/name.txt")
    message = str(caught.value)
    assert message.startswith(f"dir/name.txt, line {line}, byte offset {offset}: "), message
    assert finding in message
    assert "iconv -f" in message


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"PK\x03\x04\xff\xfe", "ZIP"), (b"%PDF-1.7\n\xe2\xe3", "PDF"), (b"PAR1\x15\xff", "Parquet")],
)
def test_files_that_are_no_text_are_named(data: bytes, kind: str) -> None:
    with pytest.raises(TextError, match=f"^dir/name is .*{kind}.* where a text file is needed"):
        decode(data, "dir/name")


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
