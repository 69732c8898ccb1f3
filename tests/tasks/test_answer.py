"""Question answering: the words that answer, the evidence, and every use of the task."""

import json
from itertools import islice
from pathlib import Path

import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.data.built_in_passages import made_questions
from sunhwan.tasks.answer.passage_words import places_of, sentences_of
from sunhwan.tasks.answer.scores import scores_of
from sunhwan.tasks.common.questions import Pair, Question
from sunhwan.training import train
from tests.conftest import Command
from tests.serve.helpers import client_of
from tests.tasks.cases import rooms


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = rooms(tmp_path_factory.mktemp("rooms"))
    with path.open("a", encoding="utf-8") as file:
        file.write("Ann is here.\tWhere is Ann?\tnowhere\t\n")
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "task.name": "answer", "data.source": str(table), "model.hidden_size": 6,
        "model.embedding_size": 5, "model.letter_size": 4, "training.steps": 6, "training.threads": 1,
    }  # fmt: skip
    return train(Config().override(settings), tmp_path_factory.mktemp("runs") / "run").run


def test_words_that_answer_and_sentences() -> None:
    words = ["민수:", "지금", "부엌에", "있다.", "영희:", "지금", "마당에", "있다!", "끝"]
    assert places_of("부엌", words) == [2]
    assert places_of("마당에", words) == [6]
    assert places_of("KITCHEN", ["the", "kitchens.", "The", "kitchen."]) == [3]
    assert places_of("kit", ["kitchen"]) == []
    assert places_of("학교", words) == places_of("", words) == []
    assert [(s.start, s.stop) for s in sentences_of(words)] == [(0, 4), (4, 8), (8, 9)]


def test_made_questions_have_their_answer_in_the_evidence() -> None:
    for made in islice(made_questions(50), 50):
        words = made.passage.split()
        evidence = [words[k] for k in sentences_of(words)[made.evidence]]
        who = made.question.split()[0] if "어디" in made.question else made.question[9:-1]
        assert places_of(made.answer, evidence)
        assert who in evidence


def test_the_answer_is_what_was_looked_at(run: Path) -> None:
    task = sunhwan.load(run)
    passage, asked = "Ann is in the park now. Bob is in the hall now.", "Where is Ann?"
    (found,) = task.predict([(passage, asked)])
    assert found.alignment is not None
    weights = found.alignment.weights[0]
    assert float(weights.sum()) == pytest.approx(1)
    sums: dict[str, float] = {}
    for word, weight in zip(passage.split(), weights.tolist(), strict=True):
        sums[word.strip(".")] = sums.get(word.strip("."), 0) + weight
    assert found.values["answer"] == max(sums, key=lambda word: sums[word])
    assert found.values["probability"] == pytest.approx(max(sums.values()))
    assert found.values["answer"] in found.values["evidence"]
    assert task.predict([("", "?")])[0].values["answer"] == ""


def test_evidence_is_the_sentence_that_the_row_names(run: Path) -> None:
    task = sunhwan.load(run)
    examples = task.examples(
        Pair(Question(("Ann is here. Bo is there.", "Who?"), evidence=told), "here")
        for told in ("ann is here", "Bo is there.", "")
    )
    looked = torch.tensor([0.1, 0.1, 0.6, 0.1, 0.1, 0.0])
    scores = scores_of(examples, [looked] * 3)
    assert scores.accuracy == 1
    assert scores.evidence == 0.5
    assert scores_of(examples[2:], [looked]).evidence is None


def test_every_use_of_it(run: Path, table: Path, command: Command, tmp_path: Path) -> None:
    done = command("evaluate", run, table, "--json")
    figures = json.loads(done.out)
    assert 0 <= figures["accuracy"] <= 1, done.err
    # Of these rows half have one sentence, which every method names.
    assert 0.5 <= figures["evidence"] <= 1
    rival = figures["baselines"]["methods"]["the sentence nearest to the question"]
    assert min(rival.values()) > 0.9
    assert "the answer 'nowhere' is no word of the passage" in done.err + done.out
    assert "is no word of the passage" in command("evaluate", run, table, "--strict").sentence
    asked = tmp_path / "asked.txt"
    asked.write_text("Ann is in the park now.\tWhere is Ann?\n", encoding="utf-8")
    (line,) = command("predict", run, asked, "--json").out.splitlines()
    assert json.loads(line)["evidence"] == "Ann is in the park now."
    wrong = command(
        "train", table, "--task=answer", "--set=task.kind=frames", "--out", tmp_path / "x"
    )
    assert "reads words, not frames" in wrong.sentence
    with client_of([run]) as client:
        (told,) = client.get("/api/models")["models"]
        assert told["inputs"] == ["passage", "question"]
        questions = [["Ann is in the park now.", "Where is Ann?"]]
        (answer,) = client.post("/api/predict", model=told["id"], questions=questions)["answers"]
        assert answer["values"]["evidence_words"] == [0, 6]
        traced = client.post("/api/trace", model=told["id"], text="Ann is here.\tWhere is Ann?")
        assert "".join(traced["pieces"]) == "Ann is here."
