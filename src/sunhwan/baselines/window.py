"""Window network: the next token from the last n alone (Bengio et al. 2003), what recurrence is to beat."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.progress import tell

WINDOW = 8
"""n: tokens that it sees."""
EMBEDDING_SIZE = 32
LEARNING_RATE = 2e-3
LOGITS = 2**25
"""How many are held at once."""


class WindowNetwork(nn.Module):
    r"""Feed-forward language model on a window.

    .. math:: p(w_t) = \operatorname{softmax}(W_2 \tanh(W_1 [e(w_{t-n}); \dots; e(w_{t-1})] + b_1) + b_2)

    V: tokens; D: numbers an embedding; H: hidden units; n: tokens of the window.
    """

    def __init__(self, V: int, H: int, D: int = EMBEDDING_SIZE, n: int = WINDOW) -> None:
        super().__init__()
        self.n = n
        # The row after the last token stands for what is before a text.
        self.embedding = nn.Embedding(V + 1, D)
        self.hidden = nn.Linear(n * D, H)
        self.output = nn.Linear(H, V)

    @classmethod
    def of(cls, parameters: int, V: int) -> "WindowNetwork":
        """The network with about so many parameters."""
        D, n = EMBEDDING_SIZE, WINDOW
        return cls(V, max(1, round((parameters - (V + 1) * D - V) / (n * D + 1 + V))))

    def forward(self, windows: Tensor) -> Tensor:
        """windows (N, n), the tokens before each place, V where there is none → logits (N, V)."""
        y: Tensor = self.output(torch.tanh(self.hidden(self.embedding(windows).flatten(1))))
        return y


def windows_of(ids: Tensor, starts: Tensor, places: Tensor, n: int, outside: int) -> Tensor:
    """The n tokens before each place of a text (L), (N, n); `outside` where the document had none.

    starts: where documents begin; places: ≥ 1.
    """
    before = places.unsqueeze(1) + torch.arange(-n, 0)
    # Of a document's first token the end of the one before it tells.
    document = torch.searchsorted(starts, places - 1, right=True) - 1
    first = torch.where(document >= 0, starts[document.clamp(min=0)], 0)
    return torch.where(before >= first.unsqueeze(1), ids[before.clamp(min=0)], outside)


def fit(
    ids: Tensor, starts: Tensor, V: int, *, parameters: int, steps: int, rows: int
) -> WindowNetwork:
    """A network of about so many parameters that learned from a text in so many steps of Adam.

    ids (L), starts: the text and where its documents begin. rows: places of a step, drawn at random
    (seed 1); the rate falls by half a cosine.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = WindowNetwork.of(parameters, V)
        adam = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        for step in range(steps):
            places = torch.randint(1, len(ids), (rows,))
            adam.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
            adam.zero_grad()
            for part in torch.split(places, max(1, LOGITS // V)):
                (_nats(network, ids, starts, part) / rows).backward()  # type: ignore[no-untyped-call]
            adam.step()
            tell("learning_a_window", step + 1, steps)
    return network


@torch.no_grad()
def loss(network: WindowNetwork, ids: Tensor, starts: Tensor, places: Tensor) -> float:
    """−log p in nats, averaged over some places of a text."""
    V = network.output.out_features

    parts = torch.split(places, max(1, LOGITS // V))
    return sum(_nats(network, ids, starts, part).item() for part in parts) / len(places)


def _nats(network: WindowNetwork, ids: Tensor, starts: Tensor, places: Tensor) -> Tensor:
    """The sum of −log p over some places of a text."""
    V = network.output.out_features
    logits = network(windows_of(ids, starts, places, network.n, V))
    return functional.cross_entropy(logits, ids[places], reduction="sum")
