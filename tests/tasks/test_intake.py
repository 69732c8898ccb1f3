"""Files as people have them, through the commands: read right, and said, or refused."""

import json
import unicodedata
import wave
from pathlib import Path

import numpy as np
import pytest

from sunhwan.config import Config
from sunhwan.data.tables import read_table
from sunhwan.errors import ConfigError, DataError
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.columns import Columns, choose_columns
from sunhwan.tasks.common.labels import alike, contradictions, one_label_a_number
from sunhwan.tasks.common.pairs import Found, find_pairs, pairs_in
from sunhwan.tasks.common.questions import (
    Pair,
    Question,
    as_question,
    is_question,
    questions_in,
)
from sunhwan.tasks.tag.reading import as_sequence, read_sequences
from sunhwan.tasks.tag.task import Tag
from tests.conftest import Command

INPUTS, TARGETS = ("text", "2"), ("label", "1")
TINY = ("--steps=2", "--set=model.hidden_size=4", "--set=model.embedding_size=4", "--quiet")


def save(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Excel exports them: CP949, semicolons, junk behind the header, labels missing and untidy."""
    rows = []
    for number in range(60):
        text, label = ("정말 좋아요", "긍정") if number % 2 else ("너무 나빠요, 별로", "부정 ")
        rows.append(f"{number};{text} {number};{'' if number % 10 == 3 else label};;\n")
    text = "번호;리뷰;감정;;\n" + "".join(rows)
    return save(tmp_path_factory.mktemp("intake"), "reviews.csv", text, "cp949")


def test_empty_lines_are_left_out_and_counted_unless_strict(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("text,label\na,x\n\nb,y\n", encoding="utf-8")
    columns = Columns(("text",), "label")
    found = pairs_in(file, columns)
    assert [pair.answer for pair in found.pairs] == ["x", "y"]
    assert found.notes == ["empty lines left out: 1"]
    with pytest.raises(DataError, match="line 3: this line is empty"):
        pairs_in(file, columns, strict=True)


def test_of_sequences_what_is_left_out_is_counted_or_refused(tmp_path: Path) -> None:
    path = save(tmp_path, "x.csv", "text,label\n가 나,A B\n\n다,\n라,B\n")
    config = Config.from_dict({"task": {"name": "tag"}})
    found = read_sequences(path, config)
    assert [pair.answer for pair in found.pairs] == ["A\tB", "B"]
    assert found.notes == [
        "empty lines left out: 1", f"a row has no label and is left out ({path}, line 4)",
    ]  # fmt: skip
    with pytest.raises(DataError, match="line 3: this line is empty"):
        read_sequences(path, config, strict=True)


def test_texts_with_different_labels_are_counted() -> None:
    rows = [
        ("좋다", "긍정"),
        ("나쁘다", "부정"),
        ("좋다", "부정"),
        ("좋다", "긍정"),
        ("보통", "긍정"),
    ]
    pairs = [Pair(Question((text,), f"a, line {n}"), label) for n, (text, label) in enumerate(rows)]
    assert contradictions(pairs) == ["1 text has different labels, such as '좋다' (a, line 2)"]
    assert contradictions(pairs[:2]) == []


def test_an_export_is_learned_measured_and_asked_as_it_is(
    command: Command, reviews: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = command("train", "--task=classify", reviews, "--out", run, *TINY[:-1])
    assert done.code == 0, done.err
    assert (
        "CP949, semicolon-separated, with a header: 번호, 리뷰, 감정; 2 columns without" in done.out
    )
    assert (
        f"6 of 60 rows have no 감정 and are left out (the first is {reviews}, line 5)" in done.out
    )
    assert "리뷰 → 감정: " in done.out
    assert "2 labels: " in done.out
    assert (
        "line 5: the column '감정' is empty, as in 6 of 60 rows"
        in command(
            "train", "--task=classify", reviews, "--out", tmp_path / "no", "--strict", *TINY
        ).sentence
    )
    measured = command("evaluate", run, reviews, "--json")
    assert json.loads(measured.out)["examples"] == 54
    assert "6 of 60 rows have no 감정" in json.loads(measured.out)["notes"][0]
    assert "6 of 60 rows have no 감정" in command("evaluate", run, reviews).out
    assert "as in 6 of 60 rows" in command("evaluate", run, reviews, "--strict").sentence
    asked = command("predict", run, reviews, "--json").out.splitlines()
    assert [json.loads(line)["input"] for line in asked[:2]] == [
        "너무 나빠요, 별로 0",
        "정말 좋아요 1",
    ]
    assert len(asked) == 60


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.csv", "".join(f"pos,so very good {n}\nneg,bad\n" for n in range(6)), (("2",), "1")),
        ("a.csv", "".join(f"so very good {n},pos\nbad {n},neg\n" for n in range(6)), (("1",), "2")),
        ("a.csv", "v1,v2,,,\n" + "".join(f"ham,See you at {n},,,\nspam,You won {n},,,\n" for n in range(9)),
         (("v2",), "v1")),
        ("a.csv", "".join(f'"{4 * (n % 2)}","{n}","Mon Apr 06","NO_QUERY","user{n}","is upset that he '
                          f'cannot update, number {n}"\n' for n in range(20)), (("6",), "1")),
        ("a.csv", "day,said,mood\n" + "".join(f"2024-03-0{n % 3 + 1},so it is {n},{'xy'[n % 2]}\n"
                                             for n in range(12)), (("said",), "mood")),
        ("a.csv", "age,size,kind\n" + "1,2.5,x\n3,4.5,y\n" * 5, (("age", "size"), "kind")),
        ("a.csv", "price,blurb,grade\n" + "".join(f"{n},a house of {n} rooms,{'xy'[n % 2]}\n"
                                                 for n in range(10)), (("blurb",), "grade")),
        ("a.csv", "hue,age,kind\n" + "".join(f"red{n},{n},{'xy'[n % 2]}\n" for n in range(10)),
         (("age",), "kind")),
    ],
)  # fmt: skip
def test_columns_without_usual_names_are_told_by_what_they_hold(
    tmp_path: Path, name: str, text: str, columns: tuple[tuple[str, ...], str]
) -> None:
    table = read_table(save(tmp_path, name, text))
    assert choose_columns(table, Config(), INPUTS, TARGETS, labels=True) == Columns(*columns)


def test_a_table_that_could_have_two_columns_of_labels_is_refused(tmp_path: Path) -> None:
    rows = "".join(f'user{n % 30},{4 * (n % 2)},"is upset about number {n}"\n' for n in range(180))
    for header in ("", "author,toxic,comment\n"):
        table = read_table(save(tmp_path, "a.csv", header + rows))
        with pytest.raises(DataError, match="name one of them"):
            choose_columns(table, Config(), INPUTS, TARGETS, labels=True)
    few = "".join(f'{"ABC"[n % 3]},{n % 2},"is upset about number {n}"\n' for n in range(180))
    table = read_table(save(tmp_path, "b.csv", "mood,toxic,comment\n" + few))
    assert choose_columns(table, Config(), INPUTS, TARGETS, labels=True).target == "mood"


def test_the_named_column_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = save(tmp_path, "a.csv", "text,Text,body,label\n" + "a,b,c,x\nd,e,f,y\n" * 3)
    for name, first in (("text", "a"), ("Text", "b"), ("body", "c"), ("BODY", "c")):
        config = Config.from_dict(
            {"task": {"name": "classify", "input": name}, "data": {"source": str(path)}}
        )
        found = find_pairs(config, INPUTS, TARGETS, labels=True)
        assert (*found.train, *found.held_out)[0].question.cells in (
            (first,),
            (chr(ord(first) + 3),),
        )
    config = Config.from_dict(
        {"task": {"name": "classify", "input": "bodi"}, "data": {"source": str(path)}}
    )
    with pytest.raises(
        DataError, match=r"no column 'bodi' \(did you mean 'body'\?\) for the input"
    ):
        find_pairs(config, INPUTS, TARGETS, labels=True)


def test_files_of_other_columns_are_refused(tmp_path: Path) -> None:
    one = save(tmp_path, "one.csv", "text,label\na,x\nb,y\n")
    two = save(tmp_path, "two.csv", "Text,labels\na,x\nb,y\n")
    config = Config.from_dict(
        {"task": {"name": "classify"}, "data": {"source": [str(one), str(two)]}}
    )
    wrong = r"two.csv has no column 'text' \(did you mean 'Text'\?\), only Text, labels, but .*one.csv, w"
    with pytest.raises(DataError, match=wrong):
        find_pairs(config, INPUTS, TARGETS, labels=True)
    with pytest.raises(DataError, match="the model was trained with it"):
        pairs_in(two, Columns(("text",), "label"))


def test_equal_rows_and_empty_answers_are_told_as_they_are(tmp_path: Path) -> None:
    path = save(tmp_path, "a.csv", "text,label\n" + "zz,x\n" * 40)
    values = {"task": {"name": "classify"}, "data": {"source": str(path)}, "text": {}}
    with pytest.raises(
        DataError, match="all 40 rows ask the same, 'zz', so that nothing is left to"
    ):
        find_pairs(Config.from_dict(values | {"text": {"validation_share": 0.9}}), INPUTS, TARGETS)
    save(tmp_path, "a.csv", "text,label\na,\nb, \n")
    with pytest.raises(DataError, match="the column 'label' is empty in every row"):
        find_pairs(Config.from_dict(values), INPUTS, TARGETS)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"pos": 9, "neg": 9}, ""),
        ({"pos": 9, "Pos": 3}, "'Pos' (3) ~ 'pos' (9)"),
        ({"very good": 9, "very-good": 3}, "'very-good' (3) ~ 'very good' (9)"),
        ({"positive": 900, "negative": 800, "positve": 1}, "'positve' (1) ~ 'positive' (900)"),
        ({"positive": 900, "negative": 800}, ""),
        ({"class 1": 900, "class 2": 1}, ""),
        ({"긍정": 20, "부정": 20, "긍졍": 1}, "'긍졍' (1) ~ '긍정' (20)"),
        ({"sport": 40, "sports": 2, "art": 30}, "'sports' (2) ~ 'sport' (40)"),
        ({"남자": 20, "여자": 1}, ""),
        ({"7": 20, "007": 9}, "'007' (9) ~ '7' (20)"),
    ],
)
def test_nearly_equal_labels_are_named(counts: dict[str, int], said: str) -> None:
    from collections import Counter

    found = alike(Counter(counts))
    assert found == ([f"nearly equal labels, learned as different ones: {said}"] if said else [])


def found_in(path: Path, **data: object) -> Found:
    values = {"task": {"name": "classify"}, "data": {"source": str(path), **data}}
    return find_pairs(Config.from_dict(values), INPUTS, TARGETS, labels=True)


def test_cells_that_mean_no_answer_are_left_out_unless_they_are_a_label(tmp_path: Path) -> None:
    def table(*labels: str) -> Path:
        rows = [f"text {n},{label}\n" for n, label in enumerate(labels)]
        return save(tmp_path, "a.csv", "text,label\n" + "".join(rows))

    found = found_in(table(*["긍정", "부정"] * 20, "N/A", "없음"))
    assert len(found.train) + len(found.held_out) == 40
    assert "a.csv: 2 of 42 rows have no label and are left out (the first is" in str(found.notes)
    assert any(note.startswith("'n/a' (1) means no answer in label") for note in found.notes)
    with pytest.raises(DataError, match="holds 'N/A', which means no answer"):
        found_in(table(*["긍정", "부정"] * 20, "N/A"), strict=True)
    for path in (table(*["insult", "threat", "none", "None"] * 20), table(*["yes", "none"] * 20)):
        found = found_in(path)
        assert len(found.train) + len(found.held_out) == len(path.read_text().splitlines()) - 1
        assert "'none' (" in str(found.notes)
        assert "is a label of label: if it means no answer" in str(found.notes)


def test_that_no_row_is_left_to_validate_on_is_said(tmp_path: Path) -> None:
    path = save(tmp_path, "a.csv", "text,label\n" + "나는 간다,x\n나는 온다,y\n" * 20)
    found = found_in(path)
    assert not found.held_out
    assert found.notes[-1].startswith(
        "no row is left to validate on, for 2 of 40 rows are different, and equal ones stay together"
    )
    words = save(tmp_path, "w.tsv", "words\ttags\n" + "나는 간다\tO B-X\n나는 온다\tO I-X\n" * 20)
    config = {"task": {"name": "tag"}, "data": {"source": str(words)}}
    notes = "; ".join(Tag.prepare(Config.from_dict(config)).notes)
    assert "no row is left to validate on, for 2 of 40 rows are different" in notes
    assert "no one scheme: 20 begin with B-, 20 with I-, so none is enforced" in notes


def test_rows_without_a_text_are_left_out_and_counted(tmp_path: Path) -> None:
    path = save(tmp_path, "a.csv", "text,label\n" + "a,x\nb,y\n" * 20 + " ,x\n,y\n")
    found = found_in(path)
    assert len(found.train) + len(found.held_out) == 40
    assert f"{path}: 2 of 42 rows have no text and are left out (the first is" in str(found.notes)
    with pytest.raises(DataError, match=r"a.csv, line 42: there is no text to read: fill it in"):
        found_in(path, strict=True)
    with pytest.raises(DataError, match="no row has both text and label"):
        found_in(save(tmp_path, "b.csv", "text,label\n,x\n,y\n"))


def test_labels_that_are_equal_numbers_are_one(tmp_path: Path) -> None:
    assert one_label_a_number({"1": 5, "0.0": 2, "0": 1, "1.0": 1, "01": 3, "a": 1}) == (
        {"1": "1", "0.0": "0.0", "0": "0.0", "1.0": "1", "01": "01", "a": "a"},
        ["labels that are equal numbers are one: 0 (1) = 0.0 (2), 1.0 (1) = 1 (5)"],
    )
    rows = [f"text {n},{label}\n" for n, label in enumerate(["0", "1", "1.0"] * 9)]
    path = save(tmp_path, "a.csv", "text,label\n" + "".join(rows))
    config = {"task": {"name": "classify"}, "data": {"source": str(path)}}
    prepared = Classify.prepare(Config.from_dict(config))
    task = prepared.task
    assert isinstance(task, Classify)
    assert task.labels == ["0", "1"]
    other = save(tmp_path, "b.csv", "text,label\nx,1.00\ny,N/A\nz,0.0\n")
    examples, notes = task.read_noted(other)
    assert [int(e.target) for e in examples if e.target is not None] == [1, 0]
    assert notes == [f"a row has no label and is left out ({other}, line 3)"]


def sound(path: Path, pitch: float) -> None:
    samples = (8000 * np.sin(np.arange(4000) * pitch)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(samples.tobytes())


def test_files_that_a_table_names_must_be_there(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    (tmp_path / "in").mkdir()
    for number in range(12):
        sound(tmp_path / "in" / f"{number}.wav", 0.1 + 0.4 * (number % 2))

    def table(way: str) -> Path:
        rows = [f"{way.format(n)}\t{'ab'[n % 2]}" for n in range(12)]
        return save(tmp_path, "t.tsv", "\n".join(["path\tlabel", *rows]) + "\n")

    train = ("train", "--task=classify", table("in\\{}.wav"), "--out", tmp_path / "run", *TINY)
    assert command(*train).code == 0
    asked = command("predict", tmp_path / "run", tmp_path / "in" / "3.wav", "--json")
    assert json.loads(asked.out)["input"] == "3.wav"
    for way in ("{}.wav", "out/{}.wav", "{}.mp3", "{}.m4a", "{}.npy", "in/{}.png"):
        train = ("train", "--task=classify", table(way), "--out", tmp_path / "no", *TINY)
        sentence = command(*train).sentence
        assert "there is no file '" in sentence
        assert "files are missing" in sentence
    assert (
        "did you mean"
        in command(
            "train",
            "--task=classify",
            table("in/{}.WAV"),
            "--out",
            tmp_path / "no",
            *TINY,
        ).sentence
    )


def test_files_can_be_questions_themselves(tmp_path: Path) -> None:
    for name in ("x.npy", "x.png", "x.WAV", "x.npz"):
        assert is_question(tmp_path / name, ["path"])
        with pytest.raises(
            DataError, match="is no text, but the model reads text of a table or a li"
        ):
            list(questions_in(tmp_path / name, ["text"]))
    assert is_question(save(tmp_path, "n.csv", "1,2\n3,4\n"), ["path"])
    assert not is_question(save(tmp_path, "t.csv", "path,n\nx.wav,4\n"), ["path"])
    assert not is_question(tmp_path / "x.txt", ["path"])


def test_what_python_asks_is_in_one_normal_form() -> None:
    """Letters of a syllable that stand apart, as some systems save them, are the syllable."""
    apart, whole = (unicodedata.normalize(form, "사과는 부엌에") for form in ("NFD", "NFC"))
    assert apart != whole
    assert as_question([apart, whole], 2).cells == (whole, whole)
    assert as_question(f"{apart}\t{whole}", 2).cells == (whole, whole)
    assert as_sequence(apart, "words").cells == as_sequence(apart.split(), "words").cells
    assert as_sequence(apart, "words").cells == tuple(whole.split())


def test_a_table_of_another_name_is_known_by_its_columns(tmp_path: Path) -> None:
    path = save(tmp_path, "x.txt", "id\tdocument\tlabel\n1\tso\t0\n")
    (question,) = questions_in(path, ["document"])
    assert question.cells == ("so",)
    assert len(list(questions_in(path, ["text"]))) == 2
    (asked,) = questions_in(save(tmp_path, "y.txt", "__label__a so it is\n"), ["text"])
    assert asked.cells == ("so it is",)
    (priced,) = questions_in(save(tmp_path, "n.csv", "name;x\na;1.204,5\n"), ["x"])
    assert priced.cells == ("1204.5",)


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({"task": {"name": "clasify"}}, "classify"),
        ({"model": {"hiden_size": 4}}, "hidden_size"),
        ({"modle": {}}, "model"),
        ({"model": {"cell": "lstmm"}}, "lstm"),
        ({"text": {"vocabulary": "character"}}, "characters"),
    ],
)
def test_a_misspelled_setting_is_answered_with_the_right_one(
    values: dict[str, dict[str, object]], meant: str
) -> None:
    with pytest.raises(ConfigError, match=rf"\(did you mean '{meant}'\?\)"):
        Config.from_dict(values)


def test_a_misspelled_file_is_answered_with_the_right_one(command: Command, tmp_path: Path) -> None:
    save(tmp_path, "reviews.csv", "text,label\na,x\n")
    wrong = tmp_path / "reveiws.csv"
    for task in ((), ("--task=classify",)):
        sentence = command("train", *task, wrong).sentence
        assert "(did you mean 'reviews.csv'?)" in sentence


SENTENCES = [
    "how are you today",
    "what is the capital",
    "where do they live now",
    "who wrote this book",
]


def chosen(folder: Path, header: str, *rows: str) -> Columns:
    table = read_table(save(folder, "x.csv", "\n".join([header, *rows]) + "\n"))
    config = Config.from_dict({"task": {"name": "classify"}})
    return choose_columns(table, config, INPUTS, TARGETS, labels=True)


def test_two_columns_of_texts_of_one_name_are_a_pair_and_others_are_asked_for(
    tmp_path: Path,
) -> None:
    rows = [
        f"{n},{2 * n},{SENTENCES[n % 4]} {n},{SENTENCES[-n % 4]} {-n},{n % 2}" for n in range(40)
    ]
    found = chosen(tmp_path, "id,qid1,question1,question2,is_duplicate", *rows)
    assert found == Columns(("question1", "question2"), "is_duplicate")
    with pytest.raises(DataError, match="has no column named text for the input"):
        chosen(tmp_path, "id,qid1,title,abstract,is_duplicate", *rows)


def test_stars_are_the_answers_where_codes_come_again_as_often(tmp_path: Path) -> None:
    rows = [f"{n},B{n % 5},{n % 3},{n % 2 * 4 + 1},{SENTENCES[n % 4]} {n}" for n in range(40)]
    found = chosen(tmp_path, "Id,ProductId,Helpful,Score,Summary", *rows)
    assert found == Columns(("Summary",), "Score")
    rows = [f"{n},{n % 3},{n % 4}" for n in range(40)]
    with pytest.raises(DataError, match="has no column named label"):
        chosen(tmp_path, "age,score,admitted", *rows)  # numbers alone: which one is not certain
