"""Cells of numbers, of images and of labels → what a model reads."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import sunhwan
from sunhwan.config import Config, ModelConfig
from sunhwan.data.numbers import COMMA, GROUPED
from sunhwan.errors import DataError, StoreError
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput
from sunhwan.prediction.answered import answer_rows, open_rows
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.input_kinds import complete_kind, fit_input_kind, input_kind_from_dict
from sunhwan.tasks.common.questions import Question
from sunhwan.tasks.common.vector_input import LabelsKind, VectorKind
from sunhwan.training import train

MODEL = ModelConfig(hidden_size=4, num_layers=1, dropout=0.0, embedding_size=4)


def asked(*cells: str, folder: Path = Path()) -> Question:
    return Question(cells, "t.csv, line 2", folder)


def complaint(source: VectorKind | LabelsKind, question: Question) -> str:
    with pytest.raises(DataError) as caught:
        source.read(question)
    return str(caught.value)


def test_numbers_are_scaled_feature_by_feature() -> None:
    rows = [(1.0, 100.0, 7.0), (2.0, 300.0, 7.0), (6.0, -400.0, 7.0)]
    source = VectorKind.fit([asked(*map(str, row)) for row in rows])
    found = torch.cat([source.read(asked(*map(str, row)))[0] for row in rows])
    assert found.shape == (3, 3)
    torch.testing.assert_close(found.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]))
    assert (source.sequences(3), source.summary()) == (1, "3 numbers")
    # Several numbers in one cell are the same vector.
    assert source.read(asked("1 100", " 7e0 "))[0].equal(found[:1])
    assert isinstance(source.layer(MODEL), VectorInput)


def test_pixels_are_scaled_alike() -> None:
    rows = ["0 0 1 1", "0 0.5 1 0.5"]
    source = VectorKind.fit([asked(row) for row in rows], 2)
    found = torch.cat([source.read(asked(row))[0] for row in rows])
    np.testing.assert_allclose(found.mean(), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(correction=0), 1, rtol=1e-6)
    assert found[0, 0] == found[0, 1] == found[1, 0]
    assert isinstance(source.layer(MODEL), ImageInput)
    assert source.summary() == "images of 2 × 2"


def test_an_image_is_the_numbers_of_its_pixels(tmp_path: Path) -> None:
    pixels = np.array([[0, 255], [51, 102]], np.uint8)
    PIL.Image.fromarray(pixels).resize((6, 6), PIL.Image.Resampling.NEAREST).save(
        tmp_path / "a.png"
    )
    source = VectorKind([0.0] * 4, [1.0] * 4, 2)
    (found,) = source.read(asked("a.png", folder=tmp_path))
    np.testing.assert_allclose(found[0], [0, 1, 0.2, 0.4], atol=1e-6)
    assert "there is no file 'b.png'" in complaint(source, asked("b.png", folder=tmp_path))
    # Without a size an image is no vector, and its name no number.
    assert "'a.png' is not a number" in complaint(VectorKind([0], [1]), asked("a.png"))


def test_what_is_no_vector_is_refused_with_its_place() -> None:
    source = VectorKind([0.0, 0.0], [1.0, 1.0])
    for cells, said in (
        (("1", "둘"), "'둘' is not a number"), (("1", ""), "'' is not a number"),
        (("1", "nan"), "'nan' is not a number"),
        (("1", "1_0"), "'1_0' is not a number"), (("1", "1e99"), "too large for float32"),
        (("1", "2", "3"), "has 3 numbers, but 2 are needed"), (("1",), "has 1 numbers"),
    ):  # fmt: skip
        message = complaint(source, asked(*cells))
        assert message.startswith("t.csv, line 2")
        assert said in message
    with pytest.raises(DataError, match="line 2 has 2 numbers, but 3 are needed"):
        VectorKind.fit([Question(("1 2 3",)), asked("1 2")])


def test_labels_are_numbers_of_their_column() -> None:
    source = LabelsKind.fit([asked("4/4", "G"), asked("3/4", "가단조"), asked("4/4 ", "D")])
    assert source.labels == [["3/4", "4/4"], ["D", "G", "가단조"]]
    (found,) = source.read(asked(" 4/4", "가단조"))
    assert found.tolist() == [[1, 2]]
    layer = source.layer(MODEL)
    assert isinstance(layer, LabelsInput)
    assert layer(source.collate([found, found])).shape == (2, 1, 8)
    message = complaint(source, asked("4/4", "H"))
    assert message.startswith(
        "t.csv, line 2: 'H' was not seen in training, which knew D, G, 가단조"
    )


def test_of_many_labels_a_sentence_lists_some() -> None:
    source = LabelsKind.fit([asked(f"{number:02}") for number in range(50)])
    assert complaint(source, asked("99")).count(", ") < 25
    assert "18, 19 …" in complaint(source, asked("99"))


@pytest.mark.parametrize(
    "source",
    [VectorKind([0.5, 3.0], [1.0, 2.0]), VectorKind([0.1] * 4, [0.3] * 4, 2),
     LabelsKind([["가", "나"], ["x"]])],
    ids=("vector", "image", "labels"),
)  # fmt: skip
def test_what_was_learned_is_kept(source: VectorKind | LabelsKind) -> None:
    again = input_kind_from_dict(json.loads(json.dumps(source.to_dict())))
    assert again.to_dict() == source.to_dict()
    question = (
        asked("나", "x")
        if isinstance(source, LabelsKind)
        else asked("1 2 3 4"[: len(source.mean) * 2])
    )
    assert again.read(question)[0].equal(source.read(question)[0])
    for record in ({"kind": source.kind}, source.to_dict() | {"mean": "x", "labels": 5}):
        with pytest.raises(StoreError, match="damaged"):
            input_kind_from_dict(record)


def test_the_kind_is_seen_in_the_cells(tmp_path: Path) -> None:
    def kind(*questions: Question, **given: object) -> tuple[str, int]:
        config = Config().override({f"task.{name}": value for name, value in given.items()})
        task = complete_kind(config, questions).task
        return task.kind, task.image_size

    assert kind(asked("1", "2.5"), asked("-3", "4e5")) == ("vector", 0)
    assert kind(asked("1"), asked("2")) == ("text", 0)
    assert kind(asked("1", "둘")) == ("text", 0)
    assert kind(asked("a.png"), asked("나.JPG")) == ("vector", 32)
    assert kind(asked("a.png"), image_size=8) == ("vector", 8)
    assert kind(asked("1"), kind="vector") == ("vector", 0)
    assert kind(asked("1"), kind="labels") == ("labels", 0)
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    assert kind(asked("x.npy", folder=tmp_path)) == ("frames", 0)


def test_each_kind_is_fitted() -> None:
    for kind, source in (("vector", VectorKind), ("labels", LabelsKind)):
        config = Config().override({"task.kind": kind})
        assert type(fit_input_kind(config, [asked("1", "2"), asked("3", "4")])) is source


@pytest.mark.parametrize(
    ("way", "written", "read"),
    [
        (GROUPED, ["1,204.5", "1,234,567", "950", "-3.25"], ["1204.5", "1234567", "950", "-3.25"]),
        (COMMA, ["1.204,5", "1.204", "950", "-3,25"], ["1204.5", "1204", "950", "-3.25"]),
    ],
)
def test_predict_reads_numbers_as_training_had_them_written(
    way: str, written: list[str], read: list[str]
) -> None:
    columns = Columns(("name", "price"), "label", ("", way))
    assert Columns.from_dict(columns.to_dict()) == columns
    assert [columns.plain(("1,2", cell), "line 2")[1] for cell in written] == read
    assert columns.plain(("1,2", ""), "line 2") == ("1,2", "")
    other = "1204.5" if way == COMMA else "1.204,5"
    if way == COMMA:
        with pytest.raises(
            DataError, match=f"line 2: column 'price' holds '{other}'.*such as 1.204,5"
        ):
            columns.plain(("", other), "line 2")
    else:
        assert columns.plain(("", other), "line 2") == ("", other)  # which is then no number


def test_stored_writings_that_fit_no_columns_are_damaged() -> None:
    for damaged in ([COMMA], ["", "roman"]):
        with pytest.raises(TypeError):
            Columns.from_dict({"inputs": ["a", "b"], "target": "c", "writings": damaged})


def test_a_classifier_answers_the_table_that_it_learned_from(tmp_path: Path) -> None:
    rows = [(1_000 + 97 * n % 9_000, "hi" if 97 * n % 9_000 > 4_000 else "lo") for n in range(60)]
    files = {name: tmp_path / f"{name}.csv" for name in ("grouped", "plain")}
    for name, path in files.items():
        cells = [(f'"{n:,}"' if name == "grouped" else n, label) for n, label in rows]
        path.write_text("price,label\n" + "".join(f"{n},{label}\n" for n, label in cells))
    values = {
        "task.name": "classify", "data.source": str(files["grouped"]), "model.hidden_size": 4,
        "training.steps": 2, "training.threads": 1,
    }  # fmt: skip
    task = sunhwan.load(train(Config().override(values), tmp_path / "run").run)
    said = {}
    for name, path in files.items():
        with open_rows(task, path) as found:
            said[name] = [row.answer.values for row in answer_rows(task, found, {}) if row.answer]
    assert len(said["grouped"]) == 60
    assert said["grouped"] == said["plain"]
