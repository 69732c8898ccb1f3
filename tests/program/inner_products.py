"""Cells with products in their step besides the recurrent one."""

import torch
from torch.nn import functional

from sunhwan.cells import Cell, HiddenState, LSTMState, TwoProductCell


class ResetBefore(TwoProductCell):
    """A GRU whose reset comes before the second product."""

    gates = ("r", "z", "n")
    recurrent_gates = ("r", "z")
    state_type = HiddenState

    def initial_extra(self, hidden_size):
        return {"W_m": torch.randn(hidden_size, hidden_size) / hidden_size**0.5}

    def inner(self, a, u, state):
        H = state.h.shape[-1]
        r, z = (a[..., : 2 * H] + u).sigmoid().chunk(2, -1)
        return r * state.h, (z,)

    def outer(self, a, w, state, kept):
        n = torch.tanh(a.chunk(3, -1)[2] + w)
        return HiddenState(n + kept[0] * (state.h - n)), ()


class Projected(Cell):
    """An LSTM whose output is projected, by a matrix of its own."""

    gates = ("i", "f", "g", "o")
    state_type = LSTMState
    extra = ("W_p",)

    def state_sizes(self, hidden_size):
        return (hidden_size + 1) // 2 - 1, hidden_size

    def initial_extra(self, hidden_size):
        return {"W_p": torch.randn(hidden_size, self.output_size(hidden_size)) / hidden_size**0.5}

    def pointwise(self, a, u, state, W_p):
        i, f, g, o = (a + u).chunk(4, -1)
        c = f.sigmoid() * state.c + i.sigmoid() * g.tanh()
        return LSTMState((o.sigmoid() * c.tanh()) @ W_p, c), ()


class OwnMatrix(Projected):
    """The same with a matrix called W_m, and as many outputs as units."""

    extra = ("W_m",)

    def state_sizes(self, hidden_size):
        return hidden_size, hidden_size

    def initial_extra(self, hidden_size):
        return {"W_m": super().initial_extra(hidden_size)["W_p"]}


class Attention(Cell):
    """The state and a candidate weighted by how like they are to a query: a product for the query,
    one for both keys, in one step three that wait for each other and two that do not."""

    gates = ("n", "z")
    state_type = HiddenState
    extra = ("Q", "K", "gain")

    def initial_extra(self, hidden_size):
        small = (hidden_size, hidden_size // 2 + 1)
        return {name: torch.randn(small) / 2 for name in "QK"} | {"gain": torch.ones(hidden_size)}

    def pointwise(self, a, u, state, Q, K, gain):
        n, z = (a + u).chunk(2, -1)
        query = n @ Q
        past = (query * (state.h @ K)).sum(-1, keepdim=True)
        new = (query * torch.mm(n.tanh() * gain, K)).sum(-1, keepdim=True)
        share = torch.softmax(torch.cat((past, new), -1), -1)
        read = share[:, :1] * state.h + share[:, 1:] * n.tanh()
        return HiddenState(torch.lerp(read, functional.linear(query, Q).tanh(), z.sigmoid())), ()


class Chain(Cell):
    """Products that wait for each other, one of them transposed, and no recurrent one."""

    gates = ("n", "m")
    recurrent_gates = ()
    state_type = LSTMState
    extra = ("R", "wide", "shift")

    def initial_extra(self, hidden_size):
        H = hidden_size
        return {
            "R": torch.randn(H, H) / H,
            "wide": torch.randn(H, 3 * H) / H,
            "shift": torch.ones(H),
        }

    def pointwise(self, a, u, state, R, wide, shift):
        n, m = a.chunk(2, -1)
        x, y, z = (state.h @ wide).chunk(3, -1)
        back = functional.linear(torch.cat((x, y.tanh(), m.sigmoid() * z), -1), wide, shift)
        c = 0.5 * state.c + torch.addmm(n, back, R.T)
        return LSTMState(c.tanh() @ R + back, c), ()


class BesideAProduct(Cell):
    """A matrix that is also read in another way."""

    gates = ("n",)
    state_type = HiddenState
    extra = ("R",)

    def initial_extra(self, hidden_size):
        return {"R": torch.randn(hidden_size, hidden_size) / hidden_size}

    def pointwise(self, a, u, state, R):
        return HiddenState(torch.tanh(a + u + state.h @ R + 0.1 * R.sum(0))), ()


class ByName(BesideAProduct):
    """A matrix that is transposed by a function whose argument is named."""

    def pointwise(self, a, u, state, R):
        return HiddenState(torch.tanh(a + u + state.h @ torch.t(input=R))), ()


class Alike(Cell):
    """Multiplies one number a row, and hands on a field as it is."""

    gates = ("n",)
    state_type = LSTMState
    extra = ("R",)
    initial_extra = BesideAProduct.initial_extra

    def pointwise(self, a, u, state, R):
        w = (0.5 * state.h.mean(-1, keepdim=True)).expand_as(a) @ R
        return LSTMState(state.c, torch.tanh(a + u + w)), ()


class Unlearned(BesideAProduct):
    """A product through which nothing is learned."""

    def pointwise(self, a, u, state, R):
        with torch.no_grad():
            seen = state.h @ R
        return HiddenState(torch.tanh(a + u + state.h.detach() @ R) + seen), ()


INNER = [
    ResetBefore, Projected, OwnMatrix, Attention, Chain, BesideAProduct, ByName, Alike, Unlearned,
]  # fmt: skip
