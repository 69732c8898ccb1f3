"""Starting from a language model, or from word vectors."""

from pathlib import Path

import pytest
import torch

from sunhwan.config import Config
from sunhwan.errors import ConfigError
from sunhwan.store import load_model
from sunhwan.tasks import Classify, LanguageModelTask
from sunhwan.training import resume, train
from sunhwan.training.transfer import adopt, take_over
from tests.conftest import Command, losses
from tests.tasks.cases import CASES, reviews


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model that knows the letters of "the apple", and its run folder."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "text.txt").write_text("the apple and the pear 사과\n" * 30, encoding="utf-8")
    settings = {
        "text.corpus": str(folder / "text.txt"), "text.vocabulary": "characters",
        "model.hidden_size": 6, "model.embedding_size": 5, "model.cell": "gru",
        "training.steps": 30, "training.sample_length": 0,
    }  # fmt: skip
    return train(Config().override(settings, "the test"), folder / "run").run


def begin(source: Path, corpus: Path, out: Path, **changes: object) -> Config:
    settings = {
        "text.corpus": str(corpus), "training.start_from": str(source), "training.steps": 1,
        "training.learning_rate": 1e-12, "training.sample_length": 0, **changes,
    }  # fmt: skip
    return Config().override(settings, "the test")


def test_a_language_model_goes_on_with_another_alphabet(language: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "new.txt"
    corpus.write_text("the zebra and the 사자\n" * 30, encoding="utf-8")
    run = train(begin(language, corpus, tmp_path), tmp_path / "run").run
    old, new = load_model(language).task, load_model(run).task
    assert isinstance(old, LanguageModelTask)
    assert isinstance(new, LanguageModelTask)
    assert new.config.model.cells == ("gru",)
    ours, theirs = new.vocabulary.tokens, old.vocabulary.tokens
    assert new.model.embedding is not None
    assert old.model.embedding is not None
    for token in set(ours) & set(theirs):
        i, j = ours.index(token), theirs.index(token)
        for a, b in (
            (new.model.embedding.weight, old.model.embedding.weight),
            (new.model.output.weight, old.model.output.weight),
            (new.model.output.bias, old.model.output.bias),
        ):
            assert torch.allclose(a[i], b[j], atol=1e-6), token
    for (name, a), (_, b) in zip(
        new.model.recurrent.named_parameters(), old.model.recurrent.named_parameters(), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-6), name
    fresh = new.model.embedding.weight[ours.index("z")]
    assert not any(torch.allclose(fresh, row) for row in old.model.embedding.weight)


def test_a_classifier_reads_as_the_language_model_does(language: Path, tmp_path: Path) -> None:
    settings = begin(language, reviews(tmp_path), tmp_path, **{"task.name": "classify"})
    run = train(settings, tmp_path / "run").run
    task, source = load_model(run).task, load_model(language).task
    assert isinstance(task, Classify)
    assert isinstance(source, LanguageModelTask)
    forward = task.model.encoder.recurrent.stack[0]
    for name, tensor in source.model.recurrent.stack[0].named_parameters():
        assert torch.allclose(forward.get_parameter(name), tensor, atol=1e-6)
    taken = take_over(source, task)
    (reading,) = task.pretrained_parts()
    shared = set(reading.vocabulary.tokens) & set(source.vocabulary.tokens)
    assert taken.tokens == len(shared)
    assert taken.of_tokens == len(reading.vocabulary)
    assert f"{len(shared)} of {len(reading.vocabulary)} tokens" in taken.summary()


def test_a_classifier_begun_so_resumes_without_the_source(language: Path, tmp_path: Path) -> None:
    changes = {"task.name": "classify", "training.steps": 8, "training.learning_rate": 0.01}
    settings = begin(language, reviews(tmp_path), tmp_path, **changes)
    straight = train(settings, tmp_path / "straight").run
    first = train(settings.override({"training.steps": 8}), tmp_path / "run").run
    for checkpoint in sorted((first / "checkpoints").glob("step-*"))[1:]:
        checkpoint.unlink()
    (first / "config.toml").write_text(
        (first / "config.toml").read_text().replace(str(language), str(tmp_path / "gone"))
    )
    resume(first)
    assert losses(first) == losses(straight)


def test_what_does_not_fit_is_one_sentence(
    language: Path, tmp_path: Path, command: Command
) -> None:
    source = load_model(language).task
    assert isinstance(source, LanguageModelTask)
    with pytest.raises(ConfigError, match=r"model.hidden_size is 99, .* has 6"):
        adopt(Config().override({"model.hidden_size": 99}), source)
    done = command("train", "hello", "--from", tmp_path / "nowhere", "--out", tmp_path / "x")
    assert "nowhere" in done.sentence
    one_hot = tmp_path / "one-hot"
    command(
        "train", "hello", "--out", one_hot, "--steps", 2, "--set=model.input=one-hot", "--quiet"
    )
    done = command("train", "hello", "--from", one_hot, "--out", tmp_path / "x")
    assert "without an embedding to start from" in done.sentence
    vectors = tmp_path / "v.vec"
    vectors.write_text("1 2\nthe 0.5 1.5\n", encoding="utf-8")
    done = command("train", "hello", "--vectors", vectors, "--out", tmp_path / "x")
    assert "set text.vocabulary to 'words'" in done.sentence
    assert not (tmp_path / "x").exists()


def trained(task: str, folder: Path, **changes: object) -> Path:
    """A run of a task, of a moment."""
    case = CASES[task]
    settings = {
        "task.name": task, "data.source": str(case.write(folder)), "training.steps": 2,
        "training.sample_length": 0, "training.threads": 1, **case.settings, **changes,
    }  # fmt: skip
    return train(Config().override(settings, "the test"), folder / f"run {task}").run


@pytest.mark.parametrize(
    ("source", "target"),
    [("classify", "language_model"), ("tag", "tag"), ("translate", "classify")],
)
def test_a_model_begins_with_what_another_task_has_read(
    source: str, target: str, tmp_path: Path
) -> None:
    old = load_model(run := trained(source, tmp_path, **{"model.cell": "lstm"})).task
    if target == "language_model":
        settings = begin(run, reviews(tmp_path), tmp_path)
    else:
        corpus = CASES[target].write(tmp_path)
        settings = begin(run, corpus, tmp_path, **{"task.name": target})
    new = load_model(train(settings, tmp_path / "new").run).task
    ours, theirs = new.pretrained_parts()[0], old.pretrained_parts()[0]
    for a, b in ((ours, theirs), *zip(ours.within, theirs.within, strict=True)):
        for name, tensor in b.recurrent.stack[0].named_parameters():
            assert torch.allclose(a.recurrent.stack[0].get_parameter(name), tensor, atol=1e-6)
        shared = set(a.vocabulary.tokens) & set(b.vocabulary.tokens)
        assert len(shared) > 2
        for token in shared:
            i, j = a.vocabulary.tokens.index(token), b.vocabulary.tokens.index(token)
            for one, other in zip(a.by_token, b.by_token, strict=False):
                assert torch.allclose(one[i], other[j], atol=1e-6), token
    if ours.recurrent.bidirectional and theirs.recurrent.bidirectional:
        back = ours.recurrent.stack[1].W_h_T, theirs.recurrent.stack[1].W_h_T
        assert torch.allclose(*back, atol=1e-6)
    taken = take_over(old, new)
    assert taken.tensors == taken.of_tensors


def test_a_model_that_read_none_of_this_is_refused(tmp_path: Path, command: Command) -> None:
    forecaster = trained("forecast", tmp_path)
    done = command("train", "hello", "--from", forecaster, "--out", tmp_path / "x")
    assert "that reads no text: start from a model that does" in done.sentence
    digits = tmp_path / "digits.txt"
    digits.write_text("01234567" * 20, encoding="utf-8")
    source = tmp_path / "source"
    command(
        "train", "hello", "--steps=1", "--quiet", "--set=model.input=embedding", "--out", source
    )
    done = command("train", digits, "--from", source, "--out", tmp_path / "x")
    assert "knows none of these" in done.sentence
    assert not (tmp_path / "x").exists()


def test_words_begin_with_their_vectors(tmp_path: Path, command: Command) -> None:
    corpus, vectors = tmp_path / "a.txt", tmp_path / "v.vec"
    corpus.write_text("the cat saw 사과 and the dog\n" * 20, encoding="utf-8")
    vectors.write_text("3 2\ncat 1 2\n사과 -3 0.5\nzebra 9 9\n", encoding="utf-8")
    options = (
        "--vectors", vectors, "--set=text.vocabulary=words", "--set=model.hidden_size=4",
        "--set=training.learning_rate=1e-12", "--steps=1", "--threads=1",
    )  # fmt: skip
    done = command(
        "train", corpus, "--out", tmp_path / "run", "--set=model.embedding_size=2", *options
    )
    assert "2 of 8 words (25%) have vectors in v.vec" in " ".join(done.out.split())
    task = load_model(tmp_path / "run").task
    assert isinstance(task, LanguageModelTask)
    assert task.model.embedding is not None
    rows = {t: task.model.embedding.weight[i] for i, t in enumerate(task.vocabulary.tokens)}
    assert (rows["cat"] / rows["cat"].norm()).tolist() == pytest.approx([5**-0.5, 2 * 5**-0.5])
    assert (rows["사과"][0] / rows["cat"][0]).item() == pytest.approx(-3, rel=1e-4)
    done = command(
        "train", corpus, "--out", tmp_path / "b", "--set=model.embedding_size=3", *options
    )
    assert "have 2 numbers, but model.embedding_size is 3: set it to 2" in done.sentence
    found = command("words", tmp_path / "run", "cat", "-n", 2, "--map", tmp_path / "map.png")
    assert found.out.splitlines()[0] == "cat"
    assert len(found.out.splitlines()) == 3
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "zebra" in command("words", tmp_path / "run", "zebra").sentence
