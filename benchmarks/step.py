"""Speed of a whole training step against the same model written plainly in PyTorch.

Ours is the step of `sunhwan train`: stream, model, guard, optimiser, log. The other side is what one
writes without this package: nn.Embedding, nn.LSTM, nn.Linear, CrossEntropyLoss, clip_grad_norm_ and
AdamW; for the cell that torch.nn has not, a layer-normalised LSTM with zoneout, a loop over a cell of
a few lines. It runs in a process of its own, as PyTorch comes, and once more beside ours, with the same
memory and products as ours. All measured in turn, float32, on characters drawn at random, for the text
changes nothing in the speed. The last column is the share of our step outside the recurrent layers, whose
input products count to them.
`python -m benchmarks.step [--json FILE] [--markdown FILE]`
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.measure import arguments_of, in_own_process, in_turn, machine, publish, table
from sunhwan.config import Config, DataConfig, ModelConfig, TrainingConfig
from sunhwan.data import Tokens
from sunhwan.layers import Recurrent
from sunhwan.ops import LazyEmbedding, fast_products, keep_freed_memory
from sunhwan.store import Run
from sunhwan.tasks.language_model.task import LanguageModelTask
from sunhwan.text import build_vocabulary
from sunhwan.training import Trainer

V, N, D = 65, 32, 64
ZONEOUT = 0.1
CASES = [
    ("gru", 1, 64, 64),
    ("lstm", 1, 64, 64),
    *(("lstm", layers, H, T) for layers, H in ((1, 256), (2, 512)) for T in (64, 100)),
    ("lstm_layer_norm", 1, 256, 64),
]
PLAIN = {"gru": nn.GRU, "lstm": nn.LSTM}


class LayerNormLSTM(nn.Module):
    """An LSTM with layer normalisation and zoneout, step by step."""

    def __init__(self, D: int, H: int, zoneout: float) -> None:
        super().__init__()
        self.H, self.zoneout = H, zoneout
        self.x, self.h = nn.Linear(D, 4 * H, bias=False), nn.Linear(H, 4 * H, bias=False)
        self.norm_x, self.norm_h, self.norm_c = (nn.LayerNorm(n) for n in (4 * H, 4 * H, H))

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        zero = x.new_zeros(len(x), self.H)
        h, c = (zero, zero) if state is None else state
        outputs = []
        for x_t in x.unbind(1):
            s = self.norm_x(self.x(x_t)) + self.norm_h(self.h(h))
            i, f, g, o = s.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            new = torch.sigmoid(o) * torch.tanh(self.norm_c(c))
            h = torch.where(torch.rand_like(h) < self.zoneout, h, new)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class PlainModel(nn.Module):
    """Embedding, recurrent layers, output layer."""

    def __init__(self, cell: str, layers: int, H: int) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(V, D), nn.Linear(H, V)
        self.recurrent = (
            PLAIN[cell](D, H, layers, batch_first=True)
            if cell in PLAIN
            else LayerNormLSTM(D, H, ZONEOUT)
        )

    def forward(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        y, state = self.recurrent(self.embedding(ids), state)
        return self.output(y), state


def plain_step(cell: str, layers: int, H: int, T: int) -> Callable[[], float]:
    """One step of truncated BPTT as one writes it."""
    model, ids = PlainModel(cell, layers, H), random_ids()
    ids = ids[: len(ids) // N * N].view(N, -1)
    optimizer, criterion = torch.optim.AdamW(model.parameters(), 0.004), nn.CrossEntropyLoss()
    starts = itertools.cycle(range(0, ids.shape[1] - T - 1, T))
    state: Any = None

    def step() -> float:
        nonlocal state
        start = next(starts)
        inputs, targets = ids[:, start : start + T], ids[:, start + 1 : start + T + 1]
        logits, last = model(inputs, state)
        state = last.detach() if cell == "gru" else tuple(field.detach() for field in last)
        loss = criterion(logits.reshape(-1, V), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    return step


def random_ids(size: int = V) -> Tensor:
    """As many tokens as no measurement comes to the end of."""
    return torch.randint(size, (500_000,), generator=torch.Generator().manual_seed(1))


def config_of(
    cell: str, layers: int, H: int, T: int, *, size: int = D, zoneout: float = 0.0
) -> Config:
    """The configuration of a language model whose tokens are embedded in `size` numbers."""
    return Config(
        data=DataConfig(batch_size=N, block_length=T),
        model=ModelConfig(
            cell=cell, hidden_size=H, num_layers=layers, input="embedding", embedding_size=size,
            dropout=0.0, zoneout=zoneout,
        ),
        training=TrainingConfig(optimizer="adamw", learning_rate=0.004, steps=10_000),
    )  # fmt: skip


def our_trainer(run: Run, config: Config, size: int = V) -> Trainer:
    """The trainer of `sunhwan train`, on the same tokens."""
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + size)))
    vocabulary = build_vocabulary("characters", [letters], unk=False)
    ids = random_ids(size)
    tokens = Tokens(ids, torch.zeros(1, dtype=torch.int64), len(ids))
    return Trainer(run, config, LanguageModelTask(config, vocabulary), tokens, None)


def recurrences_of(trainer: Trainer) -> Callable[[], None]:
    """The recurrent layers of one step again, input products included: forward and backward."""
    calls: list[tuple[LazyEmbedding, Any, dict[str, Any]]] = []
    forward = Recurrent.forward

    def noted(self: Recurrent, x: LazyEmbedding, state: Any, *rest: Any, **options: Any) -> Any:
        calls.append((x, state, options))
        return forward(self, x, state, *rest, **options)

    trainer._train_step()  # the next one starts from a state
    with mock.patch.object(Recurrent, "forward", noted):
        trainer._train_step()
    ((x, state, options),) = calls
    x = LazyEmbedding(x.ids, x.weight.detach().requires_grad_())
    recurrent = recurrent_of(trainer)
    learned = (x.weight, *recurrent.parameters())

    def again() -> None:
        output, _ = recurrent(x, state, **options)
        torch.autograd.grad(output, learned, torch.ones_like(output), allow_unused=True)

    return again


def recurrent_of(trainer: Trainer) -> Recurrent:
    """The recurrent layers of a trainer's model."""
    found = trainer.task.model.get_submodule("recurrent")
    assert isinstance(found, Recurrent)
    return found


def measure(cell: str, layers: int, H: int, T: int, rounds: int, folder: Path) -> dict[str, object]:
    """One row: tokens a second of both, and what our step spends outside the recurrence."""
    config = config_of(cell, layers, H, T, zoneout=0.0 if cell in PLAIN else ZONEOUT)
    with (
        Run.create(folder / f"{cell}-{layers}-{H}-{T}", config) as run,
        in_own_process(plain_step, cell, layers, H, T) as plain,
    ):
        trainer = our_trainer(run, config)
        again = recurrences_of(trainer)
        beside = plain_step(cell, layers, H, T)

        def shipped(side: Callable[[], object]) -> Callable[[], None]:
            def call() -> None:
                with fast_products(config.training.fast_products):
                    side()

            return call

        sides: dict[str, Callable[[], object]] = {
            "plain": plain,
            "beside": shipped(beside),
            "ours": shipped(trainer._train_step),
            "recurrence": shipped(again),
        }
        seconds = in_turn(sides, rounds=rounds, seconds=0.5)
    return {
        "cell": cell,
        "layers": layers,
        "H": H,
        "T": T,
        "kernel": recurrent_of(trainer).explain().split(", ")[1].split(":")[0],
        "plain_tokens_per_second": N * T / seconds["plain"],
        "beside_tokens_per_second": N * T / seconds["beside"],
        "tokens_per_second": N * T / seconds["ours"],
        "ratio": seconds["plain"] / seconds["ours"],
        "ratio_beside": seconds["beside"] / seconds["ours"],
        "outside": 1 - seconds["recurrence"] / seconds["ours"],
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(*case, arguments.rounds, Path(folder)) for case in CASES]
    header = ["cell", "layers × H", "T", "kernel", "PyTorch", "sunhwan", "ratio", "PyTorch beside"]
    header += ["ratio", "not recurrence"]
    text = table(header, list(_cells(rows)))
    text += (
        f"\nTokens a second of a whole training step, N = {N}, D = {D}, V = {V}, AdamW, medians of "
        f"{arguments.rounds} rounds measured in turn; {machine()}. *Beside*: in our process, with our "
        f"`keep_memory` and `fast_products`. lstm_layer_norm, with zoneout {ZONEOUT}: against a loop "
        "over a cell.\n"
    )
    publish(text, rows, arguments)


def _cells(rows: list[dict[str, object]]) -> Iterator[tuple[object, ...]]:
    for row in rows:
        yield (
            row["cell"],
            f"{row['layers']} × {row['H']}",
            row["T"],
            row["kernel"],
            f"{row['plain_tokens_per_second']:,.0f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['ratio']:.2f}",
            f"{row['beside_tokens_per_second']:,.0f}",
            f"{row['ratio_beside']:.2f}",
            f"{row['outside']:.0%}",
        )


if __name__ == "__main__":
    main()
