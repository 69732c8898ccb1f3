"""`sunhwan lab gradients`: shares that add up, starts of W_h, and what the command prints."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from sunhwan.cells import CELLS
from sunhwan.cells.initial import STARTS
from sunhwan.cli.lab_tables import gradient_findings
from sunhwan.config import Config
from sunhwan.errors import ConfigError, UsageError
from sunhwan.lab import gradient_figures
from sunhwan.lab.gradient_figures import draw_gradients
from sunhwan.lab.gradients import (
    GradientSettings,
    LinearElman,
    Variant,
    horizon,
    take_apart,
    variants,
)
from sunhwan.layers import Look, Recurrent, observing
from sunhwan.layers.shares import layer_steps, parameter_shares, shares_of
from sunhwan.models.recurrence import recurrence
from tests.conftest import Command

TEXT = "나는 산에서 웃고 너는 강에서 걷는다. " * 8
SMALL = GradientSettings(hidden_size=5, lags=9, rows=3)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_shares_of_every_step_add_up_to_every_gradient(name: str, bidirectional: bool) -> None:
    torch.manual_seed(3)
    net = Recurrent(name, 4, 5, 2, bidirectional=bidirectional).double()
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    weights = torch.randn(2, 7, net.output_size, dtype=torch.float64)
    with observing(net, Look.STEPS) as calls:
        loss = (net(x)[0] * weights).sum()
    runs = layer_steps(net, calls[0].traced, loss)
    (net(x)[0] * weights).sum().backward()  # by the kernel, over all steps at once
    for run in runs:
        steps = list(parameter_shares(run))
        assert len(steps) == 7
        for own, stored in run.layer._stored.items():
            whole = run.layer.get_parameter(stored).grad
            assert whole is not None
            total = sum(step[own] for step in steps[1:]) + steps[0][own]
            total = total.T if total.dim() == 2 else total
            bound = 1e-12 * max(float(whole.abs().max()), 1.0)
            assert float((total - whole).abs().max()) <= bound, own


def test_a_share_is_what_a_step_gives_of_the_whole() -> None:
    found = shares_of([torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]), torch.zeros(2)])
    assert [share.norm for share in found] == [3.0, 4.0, 0.0]
    assert [share.share for share in found] == pytest.approx([9 / 25, 16 / 25, 0.0])
    assert [share.share for share in shares_of([torch.zeros(2)])] == [0.0]
    assert shares_of([]) == []


def test_a_linear_network_s_gradient_is_the_power_of_its_matrix() -> None:
    """∂h_t/∂h_{t−k} = W_h^k: the curve is known without any backward pass."""
    found = take_apart(Variant("elman identity", LinearElman(), "uniform", 1.3), SMALL, TEXT)
    assert found.derivatives[-1] == 1.0
    assert found.sum_error < 1e-12
    assert sum(share.share for share in found.shares) == pytest.approx(1.0)
    kept = take_apart(Variant("elman identity", LinearElman(), "orthogonal"), SMALL, TEXT)
    assert kept.curve == pytest.approx([kept.curve[0]] * 10, rel=1e-5)
    assert kept.powers == pytest.approx([1.0] * 10, rel=1e-5)
    assert kept.horizon is None
    half = take_apart(Variant("elman identity", LinearElman(), "orthogonal", 0.5), SMALL, TEXT)
    assert half.curve == pytest.approx([half.curve[0] * 0.5**k for k in range(10)], rel=1e-5)
    assert half.horizon == 7  # 0.5⁷ < 0.01 < 0.5⁶
    assert (half.radius, half.norm) == pytest.approx((0.5, 0.5), rel=1e-5)


def test_clipping_keeps_the_direction() -> None:
    tight = GradientSettings(hidden_size=5, lags=9, rows=3, clip_norm=1e-3)
    found = take_apart(variants(["tanh"], [], ["orthogonal"], [1.0])[0], tight, TEXT)
    assert found.clipped.norm > 0.01
    assert found.clipped.limited == pytest.approx(1e-3, rel=1e-2)
    assert found.clipped.cosine == pytest.approx(1.0, abs=1e-12)


def test_sigmoid_forgets_before_tanh_does() -> None:
    settings = GradientSettings(lags=20, rows=4)
    pair = variants(["tanh", "sigmoid"], [], ["orthogonal"], [1.0])
    tanh, sigmoid = (take_apart(one, settings, TEXT) for one in pair)
    assert tanh.horizon is None
    assert sigmoid.horizon is not None
    assert sigmoid.horizon <= 5
    assert sum(sigmoid.derivatives[5:]) == 0.0, "σ' is 1/4 at most"
    assert sum(tanh.derivatives[15:]) > 0.5


@pytest.mark.parametrize("source", ["recall", "adding", "copy"])
def test_tasks_and_training(source: str) -> None:
    fresh = GradientSettings(source, hidden_size=4, lags=5, rows=3)
    trained = GradientSettings(source, hidden_size=4, lags=5, rows=3, steps=3)
    (lstm,) = variants([], ["lstm"], [], [])
    before, after = take_apart(lstm, fresh), take_apart(lstm, trained)
    assert (before.field, before.parameter, before.radius, before.powers) == ("c", "W_h", None, [])
    assert before.sum_error < 1e-12
    assert before.loss != after.loss
    again = take_apart(lstm, trained)
    assert again == after


def test_a_cell_without_w_h_comes_once() -> None:
    made = variants([], ["mingru", "gru"], ["orthogonal", "uniform"], [1.0, 2.0])
    assert [one.label for one in made] == [
        "mingru", "gru orthogonal", "gru orthogonal × 2", "gru uniform", "gru uniform × 2",
    ]  # fmt: skip
    found = take_apart(made[0], SMALL, TEXT)
    assert (found.parameter, found.start) == ("W_x", "")
    assert sum(share.share for share in found.shares) == pytest.approx(1.0)


def test_a_horizon_is_where_a_curve_stays_low() -> None:
    assert horizon("h", [1.0, 0.005, 0.5, 0.005]) == 3
    assert horizon("h", [1.0, 1.2, 0.011, 0.009]) == 3
    assert horizon("h", [1.0, 1e300, float("inf"), float("nan")]) is None
    assert horizon("c", [0.0, 1.0, 0.5]) is None
    assert horizon("c", [0.0, 0.0]) == 0


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", ["elman", "lstm", "lstm_projected"])
def test_how_w_h_begins(name: str, start: str) -> None:
    torch.manual_seed(5)
    H, model = 40, {"cell": name, "hidden_size": 40, "num_layers": 1, "dropout": 0.0}
    config = Config.from_dict({"model": model | {"start": start, "start_scale": 0.5}}).model
    (layer,) = recurrence(config, 3, bidirectional=False).stack
    gates = len(layer.cell.gates_of_W_h)
    for block in layer.W_h.detach().chunk(gates, 1):
        P, W = len(block), block.double().numpy()
        singular = np.linalg.svd(W)[1]
        if start in ("orthogonal", "identity"):
            assert singular == pytest.approx(np.full(P, 0.5), rel=1e-5)
            assert start == "orthogonal" or np.array_equal(W, 0.5 * np.eye(P, H))
        elif start == "uniform":
            assert np.abs(W).max() == pytest.approx(0.5 * H**-0.5, rel=0.02)
        else:
            assert W.std() == pytest.approx(0.5 * H**-0.5, rel=0.1)
            assert P < H or np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.5, rel=0.4)


def test_a_start_needs_a_matrix() -> None:
    with pytest.raises(ConfigError, match="MinGRU has none"):
        Recurrent("mingru", 3, 4, start="identity")
    with pytest.raises(ConfigError, match="begin as 'eye'"):
        Recurrent("gru", 3, 4, start="eye")


def test_the_command(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "기울기"
    done = command(
        "lab", "gradients", "--activation=tanh", "--cells=gru", "--start=uniform", "--scale=0.5,1",
        "--lags=6", "--hidden-size=4", "--rows=2", "--out", out, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert [one["label"] for one in value["variants"]] == [
        "elman tanh uniform × 0.5", "elman tanh uniform", "gru uniform × 0.5", "gru uniform",
    ]  # fmt: skip
    assert all(one["sum_error"] < 1e-12 for one in value["variants"])
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == value
    assert (out / "gradients.png").read_bytes().startswith(b"\x89PNG")
    assert "elman tanh uniform × 0.5" in done.err


def test_the_picture_shows_what_grows_and_what_clipping_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (chosen,) = variants(["identity"], [], ["orthogonal"], [3.0])
    settings = GradientSettings(lags=15, rows=2, hidden_size=4)
    found = take_apart(chosen, settings, TEXT)
    figures: list[Figure] = []
    monkeypatch.setattr(gradient_figures, "png_of", lambda figure, _: figures.append(figure) or b"")
    draw_gradients([found], settings, tmp_path / "a.png")
    curves, legend = figures[0].axes[:2]
    assert curves.get_ylim()[1] > max(found.curve) / found.curve[0] > 1e6
    (text,) = legend.get_legend().get_texts()
    assert text.get_text() == f"{found.label}: {found.clipped.norm:.3g} → 1"


def test_what_vanishes_and_what_grows_is_said() -> None:
    chosen = variants(["sigmoid", "identity"], [], ["orthogonal"], [1.2])
    found = [
        take_apart(one, GradientSettings(lags=20, rows=2, hidden_size=8), TEXT) for one in chosen
    ]
    vanishes, grows = gradient_findings(found, 20)
    assert vanishes.startswith(
        f"vanishes soonest: {found[0].label}, under 1 % from {found[0].horizon} "
    )
    ratio = found[1].curve[20] / found[1].curve[0]
    assert grows == f"grows most: {found[1].label}, {ratio:.2g} times as large 20 steps back"
    assert gradient_findings(found[:1], 20) == [vanishes]


def test_of_two_that_vanish_at_the_same_lag_the_lower_is_the_sooner() -> None:
    (chosen,) = variants(["sigmoid"], [], ["orthogonal"], [1.0])
    found = take_apart(chosen, GradientSettings(lags=4, rows=2, hidden_size=8), TEXT)
    curves = {"higher": [1, 0.1, 0.007, 0.0], "lower": [2, 0.2, 0.002, 0.0]}
    both = [
        dataclasses.replace(found, label=name, curve=curve, horizon=2)
        for name, curve in curves.items()
    ]
    assert gradient_findings(both, 3)[0].startswith("vanishes soonest: lower,")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--activation=tan",), "no activation 'tan'"),
        (("--start=eye",), "no start 'eye'"),
        (("--scale=one",), "'one'"),
        (("--scale=-1",), "from 0 on"),
        (("--task=remember",), "no source 'remember'"),
        (("--lags=0",), "lags"),
        (("--clip-norm=0",), "clip norm"),
        (("--activation=", "--cells="), "name an --activation"),
        (("--task=recall", "--text=a.txt"), "leave one out"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = command("lab", "gradients", "--out", tmp_path / "new", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.sentence
    assert not (tmp_path / "new").exists()


def test_a_short_text_is_refused() -> None:
    (one,) = variants(["tanh"], [], [], [])
    with pytest.raises(UsageError, match="at least 11"):
        take_apart(one, SMALL, "너무 짧다")


def test_what_grows_beyond_all_numbers_is_refused(command, tmp_path):
    done = command(
        "lab", "gradients", "--scale=1e9", "--activation=identity", "--lags=40", "--rows=2",
        "--start=orthogonal", "--out", tmp_path / "out",
    )  # fmt: skip
    assert "grows beyond all numbers" in done.sentence
