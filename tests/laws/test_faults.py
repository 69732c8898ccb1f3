"""The laws can fail: each of these faults, planted one at a time, is caught by the law named.

A fault is a change of the source text of one function; the text must occur exactly once, so that a
fault that no longer fits its function is noticed instead of passing as caught.
"""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch

from sunhwan.cells import GRU, LSTM, UGRNN, Cell, Elman
from sunhwan.layers import Recurrent, RecurrentLayer
from sunhwan.numpy_rnn import RNN, TimeRNN
from sunhwan.ops import fused, reference
from tests.cases import Case
from tests.laws.test_backends import backends_agree
from tests.laws.test_dropout import only_between_layers
from tests.laws.test_edges import nothing_to_read
from tests.laws.test_equations import equation
from tests.laws.test_gradients import gradients
from tests.laws.test_initialisation import begins_well
from tests.laws.test_numpy_rnn import (
    rnn_differences,
    time_rnn_differences,
    time_rnn_is_the_layer,
)
from tests.laws.test_pointwise import pointwise_backward, pointwise_over_time, step_backward
from tests.laws.test_rows import (
    a_row_alone_is_the_row_in_a_batch,
    nan_stays_in_its_row,
    parameters_gather_all_rows,
    rows_may_be_permuted,
)
from tests.laws.test_sequences import (
    chunks_are_the_sequence,
    no_gradient_crosses_a_reset,
    resets_are_separate_sequences,
    steps_are_the_sequence,
)
from tests.laws.test_stateful import no_gradient_crosses_calls, set_and_reset, stateful_is_explicit
from tests.laws.test_torch_modules import from_torch, to_torch


@dataclass(frozen=True)
class Fault:
    """In `owner.name`, `right` becomes `wrong`; `law`, with no arguments left, must notice."""

    owner: Any
    name: str
    right: str
    wrong: str
    law: Callable[[], None]

    def __str__(self) -> str:
        law = getattr(self.law, "func", self.law).__name__
        where = self.owner.__name__.rsplit(".")[-1]
        return f"{where}.{self.name}: {self.right} -> {self.wrong} ({law})".replace("\n", " ")

    def plant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        function = plain(inspect.getattr_static(self.owner, self.name))
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.right) == 1, f"{self.right!r} must occur once in {self.name}"
        source = source.replace(self.right, self.wrong)
        # In the body of a class, so that super() compiles to the same closure as before.
        source = f"class Planted:\n{textwrap.indent(source, '    ')}"
        namespace: dict[str, Any] = {}
        exec(source, function.__globals__, namespace)
        planted = plain(inspect.getattr_static(namespace["Planted"], self.name))
        # The code alone, so that whoever holds the function already has the fault as well.
        monkeypatch.setattr(function, "__code__", planted.__code__)


def plain(function: Any) -> Any:
    """The function itself, out of staticmethod, classmethod and decorators."""
    return inspect.unwrap(getattr(function, "__func__", function))


ELMAN, RELU, GRU_ROW, LSTM_ROW, UGRNN_ROW = map(
    Case, ("elman", "elman_relu", "gru", "lstm", "ugrnn")
)
DEEP, LEARNED = Case("gru", layers=2), Case("lstm", learned=True)

dot = partial(partial, backend="reference")
nan = partial(partial, nan_stays_in_its_row, dtype=torch.float64)

FAULTS = [
    # The equation itself.
    Fault(
        LSTM,
        "pointwise",
        "i_f[..., H:] * c_prev",
        "i_f[..., H:] * -c_prev",
        partial(equation, LSTM_ROW),
    ),
    Fault(
        LSTM,
        "pointwise",
        "LSTMState(o * tanh_c, c)",
        "LSTMState(o * c, c)",
        partial(equation, LSTM_ROW),
    ),
    Fault(LSTM, "pointwise", "i_f[..., :H], g)", "i_f[..., H:], g)", partial(from_torch, LSTM_ROW)),
    Fault(LSTM, "pointwise", "s = a + u", "s = a", partial(equation, LSTM_ROW)),
    Fault(
        GRU,
        "pointwise",
        "torch.lerp(n, h, rz[..., H:])",
        "torch.lerp(h, n, rz[..., H:])",
        partial(equation, GRU_ROW),
    ),
    Fault(GRU, "pointwise", "rz[..., :H], u_n)", "rz[..., H:], u_n)", partial(to_torch, GRU_ROW)),
    Fault(
        UGRNN,
        "pointwise",
        "z, n = torch.sigmoid(s_z), torch.tanh(s_n)",
        "z, n = torch.sigmoid(s_n), torch.tanh(s_z)",
        partial(equation, UGRNN_ROW),
    ),
    Fault(Elman, "pointwise", "torch.relu(a + u)", "(a + u)", partial(equation, RELU)),
    # The derivative of a step.
    Fault(LSTM, "factors", "o * (1 - tanh_c * tanh_c)", "o", partial(pointwise_backward, LSTM_ROW)),
    Fault(
        LSTM, "factors", "c_prev * f * (1 - f)", "-c_prev * f * (1 - f)", dot(gradients, LSTM_ROW)
    ),
    Fault(
        LSTM,
        "factors",
        "(g * i * (1 - i), c_prev * f * (1 - f)",
        "(c_prev * f * (1 - f), g * i * (1 - i)",
        dot(gradients, LSTM_ROW),
    ),
    Fault(
        LSTM,
        "pointwise_backward",
        "torch.addcmul(d_c, d_h, h_to_c)",
        "d_h * h_to_c",
        dot(gradients, LSTM_ROW),
    ),
    Fault(LSTM, "pointwise_backward", "d_c * f)", "d_c)", partial(pointwise_backward, LSTM_ROW)),
    Fault(GRU, "factors", "(h_prev - n)", "(n - h_prev)", dot(gradients, GRU_ROW)),
    Fault(GRU, "factors", "to_n * r)", "to_n)", partial(pointwise_backward, GRU_ROW)),
    Fault(GRU, "factors", "(r * (1 - r))", "r", partial(pointwise_backward, GRU_ROW)),
    Fault(
        GRU,
        "pointwise_backward",
        "GRUState(d_h * z)",
        "GRUState(torch.zeros_like(d_h))",
        dot(gradients, GRU_ROW),
    ),
    Fault(
        GRU,
        "factors",
        "state_prev\n",
        "state_prev\n    h_prev = h_prev[:1]\n",
        partial(pointwise_over_time, GRU_ROW),
    ),
    Fault(
        UGRNN,
        "factors",
        "(1 - z) * (1 - n * n)",
        "(1 - n * n)",
        partial(pointwise_backward, UGRNN_ROW),
    ),
    Fault(
        UGRNN, "factors", "(1 - z) * (1 - n * n)", "(1 - z) * (1 - n)", dot(gradients, UGRNN_ROW)
    ),
    Fault(Elman, "factors", "1 - h * h", "1 + h * h", partial(pointwise_backward, ELMAN)),
    Fault(Elman, "factors", "(h > 0)", "(h >= 0)", partial(pointwise_backward, RELU)),
    Fault(Cell, "step_backward", "d_u @ W_h.T", "d_u @ W_h", partial(step_backward, ELMAN)),
    Fault(
        Cell,
        "step_backward",
        "state_prev[0].T @ d_u",
        "state[0].T @ d_u",
        partial(step_backward, UGRNN_ROW),
    ),
    Fault(Cell, "step_backward", "d_u.sum(0)", "d_a.sum(0)", partial(step_backward, GRU_ROW)),
    # The loop over time.
    Fault(
        reference,
        "backward",
        "W_h_transposed = W_h.T",
        "W_h_transposed = W_h",
        dot(gradients, ELMAN),
    ),
    Fault(
        reference,
        "backward",
        "_stack(d_states), d_state",
        "_stack(d_states), tuple(map(torch.zeros_like, d_state))",
        dot(gradients, LSTM_ROW),
    ),
    Fault(
        reference,
        "backward",
        "d_state = d_last",
        "d_state = tuple(map(torch.zeros_like, d_last))",
        dot(gradients, GRU_ROW),
    ),
    Fault(
        reference,
        "backward",
        "reversed(d_h.unbind(0))",
        "reversed(d_h.roll(1, 0).unbind(0))",
        dot(gradients, UGRNN_ROW),
    ),
    Fault(reference, "backward", "d_states.reverse()", "pass", dot(gradients, ELMAN)),
    Fault(
        reference.Recurrence,
        "backward",
        "d_u.T @ before[0].flatten(0, 1)",
        "d_u.T @ over_time[0].flatten(0, 1)",
        dot(gradients, ELMAN),
    ),
    Fault(
        reference.Recurrence,
        "backward",
        "(d_u.T @ before[0].flatten(0, 1)).T",
        "torch.zeros_like(W_h)",
        dot(gradients, ELMAN),
    ),
    Fault(
        reference.Recurrence,
        "backward",
        "tuple(saved), before,",
        "tuple(saved), over_time,",
        dot(gradients, LSTM_ROW),
    ),
    Fault(
        reference.Recurrence,
        "backward",
        "d_u.sum(0) if ctx.bias",
        "d_u.mean(0) if ctx.bias",
        dot(gradients, GRU_ROW),
    ),
    Fault(
        reference.Recurrence,
        "forward",
        "field[-1].clone()",
        "field[0].clone()",
        dot(chunks_are_the_sequence, ELMAN),
    ),
    Fault(
        reference,
        "forward",
        "h = state[0]",
        "h = state[0].detach()",
        partial(gradients, GRU_ROW, "unrolled"),
    ),
    Fault(
        reference,
        "forward",
        "h = state[0]",
        "h = state[0] + 0 * state[0].sum(0)",
        nan(ELMAN, "reference"),
    ),
    Fault(
        reference,
        "forward",
        "h = state[0]",
        "h = state[0] * (1 + 0.01 * len(state[0]))",
        dot(a_row_alone_is_the_row_in_a_batch, GRU_ROW),
    ),
    Fault(
        reference,
        "forward",
        "h = state[0]",
        "h = state[0] + state[0][:1] / 10",
        dot(rows_may_be_permuted, LSTM_ROW),
    ),
    Fault(
        reference,
        "forward",
        "states.append(state)",
        "states.append(state)\n        if a_t.isnan().any(): state = tuple(f * 0 for f in state)",
        nan(GRU_ROW, "unrolled"),
    ),
    Fault(
        reference,
        "forward",
        "a.unbind(0)",
        "a.flip(0).unbind(0)",
        partial(steps_are_the_sequence, ELMAN),
    ),
    Fault(
        reference,
        "run_unrolled",
        "states[-1]",
        "states[0]",
        partial(backends_agree, LSTM_ROW, "unrolled"),
    ),
    Fault(
        reference,
        "input_products",
        "torch.addmm(b, rows, W_x)",
        "torch.mm(rows, W_x)",
        dot(gradients, ELMAN),
    ),
    Fault(
        reference,
        "input_products",
        "torch.addmm(b, rows, W_x)",
        "torch.addmm(b, rows, W_x) / len(rows)",
        dot(parameters_gather_all_rows, ELMAN),
    ),
    Fault(
        reference,
        "empty",
        "(a + u.view(a.shape))[..., :H]",
        "a[..., :H]",
        partial(nothing_to_read, ELMAN, "reference", 0, 3),
    ),
    Fault(
        fused,
        "torch_weights",
        "[b, torch.zeros_like(b) if b_h is None else b_h]",
        "[torch.zeros_like(b) if b_h is None else b_h, b]",
        partial(backends_agree, GRU_ROW, "fused"),
    ),
    # The layers around it.
    Fault(
        RecurrentLayer,
        "forward",
        "mask, new, old",
        "mask, old, new",
        dot(resets_are_separate_sequences, GRU_ROW),
    ),
    Fault(
        RecurrentLayer,
        "forward",
        "resets[cut].to",
        "resets[cut].any().expand(x.shape[1]).to",
        dot(resets_are_separate_sequences, ELMAN),
    ),
    Fault(
        RecurrentLayer,
        "forward",
        "x[start:cut]",
        "x[start : cut + 1]",
        partial(resets_are_separate_sequences, LSTM_ROW, "unrolled"),
    ),
    Fault(
        RecurrentLayer,
        "forward",
        "self.initial_state(x.shape[1])",
        "self.cell.zero_state(x.shape[1], self.hidden_size, dtype=x.dtype)",
        partial(gradients, LEARNED, "reference", with_resets=True),
    ),
    Fault(
        RecurrentLayer,
        "forward",
        "torch.where(mask, new, old)",
        "torch.where(mask, new + old - old.detach(), old)",
        partial(no_gradient_crosses_a_reset, ELMAN),
    ),
    Fault(
        RecurrentLayer,
        "initial_state",
        ".expand(batch_size, -1)",
        ".detach().expand(batch_size, -1)",
        dot(gradients, LEARNED),
    ),
    Fault(
        Recurrent,
        "forward",
        "self._state = detach(last)",
        "self._state = last",
        partial(no_gradient_crosses_calls, GRU_ROW),
    ),
    Fault(
        Recurrent,
        "forward",
        "self._state = detach(last)",
        "self._state = detach(states)",
        partial(stateful_is_explicit, LSTM_ROW),
    ),
    Fault(Recurrent, "reset_state", "self.set_state(None)", "pass", partial(set_and_reset, ELMAN)),
    Fault(Recurrent, "forward", "if depth:", "if True:", partial(only_between_layers, GRU_ROW)),
    Fault(Recurrent, "forward", "if depth:", "if False:", partial(only_between_layers, DEEP)),
    Fault(
        Recurrent,
        "forward",
        "outputs.transpose(0, 1), last",
        "self.dropout(outputs).transpose(0, 1), last",
        partial(only_between_layers, DEEP),
    ),
    Fault(Recurrent, "from_torch", "else b_ih + b_hh", "else b_ih", partial(from_torch, LSTM_ROW)),
    Fault(
        Cell,
        "initial_parameters",
        "torch.nn.init.orthogonal_(torch.empty(H, H))",
        "torch.randn(H, H) / H**0.5",
        partial(begins_well, "elman"),
    ),
    Fault(
        LSTM,
        "initial_bias",
        "hidden_size : 2 * hidden_size",
        ":hidden_size",
        partial(begins_well, "lstm"),
    ),
    Fault(GRU, "initial_bias", "= 1.0", "= 0.0", partial(begins_well, "gru")),
    # The network in NumPy.
    Fault(RNN, "backward", "ds @ self.Wh.T", "ds @ self.Wh", rnn_differences),
    Fault(TimeRNN, "backward", "dhs[:, t] + dh", "dhs[:, t]", time_rnn_differences),
    Fault(TimeRNN, "backward", "hs[:, :-1]", "hs[:, 1:]", time_rnn_differences),
    Fault(TimeRNN, "backward", "hs[:, t + 1] ** 2", "hs[:, t] ** 2", time_rnn_differences),
    Fault(TimeRNN, "forward", "hs[:, 0] = self.h", "pass", time_rnn_is_the_layer),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    fault.law()  # Without the fault the law holds, so it is the fault that is caught.
    fault.plant(monkeypatch)
    with pytest.raises(AssertionError):
        fault.law()
