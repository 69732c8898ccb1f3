"""Raw text: a tokenizer learned beside a tagger, what is right of it, and CoNLL-U out of it."""

import json
from pathlib import Path

import pytest

import sunhwan
from sunhwan.data.conllu_sentences import Token
from sunhwan.store import load_model, read_tensors
from sunhwan.tasks import Tag
from sunhwan.tasks.tag.raw_scores import aligned, sentences_f1, words_of
from sunhwan.tasks.tag.tokenizer import Segment, Splits, Written, label_characters
from tests.conftest import Command
from tests.tasks.cases import spoken
from tests.tasks.test_laws import Stop


def settings(train: Path, dev: Path) -> sunhwan.Config:
    return sunhwan.Config().override(
        {
            "task.name": "tag", "data.source": str(train), "text.validation": str(dev),
            "data.batch_size": 8, "model.hidden_size": 10, "model.embedding_size": 8,
            "model.letter_size": 8, "training.steps": 80, "training.learning_rate": 0.03,
            "training.threads": 1, "training.validations": 2,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    files = spoken(folder), spoken(folder, 20, 2, name="dev.conllu")
    return sunhwan.train(settings(*files), folder / "run").run


def test_raw_text_becomes_conllu(tagger: Path, command: Command, tmp_path: Path) -> None:
    raw = tmp_path / "raw.txt"
    raw.write_text("Bo don't. Ann will!\n\nwe didn't!\n", encoding="utf-8")
    predicted = command("predict", tagger, raw, "--as", "conllu").out
    assert predicted == (
        "# text = Bo don't.\n"
        "1\tBo\t_\tPRON\t_\t_\t_\t_\t_\t_\n"
        "2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
        "2\tdo\t_\tVERB\t_\t_\t_\t_\t_\t_\n"
        "3\tn't\t_\tPART\t_\t_\t_\t_\t_\t_\n"
        "4\t.\t_\tPUNCT\t_\t_\t_\t_\t_\t_\n\n"
        "# text = Ann will!\n"
        "1\tAnn\t_\tPRON\t_\t_\t_\t_\t_\t_\n"
        "2\twill\t_\tVERB\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
        "3\t!\t_\tPUNCT\t_\t_\t_\t_\t_\t_\n\n"
        "# text = we didn't!\n"
        "1\twe\t_\tPRON\t_\t_\t_\t_\t_\t_\n"
        "2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
        "2\tdid\t_\tVERB\t_\t_\t_\t_\t_\t_\n"
        "3\tn't\t_\tPART\t_\t_\t_\t_\t_\t_\n"
        "4\t!\t_\tPUNCT\t_\t_\t_\t_\t_\t_\n\n"
    )
    assert command("predict", tagger, raw).out.startswith("Bo/PRON do/VERB n't/PART ./PUNCT\nAnn/")
    # What is written is read again as it is, its ranges and spaces too.
    again = tmp_path / "predicted.conllu"
    again.write_text(predicted, encoding="utf-8")
    assert command("predict", tagger, again, "--as", "conllu").out == predicted
    first = json.loads(command("predict", tagger, raw, "--json").out.splitlines()[0])
    assert first["text"] == "Bo don't."
    # A text of one's own is one sentence; words that are cut already stay as they are.
    one, two = sunhwan.load(tagger).predict(["Ann will! we do.", ["Ann", "don't"]])
    assert [word for word, _ in one.rows] == ["Ann", "will", "!", "we", "do", "."]
    assert [word for word, _ in two.rows] == ["Ann", "don't"]


def test_figures_of_raw_text(tagger: Path, command: Command) -> None:
    done = command("evaluate", tagger, tagger.parent / "dev.conllu", "--json")
    figures = json.loads(done.out)
    for name in ("words_f1", "sentences_f1", "upos_f1", "accuracy"):
        assert figures[name] > 0.95, name
    assert "words F1, raw text" in command("evaluate", tagger, tagger.parent / "dev.conllu").out


def test_only_what_is_written_is_learned(tmp_path: Path) -> None:
    dev = spoken(tmp_path, 9, 2, name="dev.conllu")
    bare = spoken(tmp_path, 20, text=False)
    task = Tag.prepare(settings(bare, dev)).task
    assert isinstance(task, Tag)
    assert task.tokenizer is None
    with pytest.raises(sunhwan.SunhwanError, match="a text that is made up of"):
        Tag.prepare(settings(bare, dev).override({"task.tokenizer": "learned"}))
    without = settings(dev, dev).override({"task.tokenizer": "none"})
    assert Tag.prepare(without).task.model.tokenizer is None


def test_a_damaged_or_later_tokenizer_is_refused(tagger: Path) -> None:
    task = load_model(tagger).task
    kept = task.preprocessing()
    for change in ({"format": 2}, {"splits": {}}, {"hidden_size": None}, {"vocabulary": 3},
                   {"splits": {"tokens": {"a": []}, "endings": {}}},
                   {"splits": {"tokens": {}, "endings": {"a": "[]"}}}):  # fmt: skip
        with pytest.raises(sunhwan.SunhwanError, match=r"tokenizer|vocabulary"):
            Tag.restored(task.config, kept | {"tokenizer": kept["tokenizer"] | change})


def test_a_resumed_run_learns_the_same_tokenizer(tmp_path: Path) -> None:
    files = spoken(tmp_path), spoken(tmp_path, 9, 2, name="dev.conllu")
    short = settings(*files).override({"training.steps": 6, "training.checkpoint_every": 2})
    runs = [sunhwan.train(short, tmp_path / "straight").run]
    sunhwan.train(short, tmp_path / "stopped", reporter=Stop(3))
    runs.append(sunhwan.resume(tmp_path / "stopped").run)
    ours, theirs = (read_tensors(run / "model" / "model.safetensors")[0] for run in runs)
    assert any(name.startswith("tokenizer.") for name in ours)
    assert all(ours[name].equal(theirs[name]) for name in ours)


def segment(*tokens: tuple[str, ...]) -> Segment:
    """A sentence of tokens, each its form and its words where it has several."""
    made = tuple(Token(form, max(len(words), 1)) for form, *words in tokens)
    cut = tuple(word for form, *words in tokens for word in (words or [form]))
    return Segment(cut, Written("", made))


def test_words_are_aligned_by_their_characters() -> None:
    right = [segment(("a",), ("dont", "do", "nt"), ("b",)), segment(("c",))]
    same = aligned(words_of(right), words_of(right))
    assert same == [(k, k) for k in range(5)]
    assert sentences_f1(right, right) == 1
    # One word too many, one of two within the token, and one boundary of a sentence missed.
    predicted = [segment(("a",), ("dont", "don", "nt"), ("b",), ("c",))]
    assert aligned(words_of(right), words_of(predicted)) == [(0, 0), (2, 2), (3, 3), (4, 4)]
    assert sentences_f1(right, predicted) == 0
    cut = [segment(("a",), ("do",), ("nt",), ("b",), ("c",))]
    assert aligned(words_of(right), words_of(cut)) == [(k, k) for k in range(5)]
    joined = [segment(("adont",), ("bc",))]
    assert aligned(words_of(right), words_of(joined)) == []
    assert aligned([], words_of(right)) == []


def test_labels_of_characters() -> None:
    tokens = (Token("Bo"), Token("don't", 2, False), Token("."))
    assert label_characters(Written("Bo don't.", tokens)) == [1, 2, 0, 1, 1, 1, 1, 3, 4]
    assert label_characters(Written("Bo  don't . ", tokens)) is not None
    for text in ("", "Bo", "Bo don't. x", "Bo do n't."):
        assert label_characters(Written(text, tokens)) is None


def test_tokens_are_split_as_most_often_or_by_their_ending() -> None:
    splits = Splits.fit(
        [("don't", ("do", "n't")), ("Isn't", ("Is", "n't")), ("cannot", ("can", "not")),
         ("del", ("de", "el")),
         ("gonna", ("gon", "na")), ("gonna", ("go", "na")), ("gonna", ("gon", "na"))]
    )  # fmt: skip
    assert splits.words("gonna") == ["gon", "na"]
    assert splits.words("Wouldn't") == ["Would", "n't"]
    assert splits.words("Del") == ["De", "el"]
    assert splits.words("xyz") == ["xyz"]
