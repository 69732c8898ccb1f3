"""The simple recurrent network in plain NumPy, for reading: one step, then T steps and back.

N batch rows, T time steps, D input size, H hidden size. Nothing here is needed by the rest of the
package; it is the same network as `sunhwan.layers.Recurrent("elman", …)`, and equal to it in tests.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import ShapeError, UsageError

Array = NDArray[np.floating[Any]]


class Gradients(NamedTuple):
    """The gradient of every parameter, in the shape of the parameter."""

    Wx: Array  # (D, H)
    Wh: Array  # (H, H)
    b: Array  # (H)


class RNN:
    """One step of the Elman network (Elman 1990, "Finding structure in time").

        h = tanh(x Wx + h_prev Wh + b)

    Backward, with s the argument of tanh and tanh' = 1 - tanh²:

        ds  = dh (1 - h²)
        dx  = ds Wxᵀ      dh_prev = ds Whᵀ
        dWx = xᵀ ds       dWh     = h_prevᵀ ds      db = Σ_rows ds

    `backward` belongs to the latest `forward`; it returns (dx, dh_prev) and leaves `grads`.
    """

    def __init__(self, Wx: Array, Wh: Array, b: Array) -> None:
        self.Wx, self.Wh, self.b = _checked_parameters(Wx, Wh, b)  # (D, H), (H, H), (H)
        self.grads = Gradients(np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b))
        self._seen: tuple[Array, Array, Array] | None = None

    def forward(self, x: Array, h_prev: Array) -> Array:
        D, H = self.Wx.shape
        _check("x", x, ("N", D))
        _check("h_prev", h_prev, (len(x), H))
        h = np.tanh(x @ self.Wx + h_prev @ self.Wh + self.b)  # (N, H)
        self._seen = x, h_prev, h
        return h

    def backward(self, dh_next: Array) -> tuple[Array, Array]:
        if self._seen is None:
            raise UsageError("backward needs a forward before it")
        x, h_prev, h = self._seen
        _check("dh_next", dh_next, h.shape)
        ds = dh_next * (1 - h * h)  # (N, H)
        self.grads = Gradients(x.T @ ds, h_prev.T @ ds, ds.sum(0))
        return ds @ self.Wx.T, ds @ self.Wh.T  # (N, D), (N, H)


class TimeRNN:
    """T steps of the same network, and backpropagation through time (Werbos 1990).

        h_t = tanh(x_t Wx + h_{t-1} Wh + b)                 t = 1 … T

    A state acts on the loss in two ways, through its own output and through the next state, so its
    gradient is a sum of two; the walk back collects it:

        dh_t = dhs_t + ds_{t+1} Whᵀ,    ds_t = dh_t (1 - h_t²)      t = T … 1,  ds_{T+1} = 0

    The parameters are shared by all steps, so their gradients are sums over t, each ONE product
    over the N·T rows: dWx = Σ_t x_tᵀ ds_t, dWh = Σ_t h_{t-1}ᵀ ds_t, db = Σ_t ds_t. What reaches
    h_0 is left in `dh`.

    With `stateful` the next `forward` starts where the last one ended. Calling forward and backward
    block by block is then truncated backpropagation through time (Williams and Peng 1990): the
    forward is never cut, while the gradient ends at the border of its block, for `backward` knows
    the latest block alone. `dh` says what was cut off there.
    """

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False) -> None:
        self.Wx, self.Wh, self.b = _checked_parameters(Wx, Wh, b)  # (D, H), (H, H), (H)
        self.stateful = stateful
        self.grads = Gradients(np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b))
        self.h: Array | None = None  # (N, H): the state in which the last call ended
        self.dh: Array | None = None  # (N, H): the gradient of the state before the first step
        self._seen: tuple[Array, Array] | None = None

    def set_state(self, h: Array) -> None:
        """Start the next forward from h (N, H)."""
        if not self.stateful:
            raise UsageError("set_state needs TimeRNN(…, stateful=True): without, h_0 is zero")
        _check("h", h, ("N", len(self.b)))
        self.h = h.copy()

    def reset_state(self) -> None:
        """Start the next forward from zeros."""
        self.h = None

    def forward(self, xs: Array) -> Array:
        D, H = self.Wx.shape
        _check("xs", xs, ("N", "T", D))
        N, T, _ = xs.shape
        hs = np.zeros((N, T + 1, H), dtype=self.Wx.dtype)  # hs[:, t] is h_t; h_0 before the first
        if self.stateful and self.h is not None:
            _check("the carried state", self.h, (N, H))
            hs[:, 0] = self.h
        a = xs @ self.Wx + self.b  # (N, T, H): what does not wait for h, for all t at once
        for t in range(T):
            hs[:, t + 1] = np.tanh(a[:, t] + hs[:, t] @ self.Wh)
        self._seen = xs, hs
        self.h = hs[:, T].copy()
        return hs[:, 1:].copy()  # (N, T, H): the caller's own, free to be changed in place

    def backward(self, dhs: Array) -> Array:
        if self._seen is None:
            raise UsageError("backward needs a forward before it")
        xs, hs = self._seen
        (N, T, D), H = xs.shape, len(self.b)
        _check("dhs", dhs, (N, T, H))
        ds = np.empty_like(hs[:, 1:])  # (N, T, H)
        dh = np.zeros_like(hs[:, 0])  # (N, H): from the step after t, nothing after the last
        for t in reversed(range(T)):
            ds[:, t] = (dhs[:, t] + dh) * (1 - hs[:, t + 1] ** 2)
            dh = ds[:, t] @ self.Wh.T
        self.dh = dh
        rows = ds.reshape(N * T, H)
        before = hs[:, :-1].reshape(N * T, H)  # h_0 … h_{T-1}
        self.grads = Gradients(xs.reshape(N * T, D).T @ rows, before.T @ rows, rows.sum(0))
        return ds @ self.Wx.T  # (N, T, D)


def _checked_parameters(Wx: Array, Wh: Array, b: Array) -> tuple[Array, Array, Array]:
    _check("Wx", Wx, ("D", "H"))
    H = Wx.shape[1]
    _check("Wh", Wh, (H, H))
    _check("b", b, (H,))
    return Wx, Wh, b


def _check(name: str, array: Array, sizes: tuple[int | str, ...]) -> None:
    """ShapeError unless the array has these sizes; a letter stands for any size."""
    pairs = zip(array.shape, sizes, strict=False)
    if array.ndim != len(sizes) or any(isinstance(s, int) and n != s for n, s in pairs):
        needed = ", ".join(map(str, sizes))
        raise ShapeError(f"{name} has shape {array.shape}, but ({needed}) is needed")
