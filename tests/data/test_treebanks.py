"""Tagged sentences in both CoNLL formats."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import Treebank, read_treebank
from sunhwan.errors import DataError, UsageError

CONLL = """\
-DOCSTART- -X- O

# 서울 이야기
서울 NNP B-LOC
에서 JKB O

# of NNS O
# # B-NP
비 NNG O
"""

CONLLU = """\
# sent_id = 1
#text=비가 온다
1-2\t비가\t_\t_\t_\t_\t_\t_\t_\t_
1\t비\t비\tNOUN\tNNG\tNumber=Sing|Case=Nom\t3\tnsubj\t_\tSpaceAfter=No
2\t가\t가\tADP\tJKS\t_\t1\tcase\t_\t_
2.1\t안\t_\t_\t_\t_\t_\t_\t_\t_
3\t온다\t오+ㄴ다\tVERB\tVV+EF\t_\t0\troot\t_\t_

1\t#\t_\tSYM\tSW\t_\t0\troot\t_\t_
"""


def read(folder: Path, text: str, name: str = "x.conll", column: str = "") -> Treebank:
    (folder / name).write_text(text, "utf-8")
    return read_treebank(folder / name, column)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


HERE = Path()


def test_conll() -> None:
    bank = read(HERE, CONLL)
    assert bank.said == "CoNLL, the last column"
    assert [s.where for s in bank.sentences] == ["x.conll, line 4", "x.conll, line 9"]
    assert bank.sentences[0][1:3] == (("서울", "에서"), ("B-LOC", "O"))
    assert bank.sentences[1][1:3] == (("비",), ("O",))
    assert read(HERE, CONLL, column="2").sentences[0].tags == ("NNP", "JKB")
    assert read(HERE, CONLL, column="2").said == "CoNLL, the column 2"


def test_hashes_that_are_words() -> None:
    bank = read(HERE, "비\tO\n#\tO\n # \tO\n# 메모\n\n#서울 B-LOC\n# 1 2\n\n#\tO\n## id-1\n")
    assert [s.words for s in bank.sentences] == [("비", "#", " # "), ("#서울",), ("#",)]


def test_spaces_that_are_words() -> None:
    bank = read(HERE, "비\tO\n \tO\n온다\xa0지금\tO\n")
    assert bank.sentences[0].words == ("비", " ", "온다\xa0지금")


@pytest.mark.parametrize("name", ["x.conllu", "x.txt"])
def test_conllu(name: str) -> None:
    bank = read(HERE, CONLLU, name)
    assert bank.said == "CoNLL-U, the column upos"
    assert [s.where for s in bank.sentences] == [f"{name}, line 3", f"{name}, line 9"]
    assert bank.sentences[0][1:3] == (("비", "가", "온다"), ("NOUN", "ADP", "VERB"))
    assert bank.sentences[1][1:3] == (("#",), ("SYM",))
    for column, tags in (
        ("xpos", ("NNG", "JKS", "VV+EF")),
        ("deprel", ("nsubj", "case", "root")),
        ("feats", ("Number=Sing|Case=Nom", "_", "_")),
        ("lemma", ("비", "가", "오+ㄴ다")),
    ):
        assert read(HERE, CONLLU, name, column).sentences[0].tags == tags


LONG = "1\tform\t_\tX\t_\t_\t0\troot\t_\t_\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.conll", "a O\n\nb\n", "x.conll, line 3: the token 'b' has no tag"),
        ("x.conll", "a O\nb N O\n", "x.conll, line 2: this line has 3 cells, but the sentence began "
         "with 2 in line 1"),
        ("x.conll", "a\tO\n\tO\n", "x.conll, line 2: the word is empty"),
        ("x.conll", "a\tO\nb\t\n", "x.conll, line 2: the tag is empty"),
        ("x.conll", "", "x.conll holds no tagged sentence"),
        ("x.conll", "-DOCSTART- O\n\n# nothing\n", "x.conll holds no tagged sentence"),
        ("x.conllu", "# nothing\n", "x.conllu holds no tagged sentence"),
        ("x.conllu", "1\ta\tO\n", "x.conllu, line 1: CoNLL-U has 10 cells between tabs, and "
         "this line 3"),
        ("x.conllu", "a\n", "x.conllu, line 1: CoNLL-U has 10 cells between tabs, and this line 1"),
        ("x.conllu", LONG + "2\n", "x.conllu, line 2: CoNLL-U has 10 cells"),
        ("x.conllu", LONG.replace("form", ""), "x.conllu, line 1: cell 2 is empty"),
        ("x.conllu", LONG.replace("form", "a  b"), "x.conllu, line 1: cell 2 has two spaces"),
        ("x.conllu", LONG + LONG, "x.conllu, line 2: the token's number is 1, but 2 is next"),
        ("x.conllu", LONG.replace("1", "_", 1), "x.conllu, line 1: the token's number is _, but 1"),
        ("x.conllu", "\n" + LONG.replace("1", "one"), "x.conllu, line 2: the sentence that begins "
         "here is no CoNLL-U (Failed parsing field 'id': 'one' is not a valid ID)"),
        ("x.conllu", LONG.replace("1", "1" * 5000), "x.conllu, line 1: the sentence that begins "),
        ("x.conllu", LONG.replace("X", "_"), "x.conllu, line 1: the token 'form' has no upos"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(HERE, text, name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_columns_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="upos, xpos, deprel"):
        read(HERE, LONG, "x.conllu", "pos")
    with pytest.raises(UsageError, match=r"x.conll is a CoNLL file without names"):
        read(HERE, CONLL, column="upos")
    with pytest.raises(DataError, match=r"x.conll, line 4: there is no column 4; .* has 3 cells"):
        read(HERE, CONLL, column="4")


WORD = st.text("가나abc#.-1", min_size=1, max_size=4)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read(sentences: list[list[tuple[str, str]]]) -> None:
    expected = [tuple(zip(*sentence, strict=True)) for sentence in sentences]
    text = "\n\n".join("\n".join(f"{w}\t{t}" for w, t in s) for s in sentences)
    assert [s[1:3] for s in read(HERE, text).sentences] == expected
    text = "\n\n".join(
        "\n".join(f"{i}\t{w}\t_\t{t}\t_\t_\t0\tdep\t_\t_" for i, (w, t) in enumerate(s, 1))
        for s in sentences
    )
    assert [s[1:3] for s in read(HERE, text, "x.conllu").sentences] == expected


@settings(deadline=None)
@given(st.text("a1_#-\t\n .", max_size=30), st.sampled_from(["x.conll", "x.conllu"]))
def test_any_text_is_a_treebank_or_a_data_error(text: str, name: str) -> None:
    try:
        bank = read(HERE, text, name)
    except DataError as error:
        assert str(error).startswith(name)  # noqa: PT017
    else:
        assert all(len(s.words) == len(s.tags) > 0 for s in bank.sentences)


def test_words_alone(tmp_path: Path) -> None:
    files = {
        "a.conll": "나는\n간다\n\n# 끝\n그래\n",
        "b.conll": CONLL,
        "c.conllu": CONLLU.replace("NOUN", "_"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    plain, tagged, marked = (read_treebank(tmp_path / n, words_only=True).sentences for n in files)
    assert [s.words for s in plain] == [("나는", "간다"), ("그래",)]
    assert all(s.tags == () for s in (*plain, *tagged, *marked))
    assert [s.words for s in tagged] == [
        s.words for s in read_treebank(tmp_path / "b.conll").sentences
    ]
    assert marked[0].words[:2] == ("비", "가")
    with pytest.raises(DataError, match="has no upos"):
        read_treebank(tmp_path / "c.conllu")
