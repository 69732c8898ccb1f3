"""Many to many, aligned: what is read, what is said, how good it is, what is refused."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score

import sunhwan
from sunhwan.config import Config
from sunhwan.errors import DataError
from sunhwan.metrics import entity_agreement, in_all
from sunhwan.store import load_model
from sunhwan.tasks import Tag
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.tag.reading import is_treebank, read_sequences
from sunhwan.tasks.tag.scores import TaggedSequences, TagScores, review_labels, review_words
from sunhwan.text import build_vocabulary
from tests.conftest import Command
from tests.tasks.cases import named_places
from tests.tiers import and_deep

SMALL = (
    "--threads=1", "--set=model.hidden_size=12", "--set=model.embedding_size=8",
    "--set=model.letter_size=8", "--set=data.batch_size=8", "--set=training.validations=2", "--quiet",
)  # fmt: skip

ENDINGS = {"가": "NOUN", "를": "NOUN", "다": "VERB", "게": "ADV"}
STEMS = "나다라마바사아자차카타파하"


def treebank(folder: Path, name: str = "train.conllu", seed: int = 1, count: int = 60) -> Path:
    """CoNLL-U of made-up words whose last syllable tells their part of speech."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        for number in range(1, rng.randint(3, 7)):
            ending = rng.choice(list(ENDINGS))
            word = rng.choice(STEMS) + rng.choice(STEMS) + ending
            cells = (number, word, "_", ENDINGS[ending], f"X{ending}", "_", 0, "dep", "_", "_")
            lines.append("\t".join(map(str, cells)))
        lines.append("")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def learn(command: Command, file: Path, out: Path, *options: object, steps: int = 80) -> Path:
    done = command(
        "train", "--task", "tag", file, "--out", out, "--steps", steps, *SMALL,
        "--set=training.learning_rate=0.02", *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    return out


def test_it_learns_what_words_end_in(command: Command, tmp_path: Path) -> None:
    held_out = treebank(tmp_path, "dev.conllu", seed=2, count=20)
    run = learn(command, treebank(tmp_path), tmp_path / "run", "--validation", held_out)
    figures = json.loads(command("evaluate", run, held_out, "--json").out)
    assert figures["accuracy"] > 0.95
    assert figures["unknown_accuracy"] > 0.9
    assert 0 < figures["sentence_accuracy"] <= 1
    assert figures["labels"] == ["ADV", "NOUN", "VERB"]
    assert sum(map(sum, figures["confusion"])) == figures["tokens"]
    assert "entity_f1" not in figures
    shown = command("evaluate", run, held_out, "--picture", tmp_path / "table.png").out
    assert "by label" in shown
    assert "unknown" in shown
    assert (tmp_path / "table.png").is_file()
    samples = (run / "samples.txt").read_text(encoding="utf-8")
    assert "/NOUN" in samples

    lines = tmp_path / "lines.txt"
    lines.write_text("새로가 힘차게  날다\n\n책를\n", encoding="utf-8")
    said = "새로가/NOUN 힘차게/ADV 날다/VERB\n\n책를/NOUN\n"
    assert command("predict", run, lines).out == said
    rows = "새로가\tNOUN\n힘차게\tADV\n날다\tVERB\n\n\n책를\tNOUN\n\n"
    assert command("predict", run, lines, "--as", "tsv").out == rows
    answers = [
        json.loads(line) for line in command("predict", run, lines, "--json").out.splitlines()
    ]
    assert answers == [
        {"words": ["새로가", "힘차게", "날다"], "tags": ["NOUN", "ADV", "VERB"]},
        None,
        {"words": ["책를"], "tags": ["NOUN"]},
    ]
    predictor = sunhwan.load(run)
    asked = predictor.predict(["책를 날다", ["책를", "날다"]])
    assert [answer.text for answer in asked] == ["책를/NOUN 날다/VERB"] * 2

    # What was said in CoNLL can be read again, and tagged without its tags.
    tagged = tmp_path / "said.tsv"
    command("predict", run, held_out, "--as", "tsv", "--out", tagged)
    assert json.loads(command("evaluate", run, tagged, "--json").out)["accuracy"] == 1
    bare = tmp_path / "bare.conll"
    bare.write_text("책를\n날다\n\n힘차게\n", encoding="utf-8")
    assert command("predict", run, bare).out == "책를/NOUN 날다/VERB\n힘차게/ADV\n"
    assert command("predict", run, tagged).out == command("predict", run, held_out).out


@pytest.mark.parametrize("output_layer", and_deep(["crf"], ["softmax"]))
def test_entities(output_layer: str, command: Command, tmp_path: Path) -> None:
    file = named_places(tmp_path)
    option = f"--set=model.output_layer={output_layer}"
    run = learn(command, file, tmp_path / "run", option, "--set=text.validation_share=0.3")
    figures = json.loads(command("evaluate", run, file, "--json").out)
    assert figures["entity_f1"] > 0.9
    assert figures["entities"].keys() == {"PER", "LOC"}
    best = load_model(run).facts["validation"]
    assert best["entity_f1"] == max(
        json.loads(line)["entity_f1"]
        for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
        if '"validation"' in line and "entity_f1" in line
    )
    assert "by kind of entity" in command("evaluate", run, file).out


def test_the_column_of_the_tags(command: Command, tmp_path: Path) -> None:
    run = learn(command, treebank(tmp_path), tmp_path / "run", "--target", "xpos", steps=4)
    assert load_model(run).task.preprocessing()["labels"] == ["X가", "X게", "X다", "X를"]
    conll = tmp_path / "three.txt"
    conll.write_text("나는 N1 B-PER\n간다 V1 O\n\n너는 N1 B-PER\n온다 V1 O\n" * 9, encoding="utf-8")
    for column, labels in (("", ["B-PER", "O"]), ("2", ["N1", "V1"])):
        options = ("--target", column) if column else ()
        run = learn(command, conll, tmp_path / f"by{column}", *options, steps=2)
        assert load_model(run).task.preprocessing()["labels"] == labels
    told = command("predict", run, conll).out.split()
    assert [token.rpartition("/")[0] for token in told[:2]] == ["나는", "간다"]
    assert len(told) == 36  # the words alone
    lines = tmp_path / "lines.txt"
    lines.write_text(
        "나는 간다 너는\n\n너는 온다 나는\n\n나는 온다 또\n\n너는 간다 더\n", encoding="utf-8"
    )
    assert command("predict", run, lines).out.split()[2].startswith("너는/")


def test_columns_from_a_pipe_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.BufferedReader(
        io.BytesIO(b"EU I-ORG\nrejects O\n\nGerman I-MISC\ncall O\nto O\nboycott O\n")
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(piped))
    with pytest.raises(DataError, match="a word and its tags stand in columns"):
        is_treebank(Path("-"))


def tagged_words(path: Path, tags: dict[str, str], numbered: bool = False) -> Path:
    """Sentences of these words in any order, each with its tag."""
    rng = random.Random(1)
    blocks = []
    for _ in range(60):
        words = rng.sample(list(tags), len(tags))
        lines = [f"{word} {tags[word]}" for word in words]
        blocks.append(
            "\n".join(f"{n} {line}" for n, line in enumerate(lines, 1))
            if numbered
            else "\n".join(lines)
        )
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "tags",
    [
        {"John": "I-PER", "Mary": "B-PER", "sees": "O", "Paris": "I-LOC", "Rome": "B-LOC"},
        {"John": "S-PER", "sees": "O", "Paris": "S-LOC"},
    ],
    ids=["IOB1", "BIOES"],
)
def test_a_scheme_is_read_from_the_sentences(
    command: Command, tmp_path: Path, tags: dict[str, str]
) -> None:
    """What the training data holds is never forbidden to a CRF, and entities are counted."""
    file = tagged_words(tmp_path / "a.conll", tags)
    run = learn(command, file, tmp_path / "run", "--set=model.output_layer=crf")
    figures = json.loads(command("evaluate", run, file, "--json").out)
    assert figures["accuracy"] > 0.99
    assert figures["entity_f1"] > 0.95
    again = load_model(run).task
    assert isinstance(again, Tag)
    assert again.preprocessing().get("scheme") == ("BIOES" if "S-PER" in tags.values() else "")


def test_numbers_of_rows_are_no_words(command: Command, tmp_path: Path) -> None:
    tags = {"나는": "N", "너는": "N", "간다": "V", "온다": "V"}
    file = tagged_words(tmp_path / "a.conll", tags, numbered=True)
    run = learn(command, file, tmp_path / "run")
    kind = sunhwan.load(run).input_kind
    assert isinstance(kind, WordsKind)
    assert kind.knows("나는")
    assert not kind.knows("1")
    assert json.loads(command("evaluate", run, file, "--json").out)["accuracy"] > 0.99
    bare = tmp_path / "bare.conll"
    bare.write_text("1 간다\n2 나는\n\n1 너는\n", encoding="utf-8")
    assert command("predict", run, bare).out == "간다/V 나는/N\n너는/N\n"
    told = command("predict", run, bare, "--as", "conllu").out
    assert told.startswith("# text = 간다 나는\n1\t간다\t_\tV\t_\t_\t_\t_\t_\t_\n2\t나는\t_\tN\t")
    written = tmp_path / "said.conllu"
    written.write_text(told, encoding="utf-8")
    assert json.loads(command("evaluate", run, written, "--json").out)["accuracy"] == 1
    # The same column by its number; another one, and several, are obeyed or refused.
    chosen = learn(command, file, tmp_path / "chosen", "--input", 2, steps=2)
    assert sunhwan.load(chosen).input_kind.to_dict() == kind.to_dict()
    for options in (
        ("--input", "2", "--input", "3"), ("--input", "word"), ("--input", "7"),
        ("--target", "2", "--target", "3"),
    ):  # fmt: skip
        done = command("train", "--task", "tag", file, "--out", tmp_path / "no", *options)
        assert done.code in (1, 2)
        assert "column" in done.sentence


def test_a_table_of_words_and_tags(command: Command, tmp_path: Path) -> None:
    table = tmp_path / "table.jsonl"
    rows = [{"text": f"{a}가 {b}다", "tags": "N V"} for a in STEMS for b in STEMS]
    table.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    run = learn(command, table, tmp_path / "run", steps=30)
    assert command("predict", run, table).out.startswith("나가/N 나다/V\n나가/N 다다/V\n")
    told = command("predict", run, table, "--as", "csv").out.splitlines()
    assert told[:2] == ["text,tags,predicted_tags", "나가 나다,N V,N V"]
    assert json.loads(command("evaluate", run, table, "--json").out)["accuracy"] == 1
    made = load_model(run).task
    assert (made.config.task.input, made.config.task.target) == (("text",), "tags")


@pytest.mark.parametrize("write", [json.dumps, str], ids=["as JSON", "as Python"])
def test_lists_of_words_and_tags(
    write: Callable[[list[str]], str], command: Command, tmp_path: Path
) -> None:
    """As data sets save them: a word may hold a space, and no bracket or comma is one."""
    words = [[f"{a}가", f"{b} {a}다"] for a in STEMS for b in STEMS]
    lines = tmp_path / "lists.jsonl"
    rows = [{"id": n, "tokens": some, "ner_tags": [0, 3]} for n, some in enumerate(words)]
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    read = read_sequences(lines, Config.from_dict({"task": {"name": "tag"}}))
    assert "what is read is tokens, the tags are ner_tags" in read.said
    assert "B-PER and the like are needed" in read.notes[0]
    run = learn(command, lines, tmp_path / "run", steps=30)
    assert json.loads(command("evaluate", run, lines, "--json").out)["accuracy"] == 1
    assert command("predict", run, lines).out.startswith("나가/0 나 나다/3\n")
    table = tmp_path / "lists.tsv"
    cells = (f"{write(some)}\t{write(['0', '3'])}" for some in words)
    table.write_text("\n".join(["tokens\tner_tags", *cells]) + "\n", encoding="utf-8")
    figures = json.loads(command("evaluate", run, table, "--json").out)
    assert (figures["accuracy"], figures["tokens"]) == (1, 2 * len(words))


def test_frames_have_a_label_each(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["path\tlabels"]
    for number in range(30):
        loud = rng.integers(0, 2, size=rng.integers(3, 9))
        np.save(tmp_path / f"{number}.npy", loud[:, None] + 0.1 * rng.normal(size=(len(loud), 2)))
        labels = " ".join(["조용", "큰소리"][one] for one in loud)
        if number % 2:
            (tmp_path / f"{number}.lab").write_text(labels.replace(" ", "\n"), encoding="utf-8")
            labels = f"{number}.lab"
        lines.append(f"{number}.npy\t{labels}")
    file = tmp_path / "recordings.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = learn(command, file, tmp_path / "run")
    figures = json.loads(command("evaluate", run, file, "--json").out)
    assert figures["accuracy"] > 0.95
    assert "known_accuracy" not in figures
    questions = tmp_path / "questions.txt"
    questions.write_text("0.npy\n1.npy\n", encoding="utf-8")
    (first, second) = map(json.loads, command("predict", run, questions, "--json").out.splitlines())
    assert first["path"] == "0.npy"
    assert len(second["tags"]) == len(np.load(tmp_path / "1.npy"))
    rows = command("predict", run, questions, "--as", "tsv").out.splitlines()
    assert rows[0].split("\t") == ["1", first["tags"][0]]
    file.write_text("path\tlabels\n0.npy\t조용\n", encoding="utf-8")
    assert "0.npy has" in command("evaluate", run, file).sentence


WRONG = {
    "no tag": ("a.conll", "나는 N\n\n간다\n", "line 3"),
    "one label": ("a.conll", "나는 N\n\n간다 N\n", "at least two"),
    "too few labels": ("a.csv", "text,tags\n나는 간다,N V\n너는 온다,N\n", "line 3"),
    "a list in a list": ("a.jsonl", '{"tokens": [["a"]], "tags": ["N"]}\n', "is no list of words"),
    "an empty word": (
        "a.jsonl",
        '{"tokens": ["a", ""], "tags": ["N", "V"]}\n',
        "is no list of words",
    ),
    "a word a row": (
        "a.csv",
        "Sentence #,Word,POS,Tag\nSentence: 1,나는,N,O\n,간다,V,O\n",
        "save it as CoNLL",
    ),
    "no column": ("a.csv", "text,other\n나는 간다,N V\n", "tags"),
    "empty": ("a.conll", "\n", "no tagged sentence"),
    "damaged": ("a.conllu", "1\t나는\t_\n", "10"),
}


@pytest.mark.parametrize(("name", "text", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_one_sentence(
    name: str, text: str, said: str, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    done = command("train", "--task", "tag", file, "--out", tmp_path / "run", "--quiet")
    assert said in done.sentence
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_go_together(command: Command, tmp_path: Path) -> None:
    train = ("train", "--task", "tag", treebank(tmp_path), "--out", tmp_path / "run", "--quiet")
    smoothed = ("--set=model.output_layer=crf", "--set=training.label_smoothing=0.1")
    assert "softmax" in command(*train, *smoothed).sentence
    assert "text" in command(*train, "--set=task.kind=text").sentence
    assert "no column of tags" in command(*train, "--target", "nothing").sentence


def test_labels_that_training_never_saw_are_wrong_but_cost_no_nats() -> None:
    labelled = TaggedSequences(("A", "B"), [["A", "C"], ["B"]], [["A", "B"], ["B"]])
    scores = TagScores.of(labelled, 0.5)
    assert (scores.accuracy, scores.sentence_accuracy, scores.unseen) == (2 / 3, 0.5, 1)
    (listing,), values = review_labels(labelled)
    assert values["labels"] == ["A", "B", "C"]
    assert values["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert listing.rows[1] == ("B", "0.5000", "1.0000", "0.6667", "1")
    _, values = review_words(labelled, [["가", "나"], ["다"]], {"가", "나"}.__contains__)
    assert values == {"known_accuracy": 0.5, "unknown_accuracy": 1.0}


def test_rank_is_by_entities_where_there_are_any_and_else_by_tokens() -> None:
    are = [["B-X", "I-X", "O", "O", "O"]]
    tokens = TagScores.of(
        TaggedSequences(("B-X", "I-X", "O"), are, [["B-X", "O", "O", "O", "O"]]), 1.0
    )
    entity = TagScores.of(
        TaggedSequences(("B-X", "I-X", "O"), are, [["B-X", "I-X", "I-X", "O", "O"]]), 1.0
    )
    both = TagScores.of(TaggedSequences(("B-X", "I-X", "O"), are, are), 1.0)
    assert tokens.accuracy == entity.accuracy
    assert tokens.entity_f1 == entity.entity_f1 == 0
    assert both.entity_f1 == 1
    assert both.rank < tokens.rank
    # Equal figures are parted by the loss.
    assert both._replace(loss=0.5).rank < both.rank
    plain = TagScores.of(TaggedSequences(("NOUN", "X-1"), [["NOUN"]], [["X-1"]]), 1.0)
    assert (plain.entity_f1, plain.accuracy) == (None, 0)


NAMES = ("O", "B-사람", "I-사람", "B-A-B", "I-A-B")


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=8), max_size=4
    )
)
def test_entity_f1_is_that_of_seqeval(rows: list[list[tuple[str, str]]]) -> None:
    are = [[a for a, _ in row] for row in rows]
    said = [[s for _, s in row] for row in rows]
    ours = in_all(entity_agreement(are, said).values()).f1
    theirs = f1_score(are, said, zero_division=0) if any(map(len, are)) else 0
    assert abs(ours - theirs) < 1e-12


def source(vocabulary: str = "jamo") -> WordsKind:
    config = Config.from_dict({"text": {"vocabulary": vocabulary}})
    return WordsKind.fit([["나는", "10 000", "나는", "10 000", "나는"], ["가"]], config)


def test_words_are_ids_and_letters() -> None:
    found = source()
    rows = found.encode_words(["나는", "모르는", "가"])
    assert rows.shape[0] == 3
    letters = [[i for i in row if i >= 0] for row in rows[:, 1:].tolist()]
    assert [found.letters.decode(row) for row in letters] == [
        "나는",
        "\ufffd\ufffd\ufffd\u1173는",
        "가",
    ]
    assert rows[:, 0].tolist() == [1, 0, 0]
    assert found.encode("나는 가", Path(), "here").equal(found.encode_words(["나는", "가"]))
    assert found.encode_words([]).shape[0] == 0
    assert [found.knows(word) for word in ("나는", "10 000", "10", "")] == [
        True,
        True,
        False,
        False,
    ]
    # A word decomposed by another program is the same word.
    assert found.knows("나는")
    assert build_vocabulary("jamo", ["나는"]).kind == found.letters.kind


def test_long_words_are_read_at_both_ends() -> None:
    found = source("characters")
    rows = found.encode_words(["나" * 40 + "는" + "가" * 40])
    assert found.letters.decode(rows[0, 1:].numpy()) == "나" * 32 + "가" * 32
    assert found.encode_words(["가" * 64]).shape == (1, 65)


def test_classify_can_read_words(command: Command, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    lines = [f"{a}다 {b}가,{'예' if a < b else '아니오'}\n" for a in STEMS for b in STEMS]
    table.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    done = command(
        "train", "--task", "classify", table, "--out", tmp_path / "run", "--steps", 3,
        "--set=task.kind=words", *SMALL,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert command("predict", tmp_path / "run", table).code == 0


def test_equal_sentences_never_cross_the_split(tmp_path: Path) -> None:
    file = treebank(tmp_path, count=40)
    twice = tmp_path / "twice.conllu"
    twice.write_text(file.read_text(encoding="utf-8") * 2, encoding="utf-8")
    config = Config().override(
        {"task.name": "tag", "data.source": str(twice), "text.validation_share": 0.3}
    )
    prepared = Tag.prepare(config)
    read, held_out = ({e.raw[:-1] for e in part} for part in (prepared.train, prepared.validation))
    assert held_out
    assert not read & held_out
    assert len(prepared.train) + len(prepared.validation) == 80
