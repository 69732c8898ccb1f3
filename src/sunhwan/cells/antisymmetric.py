"""Antisymmetric RNN (Chang et al. 2019): Euler steps of a stable differential equation."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, HiddenState, Parameters, State


@dataclass(frozen=True)
class Antisymmetric(Cell):
    r"""AntisymmetricRNN (Chang, Chen, Haber and Chi 2019).

    .. math:: h_t = h_{t-1} + \epsilon \tanh(x_t W_x + h_{t-1} (W_h - W_h^\top - \gamma I) + b)

    A step of Euler's method. The matrix is antisymmetric but for the small damping γ, so its
    eigenvalues lie by the imaginary axis: what is remembered turns around, and neither grows nor
    fades quickly. W_x starts normal with variance 1 / D, W_h with variance 1 / H.
    Shapes: x (N, D), h (N, H), W_x (D, H), W_h (H, H), b (H).
    """

    epsilon: float = 0.1
    gamma: float = 0.01

    gates: ClassVar[tuple[str, ...]] = ("h",)
    state_type: ClassVar[type[HiddenState]] = HiddenState
    saved_names: ClassVar[tuple[str, ...]] = ("n",)
    source: ClassVar[str] = "Chang et al. 2019"

    @property
    def kernel_constant(self) -> float:
        return self.epsilon

    def with_kernel_constants(self, constant: float, projection_size: int) -> "Antisymmetric":
        return replace(self, epsilon=constant)

    def initial_parameters(
        self, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> Parameters:
        fresh = super().initial_parameters(input_size, hidden_size, bias=bias)
        W_x = torch.randn(input_size, hidden_size) / input_size**0.5
        return fresh | {"W_x": W_x, "W_h": torch.randn(hidden_size, hidden_size) / hidden_size**0.5}

    def effective(self, parameters: Parameters) -> Parameters:
        W = parameters["W_h"]
        damping = self.gamma * torch.eye(len(W), dtype=W.dtype, device=W.device)
        return parameters | {"W_h": W - W.T - damping}

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        n = torch.tanh(a + u)
        return HiddenState(torch.add(state[0], n, alpha=self.epsilon)), (n,)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        (n,) = saved
        return (self.epsilon * (1 - n * n),)

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        (d_h,) = d_state
        return d_h * factors[0], (d_h,)
