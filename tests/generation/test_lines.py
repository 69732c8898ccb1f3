"""Texts of a model that was trained line by line: the state begins anew at each line break."""

import dataclasses

import pytest
import torch

from sunhwan.generation import Job, PromptContext, Sampling, stepper_for
from sunhwan.generation.job import advance
from sunhwan.tasks import LanguageModelTask
from tests.serve.helpers import VOCABULARIES, language


def by_lines(name: str, **options: object) -> LanguageModelTask:
    task = language(VOCABULARIES[name], **options)
    data = dataclasses.replace(task.config.data, batches="sentences")
    return LanguageModelTask(
        dataclasses.replace(task.config, data=data), task.vocabulary, task.model
    )


@pytest.fixture(scope="module")
def task() -> LanguageModelTask:
    return by_lines("characters")


def logits_of(task: LanguageModelTask, text: str) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = task.model(torch.tensor(task.vocabulary.encode(text))[None])[0][0]
    return found


@pytest.mark.parametrize("layer_norm", [False, True])  # the engine, PyTorch
def test_each_line_is_scored_and_read_from_the_initial_state(layer_norm: bool) -> None:
    task = by_lines("characters", layer_norm=layer_norm, num_layers=2)
    letters = [x for x in map(task.vocabulary.display, range(len(task.vocabulary))) if len(x) == 1]
    a, b, c = letters[-3:]
    stepper = stepper_for(task.model, "fp32", line_break=task.line_break)
    context = PromptContext.of(task.vocabulary, f"{a}{b}\n{c}{a}")
    job = Job(task.vocabulary, context, Sampling(length=1), top=0, offsets=range(5))
    while not job.done:
        advance(stepper, [job], reading=2)
    scores = [score.log_probability for score in job.update().scores]
    ids = task.vocabulary.encode(f"{a}{b}\n{c}{a}").tolist()
    first = torch.log_softmax(logits_of(task, f"\n{a}{b}"), -1)
    second = torch.log_softmax(logits_of(task, f"\n{c}{a}"), -1)
    wanted = [first[k, ids[k]].item() for k in (1, 2)] + [
        second[k, ids[3 + k]].item() for k in (0, 1)
    ]
    assert scores[-5:-1] == pytest.approx(wanted, abs=1e-5)


def test_greedy_lines_are_all_the_same(task: LanguageModelTask) -> None:
    line_break = task.line_break
    assert line_break is not None
    # Made likely, so that lines end.
    with torch.no_grad():
        task.model.output.bias[line_break.token] += 1.5
    (found,) = task.sample(length=60, temperature=0)
    lines = found.text.split("\n")
    assert len(lines) > 3
    assert set(lines[:-1]) == {lines[0]}
    carried = LanguageModelTask(language(task.vocabulary).config, task.vocabulary, task.model)
    assert carried.line_break is None


def test_a_text_does_not_depend_on_the_size_of_steps(task: LanguageModelTask) -> None:
    texts = set()
    for drawing in (1, 5, 64):
        stepper = stepper_for(task.model, "fp32", line_break=task.line_break)
        context = PromptContext.of(task.vocabulary, "")
        job = Job(task.vocabulary, context, Sampling(length=40, temperature=1.3, seed=4))
        while not job.done:
            advance(stepper, [job], drawing=drawing)
        texts.add(job.update().text)
    (text,) = texts
    assert len(text) == 40
    assert "".join(task.stream(length=40, temperature=1.3, seed=4, precision="fp32")) == text
