"""Eigenvalues that are known, Jacobians by finite differences, and what training logs of them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.config import Config
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.spectrum import Place, jacobian, spectrum, spectrum_history
from sunhwan.layers import Look, Recurrent
from sunhwan.layers.spectra import recurrent_blocks, recurrent_spectra
from sunhwan.store import Run
from sunhwan.training import train
from sunhwan.training.spectra import spectra_of, spectra_pay
from tests.inspection.subjects import NAMES, make
from tests.layers.helpers import assert_close, network, some_state
from tests.shapes import SHAPES

EPSILON = 1e-6


def rotation(angle: float, length: float) -> Tensor:
    """(2, 2), eigenvalues length · exp(± i angle)."""
    c, s = math.cos(angle), math.sin(angle)
    return length * torch.tensor([[c, s], [-s, c]], dtype=torch.float64)


def elman(*blocks: Tensor) -> Recurrent:
    """An Elman network whose W_h has these blocks along its diagonal."""
    W = torch.block_diag(*blocks)
    net = Recurrent("elman", 3, len(W)).double()
    with torch.no_grad():
        net.stack[0].W_h.copy_(W)
        net.stack[0].get_parameter("b").zero_()
    return net


def test_a_rotation_keeps_lengths_and_a_shear_does_not() -> None:
    shear = torch.tensor([[0.5, 3.0], [0.0, 0.5]], dtype=torch.float64)
    (turned,) = recurrent_spectra(elman(rotation(0.7, 0.9), rotation(2, 0.3)))
    (sheared,) = recurrent_spectra(elman(shear))
    assert (turned.layer, turned.direction, turned.gate) == (0, "forward", "h")
    assert turned.radius == pytest.approx(0.9)
    assert turned.norm == pytest.approx(0.9)
    assert sheared.radius == pytest.approx(0.5, rel=1e-6)
    assert sheared.norm == pytest.approx(np.linalg.norm(shear.numpy(), 2))


def test_around_zero_the_jacobian_of_an_elman_network_is_its_matrix() -> None:
    """There tanh is the identity; h is a row, so the Jacobian is W_hᵀ."""
    net = elman(rotation(0.7, 0.9), rotation(2, 0.3))
    zeros = torch.zeros(4, dtype=torch.float64)
    J = jacobian(net.stack[0], Place(zeros[:3], (zeros,)))
    assert_close(J, net.stack[0].W_h.detach().T)
    found = np.sort_complex(torch.linalg.eigvals(J).numpy())
    angles = [0.9 * np.exp(0.7j), 0.9 * np.exp(-0.7j), 0.3 * np.exp(2j), 0.3 * np.exp(-2j)]
    np.testing.assert_allclose(found, np.sort_complex(np.array(angles)), atol=1e-12)


@pytest.mark.parametrize("zoneout", [0.0, 0.3])
@pytest.mark.parametrize("name", SHAPES)
def test_the_jacobian_is_what_a_nudge_does(name: str, zoneout: float) -> None:
    net = network(name, 4, zoneout=zoneout)
    layer = net.stack[0]
    state = some_state(net, 1)[0]
    x = torch.randn(1, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = jacobian(layer, Place(x[0], tuple(field[0] for field in state)))
    assert layer.training, "the mode comes back"
    net.eval()
    flat = torch.cat(state, 1)[0]

    def after(values: Tensor) -> Tensor:
        sizes = [field.shape[1] for field in state]
        fields: State = type(state)(*(part.unsqueeze(0) for part in values.split(sizes)))
        with torch.no_grad():
            return torch.cat(net(x.unsqueeze(0), [fields])[1][0], 1)[0]

    nudges = EPSILON * torch.eye(len(flat), dtype=torch.float64)
    columns = [(after(flat + d) - after(flat - d)) / (2 * EPSILON) for d in nudges]
    assert_close(found, torch.stack(columns, 1), 1e-7)


@pytest.mark.parametrize("name", SHAPES)
def test_blocks_are_those_of_the_recurrent_matrix(name: str) -> None:
    (layer,) = network(name, 4).stack
    blocks, p = recurrent_blocks(layer), layer.cell.effective(layer.parameters_of_cell)
    spectra = recurrent_spectra(network(name, 4))
    assert [one.gate for one in spectra] == list(blocks)
    if "W_h" not in p:
        assert blocks == {}
        return
    assert tuple(blocks) == layer.cell.gates_of_W_h
    for number, (block, one) in enumerate(zip(blocks.values(), spectra, strict=True)):
        own = p["W_h"][:, 4 * number : 4 * number + 4].detach()
        assert_close(block, p["W_m"].detach() @ own if name == "lstm_projected" else own)
        values = np.linalg.eigvals(block.numpy())
        assert one.radius == pytest.approx(np.abs(values).max())
        assert one.norm == pytest.approx(np.linalg.norm(block.numpy(), 2))


def test_a_matrix_that_is_not_finite_has_no_spectrum() -> None:
    net = network("gru", 3)
    with torch.no_grad():
        net.stack[0].W_h[0, 0] = math.nan
    found = {one.gate: one.radius for one in recurrent_spectra(net)}
    assert found["r"] == math.inf
    assert found["n"] < math.inf
    assert json.loads(json.dumps(spectra_of(torch.nn.ModuleDict({"recurrent": net}))))[0] == {
        "stack": "recurrent", "layer": 0, "direction": "forward", "gate": "r",
        "radius": None, "norm": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_jacobians_are_taken_where_the_model_is(name: str, tmp_path: Path) -> None:
    settings = {} if name in ("language_model", "describe") else {"model__direction": "both"}
    made = make(name, tmp_path, model__cell="lstm", **settings)
    subject = made.subject
    done: list[float] = []
    found = spectrum(subject, made.some, positions=3, progress=done.append)
    layers = {
        (stack, i // recurrent.directions, ("forward", "backward")[i % recurrent.directions])
        for stack, recurrent in subject.recurrents.items()
        for i in range(len(recurrent.stack))
    }
    assert {(one.stack, one.layer, one.direction) for one in found.matrices} == layers
    assert {(one.stack, one.layer, one.direction) for one in found.jacobians} == layers
    assert len(found.jacobians) % len(layers) == 0
    assert done[-1] == 1
    for one in (*found.matrices, *found.jacobians):
        assert one.radius == np.abs(one.eigenvalues).max()
        assert one.radius <= one.singular_values[0] * (1 + 1e-9)
        assert len(one.eigenvalues) == len(one.singular_values)
    assert all(one.norm == one.singular_values[0] for one in found.matrices)
    assert json.dumps(json_values(found))
    # The state before a passage's last step is the one in which the passage without it ends.
    passages = subject.windows(made.some, 100, 3)
    if name == "language_model":
        shorter = [subject.cut(p, 0, len(p.given) - 1) for p in passages]  # type: ignore[attr-defined]
        with torch.no_grad():
            traced = subject.observe(shorter, Look.STATES).runs["recurrent"].traced
        x = subject.task.model.embedding(torch.stack([p.given[-1] for p in passages]))
        layer = subject.recurrents["recurrent"].stack[0]
        for row, one in enumerate(found.jacobians):
            place = Place(x[row], tuple(field[row] for field in traced.state[0]))
            np.testing.assert_allclose(
                one.singular_values, torch.linalg.svdvals(jacobian(layer, place)), rtol=1e-9
            )
            assert passages[row].text.endswith(one.where)


def test_a_decoder_that_is_fed_goes_step_by_step_and_is_found(tmp_path: Path) -> None:
    found = [
        spectrum(make("translate", tmp_path, model__input_feeding=fed, seed=3).subject, [])
        for fed in (False, True)
    ]
    assert all(one.jacobians == [] for one in found), "there is nothing to read"
    made = make("translate", tmp_path, model__input_feeding=True)
    with torch.no_grad():
        # What is fed has no weight: the same as without it.
        decoder = made.subject.recurrents["decoder"].stack[0]
        width = made.subject.task.model.decoder.width
        start = made.config.model.embedding_size
        decoder.get_parameter("W_x_T")[:, start : start + width] = 0
    plainly = make("translate", tmp_path)
    weights = made.subject.task.model.state_dict()
    W_x = weights["decoder.recurrent.layers.0.W_x_T"]
    weights["decoder.recurrent.layers.0.W_x_T"] = torch.cat(
        (W_x[:, :start], W_x[:, start + width :]), 1
    )
    plainly.subject.task.model.load_state_dict(weights)
    fed, whole = (spectrum(m.subject, made.some, positions=3).jacobians for m in (made, plainly))
    assert len(fed) == len(whole) > 0
    for one, other in zip(fed, whole, strict=True):
        assert (one.stack, one.where) == (other.stack, other.where)
        np.testing.assert_allclose(one.singular_values, other.singular_values, rtol=1e-9)


def config(text_file: Path, **changes: object) -> Config:
    values = {
        "text.corpus": str(text_file), "data.batch_size": 4, "data.block_length": 8,
        "model.cell": "gru", "model.hidden_size": 6, "training.sample_length": 0,
        "training.steps": 12, "training.validate_every": 4, "training.threads": 1,
    }  # fmt: skip
    return Config().override({**values, **{k.replace("__", "."): v for k, v in changes.items()}})


def test_training_logs_the_start_and_every_validation(tmp_path: Path, text_file: Path) -> None:
    train(config(text_file), tmp_path / "run")
    history = spectrum_history(Run.open(tmp_path / "run"))
    assert [event["step"] for event in history] == [0, 4, 8, 12]
    assert [block["gate"] for block in history[0]["blocks"]] == ["r", "z", "n"]
    for block in history[0]["blocks"]:
        assert block["radius"] == pytest.approx(1, abs=1e-4), "W_h starts orthogonal"
        assert block["norm"] == pytest.approx(1, abs=1e-4)
    assert history[0]["blocks"] != history[3]["blocks"]


def test_a_cell_without_a_recurrent_matrix_has_no_spectrum(tmp_path: Path, text_file: Path) -> None:
    train(config(text_file, model__cell="mingru"), tmp_path / "run")
    assert spectrum_history(Run.open(tmp_path / "run")) == []
    made = make("language_model", tmp_path, model__cell="mingru")
    found = spectrum(made.subject, made.some, positions=2)
    assert found.matrices == []
    assert len(found.jacobians) == 2


def test_large_matrices_are_measured_as_often_as_training_pays_for() -> None:
    model = torch.nn.ModuleDict({"recurrent": Recurrent("lstm", 8, 300)})
    assert spectra_pay(model, "cpu", 0, 0)
    # 120 · 4 · 300³ operations each, of 6 · 4 · 300 · 308 a token.
    one = 120 * 300**3 * 4 / (0.01 * 6 * 4 * 300 * 308)
    assert not spectra_pay(model, "cpu", 1, int(1.99 * one))
    assert spectra_pay(model, "cpu", 1, int(2.01 * one))
    assert not spectra_pay(model, "cpu", 5, int(5.99 * one))
    assert not spectra_pay(model, "cuda", 1, int(2.01 * one))
    small = torch.nn.ModuleDict({"recurrent": Recurrent("lstm", 8, 60)})
    assert spectra_pay(small, "cpu", 50, 0)


def test_words_are_spelled_by_other_stacks(tmp_path: Path) -> None:
    made = make("tag", tmp_path, model__direction="both")
    assert {block["stack"] for block in spectra_of(made.subject.task.model)} == {"encoder"}
    made = make("translate", tmp_path)
    stacks = {block["stack"] for block in spectra_of(made.subject.task.model)}
    assert stacks == set(made.subject.recurrents)
