"""Probes: a unit that was planted is found, a network that learned nothing is not praised."""

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from sunhwan.config import Config, ModelConfig
from sunhwan.errors import UsageError
from sunhwan.inspection.features import FEATURES, Feature
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.correlations import chosen_values, correlations, units_of
from sunhwan.inspection.measures.detection import best_threshold, detection
from sunhwan.inspection.measures.probe_baselines import chance_of, untrained
from sunhwan.inspection.measures.probe_targets import probe_targets
from sunhwan.inspection.measures.probes import probe
from sunhwan.inspection.measures.state_reader import select_steps
from sunhwan.inspection.subjects import Passage, Subject, subject_of
from sunhwan.layers import Look
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import Vocabulary, build_vocabulary
from tests.inspection.subjects import NAMES, Made, make

QUOTE, POSITION = 5, 11
"""The units that are planted."""


def prose(lines: int, seed: int = 1) -> str:
    """Lines of words, some between quotation marks, of which a line's end may close some."""
    rng = random.Random(seed)
    words = [
        "the",
        "hen",
        "pecks",
        "at",
        "seeds",
        "강아지가",
        "꼬리를",
        "흔든다",
        "while",
        "It",
        "rains",
    ]
    text = []
    for _ in range(lines):
        line = [rng.choice(words) for _ in range(rng.randint(3, 14))]
        if rng.random() < 0.6:
            start = rng.randrange(len(line))
            line[start] = '"' + line[start]
            if rng.random() < 0.8:
                end = rng.randrange(start, len(line))
                line[end] += '"'
        text.append(" ".join(line))
    return "\n".join(text) + "\n"


TEXT = prose(400)
VOCABULARY = build_vocabulary("characters", [TEXT])


def language_model(
    vocabulary: Vocabulary = VOCABULARY, *, cell: str = "lstm", seed: int = 1, **options: object
) -> Subject:
    """A fresh one of two layers, untrained."""
    model = ModelConfig(
        cell=cell, hidden_size=16, num_layers=1, embedding_size=6, input="embedding", dropout=0.0
    )
    model = dataclasses.replace(model, **options)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    return subject_of(LanguageModelTask(dataclasses.replace(Config(), model=model), vocabulary))


def planted() -> Subject:
    """An LSTM with a latch that a quotation mark turns over, and a counter of characters.

    The latch: c = ±1, a mark writes tanh(1 − 10 h) over it, a line break −1. The counter: c grows by
    tanh(0.02) a character and a line break clears it. The other units are random, and see both.
    """
    subject = language_model(input="one-hot")
    (layer,) = subject.recurrents["recurrent"].stack
    H = layer.hidden_size
    mark, newline = VOCABULARY.encode('"\n').tolist()
    gates = dict(zip("ifgo", range(0, 4 * H, H), strict=True))
    own = {gate: {unit: at + unit for unit in (QUOTE, POSITION)} for gate, at in gates.items()}
    with torch.no_grad():
        W_x, W_h, b = layer.W_x, layer.W_h, layer.get_parameter("b")
        for place in (place for units in own.values() for place in units.values()):
            W_x[:, place], W_h[:, place], b[place] = 0, 0, 0
        latch, counter = ({gate: own[gate][unit] for gate in own} for unit in (QUOTE, POSITION))
        b[latch["i"]], b[latch["f"]], b[latch["o"]] = -30, 30, 30
        W_x[[mark, newline], latch["i"]], W_x[[mark, newline], latch["f"]] = 60, -60
        W_h[QUOTE, latch["g"]], b[latch["g"]], W_x[newline, latch["g"]] = -10, 1, -100
        b[counter["i"]], b[counter["f"]], b[counter["o"]] = 30, 30, 30
        W_x[newline, counter["i"]], W_x[newline, counter["f"]] = -60, -60
        b[counter["g"]] = 0.02
    return subject


def test_planted_units_are_found() -> None:
    subject = planted()
    found = probe(subject, subject.passages(TEXT))
    quotes, position = (
        found.best(name) for name in ("inside quotation marks", "position in the line")
    )
    assert (quotes.index, quotes.layer, quotes.stack, quotes.sign) == (QUOTE, 0, "recurrent", 1)
    assert (position.unit.field, position.unit.index) == ("c", POSITION)
    assert quotes.passed
    assert position.passed
    assert min(quotes.score, position.score) > 0.97
    second = quotes.runners_up[0].unit
    assert (second.index, {second.field, quotes.field}) == (QUOTE, {"h", "c"})
    assert quotes.runners_up[1].score < 0.9
    assert quotes.found is not None
    assert min(quotes.found) > 0.97
    assert -0.9 < (quotes.threshold or 9) < 0.9
    assert position.threshold is None
    assert {found.results[0].feature, found.results[1].feature} <= {
        "inside quotation marks", "inside a string literal", "position in the line",
    }  # fmt: skip
    assert not found.best("start of a word").passed
    assert found.share["inside quotation marks"] == pytest.approx(quotes.share)
    assert 0.1 < found.share["inside quotation marks"] < 0.5
    assert "inside braces" in found.skipped
    assert found.units == 32
    assert json_values(found)["results"][0]["feature"] == found.results[0].feature


def test_low_values_may_mean_the_feature() -> None:
    subject = planted()
    outside = Feature(
        "outside", "binary", lambda text: 1 - FEATURES["inside quotation marks"].of(text), "", ""
    )
    (result,) = probe(subject, subject.passages(TEXT), features=[outside]).results
    assert (result.index, result.sign, result.passed) == (QUOTE, -1, True)
    assert result.score > 0.97
    assert result.found is not None
    assert min(result.found) > 0.97


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_network_that_learned_nothing_is_not_praised(cell: str, seed: int) -> None:
    subject = language_model(cell=cell, seed=100 + seed, hidden_size=24)
    found = probe(subject, subject.passages(prose(300, seed)), seed=seed)
    assert len(found.results) > 10
    assert [result.feature for result in found.results if result.passed] == []


def test_an_unrelated_feature_is_not_praised() -> None:
    # It keeps on and off for long, as many a unit does.
    rng = np.random.default_rng(1)
    values = np.repeat(rng.random(len(TEXT) // 60 + 1) < 0.5, 60)[: len(TEXT)]
    subject = planted()
    found = probe(
        subject, subject.passages(TEXT),
        features=[Feature("noise", "binary", lambda text: values[: len(text)], "", "")],
    )  # fmt: skip
    assert not found.best("noise").passed


def test_the_same_seed_finds_the_same_and_nothing_is_touched() -> None:
    subject = language_model()
    subject.task.model.train()
    passages = subject.passages(TEXT[:6000])
    torch.manual_seed(9)
    before, told = torch.get_rng_state(), list[float]()
    one = probe(subject, passages, progress=told.append)
    assert torch.equal(torch.get_rng_state(), before)
    assert subject.task.model.training
    assert probe(subject, passages)._replace(seconds=0) == one._replace(seconds=0)
    assert told == sorted(told)
    assert told[-1] == 1
    assert told[0] < 0.5


def test_too_little_to_judge_is_said() -> None:
    subject = language_model()
    for text in ("", "a", TEXT[:50]):
        found = probe(subject, subject.passages(text))
        assert found.results == ()
        assert set(found.skipped) == set(FEATURES)
    with pytest.raises(UsageError, match="2 or more"):
        probe(subject, subject.passages(TEXT), controls=1)


def test_infinite_states_are_no_finds() -> None:
    subject = language_model(cell="elman_relu")
    with torch.no_grad():
        subject.recurrents["recurrent"].stack[0].get_parameter("W_h_T").fill_(9.0)
    found = probe(subject, subject.passages(TEXT[:6000]))
    assert not any(result.passed for result in found.results)


# What is read.


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: make(name, tmp_path_factory.mktemp(name)) for name in NAMES}


def in_single_precision(made: Made) -> tuple[Subject, list[Passage]]:
    subject = made.subject
    subject.task.model.float()
    hooks = [m for m in subject.task.model.modules() if m._forward_pre_hooks]
    for module in hooks:
        module._forward_pre_hooks.clear()
    return subject, subject.held_out(made.config)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_is_probed(name: str, made: dict[str, Made]) -> None:
    subject, passages = in_single_precision(made[name])
    found = probe(subject, passages, controls=2)
    assert found.tokens >= 80
    assert found.results
    assert not any(result.passed and result.score < 0.3 for result in found.results)
    assert all(0 <= result.chance <= 1 for result in found.results)


def states(subject: Subject, passages: list[Passage]) -> np.ndarray:
    """All states of all steps, each passage from the initial state on: (n, U)."""
    rows = []
    recurrent = subject.recurrents[subject.main]
    for passage in passages:
        with torch.no_grad():
            stack = subject.observe([passage], Look.STATES).runs[subject.main]
        fields = [
            layer[field]
            for layer, one in zip(stack.traced.layers, recurrent.stack, strict=True)
            for field in one.cell.state_type._fields
        ]
        rows.append(torch.cat(fields, -1)[0])
    return torch.cat(rows).double().numpy()


@pytest.mark.parametrize("name", ["language_model", "classify", "tag", "translate"])
def test_correlations_are_pearsons(name: str, tmp_path: Path) -> None:
    subject, config, _ = make(
        name, tmp_path, model__direction="" if name == "language_model" else "both"
    )
    passages = subject.held_out(config)
    stretches = select_steps(subject, passages, 10_000)
    if name == "language_model":
        read = [
            subject.cut(passages[0], s, s + n)
            for s, n in zip(stretches.starts, stretches.lengths, strict=True)
        ]
    else:
        read = list(stretches.rows)
    h = states(subject, read)
    f = np.random.default_rng(1).standard_normal((len(h), 3)).astype(np.float32)
    found = correlations(subject, stretches, f, [0.0, 0.3])
    assert found.shape == (2, 2, 3, len(units_of(subject.main, subject.recurrents[subject.main])))
    for half, steps in enumerate(stretches.halves()):
        n = steps.stop - steps.start
        for s, shift in enumerate((0.0, 0.3)):
            moved = np.roll(f[steps], -round(shift * n), 0)
            wanted = np.corrcoef(moved.T, h[steps].T)[:3, 3:]
            np.testing.assert_allclose(found[half, s], wanted, atol=1e-5)
    some = [3, 0, h.shape[1] - 1]
    np.testing.assert_allclose(chosen_values(subject, stretches, some), h[:, some], atol=1e-5)


def test_a_small_variance_on_a_large_value_counts() -> None:
    subject = language_model(cell="elman")
    with torch.no_grad():
        for parameter in subject.recurrents["recurrent"].parameters():
            parameter[0 if parameter.dim() == 2 else slice(0, 1)] = 0
        subject.recurrents["recurrent"].stack[0].get_parameter("b")[0] = 1.0
    passages = subject.passages(TEXT[:3000])
    stretches = select_steps(subject, passages, 3000)
    f = np.random.default_rng(1).standard_normal((len(stretches.steps), 1)).astype(np.float32)
    (found, *_), _ = correlations(subject, stretches, f)
    assert found[0, 0] == 0, "it never changes"
    assert np.all(found[0, 1:] != 0)


@pytest.mark.parametrize("limit", [100, 1000, 4001, 10**6])
def test_halves_of_a_text_are_apart_and_spread_over_it(limit: int) -> None:
    subject = language_model()
    passages = subject.passages(TEXT)
    total = len(passages[0].given)
    stretches = select_steps(subject, passages, limit)
    choosing, testing = (stretches.steps[half] for half in stretches.halves())
    assert min(limit, total - 64) <= len(stretches.steps) <= min(limit + 64, total)
    assert choosing.max() < testing.min()
    assert len(choosing) == len(testing)
    assert stretches.steps.max() > 0.9 * total or limit < 1000
    ids = torch.cat(list(stretches.rows))
    assert torch.equal(ids, passages[0].given[stretches.steps])
    part, places = stretches.part(limit // 3)
    assert torch.equal(torch.cat(list(part.rows)), ids[places])
    assert (part.steps == stretches.steps[places]).all()
    assert (part.steps[part.halves()[1]] >= testing.min()).all()
    assert part.chosen_on > 0


def test_halves_of_examples_are_whole(made: dict[str, Made]) -> None:
    subject, _, prepared = made["classify"]
    passages = [subject.of_example(e) for e in prepared.train]  # type: ignore[attr-defined]
    total = sum(len(p.pieces) for p in passages)
    for limit in (total, total // 3):
        stretches = select_steps(subject, passages, limit)
        assert limit / 2 < len(stretches.steps) <= limit + 20
        assert abs(stretches.chosen_on - len(stretches.steps) / 2) < 20
        assert stretches.chosen_on in (*stretches.starts, 0)
        part, places = stretches.part(limit // 2)
        assert [p.where for p in part.rows] == [p.where for p in stretches.rows[::2]]
        assert (part.steps == stretches.steps[places]).all()


def test_no_examples_are_no_stretches(made: dict[str, Made]) -> None:
    found = probe(made["classify"].subject, [])
    assert (found.results, found.tokens) == ((), 0)


# Features at steps.


def at_steps(kind: str, text: str, feature: str) -> list[float]:
    vocabulary = build_vocabulary(kind, [text])
    subject = language_model(vocabulary)
    ids = torch.from_numpy(vocabulary.encode(text)).long()
    passage = subject.passage(ids, "here")  # type: ignore[attr-defined]
    (column,) = probe_targets(subject, [passage], [FEATURES[feature]])
    return column.values.tolist()


def test_a_step_has_the_value_of_the_character_it_ends_or_is_part_of() -> None:
    text = "(각가) a"
    assert at_steps("characters", text, "inside parentheses") == [1, 1, 1, 0, 0, 0]
    assert at_steps("jamo", text, "final consonant") == [0, 1, 1, 1, 0, 0, 0, 0, 0]
    assert at_steps("bytes", text, "final consonant") == [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert at_steps("words", "ab cd e", "position in the word") == [2, 2, 1]


def test_labels_of_a_tagger_are_features(made: dict[str, Made]) -> None:
    subject, passages = in_single_precision(made["tag"])
    columns = {column.name: column for column in probe_targets(subject, passages)}
    labels = [label for p in passages for label in p.given.raw[-1].split("\t")]
    assert columns["label B-PER"].values.tolist() == [label == "B-PER" for label in labels]
    assert set(columns) - set(FEATURES) == {f"label {label}" for label in set(labels)}
    words = [word for passage in passages for word in passage.pieces]
    assert columns["position in the word"].values.tolist() == [len(w.strip()) for w in words]


def test_passages_are_lines_of_their_own(made: dict[str, Made]) -> None:
    subject, passages = in_single_precision(made["classify"])
    (column,) = probe_targets(subject, passages[:3], [FEATURES["position in the line"]])
    lengths = [len(passage.pieces) for passage in passages[:3]]
    assert column.values.tolist() == [k + 1 for n in lengths for k in range(n)]


# Chance.


def test_untrained_networks_are_alike_in_shape_alone(made: dict[str, Made]) -> None:
    for name in NAMES:
        subject, _ = in_single_precision(made[name])
        one, same, other = (untrained(subject, seed) for seed in (1, 1, 2))
        ours = subject.task.model.state_dict()
        theirs = one.task.model.state_dict()
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
        weights = [next(s.recurrents[s.main].parameters()) for s in (subject, one, same, other)]
        assert torch.equal(weights[1], weights[2])
        assert not torch.equal(weights[1], weights[3])
        assert not torch.equal(weights[0], weights[1])


def test_chance_lies_over_every_control_and_is_seldom_reached() -> None:
    rng = np.random.default_rng(1)
    K, F, reached = 4, 20, 0
    means = rng.uniform(0.05, 1.5, F)
    for _ in range(500):
        controls = np.tanh(means + 0.05 * rng.standard_normal((K + 1, F)))
        chance = chance_of([controls[:K], controls[:K] / 2])
        assert (chance > controls[:K].max(0)).all()
        reached += bool((controls[K] > chance).any())
    # The level is 1 in 100 from the mean on; from the largest control on it is less.
    assert reached <= 5
    tight = chance_of([np.full((4, 3), 0.5)])
    np.testing.assert_allclose(tight, 0.5)


def test_thresholds_and_what_they_find() -> None:
    rng = np.random.default_rng(1)
    for share in (0.05, 0.5, 0.9):
        truth = rng.random(300) < share
        values = np.round(truth + rng.standard_normal(300), 1)
        threshold = best_threshold(values, truth)
        every = [f1_score(truth, values > t) for t in np.unique(values)]
        found = detection(values, truth, threshold)
        assert found.f1 == pytest.approx(max(every))
        assert found.f1 == pytest.approx(f1_score(truth, values > threshold))
        assert found.precision == pytest.approx(precision_score(truth, values > threshold))
        assert found.recall == pytest.approx(recall_score(truth, values > threshold))
        assert found.auc == pytest.approx(roc_auc_score(truth, rankdata(values)))
    assert best_threshold(np.array([1.0, 2.0]), np.array([False, False])) == -np.inf
    assert best_threshold(np.array([1.0, 1.0]), np.array([True, False])) < 1
