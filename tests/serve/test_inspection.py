"""Looks inside and questions: what the functions of the package give, over HTTP."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sunhwan.api import load, load_language
from sunhwan.inspection.measures.attribution import attribute
from sunhwan.inspection.measures.traces import trace
from sunhwan.inspection.subjects import subject_of
from sunhwan.store import load_model
from sunhwan.tasks import Task
from tests.serve.helpers import Client


def task_in(runs: list[Path], name: str) -> Task:
    (run,) = (run for run in runs if run.name == name)
    return load_model(run).task


@pytest.mark.parametrize("name", ["characters", "jamo", "bytes", "slow"])
def test_a_trace_is_that_of_inspection(
    client: Client, language_runs: list[Path], name: str
) -> None:
    subject = subject_of(task_in(language_runs, name))
    text = "난 ab 각"
    wanted = trace(subject, subject.passages(text)[0])
    found = client.post("/api/trace", model=name, text=text)
    assert found["pieces"] == list(wanted.pieces)
    assert found["labels"] == list(wanted.labels)
    assert found["units"] == list(range(7))
    assert set(found["values"]) == set(wanted.values)
    for value, rows in found["values"].items():
        np.testing.assert_allclose(np.array(rows).T, wanted.values[value], rtol=1e-4, atol=1e-6)
    surprise = np.array([np.nan if x is None else x for x in found["surprise"]])
    np.testing.assert_allclose(surprise, wanted.surprise, rtol=1e-4)
    some = client.post("/api/trace", model=name, text=text, values=["h"], units=[5, 2], layer=0)
    assert list(some["values"]) == ["h"]
    assert some["values"]["h"] == [found["values"]["h"][5], found["values"]["h"][2]]
    assert some["units"] == [5, 2]
    assert found["open"] is None or found["open"] == {"gate": wanted.keep, "units": wanted.open}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stack": "nothing"}, "no stack"), ({"layer": 3}, "no layer"),
        ({"values": ["q"]}, "no value"), ({"units": [7]}, "units 0 … 6"), ({"units": [-1]}, "units"),
        ({"model": "forecast"}, "nothing to look into"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_model_does_not_have(client: Client, change: dict[str, Any], said: str) -> None:
    body = {"model": "characters", "text": "abc"} | change
    status, error = client.refused("/api/trace", **body)
    assert status == 422
    assert said in error["message"]


@pytest.mark.parametrize("name", ["classify", "tag", "translate", "describe"])
def test_other_tasks_are_traced_on_their_question(
    client: Client, task_runs: list[Path], name: str
) -> None:
    text = {"describe": "12\t0", "translate": "2 1"}.get(name, "the 사과 7")
    if name == "describe":
        subject = subject_of(task_in(task_runs, name))
        wanted = trace(subject, subject.passages(text)[0])
        assert client.post("/api/trace", model=name, text=text)["labels"] == list(wanted.labels)
        return
    found = client.post("/api/trace", model=name, text=text, stack="encoder", values=["h"])
    assert "".join(found["pieces"]) == text
    assert len(found["values"]["h"]) == 5


@pytest.mark.parametrize("name", ["characters", "jamo"])
def test_what_mattered_for_the_next_token(
    client: Client, language_runs: list[Path], name: str
) -> None:
    subject = subject_of(task_in(language_runs, name))
    text = "ab 난 ab"
    wanted = attribute(subject, subject.continued(text))
    found = client.post("/api/attribution", model=name, text=text)
    assert found["predicted"] == wanted.predicted
    assert found["probability"] == pytest.approx(wanted.probability, rel=1e-4)
    assert "".join(found["pieces"]) == subject.task.vocabulary.normalize(text)  # type: ignore[attr-defined]
    for way in ("gradient_x_input", "occlusion"):
        values = getattr(wanted, way)[: len(found["pieces"])]
        assert found[way] == pytest.approx(values.tolist(), rel=1e-3, abs=1e-6)


def test_what_mattered_for_a_step(client: Client) -> None:
    traced = client.post("/api/trace", model="documents", text="abcab")
    for place in (1, 3, 5):
        found = client.post("/api/attribution", model="documents", text="abcab", position=place)
        assert found["predicted"] == traced["labels"][place]
        assert -np.log(found["probability"]) == pytest.approx(traced["surprise"][place], rel=1e-3)
        assert len(found["occlusion"]) == len(traced["pieces"])
    for place in (0, 6):
        assert (
            client.refused("/api/attribution", model="documents", text="abcab", position=place)[0]
            == 422
        )


def test_a_classifier_tells_what_mattered(client: Client) -> None:
    (answer,) = client.post("/api/predict", model="classify", questions=["the 사과"])["answers"]
    found = client.post("/api/attribution", model="classify", text="the 사과")
    assert found["predicted"] == answer["values"]["label"]
    assert found["probability"] == pytest.approx(answer["values"]["probability"], rel=1e-3)
    assert "".join(found["pieces"]) == "the 사과"


def test_a_translator_tells_what_mattered_for_its_first_piece(client: Client) -> None:
    (answer,) = client.post("/api/predict", model="translate", questions=["2 1"])["answers"]
    found = client.post("/api/attribution", model="translate", text="2 1")
    assert found["predicted"] == [*answer["alignment"]["target"], "<eos>"][0]
    assert "".join(found["pieces"]) == "2 1"


@pytest.mark.parametrize("name", ["characters", "jamo", "documents", "words", "bare", "slow"])
def test_lines_are_scored_as_ever(client: Client, language_runs: list[Path], name: str) -> None:
    (run,) = (run for run in language_runs if run.name == name)
    language = load_language(run)
    lines = ["abc", "", "난 다\r\nab", "zzz"]
    found = client.post("/api/score", model=name, lines=lines)["lines"]
    assert [one["text"] for one in found] == lines
    for one, wanted in zip(found, language.score(lines), strict=True):
        assert one["log_probability"] == pytest.approx(wanted.log_probability, abs=1e-4)
        assert [token["text"] for token in one["tokens"]] == [t.text for t in wanted.tokens]
        told = [token["log_probability"] for token in one["tokens"]]
        assert told == pytest.approx([t.log_probability for t in wanted.tokens], abs=1e-4)


QUESTIONS: dict[str, list[Any]] = {
    "classify": ["the 사과 7", "a cow"], "tag": ["김 민수가 New York", ["Bo", "오늘"]],
    "translate": ["2 1", "4"], "describe": [["30", "0"], "-5\t20"],
    "forecast": ["\n".join(f"{n % 4} {n}.5" for n in range(40)), [f"{n % 3}\t{-n}" for n in range(30)]],
}  # fmt: skip


def test_a_series_goes_on_from_its_dates(client: Client) -> None:
    numbers = [f"{n % 4} {n}.5" for n in range(40)]
    quarters = [f"{2001 + n // 4}Q{n % 4 + 1}, {row}" for n, row in enumerate(numbers)]
    hours = [f"2024-03-0{1 + n // 24} {n % 24:02}:00\t{row}" for n, row in enumerate(numbers)]
    plain, dated, timed = (
        client.post("/api/predict", model="forecast", questions=["\n".join(rows)])["answers"]
        for rows in (numbers, quarters, hours)
    )
    assert [one["values"]["time"] for one in plain[:2]] == ["41", "42"]
    assert [one["values"]["time"] for one in dated[:2]] == ["2011Q1", "2011Q2"]
    assert [one["values"]["time"] for one in timed[:2]] == ["2024-03-02T16:00", "2024-03-02T17:00"]
    for one, other, third in zip(plain, dated, timed, strict=True):
        assert one["values"]["median"] == other["values"]["median"] == third["values"]["median"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_are_those_of_predict(client: Client, task_runs: list[Path], name: str) -> None:
    (run,) = (run for run in task_runs if run.name == name)
    predictor = load(run)
    asked = QUESTIONS[name]
    if name == "forecast":
        series = [[[n % 4, n + 0.5] for n in range(40)], [[n % 3, -n] for n in range(30)]]
        wanted = [answer for one in series for answer in predictor.predict([one])]
    else:
        wanted = [answer for one in asked for answer in predictor.predict([one])]
    found = client.post("/api/predict", model=name, questions=asked)["answers"]
    for one, answer in zip(found, wanted, strict=True):
        assert one["values"] == answer.values
        assert one["text"] == answer.text
        assert one["rows"] == [list(row) for row in answer.rows]
        look = answer.alignment
        if look is None:
            assert one["alignment"] is None
        else:
            assert one["alignment"] == {
                "source": look.source, "target": look.target, "weights": look.weights.tolist()
            }  # fmt: skip


def test_drawn_answers_have_the_seeds_of_their_places(
    client: Client, task_runs: list[Path]
) -> None:
    (run,) = (run for run in task_runs if run.name == "translate")
    predictor = load(run)
    options = {"n": 2, "temperature": 1.0, "seed": 5}
    wanted = predictor.predict(["2 1", "4"], **options)
    found = client.post("/api/predict", model="translate", questions=["2 1", "4"], options=options)
    assert [one["text"] for one in found["answers"]] == [answer.text for answer in wanted]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model": "characters", "questions": ["a"]}, "/v1/completions"),
        ({"model": "classify", "questions": ["a"], "options": {"beam": 2}}, "writes nothing"),
        ({"model": "classify", "questions": [["a", "b"]]}, "parts"),
        ({"model": "translate", "questions": ["a"], "options": {"n": 2}}, "temperature"),
        ({"model": "translate", "questions": ["a"], "options": {"beam": 999}}, "beam"),
        ({"model": "translate", "questions": ["a"], "options": {"bean": 1}}, "bean"),
        ({"model": "forecast", "questions": ["/etc/passwd"]}, "series"),
        ({"model": "forecast", "questions": [["1 2", "2 3"]]}, "at least"),
        ({"model": "forecast", "questions": [["1 2", "2 x"]]}, "series"),
        ({"model": "forecast", "questions": [["2024-01 1 2", "2 3"]]}, "series"),
        ({"model": "forecast", "questions": [["2024-02 1 2", "2024-01 2 3"]]}, "2024-01"),
        ({"model": "forecast", "questions": [["2024-01 1", "2024-02 2"]]}, "columns"),
        ({"model": "forecast", "questions": [["2024-01", "2024-02"]]}, "columns"),
        ({"model": "classify", "questions": "a"}, "list"),
    ],
    ids=str,
)  # fmt: skip
def test_questions_that_cannot_be_answered(client: Client, body: dict[str, Any], said: str) -> None:
    status, error = client.refused("/api/predict", **body)
    assert status == 422
    assert said in error["message"]
