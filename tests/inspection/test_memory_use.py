"""Losses by context are those of reading just that much; a model of known memory uses what it has."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sunhwan.errors import UsageError
from sunhwan.generation import next_token_logits, start_tokens
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.memory_use import MemoryUse, memory_use, used
from sunhwan.inspection.subjects import LanguageModelSubject
from tests.inspection.subjects import TEXT, Made, make


def columns(losses: np.ndarray) -> np.ndarray:
    """(C, places), the places in an order of their own."""
    return losses[:, np.lexsort(losses)]


def found_by(made: Made, passages: list, contexts: tuple[int, ...], **options: object) -> MemoryUse:
    found = memory_use(made.subject, passages, contexts=contexts, **options)
    assert found is not None
    return found


@pytest.mark.parametrize("vocabulary", ["characters", "jamo", "words"])
@pytest.mark.parametrize("learned", [False, True])
def test_of_a_text_just_the_last_tokens_are_read(
    vocabulary: str, learned: bool, tmp_path: Path
) -> None:
    made = make(
        "language_model",
        tmp_path,
        text__vocabulary=vocabulary,
        model__learned_initial_state=learned,
    )
    subject, contexts = made.subject, (0, 1, 3, 8)
    assert isinstance(subject, LanguageModelSubject)
    passages = [subject.passage(subject.passages(TEXT)[0].given[k : k + 20], "") for k in (0, 30)]
    found = found_by(made, passages, contexts, positions=100)
    assert found.contexts == contexts
    assert found.losses.shape == found.shuffled.shape == (4, 24)
    assert subject.task.model.training, "the mode comes back"
    model, wanted = subject.task.model.eval(), []
    for ids in (passage.given.tolist() for passage in passages):
        for place in range(8, 20):
            read = [ids[place - c : place] for c in contexts]
            logits = [
                next_token_logits(model, [*start_tokens(subject.task.vocabulary, part), *part])[0]
                for part in read
            ]
            wanted.append([-float(one.log_softmax(0)[ids[place]]) for one in logits])
    np.testing.assert_allclose(columns(found.losses), columns(np.array(wanted).T), rtol=1e-9)


def test_a_text_longer_than_what_is_in_memory_at_once(tmp_path: Path) -> None:
    made = make("language_model", tmp_path)
    (whole,) = made.subject.passages(TEXT)
    done = list[float]()
    found = found_by(made, [whole], (150,), positions=1, progress=done.append)
    assert len(done) > 2
    assert done[-1] == 1
    model, ids = made.subject.task.model.eval(), whole.given.tolist()
    lead = start_tokens(made.subject.task.vocabulary, [0])
    losses = [
        -float(
            next_token_logits(model, [*lead, *ids[place - 150 : place]])[0].log_softmax(0)[
                ids[place]
            ]
        )
        for place in range(150, len(ids))
    ]
    assert np.abs(np.array(losses) - found.losses[0, 0]).min() < 1e-9


def register(folder: Path) -> Made:
    """A language model that says again what it read three tokens ago, and knows no more."""
    V = len(make("language_model", folder).subject.task.vocabulary)
    made = make(
        "language_model", folder,
        model__cell="elman", model__input="one-hot", model__hidden_size=3 * V,
    )  # fmt: skip
    model, shift = made.subject.task.model, torch.eye(V, dtype=torch.float64)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        layer = model.recurrent.stack[0]
        layer.W_x[:, :V] = 0.01 * shift  # so little that tanh is the identity
        layer.W_h[:V, V : 2 * V] = shift
        layer.W_h[V : 2 * V, 2 * V :] = shift
        model.output.weight[:, 2 * V :] = 700 * shift
    return made


def test_a_model_that_remembers_three_tokens_uses_three(tmp_path: Path) -> None:
    made = register(tmp_path)
    subject, rng = made.subject, np.random.default_rng(1)
    assert isinstance(subject, LanguageModelSubject)
    ids = [1, 2, 3]
    while len(ids) < 300:
        ids.append(ids[-3] if rng.random() < 0.9 else int(rng.integers(8)))
    passage = subject.passage(torch.tensor(ids), "")
    found = found_by(made, [passage], (0, 1, 2, 3, 5, 20, 120))
    assert found.used == 3
    assert (found.mean[:3] > 2.5).all()
    assert (found.mean[3:] < 1.5).all()
    np.testing.assert_allclose(found.losses[3:], found.losses[3:4].repeat(4, 0), atol=1e-3)
    # The order beyond is nothing to it, and what is nearer it needs.
    np.testing.assert_allclose(found.shuffled[3:], found.losses[3:], atol=1e-3)
    assert (found.shuffled[:3].mean(1) > 2.5).all()
    assert json_values(found)["unit"] == subject.unit == "characters"


@pytest.mark.parametrize("name", ["language_model", "classify"])
def test_shuffled_is_everything_beyond_the_context(name: str, tmp_path: Path) -> None:
    made = make(name, tmp_path)
    contexts = (0, 2, 5, 11)
    if name == "language_model":
        # Where all tokens are alike their order is none.
        ids = made.subject.passages(TEXT)[0].given
        alike = made.subject.passage(ids[3].repeat(40), "")  # type: ignore[attr-defined]
        mixed = made.subject.passage(ids[:40], "")  # type: ignore[attr-defined]
    else:
        (alike, mixed) = (
            passage._replace(given=passage.given._replace(inputs=(ids,)))
            for passage in made.some[:1]
            for ids in (passage.given.inputs[0][:1].repeat(12), torch.arange(1, 13))
        )
    same = found_by(made, [alike], contexts)
    np.testing.assert_allclose(same.shuffled, same.losses[-1:].repeat(4, 0), rtol=1e-9)
    found, other = (found_by(made, [mixed], contexts, seed=seed) for seed in (1, 2))
    assert np.array_equal(found.shuffled[-1], found.losses[-1])
    assert not np.isclose(found.shuffled[:-1], found.losses[-1:]).all()
    assert not np.array_equal(found.shuffled, other.shuffled)


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_of_a_question_the_last_steps_are_read(direction: str, tmp_path: Path) -> None:
    made = make("classify", tmp_path, model__direction=direction)
    task, passages = made.subject.task, made.subject.held_out(made.config)
    found = found_by(made, passages, (0, 1, 4, 1000), positions=10**6)
    longest = max(len(passage.given.inputs[0]) for passage in passages)
    assert found.contexts == (0, 1, 4, longest)
    wanted = []
    for example in (passage.given for passage in passages):
        (x,) = example.inputs
        cut = [example._replace(inputs=(x[max(len(x) - c, 0) :],)) for c in found.contexts]
        wanted.append([-float(task.log_probabilities([e])[0][example.target]) for e in cut])
    np.testing.assert_allclose(columns(found.losses), columns(np.array(wanted).T), rtol=1e-6)
    assert found.unit == "tokens"


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_of_a_sentence_the_words_before_are_read_and_all_behind(
    direction: str, tmp_path: Path
) -> None:
    made = make("tag", tmp_path, model__direction=direction)
    task, passages = made.subject.task, made.subject.held_out(made.config)[:5]
    # A label that training did not know is no place.
    passages[0].given.target[1] = -1
    found = found_by(made, passages, (0, 1, 2, 1000), positions=10**6)
    wanted, model = [], task.model.eval()
    for example in (passage.given for passage in passages):
        (x,), target = example.inputs, example.target
        for place in (target >= 0).nonzero().flatten().tolist():
            row = []
            for c in found.contexts:
                start = max(place - c, 0)
                cut = example._replace(inputs=(x[start:],), target=target[start:])
                emissions = model(task.collate([cut]).inputs).detach()[0, place - start]
                row.append(-float(emissions.log_softmax(0)[target[place]]))
            wanted.append(row)
    np.testing.assert_allclose(columns(found.losses), columns(np.array(wanted).T), rtol=1e-9)
    assert found.unit == "words"
    assert len(wanted) > len(passages)


def test_mean_error_and_places(tmp_path: Path) -> None:
    made = make("language_model", tmp_path)
    passages, done = made.subject.passages(TEXT), list[float]()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = found_by(made, passages, (0, 10, 50, 100), positions=30, progress=done.append)
    assert torch.equal(torch.get_rng_state(), before), "no other random number is touched"
    assert found.losses.shape == (4, 30)
    np.testing.assert_allclose(found.mean, found.losses.mean(1))
    np.testing.assert_allclose(found.error, found.losses.std(1, ddof=1) / math.sqrt(30))
    assert done == sorted(done)
    assert done[-1] == 1
    again, other = (
        found_by(made, passages, (0, 10, 50, 100), positions=30, seed=seed) for seed in (1, 2)
    )
    assert np.array_equal(found.losses, again.losses)
    assert np.array_equal(found.shuffled, again.shuffled)
    assert not np.array_equal(found.losses, other.losses)


@pytest.mark.parametrize(
    ("mean", "wanted"),
    [
        ([3.0, 2.0, 1.009, 1.0], 5),
        ([3.0, 2.0, 1.011, 1.0], None),
        ([0.5, 0.059, 0.06, 0.05], 1),
        ([9.05, 9.5, 9.2, 9.0], 0),
    ],
)
def test_the_context_in_use(mean: list[float], wanted: int | None) -> None:
    assert used((0, 1, 5, 20), np.array(mean)) == wanted


def test_what_is_too_short_or_has_no_place(tmp_path: Path) -> None:
    made = make("language_model", tmp_path)
    subject = made.subject
    passages = subject.passages(TEXT[:20])
    found = found_by(made, passages, (10, 0, 11, 500, 10))
    assert found.contexts == (0, 10), "half of the text is the limit"
    for given in ([], subject.passages("가")[:0], [subject.windows(passages, 1, 1)[0]]):
        with pytest.raises(UsageError, match="too short"):
            memory_use(subject, given)
    for options in ({"positions": 0}, {"contexts": ()}, {"contexts": (-1, 2)}):
        with pytest.raises(UsageError):
            memory_use(subject, passages, **options)
    with pytest.raises(UsageError, match="no examples"):
        memory_use(make("classify", tmp_path).subject, [])
    for name in ("translate", "describe"):
        writer = make(name, tmp_path)
        assert memory_use(writer.subject, writer.some) is None
