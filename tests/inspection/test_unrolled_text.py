"""A text unrolled: every number against NumPy, shares against the gradient, borders of blocks."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sunhwan.cells.elman import Elman
from sunhwan.cli.show import _matrix
from sunhwan.errors import UsageError
from sunhwan.inspection import UnrolledText, hello_model, unroll_text
from sunhwan.inspection.measures.pre_activation import pre_activations
from sunhwan.registry import CELLS
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import build_vocabulary
from tests.conftest import Command
from tests.serve.helpers import VOCABULARIES, language, save_run

NUMPY = 1e-6


@pytest.fixture(scope="module")
def hello() -> LanguageModelTask:
    return hello_model()


@pytest.fixture(scope="module")
def found(hello: LanguageModelTask) -> UnrolledText:
    return unroll_text(hello, "hell", then="o")


def close(got: object, wanted: object) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=NUMPY, atol=NUMPY)


def test_hello_is_learned_by_three_units(hello: LanguageModelTask) -> None:
    assert hello.model.recurrent.stack[0].hidden_size == 3
    assert hello.sample("h", length=14, temperature=0)[0].text == "ellohellohello"
    fresh = hello_model(trained=False)
    assert unroll_text(fresh, "hell", then="o").loss > 4.0
    for cell in ("gru", "lstm"):
        text = hello_model(cell).sample("h", length=9, temperature=0)[0].text
        assert text == "ellohello", cell


def test_every_number_is_what_numpy_says(hello: LanguageModelTask, found: UnrolledText) -> None:
    """Elman by hand, from the equations: forward, softmax, loss, and backpropagation through time."""
    layer, output = hello.model.recurrent.stack[0], hello.model.output
    W_x, W_h = (w.detach().double().numpy() for w in (layer.W_x, layer.W_h))
    b = layer.get_parameter("b").detach().double().numpy()
    V, c = output.weight.detach().double().numpy(), output.bias.detach().double().numpy()
    ids, targets = [found.labels.index(x) for x in "hell"], [found.labels.index(x) for x in "ello"]
    h, hs, total, d_ys = np.zeros(3), [np.zeros(3)], 0.0, []
    for step, token, target in zip(found.steps, ids, targets, strict=True):
        x = np.eye(4)[token]
        s = x @ W_x + h @ W_h + b
        h = np.tanh(s)
        y = V @ h + c
        p = np.exp(y - y.max()) / np.exp(y - y.max()).sum()
        own = step.layers[0]
        assert (step.id, step.target) == (token, target)
        for got, wanted in (
            (own.x, x), (own.from_input["h"], x @ W_x + b), (own.from_state["h"], hs[-1] @ W_h),
            (own.pre_activation["h"], s), (own.state["h"], h), (step.output, h), (step.y, y),
            (step.softmax, p), (step.loss, -np.log(p[target])),
        ):  # fmt: skip
            close(got, wanted)
        total -= np.log(p[target])
        hs.append(h)
        d_ys.append(p - np.eye(4)[target])
    close(found.loss, total)
    d_next, sums = np.zeros(3), [np.zeros_like(W_x), np.zeros_like(W_h), np.zeros(3)]
    parts = []
    for t in reversed(range(4)):
        d_h = V.T @ d_ys[t] + d_next
        own = found.steps[t].backward[0]
        close(own.gradient["h"], d_h)
        close(own.norms["h"], np.linalg.norm(d_h))
        d_s = d_h * (1 - hs[t + 1] ** 2)
        own_parts = [np.outer(np.eye(4)[ids[t]], d_s), np.outer(hs[t], d_s), d_s]
        sums = [a + g for a, g in zip(sums, own_parts, strict=True)]
        parts.append((t, own_parts))
        d_next = W_h @ d_s
    for t, own_parts in parts:
        for name, g, whole in zip(("W_x", "W_h", "b"), own_parts, sums, strict=True):
            share = found.steps[t].backward[0].shares[name]
            close(share.norm, np.linalg.norm(g))
            close(share.share, (g * whole).sum() / (whole**2).sum())
    for name, whole in zip(("W_x", "W_h", "b"), sums, strict=True):
        close(found.gradients[0][name], whole)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "mingru", "lstm_layer_norm"])
@pytest.mark.parametrize(("block_length", "bptt_length"), [(None, None), (2, None), (2, 3)])
def test_gradients_are_those_of_training(
    cell: str, block_length: int | None, bptt_length: int | None
) -> None:
    """Two layers, a learned start, an embedding: against the loss of training, block by block."""
    options = {"cell": cell, "num_layers": 2, "learned_initial_state": True}
    task = language(VOCABULARIES["characters"], **options)
    text = task.vocabulary.decode(list(range(2, 7)))
    found = unroll_text(task, text, block_length=block_length, bptt_length=bptt_length)
    model = task.model.double()
    ids = torch.tensor([[step.id for step in found.steps]])
    total = torch.zeros((), dtype=torch.float64)
    T = ids.shape[1]
    for start in range(0, T - 1, block_length or T):
        end = min(start + (block_length or T), T - 1)
        first = max(0, start + (block_length or T) - (bptt_length or block_length or T))
        state = None
        if first:
            _, carried = model(ids[:, :first])
            state = [type(s)(*(f.detach() for f in s)) for s in carried]
        logits, _ = model(ids[:, first:end], state)
        total = total + torch.nn.functional.cross_entropy(
            logits[0, start - first :], ids[0, start + 1 : end + 1], reduction="sum"
        )
    total.backward()  # type: ignore[no-untyped-call]
    assert found.loss == pytest.approx(total.item(), rel=1e-9)
    for layer, own in zip(model.recurrent.stack, found.gradients, strict=True):
        for name, got in own.items():
            grad = layer.get_parameter(layer._stored.get(name, name)).grad
            assert grad is not None
            wanted = grad.T if grad.dim() == 2 else grad
            np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-9, atol=1e-12)
        assert "h_0" in own
    assert model.embedding is not None
    np.testing.assert_allclose(found.embedding_gradient, model.embedding.weight.grad, atol=1e-12)
    np.testing.assert_allclose(found.output_gradients["W"].T, model.output.weight.grad, atol=1e-12)
    torch.optim.SGD(model.parameters(), lr=found.update.learning_rate).step()
    assert found.update.loss == pytest.approx(unroll_text(task, text).loss, rel=1e-9)
    np.testing.assert_allclose(found.update.embedding, model.embedding.weight.detach(), atol=1e-12)
    for name in found.steps[0].backward[0].shares:
        shares = [step.backward[0].shares[name].share for step in found.steps]
        assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_every_gate_has_its_pre_activation(cell: str) -> None:
    """σ or tanh of what is said to go into it, or the sum that the equations name."""
    found = unroll_text(hello_model(cell, trained=False), "hello")
    for step in found.steps[1:]:
        own = step.layers[0]
        gates = own.gates | own.state
        for name, s in own.pre_activation.items():
            if cell == "slstm" and name in "if":  # exponential, on the scale of m
                close(s, own.from_input[name] + own.from_state[name])
                continue
            made = [1 / (1 + np.exp(-s)), np.tanh(s), np.maximum(s, 0)]
            assert any(np.allclose(gates[name], one, atol=1e-9) for one in made), name
    own = found.steps[1].layers[0]
    if cell == "gru":
        close(own.pre_activation["n"], own.from_input["n"] + own.gates["r"] * own.from_state["n"])
    sums = {"m", "n"} if cell.startswith(("min", "rg")) else {"m"}
    made_of_gates = {"rglru": {"f"}, "mingru": {"f"}}.get(cell, set())
    assert set(own.gates) - sums - made_of_gates <= set(own.pre_activation)


def test_a_nonlinearity_whose_argument_is_named_has_a_pre_activation() -> None:
    class Named(Elman):
        def pointwise(self, a: Any, u: Any, state: Any) -> Any:
            return type(state)(torch.tanh(input=a + u)), ()

    cell, x = Named(), torch.ones(1, 2)
    parameters = cell.initial_parameters(2, 3)
    found = pre_activations(cell, x, cell.zero_state(1, 3), parameters)
    close(found["h"], x @ parameters["W_x"] + parameters["b"])


def test_a_learned_start_and_the_embedding_are_shown(command: Command, tmp_path: Path) -> None:
    model = language(VOCABULARIES["jamo"], cell="lstm", learned_initial_state=True)
    done = command("show", save_run(tmp_path / "run", model), "가나")
    assert done.code == 0, done.err
    lines = [line.strip() for line in done.out.splitlines()]
    for begins in ("h_0 ", "c_0 ", "∂L/∂h_0 ", "∂L/∂c_0 ", "E ", "embedding,"):
        assert any(line.startswith(begins) for line in lines), begins


def test_a_matrix_of_which_every_row_is_shown_does_not_say_that_it_goes_on() -> None:
    two = np.ones((2, 3))
    rows = [(0, "a"), (1, "b")]
    assert "…" not in "".join(_matrix("E", (two, two, two), "0.1", rows))
    assert "… (2 × 3)" in list(_matrix("E", (two, two, two), "0.1", rows[:1]))[-1]


def test_a_border_lets_no_gradient_through(hello: LanguageModelTask) -> None:
    whole = unroll_text(hello, "hellohel", then="l")
    cut = unroll_text(hello, "hellohel", then="l", block_length=4)
    assert [step.block for step in cut.steps] == [0] * 4 + [1] * 4
    for a, b in zip(whole.steps, cut.steps, strict=True):
        close(a.layers[0].state["h"], b.layers[0].state["h"])
        assert a.loss == b.loss
    close(cut.steps[7].backward[0].gradient["h"], whole.steps[7].backward[0].gradient["h"])
    assert not np.allclose(
        cut.steps[3].backward[0].gradient["h"], whole.steps[3].backward[0].gradient["h"]
    )
    one = unroll_text(hello, "hell", then="o")
    close(cut.steps[1].backward[0].gradient["h"], one.steps[1].backward[0].gradient["h"])


def test_the_end_has_a_target_only_when_it_is_told(hello: LanguageModelTask) -> None:
    last = unroll_text(hello, "hell").steps[-1]
    assert (last.target, last.loss) == (None, None)
    assert last.backward[0].norms["h"] == 0.0
    assert last.softmax.argmax() == unroll_text(hello, "h").labels.index("o")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"text": "XYZ"}, "does not know 'X'"),
        ({"text": ""}, "nothing to read"),
        ({"text": "hell", "block_length": 0}, "at least 1 step"),
        ({"text": "hell", "block_length": 3, "bptt_length": 2}, "goes back 3 at least"),
        ({"text": "hell", "bptt_length": 2}, "length of a block"),
        ({"text": "hello" * 300}, "at most 1,000"),
    ],
    ids=str,
)
def test_what_cannot_be_unrolled(
    hello: LanguageModelTask, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        unroll_text(hello, **arguments)  # type: ignore[arg-type]


def test_the_command_shows_hello(command: Command, tmp_path: Path, found: UnrolledText) -> None:
    done = command("show", "hello")
    assert done.code == 0, done.err
    assert [line[3:] for line in done.out.splitlines() if line[:3] in ("1  ", "2  ", "3  ", "4  ")] == [
        "reads h", "reads e", "reads l", "reads l",
    ]  # fmt: skip
    assert f"{found.loss:.6f}" in done.out
    value = json.loads(command("show", "hello", "hell", "--json").out)
    close(value["steps"][2]["softmax"], found.steps[2].softmax)
    assert value["steps"][3]["target"] == found.labels.index("o")
    border = command("show", "hello", "hellohello", "--block-length=5", "--with=lstm").out
    assert border.count("───") == 2 * 2
    assert "●" in border
    over = command("show", "hello", "--block-length=2", "--bptt-length=3").out
    assert "     2   ░██" in over
    assert "of block 2 the gradient comes back, as far as step 2" in over
    assert f"becomes {found.update.loss:.6f}" in done.out
    before = command("show", "hello", "--before").out
    assert before != done.out
    done = command("show", save_run(tmp_path / "run", language(VOCABULARIES["jamo"])), "가나")
    assert done.code == 0, done.err
    assert "softmax" in done.out


def test_a_mistake_is_one_sentence(command: Command, tmp_path: Path) -> None:
    run = save_run(tmp_path / "run", language(VOCABULARIES["jamo"]))
    for arguments, said in (
        ((run,), "give a text"),
        ((run, "가", "--before"), "built-in hello"),
        ((tmp_path / "nothing", "가"), "nothing"),
        (("hello", "hell", "--with=elmann"), "sunhwan: there is no cell 'elmann': choose"),
    ):
        done = command("show", *arguments)
        assert (done.code != 0, done.out) == (True, "")
        assert said in done.sentence


@pytest.mark.parametrize("options", [{"text": "hellz"}, {"text": "hell", "then": "z"}])
def test_a_letter_that_would_be_left_out_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="does not know 'z'"):
        unroll_text(hello_model(trained=False), **options)


@pytest.mark.parametrize("rate", [float("nan"), -1.0, 1e300])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1,000"):
        unroll_text(hello_model(trained=False), "hell", learning_rate=rate)


@pytest.mark.parametrize("block_length", [None, 3])
def test_the_gradient_of_c_is_that_through_h_too(block_length: int | None) -> None:
    """An LSTM by PyTorch's graph of the equations, in which h_t is made of c_t."""
    model = hello_model("lstm")
    found = unroll_text(model, "hellohell", then="o", block_length=block_length)
    layer, output = model.model.double().recurrent.stack[0], model.model.output
    W_x, W_h, b = (layer.parameters_of_cell[name].detach() for name in ("W_x", "W_h", "b"))
    ids = [found.labels.index(letter) for letter in "hellohello"]
    h = c = torch.zeros(1, 3, dtype=torch.float64)
    cs, loss = [], torch.zeros((), dtype=torch.float64)
    for t, (token, target) in enumerate(pairwise(ids)):
        if block_length and t % block_length == 0:
            h, c = h.detach(), c.detach()
        s = W_x[token] + h @ W_h + b
        gate = dict(zip(layer.cell.gates, s.chunk(4, 1), strict=True))
        c = torch.sigmoid(gate["f"]) * c + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])
        c.requires_grad_().retain_grad()
        h = torch.sigmoid(gate["o"]) * torch.tanh(c)
        cs.append(c)
        loss = loss - torch.log_softmax(output(h), 1)[0, target]
    loss.backward()  # type: ignore[no-untyped-call]
    for step, own in zip(found.steps, cs, strict=True):
        assert own.grad is not None
        close(step.backward[0].gradient["c"], own.grad[0])
        close(step.backward[0].norms["c"], own.grad.norm())


def test_a_model_of_sentences_reads_each_line_from_the_initial_state() -> None:
    model = language(build_vocabulary("characters", ["나는\n달"]), cell="lstm", num_layers=2)
    model.training = {"batches": "sentences"}
    both = unroll_text(model, "나는\n달", then="\n")
    alone = [unroll_text(model, line, then="\n") for line in ("나는", "달")]
    assert both.anew == [3]
    close(both.loss, sum(one.loss for one in alone))
    close(both.loss, -sum(line.log_probability for line in model.score(["나는", "달"])))
    close(both.loss, model.evaluate_text("나는\n달\n").loss * len(both.steps))
    for layer in range(2):
        for name, total in both.gradients[layer].items():
            close(total, sum(one.gradients[layer][name] for one in alone))
        for name in both.steps[0].backward[layer].shares:
            shares = [step.backward[layer].shares[name].share for step in both.steps]
            close(sum(shares), 1)
    with pytest.raises(UsageError, match="each line as a whole"):
        unroll_text(model, "나는", block_length=2)
