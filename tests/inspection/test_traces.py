"""A trace is what the model computed, and says which units keep what they hold."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.errors import UsageError
from sunhwan.generation import next_token_logits
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.traces import by_character, open_units, trace
from sunhwan.inspection.subjects import LanguageModelSubject
from sunhwan.layers import Attention
from sunhwan.tasks.common.questions import Question
from tests.inspection.subjects import NAMES, Made, make

each_task = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: make(name, tmp_path_factory.mktemp(name)) for name in NAMES}


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


@each_task
def test_every_layer_of_every_stack_is_traced(name: str, made: dict[str, Made]) -> None:
    subject, passage = made[name].subject, made[name].some[0]
    with torch.no_grad():
        seen = subject.observe([passage])
    for stack, recurrent in subject.recurrents.items():
        for layer, own in enumerate(recurrent.stack):
            found = trace(subject, passage, stack=stack, layer=layer)
            T = len(found.labels)
            assert (found.stack, found.layer, len(found.pieces)) == (stack, layer, T)
            wanted = seen.runs[stack].traced.layers[layer]
            assert found.values.keys() == wanted.keys()
            for key, values in found.values.items():
                assert values.shape == (T, wanted[key].shape[2])
                close(values, wanted[key][0])
            assert found.keep == own.cell.keep == "f"
            assert found.open == open_units(found.values["f"])
            assert json_values(found)["values"]["h"][0][0] == pytest.approx(
                found.values["h"][0, 0], rel=1e-4
            )


@pytest.mark.parametrize("kind", ["characters", "jamo", "words"])
def test_surprise_is_that_of_reading_token_by_token(kind: str, tmp_path: Path) -> None:
    subject = make("language_model", tmp_path, text__vocabulary=kind).subject
    assert isinstance(subject, LanguageModelSubject)
    (passage,) = subject.passages("강아지가 seeds")
    found = trace(subject, passage)
    assert math.isnan(found.surprise[0])
    ids = passage.given.tolist()
    subject.task.model.eval()
    for t in range(1, len(ids)):
        logits, _ = next_token_logits(subject.task.model, ids[:t])
        close(found.surprise[t], -torch.log_softmax(logits, -1)[ids[t]])


def test_a_text_of_one_token_or_none_is_traced(made: dict[str, Made]) -> None:
    subject = made["language_model"].subject
    for T in (0, 1):
        found = trace(subject, subject.cut(made["language_model"].some[0], 0, T))  # type: ignore[attr-defined]
        assert len(found.pieces) == len(found.surprise) == T
        assert {len(values) for values in found.values.values()} == {T}
        assert all(map(math.isnan, found.surprise))
        assert T or found.open == []


@each_task
def test_only_what_is_predicted_surprises(name: str, made: dict[str, Made]) -> None:
    subject, passage = made[name].subject, made[name].some[0]
    for stack in subject.recurrents:
        found = trace(subject, passage, stack=stack)
        known = ~np.isnan(found.surprise)
        if stack == "encoder":
            assert not known.any()
            continue
        assert known.tolist() == [False] + [True] * (len(found.labels) - 1)
        # All but the last, which is not read any more, and of a text's first token, which is.
        with torch.no_grad():
            losses = subject.observe([passage]).losses[0].tolist()
        close(found.surprise[1:], losses[: len(known) - 1])


def test_a_decoder_reads_what_it_has_written(made: dict[str, Made]) -> None:
    subject, passage = made["translate"].subject, made["translate"].some[0]
    found = trace(subject, passage, stack="decoder")
    targets = subject.predicted(passage)
    assert list(found.labels[1:]) == targets[:-1]
    assert "".join(found.pieces) == passage.given.raw[-1]
    assert trace(subject, passage).pieces == passage.pieces


# Attention.


@pytest.mark.parametrize("settings", [{}, {"model__input_feeding": True}], ids=str)
@pytest.mark.parametrize("kind", ["additive", "general"])
def test_attention_is_that_of_writing_token_by_token(
    kind: str, settings: dict[str, object], tmp_path: Path
) -> None:
    subject = make("translate", tmp_path, model__attention=kind, **settings).subject
    (passage,) = subject.passages("2 1 4")
    for stack in subject.recurrents:
        found = trace(subject, passage, stack=stack)
        assert found.attention is not None
        assert found.targets == tuple(subject.predicted(passage))
        assert found.sources == passage.labels
        assert found.attention.shape == (len(found.targets), len(found.sources))
        close(found.attention.sum(1), 1)
        # What the beam saw when it wrote this answer.
        ((best, *_),) = subject.task.write([passage.given])  # type: ignore[attr-defined]
        close(found.attention[: len(best.ids)], best.attention[: len(best.ids)])


@pytest.mark.parametrize("settings", [{}, {"model__input_feeding": True}], ids=str)
def test_looking_at_attention_changes_nothing(settings: dict[str, object], tmp_path: Path) -> None:
    one = make("translate", tmp_path, **settings)
    subject, passage = one.subject, one.some[0]
    with torch.no_grad():
        before = subject.observe([passage]).losses
        trace(subject, passage)
        assert torch.equal(subject.observe([passage]).losses, before)
    attention = one.prepared.task.model.decoder.attention
    assert isinstance(attention, Attention)
    assert "attend" not in attention.__dict__


def test_attention_that_pools_is_shown(tmp_path: Path) -> None:
    one = make("classify", tmp_path, model__pooling="attention")
    model, passage = one.prepared.task.model, one.some[0]
    found = trace(one.subject, passage)
    assert found.attention is not None
    assert found.attention.shape == (1, len(passage.labels))
    close(found.attention.sum(), 1)
    with torch.no_grad():
        batch = one.subject.task.collate([passage.given])  # type: ignore[attr-defined]
        y = model.eval().encoder(batch.inputs[0])
        mean = torch.from_numpy(found.attention) @ y[0]
        close(model.output(mean), model(batch.inputs))
    assert found.targets == tuple(one.subject.predicted(passage))


def test_where_nothing_attends_nothing_is_shown(made: dict[str, Made], tmp_path: Path) -> None:
    plainly = make("translate", tmp_path, model__attention="none")
    for one in (plainly, made["language_model"], made["classify"], made["describe"]):
        found = trace(one.subject, one.some[0])
        assert (found.attention, found.targets, found.sources) == (None, (), ())


# What stays open.


def test_open_units_are_above_nine_tenths_nearly_always() -> None:
    gate = np.full((20, 4), 0.95)
    gate[:2, 1] = gate[:3, 2] = 0.5
    gate[:, 3] = 0.9
    assert open_units(gate) == [0, 1]
    assert open_units(gate[:0]) == []


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "indrnn"])
def test_units_that_are_held_open_are_found(cell: str, tmp_path: Path) -> None:
    one = make("language_model", tmp_path, model__cell=cell, scale=0.0)
    layer = one.prepared.task.model.recurrent.stack[0]
    keep = CELLS[cell].keep
    block, sign = (0, -1) if cell == "mingru" else (layer.cell.gates.index(keep or "h"), 1)
    wanted = [1, 3] if keep else []
    with torch.no_grad():
        for unit in range(5):
            layer.get_parameter("b")[5 * block + unit] = 30 * sign if unit in wanted else 0
    found = trace(one.subject, one.some[0])
    assert found.keep == keep
    assert found.open == wanted


# Choosing.


def test_only_what_is_asked_for_is_given(made: dict[str, Made]) -> None:
    subject, passage = made["language_model"].subject, made["language_model"].some[0]
    found = trace(subject, passage, values=["c", "o"])
    assert list(found.values) == ["c", "o"]
    assert found.open == trace(subject, passage).open


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"stack": "decoder"}, "choose from recurrent"),
        ({"layer": 1}, "choose from 0 … 0"),
        ({"layer": -1}, "no layer -1"),
        ({"values": ["h", "z"]}, "no value 'z': choose from h, c, i, f, g, o"),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused(
    asked: dict[str, Any], said: str, made: dict[str, Made]
) -> None:
    one = made["language_model"]
    with pytest.raises(UsageError, match=said):
        trace(one.subject, one.some[0], **asked)


# Characters.


def test_values_of_letters_become_those_of_syllables(tmp_path: Path) -> None:
    subject = make("language_model", tmp_path, text__vocabulary="jamo").subject
    (passage,) = subject.passages("꼬리를 3")
    found = trace(subject, passage)
    texts, surprise = by_character(found.pieces, found.surprise, "sum")
    assert "".join(texts) == "꼬리를 3"
    close(surprise[2], found.surprise[5:8].sum())
    close(surprise.sum(), np.nansum(found.surprise))
    _, h = by_character(found.pieces, found.values["h"], "last")
    close(h, found.values["h"][[2, 4, 7, 8, 9]])


def test_characters_of_nothing() -> None:
    for how in ("sum", "last"):
        assert by_character([], np.zeros(0), how)[0] == ()  # type: ignore[arg-type]
        texts, values = by_character(["", ""], np.ones((2, 3)), how)  # type: ignore[arg-type]
        assert (texts, values.shape) == ((), (0, 3))


def test_a_question_in_parts_shows_its_first(tmp_path: Path) -> None:
    lines = ["left\tright\tlabel"]
    lines += [f"사과 {n}\tpear {n % 3}\t{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    one = make(
        "classify", tmp_path, data__source=str(tmp_path / "pairs.tsv"),
        task__input=("left", "right"), model__pooling="attention",
    )  # fmt: skip
    (passage,) = one.subject.passages("사과 1\tpear 2")
    assert isinstance(passage.given.raw, tuple)
    found = trace(one.subject, passage)
    assert "".join(found.pieces) == "사과 1"
    (answer,) = one.prepared.task.predict([Question(("사과 1", "pear 2"))])
    assert found.targets == (answer.values["label"],)
