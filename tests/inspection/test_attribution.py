"""What mattered is what the model says when it is changed."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import sunhwan.inspection
from sunhwan.errors import UsageError
from sunhwan.generation import next_token_logits
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures import attribution
from sunhwan.inspection.measures.attribution import attribute
from sunhwan.inspection.subjects import LanguageModelSubject, Passage, Subject
from sunhwan.layers import Look
from tests.inspection.subjects import NAMES, Made, make
from tests.tiers import and_deep

each_task = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: make(name, tmp_path_factory.mktemp(name)) for name in NAMES}


def close(found: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def changed(
    subject: Subject, passage: Passage, place: int, step: int, change: Any, width: int | None
) -> float:
    """log p of a prediction when what a step reads, its first columns, is changed."""
    begun = 0

    def edit(x: Tensor) -> Tensor:
        nonlocal begun
        x = x.clone()
        if begun <= step < begun + x.shape[1]:
            x[0, step - begun, :width] = change(x[0, step - begun, :width])
        begun += x.shape[1]
        return x

    with torch.no_grad():
        seen = subject.observe([passage], Look.STATES, edit=edit)
    return -float(seen.losses[0, place])


VARIANTS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in NAMES),
    ("language_model", {"model__input": "one-hot", "model__cell": "gru"}),
    ("language_model", {"model__num_layers": 2, "text__vocabulary": "jamo"}),
    ("translate", {"model__input_feeding": True, "model__direction": "forward"}),
    ("describe", {"model__input_feeding": True}),
    ("tag", {"model__output_layer": "crf", "model__direction": "forward"}),
]


@pytest.mark.parametrize("every", and_deep([False], [True]))
@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)
def test_both_are_what_the_changed_model_says(
    name: str, settings: dict[str, object], every: bool, tmp_path: Path
) -> None:
    """At the ends and the place of the prediction; every: at all steps."""
    one = make(name, tmp_path, **settings)
    subject, passage = one.subject, one.some[0]
    names = subject.predicted(passage)
    model: Any = subject.task.model
    # A decoder reads other things beside the token.
    width = model.decoder.inputs.output_size if subject.main == "decoder" else None
    with torch.no_grad():
        seen = subject.observe([passage], Look.STATES)
    mean = model_mean(one, seen.runs[subject.main].x[0])
    for place in {0, len(names) - 1}:
        found = attribute(subject, passage, prediction=place)
        assert (found.pieces, found.labels) == (passage.pieces, passage.labels)
        assert found.predicted == names[place]
        log_p = -float(seen.losses[0, place])
        assert found.probability == pytest.approx(math.exp(log_p), rel=1e-10)
        assert np.abs(found.gradient_x_input).sum() > 0
        e = 1e-5
        steps = range(len(passage.labels))
        for step in steps if every else {0, place, len(steps) - 1} & {*steps}:
            grown, shrunk = (
                changed(subject, passage, place, step, lambda x, k=k: k * x, width)
                for k in (1 + e, 1 - e)
            )
            close(found.gradient_x_input[step], (grown - shrunk) / (2 * e), 1e-6)
            without = changed(subject, passage, place, step, lambda x: mean.to(x), width)
            close(found.occlusion[step], log_p - without)


def model_mean(one: Made, x: Tensor) -> Tensor:
    """By the definition: of all tokens' vectors, or of the words of the sentence."""
    model: Any = one.subject.task.model
    if one.subject.task.name in ("tag", "answer"):
        return x.mean(0)
    if one.subject.task.name == "language_model":
        if model.embedding is None:
            return torch.full((x.shape[1],), 1 / x.shape[1], dtype=x.dtype)
        return torch.stack(list(model.embedding.weight.detach())).mean(0)
    part = {"classify": model, "translate": getattr(model, "reader", None)}.get(
        one.subject.task.name
    )
    inputs = model.decoder.inputs if part is None else part.encoder.inputs
    return torch.stack(list(inputs.embedding.weight.detach())).mean(0)


@each_task
def test_what_comes_after_has_no_part(name: str, tmp_path: Path) -> None:
    settings = {} if name in ("language_model", "describe") else {"model__direction": "forward"}
    one = make(name, tmp_path, **settings)
    subject, passage = one.subject, one.some[0]
    with torch.no_grad():
        stack = subject.observe([passage]).runs[subject.main]
    for place in range(len(subject.predicted(passage))):
        found = attribute(subject, passage, prediction=place)
        after = int(stack.places[0, place]) + 1
        for values in (found.gradient_x_input, found.occlusion):
            assert values.shape == (len(passage.labels),)
            assert not values[after:].any()
            assert values[:after].any()


def test_a_linear_network_is_explained_completely(tmp_path: Path) -> None:
    """Where log p is linear in what is read, the parts add up to all that reading changed.

    ReLU units that are on are linear, and so is log p of a token that is hardly possible: it is the
    difference of two logits. Without an input that difference is that of the output's biases.
    """
    (tmp_path / "two.txt").write_text("aabbabab" * 30, encoding="utf-8")
    one = make(
        "language_model", tmp_path, text__corpus=str(tmp_path / "two.txt"), text__unknown="drop",
        model__cell="elman_relu", text__vocabulary="characters",
    )  # fmt: skip
    subject, passage, model = one.subject, one.some[0], one.prepared.task.model
    vocabulary = one.prepared.task.vocabulary
    assert len(vocabulary) == 2
    with torch.no_grad():
        for p in model.recurrent.parameters():
            p.abs_().mul_(0.3)
        for name in ("b", "h_0"):
            model.recurrent.stack[0].get_parameter(name).zero_()
        model.embedding.weight.abs_()
        model.output.weight.mul_(0.1)
    passage = subject.cut(passage, 0, 30)  # type: ignore[attr-defined]
    target = int(passage.given[-1])
    with torch.no_grad():
        model.output.bias.zero_()
        model.output.bias[target] -= 60
        logits, _ = next_token_logits(model.eval(), passage.given[:-1].tolist())
    found = attribute(subject, passage)
    model.requires_grad_(False)
    assert found.probability < 1e-15
    wanted = float(logits[target] - logits[1 - target]) + 60
    assert abs(wanted) > 1e-3
    assert found.gradient_x_input.sum() == pytest.approx(wanted, rel=1e-9)
    # And then leaving a step out is to lose its part but for that of the mean.
    mean, x = model.embedding.weight.detach().mean(0), model.embedding.weight[passage.given[0]]
    W = model.recurrent.stack[0].parameters_of_cell
    d = model.output.weight[target] - model.output.weight[1 - target]
    through = W["W_x"] @ torch.linalg.matrix_power(W["W_h"], len(passage.given) - 2) @ d
    close(found.occlusion[0], float((x - mean) @ through))


def test_more_steps_than_are_read_side_by_side(
    made: dict[str, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, passage = made["language_model"].subject, made["language_model"].some[0]
    wanted = attribute(subject, passage)
    monkeypatch.setattr(attribution, "TOGETHER", 7)
    close(attribute(subject, passage).occlusion, wanted.occlusion)


@each_task
def test_asking_changes_nothing(name: str, made: dict[str, Made]) -> None:
    subject, passage = made[name].subject, made[name].some[0]
    model = subject.task.model
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    first = attribute(subject, passage)
    with torch.no_grad():
        again = attribute(subject, passage)
    close(again.gradient_x_input, first.gradient_x_input)
    close(again.occlusion, first.occlusion)
    assert model.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert len(json_values(first)["occlusion"]) == len(passage.labels)


def test_a_prediction_that_is_not_made_is_refused(made: dict[str, Made]) -> None:
    for name, one in made.items():
        count = len(one.subject.predicted(one.some[0]))
        for place in (count, -count - 1):
            with pytest.raises(UsageError, match=f"makes {count} of this passage"):
                attribute(one.subject, one.some[0], prediction=place)
        if name == "language_model":
            short = one.subject.cut(one.some[0], 0, 1)  # type: ignore[attr-defined]
            with pytest.raises(UsageError, match="makes 0"):
                attribute(one.subject, short)


def test_a_label_that_training_did_not_know_is_refused(made: dict[str, Made]) -> None:
    one = made["tag"]
    passage = one.some[0]
    words = passage.given.raw[:-1]
    example = passage.given._replace(
        target=torch.full((len(words),), -1), raw=(*words, "\t".join(["B-NEW"] * len(words)))
    )
    with pytest.raises(UsageError, match="B-NEW"):
        attribute(one.subject, passage._replace(given=example))


# The next token.


@pytest.mark.parametrize("kind", ["characters", "jamo", "bytes", "words", "subwords"])
@pytest.mark.parametrize("text", ["강아지가", "The hen", "꼬ㄱ", ""])
def test_a_text_goes_on_with_its_likeliest_token(kind: str, text: str, tmp_path: Path) -> None:
    one = make("language_model", tmp_path, text__vocabulary=kind)
    subject, vocabulary = one.subject, one.prepared.task.vocabulary
    assert isinstance(subject, LanguageModelSubject)
    (passage,) = subject.passages(text)
    found = subject.continued(text)
    assert found.given.tolist()[:-1] == passage.given.tolist()
    assert len(found.pieces) == len(found.labels) == len(found.given)
    assert found.text == "".join(found.pieces)
    # What was typed stays as it was.
    assert found.text.startswith(passage.text)
    logits, _ = next_token_logits(one.prepared.task.model.eval(), passage.given.tolist())
    likelier = (logits > logits[found.given[-1]]).nonzero().flatten().tolist()
    for token in likelier:
        grown = vocabulary.decode([*vocabulary.encode(text).tolist(), token])
        assert token == vocabulary.unk_id or not grown.startswith(passage.text)
    matters = attribute(subject, found)
    assert matters.predicted == vocabulary.display(int(found.given[-1]))
    assert matters.probability == pytest.approx(
        float(torch.softmax(logits, -1)[found.given[-1]]), rel=1e-9
    )
    assert matters.gradient_x_input[-1] == 0


def test_nothing_typed_and_nothing_before_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one line and no other " * 20, encoding="utf-8")
    settings = {"text__corpus": str(tmp_path / "a.txt"), "text__vocabulary": "characters"}
    one = make("language_model", tmp_path, **settings)
    with pytest.raises(UsageError, match="nothing to read"):
        one.subject.continued("")


@each_task
def test_other_models_answer_a_question_themselves(name: str, made: dict[str, Made]) -> None:
    if name == "language_model":
        return
    subject = made[name].subject
    question = {"describe": "3\t1", "answer": "배 Oslo\t어디?"}.get(name, "배 Oslo")
    found, (wanted,) = subject.continued(question), subject.passages(question)
    assert (found.text, found.labels) == (wanted.text, wanted.labels)
    assert subject.predicted(found) == subject.predicted(wanted)


def test_a_name_given_up_goes_on_working_with_a_notice() -> None:
    with pytest.warns(DeprecationWarning, match="what_mattered is attribute now"):
        assert sunhwan.inspection.what_mattered is attribute
    with pytest.raises(AttributeError, match="no attribute 'elsewhere'"):
        _ = sunhwan.inspection.elsewhere
